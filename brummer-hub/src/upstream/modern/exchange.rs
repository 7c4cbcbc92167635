//! One request to an instance without a handshake, and all that comes back for it (2026-07-28, transports § Sending
//! Messages).
//!
//! An exchange is a future in the actor's set, as those with older instances are. It differs in its ends: to stop
//! listening is to cancel, a stream that breaks is lost, and some answers are no answer yet ([`Turn`]).

use std::{pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use hyper::StatusCode;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::{sleep, timeout};

use super::{
    super::{
        ExchangeError, ExchangeReason, Sent,
        again::{is_repeatable, names_session},
        body::Post,
        connection::Connection,
        exchange::{Fate, Finished, Stop, at_another},
        headers::Route,
        reply::{Reply, ResponseKind, open},
        wire::{Call, MAX_BATCH, Patience, Wire, flaw, invalid, readable, renumbered},
    },
    Errand, ErrandKind, ErrorObject, Manner,
    mirror::Tools,
    response,
    rounds::{InputWanted, Round},
};
use crate::{
    frame::{Frame, Kind, means, splice},
    protocol::{code, method},
};

/// How long the end of a stream is waited for once the answer has come; then its connection is not used again.
const LINGER: Duration = Duration::from_secs(1);

/// What the actor has to see to before a request is over.
#[derive(Debug)]
pub(in crate::upstream) enum Turn {
    /// The instance wants input from the owner.
    Asked(Box<InputWanted>),
    /// The owner has given it.
    Answered(Box<super::rounds::Retry>),
    /// The instance speaks another revision now, or another era. The request has not run.
    OtherVersion(Bytes),
    /// The instance found that header fields do not repeat the arguments. The request has not run.
    Mismatch(Bytes),
    /// What answers there is another server than the one that was found.
    Replaced,
}

impl From<Turn> for Stop {
    fn from(turn: Turn) -> Self {
        Self::Turn(turn)
    }
}

/// Sends a request and tells its answer, if it is one.
pub(in crate::upstream) async fn request(
    wire: Arc<Wire>,
    route: Arc<Route>,
    manner: Arc<Manner>,
    call: Arc<Call>,
    errand: Errand,
    connection: Option<Connection>,
) -> Finished {
    let outcome = {
        let sleep = pin!(sleep(wire.limits.call_timeout));
        let patience = Patience::modern(&wire, &call, sleep);
        let Errand { request, wire_id, kind, body, again, round } = errand;
        let mut exchange = ModernExchange {
            wire: &wire,
            manner: &manner,
            call: &call,
            patience,
            wire_id,
            kind,
            body,
            again,
            round,
            is_misunderstood: false,
        };
        match exchange.send(request, connection).await {
            Ok(reply) => exchange.read(reply).await,
            Err(stop) => Err(stop),
        }
    };
    let (connection, fate) = match outcome {
        Ok(connection) => (connection, Fate::Over),
        Err(stop) => (None, Finished::conclude(&wire, &call, stop).await),
    };
    Finished { call, route, connection, fate }
}

struct ModernExchange<'a> {
    wire: &'a Wire,
    manner: &'a Manner,
    call: &'a Call,
    patience: Patience<'a>,
    wire_id: u64,
    kind: ErrandKind,
    body: Bytes,
    again: bool,
    round: Round,
    /// HTTP refused the request as a server of the older kind refuses what it cannot read.
    is_misunderstood: bool,
}

/// What came first.
enum FirstReply {
    Messages(Reply),
    /// The whole answer, with a status that is no success.
    Refusal(Frame, Option<Connection>),
}

impl ModernExchange<'_> {
    async fn send(&mut self, request: Post, connection: Option<Connection>) -> Result<FirstReply, Stop> {
        let (target, again) = (request.uri().clone(), at_another(&request));
        let sent = self.wire.send(connection, request);
        let mut answered = self.patience.wait(sent).await??;
        if answered.1.status().is_redirection() {
            // Boxed: it is seldom, and every exchange would hold the room for it.
            let followed = Box::pin(self.wire.follow(answered, &target, false, again));
            answered = self.patience.wait(followed).await??;
        }
        let (connection, response) = answered;
        let opening = open(self.wire, connection, response);
        match self.patience.wait(opening).await?? {
            ResponseKind::Messages(reply) => Ok(FirstReply::Messages(reply)),
            ResponseKind::Empty(_) => Err(invalid("it accepted the request without an answer".into()).into()),
            ResponseKind::Refused(refusal) => match refusal.answer() {
                Some(answer) => {
                    self.is_misunderstood = is_misunderstood(refusal.status);
                    Ok(FirstReply::Refusal(answer, refusal.into_connection()))
                }
                // So a server of the older kind answers what it can't read.
                None if self.kind == ErrandKind::Check && is_misunderstood(refusal.status) => {
                    Err(Turn::Replaced.into())
                }
                None if is_misunderstood(refusal.status) && !self.again && self.round.is_first() => {
                    if self.may_repeat() || names_session(refusal.body()) {
                        return Err(Turn::OtherVersion(self.body.clone()).into());
                    }
                    // It may have run all the same.
                    self.wire.end(self.call, refusal.error()).await;
                    Err(Stop::Renew)
                }
                None => Err(refusal.error().into()),
            },
        }
    }

    /// Whether the request may run twice.
    fn may_repeat(&self) -> bool {
        let request = Frame::parse(self.body.clone()).ok();
        request.as_ref().and_then(Frame::method).is_some_and(is_repeatable)
    }

    async fn read(&mut self, first: FirstReply) -> Result<Option<Connection>, Stop> {
        let mut reply = match first {
            FirstReply::Messages(reply) => reply,
            FirstReply::Refusal(answer, connection) => {
                self.judge(answer, true).await?;
                return Ok(connection);
            }
        };
        // What cannot be read spoils no answer beside it or after it.
        let mut unusable = None;
        while let Some(text) = self.patience.wait(reply.next()).await?? {
            self.patience.renew();
            let mut is_answered = false;
            for frame in readable(&text, MAX_BATCH, &mut unusable) {
                match frame.kind() {
                    Kind::Response { id, ok } => {
                        if means(frame.id(), self.wire_id) || id.is_none() && !ok {
                            self.judge(frame, false).await?;
                            is_answered = true;
                        } else {
                            tracing::debug!("passed over a response to another request");
                        }
                    }
                    Kind::Request { method, .. } => {
                        self.manner.warn_of_request(self.wire.dialer.port(), method);
                    }
                    Kind::Notification { .. } => self.carry(frame).await,
                }
            }
            if is_answered {
                return Ok(linger(reply).await);
            }
        }
        // Nothing can be resumed in this era; whether it ran is not known.
        let lost = || ExchangeError { sent: Sent::Unknown, reason: ExchangeReason::Closed };
        Err(unusable.unwrap_or_else(lost).into())
    }

    /// Passes on what the instance says while it works.
    async fn carry(&mut self, frame: Frame) {
        #[derive(Deserialize)]
        struct Progress {
            progress: f64,
        }
        match frame.method() {
            Some(method::TOOLS_LIST_CHANGED) => self.manner.tools.send_modify(Tools::doubt),
            // Under one token it must grow (progress § Progress Flow), also when the instance begins anew.
            Some(method::PROGRESS) if self.manner.adapts => {
                if let Some(Progress { progress }) = frame.peek()
                    && !self.round.grows(progress)
                {
                    return;
                }
            }
            _ => {}
        }
        self.wire.pass(frame, self.call, false).await;
    }

    /// Passes the answer on, or says why it is none. `refused`: HTTP says too that it was refused.
    async fn judge(&mut self, answer: Frame, refused: bool) -> Result<(), Stop> {
        let answer = match answer.kind() {
            Kind::Response { ok: true, .. } => self.judge_result(answer)?,
            _ => {
                let answer = self.judge_failure(answer, refused)?;
                if let Some(why) = flaw(&answer) {
                    return Err(invalid(why).into());
                }
                answer
            }
        };
        let answer = if answer.numeric_id() == Some(self.call.id) {
            answer
        } else {
            renumbered(&answer, self.call.id)
        };
        self.wire.pass(answer, self.call, true).await;
        Ok(())
    }

    fn judge_failure(&mut self, answer: Frame, refused: bool) -> Result<Frame, Stop> {
        let Some(failure) = ErrorObject::read(&answer) else { return Ok(answer) };
        let body = || self.body.clone();
        // Servers refuse for these reasons before they run anything. The codes alone could be a tool's own.
        let is_unread = || refused || self.may_repeat();
        match failure.code {
            code::UNSUPPORTED_VERSION if !self.again && self.round.is_first() && is_unread() => {
                Err(Turn::OtherVersion(body()).into())
            }
            code::HEADER_MISMATCH if !self.again && self.kind == ErrandKind::Interactive && is_unread() => {
                Err(Turn::Mismatch(body()).into())
            }
            code::MISSING_CAPABILITY => {
                let wanted = failure.data.map(RawValue::get).unwrap_or_default();
                match self.manner.introduction.withheld_in(wanted) {
                    // The client has declared it, and would be told again and again that it has not.
                    Some(name) => {
                        let why =
                            format!("it wants `{name}` of the client, which differs between the eras of MCP");
                        Err(unbridged(why))
                    }
                    None => Ok(answer),
                }
            }
            // The client could do nothing about either.
            code::UNSUPPORTED_VERSION | code::HEADER_MISMATCH if is_unread() => {
                Err(unbridged(failure.message.into_owned()))
            }
            // What it said to this question once it does not know any more.
            code if self.kind == ErrandKind::Check
                && (self.is_misunderstood
                    || is_unknown(code)
                    || names_session(failure.message.as_bytes())) =>
            {
                Err(Turn::Replaced.into())
            }
            // It wants a session, and has not read what came without one (or it may be asked twice).
            _ if self.is_misunderstood
                && !self.again
                && self.round.is_first()
                && names_session(failure.message.as_bytes())
                && (answer.id().is_none() || self.may_repeat()) =>
            {
                Err(Turn::OtherVersion(body()).into())
            }
            _ => Ok(answer),
        }
    }

    fn judge_result(&mut self, answer: Frame) -> Result<Frame, Stop> {
        if self.kind == ErrandKind::Check {
            #[derive(Deserialize)]
            struct Found {
                #[serde(rename = "supportedVersions")]
                _versions: serde::de::IgnoredAny,
            }
            if answer.peek_result::<Found>().is_none() {
                return Err(Turn::Replaced.into());
            }
            return Ok(response(self.call.id, "result", "{}").unwrap_or(answer));
        }
        let result_type = if self.manner.adapts { result_type(&answer) } else { ResultType::Complete };
        match result_type {
            ResultType::Complete if self.kind == ErrandKind::ToolList => Ok(self.learn(answer)),
            ResultType::Complete => Ok(answer),
            ResultType::InputRequired if self.kind == ErrandKind::Interactive => {
                let asked = InputWanted { body: self.body.clone(), result: answer, round: self.round };
                Err(Turn::Asked(Box::new(asked)).into())
            }
            ResultType::InputRequired => {
                Err(unbridged("it wants input for a request that cannot have any".into()))
            }
            ResultType::Other(kind) => {
                Err(unbridged(format!("its result is of type `{kind}`, which was not asked for")))
            }
        }
    }

    /// Notes what a page of the list of tools says, before the owner can act on it.
    fn learn(&self, page: Frame) -> Frame {
        let mut edits = Vec::new();
        self.manner.tools.send_modify(|tools| {
            edits = tools.learn(&page, self.wire.dialer.port(), self.manner.adapts);
        });
        if edits.is_empty() {
            return page;
        }
        let text = splice(page.bytes(), edits.into_iter().map(|(span, with)| (span, with.into())));
        Frame::parse(text).unwrap_or(page)
    }
}

/// Whether a server of the older kind would answer so to a request without a session.
fn is_misunderstood(status: StatusCode) -> bool {
    matches!(status, StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED)
}

/// Whether a server of the older kind answers so to a method that it does not know: the SDKs differ in it.
const fn is_unknown(code: i32) -> bool {
    matches!(code, code::METHOD_NOT_FOUND | code::INVALID_REQUEST | code::INVALID_PARAMS)
}

pub(super) fn unbridged(why: String) -> Stop {
    Stop::Failed(ExchangeError { sent: Sent::Yes, reason: ExchangeReason::Unbridged { why } })
}

/// Reads the end of a stream whose answer has come, so that the connection can be used again.
async fn linger(mut reply: Reply) -> Option<Connection> {
    if !reply.is_over() {
        let _ = timeout(LINGER, async { while let Ok(Some(_)) = reply.next().await {} }).await;
    }
    reply.into_connection()
}

/// What a result is (2026-07-28, basic § ResultType).
#[derive(Debug, Eq, PartialEq)]
enum ResultType {
    Complete,
    InputRequired,
    Other(String),
}

fn result_type(answer: &Frame) -> ResultType {
    const NAME: &[u8] = b"\"resultType\"";
    const COMPLETE: &[u8] = b":\"complete\"";
    #[derive(Deserialize)]
    struct Typed {
        #[serde(default, rename = "resultType")]
        result_type: Option<String>,
    }
    let text = answer.result().unwrap_or_default().as_bytes();
    // Nearly every result is complete, says so where it is looked for first, and may be long.
    let is_complete =
        memchr::memmem::find_iter(text, NAME).all(|at| text[at + NAME.len()..].starts_with(COMPLETE));
    if is_complete {
        return ResultType::Complete;
    }
    match answer.peek_result::<Typed>().and_then(|typed| typed.result_type).as_deref() {
        None | Some("complete") => ResultType::Complete,
        Some("input_required") => ResultType::InputRequired,
        Some(other) => ResultType::Other(other.chars().take(64).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_of_a_result_is_that_of_its_outermost_object() {
        for (result, expected) in [
            (r#"{}"#, ResultType::Complete),
            (r#"{"resultType":"complete"}"#, ResultType::Complete),
            (r#"{"resultType" : "complete"}"#, ResultType::Complete),
            (r#"{"a":{"resultType":"input_required"}}"#, ResultType::Complete),
            (r#"{"a":"\"resultType\":\"task\"","resultType":"complete"}"#, ResultType::Complete),
            (r#"{"resultType":"input_required"}"#, ResultType::InputRequired),
            (r#"{"a":{"resultType":"complete"},"resultType":"input_required"}"#, ResultType::InputRequired),
            (r#"{"resultType":"task"}"#, ResultType::Other("task".into())),
        ] {
            let frame = Frame::parse(format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#)).unwrap();
            assert_eq!(result_type(&frame), expected, "{result}");
        }
    }
}
