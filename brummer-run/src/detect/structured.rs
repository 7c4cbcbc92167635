//! Log lines that are data: JSON as pino, bunyan, winston and structlog write it.

use serde_json::{Map, Value};

/// What such a line says.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Record {
    pub(super) is_error: bool,
    pub(super) message: String,
    pub(super) kind: Option<String>,
    /// The stack trace, if there is one.
    pub(super) stack: Option<String>,
}

/// Reads a line that is one JSON object.
pub(super) fn read(line: &str) -> Option<Record> {
    let line = line.trim();
    if !(line.starts_with('{') && line.ends_with('}')) {
        return None;
    }
    let Ok(Value::Object(fields)) = serde_json::from_str(line) else { return None };
    let text = |fields: &Map<String, Value>, names: &[&str]| {
        names.iter().find_map(|name| fields.get(*name).and_then(Value::as_str)).map(str::to_owned)
    };
    let nested = ["err", "error", "exception", "exc_info"].iter().find_map(|name| match fields.get(*name) {
        Some(Value::Object(nested)) => Some(nested),
        Some(Value::Array(list)) => list.first().and_then(Value::as_object),
        _ => None,
    });
    let level = ["level", "severity", "log.level", "levelname", "lvl", "@l"]
        .iter()
        .find_map(|name| fields.get(*name));
    let is_error = level.is_some_and(is_error);
    let said = text(&fields, &["msg", "message", "event", "@m"]);
    let cause = nested.and_then(|nested| text(nested, &["message", "msg", "exc_value"]));
    let message =
        said.or_else(|| cause.clone()).or_else(|| text(&fields, &["error", "err"])).unwrap_or_default();
    let stack = text(&fields, &["stack", "stack_trace", "exception", "exc_info"]);
    let stack = stack.or_else(|| nested.and_then(|nested| text(nested, &["stack", "stack_trace"])));
    let kind = nested.and_then(|nested| text(nested, &["type", "name", "exc_type"]));
    let message = match cause.filter(|cause| !message.contains(cause.as_str())) {
        Some(cause) => format!("{message}: {cause}"),
        None => message,
    };
    Some(Record { is_error, message, kind, stack })
}

/// Whether a level is one of errors: the numbers are those of pino and bunyan.
fn is_error(level: &Value) -> bool {
    match level {
        Value::Number(number) => number.as_u64().is_some_and(|number| number >= 50),
        Value::String(name) => {
            let name = name.to_ascii_lowercase();
            ["error", "err", "fatal", "critical", "crit", "alert", "emerg", "emergency", "panic", "severe"]
                .contains(&name.as_str())
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_decide() {
        for (line, is_error) in [
            (r#"{"level":30,"error":null,"msg":"no problem"}"#, false),
            (r#"{"level":50,"msg":"boom"}"#, true),
            (r#"{"level":"error","message":"boom"}"#, true),
            (r#"{"severity":"CRITICAL","event":"boom"}"#, true),
            (r#"{"error":"x"}"#, false),
        ] {
            assert_eq!(read(line).map(|record| record.is_error), Some(is_error), "{line}");
        }
        assert_eq!(read("{ not json }"), None);
        let record = read(r#"{"level":50,"msg":"checkout","err":{"type":"TypeError","message":"empty","stack":"TypeError: empty\n    at f (/a.js:1:2)"}}"#).unwrap();
        assert_eq!((record.message.as_str(), record.kind.as_deref()), ("checkout: empty", Some("TypeError")));
        assert!(record.stack.is_some());
    }
}
