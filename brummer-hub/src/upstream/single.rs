//! Servers that have one session to give: one transport of an SDK for the whole process, which the first `initialize` takes.
//!
//! They are known by the words of the SDKs, and some not before the second `initialize`. The hub's own health must not take
//! that session: where a server answers without one, it is watched so, whatever it does with sessions; where it refuses in
//! the words of a single transport, any refusal is life. A client that finds the session taken goes along in it where the
//! server keeps none apart, and is told what is wrong with the server where it does.

use std::time::Duration;

use hyper::header::HeaderValue;
use serde::Deserialize;
use tokio::time::timeout;

use super::{
    Agreed, ExchangeError, ExchangeReason, Sent, Welcome,
    connection::Connection,
    handshake::Opened,
    headers::Route,
    reply::{HttpRefusal, ResponseKind, excerpt, open},
    wire::{Wire, parse},
};
use crate::{
    frame::{Frame, Kind},
    protocol::{Era, LegacyVersion, code},
};

/// As far as a reason is looked for.
const MAX: usize = 4096;

/// How long to wait for the end of the response that held the answer, to use its connection again.
const LINGER: Duration = Duration::from_millis(5);

/// What a transport of the official TypeScript SDK answers itself to what is not in its session. A server that makes one for
/// each session answers that in words of its own, before any transport is asked.
const OF_THE_ONLY_TRANSPORT: [&str; 2] = ["server not initialized", "mcp-session-id header is required"];

/// How the SDKs refuse an `initialize` after the first.
const TAKEN: [&str; 9] = [
    "already initialized",
    "already connected",
    "already been initialized",
    "already in use",
    "session already",
    "only one initialization",
    "only one session",
    "only one client",
    "single session",
];

/// What is said of the capabilities of a server that did not say them: that it may have any.
const ANY: &str = r#"{"capabilities":{"tools":{},"prompts":{},"resources":{}}}"#;

/// Questions that an MCP server may answer without a handshake. Owners number their requests from 1.
const PING: &str = r#"{"jsonrpc":"2.0","id":0,"method":"ping"}"#;
const TOOLS: &str = r#"{"jsonrpc":"2.0","id":0,"method":"tools/list"}"#;

fn says(text: &[u8], words: &[&str]) -> bool {
    let text = String::from_utf8_lossy(&text[..text.len().min(MAX)]).to_ascii_lowercase();
    words.iter().any(|words| text.contains(words))
}

/// Whether a refusal of what came without a session shows that all sessions of the server are one.
pub(super) fn has_one_session(refusal: &HttpRefusal) -> bool {
    refusal.status.is_client_error()
        && says(refusal.body(), &OF_THE_ONLY_TRANSPORT)
        && refusal.answer().is_some()
}

/// Whether a refusal of `initialize` says that it was the second.
pub(super) fn is_taken(text: &[u8]) -> bool {
    says(text, &TAKEN)
}

pub(super) fn taken(text: &[u8]) -> ExchangeError {
    #[derive(Deserialize)]
    struct Answer {
        error: Cause,
    }
    #[derive(Deserialize)]
    struct Cause {
        message: String,
    }
    let message = serde_json::from_slice(text).map(|answer: Answer| answer.error.message);
    let message = message.map_or_else(|_| excerpt(text), |message| excerpt(message.as_bytes()));
    let message = message.unwrap_or_else(|| "it gave no reason".into());
    ExchangeError { sent: Sent::Yes, reason: ExchangeReason::Taken { message } }
}

/// A conversation without a session, for an owner that only wants to know whether the server answers.
pub(super) fn outside(
    route: &Route,
    stated_id: Option<Box<str>>,
    agreed: Agreed,
    connection: Option<Connection>,
) -> Opened {
    let era = Era::Legacy(LegacyVersion::LATEST);
    let welcome = Welcome { era, result: Box::default(), stated_id, agreed, session: None, level: None };
    Opened { route: route.clone(), welcome, early: Vec::new(), connection, stream: None }
}

/// The same for a server that answers without a session, if it proves to be an MCP server. `Err` gives the connection back:
/// it takes a handshake to know.
pub(super) async fn watch(
    wire: &Wire,
    route: &Route,
    connection: Option<Connection>,
) -> Result<Opened, Option<Connection>> {
    let (pinged, connection) = ask(wire, route, PING, connection).await;
    let (is_mcp, connection) = match pinged {
        Some(answer) if answer.result().is_some_and(is_object) => (true, connection),
        // Many servers do not know `ping`.
        Some(answer) if takes_part(&answer) => {
            let (listed, connection) = ask(wire, route, TOOLS, connection).await;
            (listed.is_some_and(|answer| lists_tools(&answer)), connection)
        }
        _ => (false, connection),
    };
    if !is_mcp {
        return Err(connection);
    }
    tracing::debug!(link = wire.link.0, "the instance answers without a handshake, and is watched so");
    Ok(outside(route, None, Agreed::Unasked, connection))
}

fn is_object(result: &str) -> bool {
    result.starts_with('{')
}

fn lists_tools(answer: &Frame) -> bool {
    #[derive(Deserialize)]
    struct Listed {
        #[serde(rename = "tools")]
        _tools: Vec<serde::de::IgnoredAny>,
    }
    answer.peek_result::<Listed>().is_some()
}

/// Asks something that changes nothing. The answer to it, if one came, and the connection, if it can be used again.
async fn ask(
    wire: &Wire,
    route: &Route,
    question: &'static str,
    connection: Option<Connection>,
) -> (Option<Frame>, Option<Connection>) {
    let Ok((connection, response)) = wire.send_repeatable(connection, route.post(question)).await else {
        return (None, None);
    };
    let (answer, connection) = match open(wire, connection, response).await {
        Ok(ResponseKind::Messages(mut reply)) => {
            let document = reply.next().await.ok().flatten();
            let answer = document.and_then(|document| parse(&document).ok());
            // The end mostly comes along with the answer.
            let _ = timeout(LINGER, reply.next()).await;
            (answer, reply.into_connection())
        }
        Ok(ResponseKind::Refused(refusal)) => (refusal.answer(), refusal.into_connection()),
        Ok(ResponseKind::Empty(connection)) => (None, Some(connection)),
        Err(_) => (None, None),
    };
    (answer.filter(|answer| answer.numeric_id() == Some(0)), connection)
}

/// Goes along in the one conversation that a server has: in this session, or, without one, if it takes what comes without.
/// `version`: what was agreed upon in that conversation, or, where that is not known, what the owner speaks.
pub(super) async fn join(
    wire: &Wire,
    base: &Route,
    version: LegacyVersion,
    session: Option<HeaderValue>,
) -> Option<Opened> {
    let era = Era::Legacy(version);
    let route = session.map_or_else(|| base.agreed(era, None), |session| base.lent(era, session));
    let (answer, connection) = ask(wire, &route, PING, None).await;
    if !answer.is_some_and(|answer| takes_part(&answer)) {
        return None;
    }
    tracing::debug!(link = wire.link.0, "goes along in the only conversation of the instance");
    let welcome = Welcome {
        era: Era::Legacy(version),
        result: ANY.into(),
        stated_id: None,
        agreed: Agreed::OneSession,
        session: None,
        level: None,
    };
    Some(Opened { route, welcome, early: Vec::new(), connection, stream: None })
}

/// Whether an answer to `ping` is one to `ping`: many servers do not know it.
fn takes_part(answer: &Frame) -> bool {
    #[derive(Deserialize)]
    struct Answer {
        error: Cause,
    }
    #[derive(Deserialize)]
    struct Cause {
        code: i64,
    }
    let error: Option<Answer> = serde_json::from_slice(answer.bytes()).ok();
    matches!(answer.kind(), Kind::Response { .. })
        && answer.numeric_id() == Some(0)
        && (answer.result().is_some()
            || error.is_some_and(|it| it.error.code == i64::from(code::METHOD_NOT_FOUND)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_the_sdks_are_known_and_those_of_others_are_not() {
        for (text, one, taken) in [
            ("Bad Request: Server not initialized", true, false),
            ("Bad Request: Mcp-Session-Id header is required", true, false),
            ("Bad Request: No valid session ID provided", false, false),
            ("Bad Request: Missing session ID", false, false),
            ("Invalid Request: Server already initialized", false, true),
            ("Invalid Request: Only one initialization request is allowed", false, true),
            (
                "Already connected to a transport. Call close() before connecting to a new transport",
                false,
                true,
            ),
            ("unknown method", false, false),
        ] {
            assert_eq!(
                (says(text.as_bytes(), &OF_THE_ONLY_TRANSPORT), is_taken(text.as_bytes())),
                (one, taken),
                "{text}"
            );
        }
    }

    #[test]
    fn only_an_answer_to_the_question_takes_part() {
        let answers = |member: &str| {
            let text = format!(r#"{{"jsonrpc":"2.0",{member}}}"#);
            takes_part(&Frame::parse(text).unwrap())
        };
        assert!(answers(r#""id":0,"result":{}"#));
        assert!(answers(r#""id":0,"error":{"code":-32601,"message":"no"}"#));
        assert!(!answers(r#""id":0,"error":{"code":-32000,"message":"no session"}"#));
        assert!(!answers(r#""id":null,"error":{"code":-32601,"message":"no"}"#));
        assert!(!answers(r#""id":7,"result":{}"#));
    }

    #[test]
    fn a_session_that_is_taken_is_told_with_what_the_server_said() {
        let text =
            br#"{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"Server already initialized"}}"#;
        let told = taken(text).to_string();
        assert!(told.contains("Server already initialized") && told.contains("each session"), "{told}");
    }
}
