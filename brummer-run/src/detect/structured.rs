//! Log lines that are data: JSON as pino, bunyan, winston, structlog, slog, zap and zerolog write it, and the pairs of
//! `key=value` of slog and logrus.

use serde_json::{Map, Value};

use super::place::Place;

/// What such a line says.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Record {
    pub(super) is_error: bool,
    pub(super) message: String,
    pub(super) kind: Option<String>,
    /// The stack trace, if there is one.
    pub(super) stack: Option<String>,
    /// From where it was written.
    pub(super) place: Option<Place>,
}

/// Reads a line that is one JSON object.
pub(super) fn read(line: &str) -> Option<Record> {
    let line = line.trim();
    if !(line.starts_with('{') && line.ends_with('}')) {
        return pairs(line);
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
    let cause = cause.or_else(|| text(&fields, &["error", "err"]));
    let message = said.or_else(|| cause.clone()).unwrap_or_default();
    let stack = text(&fields, &["stack", "stack_trace", "stacktrace", "exception", "exc_info"]);
    let stack = stack.or_else(|| nested.and_then(|nested| text(nested, &["stack", "stack_trace"])));
    let kind = nested.and_then(|nested| text(nested, &["type", "name", "exc_type"]));
    let message = match cause.filter(|cause| !message.contains(cause.as_str())) {
        Some(cause) => format!("{message}: {cause}"),
        None => message,
    };
    let source = fields.get("source").and_then(Value::as_object);
    let place = match source.and_then(|source| source.get("file")?.as_str().zip(source.get("line")?.as_u64()))
    {
        Some((file, line)) => Some(Place::new(file, Some(&line.to_string()), None)),
        None => text(&fields, &["caller", "file"]).and_then(|text| caller(&text)),
    };
    Some(Record { is_error, message, kind, stack, place })
}

/// `main.go:12`, as loggers of Go write it.
fn caller(text: &str) -> Option<Place> {
    let (file, line) = text.rsplit_once(':')?;
    let is_line = !line.is_empty() && line.bytes().all(|byte| byte.is_ascii_digit());
    (is_line && !file.is_empty()).then(|| Place::new(file, Some(line), None))
}

/// Reads a line that is pairs of `key=value`, with a level and a message.
fn pairs(line: &str) -> Option<Record> {
    let key_ends = line.find('=').filter(|at| is_key(&line[..*at]))?;
    if !line[key_ends..].contains("msg=") || !line.contains("level=") {
        return None;
    }
    let (mut level, mut said, mut cause, mut from) = (None, None, None, None);
    let mut rest = line;
    while let Some((key, after)) = rest.split_once('=').filter(|(key, _)| is_key(key)) {
        let (value, next) = value(after)?;
        match key {
            "level" => level = Some(is_error(&Value::String(value))),
            "msg" => said = Some(value),
            "err" | "error" => cause = Some(value),
            "source" | "caller" | "file" => from = caller(&value),
            _ => {}
        }
        rest = next;
    }
    let message = match (said?, cause) {
        (said, Some(cause)) if !said.contains(&cause) => format!("{said}: {cause}"),
        (said, _) => said,
    };
    Some(Record { is_error: level?, message, kind: None, stack: None, place: from })
}

fn is_key(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-@".contains(&byte))
}

/// The value at the beginning of a text, and what follows the blank behind it.
fn value(text: &str) -> Option<(String, &str)> {
    if !text.starts_with('"') {
        let (value, rest) = text.split_once(' ').unwrap_or((text, ""));
        return Some((value.to_owned(), rest.trim_start()));
    }
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<String>();
    let value = values.next()?.ok()?;
    Some((value, text[values.byte_offset()..].trim_start()))
}

/// Whether a level is one of errors: the numbers are those of pino and bunyan.
fn is_error(level: &Value) -> bool {
    match level {
        Value::Number(number) => number.as_u64().is_some_and(|number| number >= 50),
        Value::String(name) => {
            // Slog says how much a level is above one that has a name: `ERROR+2`.
            let name = name.split('+').next().unwrap_or_default().to_ascii_lowercase();
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
        for (line, message, place) in [
            (
                r#"level=ERROR source=/app/main.go:12 msg="cannot load \"tea\"" err="no such item" retries=3"#,
                "cannot load \"tea\": no such item",
                Some("/app/main.go:12"),
            ),
            (
                r#"time="2026-11-29T15:08:48Z" level=error msg="cannot load" error="no such item""#,
                "cannot load: no such item",
                None,
            ),
            (
                r#"{"level":"error","caller":"app/main.go:14","msg":"cannot load","error":"no such item"}"#,
                "cannot load: no such item",
                Some("app/main.go:14"),
            ),
            (
                r#"{"level":"ERROR","source":{"function":"main.f","file":"/my app/main.go","line":12},"msg":"boom"}"#,
                "boom",
                Some("/my app/main.go:12"),
            ),
        ] {
            let record = read(line).unwrap();
            let read =
                (record.is_error, record.message.as_str(), record.place.map(|place| place.to_string()));
            assert_eq!(read, (true, message, place.map(str::to_owned)), "{line}");
        }
        for line in ["level=INFO msg=loading error=<nil>", "level=warn msg=\"an error, told as a warning\""] {
            assert_eq!(read(line).map(|record| record.is_error), Some(false), "{line}");
        }
        for line in
            ["set level=error and msg=x to see more", "level=error count=3", "x=1", "a=b level=error", "="]
        {
            assert_eq!(read(line), None, "{line}");
        }
        let record = read(r#"{"level":50,"msg":"checkout","err":{"type":"TypeError","message":"empty","stack":"TypeError: empty\n    at f (/a.js:1:2)"}}"#).unwrap();
        assert_eq!((record.message.as_str(), record.kind.as_deref()), ("checkout: empty", Some("TypeError")));
        assert!(record.stack.is_some());
    }
}
