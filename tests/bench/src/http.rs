//! The direct client: keep-alive connections with prebuilt requests, as lean as a client can be. What it takes is what
//! the instance and the loopback interface take.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, TcpStream},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use memchr::memmem;

use crate::call::{FIRST_ID, ID_DIGITS, Peer, Request, check, digits};

/// A peer that takes longer than this is broken.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Room for the largest result, so that nothing is allocated while measuring.
const BUFFER_BYTES: usize = 11 << 20;

/// One keep-alive connection.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// Value of `content-length` in the head of an HTTP message.
pub(crate) fn content_length(head: &[u8]) -> Option<usize> {
    const NAME: &[u8] = b"content-length:";
    let mut line = 0;
    for end in memchr::memchr_iter(b'\n', head) {
        let text = head.get(line..end)?;
        if let Some((name, value)) = text.split_at_checked(NAME.len())
            && name.eq_ignore_ascii_case(NAME)
        {
            return std::str::from_utf8(value).ok()?.trim().parse().ok();
        }
        line = end + 1;
    }
    None
}

/// A request as HTTP, with the place of its id.
pub(crate) fn post(port: u16, request: &Request) -> (Vec<u8>, usize) {
    let body = request.line().trim_ascii_end();
    let mut bytes = format!(
        "POST /mcp HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-type: application/json\r\naccept: application/json, \
         text/event-stream\r\nmcp-session-id: bench\r\nmcp-protocol-version: 2025-11-25\r\ncontent-length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    let id_at = bytes.len() + request.id_at();
    bytes.extend_from_slice(body);
    (bytes, id_at)
}

impl Connection {
    pub(crate) fn open(port: u16, small: bool) -> Result<Self> {
        let stream =
            TcpStream::connect((Ipv4Addr::LOCALHOST, port)).context("cannot reach the bench server")?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { stream, buffer: vec![0; if small { 16 * 1024 } else { BUFFER_BYTES }] })
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.stream.write_all(bytes)?)
    }

    /// Reads one answer and gives its body.
    pub(crate) fn receive(&mut self) -> Result<&[u8]> {
        let mut filled = 0;
        let mut whole = None;
        loop {
            let room = self.buffer.get_mut(filled..).unwrap_or_default();
            ensure!(!room.is_empty(), "an answer is larger than expected");
            let read = self.stream.read(room)?;
            if read == 0 {
                bail!("the bench server closed the connection");
            }
            filled += read;
            if whole.is_none() {
                let received = self.buffer.get(..filled).unwrap_or_default();
                if let Some(end) = memmem::find(received, b"\r\n\r\n") {
                    let head = received.get(..end + 4).unwrap_or_default();
                    if let Some(length) = content_length(head) {
                        whole = Some((end + 4, end + 4 + length));
                    } else if received.ends_with(b"\r\n0\r\n\r\n") {
                        // A chunked answer, all of it here.
                        return Ok(self.buffer.get(end + 4..filled).unwrap_or_default());
                    }
                }
            }
            if let Some((start, end)) = whole
                && filled >= end
            {
                return Ok(self.buffer.get(start..end).unwrap_or_default());
            }
        }
    }
}

/// Connections to the instance itself, one for each call in flight.
pub(crate) struct Direct {
    port: u16,
    connections: Vec<Connection>,
    request: Vec<u8>,
    id_at: usize,
    next_id: u32,
}

impl Direct {
    pub(crate) fn new(port: u16) -> Self {
        Self { port, connections: Vec::new(), request: Vec::new(), id_at: 0, next_id: FIRST_ID }
    }

    /// Opens the connections that are missing.
    fn ensure_connections(&mut self, count: usize) -> Result<()> {
        while self.connections.len() < count {
            let small = !self.connections.is_empty();
            self.connections.push(Connection::open(self.port, small)?);
        }
        Ok(())
    }

    /// Sends the prepared request under a new id.
    fn send(&mut self, slot: usize) -> Result<[u8; ID_DIGITS]> {
        self.next_id += 1;
        let id = digits(self.next_id);
        self.request
            .get_mut(self.id_at..self.id_at + ID_DIGITS)
            .context("nothing is prepared")?
            .copy_from_slice(&id);
        self.connections.get_mut(slot).context("no such connection")?.send(&self.request)?;
        Ok(id)
    }
}

impl Peer for Direct {
    fn prepare(&mut self, request: &Request) -> Result<()> {
        (self.request, self.id_at) = post(self.port, request);
        self.ensure_connections(1)
    }

    fn call(&mut self) -> Result<usize> {
        let id = self.send(0)?;
        let body = self.connections.first_mut().context("nothing is prepared")?.receive()?;
        check(body, id)?;
        Ok(body.len())
    }

    fn many(&mut self, in_flight: usize, total: usize) -> Result<()> {
        self.ensure_connections(in_flight)?;
        let mut ids = vec![[0; ID_DIGITS]; in_flight];
        // Each connection is served in turn. The server takes them in turn too, so that the wait for one of them hides
        // behind the others, and no readiness calls are needed.
        for turn in 0..total + in_flight {
            let slot = turn % in_flight;
            let id = ids.get_mut(slot).context("as many as connections")?;
            if turn >= in_flight && turn - in_flight < total {
                check(self.connections.get_mut(slot).context("opened above")?.receive()?, *id)?;
            }
            if turn < total {
                *id = self.send(slot)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_content_length_in_any_case() {
        assert_eq!(content_length(b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n"), Some(12));
        assert_eq!(content_length(b"HTTP/1.1 200 OK\r\nx: y\r\ncontent-length:7\r\n\r\n"), Some(7));
        assert_eq!(content_length(b"HTTP/1.1 200 OK\r\n\r\n"), None);
    }
}
