//! What a refusal means for the session and for the request, and whether the request may be sent again.
//!
//! A request that may have run never runs twice. So it takes proof that it was not read, or a method that changes nothing.

use crate::{frame::Frame, protocol::method};

/// Whether running a request twice is as good as running it once: lists, reads, and what sets a state.
pub(super) fn is_repeatable(method: &str) -> bool {
    matches!(
        method,
        method::PING
            | method::DISCOVER
            | method::TOOLS_LIST
            | method::PROMPTS_LIST
            | method::PROMPTS_GET
            | method::RESOURCES_LIST
            | method::RESOURCES_TEMPLATES_LIST
            | method::RESOURCES_READ
            | method::RESOURCES_SUBSCRIBE
            | method::RESOURCES_UNSUBSCRIBE
            | method::DIRECTORY_READ
            | method::SKILLS_LIST
            | method::SKILLS_GET
            | method::COMPLETION_COMPLETE
            | method::LOGGING_SET_LEVEL
            | method::TASKS_GET
            | method::TASKS_RESULT
            | method::TASKS_LIST
    )
}

/// What is known of a refusal and of the request that it is for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Evidence<'a> {
    pub(super) status: u16,
    pub(super) body: &'a [u8],
    /// The JSON-RPC response in the body, if there is one.
    pub(super) answer: Option<&'a Frame>,
    /// The request was sent in a session, and for the first time.
    pub(super) in_session: bool,
    pub(super) method: Option<&'a str>,
}

/// What a refusal means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Meaning {
    /// It is what the request gets.
    Answered,
    /// The session is not known any more, and the request may be sent in a new one.
    Forgotten,
    /// The same, but the request was answered, and that must do.
    AnsweredAndForgotten,
}

/// Reads a refusal (2025-11-25, transports § Session Management: 404 says that there is no such session).
pub(super) fn meaning(refusal: Evidence<'_>) -> Meaning {
    let Evidence { status, body, answer, in_session, method } = refusal;
    if !in_session || !matches!(status, 400 | 404) {
        return Meaning::Answered;
    }
    let repeatable = method.is_some_and(is_repeatable);
    let names_session = names_session(body);
    let has_own_id = answer.is_some_and(|answer| answer.id().is_some());
    match (status, has_own_id) {
        // Who knows the id has read the request.
        (404, true) if names_session && repeatable => Meaning::Forgotten,
        (404, true) if names_session => Meaning::AnsweredAndForgotten,
        (404, false) if repeatable || names_session || body.is_empty() => Meaning::Forgotten,
        // So answers a server that was started anew, with the official TypeScript SDK: "Bad Request: Server not
        // initialized", and its examples: "Invalid or missing session ID".
        (400, false) if names_session || repeatable && answer.is_some() => Meaning::Forgotten,
        _ => Meaning::Answered,
    }
}

/// Whether a refusal is about the session.
pub(super) fn names_session(body: &[u8]) -> bool {
    /// As far as a reason is looked for.
    const MAX: usize = 4096;
    let text = String::from_utf8_lossy(&body[..body.len().min(MAX)]).to_ascii_lowercase();
    ["session", "not initialized", "uninitialized"].iter().any(|words| text.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: u16, body: &str, method: &str) -> Meaning {
        let answer = Frame::parse(body.to_owned()).ok();
        let (method, answer) = (Some(method), answer.as_ref());
        meaning(Evidence { status, body: body.as_bytes(), answer, in_session: true, method })
    }

    fn error(id: &str, message: &str) -> String {
        format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32000,"message":"{message}"}}}}"#)
    }

    #[test]
    fn a_call_is_sent_again_only_where_it_was_not_read() {
        use Meaning::{Answered, AnsweredAndForgotten, Forgotten};
        for (status, body, call, list) in [
            (404, String::new(), Forgotten, Forgotten),
            (404, "no such session".into(), Forgotten, Forgotten),
            (404, "<p>Cannot POST /mcp</p>".into(), Answered, Forgotten),
            (404, error("null", "Session not found"), Forgotten, Forgotten),
            (404, error("null", "no such order"), Answered, Forgotten),
            (404, error("7", "no such order"), Answered, Answered),
            (404, error("7", "Session not found"), AnsweredAndForgotten, Forgotten),
            (400, error("null", "Bad Request: Server not initialized"), Forgotten, Forgotten),
            (400, error("null", "bad arguments"), Answered, Forgotten),
            (400, error("7", "bad session"), Answered, Answered),
            (400, "Invalid or missing session ID".into(), Forgotten, Forgotten),
            (400, "bad arguments".into(), Answered, Answered),
            (400, String::new(), Answered, Answered),
            (500, "session".into(), Answered, Answered),
            (401, "session".into(), Answered, Answered),
        ] {
            assert_eq!(read(status, &body, "tools/call"), call, "tools/call: {status} {body}");
            assert_eq!(read(status, &body, "tools/list"), list, "tools/list: {status} {body}");
            assert_eq!(read(status, &body, "x/unknown"), call, "x/unknown: {status} {body}");
        }
    }

    #[test]
    fn without_a_session_none_can_be_forgotten() {
        let refusal =
            Evidence { status: 404, body: b"", answer: None, in_session: false, method: Some("tools/list") };
        assert_eq!(meaning(refusal), Meaning::Answered);
    }
}
