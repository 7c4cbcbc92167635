//! Calls that wait for an answer which their client brings with its next request (2026-07-28, multi round-trip
//! requests), at instances that ask by a request and wait.
//!
//! A call is first *asking*: what its instance asks within a moment is collected. Then its client is answered with all
//! questions and a `requestState`, and it is *suspended* under that state until the client comes back, or no longer.
//! The state is a random handle into this table: it can neither be guessed nor be used twice, nor for another request,
//! whose digest is kept with it.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
};

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    frame::Frame,
    instance::Instance,
    session::client::{Caller, in_order},
    upstream::{ExchangeError, LinkId},
};

/// Calls of one session that may be suspended at a time.
pub(super) const MAX_SUSPENDED: usize = 64;

/// Questions of one call that may be open at a time.
const MAX_QUESTIONS: usize = 32;

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
pub(super) enum Outcome {
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
}

#[derive(Debug, Default)]
pub(in crate::session) struct Suspensions {
    hasher: RandomState,
    /// Questions that the client does not know yet, by the request that runs at the instance.
    asking: HashMap<u64, Vec<Question>>,
    suspended: HashMap<Box<str>, Suspended>,
    next_key: u64,
}

impl Suspensions {
    /// Whether a call of this caller is suspended.
    pub(super) fn has(&self, caller: Caller) -> bool {
        self.suspended.values().any(|it| it.caller == caller)
    }

    pub(super) fn is_full(&self) -> bool {
        self.suspended.len() >= MAX_SUSPENDED
    }

    /// Notes a question of a request. `None`: too many are open. `Some(true)`: it is the first one.
    pub(super) fn ask(&mut self, request: u64, question: Question) -> Option<bool> {
        let asking = self.asking.entry(request).or_default();
        if asking.len() >= MAX_QUESTIONS {
            return None;
        }
        asking.push(question);
        Some(asking.len() == 1)
    }

    /// What a request has asked and its client does not know yet.
    pub(super) fn take_questions(&mut self, request: u64) -> Vec<Asked> {
        let questions = self.asking.remove(&request).unwrap_or_default();
        questions.into_iter().map(|question| self.keyed(question)).collect()
    }

    pub(super) fn keyed(&mut self, question: Question) -> Asked {
        self.next_key += 1;
        Asked { key: format!("question-{}", self.next_key), question }
    }

    /// Suspends a call. The state under which it is found again.
    pub(super) fn suspend(&mut self, suspended: Suspended) -> String {
        let state = format!("brummer-{}", uuid::Uuid::new_v4());
        self.suspended.insert(state.as_str().into(), suspended);
        state
    }

    /// Takes a suspended call out if this is its state and its request; each state is good once.
    pub(super) fn resume(&mut self, state: &str, digest: u64) -> Option<Suspended> {
        if self.suspended.get(state)?.digest != digest {
            return None;
        }
        self.suspended.remove(state)
    }

    /// Takes a suspended call out because its client has not come back.
    pub(super) fn expire(&mut self, state: &str) -> Option<Suspended> {
        self.suspended.remove(state)
    }

    /// Every suspended call, as the session ends.
    pub(super) fn drain(&mut self) -> Vec<Suspended> {
        self.suspended.drain().map(|(_, suspended)| suspended).collect()
    }

    /// The suspended call that runs as this request.
    pub(super) fn of(&mut self, request: u64) -> Option<&mut Suspended> {
        let runs =
            |it: &&mut Suspended| matches!(it.held, Held::Running { request: runs, .. } if runs == request);
        self.suspended.values_mut().find(runs)
    }

    /// A suspended call has come to nothing.
    pub(super) fn failed(&mut self, state: &str, instance: &Instance, error: &ExchangeError) {
        if let Some(suspended) = self.suspended.get_mut(state)
            && let Held::Running { link, .. } = suspended.held
        {
            let outcome = Outcome::Failed(Box::new(instance.clone()), error.clone());
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
                asking.retain(|question| *question.id != *id);
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
    use super::*;

    fn call(params: &str) -> Frame {
        Frame::parse(format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#))
            .unwrap()
    }

    fn suspended(digest: u64) -> Suspended {
        Suspended { held: Held::Refused, caller: Caller::Claimed(1), digest, asked: Vec::new() }
    }

    #[test]
    fn a_state_is_good_once_and_for_its_request_only() {
        let mut all = Suspensions::default();
        let digest = all.digest(&call(r#"{"name":"a","arguments":{"x":1,"y":2},"_meta":{"k":1}}"#));
        let again = all.digest(&call(r#"{"arguments":{"y":2,"x":1},"requestState":"s","name":"a"}"#));
        let other = all.digest(&call(r#"{"name":"a","arguments":{"x":2,"y":2}}"#));
        assert_eq!(digest, again, "order, metadata and the state itself do not matter");
        assert_ne!(digest, other);
        let state = all.suspend(suspended(digest));
        assert!(all.resume(&state, other).is_none());
        assert!(all.resume("brummer-0", digest).is_none());
        assert!(all.resume(&state, digest).is_some(), "a wrong attempt does no harm");
        assert!(all.resume(&state, digest).is_none(), "only once");
    }

    #[test]
    fn questions_are_collected_keyed_and_bounded() {
        let question = |id: &str| Question { id: id.into(), method: "roots/list".into(), params: None };
        let mut all = Suspensions::default();
        assert_eq!(all.ask(7, question("0")), Some(true));
        assert_eq!(all.ask(7, question("1")), Some(false));
        all.withdraw(&[7], "0");
        let asked = all.take_questions(7);
        assert_eq!(asked.iter().map(|asked| &*asked.question.id).collect::<Vec<_>>(), ["1"]);
        assert!(all.take_questions(7).is_empty());
        for number in 0..MAX_QUESTIONS {
            assert!(all.ask(8, question(&number.to_string())).is_some());
        }
        assert_eq!(all.ask(8, question("x")), None);
    }
}
