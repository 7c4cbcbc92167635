//! The stream of changes of an instance without a handshake (2026-07-28, subscriptions).
//!
//! A conversation holds one `subscriptions/listen`, for the lists and for the resources that its owner subscribed to.
//! When the resources change, another one is opened, and the first is closed once the second is acknowledged: nothing
//! is missed in between. [`Subscriptions`] is the actor's and decides; a [`Stream`] is a future in the actor's set that
//! passes on what it hears and tells the actor of its beginning and end ([`StreamNews`]).

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use futures_util::future::AbortHandle;
use serde::Deserialize;
use tokio::time::{Instant, sleep, timeout_at};

use super::{
    super::{
        ExchangeError, ExchangeReason, UpstreamEventKind,
        body::Post,
        exchange::at_another,
        headers::Route,
        reply::{Reply, ResponseKind, open as open_reply},
        standing_stream::LISTEN_FIRST,
        wire::{Call, MAX_BATCH, Wire, messages},
    },
    Manner, error,
    meta::unsubscribed,
    mirror::Tools,
};
use crate::{
    frame::{Frame, Kind, Object, means},
    protocol::{code, method},
};

/// How long the acknowledgement may take. Servers send it at once.
const ACKNOWLEDGEMENT: Duration = Duration::from_secs(5);

/// Pause before a stream that ended is opened again; it doubles as long as streams do not last.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// Longest such pause, and how long a stream must have stood to count as one that lasts.
const MAX_PAUSE: Duration = Duration::from_secs(30);

/// How often the first stream is asked for in a row while it fails only for the moment. Of an instance that never had one
/// nobody knows whether it has.
const ATTEMPTS: u32 = 5;

/// Resources that one conversation may be subscribed to: the list goes out anew with every change of it.
const MAX_URIS: usize = 1024;

/// What the owner wants to hear of, and the streams for it.
#[derive(Debug, Default)]
pub(in crate::upstream) struct Subscriptions {
    uris: BTreeSet<String>,
    standing: Option<StandingStream>,
    opening: Option<OpeningStream>,
    /// `uris` has changed since `opening` was sent.
    stale: bool,
    /// Requests of the owner that are answered when a stream with their change stands.
    waiting: Vec<WaitingSubscription>,
    /// Streams in a row that did not come about or did not last.
    failures: u32,
    /// The instance has offered such a stream.
    offered: bool,
}

#[derive(Debug)]
struct StandingStream {
    id: u64,
    stream: AbortHandle,
    since: Instant,
}

#[derive(Debug)]
struct OpeningStream {
    id: u64,
    stream: AbortHandle,
    /// When it is sent.
    begins: Instant,
    uris: BTreeSet<String>,
}

#[derive(Debug)]
struct WaitingSubscription {
    call: Arc<Call>,
    uri: String,
    on: bool,
}

/// What a change leads to.
#[derive(Debug, Default)]
pub(in crate::upstream) struct SubscriptionOutcome {
    /// Requests of the owner that are over: with an error (JSON text) or without.
    pub(in crate::upstream) over: Vec<(Arc<Call>, Result<(), String>)>,
    /// Another stream is to be opened, after this pause.
    pub(in crate::upstream) open: Option<Duration>,
    /// What the instance said of changes was not heard for a while.
    pub(in crate::upstream) missed: bool,
}

impl Subscriptions {
    /// The owner wants to hear of a resource, or no longer.
    pub(in crate::upstream) fn want(
        &mut self,
        call: Arc<Call>,
        uri: String,
        on: bool,
    ) -> SubscriptionOutcome {
        if on && self.uris.len() >= MAX_URIS && !self.uris.contains(&uri) {
            let text = format!("{MAX_URIS} resources are subscribed to already");
            let over = vec![(call, Err(error(code::INTERNAL_ERROR, &text)))];
            return SubscriptionOutcome { over, ..SubscriptionOutcome::default() };
        }
        let changed = if on { self.uris.insert(uri.clone()) } else { self.uris.remove(&uri) };
        let is_under_way = self.waiting.iter().any(|waiting| waiting.uri == uri);
        if !changed && !is_under_way {
            return SubscriptionOutcome { over: vec![(call, Ok(()))], ..SubscriptionOutcome::default() };
        }
        self.waiting.push(WaitingSubscription { call, uri, on });
        let open = if changed { self.reopen() } else { None };
        SubscriptionOutcome { open, ..SubscriptionOutcome::default() }
    }

    /// A stream for what is wanted now, at once or when the one that is being opened has come to something.
    fn reopen(&mut self) -> Option<Duration> {
        match &self.opening {
            Some(opening) if opening.begins <= Instant::now() => {
                self.stale = true;
                None
            }
            _ => Some(Duration::ZERO),
        }
    }

    /// What the next stream asks for, as members of `params`.
    pub(in crate::upstream) fn filter(&self) -> String {
        let uris = if self.uris.is_empty() {
            String::new()
        } else {
            format!(r#","resourceSubscriptions":{}"#, serde_json::json!(self.uris))
        };
        format!(
            r#""notifications":{{"toolsListChanged":true,"promptsListChanged":true,"resourcesListChanged":true{uris}}}"#
        )
    }

    /// A stream is being opened, after a pause.
    pub(in crate::upstream) fn begin(&mut self, id: u64, stream: AbortHandle, pause: Duration) {
        let opening = OpeningStream { id, stream, begins: Instant::now() + pause, uris: self.uris.clone() };
        if let Some(former) = self.opening.replace(opening) {
            former.stream.abort();
        }
        self.stale = false;
    }

    /// The stream is read further, in a future of its own.
    pub(in crate::upstream) fn go_on(&mut self, id: u64, stream: AbortHandle) {
        match (&mut self.standing, &mut self.opening) {
            (Some(standing), _) if standing.id == id => standing.stream = stream,
            (_, Some(opening)) if opening.id == id => opening.stream = stream,
            _ => stream.abort(),
        }
    }

    /// There is news of a stream.
    pub(in crate::upstream) fn heard(&mut self, id: u64, news: StreamNews) -> SubscriptionOutcome {
        let opening = self.opening.take_if(|opening| opening.id == id);
        let mut outcome = match (news, opening) {
            (StreamNews::Acknowledged(uris), Some(opening)) => self.acknowledged(opening, &uris),
            (StreamNews::Refused { error, for_now }, Some(opening)) => {
                self.refused(&opening, &error, for_now)
            }
            (StreamNews::Ended, Some(opening)) => {
                let text = "the stream of changes could not be opened";
                self.refused(&opening, &error(code::INTERNAL_ERROR, text), true)
            }
            (StreamNews::Acknowledged(_), None) => SubscriptionOutcome::default(),
            (StreamNews::Ended | StreamNews::Refused { .. }, None) => self.ended(id),
        };
        if self.opening.is_none() && std::mem::take(&mut self.stale) {
            outcome.open = Some(Duration::ZERO);
        }
        outcome
    }

    fn acknowledged(&mut self, opening: OpeningStream, honoured: &[String]) -> SubscriptionOutcome {
        let OpeningStream { id, stream, begins, uris: asked } = opening;
        let is_late = begins.elapsed() >= LISTEN_FIRST;
        let was_heard = std::mem::replace(&mut self.offered, true);
        let mut outcome = SubscriptionOutcome::default();
        match self.standing.replace(StandingStream { id, stream, since: Instant::now() }) {
            Some(former) => former.stream.abort(),
            None => outcome.missed = was_heard || is_late || self.failures > 0,
        }
        for waiting in std::mem::take(&mut self.waiting) {
            let WaitingSubscription { call, uri, on } = waiting;
            if on != self.uris.contains(&uri) || !on && !asked.contains(&uri) || honoured.contains(&uri) {
                outcome.over.push((call, Ok(())));
            } else if on && asked.contains(&uri) {
                self.uris.remove(&uri);
                let text = format!("the instance does not tell of changes of `{uri}`");
                outcome.over.push((call, Err(error(code::INVALID_PARAMS, &text))));
            } else {
                self.waiting.push(WaitingSubscription { call, uri, on });
            }
        }
        outcome
    }

    /// There is no such stream; one that stands already stays.
    fn refused(&mut self, opening: &OpeningStream, error: &str, for_now: bool) -> SubscriptionOutcome {
        let mut outcome = SubscriptionOutcome::default();
        for waiting in std::mem::take(&mut self.waiting) {
            let WaitingSubscription { call, uri, on } = waiting;
            if on != self.uris.contains(&uri) || !on {
                outcome.over.push((call, Ok(())));
            } else if opening.uris.contains(&uri) {
                self.uris.remove(&uri);
                outcome.over.push((call, Err(error.to_owned())));
            } else {
                self.waiting.push(WaitingSubscription { call, uri, on });
            }
        }
        if for_now && self.standing.is_none() && (self.offered || self.failures < ATTEMPTS) {
            outcome.open = Some(self.pause());
        }
        outcome
    }

    fn ended(&mut self, id: u64) -> SubscriptionOutcome {
        let mut outcome = SubscriptionOutcome::default();
        if let Some(standing) = self.standing.take_if(|standing| standing.id == id) {
            if standing.since.elapsed() >= MAX_PAUSE {
                self.failures = 0;
            }
            if self.opening.is_none() {
                outcome.open = Some(self.pause());
            }
        }
        outcome
    }

    fn pause(&mut self) -> Duration {
        let pause = FIRST_PAUSE.saturating_mul(1 << self.failures.min(10)).min(MAX_PAUSE);
        self.failures = self.failures.saturating_add(1);
        pause
    }
}

/// What becomes of a stream.
#[derive(Debug)]
pub(in crate::upstream) enum StreamNews {
    /// It stands; these resources are in it.
    Acknowledged(Vec<String>),
    /// The instance offers none. `error` is what a request for it gets.
    Refused { error: String, for_now: bool },
    /// It is over. Whether that is a sign of death has been told.
    Ended,
}

/// A stream that is open.
#[derive(Debug)]
pub(in crate::upstream) struct Stream {
    id: u64,
    reply: Reply,
    /// Until when it must be acknowledged; `None`: it is.
    until: Option<Instant>,
}

/// Opens a stream after a pause, and reads up to its acknowledgement.
pub(in crate::upstream) async fn open(
    wire: &Wire,
    manner: &Manner,
    id: u64,
    request: Post,
    pause: Duration,
) -> (Option<Box<Stream>>, StreamNews) {
    sleep(pause).await;
    let opened = async {
        let connection = wire.dialer.dial_to_listen().await?;
        let (target, again) = (request.uri().clone(), at_another(&request));
        let first = wire.send(Some(connection), request).await?;
        let (connection, response) = wire.follow(first, &target, false, again).await?;
        open_reply(wire, connection, response).await
    };
    match opened.await {
        Ok(ResponseKind::Messages(reply)) => {
            let until = Some(Instant::now() + ACKNOWLEDGEMENT);
            hear(Box::new(Stream { id, reply, until }), wire, manner).await
        }
        Ok(ResponseKind::Refused(refusal)) => {
            (None, refused(refusal.answer().as_ref(), refusal.status.is_server_error()))
        }
        Ok(ResponseKind::Empty(_))
        | Err(ExchangeError { reason: ExchangeReason::ContentType { .. }, .. }) => {
            (None, refused(None, false))
        }
        Err(error) => {
            tracing::debug!(%error, "the stream of changes could not be opened");
            wire.tell(UpstreamEventKind::Suspect).await;
            (None, StreamNews::Ended)
        }
    }
}

/// Passes on what a stream brings, until there is news of it.
pub(in crate::upstream) async fn hear(
    mut stream: Box<Stream>,
    wire: &Wire,
    manner: &Manner,
) -> (Option<Box<Stream>>, StreamNews) {
    loop {
        let next = stream.reply.next();
        let next = match stream.until {
            None => next.await,
            Some(until) => match timeout_at(until, next).await {
                Ok(next) => next,
                Err(_) => return (None, refused(None, false)),
            },
        };
        let text = match next {
            Ok(Some(text)) => text,
            Err(ExchangeError { reason: error @ ExchangeReason::TooLarge { .. }, .. })
                if stream.reply.is_stream() =>
            {
                tracing::warn!(%error, "passed over a message on the stream of changes");
                continue;
            }
            Ok(None) | Err(_) => {
                wire.tell(UpstreamEventKind::Suspect).await;
                return (None, StreamNews::Ended);
            }
        };
        let mut acknowledged = None;
        for message in messages(&text, MAX_BATCH) {
            let Ok(frame) = message else {
                tracing::debug!("passed over what is no message on the stream of changes");
                continue;
            };
            match frame.kind() {
                Kind::Notification { method } => match &**method {
                    method::LISTEN_ACKNOWLEDGED => {
                        if stream.until.take().is_some() {
                            acknowledged = Some(honoured(&frame));
                        }
                    }
                    // The graceful end, in the words of the other transport (cancellation).
                    method::CANCELLED if names(&frame, stream.id) => return (None, StreamNews::Ended),
                    name => {
                        if name == method::TOOLS_LIST_CHANGED {
                            manner.tools.send_modify(Tools::doubt);
                        }
                        let frame = unsubscribed(&frame);
                        wire.tell(UpstreamEventKind::Frame { frame, carrier: None }).await;
                    }
                },
                Kind::Request { method, .. } => manner.warn_of_request(wire.dialer.port(), method),
                Kind::Response { ok: true, .. } if means(frame.id(), stream.id) => {
                    return (None, StreamNews::Ended);
                }
                Kind::Response { ok: false, id } if id.is_none() || means(frame.id(), stream.id) => {
                    return (None, refused(Some(&frame), false));
                }
                Kind::Response { .. } => {}
            }
        }
        if let Some(honoured) = acknowledged {
            return (Some(stream), StreamNews::Acknowledged(honoured));
        }
    }
}

fn refused(answer: Option<&Frame>, for_now: bool) -> StreamNews {
    let raw = answer.and_then(|answer| {
        let answer = Object::read(std::str::from_utf8(answer.bytes()).ok()?)?;
        answer.get("error").map(str::to_owned)
    });
    let error =
        raw.unwrap_or_else(|| error(code::INTERNAL_ERROR, "the instance offers no stream of changes"));
    StreamNews::Refused { error, for_now }
}

/// The resources that an acknowledgement names.
fn honoured(acknowledgement: &Frame) -> Vec<String> {
    #[derive(Deserialize)]
    struct Acknowledged {
        notifications: Filter,
    }
    #[derive(Deserialize)]
    struct Filter {
        #[serde(default, rename = "resourceSubscriptions")]
        uris: Vec<String>,
    }
    acknowledgement.peek::<Acknowledged>().map(|said| said.notifications.uris).unwrap_or_default()
}

/// Whether a cancellation is that of request `id`.
fn names(cancellation: &Frame, id: u64) -> bool {
    let params = cancellation.params().and_then(Object::read);
    params.is_some_and(|params| means(params.get("requestId"), id))
}

impl Manner {
    /// The request for a stream, and its id.
    pub(in crate::upstream) fn listen(&self, route: &Route, filter: &str) -> (u64, Post) {
        self.own_request(route, method::LISTEN, filter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What fails each time is not there.
    #[tokio::test]
    async fn a_first_stream_is_not_asked_for_without_end() {
        let mut all = Subscriptions::default();
        let mut pauses = Vec::new();
        let mut open = Some(Duration::ZERO);
        while let Some(pause) = open {
            let (stream, _) = AbortHandle::new_pair();
            all.begin(1, stream, pause);
            open = all.heard(1, StreamNews::Refused { error: "no".to_owned(), for_now: true }).open;
            pauses.extend(open);
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16].map(|times| FIRST_PAUSE * times));
    }
}
