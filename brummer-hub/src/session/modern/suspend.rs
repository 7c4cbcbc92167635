//! How a call is suspended and resumed; what is remembered of it is in [`suspended`](super::suspended).

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use super::{
    fit::{error_code, error_of, without},
    suspended::{Asked, Held, MAX_QUESTIONS, Outcome, Question, Suspended},
};
use crate::{
    frame::{Frame, Kind, Parts},
    instance::Instance,
    protocol::{code, meta, method},
    session::{
        client::{self, ReplyTo, Running, progress_token},
        handshake::SERVER_INFO,
        links::{Asker, Shape},
        questions::NO_MORE_QUESTIONS,
        task::SessionTask,
    },
    upstream::{Declared, LinkId},
};

impl Shape {
    /// Whether the request may be answered with questions (2026-07-28, multi round-trip requests § Supported Requests).
    const fn may_ask(&self) -> bool {
        matches!(self, Self::Tool | Self::Called | Self::Prompt | Self::Resource)
    }
}

impl SessionTask {
    /// An instance asks something on the link of a caller without a handshake.
    pub(in crate::session) fn on_question_of_call(
        &mut self,
        link: LinkId,
        carrier: Option<u64>,
        frame: &Frame,
    ) {
        if let Err((code, text)) = self.collect(link, carrier, frame) {
            self.send_to(link, client::error(frame.id(), code, &text, None));
        }
    }

    fn collect(&mut self, link: LinkId, carrier: Option<u64>, frame: &Frame) -> Result<(), (i32, String)> {
        let name = frame.method().unwrap_or_default();
        let request = self
            .asking_request(link, carrier)
            .ok_or_else(|| (code::INVALID_REQUEST, "no client request in progress".into()))?;
        if !self.declared_at(link).is_some_and(|declared| offers(declared, name, frame)) {
            return Err((
                code::METHOD_NOT_FOUND,
                format!("the client does not offer `{name}` for this request"),
            ));
        }
        let params = frame.params().map(|params| without(params, &["elicitationId", "task"]).into());
        let id = frame.id().unwrap_or_default().into();
        let question = Question { id, method: name.into(), params };
        if !self.suspensions.ask(request, question) {
            return Err((code::INTERNAL_ERROR, NO_MORE_QUESTIONS.into()));
        }
        Ok(())
    }

    /// The request on whose behalf an instance asks: the one whose stream it asks on. What comes on the standing stream
    /// is taken to belong to the latest one; a wrong guess is harmless, as answers find their way by key.
    fn asking_request(&self, link: LinkId, carrier: Option<u64>) -> Option<u64> {
        let may_ask = |asker: &Asker| match asker {
            Asker::Client { shape, .. } => shape.may_ask(),
            Asker::Suspended { .. } => true,
            Asker::Job { .. } | Asker::Nobody => false,
        };
        match carrier {
            Some(request) => self.links.asker(request).is_some_and(may_ask).then_some(request),
            None => {
                let here =
                    self.links.pending().filter(|(at, pending)| *at == link && may_ask(&pending.asker));
                here.map(|(_, pending)| pending.request).max()
            }
        }
    }

    fn declared_at(&self, link: LinkId) -> Option<Declared> {
        Some(Declared::by(self.callers.hello(self.links.get(link)?.caller)?))
    }

    /// Something that is suspended, or about to be, has waited long enough.
    pub(in crate::session) fn on_suspensions_due(&mut self) {
        for request in self.suspensions.due() {
            self.ask_client(request);
        }
        for suspended in self.suspensions.take_expired() {
            self.give_up(suspended);
        }
    }

    /// The client of this request is told what its instance asks.
    fn ask_client(&mut self, request: u64) {
        let asked = self.suspensions.take_questions(request);
        let Some(pending) = self.links.take_asker(request) else { return };
        match pending {
            (link, Asker::Client { reply, said: Some(said), .. }) if !asked.is_empty() => {
                let held = Held::Running { request, link };
                let state = self.suspend(&reply, &said, held, asked);
                self.links.set_asker(request, Asker::Suspended { state: state.into() });
            }
            // It was withdrawn in the meantime.
            (_, asker) => self.links.set_asker(request, asker),
        }
    }

    /// Suspends a call and tells its client. The state that it is found under.
    fn suspend(&mut self, to: &ReplyTo, said: &Frame, held: Held, asked: Vec<Asked>) -> String {
        let mut questions = Vec::new();
        for Asked { key, question: Question { method, params, .. } } in &asked {
            let params = params.as_deref().map(|params| format!(r#","params":{params}"#)).unwrap_or_default();
            questions.push(format!(r#""{key}":{{"method":"{method}"{params}}}"#));
        }
        let digest = self.suspensions.digest(said);
        let state = self.suspensions.suspend(held, to.caller(), digest, asked);
        let result = format!(
            r#"{{"resultType":"input_required","inputRequests":{{{}}},"requestState":"{state}","_meta":{{"{}":{SERVER_INFO}}}}}"#,
            questions.join(","),
            meta::SERVER_INFO,
        );
        self.answer(to, client::result(&to.id, &result));
        state
    }

    /// Goes on with a suspended call when a request brings its state.
    pub(in crate::session) fn resume(
        &mut self,
        instance: &Instance,
        frame: &Frame,
        to: &ReplyTo,
        shape: &Shape,
    ) -> Resumed {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Again<'a> {
            #[serde(borrow, default)]
            request_state: Option<&'a RawValue>,
            #[serde(borrow, default)]
            input_responses: Option<HashMap<String, &'a RawValue>>,
        }
        let named = |name: &str| {
            frame
                .params()
                .is_some_and(|params| memchr::memmem::find(params.as_bytes(), name.as_bytes()).is_some())
        };
        // A modern instance knows its own states.
        if !to.is_modern() || self.speaks_modern(instance, to.caller()) || !named("requestState") {
            return Resumed::No;
        }
        let Some(Again { request_state: Some(state), input_responses }) = frame.peek() else {
            return Resumed::No;
        };
        let digest = self.suspensions.digest(frame);
        let state = serde_json::from_str::<String>(state.get()).ok();
        let Some(suspended) = state.and_then(|state| self.suspensions.resume(&state, digest)) else {
            let text = "this `requestState` is unknown to the hub: it has expired or been used, belongs to another \
                        request, or the hub was restarted; send the request again without it";
            self.answer_error(to, code::INVALID_PARAMS, text);
            return Resumed::Answered;
        };
        let responses = input_responses.unwrap_or_default();
        self.go_on(suspended, &responses, frame, to, shape)
    }

    fn go_on(
        &mut self,
        suspended: Suspended,
        responses: &HashMap<String, &RawValue>,
        frame: &Frame,
        to: &ReplyTo,
        shape: &Shape,
    ) -> Resumed {
        let Suspended { held, asked, .. } = suspended;
        let mut open = Vec::new();
        for asked in asked {
            // What is no result at all is asked for again (2026-07-28, multi round-trip requests § Error Handling).
            let response =
                responses.get(&asked.key).map(|raw| raw.get()).filter(|text| text.starts_with('{'));
            match (response, &held) {
                (None, _) => open.push(asked),
                (Some(result), Held::Running { link, .. }) => {
                    self.send_to(*link, client::result(&asked.question.id, result));
                }
                (Some(_), _) => {}
            }
        }
        if !open.is_empty() {
            let request = match &held {
                Held::Running { request, .. } => Some(*request),
                Held::Over { .. } | Held::Refused => None,
            };
            let state = self.suspend(to, frame, held, open);
            if let Some(request) = request {
                self.links.set_asker(request, Asker::Suspended { state: state.into() });
            }
            return Resumed::Answered;
        }
        match held {
            Held::Running { request, .. } => {
                let token = progress_token(frame).map(Into::into);
                let said = Some(frame.clone().into());
                let asker = Asker::Client { reply: to.clone(), token, shape: shape.clone(), said };
                self.links.set_asker(request, asker);
                self.owed.set(to, Running::Upstream(request));
                Resumed::Answered
            }
            Held::Over { outcome: Outcome::Answered(answer), link } => {
                self.deliver(link, &answer, to, shape.clone());
                Resumed::Answered
            }
            Held::Over { outcome: Outcome::Failed(instance, error), .. } => {
                self.answer_failure(&instance, to, &error);
                Resumed::Answered
            }
            Held::Refused => Resumed::Anew,
        }
    }

    /// The session ends.
    pub(in crate::session) fn give_up_suspended(&mut self) {
        for suspended in self.suspensions.drain() {
            self.give_up(suspended);
        }
    }

    /// The client will not come back: the instance need not wait any longer.
    fn give_up(&mut self, suspended: Suspended) {
        let Held::Running { request, link } = suspended.held else { return };
        for Asked { question, .. } in suspended.asked {
            let answer: Parts = if *question.method == *method::ELICITATION {
                client::result(&question.id, r#"{"action":"cancel"}"#)
            } else {
                client::error(Some(&question.id), code::INTERNAL_ERROR, "the client has not answered", None)
            };
            self.send_to(link, answer);
        }
        self.cancel_upstream(request, None);
    }

    /// An instance wants URLs visited before it runs a request at all (2025-11-25, elicitation, `-32042`), which is
    /// another form of asking. `false`: the answer is none of this.
    pub(in crate::session) fn on_url_required(
        &mut self,
        frame: &Frame,
        to: &ReplyTo,
        shape: &Shape,
        said: Option<&Frame>,
    ) -> bool {
        #[derive(Deserialize)]
        struct Data<'a> {
            #[serde(borrow)]
            elicitations: Vec<&'a RawValue>,
        }
        let (Kind::Response { ok: false, .. }, Some(claim)) = (frame.kind(), &to.claim) else { return false };
        if error_code(frame) != Some(code::URL_ELICITATION_REQUIRED) {
            return false;
        }
        let data = error_of(frame).and_then(|error| error.data);
        let data = data.and_then(|raw| serde_json::from_str::<Data<'_>>(raw.get()).ok());
        let asks = |(data, _): &(Data<'_>, &Frame)| shape.may_ask() && !data.elicitations.is_empty();
        let Some((Data { elicitations }, said)) = data.zip(said).filter(asks) else {
            self.answer_error(
                to,
                code::INTERNAL_ERROR,
                "the instance wants a URL visited and does not say which",
            );
            return true;
        };
        if !claim.declared.urls {
            let data = r#"{"requiredCapabilities":{"elicitation":{"url":{}}}}"#;
            let text = "the instance wants a URL visited, which the client does not offer for this request";
            self.answer(to, client::error(Some(&to.id), code::MISSING_CAPABILITY, text, Some(data)));
            return true;
        }
        if self.suspensions.is_full() {
            self.answer_error(to, code::INTERNAL_ERROR, NO_MORE_QUESTIONS);
            return true;
        }
        // The instance refuses again for the sake of the rest, if there is one.
        let asked = elicitations.iter().take(MAX_QUESTIONS).map(|raw| {
            let params = Some(without(raw.get(), &["elicitationId"]).into());
            Question { id: "null".into(), method: method::ELICITATION.into(), params }
        });
        let asked: Vec<_> = asked.map(|question| self.suspensions.keyed(question)).collect();
        self.suspend(to, said, Held::Refused, asked);
        true
    }

    /// Whether an instance is known to speak a revision without a handshake.
    pub(in crate::session) fn speaks_modern(&self, instance: &Instance, caller: client::Caller) -> bool {
        let agreed = self.links.of(instance.generation, caller).and_then(|link| link.era);
        agreed.or_else(|| instance.status().era).is_some_and(crate::protocol::Era::is_modern)
    }
}

/// What becomes of a request that may go on with a suspended call.
#[derive(Debug)]
pub(in crate::session) enum Resumed {
    /// It is no such request.
    No,
    /// The call has not run yet, and is to be sent without the answers, which are for the hub only.
    Anew,
    /// It has been answered, or the call runs on in its name.
    Answered,
}

/// Whether a client that declared these answers such a question.
fn offers(declared: Declared, name: &str, question: &Frame) -> bool {
    #[derive(Deserialize)]
    struct Mode {
        #[serde(default)]
        mode: Value,
    }
    match name {
        method::ROOTS_LIST => declared.roots,
        method::SAMPLING => declared.sampling,
        method::ELICITATION if question.peek().is_some_and(|Mode { mode }| mode == "url") => declared.urls,
        method::ELICITATION => declared.forms,
        _ => false,
    }
}
