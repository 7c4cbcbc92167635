//! Finds out which era an instance is of (2026-07-28, transports § Backward Compatibility).
//!
//! One `server/discover` is sent before anything else. Its answer's body decides, then its status: servers with a
//! handshake answer in many ways, and all of them mean that `initialize` is to be sent. What says nothing of the
//! instance at all (no answer, a web page, a gate before it) decides nothing, and `initialize` is tried then too.

use std::time::Duration;

use bytes::Bytes;
use hyper::StatusCode;
use serde::Deserialize;
use tokio::time::{Instant, timeout, timeout_at};

use super::{
    super::{
        ExchangeError, ExchangeReason, Hello, Sent,
        connection::Connection,
        handshake::{Headers, leave},
        headers::Route,
        reply::{Reply, ResponseKind, excerpt, open},
        single,
        sse::Name,
        wire::{MAX_BATCH, Wire, messages},
    },
    ErrorObject, field,
    meta::{self, Introduction},
};
use crate::{
    frame::{Frame, Kind, means},
    protocol::{LegacyVersion, ModernVersion, code, method},
};

/// Revisions that are offered in turn. A server may refuse the first on purpose.
const MAX_ATTEMPTS: usize = 3;

/// How long to wait for the end of the response that held the answer, to use its connection again.
const LINGER: Duration = Duration::from_millis(5);

/// How long a stream that has brought what is no answer may still bring one.
const ODD: Duration = Duration::from_secs(1);

/// The id of the question. Owners number their requests from 1.
const PROBE_ID: u64 = 0;

/// What an instance was found to be.
#[derive(Debug)]
pub(in crate::upstream) enum ProbeVerdict {
    Modern(Discovered),
    /// It is to be sent `initialize`, proposing this revision if it named those that it knows.
    Legacy {
        propose: Option<LegacyVersion>,
        connection: Option<Connection>,
        manner: LegacyReaction,
    },
    /// It answers what a server of the older transport does where its stream is, to a request of any method.
    HttpSse {
        stream: Box<Reply>,
        address: Bytes,
    },
    /// What came back says nothing of its era.
    Undecided {
        error: ExchangeError,
        connection: Option<Connection>,
    },
}

/// What a server with a handshake does with a request that comes without one.
#[derive(Debug)]
pub(in crate::upstream) enum LegacyReaction {
    /// It refuses it, as one that makes a session for each client does.
    Refuses,
    /// It has one session to give, and states this id of its own.
    OneSession { stated_id: Option<Box<str>> },
    /// It answers. Whether it has sessions to give at all, and how many, nobody knows.
    Answers,
}

/// What a modern instance says of itself.
#[derive(Debug)]
pub(in crate::upstream) struct Discovered {
    pub(in crate::upstream) version: ModernVersion,
    /// The whole result, as JSON text.
    pub(in crate::upstream) result: Box<str>,
    pub(in crate::upstream) stated_id: Option<Box<str>>,
    pub(in crate::upstream) connection: Option<Connection>,
}

impl Discovered {
    /// Whether the instance names a revision with a handshake too. Not all that speak one do.
    pub(in crate::upstream) fn has_handshake(&self) -> bool {
        serde_json::from_str::<DiscoverResult>(&self.result).is_ok_and(|found| {
            LegacyVersion::ALL
                .iter()
                .any(|known| found.supported_versions.iter().any(|it| it == known.as_str()))
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DiscoverResult {
    supported_versions: Vec<String>,
}

/// What one answer says.
#[derive(Debug, Eq, PartialEq)]
enum ProbeAnswer {
    Modern(ModernVersion),
    /// To be asked again in this revision.
    Other(ModernVersion),
    Legacy(Option<LegacyVersion>),
    /// It is modern, and yet can't be talked to.
    Unusable(String),
}

/// Asks an instance, until then. Fails only where nothing was sent.
pub(in crate::upstream) async fn probe(
    wire: &Wire,
    base: &mut Route,
    hello: &Hello,
    until: Instant,
) -> Result<ProbeVerdict, ExchangeError> {
    let begun = Instant::now();
    let asked = timeout_at(until, ask(wire, base, hello)).await.unwrap_or_else(|_| {
        let reason = ExchangeReason::timed_out(begun.elapsed());
        Err(ExchangeError { sent: Sent::Unknown, reason })
    });
    match asked {
        Err(error) if error.sent != Sent::No => Ok(ProbeVerdict::Undecided { error, connection: None }),
        decided => decided,
    }
}

async fn ask(wire: &Wire, base: &mut Route, hello: &Hello) -> Result<ProbeVerdict, ExchangeError> {
    let mut version = ModernVersion::LATEST;
    let mut connection = None;
    for _ in 0..MAX_ATTEMPTS {
        let introduction = Introduction::new(hello, version);
        let post = |route: &Route| {
            let mut request = route.modern(version).post(meta::discover(PROBE_ID, introduction.members()));
            field::describe(request.headers_mut(), method::DISCOVER, None);
            Ok(request)
        };
        let (answering, response) = wire.send_on_the_way(connection.take(), base, post).await?;
        let Headers { session, instance: stated_id } = Headers::take(response.headers());
        let mut is_single = false;
        // One that states an id is made with this library, and has a session for everybody.
        let keeps_no_sessions = session.is_none() && stated_id.is_none();
        let (answer, rest, doubt) = match open(wire, answering, response).await {
            Ok(ResponseKind::Messages(reply)) => match read_answer(reply).await? {
                ProbeReply::Answer(answer, rest) => (answer, rest, None),
                ProbeReply::Endpoint(stream, address) => {
                    return Ok(ProbeVerdict::HttpSse { stream, address });
                }
            },
            Ok(ResponseKind::Empty(connection)) => (None, Some(connection), None),
            Ok(ResponseKind::Refused(refusal)) => {
                let answer = refusal.answer();
                is_single = single::has_one_session(&refusal);
                let doubt = says_nothing(refusal.status, answer.is_some()).then(|| refusal.error());
                (answer, refusal.into_connection(), doubt)
            }
            Err(error) => (None, None, Some(error)),
        };
        let said = answer.as_ref().map_or(ProbeAnswer::Legacy(None), read);
        match (said, answer.as_ref().and_then(Frame::result)) {
            (ProbeAnswer::Modern(version), Some(result)) if doubt.is_none() => {
                let result = result.into();
                return Ok(ProbeVerdict::Modern(Discovered { version, result, stated_id, connection: rest }));
            }
            (ProbeAnswer::Other(other) | ProbeAnswer::Modern(other), _) if doubt.is_none() => {
                version = other;
                connection = rest;
            }
            (said, _) => {
                let is_refused_itself = answer
                    .as_ref()
                    .is_some_and(|answer| answer.result().is_none() && answer.numeric_id() == Some(PROBE_ID));
                // The question must not take a place that a client could need.
                let connection = leave(wire, base, session, rest).await;
                return Ok(match (said, doubt) {
                    (_, Some(error)) => ProbeVerdict::Undecided { error, connection },
                    (ProbeAnswer::Unusable(message), None) => {
                        ProbeVerdict::Undecided { error: unusable(message), connection }
                    }
                    (ProbeAnswer::Legacy(propose), None) => {
                        let manner = if is_single {
                            LegacyReaction::OneSession { stated_id }
                        } else if keeps_no_sessions && is_refused_itself {
                            LegacyReaction::Answers
                        } else {
                            LegacyReaction::Refuses
                        };
                        ProbeVerdict::Legacy { propose, connection, manner }
                    }
                    (ProbeAnswer::Other(_) | ProbeAnswer::Modern(_), None) => {
                        ProbeVerdict::Legacy { propose: None, connection, manner: LegacyReaction::Refuses }
                    }
                });
            }
        }
    }
    let error = unusable("it refuses each revision of MCP that it names".into());
    Ok(ProbeVerdict::Undecided { error, connection })
}

/// Whether a refusal comes from something else than the MCP server: a gate before it, or a server that is not well.
fn says_nothing(status: StatusCode, has_answer: bool) -> bool {
    matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
        || !has_answer && !status.is_client_error()
}

/// What a reply brings.
enum ProbeReply {
    Answer(Option<Frame>, Option<Connection>),
    /// It is a stream of the HTTP+SSE transport, which begins with this address.
    Endpoint(Box<Reply>, Bytes),
}

/// Reads up to the response, and the end that mostly comes along with it. What is no message is none, and a response to another
/// request counts if no other comes.
async fn read_answer(mut reply: Reply) -> Result<ProbeReply, ExchangeError> {
    let (mut answer, mut of_another) = (None, None);
    let mut until = None;
    while answer.is_none() {
        let next = reply.next_event();
        let event = match until {
            None => next.await?,
            Some(until) => timeout_at(until, next).await.unwrap_or(Ok(None))?,
        };
        let Some((name, document)) = event else { break };
        match name {
            Name::Endpoint => return Ok(ProbeReply::Endpoint(Box::new(reply), document.text)),
            Name::Message if !document.text.trim_ascii_start().is_empty() => {}
            _ => continue,
        }
        let mut is_odd = false;
        for message in messages(&document, MAX_BATCH) {
            match message {
                Ok(frame) => match frame.kind() {
                    Kind::Response { id, .. } if id.is_none() || means(frame.id(), PROBE_ID) => {
                        answer = Some(frame);
                    }
                    Kind::Response { .. } => (is_odd, of_another) = (true, Some(frame)),
                    Kind::Request { .. } | Kind::Notification { .. } => {}
                },
                Err(_) => is_odd = true,
            }
        }
        if is_odd {
            until.get_or_insert_with(|| Instant::now() + ODD);
        }
    }
    let _ = timeout(LINGER, reply.next()).await;
    Ok(ProbeReply::Answer(answer.or(of_another), reply.into_connection()))
}

fn read(answer: &Frame) -> ProbeAnswer {
    #[derive(Deserialize)]
    struct Supported {
        supported: Vec<String>,
    }
    if answer.result().is_some() {
        return match answer.peek_result::<DiscoverResult>() {
            Some(found) => match newest(&found.supported_versions) {
                ProbeAnswer::Other(version) => ProbeAnswer::Modern(version),
                other => other,
            },
            None => ProbeAnswer::Legacy(None),
        };
    }
    let Some(failure) = ErrorObject::read(answer) else { return ProbeAnswer::Legacy(None) };
    match failure.code {
        code::UNSUPPORTED_VERSION => {
            let supported = failure.data.and_then(|data| serde_json::from_str::<Supported>(data.get()).ok());
            supported.map_or(ProbeAnswer::Legacy(None), |supported| newest(&supported.supported))
        }
        code::HEADER_MISMATCH | code::MISSING_CAPABILITY => {
            ProbeAnswer::Unusable(excerpt(failure.message.as_bytes()).unwrap_or_default())
        }
        _ => ProbeAnswer::Legacy(None),
    }
}

/// Whether a request of a conversation that began with a handshake was answered by a server that knows none.
pub(crate) fn wants_no_handshake(answer: &Frame) -> bool {
    answer.result().is_none() && matches!(read(answer), ProbeAnswer::Other(_))
}

/// The newest revision that has a handshake.
const LATEST: &str = LegacyVersion::LATEST.as_str();

/// The newest revision that both sides know.
fn newest(named: &[String]) -> ProbeAnswer {
    let is_named = |version: &str| named.iter().any(|name| name == version);
    if let Some(version) = ModernVersion::ALL.into_iter().rev().find(|version| is_named(version.as_str())) {
        return ProbeAnswer::Other(version);
    }
    let legacy = LegacyVersion::ALL.into_iter().rev().find(|version| is_named(version.as_str()));
    // Revisions are dates.
    let is_modern =
        |name: &String| name.len() == LATEST.len() && name.as_str() > LATEST && name.starts_with("20");
    match legacy {
        None if named.iter().any(is_modern) => {
            ProbeAnswer::Unusable(format!("it speaks MCP {} only", named.join(", ")))
        }
        legacy => ProbeAnswer::Legacy(legacy),
    }
}

fn unusable(message: String) -> ExchangeError {
    ExchangeError { sent: Sent::Yes, reason: ExchangeReason::Handshake { message } }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn said(member: &str, value: &Value) -> ProbeAnswer {
        let text = json!({"jsonrpc": "2.0", "id": 0, member: value}).to_string();
        read(&Frame::parse(text).unwrap())
    }

    #[test]
    fn the_body_tells_the_era() {
        const MODERN: ModernVersion = ModernVersion::V2026_07_28;
        let named = |versions: Value| said("result", &json!({"supportedVersions": versions}));
        assert_eq!(named(json!(["2025-11-25", "2026-07-28", "2027-01-01"])), ProbeAnswer::Modern(MODERN));
        assert_eq!(
            named(json!(["2025-03-26", "2025-06-18"])),
            ProbeAnswer::Legacy(Some(LegacyVersion::V2025_06_18))
        );
        assert_eq!(
            named(json!(["2027-01-01"])),
            ProbeAnswer::Unusable("it speaks MCP 2027-01-01 only".into())
        );
        for other in [json!([]), json!(["1.0"]), json!([7]), json!("2026-07-28"), json!(null)] {
            assert_eq!(named(other), ProbeAnswer::Legacy(None));
        }
        for result in [json!({}), json!([["2026-07-28"]]), json!("2026-07-28"), json!({"tools": []})] {
            assert_eq!(said("result", &result), ProbeAnswer::Legacy(None), "{result}");
        }
        let refused =
            |code: i32, data: Value| said("error", &json!({"code": code, "message": "m", "data": data}));
        let supported = |versions: Value| refused(-32022, json!({"supported": versions, "requested": "x"}));
        assert_eq!(supported(json!(["2026-07-28", "2025-11-25"])), ProbeAnswer::Other(MODERN));
        assert_eq!(supported(json!(["2024-11-05"])), ProbeAnswer::Legacy(Some(LegacyVersion::V2024_11_05)));
        assert_eq!(
            supported(json!(["2031-01-01"])),
            ProbeAnswer::Unusable("it speaks MCP 2031-01-01 only".into())
        );
        assert_eq!(refused(-32022, json!(null)), ProbeAnswer::Legacy(None));
        let text = json!({"jsonrpc": "2.0", "id": null, "error": {"code": -32022, "data": {"supported": ["2026-07-28"]}}});
        assert!(wants_no_handshake(&Frame::parse(text.to_string()).unwrap()));
        for error in
            [json!({"code": -32022, "message": "of one's own"}), json!({"code": -32020, "message": "m"})]
        {
            let text = json!({"jsonrpc": "2.0", "id": 1, "error": error}).to_string();
            assert!(!wants_no_handshake(&Frame::parse(text).unwrap()));
        }
        for code in [-32020, -32021] {
            assert_eq!(refused(code, json!({})), ProbeAnswer::Unusable("m".into()));
        }
        for code in [-32601, -32602, -32600, -32603, -32700, -32000, -32001, -32002, 0, 400] {
            assert_eq!(
                refused(code, json!({"supported": ["2026-07-28"]})),
                ProbeAnswer::Legacy(None),
                "{code}"
            );
        }
        assert_eq!(said("error", &json!("no object")), ProbeAnswer::Legacy(None));
    }
}
