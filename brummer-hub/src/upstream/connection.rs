//! TCP connections to the instance, each carrying one HTTP/1.1 exchange at a time.
//!
//! An exchange owns its [`Connection`] while it runs and polls hyper's side of it together with its own: no task, no
//! channel and no second wake-up stand between the socket and the one who waits for it. Between exchanges the
//! connection rests in the [`Pool`], which the actor owns.

use std::{
    future::{Future, poll_fn},
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    pin::{Pin, pin},
    sync::atomic::{AtomicBool, Ordering},
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::{Either, FutureExt, select};
use hyper::{
    Response,
    body::{Body, Incoming},
    client::conn::http1,
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    task::yield_now,
    time::{Instant, timeout},
};

use super::{
    ExchangeError, ExchangeReason, Purpose, Sent,
    body::{Payload, Post},
    socket::{self, Socket},
};

/// A server that closes a connection sooner than this after an answer always does so: it keeps none alive, or not for
/// long.
pub(super) const HABIT: Duration = Duration::from_secs(2);

/// How long one loopback address is tried alone. Windows takes two seconds to say that nobody listens.
const HEAD_START: Duration = Duration::from_millis(50);

/// What a standing stream reads at a time. Every instance has one, and hyper keeps the buffer while it stands.
const LISTENING_BUFFER: usize = 1024;

/// What a connection reads at a time at most: it is held beside what is paid for, and there may be many.
const READ_BUFFER: usize = 64 * 1024;

/// How long an instance may take to close its end of a connection that is given up. Some close it only when they next write.
const HANGING_UP: Duration = Duration::from_millis(250);

/// Header fields of one answer. Node takes 2,000; frameworks that trace or cache write some tens.
const MAX_HEADERS: usize = 256;

/// Pieces of an answer that are read before others get their turn: so few that two exchanges leave something of what a
/// task may do at a time.
const TURN: u8 = 16;

/// Idle connections that are kept; more than a client has calls in flight at a time.
const MAX_POOLED: usize = 64;

fn builder() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .max_buf_size(READ_BUFFER)
        .max_headers(MAX_HEADERS)
        // As much as Node's clients put up with.
        .allow_obsolete_multiline_headers_in_responses(true)
        .allow_spaces_after_header_name_in_responses(true)
        .ignore_invalid_headers_in_responses(true);
    builder
}

/// Where the instance listens, and on which of the two loopback addresses it answered last.
#[derive(Debug)]
pub(super) struct Dialer {
    port: u16,
    /// The one address that it is known to listen on: another program may have the port on another.
    address: Option<IpAddr>,
    /// The file that is its socket, instead of address and port.
    socket: Option<PathBuf>,
    limit: Duration,
    on_v6: AtomicBool,
}

impl Dialer {
    pub(super) fn new(port: u16, address: Option<IpAddr>, limit: Duration) -> Self {
        Self { port, address, socket: None, limit, on_v6: AtomicBool::new(false) }
    }

    /// The same, for one that listens on a socket that is a file, if it does.
    pub(super) fn at(self, socket: Option<PathBuf>) -> Self {
        Self { socket, ..self }
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Opens a connection, on the other loopback address when nobody listens on the first: servers that bind
    /// `localhost` take either.
    pub(super) async fn dial(&self) -> Result<Connection, ExchangeError> {
        self.dial_with(&builder()).await
    }

    /// Opens a connection that stands for a long time with little on it.
    pub(super) async fn dial_to_listen(&self) -> Result<Connection, ExchangeError> {
        self.dial_with(builder().read_buf_exact_size(Some(LISTENING_BUFFER))).await
    }

    async fn dial_with(&self, builder: &http1::Builder) -> Result<Connection, ExchangeError> {
        // Boxed: what stands for long must not hold the room that connecting takes for a moment.
        match timeout(self.limit, Box::pin(self.connect())).await {
            Ok(Ok(stream)) => Connection::over(stream, builder).await,
            Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
                Err(ExchangeError { sent: Sent::No, reason: ExchangeReason::Refused { port: self.port } })
            }
            Ok(Err(error)) => {
                Err(ExchangeError { sent: Sent::No, reason: ExchangeReason::Io(error.to_string()) })
            }
            Err(_) => Err(ExchangeError { sent: Sent::No, reason: ExchangeReason::timed_out(self.limit) }),
        }
    }

    async fn connect(&self) -> io::Result<Socket> {
        if let Some(socket) = &self.socket {
            return socket::connect_local(socket).await;
        }
        if let Some(address) = self.address {
            return self.connect_at(address).await;
        }
        let on_v6 = self.on_v6.load(Ordering::Relaxed);
        let mut first = pin!(self.connect_to(on_v6));
        let undecided = match timeout(HEAD_START, &mut first).await {
            Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => Some(error),
            Ok(decided) => return decided,
            Err(_) => None,
        };
        let other = pin!(self.connect_to(!on_v6));
        let (stream, changed) = match undecided {
            // The first answer stays the reason when the other address is not to be had at all, as without IPv6.
            Some(refused) => (other.await.map_err(|_| refused)?, true),
            None => match select(first, other).await {
                Either::Left((Ok(stream), _)) => (stream, false),
                Either::Left((Err(_), other)) => (other.await?, true),
                Either::Right((Ok(stream), _)) => (stream, true),
                Either::Right((Err(_), first)) => (first.await?, false),
            },
        };
        self.on_v6.store(on_v6 != changed, Ordering::Relaxed);
        Ok(stream)
    }

    async fn connect_to(&self, v6: bool) -> io::Result<Socket> {
        let address: IpAddr = if v6 { Ipv6Addr::LOCALHOST.into() } else { Ipv4Addr::LOCALHOST.into() };
        self.connect_at(address).await
    }

    async fn connect_at(&self, address: IpAddr) -> io::Result<Socket> {
        socket::connect(SocketAddr::new(address, self.port)).await
    }
}

/// One TCP connection.
#[derive(Debug)]
pub(super) struct Connection {
    sender: http1::SendRequest<Payload>,
    /// hyper's side; `None` once it has ended. Boxed, because connections are handed about.
    driver: Option<Box<http1::Connection<TokioIo<Socket>, Payload>>>,
    idle_since: Instant,
    /// Pieces read in this turn.
    pieces: u8,
}

/// Why there is no response.
#[derive(Debug)]
pub(super) enum SendError {
    /// The connection had been closed already: nothing of the request was written.
    Unsent(Box<Post>),
    /// It may have reached the instance.
    Broken(hyper::Error),
}

impl Connection {
    async fn over(stream: Socket, builder: &http1::Builder) -> Result<Self, ExchangeError> {
        let (sender, driver) = builder.handshake(TokioIo::new(stream)).await.map_err(|error| {
            ExchangeError { sent: Sent::No, reason: ExchangeReason::Io(error.to_string()) }
        })?;
        Ok(Self { sender, driver: Some(Box::new(driver)), idle_since: Instant::now(), pieces: 0 })
    }

    /// Lets hyper read and write as much as it can.
    fn drive(&mut self, cx: &mut Context<'_>) {
        if let Some(driver) = &mut self.driver
            && Pin::new(driver.as_mut()).poll(cx).is_ready()
        {
            // Dropping it tells a request that still waits that no answer will come.
            self.driver = None;
        }
    }

    /// Sends a request and waits for the head of the response.
    pub(super) async fn send(&mut self, request: Post) -> Result<Response<Incoming>, SendError> {
        let mut response = pin!(self.sender.try_send_request(request));
        poll_fn(|cx| {
            self.drive(cx);
            response.as_mut().poll(cx)
        })
        .await
        .map_err(|mut error| match error.take_message() {
            Some(request) => SendError::Unsent(Box::new(request)),
            None => SendError::Broken(error.into_error()),
        })
    }

    /// The next piece of a response's body; `None` at its end.
    pub(super) async fn chunk(&mut self, body: &mut Incoming) -> Option<Result<Bytes, hyper::Error>> {
        poll_fn(|cx| {
            let mut driven = false;
            loop {
                match Pin::new(&mut *body).poll_frame(cx) {
                    Poll::Ready(Some(Ok(frame))) => {
                        if let Ok(data) = frame.into_data() {
                            return Poll::Ready(Some(Ok(data)));
                        }
                    }
                    Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                    Poll::Ready(None) => return Poll::Ready(None),
                    Poll::Pending if driven => return Poll::Pending,
                    // hyper reads on only after the body was asked for, so it is driven after that.
                    Poll::Pending => {
                        self.drive(cx);
                        driven = true;
                    }
                }
            }
        })
        .await
    }

    /// To be awaited before each piece of an answer: an instance may talk without a pause, and others have to live too.
    pub(super) async fn take_turns(&mut self) {
        self.pieces += 1;
        if self.pieces == TURN {
            self.pieces = 0;
            yield_now().await;
        }
    }

    /// Closes it, and waits for a moment until the instance has seen that.
    pub(super) async fn hang_up(self) {
        let Some(driver) = self.driver else { return };
        let mut stream = driver.into_parts().io.into_inner();
        let seen = async {
            stream.shutdown().await?;
            let mut rest = [0; LISTENING_BUFFER];
            while stream.read(&mut rest).await? > 0 {}
            Ok::<_, io::Error>(())
        };
        let _ = timeout(HANGING_UP, seen).await;
    }

    /// How long it has rested since its last exchange.
    pub(super) fn rested(&self) -> Duration {
        self.idle_since.elapsed()
    }

    /// Whether another request can be sent, as far as is known without waiting.
    fn is_usable(&mut self) -> bool {
        self.drive(&mut Context::from_waker(Waker::noop()));
        self.driver.is_some() && self.sender.is_ready()
    }
}

/// The connections that rest.
#[derive(Debug)]
pub(super) enum Pool {
    /// Those of a conversation, the longest idle first.
    Ready { idle: Vec<Connection>, max_idle: Duration },
    /// The one by which the health of an instance is seen, and since when it rests. There may be a thousand of these,
    /// so it rests without hyper's buffers, which are larger than all else that the hub keeps of an instance.
    Watched(Option<(Socket, Instant)>),
}

impl Pool {
    pub(super) fn new(purpose: Purpose, max_idle: Duration) -> Self {
        match purpose {
            Purpose::Conversation => Self::Ready { idle: Vec::new(), max_idle },
            Purpose::Health => Self::Watched(None),
        }
    }

    /// The connection that rested least, if it still stands. `closes` is noted when one was closed soon after its answer.
    pub(super) fn take(&mut self, closes: &AtomicBool) -> Option<Connection> {
        match self {
            Self::Ready { idle, max_idle } => {
                while let Some(mut connection) = idle.pop() {
                    if connection.rested() >= *max_idle {
                        idle.clear();
                    } else if connection.is_usable() {
                        return Some(connection);
                    } else if connection.rested() < HABIT {
                        closes.store(true, Ordering::Relaxed);
                    }
                }
                None
            }
            Self::Watched(watched) => {
                let (stream, _) = watched.take()?;
                // hyper's handshake sends nothing and is done at once.
                Connection::over(stream, &builder()).now_or_never()?.ok()
            }
        }
    }

    /// Keeps a connection whose exchange is over, if it can carry another one.
    pub(super) fn put(&mut self, mut connection: Connection) {
        match self {
            // Whether the instance closes it is looked at when it is taken.
            Self::Ready { idle, .. } if idle.len() < MAX_POOLED && !connection.sender.is_closed() => {
                connection.idle_since = Instant::now();
                idle.push(connection);
            }
            Self::Ready { .. } => {}
            Self::Watched(watched) => {
                let parts = connection.is_usable().then_some(connection.driver).flatten();
                // What came unasked belongs to no exchange.
                let parts = parts.map(|driver| driver.into_parts()).filter(|parts| parts.read_buf.is_empty());
                *watched = parts.map(|parts| (parts.io.into_inner(), Instant::now()));
            }
        }
    }

    /// Drops the connections that have rested for too long; when the next one will have, if there is one.
    pub(super) fn sweep(&mut self) -> Option<Instant> {
        let Self::Ready { idle, max_idle } = self else { return None };
        let kept = idle.partition_point(|connection| connection.rested() >= *max_idle);
        idle.drain(..kept);
        idle.first().map(|connection| connection.idle_since + *max_idle)
    }

    /// Waits until the instance closes the connection that is watched. One that is closed soon after an answer is
    /// dropped and not told: that is how this server ends an exchange.
    pub(super) async fn ended(&mut self) {
        if let Self::Watched(watched) = self
            && let Some((stream, since)) = watched
        {
            // Nothing is due now; whatever it is, the connection is of no use any more.
            let _ = stream.read_u8().await;
            let rested = since.elapsed();
            *watched = None;
            if rested >= HABIT {
                return;
            }
        }
        std::future::pending::<()>().await;
    }

    /// Whether connections rest that must be swept out in time.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Ready { idle, .. } => idle.is_empty(),
            Self::Watched(_) => true,
        }
    }
}

/// What a failure of hyper means for the request that was being exchanged.
pub(super) fn broken(error: &hyper::Error) -> ExchangeError {
    if error.is_parse() {
        let why = format!("not HTTP ({error})");
        return ExchangeError { sent: Sent::Yes, reason: ExchangeReason::Invalid { why } };
    }
    ExchangeError { sent: Sent::Unknown, reason: ExchangeReason::Closed }
}
