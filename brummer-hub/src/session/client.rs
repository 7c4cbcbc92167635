//! What the session knows of its client, and the requests that it still owes an answer.

use std::{
    borrow::Cow,
    collections::HashMap,
    sync::{Arc, LazyLock},
};

use bytes::Bytes;
use memchr::memmem::Finder;
use serde::Deserialize;
use serde_json::{Value, value::RawValue};
use tokio::task::AbortHandle;

use super::modern::Claim;
use crate::{
    frame::{Frame, Parts},
    protocol::{Era, LegacyVersion},
    upstream::Hello,
};

/// How far the handshake with the client has come (lifecycle § Initialization).
#[derive(Debug)]
pub(super) enum Phase {
    /// Nothing that settles a revision has been said.
    New,
    /// `initialize` was answered; only pings and log messages may be sent until `initialized` comes.
    Greeted(Identity),
    /// Both sides may say anything.
    Ready(Identity),
}

/// What the client said of itself in `initialize`.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    pub(super) version: LegacyVersion,
    pub(super) capabilities: Arc<str>,
    pub(super) client_info: Arc<str>,
    pub(super) has_roots: bool,
}

#[derive(Deserialize)]
pub(super) struct InitializeParams<'a> {
    #[serde(rename = "protocolVersion", borrow)]
    pub(super) version: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) capabilities: Option<&'a RawValue>,
    #[serde(rename = "clientInfo", borrow, default)]
    pub(super) client_info: Option<&'a RawValue>,
}

impl Phase {
    pub(super) fn identity(&self) -> Option<&Identity> {
        match self {
            Self::New => None,
            Self::Greeted(identity) | Self::Ready(identity) => Some(identity),
        }
    }

    /// Whether the client takes requests and notifications of the server's own accord.
    pub(super) fn is_ready(&self) -> bool {
        matches!(self, Self::Ready(_))
    }

    /// As whom to open connections to instances: the real client, so that they see its capabilities and no others.
    pub(super) fn hello(&self) -> Hello {
        match self.identity() {
            Some(identity) => Hello {
                era: Era::Legacy(identity.version),
                capabilities: Arc::clone(&identity.capabilities),
                client_info: Arc::clone(&identity.client_info),
            },
            None => Hello {
                era: Era::Legacy(LegacyVersion::LATEST),
                capabilities: "{}".into(),
                client_info: concat!(
                    r#"{"name":"brummer-hub","version":""#,
                    env!("CARGO_PKG_VERSION"),
                    r#""}"#
                )
                .into(),
            },
        }
    }
}

/// On whose behalf something is sent to an instance. Each has links of its own.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum Caller {
    /// The client that opens with `initialize`.
    Greeted,
    /// A client without a handshake, by what its requests claim of it.
    Claimed(u32),
}

/// Where an answer goes: the id as the client wrote it, and the batch that it came in.
#[derive(Clone, Debug)]
pub(super) struct ReplyTo {
    pub(super) id: Box<str>,
    pub(super) batch: Option<u64>,
    /// What the request says of itself, when it is of a revision without a handshake.
    pub(super) claim: Option<Arc<Claim>>,
}

impl ReplyTo {
    /// Whether the answer goes to a client without a handshake.
    pub(super) const fn is_modern(&self) -> bool {
        self.claim.is_some()
    }

    pub(super) fn caller(&self) -> Caller {
        self.claim.as_ref().map_or(Caller::Greeted, |claim| claim.caller)
    }
}

/// What works on a request of the client.
#[derive(Debug)]
pub(super) enum Running {
    /// An instance, under this id.
    Upstream(u64),
    /// A job of the session.
    Job { number: u64, handle: AbortHandle },
    /// Nothing yet: it waits until the hub has settled.
    Deferred,
    /// The job that opens a listen.
    Subscribing { number: u64, handle: AbortHandle },
    /// It is a listen, which is answered when it ends.
    Listening,
}

/// The requests of the client that have no answer yet, and the batches that they belong to.
#[derive(Debug, Default)]
pub(super) struct Owed {
    running: HashMap<Box<str>, (Running, Option<u64>)>,
    batches: HashMap<u64, Batch>,
    next_batch: u64,
}

/// Answers to a batch, collected until all are there (2025-03-26, basic § Batching).
#[derive(Debug)]
struct Batch {
    missing: usize,
    answers: Vec<Bytes>,
}

impl Owed {
    pub(super) fn len(&self) -> usize {
        self.running.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    pub(super) fn contains(&self, id: &str) -> bool {
        self.running.contains_key(&*canonical(id))
    }

    /// Whether this request is still owed, and by this job: it may have been cancelled, and its id used again.
    pub(super) fn is_job(&self, id: &str, job: u64) -> bool {
        match self.running.get(&*canonical(id)) {
            Some((Running::Job { number, .. } | Running::Subscribing { number, .. }, _)) => *number == job,
            _ => false,
        }
    }

    /// How many listens are open or being opened.
    pub(super) fn listens(&self) -> usize {
        let is_listen =
            |running: &Running| matches!(running, Running::Subscribing { .. } | Running::Listening);
        self.running.values().filter(|(running, _)| is_listen(running)).count()
    }

    /// Notes what works on a request; it may change while the request is in flight.
    pub(super) fn set(&mut self, to: &ReplyTo, running: Running) {
        self.running.insert(canonical(&to.id).into(), (running, to.batch));
    }

    /// The request is over, or no longer wanted. What worked on it, and its batch.
    pub(super) fn take(&mut self, id: &str) -> Option<(Running, Option<u64>)> {
        self.running.remove(&*canonical(id))
    }

    /// Everything that is in flight, as the session ends.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Running> + '_ {
        self.running.drain().map(|(_, (running, _))| running)
    }

    pub(super) fn open_batch(&mut self, requests: usize) -> u64 {
        self.next_batch += 1;
        self.batches.insert(self.next_batch, Batch { missing: requests, answers: Vec::new() });
        self.next_batch
    }

    /// Takes an answer; gives back what is to be written now: the answer, a whole batch, or nothing yet.
    pub(super) fn answer(&mut self, batch: Option<u64>, answer: Parts) -> Option<Parts> {
        match batch {
            None => Some(answer),
            Some(batch) => self.settle_in_batch(batch, Some(answer)),
        }
    }

    /// A request of a batch will not be answered, because the client cancelled it.
    pub(super) fn skip_in_batch(&mut self, batch: u64) -> Option<Parts> {
        self.settle_in_batch(batch, None)
    }

    fn settle_in_batch(&mut self, number: u64, answer: Option<Parts>) -> Option<Parts> {
        let batch = self.batches.get_mut(&number)?;
        batch.missing -= 1;
        batch.answers.extend(answer.map(Parts::join));
        if batch.missing > 0 {
            return None;
        }
        let answers = self.batches.remove(&number)?.answers;
        if answers.is_empty() {
            return None;
        }
        let mut text = vec![b'['];
        text.extend(answers.join(&b','));
        text.push(b']');
        Some(Parts::whole(text))
    }
}

/// Ids and tokens (JSON text) are compared by what they mean: `"\u0061"` is `"a"`, and `1.0` is `1`.
pub(super) fn canonical(id: &str) -> Cow<'_, str> {
    if id.contains('\\')
        && let Ok(text) = serde_json::from_str::<String>(id)
        && let Ok(plain) = serde_json::to_string(&text)
    {
        return plain.into();
    }
    // Beyond 2^53 two integers may be the same floating-point number, so these are taken as they are written.
    if !id.starts_with('"')
        && id.contains(['.', 'e', 'E'])
        && let Ok(number) = id.parse::<f64>()
        && number.fract() == 0.0
        && number.abs() < 9_007_199_254_740_992.0
    {
        return format!("{number:.0}").into();
    }
    id.into()
}

/// A value (JSON text) with the members of all objects in order, so that texts are the same when they mean the same.
pub(super) fn in_order(text: &str) -> String {
    match serde_json::from_str::<Value>(text) {
        Ok(mut value) => {
            value.sort_all_objects();
            value.to_string()
        }
        Err(_) => text.to_owned(),
    }
}

/// A JSON-RPC result, as text.
pub(super) fn result(id: &str, result: &str) -> Parts {
    Parts::whole(format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#))
}

/// A JSON-RPC error. `data` is JSON text.
pub(super) fn error(id: Option<&str>, code: i32, message: &str, data: Option<&str>) -> Parts {
    let id = id.unwrap_or("null");
    let message = serde_json::Value::from(message);
    let data = data.map(|data| format!(r#","data":{data}"#)).unwrap_or_default();
    Parts::whole(format!(
        r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"message":{message}{data}}}}}"#
    ))
}

/// A notification of the hub's own. `params` is JSON text.
pub(super) fn notification(method: &str, params: Option<&str>) -> Parts {
    let params = params.map(|params| format!(r#","params":{params}"#)).unwrap_or_default();
    Parts::whole(format!(r#"{{"jsonrpc":"2.0","method":"{method}"{params}}}"#))
}

/// The members of `params._meta` that matter on the way.
#[derive(Deserialize, Default)]
pub(super) struct Meta<'a> {
    #[serde(rename = "progressToken", borrow, default)]
    pub(super) progress_token: Option<&'a RawValue>,
}

#[derive(Deserialize, Default)]
pub(super) struct WithMeta<'a> {
    #[serde(rename = "_meta", borrow, default)]
    pub(super) meta: Option<Meta<'a>>,
}

/// Whether the parameters may have metadata. Most have none, and looking for the name is much cheaper than reading them.
/// An escaped spelling of it is legal JSON that nobody writes.
pub(super) fn has_meta(frame: &Frame) -> bool {
    static META: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new(br#""_meta""#));
    frame.params().is_some_and(|params| META.find(params.as_bytes()).is_some())
}

/// The progress token of a request, as JSON text.
pub(super) fn progress_token(frame: &Frame) -> Option<&str> {
    if !has_meta(frame) {
        return None;
    }
    frame.peek::<WithMeta<'_>>()?.meta?.progress_token.map(RawValue::get)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_answered_as_one_array_in_the_order_of_the_answers() {
        let mut owed = Owed::default();
        let batch = owed.open_batch(3);
        assert!(owed.answer(Some(batch), Parts::whole("1")).is_none());
        assert!(owed.skip_in_batch(batch).is_none());
        assert_eq!(owed.answer(Some(batch), Parts::whole("2")).unwrap().join(), "[1,2]");
        let batch = owed.open_batch(1);
        assert!(owed.skip_in_batch(batch).is_none(), "nothing to say, nothing said");
    }

    #[test]
    fn ids_are_the_same_when_they_mean_the_same() {
        let mut owed = Owed::default();
        let to = |id: &str| ReplyTo { id: id.into(), batch: None, claim: None };
        owed.set(&to(r#""a""#), Running::Deferred);
        assert!(owed.contains(r#""\u0061""#));
        assert!(!owed.contains("1"));
        owed.set(&to("1"), Running::Deferred);
        assert!(owed.contains("1.0") && owed.contains("10e-1") && !owed.contains("1.5"));
        assert!(!owed.contains(r#""1""#));
        assert!(owed.take("1").is_some() && !owed.contains("1"));
    }
}
