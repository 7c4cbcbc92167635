//! Calls that wait for an answer which their client brings with its next request (2026-07-28, multi round-trip
//! requests), at instances that ask by a request and wait.
//!
//! A call is first *asking*: what its instance asks within a moment is collected. Then its client is answered with all
//! questions and a `requestState`, and it is *suspended* under that state until the client comes back, or no longer.
//! The state is a random handle into this table: it can neither be guessed nor be used twice, nor for another request,
//! whose digest is kept with it. It begins with a mark of the session, so that one that has expired is known for one of
//! the session's own and goes to nobody else.
//!
//! The table says [when](Suspensions::deadline) something in it is due next. What leaves the table leaves nothing behind
//! that waits.

use std::{
    collections::{HashMap, hash_map::Entry},
    hash::{BuildHasher as _, RandomState},
    time::{Duration, Instant},
};

use crate::{
    frame::Frame,
    instance::Instance,
    session::{message::in_order, peer::Caller, requests::Shape},
    upstream::{ExchangeError, LinkId},
};
use serde::Deserialize;
use serde_json::value::RawValue;

/// How long further questions of the same call are waited for, so that the client is asked all at once.
const COMPANIONS: Duration = Duration::from_millis(20);

/// How long a client may take to come back. It need not, and then nobody tells the hub.
const PATIENCE: Duration = Duration::from_secs(600);

/// Calls of one session that may be asking or suspended at a time.
const MAX_SUSPENDED: usize = 64;

/// Questions of one call that may be open at a time.
pub(in crate::session) const MAX_QUESTIONS: usize = 32;

/// A question of an instance.
#[derive(Debug)]
pub(in crate::session) struct Question {
    /// The instance's id for it, as JSON text.
    pub(in crate::session) id: Box<str>,
    pub(in crate::session) method: Box<str>,
    /// JSON text, fit for the client.
    pub(in crate::session) params: Option<Box<str>>,
}

/// A question that the client knows, under this key.
#[derive(Debug)]
pub(in crate::session) struct KeyedQuestion {
    pub(in crate::session) key: String,
    pub(in crate::session) question: Question,
}

/// How a call ended that nobody waited for.
#[derive(Debug)]
pub(in crate::session) enum CallEnd {
    Answered(Frame),
    Failed(Box<Instance>, ExchangeError),
}

/// What a suspended call is about to do.
#[derive(Debug)]
pub(in crate::session) enum HeldCall {
    /// It runs at the instance.
    Running { number: u64, link: LinkId },
    /// It is over.
    Over { outcome: CallEnd, link: LinkId },
    /// The instance refused it until a URL has been visited (2025-11-25, `-32042`): it has not run, and is sent again.
    Refused,
}

/// A call whose client has been asked something.
#[derive(Debug)]
pub(in crate::session) struct Suspended {
    pub(in crate::session) held: HeldCall,
    pub(in crate::session) caller: Caller,
    pub(in crate::session) digest: u64,
    /// How its answer is to be read.
    pub(in crate::session) shape: Shape,
    pub(in crate::session) asked: Vec<KeyedQuestion>,
    /// When its client has been away for too long.
    until: Instant,
}

/// Questions of a call that its client does not know yet.
#[derive(Debug)]
struct QuestionBatch {
    questions: Vec<Question>,
    /// When no more of them are waited for.
    until: Instant,
}

#[derive(Debug)]
pub(in crate::session) struct Suspensions {
    hasher: RandomState,
    /// How every state of this session begins.
    mark: Box<str>,
    /// By the request that runs at the instance.
    asking: HashMap<u64, QuestionBatch>,
    /// By their state.
    suspended: HashMap<Box<str>, Suspended>,
    next_key: u64,
}

impl Default for Suspensions {
    fn default() -> Self {
        Self {
            hasher: RandomState::new(),
            mark: format!("brummer-{}-", uuid::Uuid::new_v4().simple()).into(),
            asking: HashMap::new(),
            suspended: HashMap::new(),
            next_key: 0,
        }
    }
}

impl Suspensions {
    /// Whether a call of this caller is suspended.
    pub(in crate::session) fn has(&self, caller: Caller) -> bool {
        self.suspended.values().any(|it| it.caller == caller)
    }

    /// How many calls are asking or suspended.
    #[cfg(test)]
    pub(in crate::session) fn len(&self) -> usize {
        self.asking.len() + self.suspended.len()
    }

    /// Whether no other call can be asking or suspended.
    pub(in crate::session) fn is_full(&self) -> bool {
        self.asking.len() + self.suspended.len() >= MAX_SUSPENDED
    }

    /// Notes a question of a request. `false`: too many are open.
    pub(in crate::session) fn ask(&mut self, request: u64, question: Question, now: Instant) -> bool {
        if self.of(request).is_some() {
            let asked = self.keyed(question);
            let suspended = self.of(request).filter(|it| it.asked.len() < MAX_QUESTIONS);
            return suspended.map(|it| it.asked.push(asked)).is_some();
        }
        let is_full = self.is_full();
        let asking = match self.asking.entry(request) {
            Entry::Vacant(_) if is_full => return false,
            entry => {
                entry.or_insert_with(|| QuestionBatch { questions: Vec::new(), until: now + COMPANIONS })
            }
        };
        let fits = asking.questions.len() < MAX_QUESTIONS;
        if fits {
            asking.questions.push(question);
        }
        fits
    }

    /// What a request has asked and its client does not know yet.
    pub(in crate::session) fn take_questions(&mut self, request: u64) -> Vec<KeyedQuestion> {
        let questions = self.asking.remove(&request).map(|asking| asking.questions).unwrap_or_default();
        questions.into_iter().map(|question| self.keyed(question)).collect()
    }

    pub(in crate::session) fn keyed(&mut self, question: Question) -> KeyedQuestion {
        self.next_key += 1;
        KeyedQuestion { key: format!("question-{}", self.next_key), question }
    }

    /// Suspends a call. The state under which it is found again.
    pub(in crate::session) fn suspend(
        &mut self,
        held: HeldCall,
        caller: Caller,
        (digest, shape): (u64, Shape),
        asked: Vec<KeyedQuestion>,
        now: Instant,
    ) -> String {
        let state = format!("{}{}", self.mark, uuid::Uuid::new_v4().simple());
        let until = now + PATIENCE;
        self.suspended.insert(state.as_str().into(), Suspended { held, caller, digest, shape, asked, until });
        state
    }

    /// When something is due next: the client of a call is to be asked, or no longer waited for.
    pub(in crate::session) fn deadline(&self) -> Option<Instant> {
        let asking = self.asking.values().map(|it| it.until);
        asking.chain(self.suspended.values().map(|it| it.until)).min()
    }

    /// The requests whose clients are to be asked now.
    pub(in crate::session) fn due(&self, now: Instant) -> Vec<u64> {
        let due = self.asking.iter().filter(|(_, asking)| asking.until <= now);
        due.map(|(request, _)| *request).collect()
    }

    /// Takes out the calls whose clients have not come back.
    pub(in crate::session) fn take_expired(&mut self, now: Instant) -> Vec<Suspended> {
        self.suspended.extract_if(|_, it| it.until <= now).map(|(_, suspended)| suspended).collect()
    }

    /// Whether the session gave this state, whatever has become of it.
    pub(in crate::session) fn gave(&self, state: &str) -> bool {
        state.starts_with(&*self.mark)
    }

    /// Takes a suspended call out if this is its state and its request; each state is good once.
    pub(in crate::session) fn resume(&mut self, state: &str, digest: u64) -> Option<Suspended> {
        if self.suspended.get(state)?.digest != digest {
            return None;
        }
        self.suspended.remove(state)
    }

    /// Every suspended call, as the session ends.
    pub(in crate::session) fn drain(&mut self) -> Vec<Suspended> {
        self.suspended.drain().map(|(_, suspended)| suspended).collect()
    }

    /// The suspended call that runs as this request.
    fn of(&mut self, number: u64) -> Option<&mut Suspended> {
        let runs =
            |it: &&mut Suspended| matches!(it.held, HeldCall::Running { number: runs, .. } if runs == number);
        self.suspended.values_mut().find(runs)
    }

    /// A suspended call has ended before its client came back.
    pub(in crate::session) fn end(&mut self, state: &str, outcome: CallEnd) {
        if let Some(suspended) = self.suspended.get_mut(state)
            && let HeldCall::Running { link, .. } = suspended.held
        {
            suspended.held = HeldCall::Over { outcome, link };
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
    pub(in crate::session) fn withdraw(&mut self, requests: &[u64], id: &str) {
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
    pub(in crate::session) fn digest(&self, frame: &Frame) -> u64 {
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

    /// One moment for all that happens at once.
    fn now() -> Instant {
        static NOW: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);
        *NOW
    }

    fn call(params: &str) -> Frame {
        Frame::parse(format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#))
            .unwrap()
    }

    fn question(id: &str) -> Question {
        Question { id: id.into(), method: "roots/list".into(), params: None }
    }

    fn suspend(all: &mut Suspensions, held: HeldCall, digest: u64) -> String {
        all.suspend(held, Caller::Claimed(1), (digest, Shape::Tool), Vec::new(), now())
    }

    #[test]
    fn a_state_is_good_once_and_for_its_request_only() {
        let mut all = Suspensions::default();
        let digest = all.digest(&call(r#"{"name":"a","arguments":{"x":1,"y":2},"_meta":{"k":1}}"#));
        let again = all.digest(&call(r#"{"arguments":{"y":2,"x":1},"requestState":"s","name":"a"}"#));
        let other = all.digest(&call(r#"{"name":"a","arguments":{"x":2,"y":2}}"#));
        assert_eq!(digest, again, "order, metadata and the state itself do not matter");
        assert_ne!(digest, other);
        let state = suspend(&mut all, HeldCall::Refused, digest);
        assert!(all.resume(&state, other).is_none());
        assert!(all.resume("brummer-0", digest).is_none());
        assert!(all.resume(&state, digest).is_some(), "a wrong attempt does no harm");
        assert!(all.resume(&state, digest).is_none(), "only once");
        assert!(all.gave(&state), "it is known for one that was used");
        assert!(!Suspensions::default().gave(&state) && !all.gave("brummer-0") && !all.gave(""));
    }

    #[test]
    fn questions_are_collected_keyed_and_bounded() {
        let mut all = Suspensions::default();
        assert!(all.ask(7, question("0"), now()) && all.ask(7, question("1"), now()));
        all.withdraw(&[7], "0");
        let asked = all.take_questions(7);
        assert_eq!(asked.iter().map(|asked| &*asked.question.id).collect::<Vec<_>>(), ["1"]);
        assert!(all.take_questions(7).is_empty());
        suspend(&mut all, HeldCall::Running { number: 9, link: LinkId(1) }, 0);
        for request in [8, 9] {
            for number in 0..MAX_QUESTIONS {
                assert!(all.ask(request, question(&number.to_string()), now()));
            }
            assert!(
                !all.ask(request, question("x"), now()),
                "of a call that asks, and of one that is suspended"
            );
        }
    }

    #[test]
    fn calls_that_ask_and_suspended_ones_are_bounded_together() {
        let mut all = Suspensions::default();
        for number in 0..MAX_SUSPENDED as u64 {
            assert!(!all.is_full());
            if number % 2 == 0 {
                suspend(&mut all, HeldCall::Refused, number);
            } else {
                assert!(all.ask(number, question("0"), now()));
            }
        }
        assert!(all.is_full() && !all.ask(1000, question("0"), now()));
        assert!(all.ask(1, question("1"), now()), "one that asks already may ask more");
        all.forget(1);
        assert!(all.ask(1000, question("0"), now()));
    }

    #[test]
    fn the_next_deadline_is_of_what_is_still_there() {
        let (mut all, begun) = (Suspensions::default(), now());
        assert_eq!(all.deadline(), None);
        let first = suspend(&mut all, HeldCall::Refused, 1);
        let later = begun + Duration::from_secs(1);
        let second = all.suspend(HeldCall::Refused, Caller::Claimed(1), (2, Shape::Tool), Vec::new(), later);
        assert!(all.ask(7, question("0"), later));
        assert_eq!(all.deadline(), Some(later + COMPANIONS));
        assert!(all.due(later).is_empty());
        assert!(all.ask(7, question("1"), later + COMPANIONS / 2), "a companion does not put it off");
        assert_eq!(all.due(later + COMPANIONS), [7]);
        assert_eq!(all.take_questions(7).len(), 2);
        assert_eq!(all.deadline(), Some(begun + PATIENCE));
        assert!(all.resume(&first, 1).is_some());
        assert_eq!(all.deadline(), Some(later + PATIENCE), "nothing is left of it");
        assert!(all.take_expired(later + PATIENCE - Duration::from_millis(1)).is_empty());
        let expired = all.take_expired(later + PATIENCE);
        assert_eq!(expired.iter().map(|it| it.digest).collect::<Vec<_>>(), [2]);
        assert!(all.resume(&second, 2).is_none() && all.deadline().is_none());
    }
}
