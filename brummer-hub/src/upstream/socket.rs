//! What a connection to an instance runs over: TCP. Where time is simulated there are pipes in memory instead, since the
//! kernel's sockets know nothing of such a time.

use std::{io, net::SocketAddr};

use tokio::net::TcpStream;

#[cfg(not(test))]
pub(super) type Socket = TcpStream;

#[cfg(test)]
pub(super) use memory::Socket;

/// Connects to a server on this machine.
pub(super) async fn connect(address: SocketAddr) -> io::Result<Socket> {
    #[cfg(test)]
    if let Some(pipe) = memory::dial(address.port()) {
        return pipe.map(Socket::Memory);
    }
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    #[cfg(test)]
    let stream = Socket::Tcp(stream);
    Ok(stream)
}

/// A network in memory, of one thread.
#[cfg(test)]
pub(crate) mod memory {
    use std::{
        cell::RefCell,
        collections::HashMap,
        io,
        pin::Pin,
        task::{Context, Poll},
    };

    use tokio::{
        io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex},
        net::TcpStream,
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

    #[derive(Debug)]
    pub(in crate::upstream) enum Socket {
        Tcp(TcpStream),
        Memory(DuplexStream),
    }

    macro_rules! either {
        ($self:expr, $stream:ident => $do:expr) => {
            match $self.get_mut() {
                Socket::Tcp($stream) => $do,
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
            either!(self, stream => Pin::new(stream).poll_read(cx, buffer))
        }
    }

    impl AsyncWrite for Socket {
        fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            either!(self, stream => Pin::new(stream).poll_write(cx, bytes))
        }

        fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            either!(self, stream => Pin::new(stream).poll_flush(cx))
        }

        fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            either!(self, stream => Pin::new(stream).poll_shutdown(cx))
        }

        fn poll_write_vectored(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            slices: &[io::IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            either!(self, stream => Pin::new(stream).poll_write_vectored(cx, slices))
        }

        fn is_write_vectored(&self) -> bool {
            match self {
                Self::Tcp(stream) => stream.is_write_vectored(),
                Self::Memory(stream) => stream.is_write_vectored(),
            }
        }
    }
}
