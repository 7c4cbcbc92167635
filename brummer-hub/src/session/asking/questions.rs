//! What instances ask a client with a handshake (sampling, elicitation, roots, …), and the hub's own question for its roots.
//!
//! Every instance numbers its requests from 0 or 1, so each gets a number of the session's own on the way to the
//! client, and its own id back with the answer. The same holds for the progress tokens that it puts on them. What is
//! asked before the client is ready waits until it is (lifecycle § Initialization).

use std::collections::{HashMap, VecDeque};

use crate::{
    frame::{Frame, Parts},
    session::message::progress_token,
    upstream::LinkId,
};

/// Questions that may wait for the client at once; further ones are refused. People answer one at a time.
const MAX_OPEN: usize = 256;

/// What an instance is told that asks too much.
pub(in crate::session) const NO_MORE_QUESTIONS: &str = "the client takes no more questions now";

/// Ids of questions are strings, so that they never equal a number that the client itself uses, as some clients mix
/// the two up.
const PREFIX: &str = "brummer-";

/// An instance's question that the client has not answered.
#[derive(Debug)]
struct OpenQuestion {
    link: LinkId,
    /// The instance's id for it, as JSON text.
    id: Box<str>,
    /// The progress token that the instance put on it, as JSON text.
    token: Option<Box<str>>,
}

#[derive(Debug, Default)]
pub(in crate::session) struct Questions {
    next: u64,
    open: HashMap<u64, OpenQuestion>,
    roots: Option<u64>,
    /// What is told once the client is ready: the number, and the message.
    waiting: VecDeque<(u64, Parts)>,
}

/// Whom a response of the client is for.
#[derive(Debug)]
pub(in crate::session) enum Answered {
    /// An instance: the response with its own id.
    Instance(LinkId, Parts),
    /// The hub, which asked for the roots.
    Roots,
    /// Nobody (any more).
    Nobody,
}

/// What becomes of a question.
#[derive(Debug)]
pub(in crate::session) enum Delivery {
    /// The client is told now.
    Now(Parts),
    /// The client is told when it is ready.
    Waits,
    /// Too many are open.
    Refused,
}

impl Questions {
    /// Takes a question of an instance.
    pub(in crate::session) fn ask(&mut self, link: LinkId, frame: &Frame, ready: bool) -> Delivery {
        if self.open.len() >= MAX_OPEN {
            return Delivery::Refused;
        }
        let number = self.number();
        let id = frame.id().unwrap_or_default().into();
        let token = progress_token(frame);
        let edits = token.map(|token| (frame.span_of(token), own_id(number))).into_iter().collect();
        let asked = frame.with_edits(edits, &own_id(number));
        self.open.insert(number, OpenQuestion { link, id, token: token.map(Into::into) });
        if ready {
            return Delivery::Now(asked);
        }
        self.waiting.push_back((number, asked));
        Delivery::Waits
    }

    /// How many are open.
    #[cfg(test)]
    pub(in crate::session) fn len(&self) -> usize {
        self.open.len() + self.waiting.len()
    }

    /// The client is ready: what it is to be told now.
    pub(in crate::session) fn release(&mut self) -> impl Iterator<Item = Parts> {
        std::mem::take(&mut self.waiting).into_iter().map(|(_, asked)| asked)
    }

    /// The hub's own question. The id as JSON text.
    pub(in crate::session) fn ask_for_roots(&mut self) -> String {
        let number = self.number();
        self.roots = Some(number);
        own_id(number)
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    pub(in crate::session) fn answered(&mut self, response: &Frame) -> Answered {
        let Some(number) = response.id().and_then(own_number) else { return Answered::Nobody };
        if self.roots == Some(number) {
            self.roots = None;
            return Answered::Roots;
        }
        match self.open.remove(&number) {
            Some(question) => Answered::Instance(question.link, response.with_id(&question.id)),
            None => Answered::Nobody,
        }
    }

    /// The instance withdraws its question `id` (JSON text). The client's id for it, as JSON text, if it knows it.
    pub(in crate::session) fn withdraw(&mut self, link: LinkId, id: &str) -> Option<String> {
        let found = self.open.iter().find(|(_, question)| question.link == link && *question.id == *id);
        let number = *found?.0;
        self.take_back(number)
    }

    /// The link is gone: nobody waits for the answers to its questions. The client's ids for those that it knows, as JSON
    /// text.
    pub(in crate::session) fn withdraw_all(&mut self, link: LinkId) -> Vec<String> {
        let theirs = self.open.iter().filter(|(_, question)| question.link == link);
        let mut numbers: Vec<_> = theirs.map(|(number, _)| *number).collect();
        numbers.sort_unstable();
        numbers.into_iter().filter_map(|number| self.take_back(number)).collect()
    }

    fn take_back(&mut self, number: u64) -> Option<String> {
        self.open.remove(&number);
        let untold = self.waiting.iter().position(|(waiting, _)| *waiting == number);
        match untold {
            Some(at) => {
                self.waiting.remove(at);
                None
            }
            None => Some(own_id(number)),
        }
    }

    /// Whose progress the client reports under this token (JSON text), and the instance's token for it.
    pub(in crate::session) fn progress(&self, token: &str) -> Option<(LinkId, &str)> {
        let question = self.open.get(&own_number(token)?)?;
        Some((question.link, question.token.as_deref()?))
    }
}

fn own_id(number: u64) -> String {
    format!("\"{PREFIX}{number}\"")
}

fn own_number(id: &str) -> Option<u64> {
    id.strip_prefix('"')?.strip_suffix('"')?.strip_prefix(PREFIX)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(text: &str) -> Frame {
        Frame::parse(text.to_owned()).unwrap()
    }

    fn told(asked: Delivery) -> Frame {
        let Delivery::Now(parts) = asked else { panic!("{asked:?}") };
        Frame::parse(parts.join()).unwrap()
    }

    #[test]
    fn each_instance_gets_its_own_id_back() {
        let mut questions = Questions::default();
        let asked =
            frame(r#"{"jsonrpc":"2.0","id":0,"method":"elicitation/create","params":{"message":"?"}}"#);
        let [first, second] = [1, 2].map(|link| told(questions.ask(LinkId(link), &asked, true)));
        assert_ne!(first.id(), second.id());
        let answer = frame(&format!(r#"{{"jsonrpc":"2.0","id":{},"result":{{}}}}"#, second.id().unwrap()));
        let Answered::Instance(LinkId(2), parts) = questions.answered(&answer) else { panic!() };
        assert_eq!(parts.join(), r#"{"jsonrpc":"2.0","id":0,"result":{}}"#);
        assert!(matches!(questions.answered(&answer), Answered::Nobody), "only once");
        assert_eq!(questions.withdraw(LinkId(2), "0"), None);
        assert_eq!(questions.withdraw(LinkId(1), "0").as_deref(), first.id());
    }

    #[test]
    fn progress_on_a_question_finds_its_way() {
        let mut questions = Questions::default();
        let text =
            r#"{"jsonrpc":"2.0","id":"a","method":"m","params":{"_meta":{"progressToken":1.0,"k":2}}}"#;
        let asked = told(questions.ask(LinkId(7), &frame(text), true));
        assert_eq!(
            asked.bytes(),
            r#"{"jsonrpc":"2.0","id":"brummer-1","method":"m","params":{"_meta":{"progressToken":"brummer-1","k":2}}}"#
        );
        assert_eq!(questions.progress("\"brummer-1\""), Some((LinkId(7), "1.0")));
        assert_eq!(questions.progress("1.0"), None);
        assert_eq!(questions.withdraw_all(LinkId(7)), ["\"brummer-1\""]);
    }

    #[test]
    fn what_is_asked_too_early_waits_and_can_be_withdrawn() {
        let mut questions = Questions::default();
        let question = |id: u8| frame(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"roots/list"}}"#));
        for id in [1, 2] {
            assert!(matches!(questions.ask(LinkId(1), &question(id), false), Delivery::Waits));
        }
        assert_eq!(questions.withdraw(LinkId(1), "1"), None, "the client has never heard of it");
        let told: Vec<_> = questions.release().map(Parts::join).collect();
        assert_eq!(told, [r#"{"jsonrpc":"2.0","id":"brummer-2","method":"roots/list"}"#]);
        assert!(questions.release().next().is_none());
    }
}
