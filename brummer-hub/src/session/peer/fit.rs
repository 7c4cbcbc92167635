//! What messages need before a client without a handshake gets them: members that its revision requires, error codes
//! that it allows. Texts are edited, never printed again.

use super::{RequestClaim, SERVER_INFO};
use crate::{
    frame::{Edit, Frame, Kind, Object, Parts},
    protocol::{code, meta},
    session::message::{error_of, separator},
};

/// A result (JSON text of an object) of the hub's own, with what the revision requires of it. `more`: members of its `_meta`.
pub(in crate::session) fn own_result(result: &str, more: Option<&str>, claim: &RequestClaim) -> String {
    let rest = result.strip_prefix('{').unwrap_or("}");
    let keeping = if claim.cacheable { KEEPING } else { "" };
    let more = more.map(|more| format!(",{more}")).unwrap_or_default();
    format!(
        r#"{{"resultType":"complete",{keeping}"_meta":{{"{}":{SERVER_INFO}{more}}}{}{rest}"#,
        meta::SERVER_INFO,
        separator(rest)
    )
}

/// Lists of running programs change at any moment, and belong to this user.
const KEEPING: &str = r#""ttlMs":0,"cacheScope":"private","#;

/// What an answer of an instance needs to be fit for the client. `said_by`: the name and version of a legacy instance,
/// which stands in for the `serverInfo` that a modern one writes itself; `None` when the instance is modern.
pub(in crate::session) fn edits(frame: &Frame, claim: &RequestClaim, said_by: Option<&str>) -> Vec<Edit> {
    match (frame.kind(), said_by) {
        (Kind::Response { ok: true, .. }, Some(said_by)) => result_edits(frame, claim, said_by),
        (Kind::Response { ok: true, .. }, None) => missing_edits(frame, claim),
        (Kind::Response { ok: false, .. }, _) => code_edit(frame).into_iter().collect(),
        _ => Vec::new(),
    }
}

fn result_edits(frame: &Frame, claim: &RequestClaim, said_by: &str) -> Vec<Edit> {
    let Some(text) = frame.result().filter(|text| text.starts_with('{')) else { return Vec::new() };
    let mut added = r#""resultType":"complete""#.to_owned();
    if claim.cacheable {
        added.push_str(r#","ttlMs":0,"cacheScope":"private""#);
    }
    let name = format!("\"{}\":{said_by}", meta::SERVER_INFO);
    // Most results have none of these, and looking for the names is much cheaper than reading all of a large result.
    let names = ["resultType", "ttlMs", "cacheScope", "_meta"];
    let has_any = names.iter().any(|name| memchr::memmem::find(text.as_bytes(), name.as_bytes()).is_some());
    let Some(result) = has_any.then(|| Object::read(text)).flatten() else {
        let start = frame.span_of(text).start + 1;
        return vec![(start..start, format!("{added},\"_meta\":{{{name}}}{}", separator(&text[1..])))];
    };
    let (mut edits, said) = (Vec::new(), result.get("_meta").and_then(Object::read));
    let is_odd = said.is_none();
    match said {
        None => added.push_str(&format!(",\"_meta\":{{{name}}}")),
        Some(said) if said.get(meta::SERVER_INFO).is_none() => {
            edits = said.edits(frame.bytes(), &name, |_| false);
        }
        Some(_) => {}
    }
    let is_set = |name: &str| match name {
        "resultType" => true,
        "ttlMs" | "cacheScope" => claim.cacheable,
        "_meta" => is_odd,
        _ => false,
    };
    edits.extend(result.edits(frame.bytes(), &added, is_set));
    edits.sort_by_key(|(span, _)| span.start);
    edits
}

/// What the revision requires and a modern instance has left out. Nothing else of its result is touched.
fn missing_edits(frame: &Frame, claim: &RequestClaim) -> Vec<Edit> {
    let Some(text) = frame.result() else { return Vec::new() };
    // So nearly every result begins that need not say more, and it may be long.
    if !claim.cacheable && text.starts_with(r#"{"resultType":"#) {
        return Vec::new();
    }
    let Some(result) = Object::read(text) else { return Vec::new() };
    let mut missing = Vec::new();
    let mut need = |name: &str, member: &'static str| {
        if result.get(name).is_none() {
            missing.push(member);
        }
    };
    need("resultType", r#""resultType":"complete""#);
    if claim.cacheable {
        need("ttlMs", r#""ttlMs":0"#);
        need("cacheScope", r#""cacheScope":"private""#);
    }
    result.edits(frame.bytes(), &missing.join(","), |_| false)
}

/// The code of a missing resource is another since 2026-07-28 (resources § Error Handling).
fn code_edit(frame: &Frame) -> Option<Edit> {
    let raw = error_of(frame)?.code?.get();
    (raw.parse() == Ok(code::RESOURCE_NOT_FOUND))
        .then(|| (frame.span_of(raw), code::INVALID_PARAMS.to_string()))
}

/// A notification as part of the listen with this id (JSON text).
pub(in crate::session) fn subscribed(frame: &Frame, id: &str) -> Parts {
    let member = format!("\"{}\":{id}", meta::SUBSCRIPTION_ID);
    let params = frame.params().and_then(Object::read);
    let edits = match &params {
        None => {
            let end = frame.bytes().iter().rposition(|byte| *byte == b'}').unwrap_or_default();
            vec![(end..end, format!(",\"params\":{{\"_meta\":{{{member}}}}}"))]
        }
        Some(params) => match params.get("_meta").and_then(Object::read) {
            Some(said) => said.edits(frame.bytes(), &member, |name| name == meta::SUBSCRIPTION_ID),
            None => params.edits(frame.bytes(), &format!("\"_meta\":{{{member}}}"), |_| false),
        },
    };
    frame.edited(edits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::peer::Caller;

    const PEER: &str = r#"{"name":"peer","version":"1"}"#;

    fn claim(cacheable: bool) -> RequestClaim {
        RequestClaim {
            caller: Caller::Claimed(1),
            declared: crate::upstream::Declared::default(),
            log_level: None,
            cacheable,
        }
    }

    fn answer(result: &str) -> Frame {
        Frame::parse(format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#)).unwrap()
    }

    fn fitted(frame: &Frame, claim: &RequestClaim, said_by: Option<&str>) -> Frame {
        Frame::parse(frame.edited(edits(frame, claim, said_by)).join()).unwrap()
    }

    fn fit(result: &str, cacheable: bool) -> String {
        let frame = answer(result);
        fitted(&frame, &claim(cacheable), Some(PEER)).result().unwrap().to_owned()
    }

    #[test]
    fn a_legacy_result_gets_what_the_revision_requires() {
        let info = format!(r#""_meta":{{"{}":{PEER}}}"#, meta::SERVER_INFO);
        assert_eq!(fit("{}", false), format!(r#"{{"resultType":"complete",{info}}}"#));
        assert_eq!(
            fit(r#"{"content":[],"x":1.0}"#, false),
            format!(r#"{{"resultType":"complete",{info},"content":[],"x":1.0}}"#)
        );
        assert_eq!(
            fit(r#"{"contents":[]}"#, true),
            format!(r#"{{"resultType":"complete","ttlMs":0,"cacheScope":"private",{info},"contents":[]}}"#)
        );
    }

    #[test]
    fn what_stands_there_already_is_replaced_or_kept() {
        assert_eq!(
            fit(r#"{"resultType":"odd","_meta":{"a":1}}"#, false),
            format!(r#"{{"resultType":"complete","_meta":{{"{}":{PEER},"a":1}}}}"#, meta::SERVER_INFO)
        );
        let own = format!(r#"{{"_meta":{{"{}":{{"name":"me"}}}}}}"#, meta::SERVER_INFO);
        assert_eq!(fit(&own, false), format!(r#"{{"resultType":"complete",{}"#, &own[1..]));
        let text = r#"{"content":[{"type":"text","text":"resultType _meta ttlMs"}]}"#;
        assert!(fit(text, true).ends_with(&text[1..]), "the words are only text here");
    }

    #[test]
    fn results_of_modern_instances_get_only_what_they_lack() {
        let frame = answer(r#"{"resultType":"input_required"}"#);
        assert!(edits(&frame, &claim(false), None).is_empty());
        let frame = answer(r#"{"ttlMs":7,"contents":[],"cacheScope":"public"}"#);
        let told = fitted(&frame, &claim(true), None);
        assert_eq!(
            told.result(),
            Some(r#"{"resultType":"complete","ttlMs":7,"contents":[],"cacheScope":"public"}"#)
        );
    }

    #[test]
    fn a_missing_resource_has_another_code() {
        let frame = Frame::parse(
            r#"{"jsonrpc":"2.0","id":1,"error":{"message":"no","code":-32002,"data":{"uri":"a"}}}"#,
        );
        let frame = frame.unwrap();
        let told = fitted(&frame, &claim(false), Some(PEER));
        assert_eq!(
            told.bytes(),
            r#"{"jsonrpc":"2.0","id":1,"error":{"message":"no","code":-32602,"data":{"uri":"a"}}}"#
        );
    }

    #[test]
    fn notifications_carry_the_id_of_their_listen() {
        let told = |text: &str| {
            let text = subscribed(&Frame::parse(text.to_owned()).unwrap(), "\"7\"");
            serde_json::from_slice::<serde_json::Value>(&text.join()).unwrap()
        };
        for (text, others) in [
            (r#"{"jsonrpc":"2.0","method":"m"}"#, 0),
            (r#"{"jsonrpc":"2.0","method":"m","params":{}}"#, 0),
            (r#"{"params":{"uri":"u"},"jsonrpc":"2.0","method":"m"}"#, 1),
            (r#"{"jsonrpc":"2.0","method":"m","params":{"uri":"u","_meta":{}}}"#, 1),
            (r#"{"jsonrpc":"2.0","method":"m","params":{"_meta":{"k":1}}}"#, 0),
        ] {
            let told = told(text);
            assert_eq!(told["params"]["_meta"][meta::SUBSCRIPTION_ID], "7", "{text}");
            assert_eq!(told["params"].as_object().unwrap().len(), others + 1, "{text}");
        }
    }

    #[test]
    fn own_results_say_whose_they_are() {
        let tools = r#"{"tools":[{"inputSchema":{"properties":{"ttlMs":{}}}}]}"#;
        let result: serde_json::Value =
            serde_json::from_str(&own_result(tools, Some(r#""x/y":1"#), &claim(true))).unwrap();
        assert_eq!((&result["resultType"], &result["ttlMs"]), (&"complete".into(), &0.into()));
        assert_eq!(result["_meta"][meta::SERVER_INFO]["name"], "brummer-hub");
        assert_eq!(result["_meta"]["x/y"], 1);
        assert_eq!(own_result("{}", None, &claim(false)).matches("ttlMs").count(), 0);
    }
}
