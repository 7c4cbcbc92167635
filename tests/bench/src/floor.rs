//! The floor: the least that a proxy between stdio and HTTP can do. It forwards each line as a POST over a keep-alive
//! connection and writes the body of the answer to stdout, on one thread, with none of the hub's work: no discovery,
//! no sessions, no health, no checks, no other message than requests with answers in JSON.

#[cfg(not(unix))]
pub(crate) fn run(_port: u16) -> anyhow::Result<()> {
    anyhow::bail!("the floor needs Unix pipes")
}

#[cfg(unix)]
pub(crate) use unix::run;

#[cfg(unix)]
mod unix {
    use std::{
        fs::File,
        io::{ErrorKind, Read, Write},
        net::{Ipv4Addr, TcpStream},
        os::fd::AsFd,
    };

    use anyhow::{Context, Result, bail};
    use memchr::memmem;
    use rustix::event::{PollFd, PollFlags, poll};

    /// Calls that can be under way; further lines wait in the pipe.
    const CONNECTIONS: usize = 64;

    /// Each read takes at most this: the size of a Linux pipe.
    const READ_BYTES: usize = 64 * 1024;

    /// A connection and how much of the body that it is receiving is still to come.
    struct Connection {
        stream: TcpStream,
        head: Vec<u8>,
        state: State,
    }

    enum State {
        Idle,
        Head,
        Body { left: usize },
    }

    /// Forwards until stdin ends.
    pub(crate) fn run(port: u16) -> Result<()> {
        let start = format!(
            "POST /mcp HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-type: application/json\r\naccept: \
             application/json, text/event-stream\r\nmcp-session-id: bench\r\nmcp-protocol-version: \
             2025-11-25\r\ncontent-length: "
        );
        // Without the standard library's buffers and locks around them.
        let mut input = File::from(std::io::stdin().as_fd().try_clone_to_owned()?);
        let mut output = File::from(std::io::stdout().as_fd().try_clone_to_owned()?);
        let mut connections: Vec<Connection> = Vec::new();
        let mut lines = Vec::new();
        let mut request = Vec::new();
        let mut buffer = vec![0; READ_BYTES];
        loop {
            let busy = |connection: &&Connection| !matches!(connection.state, State::Idle);
            let full = connections.iter().filter(busy).count() == CONNECTIONS;
            let mut waited = Vec::with_capacity(connections.len() + 1);
            waited.extend(
                connections
                    .iter()
                    .filter(busy)
                    .map(|connection| PollFd::from_borrowed_fd(connection.stream.as_fd(), PollFlags::IN)),
            );
            if !full {
                waited.push(PollFd::from_borrowed_fd(input.as_fd(), PollFlags::IN));
            }
            poll(&mut waited, None)?;
            let mut ready =
                waited.iter().map(|descriptor| !descriptor.revents().is_empty()).collect::<Vec<_>>();
            drop(waited);
            if !full && ready.pop() == Some(true) {
                let read = input.read(&mut buffer)?;
                if read == 0 {
                    return Ok(());
                }
                lines.extend_from_slice(buffer.get(..read).unwrap_or_default());
            }
            let busy = connections.iter_mut().filter(|connection| !matches!(connection.state, State::Idle));
            for (connection, _) in busy.zip(ready).filter(|(_, ready)| *ready) {
                connection.receive(&mut buffer, &mut output)?;
            }
            let mut from = 0;
            while let Some(length) = memchr::memchr(b'\n', lines.get(from..).unwrap_or_default()) {
                let line = lines.get(from..from + length).unwrap_or_default();
                let Some(connection) = idle(&mut connections, port)? else { break };
                request.clear();
                write!(request, "{start}{}\r\n\r\n", line.len())?;
                request.extend_from_slice(line);
                connection.stream.write_all(&request)?;
                // A notification has no answer to wait for but the 202, which is read and dropped like a head.
                connection.state = State::Head;
                from += length + 1;
            }
            lines.drain(..from);
        }
    }

    /// A connection without a call, opened if there is none and room for one.
    fn idle(connections: &mut Vec<Connection>, port: u16) -> Result<Option<&mut Connection>> {
        let at = match connections.iter().position(|connection| matches!(connection.state, State::Idle)) {
            Some(at) => at,
            None if connections.len() == CONNECTIONS => return Ok(None),
            None => {
                let stream =
                    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).context("cannot reach the server")?;
                stream.set_nodelay(true)?;
                connections.push(Connection { stream, head: Vec::new(), state: State::Idle });
                connections.len() - 1
            }
        };
        Ok(connections.get_mut(at))
    }

    impl Connection {
        /// Reads once and passes on what there is of the body.
        fn receive(&mut self, buffer: &mut [u8], output: &mut impl Write) -> Result<()> {
            let read = match self.stream.read(buffer) {
                Ok(0) => bail!("the server closed a connection"),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            let received = buffer.get_mut(..read).unwrap_or_default();
            match self.state {
                State::Idle => bail!("the server sent an answer to nothing"),
                State::Body { left } => self.body(left, received, output),
                State::Head => {
                    self.head.extend_from_slice(received);
                    let Some(end) = memmem::find(&self.head, b"\r\n\r\n") else { return Ok(()) };
                    let left = crate::http::content_length(self.head.get(..end + 2).unwrap_or_default());
                    let mut rest = self.head.split_off(end + 4);
                    self.head.clear();
                    match left {
                        Some(0) => {
                            self.state = State::Idle;
                            Ok(())
                        }
                        Some(left) => {
                            // The line break is added here, so that a small answer is one write.
                            if rest.len() == left {
                                rest.push(b'\n');
                                self.state = State::Idle;
                                return Ok(output.write_all(&rest)?);
                            }
                            self.body(left, &rest, output)
                        }
                        None => bail!("the server did not say how long its answer is"),
                    }
                }
            }
        }

        /// Passes on a part of a body of which `left` bytes are missing. Nobody else may write in between: large
        /// results are measured one at a time.
        fn body(&mut self, left: usize, received: &[u8], output: &mut impl Write) -> Result<()> {
            output.write_all(received)?;
            let left = left.saturating_sub(received.len());
            self.state = if left == 0 { State::Idle } else { State::Body { left } };
            if left == 0 {
                output.write_all(b"\n")?;
            }
            Ok(())
        }
    }
}
