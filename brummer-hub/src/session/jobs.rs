//! Work of a session that takes several exchanges: merged lists, and tools of the hub that ask instances.
//!
//! A job runs beside the session and owns nothing of it. It asks the session to send requests ([`Ask`]) and hands its
//! outcome back ([`Done`]); the session answers the client. A request that is cancelled aborts its job.

use std::{collections::HashSet, path::PathBuf, time::Duration};

use futures_util::future::join_all;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinError,
    time::timeout,
};

use super::{
    client::{Caller, ReplyTo},
    level::Level,
    links::Asker,
    lists::{ListKind, page},
    modern::{Listening, with_meta},
    task::SessionTask,
};
use crate::{
    frame::{Frame, Object},
    instance::Instance,
    protocol::method,
    upstream::{ExchangeError, ExchangeReason, Sent},
};

/// How long an instance may take to tell its lists before the others are listed without it.
const LIST_TIMEOUT: Duration = Duration::from_secs(5);

/// How long instances may take to take a log level before the client is answered all the same.
const LEVEL_TIMEOUT: Duration = Duration::from_secs(2);

/// Pages of one list; an instance that has more is in a loop.
const MAX_PAGES: usize = 1000;

/// A request that a job wants sent.
#[derive(Debug)]
pub(super) struct Ask {
    instance: Instance,
    caller: Caller,
    method: &'static str,
    /// JSON text.
    params: String,
    answer: oneshot::Sender<Result<Frame, ExchangeError>>,
}

/// What a job came to.
#[derive(Debug)]
pub(super) enum Done {
    /// The lists of all active instances, page by page, in the order of the instances.
    Lists { kind: ListKind, lists: Vec<(Instance, Vec<Frame>)>, then: Then },
    /// The result (JSON text) of one of the hub's tools; `connect` says that the session is connected from now on.
    Tool { to: ReplyTo, result: String, connect: Option<Box<Instance>> },
    /// The first good answer of several instances, or the last bad one.
    Answer { to: ReplyTo, from: Box<Instance>, answer: Result<Frame, ExchangeError> },
    /// A list that was missing before is there now, for this caller.
    ListsChanged(ListKind, Caller),
    /// The subscriptions of a listen have been accepted or refused.
    Listening(Box<Listening>),
    /// The log level was set at an instance; the request that wanted it can go on.
    Leveled { to: ReplyTo, frame: Frame, at: Box<Instance>, level: Level },
    /// The instances have taken the client's log level, or took too long.
    LevelTaken { to: ReplyTo },
    /// Whose task a request is about, if anybody knows it.
    Owned { to: ReplyTo, frame: Frame, owner: Option<Box<Instance>> },
    /// The directories of the client, with links resolved.
    Roots(Vec<PathBuf>),
    /// Nothing that anybody waits for.
    Nothing,
    /// Nobody was there to ask.
    Nobody { to: ReplyTo, uri: String },
}

/// What the lists were wanted for.
#[derive(Debug)]
pub(super) enum Then {
    /// To be shown.
    Show(ReplyTo),
    /// To find out what a name or URI in this request stands for.
    Resolve(Frame, ReplyTo),
}

/// The way of a job back to its session.
#[derive(Clone, Debug)]
pub(super) struct Asking {
    asks: mpsc::Sender<Ask>,
    /// On whose behalf instances are asked.
    caller: Caller,
}

impl Asking {
    /// Sends a request on the session's own link to an instance.
    pub(super) async fn request(
        &self,
        instance: &Instance,
        method: &'static str,
        params: String,
    ) -> Result<Frame, ExchangeError> {
        let gone = || ExchangeError { sent: Sent::No, reason: ExchangeReason::Gone };
        let (answer, answered) = oneshot::channel();
        let ask = Ask { instance: instance.clone(), caller: self.caller, method, params, answer };
        self.asks.send(ask).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }

    /// Sets the log level at several instances. Requests of the client go on connections of their own: one that is sent
    /// before the level is taken may be served before it.
    pub(super) async fn log_level(&self, instances: &[Instance], params: &str) {
        // What an instance answers is of no interest: it may not know the level, or log messages at all.
        let asked = instances.iter().map(|it| self.request(it, method::LOGGING_SET_LEVEL, params.to_owned()));
        let _ = timeout(LEVEL_TIMEOUT, join_all(asked)).await;
    }

    /// All pages of a list. The last frame may be an error of the instance.
    pub(super) async fn list(
        &self,
        instance: &Instance,
        kind: ListKind,
    ) -> Result<Vec<Frame>, ExchangeError> {
        let mut pages = Vec::new();
        let mut seen = HashSet::new();
        let mut params = "{}".to_owned();
        while pages.len() < MAX_PAGES {
            let frame = self.request(instance, kind.method(), params).await?;
            let next = page(&frame, kind).and_then(|page| page.next_cursor.map(String::from));
            pages.push(frame);
            match next {
                Some(cursor) if seen.insert(cursor.clone()) => {
                    params = serde_json::json!({ "cursor": cursor }).to_string();
                }
                _ => return Ok(pages),
            }
        }
        tracing::warn!(alias = %instance.alias, "{} has over {MAX_PAGES} pages; the rest is left out", kind.method());
        Ok(pages)
    }

    /// The lists of several instances at once. One that does not answer in time does not hold up the others.
    pub(super) async fn lists(
        &self,
        instances: Vec<Instance>,
        kind: ListKind,
    ) -> Vec<(Instance, Vec<Frame>)> {
        let asked = instances.into_iter().map(async |instance| {
            let frames = match timeout(LIST_TIMEOUT, self.list(&instance, kind)).await {
                Ok(Ok(frames)) => frames,
                Ok(Err(error)) => {
                    tracing::info!(alias = %instance.alias, "{} failed: {error}", kind.method());
                    Vec::new()
                }
                Err(_) => {
                    tracing::info!(alias = %instance.alias, "{} took too long", kind.method());
                    Vec::new()
                }
            };
            (instance, frames)
        });
        join_all(asked).await
    }
}

impl SessionTask {
    /// The way of a job on behalf of this caller.
    pub(super) fn asking(&self, caller: Caller) -> Asking {
        Asking { asks: self.asker.clone(), caller }
    }

    pub(super) fn on_ask(&mut self, ask: Ask) {
        let Ask { instance, caller, method, params, answer } = ask;
        if answer.is_closed() {
            return;
        }
        // What is sent on with the client's own parameters says already whose it is.
        let is_bare = Object::read(&params).is_some_and(|params| params.get("_meta").is_none());
        let params = match self.callers.hello(caller) {
            Some(hello) if is_bare => with_meta(&params, hello),
            _ => params,
        };
        let frame = request_frame(method, &params);
        let link = self.link_to(&instance, caller);
        if let Err(Asker::Job { answer, .. }) =
            self.links.request(link, &frame, Asker::Job { answer, token: None })
        {
            let _ = answer.send(Err(ExchangeError { sent: Sent::No, reason: ExchangeReason::Busy }));
        }
    }

    pub(super) fn on_job(&mut self, done: Result<(u64, Done), JoinError>) {
        let (number, done) = match done {
            Ok(done) => done,
            Err(error) if error.is_cancelled() => return,
            Err(error) => return tracing::error!("a job of a session failed: {error}"),
        };
        if done.request().is_some_and(|to| !self.owed.is_job(&to.id, number)) {
            return;
        }
        match done {
            Done::Lists { kind, lists, then } => self.on_lists(kind, &lists, then),
            Done::Tool { to, result, connect } => {
                self.answer_result(&to, &result);
                if let Some(instance) = connect {
                    self.connect_by_choice(&instance);
                }
            }
            Done::Answer { to, from, answer: Ok(frame) } => self.answer_read(&from, &to, &frame),
            Done::Answer { to, from, answer: Err(error) } => self.answer_failure(&from, &to, &error),
            Done::Nobody { to, uri } => self.answer_no_resource(&to, &uri),
            Done::ListsChanged(_, Caller::Greeted) => self.lists_changed(),
            Done::ListsChanged(kind, caller) => self.tell_listens_of(kind.changed(), Some(caller)),
            Done::Listening(listening) => self.acknowledge(*listening),
            Done::Leveled { to, frame, at, level } => self.on_leveled(&frame, &to, &at, level),
            Done::LevelTaken { to } => self.answer_result(&to, "{}"),
            Done::Owned { to, frame, owner } => self.on_task_owner(&frame, &to, owner.as_deref()),
            Done::Roots(roots) => self.set_roots(roots),
            Done::Nothing => {}
        }
    }
}

impl Done {
    /// The request that waits for it.
    fn request(&self) -> Option<&ReplyTo> {
        match self {
            Self::Lists { then: Then::Show(to) | Then::Resolve(_, to), .. }
            | Self::Tool { to, .. }
            | Self::Answer { to, .. }
            | Self::Leveled { to, .. }
            | Self::LevelTaken { to }
            | Self::Owned { to, .. }
            | Self::Nobody { to, .. } => Some(to),
            Self::Listening(listening) => Some(&listening.to),
            Self::ListsChanged(..) | Self::Roots(_) | Self::Nothing => None,
        }
    }
}

/// A request of the hub's own; its id is given when it is sent.
pub(super) fn request_frame(method: &str, params: &str) -> Frame {
    let text = format!(r#"{{"jsonrpc":"2.0","id":0,"method":"{method}","params":{params}}}"#);
    Frame::parse(text).expect("the method is a constant and the parameters are JSON")
}
