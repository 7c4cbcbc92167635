//! The sessions of legacy clients (2025-11-25, transports § Session Management).
//!
//! One task, the keeper, owns the table of sessions. It opens and removes them on request, ends those that rest too long,
//! and publishes the table, so that a request finds its session without asking. The SDK runs a task for each session, which
//! talks to the session's handler; a session is in use while a response or a standing stream of it is open, and rests
//! otherwise. The SDK's own time-out is off: it would end a session in the middle of a long call.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::{Stream, StreamExt as _, stream};
use rmcp::{
    model::{ClientJsonRpcMessage, ServerJsonRpcMessage},
    transport::streamable_http_server::session::{
        ServerSseMessage, SessionId, SessionManager,
        local::{
            EventIdParseError, LocalSessionHandle, SessionConfig, SessionError, SessionTransport,
            create_local_session,
        },
    },
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use super::StopTokens;

/// Requests to the keeper that wait for it. It answers each at once.
const QUEUE: usize = 16;

/// How long a session that is ended may take to notice. One that hangs goes with its runtime.
const CLOSE: Duration = Duration::from_secs(1);

/// How many sessions there may be and how long one may rest.
#[derive(Clone, Copy, Debug)]
pub(super) struct SessionLimits {
    pub(super) sessions: usize,
    pub(super) idle: Duration,
}

/// All sessions of a server, as the SDK uses them.
#[derive(Clone, Debug)]
pub(super) struct Sessions {
    table: watch::Receiver<Arc<Table>>,
    keeper: mpsc::Sender<SessionsCommand>,
    stopping: CancellationToken,
}

type Table = HashMap<SessionId, Arc<SdkSession>>;

#[derive(Debug)]
struct SdkSession {
    handle: LocalSessionHandle,
    epoch: Instant,
    /// Open responses and standing streams.
    streams: AtomicUsize,
    /// When it was last used, in milliseconds after `epoch`.
    used: AtomicU64,
}

/// Why a request to a session failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum SessionsError {
    #[error("there is no such session")]
    Unknown,
    #[error("there are too many sessions; end one or wait until one expires")]
    TooMany,
    #[error("the server stops")]
    Stopped,
    #[error("the event id is not one of this server: {0}")]
    EventId(#[from] EventIdParseError),
    #[error("{0}")]
    Session(#[from] SessionError),
}

enum SessionsCommand {
    Open(oneshot::Sender<Result<(SessionId, SessionTransport), SessionsError>>),
    Remove(SessionId, oneshot::Sender<Option<Arc<SdkSession>>>),
}

impl Sessions {
    /// The sessions, and the keeper's run.
    pub(super) fn new(
        limits: SessionLimits,
        stop: &StopTokens,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (published, table) = watch::channel(Arc::default());
        let (keeper, asks) = mpsc::channel(QUEUE);
        let keeping = Keeper { table: HashMap::new(), closing: JoinSet::new(), published, limits };
        let run = keeping.run(asks, stop.ended.clone());
        (Self { table, keeper, stopping: stop.stopping.clone() }, run)
    }

    /// Waits until there are so many sessions.
    pub(super) async fn until_there_are(&self, count: usize) {
        let mut table = self.table.clone();
        // An error says that the keeper has ended, which it does last.
        let _ = table.wait_for(|table| table.len() == count).await;
    }

    fn session(&self, id: &SessionId) -> Result<Arc<SdkSession>, SessionsError> {
        self.table.borrow().get(id).cloned().ok_or(SessionsError::Unknown)
    }
}

impl SessionManager for Sessions {
    type Error = SessionsError;
    type Transport = SessionTransport;

    async fn create_session(&self) -> Result<(SessionId, SessionTransport), SessionsError> {
        let (reply, opened) = oneshot::channel();
        self.keeper.send(SessionsCommand::Open(reply)).await.map_err(|_| SessionsError::Stopped)?;
        opened.await.map_err(|_| SessionsError::Stopped)?
    }

    async fn initialize_session(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<ServerJsonRpcMessage, SessionsError> {
        Ok(self.session(id)?.handle.initialize(message).await?)
    }

    async fn has_session(&self, id: &SessionId) -> Result<bool, SessionsError> {
        Ok(self.table.borrow().contains_key(id))
    }

    async fn close_session(&self, id: &SessionId) -> Result<(), SessionsError> {
        let (reply, removed) = oneshot::channel();
        if self.keeper.send(SessionsCommand::Remove(id.clone(), reply)).await.is_ok()
            && let Ok(Some(session)) = removed.await
        {
            session.close().await;
        }
        Ok(())
    }

    async fn create_stream(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, SessionsError> {
        let session = self.session(id)?;
        let receiver = session.handle.establish_request_wise_channel().await?;
        session.handle.push_message(message, receiver.http_request_id).await?;
        Ok(InUse::new(session).while_open(receiver.inner))
    }

    async fn accept_message(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<(), SessionsError> {
        let session = InUse::new(self.session(id)?);
        Ok(session.0.handle.push_message(message, None).await?)
    }

    async fn create_standalone_stream(
        &self,
        id: &SessionId,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, SessionsError> {
        let session = self.session(id)?;
        let receiver = session.handle.establish_common_channel().await?;
        let stream = InUse::new(session).while_open(receiver.inner);
        // It would never end by itself.
        Ok(stream.take_until(self.stopping.clone().cancelled_owned()))
    }

    async fn resume(
        &self,
        id: &SessionId,
        last_event_id: String,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, SessionsError> {
        let session = self.session(id)?;
        let receiver = session.handle.resume(last_event_id.parse()?).await?;
        let stream = InUse::new(session).while_open(receiver.inner);
        Ok(stream.take_until(self.stopping.clone().cancelled_owned()))
    }
}

impl SdkSession {
    fn new(handle: LocalSessionHandle) -> Self {
        Self { handle, epoch: Instant::now(), streams: AtomicUsize::new(0), used: AtomicU64::new(0) }
    }

    /// How long it has rested; `None` while it is in use.
    fn rest(&self) -> Option<Duration> {
        let used = Duration::from_millis(self.used.load(Ordering::Relaxed));
        (self.streams.load(Ordering::Relaxed) == 0).then(|| self.epoch.elapsed().saturating_sub(used))
    }

    async fn close(&self) {
        // An error says that it has ended already.
        let _ = timeout(CLOSE, self.handle.close()).await;
    }
}

/// A session that is being used.
struct InUse(Arc<SdkSession>);

impl InUse {
    fn new(session: Arc<SdkSession>) -> Self {
        session.streams.fetch_add(1, Ordering::Relaxed);
        Self(session)
    }

    fn while_open(
        self,
        mut events: mpsc::Receiver<ServerSseMessage>,
    ) -> impl Stream<Item = ServerSseMessage> + Send + Sync + 'static {
        stream::poll_fn(move |context| {
            let _in_use = &self;
            events.poll_recv(context)
        })
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        let elapsed = u64::try_from(self.0.epoch.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.0.used.store(elapsed, Ordering::Relaxed);
        self.0.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Owns the table.
struct Keeper {
    table: Table,
    /// Sessions that are told to end.
    closing: JoinSet<()>,
    published: watch::Sender<Arc<Table>>,
    limits: SessionLimits,
}

impl Keeper {
    async fn run(mut self, mut asks: mpsc::Receiver<SessionsCommand>, ended: CancellationToken) {
        // Twice in the time that a session may rest: it is ended at one and a half of it at the latest.
        let mut looks = tokio::time::interval((self.limits.idle / 2).max(Duration::from_millis(10)));
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                // Sessions end by the same token and leave the table one by one.
                () = ended.cancelled(), if self.table.is_empty() => return,
                Some(_) = self.closing.join_next() => {}
                ask = asks.recv() => match ask {
                    Some(ask) => self.answer(ask, ended.is_cancelled()),
                    None => return,
                },
                _ = looks.tick() => self.end_idle(),
            }
        }
    }

    fn answer(&mut self, ask: SessionsCommand, ended: bool) {
        match ask {
            SessionsCommand::Open(reply) => {
                let opened = if ended { Err(SessionsError::Stopped) } else { self.open() };
                // Nobody waits: the session rests, and is ended in time.
                let _ = reply.send(opened);
            }
            SessionsCommand::Remove(id, reply) => {
                let removed = self.table.remove(&id);
                self.publish();
                let _ = reply.send(removed);
            }
        }
    }

    fn open(&mut self) -> Result<(SessionId, SessionTransport), SessionsError> {
        if self.table.len() >= self.limits.sessions {
            self.end_longest_at_rest()?;
        }
        let mut config = SessionConfig::default();
        config.keep_alive = None;
        let id = SessionId::from(uuid::Uuid::new_v4().to_string());
        let (handle, worker) = create_local_session(id.clone(), config);
        self.table.insert(id.clone(), Arc::new(SdkSession::new(handle)));
        self.publish();
        Ok((id, SessionTransport::spawn(worker)))
    }

    /// Makes room. The client, if it lives, is told that its session is unknown and opens another.
    fn end_longest_at_rest(&mut self) -> Result<(), SessionsError> {
        let resting = self.table.iter().filter_map(|(id, session)| Some((session.rest()?, id)));
        let (_, id) = resting.max().ok_or(SessionsError::TooMany)?;
        let id = id.clone();
        self.end(&id);
        Ok(())
    }

    fn end_idle(&mut self) {
        let idle = self.limits.idle;
        let resting = |session: &SdkSession| session.rest().is_some_and(|rest| rest > idle);
        let expired = self.table.iter().filter(|(_, session)| resting(session));
        let expired: Vec<_> = expired.map(|(id, _)| id.clone()).collect();
        for id in &expired {
            tracing::debug!(session = %id, "a session expired");
            self.end(id);
        }
        if !expired.is_empty() {
            self.publish();
        }
    }

    fn end(&mut self, id: &SessionId) {
        if let Some(session) = self.table.remove(id) {
            self.closing.spawn(async move { session.close().await });
        }
    }

    fn publish(&self) {
        self.published.send_replace(Arc::new(self.table.clone()));
    }
}
