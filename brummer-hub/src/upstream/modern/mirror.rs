//! Which arguments of a tool are repeated in header fields (2026-07-28, tools § x-mcp-header).
//!
//! The exchanges of a conversation read every `tools/list` answer that passes and note here what it says. The actor asks
//! here what to add to a `tools/call`.

mod schema;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use hyper::header::HeaderMap;
use serde_json::value::RawValue;
use tokio::time::timeout;

use self::schema::{ANNOTATION, Mirrored, annotations};
use super::{
    super::{
        ExchangeError,
        connection::Connection,
        exchange::at_another,
        headers::Route,
        reply::{ResponseKind, open},
        wire::{Wire, parse},
    },
    Manner,
    field::encode,
};
use crate::{
    frame::{Edit, Frame, Kind, Object, means, string},
    protocol::method,
};

/// Tools with annotations that are remembered. An instance with more of them answers the rest with a mismatch.
const MAX_TOOLS: usize = 4096;

/// Largest integer that every JSON reader takes for what it is (2^53 - 1).
const MAX_INTEGER: i64 = (1 << 53) - 1;

/// How long the list may take before a call is sent without knowing it.
const LIST_LIMIT: Duration = Duration::from_secs(5);

/// Pages that are read; an instance that has more is in a loop.
const MAX_PAGES: usize = 1000;

/// What the instance's list of tools says.
#[derive(Debug, Default)]
pub(in crate::upstream) struct Tools {
    /// The list has been read to its end since it last changed.
    known: bool,
    mirrored: HashMap<Box<str>, Arc<[Mirrored]>>,
    /// Tools that have been warned of.
    refused: HashSet<Box<str>>,
}

impl Tools {
    pub(in crate::upstream) fn is_known(&self) -> bool {
        self.known
    }

    /// The list has been read to its end, or there is none.
    pub(in crate::upstream) fn know(&mut self) {
        self.known = true;
    }

    /// The list has changed, or what is known of it was wrong.
    pub(in crate::upstream) fn doubt(&mut self) {
        self.known = false;
    }

    /// Adds to a call of `tool` the fields that repeat its arguments (JSON text).
    pub(super) fn repeat(&self, headers: &mut HeaderMap, tool: &str, arguments: Option<&str>) {
        let Some(mirrored) = self.mirrored.get(tool) else { return };
        for Mirrored { path, field } in &**mirrored {
            if let Some(value) = arguments.and_then(|arguments| value_at(arguments, path)) {
                headers.insert(field.clone(), encode(&value));
            }
        }
    }

    /// Takes in a page of the list. The edits take out tools that no call could be made of, and the member `execution`
    /// when the owner's era has other tasks than the instance's.
    pub(super) fn learn(&mut self, page: &Frame, port: u16, without_execution: bool) -> Vec<Edit> {
        let Some(result) = page.result().and_then(Object::read) else { return Vec::new() };
        self.known = result.get("nextCursor").is_none();
        let Some(array) = result.get("tools") else { return Vec::new() };
        let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(array) else { return Vec::new() };
        let mut edits = Vec::new();
        let mut kept = false;
        let mut end_before = page.span_of(array).start + 1;
        for (at, item) in items.iter().enumerate() {
            let span = page.span_of(item.get());
            match self.learn_tool(item.get(), port) {
                Keep::Yes => {
                    if without_execution
                        && memchr::memmem::find(item.get().as_bytes(), b"\"execution\"").is_some()
                    {
                        edits.extend(without(page, item.get(), "execution"));
                    }
                    kept = true;
                    end_before = span.end;
                }
                Keep::No => {
                    // The comma before it goes along, or the one behind it when it is the first that stays.
                    let next = items.get(at + 1).map(|next| page.span_of(next.get()).start);
                    let cut = match next {
                        Some(next) if !kept => end_before..next,
                        _ => end_before..span.end,
                    };
                    end_before = cut.end;
                    edits.push((cut, String::new()));
                }
            }
        }
        edits
    }

    fn learn_tool(&mut self, item: &str, port: u16) -> Keep {
        let Some(tool) = Object::read(item) else { return Keep::Yes };
        let Some(name) = tool.get_str("name") else { return Keep::Yes };
        let schema = tool.get("inputSchema").filter(|schema| {
            // Few tools have an annotation, and looking for the word is much cheaper than reading the schema.
            memchr::memmem::find(schema.as_bytes(), ANNOTATION.as_bytes()).is_some()
        });
        let Some(schema) = schema else {
            self.mirrored.remove(&*name);
            return Keep::Yes;
        };
        match annotations(schema) {
            Ok(mirrored) if mirrored.is_empty() => {
                self.mirrored.remove(&*name);
                Keep::Yes
            }
            Ok(mirrored) => {
                if self.mirrored.len() < MAX_TOOLS || self.mirrored.contains_key(&*name) {
                    self.mirrored.insert((&*name).into(), mirrored.into());
                }
                Keep::Yes
            }
            Err(reason) => {
                self.mirrored.remove(&*name);
                if self.refused.len() < MAX_TOOLS && self.refused.insert((&*name).into()) {
                    tracing::warn!(port, tool = &*name, "the tool is left out of the list: {reason}");
                }
                Keep::No
            }
        }
    }
}

/// Reads the list of tools, because a tool is to be called. Whatever comes of it, the call need wait no longer.
pub(in crate::upstream) async fn list(
    wire: &Wire,
    route: &Route,
    manner: &Manner,
    mut connection: Option<Connection>,
) -> Option<Connection> {
    let pages = async {
        let mut cursor = String::new();
        for _ in 0..MAX_PAGES {
            let (answer, rest) = page(wire, route, manner, connection.take(), &cursor).await?;
            connection = rest;
            let Some(answer) = answer else { break };
            manner.tools.send_modify(|tools| drop(tools.learn(&answer, wire.dialer.port(), false)));
            let result = answer.result().and_then(Object::read);
            let Some(next) = result.and_then(|result| result.get("nextCursor")) else { break };
            cursor = format!(r#""cursor":{next}"#);
        }
        Ok(())
    };
    let read = timeout(LIST_LIMIT, pages).await;
    if let Ok(Err(error)) = read {
        let error: ExchangeError = error;
        tracing::debug!(%error, "the list of tools could not be read");
    }
    manner.tools.send_modify(Tools::know);
    connection
}

async fn page(
    wire: &Wire,
    route: &Route,
    manner: &Manner,
    connection: Option<Connection>,
    cursor: &str,
) -> Result<(Option<Frame>, Option<Connection>), ExchangeError> {
    let (id, request) = manner.own_request(route, method::TOOLS_LIST, cursor);
    let again = at_another(&request);
    let first = wire.send_repeatable(connection, request).await?;
    let (connection, response) = wire.follow(first, route.target(), false, again).await?;
    match open(wire, connection, response).await? {
        ResponseKind::Messages(mut reply) => {
            while let Some(text) = reply.next().await? {
                let frame = parse(&text).ok();
                let is_it =
                    |frame: &Frame| matches!(frame.kind(), Kind::Response { .. }) && means(frame.id(), id);
                if let Some(answer) = frame.filter(is_it) {
                    return Ok((Some(answer), reply.into_connection()));
                }
            }
            Ok((None, reply.into_connection()))
        }
        ResponseKind::Empty(connection) => Ok((None, Some(connection))),
        // An instance without tools says so.
        ResponseKind::Refused(refusal) => Ok((None, refusal.into_connection())),
    }
}

enum Keep {
    Yes,
    No,
}

fn without(page: &Frame, item: &str, member: &str) -> Vec<Edit> {
    let Some(item) = Object::read(item) else { return Vec::new() };
    item.edits(page.bytes(), "", |name| name == member)
}

/// The value of the argument at `path` as it stands in a header field; `None`: it is absent, null, or none that can.
fn value_at(arguments: &str, path: &[String]) -> Option<String> {
    let value = path.iter().try_fold(arguments, |value, name| Object::read(value)?.get(name))?;
    match value {
        "true" | "false" => Some(value.to_owned()),
        text if text.starts_with('"') => string(text).map(String::from),
        number => integer(number).map(|integer| integer.to_string()),
    }
}

/// A JSON number that is an integer, however it is written, and that everyone reads the same.
fn integer(number: &str) -> Option<i64> {
    let integer = match number.parse::<i64>() {
        Ok(integer) => integer,
        Err(_) => {
            let float = number.parse::<f64>().ok().filter(|float| float.fract() == 0.0)?;
            // Too large a number is none in this form.
            format!("{float:.0}").parse().ok()?
        }
    };
    (-MAX_INTEGER..=MAX_INTEGER).contains(&integer).then_some(integer)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::frame::splice;

    fn page(result: &Value) -> Frame {
        Frame::parse(json!({"jsonrpc": "2.0", "id": 1, "result": result}).to_string()).unwrap()
    }

    fn learnt(tools: &mut Tools, result: &Value, without_execution: bool) -> Value {
        let page = page(result);
        let edits = tools.learn(&page, 1, without_execution);
        let text = splice(page.bytes(), edits.into_iter().map(|(span, with)| (span, with.into())));
        serde_json::from_slice::<Value>(&text).unwrap()["result"].clone()
    }

    fn fields(tools: &Tools, tool: &str, arguments: &Value) -> Vec<(String, String)> {
        let mut headers = HeaderMap::new();
        tools.repeat(&mut headers, tool, Some(&arguments.to_string()));
        let mut fields: Vec<_> = headers
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect();
        fields.sort();
        fields
    }

    #[test]
    fn annotated_arguments_are_repeated() {
        let schema = json!({"type": "object", "properties": {
            "region": {"type": "string", "x-mcp-header": "Region"},
            "count": {"type": "integer", "x-mcp-header": "Count"},
            "dry": {"type": "boolean", "x-mcp-header": "Dry"},
            "plain": {"type": "string", "default": {"x-mcp-header": "no schema"}},
            "deep": {"type": "object", "properties": {"a.b": {"type": "string", "x-mcp-header": "Deep"}}},
        }});
        let mut tools = Tools::default();
        let list = json!({"tools": [{"name": "t", "inputSchema": schema}], "nextCursor": "2"});
        assert_eq!(learnt(&mut tools, &list, false), list);
        assert!(!tools.is_known());
        learnt(&mut tools, &json!({"tools": [{"name": "u", "inputSchema": {}}]}), false);
        assert!(tools.is_known());
        let arguments =
            json!({"region": "é", "count": -4.0e1, "dry": false, "plain": "x", "deep": {"a.b": "y"}});
        let expected = [
            ("mcp-param-count", "-40"),
            ("mcp-param-deep", "y"),
            ("mcp-param-dry", "false"),
            ("mcp-param-region", "=?base64?w6k=?="),
        ];
        assert_eq!(
            fields(&tools, "t", &arguments),
            expected.map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
        let arguments = json!({"region": null, "count": 9_007_199_254_740_992_i64, "dry": [], "deep": 7});
        assert!(fields(&tools, "t", &arguments).is_empty());
        assert!(fields(&tools, "u", &json!({"region": "r"})).is_empty());
        let mut headers = HeaderMap::new();
        tools.repeat(&mut headers, "t", None);
        assert!(headers.is_empty());
        // The next list has it without.
        learnt(&mut tools, &json!({"tools": [{"name": "t", "inputSchema": {}}]}), false);
        assert!(fields(&tools, "t", &json!({"region": "r"})).is_empty());
    }

    #[test]
    fn integers_are_those_that_everyone_reads_the_same() {
        for (number, expected) in [
            ("42", Some(42)),
            ("-0", Some(0)),
            ("1e3", Some(1000)),
            ("9007199254740991", Some(MAX_INTEGER)),
            ("9007199254740992", None),
            ("1e400", None),
            ("1.5", None),
            ("{}", None),
        ] {
            assert_eq!(integer(number), expected, "{number}");
        }
    }

    #[test]
    fn a_tool_with_an_invalid_annotation_is_left_out() {
        let string = |name: Value| json!({"type": "string", "x-mcp-header": name});
        let with = |property: Value| json!({"type": "object", "properties": {"a": property}});
        let invalid = [
            with(string(json!(""))),
            with(string(json!("a b"))),
            with(string(json!("a:b"))),
            with(string(json!("é"))),
            with(string(json!("a\u{1}"))),
            with(string(json!(7))),
            with(json!({"type": "number", "x-mcp-header": "N"})),
            with(json!({"type": ["string", "null"], "x-mcp-header": "N"})),
            with(json!({"type": "object", "x-mcp-header": "N"})),
            with(json!({"x-mcp-header": "N"})),
            with(json!({"type": "array", "items": string(json!("N"))})),
            with(json!({"anyOf": [string(json!("N"))]})),
            json!({"properties": {"a": string(json!("N")), "b": string(json!("n"))}}),
            json!({"type": "string", "x-mcp-header": "N"}),
            json!({"$defs": {"d": string(json!("N"))}, "properties": {"a": {"$ref": "#/$defs/d"}}}),
            json!({"if": with(string(json!("N")))}),
        ];
        for schema in invalid {
            assert!(annotations(&schema.to_string()).is_err(), "{schema}");
            let bad = |name: &str| json!({"name": name, "inputSchema": schema, "execution": {}});
            let good = |name: &str| json!({"name": name, "x": 1.0, "execution": {}});
            let mut tools = Tools::default();
            for (names, kept) in
                [("bgb", "g"), ("gbg", "gg"), ("bbg", "g"), ("gbb", "g"), ("b", ""), ("bb", "")]
            {
                let items = names.chars().map(|which| if which == 'b' { bad("b") } else { good("g") });
                let list = json!({"tools": items.collect::<Vec<_>>()});
                let left = learnt(&mut tools, &list, true);
                let expected = vec![json!({"name": "g", "x": 1.0}); kept.len()];
                assert_eq!(left["tools"], json!(expected), "{names}");
            }
        }
    }
}
