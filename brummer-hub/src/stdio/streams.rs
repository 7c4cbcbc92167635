//! The process's stdin and stdout as asynchronous streams.
//!
//! Pipes and Unix sockets, which is what MCP clients use, are polled by the runtime, so that no thread stands between the
//! client and the session. A pipe is opened anew for that where the system allows it (Linux): its blocking mode belongs
//! to whoever else holds the same end, and is left alone. Everything else (terminals, files, Windows) is read and written
//! by a thread.

use std::{io, pin::Pin};

use tokio::io::{AsyncRead, AsyncWrite};

/// A stream to read from.
pub(super) type InputStream = Box<dyn AsyncRead + Send + Unpin>;

/// A stream to write to, and a future that resolves when its reader is gone, where the system tells.
pub(super) type OutputStream = (Box<dyn AsyncWrite + Send + Unpin>, Pin<Box<dyn Future<Output = ()> + Send>>);

/// Stdin.
pub(super) fn stdin() -> InputStream {
    #[cfg(unix)]
    if let Some(stream) = polled::input() {
        return stream;
    }
    Box::new(threaded::reader(io::stdin()))
}

/// Whether the other end of stdin is closed, even if there is something left to read. `false` where the system does not
/// tell.
pub(super) fn stdin_is_closed() -> bool {
    #[cfg(unix)]
    {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};

        let stdin = io::stdin();
        let mut looked = [PollFd::new(&stdin, PollFlags::empty())];
        poll(&mut looked, Some(&Timespec::default())).is_ok()
            && looked[0].revents().intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL)
    }
    #[cfg(not(unix))]
    false
}

/// Stdout.
pub(super) fn stdout() -> OutputStream {
    #[cfg(unix)]
    if let Some(stream) = polled::output() {
        return stream;
    }
    (Box::new(tokio::io::stdout()), Box::pin(std::future::pending()))
}

#[cfg(unix)]
mod polled {
    use std::{
        io,
        os::{fd::AsFd, unix::net},
    };

    use rustix::{
        fs::{FileType, fstat},
        net::{AddressFamily, getsockname},
    };
    use tokio::net::UnixStream;

    use super::{InputStream, OutputStream};

    pub(super) fn input() -> Option<InputStream> {
        match file_type(&io::stdin())? {
            #[cfg(target_os = "linux")]
            FileType::Fifo => Some(Box::new(pipe::reopened_stdin()?)),
            FileType::Socket => Some(Box::new(socket(&io::stdin())?)),
            _ => None,
        }
    }

    pub(super) fn output() -> Option<OutputStream> {
        match file_type(&io::stdout())? {
            #[cfg(target_os = "linux")]
            FileType::Fifo => {
                let stream = pipe::reopened_stdout()?;
                pipe::widen(&stream);
                let gone = pipe::reader_gone(pipe::reopened_stdout()?);
                Some((Box::new(stream), Box::pin(gone)))
            }
            // A client that closes this socket closes stdin too.
            FileType::Socket => Some((Box::new(socket(&io::stdout())?), Box::pin(std::future::pending()))),
            _ => None,
        }
    }

    fn file_type(stream: &impl AsFd) -> Option<FileType> {
        Some(FileType::from_raw_mode(fstat(stream.as_fd()).ok()?.st_mode))
    }

    /// Node gives its children a socket pair. Making our end non-blocking concerns only those who inherited it with us,
    /// and these wait for us.
    fn socket(stream: &impl AsFd) -> Option<UnixStream> {
        if getsockname(stream.as_fd()).ok()?.address_family() != AddressFamily::UNIX {
            return None;
        }
        let socket = net::UnixStream::from(stream.as_fd().try_clone_to_owned().ok()?);
        socket.set_nonblocking(true).ok()?;
        UnixStream::from_std(socket).ok()
    }

    #[cfg(target_os = "linux")]
    mod pipe {
        use tokio::{
            io::Interest,
            net::unix::pipe::{OpenOptions, Receiver, Sender},
        };

        pub(super) fn reopened_stdin() -> Option<Receiver> {
            OpenOptions::new().open_receiver("/proc/self/fd/0").ok()
        }

        pub(super) fn reopened_stdout() -> Option<Sender> {
            OpenOptions::new().open_sender("/proc/self/fd/1").ok()
        }

        /// Room in the pipe for a large result: every time it is full, both processes have to be woken. As much as a user
        /// may ask for without privileges (pipe(7)).
        const PIPE_BYTES: usize = 1024 * 1024;

        /// Makes room, if the system lets us.
        pub(super) fn widen(pipe: &Sender) {
            if let Err(error) = rustix::pipe::fcntl_setpipe_size(pipe, PIPE_BYTES) {
                tracing::debug!("stdout stays a narrow pipe: {error}");
            }
        }

        /// A pipe without a reader is in error even while nothing is written.
        pub(super) async fn reader_gone(pipe: Sender) {
            // It fails only with the runtime.
            let _ = pipe.ready(Interest::ERROR).await;
        }
    }
}

/// A blocking stream behind a thread and a small in-memory pipe. The thread may hang in its last read for as long as the
/// process lives; nothing waits for it.
mod threaded {
    use std::{io::Read, thread};

    use tokio::{
        io::{AsyncWriteExt, DuplexStream, duplex},
        runtime::Handle,
    };

    /// Bytes between the thread and the runtime.
    const BETWEEN: usize = 64 * 1024;

    pub(super) fn reader(mut stream: impl Read + Send + 'static) -> DuplexStream {
        let (mut inner, outer) = duplex(BETWEEN);
        let runtime = Handle::current();
        let spawned = thread::Builder::new().name("brummer-stdin".to_owned()).spawn(move || {
            let mut buffer = vec![0; BETWEEN];
            loop {
                match stream.read(&mut buffer) {
                    Ok(0) => break,
                    Ok(read) if runtime.block_on(inner.write_all(&buffer[..read])).is_err() => break,
                    Ok(_) => {}
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                    Err(_) => break,
                }
            }
        });
        if let Err(error) = spawned {
            tracing::error!("no thread to read stdin: {error}");
        }
        outer
    }
}
