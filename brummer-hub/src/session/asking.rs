//! What instances ask: questions that a client with a handshake is asked, and calls whose client, having none, is asked in
//! an answer and comes back.

mod questions;
mod suspended;

use std::{borrow::Cow, collections::HashMap, time::Instant};

use serde::Deserialize;
use serde_json::{Value, value::RawValue};

pub(super) use self::{
    questions::{Answered, Questions},
    suspended::{CallEnd, Suspensions},
};
use self::{
    questions::{Delivery, NO_MORE_QUESTIONS},
    suspended::{HeldCall, KeyedQuestion, MAX_QUESTIONS, Question, Suspended},
};
use super::{
    message::{self, Cancelled, error_code, error_of, progress_token, without},
    peer::{Caller, SERVER_INFO},
    requests::{Forwarded, Shape, Ticket, Waiter},
    talk::Talk,
};
use crate::{
    frame::{Frame, Kind},
    protocol::{code, meta, method},
    upstream::{Declared, LinkId},
};

/// Both kinds.
#[derive(Debug, Default)]
pub(super) struct Asking {
    pub(super) questions: Questions,
    pub(super) suspended: Suspensions,
}

impl Asking {
    /// Something that is suspended, or about to be, has waited long enough.
    pub(super) fn on_time(&mut self, talk: &mut Talk, now: Instant) {
        for number in self.suspended.due(now) {
            self.ask_client(talk, number, now);
        }
        for suspended in self.suspended.take_expired(now) {
            self.give_up(talk, suspended);
        }
    }

    /// The session ends: nobody comes back.
    pub(super) fn stop(&mut self, talk: &mut Talk) {
        for suspended in self.suspended.drain() {
            self.give_up(talk, suspended);
        }
    }

    pub(super) fn on_question(&mut self, talk: &mut Talk, link: LinkId, frame: &Frame) {
        match self.questions.ask(link, frame, talk.peer.is_ready()) {
            Delivery::Now(question) => talk.emit(question),
            Delivery::Waits => {}
            Delivery::Refused => {
                let answer = message::error(frame.id(), code::INTERNAL_ERROR, NO_MORE_QUESTIONS, None);
                talk.send(link, answer);
            }
        }
    }

    /// An instance withdraws a question.
    pub(super) fn on_withdrawn(&mut self, talk: &mut Talk, link: LinkId, caller: Caller, frame: &Frame) {
        let Some(Cancelled { request }) = frame.peek() else { return };
        if caller == Caller::Greeted {
            if let Some(id) = self.questions.withdraw(link, request.get()) {
                let told = frame.edited(vec![(frame.span_of(request.get()), id)]);
                talk.emit(told);
            }
        } else {
            let numbers = talk.requests.sent_on(link);
            self.suspended.withdraw(&numbers, request.get());
        }
    }

    /// An instance asks something on the link of a caller without a handshake.
    pub(super) fn on_question_of_call(
        &mut self,
        talk: &mut Talk,
        link: LinkId,
        carrier: Option<u64>,
        frame: &Frame,
        now: Instant,
    ) {
        if let Err((code, text)) = self.collect(talk, link, carrier, frame, now) {
            talk.send(link, message::error(frame.id(), code, &text, None));
        }
    }

    fn collect(
        &mut self,
        talk: &mut Talk,
        link: LinkId,
        carrier: Option<u64>,
        frame: &Frame,
        now: Instant,
    ) -> Result<(), (i32, String)> {
        let name = frame.method().unwrap_or_default();
        let number = self
            .asking_number(talk, link, carrier)
            .ok_or_else(|| (code::INVALID_REQUEST, "no client request in progress".into()))?;
        let caller = talk.links.get(link).map_or(Caller::Greeted, |open| open.caller);
        if let Err(needed) = offers(talk.peer.declared(caller), frame) {
            if let Some(needed) = needed
                && let Some(sent) = talk.requests.sent_mut(number)
                && let Waiter::Client(forwarded) = &mut sent.waiter
            {
                forwarded.missing = Some(needed);
            }
            return Err((
                code::METHOD_NOT_FOUND,
                format!("the client does not offer `{name}` for this request"),
            ));
        }
        let params = frame.params().map(|params| without(params, &["elicitationId", "task"]).into());
        let id = frame.id().unwrap_or_default().into();
        let question = Question { id, method: name.into(), params };
        if !self.suspended.ask(number, question, now) {
            return Err((code::INTERNAL_ERROR, NO_MORE_QUESTIONS.into()));
        }
        Ok(())
    }

    /// The request on whose behalf an instance asks: the one whose stream it asks on. What comes on the standing stream
    /// is taken to belong to the latest one; a wrong guess is harmless, as answers find their way by key.
    fn asking_number(&self, talk: &Talk, link: LinkId, carrier: Option<u64>) -> Option<u64> {
        let may_ask = |waiter: &Waiter| match waiter {
            Waiter::Client(forwarded) => forwarded.shape.may_ask(),
            Waiter::Suspended(_) => true,
            Waiter::Operation(_) | Waiter::List(_) | Waiter::Subscribed(_) | Waiter::Nobody => false,
        };
        let requests = &talk.requests;
        match carrier {
            Some(number) => requests.sent(number).is_some_and(|sent| may_ask(&sent.waiter)).then_some(number),
            None => {
                let here = requests.all_sent().filter(|(_, sent)| sent.link == link && may_ask(&sent.waiter));
                here.map(|(number, _)| number).max()
            }
        }
    }

    /// The client of this request is told what its instance asks.
    pub(super) fn ask_client(&mut self, talk: &mut Talk, number: u64, now: Instant) {
        let asked = self.suspended.take_questions(number);
        // It was withdrawn in the meantime.
        if asked.is_empty() {
            return;
        }
        let Some(sent) = talk.requests.sent(number) else { return };
        let Waiter::Client(forwarded) = &sent.waiter else { return };
        let (link, ticket) = (sent.link, forwarded.ticket);
        let Some(said) = forwarded.said.clone() else { return };
        let shape = forwarded.shape.clone();
        let state =
            self.suspend(talk, ticket, (&said, shape), HeldCall::Running { number, link }, asked, now);
        talk.requests.hand_over(number, Waiter::Suspended(state.into()));
    }

    /// Suspends a call and tells its client. The state that it is found under.
    fn suspend(
        &mut self,
        talk: &mut Talk,
        ticket: Ticket,
        (said, shape): (&Frame, Shape),
        held: HeldCall,
        asked: Vec<KeyedQuestion>,
        now: Instant,
    ) -> String {
        let mut questions = Vec::new();
        for KeyedQuestion { key, question: Question { method, params, .. } } in &asked {
            let params = params.as_deref().map(|params| format!(r#","params":{params}"#)).unwrap_or_default();
            questions.push(format!(r#""{key}":{{"method":"{method}"{params}}}"#));
        }
        let digest = self.suspended.digest(said);
        let state = self.suspended.suspend(held, talk.caller(ticket), (digest, shape), asked, now);
        let result = format!(
            r#"{{"resultType":"input_required","inputRequests":{{{}}},"requestState":"{state}","_meta":{{"{}":{SERVER_INFO}}}}}"#,
            questions.join(","),
            meta::SERVER_INFO,
        );
        if let Some(to) = talk.requests.to(ticket) {
            let answer = message::result(&to.id, &result);
            talk.answer(ticket, answer);
        }
        state
    }

    /// Goes on with a suspended call when a request brings its state, wherever the request would go by itself now.
    pub(super) fn resume(&mut self, talk: &mut Talk, ticket: Ticket, frame: &Frame, now: Instant) -> Resumed {
        let Some(Again { state, responses }) = Again::of(frame) else { return Resumed::No };
        if !self.suspended.gave(&state) {
            return Resumed::No;
        }
        let digest = self.suspended.digest(frame);
        match self.suspended.resume(&state, digest) {
            Some(suspended) => self.go_on(talk, ticket, suspended, &responses, frame, now),
            None => {
                refuse_state(talk, ticket);
                Resumed::Answered
            }
        }
    }

    /// Refuses a request with a state that the hub does not know, for an instance that has none to give. Whether it did.
    pub(super) fn refuses(talk: &mut Talk, ticket: Ticket, frame: &Frame) -> bool {
        let is_one = Again::of(frame).is_some();
        if is_one {
            refuse_state(talk, ticket);
        }
        is_one
    }

    fn go_on(
        &mut self,
        talk: &mut Talk,
        ticket: Ticket,
        suspended: Suspended,
        responses: &HashMap<String, &RawValue>,
        frame: &Frame,
        now: Instant,
    ) -> Resumed {
        let Suspended { held, asked, shape, .. } = suspended;
        let mut open = Vec::new();
        for asked in asked {
            // What is no result at all is asked for again (2026-07-28, multi round-trip requests § Error Handling).
            let response =
                responses.get(&asked.key).map(|raw| raw.get()).filter(|text| text.starts_with('{'));
            match (response, &held) {
                (None, _) => open.push(asked),
                (Some(result), HeldCall::Running { link, .. }) => {
                    talk.send(*link, message::result(&asked.question.id, result));
                }
                (Some(_), _) => {}
            }
        }
        if !open.is_empty() {
            let number = match &held {
                HeldCall::Running { number, .. } => Some(*number),
                HeldCall::Over { .. } | HeldCall::Refused => None,
            };
            let state = self.suspend(talk, ticket, (frame, shape), held, open, now);
            if let Some(number) = number {
                talk.requests.hand_over(number, Waiter::Suspended(state.into()));
            }
            return Resumed::Answered;
        }
        match held {
            HeldCall::Running { number, .. } => {
                let (token, said) = (progress_token(frame).map(Into::into), Some(frame.clone()));
                let forwarded = Forwarded { ticket, shape, token, said, missing: None };
                talk.requests.hand_over(number, Waiter::Client(forwarded.into()));
                Resumed::Answered
            }
            HeldCall::Over { outcome: CallEnd::Answered(answer), link } => {
                Resumed::Over { link, answer, shape }
            }
            HeldCall::Over { outcome: CallEnd::Failed(instance, error), .. } => {
                talk.answer_failure(ticket, &shape, &instance, &error);
                Resumed::Answered
            }
            HeldCall::Refused => Resumed::Anew,
        }
    }

    /// The client will not come back: the instance need not wait any longer.
    pub(super) fn give_up(&mut self, talk: &mut Talk, suspended: Suspended) {
        let HeldCall::Running { number, link } = suspended.held else { return };
        for KeyedQuestion { question, .. } in suspended.asked {
            let answer = if *question.method == *method::ELICITATION {
                message::result(&question.id, r#"{"action":"cancel"}"#)
            } else {
                message::error(Some(&question.id), code::INTERNAL_ERROR, "the client has not answered", None)
            };
            talk.send(link, answer);
        }
        talk.cancel(number, None);
    }

    /// An instance wants URLs visited before it runs a request at all (2025-11-25, elicitation, `-32042`), which is
    /// another form of asking. `false`: the answer is none of this.
    pub(super) fn on_url_required(
        &mut self,
        talk: &mut Talk,
        ticket: Ticket,
        frame: &Frame,
        shape: &Shape,
        said: Option<&Frame>,
        now: Instant,
    ) -> bool {
        #[derive(Deserialize)]
        struct Data<'a> {
            #[serde(borrow)]
            elicitations: Vec<&'a RawValue>,
        }
        let Kind::Response { ok: false, .. } = frame.kind() else { return false };
        let claim = talk.requests.to(ticket).and_then(|to| to.claim.clone());
        let Some(claim) = claim.filter(|_| error_code(frame) == Some(code::URL_ELICITATION_REQUIRED)) else {
            return false;
        };
        let data = error_of(frame).and_then(|error| error.data);
        let data = data.and_then(|raw| serde_json::from_str::<Data<'_>>(raw.get()).ok());
        let asks = |(data, _): &(Data<'_>, &Frame)| shape.may_ask() && !data.elicitations.is_empty();
        let Some((Data { elicitations }, said)) = data.zip(said).filter(asks) else {
            let text = "the instance wants a URL visited and does not say which";
            talk.answer_error(ticket, code::INTERNAL_ERROR, text, None);
            return true;
        };
        if !claim.declared.urls {
            let data = r#"{"requiredCapabilities":{"elicitation":{"url":{}}}}"#;
            let text = "the instance wants a URL visited, which the client does not offer for this request";
            talk.answer_error(ticket, code::MISSING_CAPABILITY, text, Some(data));
            return true;
        }
        if self.suspended.is_full() {
            talk.answer_error(ticket, code::INTERNAL_ERROR, NO_MORE_QUESTIONS, None);
            return true;
        }
        // The instance refuses again for the sake of the rest, if there is one.
        let asked = elicitations.iter().take(MAX_QUESTIONS).map(|raw| {
            let params = Some(without(raw.get(), &["elicitationId"]).into());
            Question { id: "null".into(), method: method::ELICITATION.into(), params }
        });
        let asked: Vec<_> = asked.map(|question| self.suspended.keyed(question)).collect();
        self.suspend(talk, ticket, (said, shape.clone()), HeldCall::Refused, asked, now);
        true
    }
}

/// What a request brings that comes for the second time.
struct Again<'a> {
    state: Cow<'a, str>,
    responses: HashMap<String, &'a RawValue>,
}

impl<'a> Again<'a> {
    fn of(frame: &'a Frame) -> Option<Self> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Params<'a> {
            #[serde(borrow, default)]
            request_state: Option<&'a RawValue>,
            #[serde(borrow, default)]
            input_responses: Option<HashMap<String, &'a RawValue>>,
        }
        memchr::memmem::find(frame.params()?.as_bytes(), b"requestState")?;
        let Params { request_state, input_responses } = frame.peek()?;
        let state = request_state?;
        // What is no text is no state of the hub's, and none at all.
        let state = message::text_of(Some(state)).unwrap_or_default();
        Some(Self { state, responses: input_responses.unwrap_or_default() })
    }
}

fn refuse_state(talk: &mut Talk, ticket: Ticket) {
    let text = "this `requestState` is unknown to the hub: it has expired or been used, belongs to another request, or \
                the hub was restarted; send the request again without it";
    talk.answer_error(ticket, code::INVALID_PARAMS, text, None);
}

/// What becomes of a request that may go on with a suspended call.
#[derive(Debug)]
pub(super) enum Resumed {
    /// It is no such request.
    No,
    /// The call has not run yet, and is to be sent without the answers, which are for the hub only.
    Anew,
    /// It has been answered, or the call runs on in its name.
    Answered,
    /// The call is over, and this is its answer, which came on this link and is to be read so.
    Over { link: LinkId, answer: Frame, shape: Shape },
}

/// Whether a client that declared these capabilities answers such a question; `Err` has the capability (JSON text) that it
/// would have to declare, or none if there is no such question.
fn offers(declared: Declared, question: &Frame) -> Result<(), Option<&'static str>> {
    #[derive(Deserialize)]
    struct Mode {
        #[serde(default)]
        mode: Value,
    }
    let (offered, needed) = match question.method().unwrap_or_default() {
        method::ROOTS_LIST => (declared.roots, r#"{"roots":{}}"#),
        method::SAMPLING => (declared.sampling, r#"{"sampling":{}}"#),
        method::ELICITATION if question.peek().is_some_and(|Mode { mode }| mode == "url") => {
            (declared.urls, r#"{"elicitation":{"url":{}}}"#)
        }
        method::ELICITATION => (declared.forms, r#"{"elicitation":{"form":{}}}"#),
        _ => return Err(None),
    };
    if offered { Ok(()) } else { Err(Some(needed)) }
}
