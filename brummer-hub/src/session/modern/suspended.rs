//! Calls that wait for an answer which their client brings with its next request (2026-07-28, multi round-trip
//! requests), at instances that ask by a request and wait.
//!
//! A call is first *asking*: what its instance asks within a moment is collected. Then its client is answered with all
//! questions and a `requestState`, and it is *suspended* under that state until the client comes back, or no longer.
//! The state is a random handle into this table: it can neither be guessed nor be used twice, nor for another request,
//! whose digest is kept with it.
//!
//! The table starts no timers: it says [when](Suspensions::deadline) something in it is due next, and the session's loop
//! waits for that. What leaves the table leaves nothing behind that waits.

use std::{
    collections::{HashMap, hash_map::Entry},
    hash::{BuildHasher as _, RandomState},
    time::Duration,
};

use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::Instant;

use crate::{
    frame::Frame,
    instance::Instance,
    session::client::{Caller, in_order},
    upstream::{ExchangeError, LinkId},
};

/// How long further questions of the same call are waited for, so that the client is asked all at once.
const COMPANIONS: Duration = Duration::from_millis(20);

/// How long a client may take to come back. It need not, and then nobody tells the hub.
const PATIENCE: Duration = Duration::from_secs(600);

/// Calls of one session that may be asking or suspended at a time.
const MAX_SUSPENDED: usize = 64;

/// Questions of one call that may be open at a time.
pub(super) const MAX_QUESTIONS: usize = 32;

/// A question of an instance.
#[derive(Debug)]
pub(super) struct Question {
    /// The instance's id for it, as JSON text.
    pub(super) id: Box<str>,
    pub(super) method: Box<str>,
    /// JSON text, fit for the client.
    pub(super) params: Option<Box<str>>,
}

/// A question that the client knows, under this key.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) key: String,
    pub(super) question: Question,
}

/// How a call ended that nobody waited for.
#[derive(Debug)]
pub(in crate::session) enum Outcome {
    Answered(Frame),
    Failed(Box<Instance>, ExchangeError),
}

/// What a suspended call is about to do.
#[derive(Debug)]
pub(super) enum Held {
    /// It runs at the instance.
    Running { request: u64, link: LinkId },
    /// It is over.
    Over { outcome: Outcome, link: LinkId },
    /// The instance refused it until a URL has been visited (2025-11-25, `-32042`): it has not run, and is sent again.
    Refused,
}

/// A call whose client has been asked something.
#[derive(Debug)]
pub(super) struct Suspended {
    pub(super) held: Held,
    pub(super) caller: Caller,
    pub(super) digest: u64,
    pub(super) asked: Vec<Asked>,
    /// When its client has been away for too long.
    until: Instant,
}

/// Questions of a call that its client does not know yet.
#[derive(Debug)]
struct Asking {
    questions: Vec<Question>,
    /// When no more of them are waited for.
    until: Instant,
}

#[derive(Debug, Default)]
pub(in crate::session) struct Suspensions {
    hasher: RandomState,
    /// By the request that runs at the instance.
    asking: HashMap<u64, Asking>,
    /// By their state.
    suspended: HashMap<Box<str>, Suspended>,
    next_key: u64,
}

impl Suspensions {
    /// Whether a call of this caller is suspended.
    pub(super) fn has(&self, caller: Caller) -> bool {
        self.suspended.values().any(|it| it.caller == caller)
    }

    /// Whether no other call can be asking or suspended.
    pub(super) fn is_full(&self) -> bool {
        self.asking.len() + self.suspended.len() >= MAX_SUSPENDED
    }

    /// Notes a question of a request. `false`: too many are open.
    pub(super) fn ask(&mut self, request: u64, question: Question) -> bool {
        if self.of(request).is_some() {
            let asked = self.keyed(question);
            let suspended = self.of(request).filter(|it| it.asked.len() < MAX_QUESTIONS);
            return suspended.map(|it| it.asked.push(asked)).is_some();
        }
        let is_full = self.is_full();
        let asking = match self.asking.entry(request) {
            Entry::Vacant(_) if is_full => return false,
            entry => {
                entry.or_insert_with(|| Asking { questions: Vec::new(), until: Instant::now() + COMPANIONS })
            }
        };
        let fits = asking.questions.len() < MAX_QUESTIONS;
        if fits {
            asking.questions.push(question);
        }
        fits
    }

    /// What a request has asked and its client does not know yet.
    pub(super) fn take_questions(&mut self, request: u64) -> Vec<Asked> {
        let questions = self.asking.remove(&request).map(|asking| asking.questions).unwrap_or_default();
        questions.into_iter().map(|question| self.keyed(question)).collect()
    }

    pub(super) fn keyed(&mut self, question: Question) -> Asked {
        self.next_key += 1;
        Asked { key: format!("question-{}", self.next_key), question }
    }

    /// Suspends a call. The state under which it is found again.
    pub(super) fn suspend(&mut self, held: Held, caller: Caller, digest: u64, asked: Vec<Asked>) -> String {
        let state = format!("brummer-{}", uuid::Uuid::new_v4());
        let until = Instant::now() + PATIENCE;
        self.suspended.insert(state.as_str().into(), Suspended { held, caller, digest, asked, until });
        state
    }

    /// When something is due next: the client of a call is to be asked, or no longer waited for.
    pub(in crate::session) fn deadline(&self) -> Option<Instant> {
        let asking = self.asking.values().map(|it| it.until);
        asking.chain(self.suspended.values().map(|it| it.until)).min()
    }

    /// The requests whose clients are to be asked now.
    pub(super) fn due(&self) -> Vec<u64> {
        let now = Instant::now();
        let due = self.asking.iter().filter(|(_, asking)| asking.until <= now);
        due.map(|(request, _)| *request).collect()
    }

    /// Takes out the calls whose clients have not come back.
    pub(super) fn take_expired(&mut self) -> Vec<Suspended> {
        let now = Instant::now();
        self.suspended.extract_if(|_, it| it.until <= now).map(|(_, suspended)| suspended).collect()
    }

    /// Takes a suspended call out if this is its state and its request; each state is good once.
    pub(super) fn resume(&mut self, state: &str, digest: u64) -> Option<Suspended> {
        if self.suspended.get(state)?.digest != digest {
            return None;
        }
        self.suspended.remove(state)
    }

    /// Every suspended call, as the session ends.
    pub(super) fn drain(&mut self) -> Vec<Suspended> {
        self.suspended.drain().map(|(_, suspended)| suspended).collect()
    }

    /// The suspended call that runs as this request.
    fn of(&mut self, request: u64) -> Option<&mut Suspended> {
        let runs =
            |it: &&mut Suspended| matches!(it.held, Held::Running { request: runs, .. } if runs == request);
        self.suspended.values_mut().find(runs)
    }

    /// A suspended call has ended before its client came back.
    pub(in crate::session) fn end(&mut self, state: &str, outcome: Outcome) {
        if let Some(suspended) = self.suspended.get_mut(state)
            && let Held::Running { link, .. } = suspended.held
        {
            suspended.held = Held::Over { outcome, link };
            suspended.asked.clear();
        }
    }

    /// A request is over, and nobody is to be asked on its behalf any more.
    pub(in crate::session) fn forget(&mut self, request: u64) {
        // Called for every request, of which few have ever asked.
        if !self.asking.is_empty() {
            self.asking.remove(&request);
        }
    }

    /// The instance at the end of a link withdraws a question (id as JSON text).
    pub(super) fn withdraw(&mut self, requests: &[u64], id: &str) {
        for request in requests {
            if let Some(asking) = self.asking.get_mut(request) {
                asking.questions.retain(|question| *question.id != *id);
            }
            if let Some(suspended) = self.of(*request) {
                suspended.asked.retain(|asked| *asked.question.id != *id);
            }
        }
    }

    /// What makes a request the same when it is sent again: its method, its name or URI, and its arguments by value.
    pub(super) fn digest(&self, frame: &Frame) -> u64 {
        #[derive(Deserialize, Default)]
        struct Same<'a> {
            #[serde(borrow, default)]
            name: Option<&'a RawValue>,
            #[serde(borrow, default)]
            uri: Option<&'a RawValue>,
            #[serde(borrow, default)]
            arguments: Option<&'a RawValue>,
        }
        let Same { name, uri, arguments } = frame.peek().unwrap_or_default();
        let value = |raw: Option<&RawValue>| in_order(raw.map_or("null", RawValue::get));
        self.hasher.hash_one((frame.method(), value(name), value(uri), value(arguments)))
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn call(params: &str) -> Frame {
        Frame::parse(format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#))
            .unwrap()
    }

    fn question(id: &str) -> Question {
        Question { id: id.into(), method: "roots/list".into(), params: None }
    }

    fn suspend(all: &mut Suspensions, held: Held, digest: u64) -> String {
        all.suspend(held, Caller::Claimed(1), digest, Vec::new())
    }

    #[test]
    fn a_state_is_good_once_and_for_its_request_only() {
        let mut all = Suspensions::default();
        let digest = all.digest(&call(r#"{"name":"a","arguments":{"x":1,"y":2},"_meta":{"k":1}}"#));
        let again = all.digest(&call(r#"{"arguments":{"y":2,"x":1},"requestState":"s","name":"a"}"#));
        let other = all.digest(&call(r#"{"name":"a","arguments":{"x":2,"y":2}}"#));
        assert_eq!(digest, again, "order, metadata and the state itself do not matter");
        assert_ne!(digest, other);
        let state = suspend(&mut all, Held::Refused, digest);
        assert!(all.resume(&state, other).is_none());
        assert!(all.resume("brummer-0", digest).is_none());
        assert!(all.resume(&state, digest).is_some(), "a wrong attempt does no harm");
        assert!(all.resume(&state, digest).is_none(), "only once");
    }

    #[test]
    fn questions_are_collected_keyed_and_bounded() {
        let mut all = Suspensions::default();
        assert!(all.ask(7, question("0")) && all.ask(7, question("1")));
        all.withdraw(&[7], "0");
        let asked = all.take_questions(7);
        assert_eq!(asked.iter().map(|asked| &*asked.question.id).collect::<Vec<_>>(), ["1"]);
        assert!(all.take_questions(7).is_empty());
        suspend(&mut all, Held::Running { request: 9, link: LinkId(1) }, 0);
        for request in [8, 9] {
            for number in 0..MAX_QUESTIONS {
                assert!(all.ask(request, question(&number.to_string())));
            }
            assert!(!all.ask(request, question("x")), "of a call that asks, and of one that is suspended");
        }
    }

    #[test]
    fn calls_that_ask_and_suspended_ones_are_bounded_together() {
        let mut all = Suspensions::default();
        for number in 0..MAX_SUSPENDED as u64 {
            assert!(!all.is_full());
            if number % 2 == 0 {
                suspend(&mut all, Held::Refused, number);
            } else {
                assert!(all.ask(number, question("0")));
            }
        }
        assert!(all.is_full() && !all.ask(1000, question("0")));
        assert!(all.ask(1, question("1")), "one that asks already may ask more");
        all.forget(1);
        assert!(all.ask(1000, question("0")));
    }

    #[tokio::test(start_paused = true)]
    async fn the_next_deadline_is_of_what_is_still_there() {
        let (mut all, begun) = (Suspensions::default(), Instant::now());
        assert_eq!(all.deadline(), None);
        let first = suspend(&mut all, Held::Refused, 1);
        advance(Duration::from_secs(1)).await;
        let second = suspend(&mut all, Held::Refused, 2);
        assert!(all.ask(7, question("0")));
        assert_eq!(all.deadline(), Some(begun + Duration::from_secs(1) + COMPANIONS));
        assert!(all.due().is_empty());
        advance(COMPANIONS / 2).await;
        assert!(all.ask(7, question("1")), "a companion does not put it off");
        advance(COMPANIONS / 2).await;
        assert_eq!(all.due(), [7]);
        assert_eq!(all.take_questions(7).len(), 2);
        assert_eq!(all.deadline(), Some(begun + PATIENCE));
        assert!(all.resume(&first, 1).is_some());
        assert_eq!(all.deadline(), Some(begun + Duration::from_secs(1) + PATIENCE), "nothing is left of it");
        advance(PATIENCE - COMPANIONS - Duration::from_millis(1)).await;
        assert!(all.take_expired().is_empty());
        advance(Duration::from_millis(1)).await;
        assert_eq!(all.take_expired().iter().map(|it| it.digest).collect::<Vec<_>>(), [2]);
        assert!(all.resume(&second, 2).is_none() && all.deadline().is_none());
    }
}
