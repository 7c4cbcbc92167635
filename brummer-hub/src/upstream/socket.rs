//! What a connection to an instance runs over: TCP, or a socket of this machine that is a file (a pipe on Windows). Where time
//! is simulated there are pipes in memory instead, since the kernel's sockets know nothing of such a time.

use std::{
    io,
    net::SocketAddr,
    path::Path,
    pin::Pin,
    task::{Context, Poll},
};

#[cfg(unix)]
use tokio::net::UnixStream as Local;
#[cfg(windows)]
use tokio::net::windows::named_pipe::{ClientOptions, NamedPipeClient as Local};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// A connection that stands.
#[derive(Debug)]
pub(super) enum Socket {
    Tcp(TcpStream),
    #[cfg(any(unix, windows))]
    Local(Local),
    #[cfg(test)]
    Memory(tokio::io::DuplexStream),
}

/// Connects to a server on this machine.
pub(super) async fn connect(address: SocketAddr) -> io::Result<Socket> {
    #[cfg(test)]
    if let Some(pipe) = memory::dial(address.port()) {
        return pipe.map(Socket::Memory);
    }
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(Socket::Tcp(stream))
}

/// Connects to a server on a socket that is a file.
#[cfg(unix)]
pub(super) async fn connect_local(path: &Path) -> io::Result<Socket> {
    let stream = Local::connect(path).await;
    // Nobody listens, whether the file has been left behind or not.
    let stream = stream.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => io::ErrorKind::ConnectionRefused.into(),
        _ => error,
    });
    stream.map(Socket::Local)
}

/// Connects to a server on a pipe. One that has no room at the moment is as one that refuses: it is tried again.
#[cfg(windows)]
#[expect(clippy::unused_async, reason = "elsewhere it waits")]
pub(super) async fn connect_local(path: &Path) -> io::Result<Socket> {
    let pipe = ClientOptions::new().open(path);
    pipe.map(Socket::Local).map_err(|_| io::ErrorKind::ConnectionRefused.into())
}

macro_rules! each {
    ($self:expr, $stream:ident => $do:expr) => {
        match $self {
            Socket::Tcp($stream) => $do,
            #[cfg(any(unix, windows))]
            Socket::Local($stream) => $do,
            #[cfg(test)]
            Socket::Memory($stream) => $do,
        }
    };
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        each!(self.get_mut(), stream => Pin::new(stream).poll_read(cx, buffer))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        each!(self.get_mut(), stream => Pin::new(stream).poll_write(cx, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self.get_mut(), stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self.get_mut(), stream => Pin::new(stream).poll_shutdown(cx))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        each!(self.get_mut(), stream => Pin::new(stream).poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        each!(self, stream => stream.is_write_vectored())
    }
}

/// A network in memory, of one thread.
#[cfg(test)]
pub(crate) mod memory {
    use std::{cell::RefCell, collections::HashMap, io};

    use tokio::{
        io::{DuplexStream, duplex},
        sync::mpsc,
    };

    /// What is on its way in one direction at a time.
    const PIPE: usize = 64 * 1024;

    /// Connections that wait to be accepted.
    const BACKLOG: usize = 1024;

    type Listeners = HashMap<u16, mpsc::Sender<DuplexStream>>;

    thread_local! {
        static LISTENERS: RefCell<Option<Listeners>> = const { RefCell::new(None) };
    }

    /// While it lives, the upstreams of this thread connect to what listens in it, and to nothing else.
    pub(crate) struct Network(());

    impl Network {
        pub(crate) fn new() -> Self {
            LISTENERS.with_borrow_mut(|listeners| *listeners = Some(HashMap::new()));
            Self(())
        }

        /// Listens on a port that nobody has; every connection is told.
        pub(crate) fn listen(&self, port: u16) -> mpsc::Receiver<DuplexStream> {
            let (sender, accepted) = mpsc::channel(BACKLOG);
            let former =
                LISTENERS.with_borrow_mut(|all| all.as_mut().and_then(|all| all.insert(port, sender)));
            assert!(former.is_none_or(|former| former.is_closed()), "port {port} is taken");
            accepted
        }
    }

    impl Drop for Network {
        fn drop(&mut self) {
            LISTENERS.with_borrow_mut(|listeners| *listeners = None);
        }
    }

    /// A pipe to who listens on that port; `None`: this thread has no network in memory.
    pub(super) fn dial(port: u16) -> Option<io::Result<DuplexStream>> {
        LISTENERS.with_borrow(|listeners| {
            let listener = listeners.as_ref()?.get(&port);
            let (ours, theirs) = duplex(PIPE);
            let taken = listener.is_some_and(|listener| listener.try_send(theirs).is_ok());
            Some(if taken { Ok(ours) } else { Err(io::ErrorKind::ConnectionRefused.into()) })
        })
    }
}

#[cfg(all(test, windows))]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::windows::named_pipe::ServerOptions,
    };

    use super::*;

    #[tokio::test]
    async fn a_pipe_is_spoken_to_and_one_that_is_not_there_refuses() {
        let name = format!(r"\\.\pipe\brummer-hub-{}", std::process::id());
        let refused = connect_local(Path::new(&name)).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        let mut server = ServerOptions::new().first_pipe_instance(true).create(&name).unwrap();
        let mut socket = connect_local(Path::new(&name)).await.unwrap();
        server.connect().await.unwrap();
        let mut heard = [0; 4];
        socket.write_all(b"ping").await.unwrap();
        server.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"ping");
        server.write_all(b"pong").await.unwrap();
        socket.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"pong");
        let busy = connect_local(Path::new(&name)).await.unwrap_err();
        assert_eq!(busy.kind(), io::ErrorKind::ConnectionRefused, "it has no room");
    }
}
