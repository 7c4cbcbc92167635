//! One MCP connection to one instance, of either era.
//!
//! [`Upstream::open`] starts a task, the `UpstreamActor`, which owns everything about the connection: the HTTP session, the TCP
//! connections, the calls in flight. Handles give it commands over a bounded queue and never wait; what it hears it
//! tells the owner over the owner's bounded channel. It ends when the last handle is dropped or it is stopped, and
//! then ends the session at the instance, or when the conversation cannot be opened, which it tells as its last word.
//!
//! It carries messages and knows their ids; what they mean is its owner's business. It answers `ping`, notices a
//! forgotten session and opens a new one, resumes broken streams, and never repeats a request that may have run.
//!
//! Its owner speaks one era ([`Hello::era`]), the instance another or the same one. To an owner with a handshake every
//! instance looks like one with a handshake, and to one without like one without, but for `resources/subscribe` and
//! `resources/unsubscribe`, by which any owner subscribes. What that takes is in [`modern`].

mod actor;
mod again;
mod body;
mod connection;
mod exchange;
mod fault;
mod handshake;
mod headers;
mod legacy;
mod legacy_sse;
mod modern;
mod reach;
mod reply;
mod single;
pub(crate) mod socket;
pub mod sse;
mod standing_stream;
#[cfg(test)]
mod tests;
mod wire;
mod work;

pub(crate) use reach::Reach;

pub(crate) use modern::{meta::Declared, probe::wants_no_handshake};

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64},
    },
    time::Duration,
};

use bytes::Bytes;
use hyper::Uri;
use tokio::{
    sync::{Semaphore, mpsc, watch},
    time::Instant,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{
    actor::UpstreamActor, body::Text, connection::Dialer, handshake::PriorKnowledge, headers::Route,
    wire::Wire,
};

use crate::{
    budget::Budget,
    config::Limits,
    doorbell::InstanceId,
    frame::{Frame, Object},
    protocol::{Era, program},
};

/// Names one connection among those that report to the same owner.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct LinkId(pub(crate) u64);

/// As whom the connection introduces itself: the real client, or the hub for its own checks.
#[derive(Clone, Debug)]
pub(crate) struct Hello {
    /// Which kind of MCP the owner of the connection speaks on it, and expects to be answered in.
    pub(crate) era: Era,
    /// The client's capabilities, as JSON text.
    pub(crate) capabilities: Arc<str>,
    /// The client's name and version, as JSON text.
    pub(crate) client_info: Arc<str>,
    /// The `params` of the `logging/setLevel` that the instance is to have taken before anything else is sent, as JSON text.
    pub(crate) level: Option<Arc<str>>,
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Purpose {
    /// A client's conversation: everything that the instance says is wanted, and no request is sent twice.
    Conversation,
    /// To see whether the instance answers. There may be a thousand of these: they open no standing stream, and keep
    /// their one TCP connection, whose end is told as [`UpstreamEventKind::Suspect`]. Their requests may be repeated.
    Health,
}

/// What a connection is made of.
#[derive(Clone, Debug)]
pub(crate) struct UpstreamOptions {
    pub(crate) link: LinkId,
    pub(crate) instance: InstanceId,
    pub(crate) port: u16,
    pub(crate) endpoint: String,
    pub(crate) reach: Reach,
    pub(crate) hello: Hello,
    /// What the instance has been found to speak in this life of its process, so that it need not be asked again.
    pub(crate) known: Option<Era>,
    /// A session at the instance that the hub itself has, to go along in where the instance gives no other.
    pub(crate) lent: Option<Arc<str>>,
    pub(crate) limits: Limits,
    pub(crate) purpose: Purpose,
    /// Lets a few handshakes at a time through, where many begin at once.
    pub(crate) gate: Option<Arc<Semaphore>>,
    /// Room for what the instance says, until the owner has dropped it; `None`: it is bounded by queues only.
    pub(crate) budget: Option<Budget>,
}

/// What a connection tells its owner. Everything that an instance said on one stream comes in that order.
#[derive(Debug)]
pub(crate) struct UpstreamEvent {
    pub(crate) link: LinkId,
    pub(crate) kind: UpstreamEventKind,
}

#[derive(Debug)]
pub(crate) enum UpstreamEventKind {
    /// The handshake is done; requests that were waiting are sent now.
    Ready(Box<Welcome>),
    /// The instance had forgotten the session and a new one was opened: subscriptions and log level must be sent again.
    Renewed(Box<Welcome>),
    /// A message from the instance, on the stream of request `carrier` or on a standing stream. A response carries the
    /// id that the request was sent with. Pings have been answered already and are not told.
    Frame {
        frame: Frame,
        #[cfg_attr(
            not(test),
            allow(dead_code, reason = "sessions route by ids; the tests of this module check it")
        )]
        carrier: Option<u64>,
    },
    /// Request `id` is over and no response came. Exactly one of a response frame and this is told for each request
    /// that was not cancelled.
    Ended { id: u64, error: ExchangeError },
    /// The instance is heard on its stream of changes from now on, and was not for a while in which requests were sent:
    /// what it said of changes meanwhile is lost.
    Missed,
    /// Something happened that a dead instance would show (stream ended, connection refused): check it now.
    Suspect,
    /// The connection could not be opened, or not opened again. The last event of this connection.
    Failed(ExchangeError),
}

/// What the instance answered to `initialize` or `server/discover`.
#[derive(Debug)]
pub(crate) struct Welcome {
    pub(crate) era: Era,
    /// The whole result as it came: `capabilities`, `serverInfo`, `instructions`.
    pub(crate) result: Box<str>,
    /// The instance id that the server states itself (`Brummer-Instance-Id` response header), when it does.
    pub(crate) stated_id: Option<Box<str>>,
    pub(crate) agreed: Agreed,
    /// The id of the session that it gave.
    pub(crate) session: Option<Arc<str>>,
    /// The level of log messages that was set with the handshake ([`Hello::level`]).
    pub(crate) level: Option<Arc<str>>,
}

/// What was agreed upon with an instance.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Agreed {
    /// A revision of MCP.
    Revision,
    /// Nothing: it has one session to give, and this conversation has none.
    OneSession,
    /// Nothing: it answers without a handshake, so that none was needed to see that it does.
    Unasked,
}

/// Longest text of extensions that is remembered of an instance; those that exist take some tens of bytes each.
const MAX_EXTENSIONS: usize = 16 * 1024;

impl Welcome {
    /// The extensions of MCP that the instance declares: a JSON object as it stands in its capabilities.
    pub(crate) fn extensions(&self) -> Option<Arc<str>> {
        let extensions = Object::read(Object::read(&self.result)?.get("capabilities")?)?.get("extensions")?;
        let fits = extensions.len() <= MAX_EXTENSIONS && Object::read(extensions).is_some();
        fits.then(|| extensions.into())
    }

    /// Whether the instance takes a level of log messages.
    fn takes_level(&self) -> bool {
        let logging =
            || Object::read(Object::read(&self.result)?.get("capabilities")?)?.get("logging").map(|_| ());
        logging().is_some()
    }

    /// Whether the instance tells of the program behind it.
    pub(crate) fn tells_program(&self) -> bool {
        let experimental = || {
            let capabilities = Object::read(Object::read(&self.result)?.get("capabilities")?)?;
            Object::read(capabilities.get("experimental")?)?.get(program::CAPABILITY).map(|_| ())
        };
        experimental().is_some()
    }
}

/// Whether a request may have run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Sent {
    /// It never reached the instance.
    No,
    /// It did; the instance refused or answered it unusably.
    Yes,
    /// It may or may not have.
    Unknown,
}

/// Why an exchange gave no usable answer.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{reason}")]
pub(crate) struct ExchangeError {
    pub(crate) sent: Sent,
    pub(crate) reason: ExchangeReason,
}

/// What went wrong, in words for the user of the client.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum ExchangeReason {
    #[error("nothing listens on port {port}")]
    Refused { port: u16 },
    #[error("the instance did not answer within {seconds} s")]
    TimedOut { seconds: u64 },
    #[error("the connection was closed before the answer came")]
    Closed,
    #[error("the instance answered with HTTP status {status}{}", .excerpt.as_deref().map(|text| format!(": {text}")).unwrap_or_default())]
    Status { status: u16, excerpt: Option<String> },
    #[error("the instance answered with content type `{found}`, which is not MCP")]
    ContentType { found: String },
    #[error(
        "the answer is compressed (`Content-Encoding: {found}`) although the request said `Accept-Encoding: identity`"
    )]
    Coding { found: String },
    #[error("the answer is over the limit of {limit} bytes")]
    TooLarge { limit: usize },
    #[error(
        "the answer stopped in the middle for {seconds} s while other answers waited for the room that it takes \
         (`--max-buffered`)"
    )]
    Stalled { seconds: u64 },
    #[error("the answer is not a valid message: {why}")]
    Invalid { why: String },
    #[error("the instance refused the handshake: {message}")]
    Handshake { message: String },
    #[error(
        "its only session is taken ({message}); such a server serves one client at a time: it must create a server and a \
         transport for each session, or be started anew for the next client"
    )]
    Taken { message: String },
    #[error("what it answered cannot be passed on: {why}")]
    Unbridged { why: String },
    #[error("another server answers there now")]
    Replaced,
    #[error("it is gone")]
    Gone,
    #[error("it takes no more requests now")]
    Busy,
    #[error("the hub has a fault, which its log names; the connection to the instance was opened anew")]
    Fault,
    #[error("{0}")]
    Io(String),
}

impl ExchangeReason {
    fn timed_out(limit: Duration) -> Self {
        Self::TimedOut { seconds: limit.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX) }
    }
}

impl ExchangeError {
    /// Whether it is what a dead instance would cause.
    fn is_suspect(&self) -> bool {
        match self.reason {
            ExchangeReason::Refused { .. } | ExchangeReason::Closed => true,
            ExchangeReason::TimedOut { .. } | ExchangeReason::Io(_) => self.sent == Sent::No,
            _ => false,
        }
    }
}

/// Commands that may wait for the actor; it takes them as fast as it is given time.
const COMMAND_QUEUE: usize = 1024;

#[derive(Debug)]
enum UpstreamCommand {
    Request { id: u64, body: Text },
    Send(Text),
    Cancel { id: u64, notification: Bytes },
}

/// Handle of a connection. When the last clone is dropped, the connection closes its session (DELETE) and ends.
#[derive(Clone, Debug)]
pub(crate) struct Upstream {
    commands: mpsc::Sender<UpstreamCommand>,
}

impl Upstream {
    /// Opens a connection in a task of its own. Requests may be sent at once; they wait for the handshake.
    pub(crate) fn open(
        options: UpstreamOptions,
        events: mpsc::Sender<UpstreamEvent>,
        tasks: &TaskTracker,
        stop: CancellationToken,
    ) -> Self {
        let UpstreamOptions {
            link,
            instance,
            port,
            endpoint,
            reach,
            hello,
            known,
            lent,
            limits,
            purpose,
            gate,
            budget,
        } = options;
        let (commands, queue) = mpsc::channel(COMMAND_QUEUE);
        // A doorbell's endpoint begins with a slash; what is no path at all will be answered 404.
        let target = Uri::try_from(endpoint).unwrap_or_else(|error| {
            tracing::debug!(%instance, %error, "the endpoint is no path; using /mcp");
            Uri::from_static("/mcp")
        });
        let wire = Wire {
            link,
            events,
            commands: commands.downgrade(),
            dialer: Dialer::new(port, reach.address, limits.connect_timeout).at(reach.socket),
            limits,
            budget,
            closes: AtomicBool::new(false),
            refuses_pings: AtomicBool::new(false),
            answers_elsewhere: AtomicBool::new(false),
            standing: watch::Sender::new(false),
            purpose,
            since: Instant::now(),
            last_heard: AtomicU64::new(0),
        };
        let base = Route::new(port, target, &reach.credentials);
        let wire = Arc::new(wire);
        let actor = UpstreamActor::new(
            Arc::clone(&wire),
            base,
            (hello, PriorKnowledge { known, lent }, gate),
            queue,
            stop,
        );
        tasks.spawn(fault::watched(wire, actor.run()));
        Self { commands }
    }

    /// Sends a request whose JSON text `body` carries the number `id`. Never waits: `Err` gives the body back when the
    /// connection is gone or its queue is full.
    pub(crate) fn request(&self, id: u64, body: impl Into<Text>) -> Result<(), Text> {
        let body = body.into();
        self.commands
            .try_send(UpstreamCommand::Request { id, body })
            .map_err(|error| body_of(error.into_inner()))
    }

    /// Sends a notification or a response.
    pub(crate) fn send(&self, body: impl Into<Text>) -> Result<(), Text> {
        self.commands
            .try_send(UpstreamCommand::Send(body.into()))
            .map_err(|error| body_of(error.into_inner()))
    }

    /// Tells the instance that request `id` is no longer wanted (`notification` says it in its words); neither its
    /// response nor its end is told after this. A request that is not under way is no concern of the instance's.
    pub(crate) fn cancel(&self, id: u64, notification: Bytes) {
        if self.commands.try_send(UpstreamCommand::Cancel { id, notification }).is_err() {
            tracing::debug!(id, "a cancellation was dropped: the connection is gone or its queue is full");
        }
    }
}

fn body_of(command: UpstreamCommand) -> Text {
    match command {
        UpstreamCommand::Request { body, .. } | UpstreamCommand::Send(body) => body,
        UpstreamCommand::Cancel { notification, .. } => notification.into(),
    }
}
