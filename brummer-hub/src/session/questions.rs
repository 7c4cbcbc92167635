//! What instances ask the client (sampling, elicitation, roots, …), and the hub's own question for its roots.
//!
//! Every instance numbers its requests from 0 or 1, so each gets a number of the session's own on the way to the
//! client, and its own id back with the answer. The same holds for the progress tokens that it puts on them.

use std::collections::HashMap;

use serde_json::value::RawValue;

use super::client::{Meta, WithMeta};
use crate::{
    frame::{Frame, Parts, splice},
    upstream::LinkId,
};

/// Questions that may wait for the client at once; further ones are refused. People answer one at a time.
const MAX_OPEN: usize = 256;

/// What an instance is told that asks too much.
pub(super) const NO_MORE_QUESTIONS: &str = "the client takes no more questions now";

/// Ids of questions are strings, so that they never equal a number that the client itself uses, as some clients mix
/// the two up.
const PREFIX: &str = "brummer-";

/// An instance's question that the client has not answered.
#[derive(Debug)]
struct Question {
    link: LinkId,
    /// The instance's id for it, as JSON text.
    id: Box<str>,
    /// The progress token that the instance put on it, as JSON text.
    token: Option<Box<str>>,
}

#[derive(Debug, Default)]
pub(super) struct Questions {
    next: u64,
    open: HashMap<u64, Question>,
    roots: Option<u64>,
}

/// Whom a response of the client is for.
#[derive(Debug)]
pub(super) enum Answered {
    /// An instance: the response with its own id.
    Instance(LinkId, Parts),
    /// The hub, which asked for the roots.
    Roots,
    /// Nobody (any more).
    Nobody,
}

impl Questions {
    /// The question of an instance as the client gets it; `None` when too many are open.
    pub(super) fn ask(&mut self, link: LinkId, frame: &Frame) -> Option<Parts> {
        if self.open.len() >= MAX_OPEN {
            return None;
        }
        let number = self.number();
        let id = frame.id().unwrap_or_default().into();
        let token = token_of(frame);
        let asked = frame.with_id(&own_id(number));
        let asked = match token {
            None => asked,
            Some(token) => retoken(asked, token, number),
        };
        self.open.insert(number, Question { link, id, token: token.map(Into::into) });
        Some(asked)
    }

    /// The hub's own question. The id as JSON text.
    pub(super) fn ask_for_roots(&mut self) -> String {
        let number = self.number();
        self.roots = Some(number);
        own_id(number)
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    pub(super) fn answered(&mut self, response: &Frame) -> Answered {
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

    /// The instance withdraws its question `id` (JSON text). The client's id for it, as JSON text.
    pub(super) fn withdraw(&mut self, link: LinkId, id: &str) -> Option<String> {
        let found = self.open.iter().find(|(_, question)| question.link == link && *question.id == *id);
        let number = *found?.0;
        self.open.remove(&number);
        Some(own_id(number))
    }

    /// The link is gone: nobody waits for the answers to its questions. The client's ids for them, as JSON text.
    pub(super) fn withdraw_all(&mut self, link: LinkId) -> Vec<String> {
        let mut numbers: Vec<_> = self
            .open
            .iter()
            .filter(|(_, question)| question.link == link)
            .map(|(number, _)| *number)
            .collect();
        numbers.sort_unstable();
        numbers
            .into_iter()
            .map(|number| {
                self.open.remove(&number);
                own_id(number)
            })
            .collect()
    }

    /// Whose progress the client reports under this token (JSON text), and the instance's token for it.
    pub(super) fn progress(&self, token: &str) -> Option<(LinkId, &str)> {
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

fn token_of(frame: &Frame) -> Option<&str> {
    let WithMeta { meta } = frame.peek()?;
    let Meta { progress_token } = meta?;
    progress_token.map(RawValue::get)
}

/// The same question with a progress token of the session's own, which is the question's id.
fn retoken(asked: Parts, token: &str, number: u64) -> Parts {
    let Ok(frame) = Frame::parse(asked.clone().join()) else { return asked };
    let Some(found) = token_of(&frame).filter(|found| *found == token) else { return asked };
    Parts::whole(splice(frame.bytes(), [(frame.span_of(found), own_id(number).into())]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(text: &str) -> Frame {
        Frame::parse(text.to_owned()).unwrap()
    }

    #[test]
    fn each_instance_gets_its_own_id_back() {
        let mut questions = Questions::default();
        let asked =
            frame(r#"{"jsonrpc":"2.0","id":0,"method":"elicitation/create","params":{"message":"?"}}"#);
        let first = frame(std::str::from_utf8(&questions.ask(LinkId(1), &asked).unwrap().join()).unwrap());
        let second = frame(std::str::from_utf8(&questions.ask(LinkId(2), &asked).unwrap().join()).unwrap());
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
        let asked = questions.ask(LinkId(7), &frame(text)).unwrap().join();
        assert_eq!(
            asked,
            r#"{"jsonrpc":"2.0","id":"brummer-1","method":"m","params":{"_meta":{"progressToken":"brummer-1","k":2}}}"#
        );
        assert_eq!(questions.progress("\"brummer-1\""), Some((LinkId(7), "1.0")));
        assert_eq!(questions.progress("1.0"), None);
        assert_eq!(questions.withdraw_all(LinkId(7)), ["\"brummer-1\""]);
    }
}
