//! Input that an instance wants before it answers, asked of an owner of the older kind (2026-07-28, MRTR).
//!
//! An instance without a handshake cannot ask: it answers that it wants input, and the request is sent again with it.
//! An owner with a handshake is asked by requests, as its own era has it. [`ask`] is a future in the actor's set like
//! any exchange: it tells the questions, collects the answers that the actor passes on, and ends with what the next
//! attempt carries.

use std::{pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{json, value::RawValue};
use tokio::{sync::mpsc, time::sleep};
use uuid::Uuid;

use super::{
    super::{
        UpstreamEventKind,
        exchange::{Fate, Finished, Stop},
        headers::Route,
        wire::{Call, Patience, Wire, invalid},
    },
    ErrorObject, Manner,
    exchange::{Turn, unbridged},
    response,
};
use crate::{
    frame::{Frame, Object, splice},
    protocol::method,
};

/// Times that a request is sent again. An instance that still is not content is in a loop.
const MAX_ROUNDS: u32 = 16;

/// Questions in one round; a person would not answer a tenth of them.
pub(in crate::upstream) const MAX_QUESTIONS: usize = 64;

/// Pause before an instance that only wants to be asked again is asked for the second time in a row; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// Longest such pause.
const MAX_PAUSE: Duration = Duration::from_secs(10);

/// How far a request has come.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::upstream) struct Round {
    number: u32,
    /// Questions asked in all rounds.
    questions: u32,
    /// Rounds in a row without a question.
    pauses: u32,
    /// The furthest progress that was told.
    progress: Option<f64>,
}

impl Round {
    pub(super) fn is_first(self) -> bool {
        self.number == 0
    }

    /// Whether this progress may be told. Within the first round that is the instance's business.
    pub(super) fn grows(&mut self, progress: f64) -> bool {
        let grows = self.progress.is_none_or(|told| progress > told);
        if grows {
            self.progress = Some(progress);
        }
        grows || self.is_first()
    }

    fn pause(&self) -> Duration {
        match self.pauses {
            0 | 1 => Duration::ZERO,
            again => FIRST_PAUSE.saturating_mul(1 << (again - 2).min(10)).min(MAX_PAUSE),
        }
    }
}

/// A request whose result was that input is wanted.
#[derive(Debug)]
pub(in crate::upstream) struct InputWanted {
    /// As the owner sent it.
    pub(in crate::upstream) body: Bytes,
    pub(super) result: Frame,
    pub(super) round: Round,
}

/// What the next attempt carries.
#[derive(Debug)]
pub(in crate::upstream) struct Retry {
    pub(in crate::upstream) body: Bytes,
    /// The owner's answers under the instance's keys: a JSON object.
    pub(super) responses: Option<String>,
    /// Byte for byte as it came.
    pub(super) state: Option<Box<str>>,
    pub(super) round: Round,
}

/// An answer of the owner, and to which question.
#[derive(Debug)]
pub(in crate::upstream) struct OwnerAnswer {
    pub(in crate::upstream) question: u32,
    pub(in crate::upstream) frame: Frame,
}

/// The call and question that an id of ours names.
pub(in crate::upstream) fn read_id(id: &str) -> Option<(u64, u32)> {
    let (call, question) = id.strip_prefix('"')?.strip_suffix('"')?.split_once('-')?;
    Some((call.parse().ok()?, question.parse().ok()?))
}

/// One question to the owner.
struct OwnerQuestion {
    key: String,
    number: u32,
    told: bool,
    /// The owner's result, as JSON text.
    answer: Option<Box<str>>,
}

/// Asks the owner for all that the instance wants.
pub(in crate::upstream) async fn ask(
    wire: Arc<Wire>,
    route: Arc<Route>,
    manner: Arc<Manner>,
    call: Arc<Call>,
    asked: InputWanted,
    mut answers: mpsc::Receiver<OwnerAnswer>,
) -> Finished {
    let outcome = {
        let sleep = pin!(sleep(wire.limits.call_timeout));
        let mut asking = InputExchange {
            wire: &wire,
            manner: &manner,
            call: &call,
            patience: Patience::modern(&wire, &call, sleep),
            questions: Vec::new(),
        };
        let outcome = asking.run(asked, &mut answers).await;
        asking.withdraw().await;
        outcome
    };
    let outcome = match outcome {
        Ok(retry) => Err(Turn::Answered(Box::new(retry)).into()),
        Err(Unanswered::Stop(stop)) => Err(stop),
        Err(Unanswered::Told(answer)) => {
            wire.pass(answer, &call, true).await;
            Ok(None)
        }
    };
    let (connection, fate) = match outcome {
        Ok(connection) => (connection, Fate::Over),
        Err(stop) => (None, Finished::conclude(&wire, &call, stop).await),
    };
    Finished { call, route, connection, fate }
}

/// Why there is no next attempt.
enum Unanswered {
    Stop(Stop),
    /// The owner refused; this is what its request gets for that.
    Told(Frame),
}

impl<S: Into<Stop>> From<S> for Unanswered {
    fn from(stop: S) -> Self {
        Self::Stop(stop.into())
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct InputRequiredResult<'a> {
    #[serde(borrow, default)]
    input_requests: Option<&'a RawValue>,
    #[serde(borrow, default)]
    request_state: Option<&'a RawValue>,
}

struct InputExchange<'a> {
    wire: &'a Wire,
    manner: &'a Manner,
    call: &'a Call,
    patience: Patience<'a>,
    questions: Vec<OwnerQuestion>,
}

impl InputExchange<'_> {
    async fn run(
        &mut self,
        asked: InputWanted,
        answers: &mut mpsc::Receiver<OwnerAnswer>,
    ) -> Result<Retry, Unanswered> {
        let InputWanted { body, result, mut round } = asked;
        round.number += 1;
        if round.number > MAX_ROUNDS {
            return Err(unbridged(format!("it wanted input {MAX_ROUNDS} times and still is not done")).into());
        }
        let wanted: InputRequiredResult<'_> =
            result.peek_result().ok_or_else(|| invalid("its wish for input is no object".into()))?;
        let state = wanted.request_state.map(|state| state.get().into());
        let requests = wanted.input_requests.map(|requests| Object::read(requests.get()));
        let requests = match requests {
            Some(None) => return Err(invalid("its wishes for input are no object".into()).into()),
            Some(Some(requests)) if requests.len() > 0 => requests,
            _ if state.is_some() => {
                round.pauses += 1;
                self.patience.wait(sleep(round.pause())).await?;
                return Ok(Retry { body, responses: None, state, round });
            }
            _ => return Err(invalid("it wants input and does not say which".into()).into()),
        };
        round.pauses = 0;
        let told = self.questions(&requests, &mut round)?;
        for (at, question) in told.into_iter().enumerate() {
            let kind = UpstreamEventKind::Frame { frame: question, carrier: Some(self.call.id) };
            self.patience.wait(self.wire.tell(kind)).await?;
            self.questions[at].told = true;
        }
        while self.questions.iter().any(|question| question.answer.is_none()) {
            // Closed when the actor has let go of the call, which then ends this future too.
            let Some(OwnerAnswer { question, frame }) = self.patience.wait(answers.recv()).await? else {
                return Err(Stop::Over.into());
            };
            self.patience.renew();
            let open = self.questions.iter_mut().find(|open| open.number == question);
            let Some(open) = open.filter(|open| open.answer.is_none()) else { continue };
            match frame.result() {
                Some(result) => open.answer = Some(result.into()),
                None => {
                    open.told = false;
                    return Err(self.refused(&body, &frame));
                }
            }
        }
        let answers = self.questions.iter().map(|question| {
            let key = json!(question.key);
            format!("{key}:{}", question.answer.as_deref().unwrap_or("null"))
        });
        let responses = format!("{{{}}}", answers.collect::<Vec<_>>().join(","));
        Ok(Retry { body, responses: Some(responses), state, round })
    }

    /// The instance's wishes as requests.
    fn questions(&mut self, requests: &Object<'_>, round: &mut Round) -> Result<Vec<Frame>, Stop> {
        if requests.len() > MAX_QUESTIONS {
            return Err(unbridged(format!("it wants {} inputs at once", requests.len())));
        }
        let mut told = Vec::new();
        for member in requests.iter() {
            let request = Object::read(member.value);
            let name = request.as_ref().and_then(|request| request.get_str("method"));
            let (Some(request), Some(name)) = (request, name) else {
                return Err(invalid(format!("its wish `{}` for input is no request", member.name)).into());
            };
            let params = request.get("params");
            self.check(&name, params)?;
            round.questions += 1;
            let (call, number) = (self.call.id, round.questions);
            let params = params.map(|params| format!(r#","params":{params}"#)).unwrap_or_default();
            let text = format!(r#"{{"jsonrpc":"2.0","id":"{call}-{number}","method":"{name}"{params}}}"#);
            let question = Frame::parse(text).map_err(|error| invalid(error.to_string()))?;
            told.push(with_elicitation_id(question));
            let key = member.name.clone().into_owned();
            self.questions.push(OwnerQuestion { key, number, told: false, answer: None });
        }
        Ok(told)
    }

    /// Whether the client said that it can be asked this.
    fn check(&self, name: &str, params: Option<&str>) -> Result<(), Stop> {
        let declared = self.manner.declared;
        let (can, what) = match name {
            method::SAMPLING => (declared.sampling, "sampling"),
            method::ROOTS_LIST => (declared.roots, "roots"),
            method::ELICITATION if is_url(params) => (declared.urls, "elicitation by URL"),
            method::ELICITATION => (declared.forms, "elicitation"),
            other => {
                let other: String = other.chars().take(64).collect();
                return Err(unbridged(format!("it wants `{other}`, which is no kind of input")));
            }
        };
        if can {
            return Ok(());
        }
        Err(unbridged(format!("it wants {what}, which the client has not declared")))
    }

    /// The owner answered a question with an error. The instance's era has no word for that.
    fn refused(&self, body: &Bytes, refusal: &Frame) -> Unanswered {
        let request = Frame::parse(body.clone()).ok();
        let is_call = request.is_some_and(|request| request.method() == Some(method::TOOLS_CALL));
        let answer = if is_call {
            let message = ErrorObject::read(refusal).map(|failure| failure.message).unwrap_or_default();
            let text = format!("the input that the tool asked for was not given: {message}");
            let result = json!({"content": [{"type": "text", "text": text}], "isError": true});
            response(self.call.id, "result", &result.to_string())
        } else {
            Frame::parse(refusal.with_id(&self.call.id.to_string()).join()).ok()
        };
        answer.map_or_else(|| invalid("the input was refused".into()).into(), Unanswered::Told)
    }

    /// Takes back what the owner has still to answer.
    async fn withdraw(&mut self) {
        for question in self.questions.iter().filter(|open| open.told && open.answer.is_none()) {
            let (call, number, name) = (self.call.id, question.number, method::CANCELLED);
            let text = format!(
                r#"{{"jsonrpc":"2.0","method":"{name}","params":{{"requestId":"{call}-{number}","reason":"the request that it belongs to is over"}}}}"#
            );
            if let Ok(frame) = Frame::parse(text) {
                self.wire.tell(UpstreamEventKind::Frame { frame, carrier: Some(self.call.id) }).await;
            }
        }
    }
}

fn is_url(params: Option<&str>) -> bool {
    let mode =
        params.and_then(Object::read).and_then(|params| params.get_str("mode").map(|mode| mode == "url"));
    mode.unwrap_or_default()
}

/// Gives a URL elicitation the id that clients of the older kind require (2025-11-25, elicitation § URL Mode).
fn with_elicitation_id(question: Frame) -> Frame {
    const NAME: &str = "elicitationId";
    if question.method() != Some(method::ELICITATION) || !is_url(question.params()) {
        return question;
    }
    let edited = || {
        let params = Object::read(question.params()?)?;
        if params.get(NAME).is_some() {
            return None;
        }
        let added = format!(r#""{NAME}":"{}""#, Uuid::new_v4());
        let edits = params.edits(question.bytes(), &added, |_| false);
        let edits = edits.into_iter().map(|(span, with)| (span, with.into()));
        Frame::parse(splice(question.bytes(), edits)).ok()
    };
    edited().unwrap_or(question)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_questions_name_their_call() {
        assert_eq!(read_id("\"12-3\""), Some((12, 3)));
        for id in ["12", "\"12\"", "\"a-1\"", "\"1-a\"", "\"1-2-3\"", "1-2"] {
            assert_eq!(read_id(id), None, "{id}");
        }
    }

    #[test]
    fn progress_grows_from_round_to_round() {
        let mut round = Round::default();
        assert!(round.grows(5.0) && round.grows(3.0), "the first round is told as it is");
        round.number = 1;
        assert!(!round.grows(4.0) && !round.grows(5.0) && round.grows(6.0));
    }

    #[test]
    fn pauses_grow() {
        let pause = |pauses| Round { pauses, ..Round::default() }.pause();
        assert_eq!([pause(1), pause(2), pause(3)], [Duration::ZERO, FIRST_PAUSE, FIRST_PAUSE * 2]);
        assert_eq!(pause(u32::MAX), MAX_PAUSE);
    }
}
