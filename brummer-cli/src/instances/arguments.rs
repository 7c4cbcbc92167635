//! Arguments of a tool as people write them: JSON, or `key=value` with the types of the tool's input schema. Pure.

use serde::de::IgnoredAny;
use serde_json::Value;

use super::schema::{Arguments, choice, kinds};

/// Why arguments are not what the tool takes.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum ArgumentError {
    #[error("the arguments are not JSON: {0}")]
    NotJson(String),
    #[error("the arguments must be a JSON object, such as {{\"key\": \"value\"}}")]
    NotAnObject,
    #[error("`{0}` is not KEY=VALUE")]
    NotAPair(String),
    #[error("the tool takes no argument `{key}`; it takes {known}")]
    Unknown { key: String, known: String },
    #[error("`{key}` must be {wanted}, not `{text}`")]
    Kind { key: String, wanted: String, text: String },
    #[error("`{0}` is given more than once")]
    Twice(String),
    #[error("the tool needs {}", .0.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", "))]
    Missing(Vec<String>),
}

/// The mark that some programs put before UTF-8, which is no JSON.
const MARK: char = '\u{feff}';

/// Whether this word is all arguments, as JSON.
pub(crate) fn is_whole(word: &str) -> bool {
    word.strip_prefix(MARK).unwrap_or(word).trim_start().starts_with(['{', '['])
}

/// Checks that a text is one JSON object, which is sent as it is, however deep.
pub(crate) fn object(text: &str) -> Result<&str, ArgumentError> {
    let text = text.strip_prefix(MARK).unwrap_or(text);
    match json(text) {
        Ok(()) if text.trim_start().starts_with('{') => Ok(text),
        Ok(()) => Err(ArgumentError::NotAnObject),
        Err(error) => Err(ArgumentError::NotJson(error.to_string())),
    }
}

/// Whether this is JSON, of which no value is made: numbers may be of any size, lists of any depth.
fn json(text: &str) -> Result<(), serde_json::Error> {
    serde_json::from_str::<IgnoredAny>(text).map(|_| ())
}

/// The arguments in these words, `KEY=VALUE`, as one JSON object. `KEY:=JSON` gives a value without a look at the schema. A value
/// that is JSON is in there as it was typed: a number means more than what fits into one of this program.
pub(crate) fn pairs(words: &[String], schema: &Value) -> Result<String, ArgumentError> {
    let takes = Arguments::of(schema);
    let mut given: Vec<(&str, String)> = Vec::new();
    for word in words {
        let (key, text) = word.split_once('=').ok_or_else(|| ArgumentError::NotAPair(word.clone()))?;
        if let Some(key) = key.strip_suffix(':') {
            json(text).map_err(|error| ArgumentError::NotJson(format!("`{key}`: {error}")))?;
            add(&mut given, key, text.trim().to_owned(), false)?;
            continue;
        }
        let Some(property) = takes.get(key) else {
            return Err(ArgumentError::Unknown { key: key.to_owned(), known: known(&takes) });
        };
        let list = kinds(property).contains(&"array");
        let value = match value(text, property) {
            Ok(value) => value,
            // `tag=a tag=b` is a list of two.
            Err(_) if list => format!("[{}]", item(key, text, property)?),
            Err(wanted) => {
                return Err(ArgumentError::Kind { key: key.to_owned(), wanted, text: text.to_owned() });
            }
        };
        add(&mut given, key, value, list)?;
    }
    let is_given = |key: &String| given.iter().any(|(given, _)| given == key);
    let missing: Vec<String> = takes.required.iter().filter(|key| !is_given(key)).cloned().collect();
    if !missing.is_empty() {
        return Err(ArgumentError::Missing(missing));
    }
    let members = given.iter().map(|(key, value)| format!("{}:{value}", Value::from(*key)));
    Ok(format!("{{{}}}", members.collect::<Vec<_>>().join(",")))
}

fn item(key: &str, text: &str, property: &Value) -> Result<String, ArgumentError> {
    value(text, &property["items"]).map_err(|wanted| ArgumentError::Kind {
        key: key.to_owned(),
        wanted: format!("a list whose items are each {wanted}"),
        text: text.to_owned(),
    })
}

/// Adds a value, or the items of a list to those that are there.
fn add<'w>(
    given: &mut Vec<(&'w str, String)>,
    key: &'w str,
    value: String,
    list: bool,
) -> Result<(), ArgumentError> {
    let Some((_, had)) = given.iter_mut().find(|(given, _)| *given == key) else {
        given.push((key, value));
        return Ok(());
    };
    let (Some(items), Some(more)) = (items(had), items(&value)) else {
        return Err(ArgumentError::Twice(key.to_owned()));
    };
    if !list {
        return Err(ArgumentError::Twice(key.to_owned()));
    }
    *had = match (items, more) {
        ("", more) => format!("[{more}]"),
        (items, "") => format!("[{items}]"),
        (items, more) => format!("[{items},{more}]"),
    };
    Ok(())
}

/// What is between the brackets, if this is a list.
fn items(json: &str) -> Option<&str> {
    Some(json.strip_prefix('[')?.strip_suffix(']')?.trim())
}

fn known(takes: &Arguments) -> String {
    let named = takes.named.keys().map(|key| format!("`{key}`"));
    let patterns = takes.patterns.iter().map(|(pattern, _)| format!("`/{pattern}/`"));
    let names: Vec<String> = named.chain(patterns).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// The value that a text means where this schema holds, as JSON. The error says what is wanted.
pub(super) fn value(text: &str, schema: &Value) -> Result<String, String> {
    let typed = json(text).is_ok().then(|| text.trim());
    if let Some(choices) = schema["enum"].as_array() {
        if let Some(choice) = choices.iter().find(|value| choice(value) == text) {
            return Ok(choice.as_str().map_or_else(|| text.to_owned(), |text| Value::from(text).to_string()));
        }
        // The same number, in other words.
        return match typed.filter(|typed| serde_json::from_str(typed).is_ok_and(|it| choices.contains(&it))) {
            Some(typed) => Ok(typed.to_owned()),
            None => Err(format!("one of {}", choices.iter().map(choice).collect::<Vec<_>>().join(", "))),
        };
    }
    let kinds = kinds(schema);
    let fits =
        |typed: &&str| kinds.is_empty() || kinds.iter().any(|kind| *kind != "string" && is_of(typed, kind));
    if let Some(typed) = typed.filter(fits) {
        // Most readers make an infinity of it, and a null of that.
        let is_endless = is_number(typed) && typed.parse().is_ok_and(f64::is_infinite);
        return if is_endless { Err("a finite number".to_owned()) } else { Ok(typed.to_owned()) };
    }
    if kinds.is_empty() || kinds.contains(&"string") {
        return Ok(Value::from(text).to_string());
    }
    Err(kinds.iter().map(|kind| word(kind)).collect::<Vec<_>>().join(" or "))
}

/// Whether this JSON is of a type.
fn is_of(json: &str, kind: &str) -> bool {
    match kind {
        "integer" => is_number(json) && is_integer(json),
        "number" => is_number(json),
        "boolean" => matches!(json, "true" | "false"),
        "null" => json == "null",
        "array" => json.starts_with('['),
        "object" => json.starts_with('{'),
        "string" => json.starts_with('"'),
        _ => false,
    }
}

/// Whether this JSON is a number.
fn is_number(json: &str) -> bool {
    json.starts_with(|c: char| c == '-' || c.is_ascii_digit())
}

/// Whether a number of JSON has no fraction, however large it is: `7`, `7.0`, `70e-1`.
fn is_integer(number: &str) -> bool {
    let (digits, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all = format!("{}{fraction}", whole.trim_start_matches('-'));
    let kept = all.trim_end_matches('0');
    if kept.is_empty() {
        return true;
    }
    // Places behind the point that are not zero.
    let places = fraction.len() as i128 - (all.len() - kept.len()) as i128;
    exponent.parse::<i64>().map_or(!exponent.starts_with('-'), |exponent| i128::from(exponent) >= places)
}

fn word(kind: &str) -> &str {
    match kind {
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "true or false",
        "null" => "null",
        "array" => "a JSON list",
        "object" => "a JSON object",
        kind => kind,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema() -> Value {
        json!({
            "type": "object",
            "properties": {
                "query": { "type": "string" },
                "limit": { "type": "integer" },
                "ratio": { "type": "number" },
                "regex": { "type": "boolean" },
                "tags": { "type": "array", "items": { "type": "string" } },
                "where": { "type": "object" },
                "level": { "enum": ["info", "warn", 3] },
                "either": { "type": ["integer", "string", "null"] },
                "any": {},
                "some": { "anyOf": [{ "type": "boolean" }, { "type": "null" }] },
            },
            "required": ["query"],
        })
    }

    fn arguments(words: &[&str]) -> Result<Value, ArgumentError> {
        match words {
            [whole] if is_whole(whole) => object(whole).map(|text| serde_json::from_str(text).unwrap()),
            words => {
                let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
                pairs(&words, &schema()).map(|text| serde_json::from_str(&text).unwrap())
            }
        }
    }

    #[test]
    fn the_schema_says_what_a_text_means() {
        for (words, expected) in [
            (&["query=5"][..], json!({ "query": "5" })),
            (&["query=a=b c", "limit=5"], json!({ "query": "a=b c", "limit": 5 })),
            (&["query=", "ratio=1.5", "regex=true"], json!({ "query": "", "ratio": 1.5, "regex": true })),
            (&["query=x", "tags=a", "tags=b"], json!({ "query": "x", "tags": ["a", "b"] })),
            (&["query=x", "tags=[\"a\"]", "tags=5"], json!({ "query": "x", "tags": ["a", "5"] })),
            (&["query=x", "where={\"a\":1}"], json!({ "query": "x", "where": { "a": 1 } })),
            (&["query=x", "level=warn"], json!({ "query": "x", "level": "warn" })),
            (&["query=x", "level=3", "either=7"], json!({ "query": "x", "level": 3, "either": 7 })),
            (&["query=x", "either=seven"], json!({ "query": "x", "either": "seven" })),
            (&["query=x", "any=true", "some=null"], json!({ "query": "x", "any": true, "some": null })),
            (&["query=x", "any=plain"], json!({ "query": "x", "any": "plain" })),
            (&["query:=7", "odd:=[1]"], json!({ "query": 7, "odd": [1] })),
            (&["{\"whatever\": 1}"], json!({ "whatever": 1 })),
            (&["\u{feff}{\"whatever\": 1}"], json!({ "whatever": 1 })),
        ] {
            assert_eq!(arguments(words), Ok(expected), "{words:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (words, expected) in [
            (&["query"][..], "`query` is not KEY=VALUE"),
            (&[], "the tool needs `query`"),
            (&["query=x", "limit=many"], "`limit` must be a whole number, not `many`"),
            (&["query=x", "limit=1.5"], "`limit` must be a whole number"),
            (&["query=x", "regex=yes"], "`regex` must be true or false"),
            (&["query=x", "some=yes"], "true or false or null"),
            (&["query=x", "level=loud"], "one of info, warn, 3"),
            (&["query=x", "qeury=y"], "no argument `qeury`; it takes `query`, `limit`"),
            (&["query=x", "query=y"], "`query` is given more than once"),
            (&["query=x", "ratio=1e999"], "`ratio` must be a finite number, not `1e999`"),
            (&["query=x", "limit=-1e400"], "`limit` must be a finite number"),
            (&["query=x", "any=1e400"], "`any` must be a finite number"),
            (&["query=x", "either=1e400"], "`either` must be a finite number"),
            (&["query=x", "ratio=Infinity"], "`ratio` must be a number"),
            (&["query:={"], "not JSON: `query`"),
            (&["{"], "the arguments are not JSON"),
            (&["[1]"], "must be a JSON object"),
        ] {
            let message = arguments(words).unwrap_err().to_string();
            assert!(message.contains(expected), "{words:?}: {message}");
        }
    }

    #[test]
    fn names_may_be_told_by_patterns() {
        let schema = json!({
            "properties": { "n": { "type": "array", "items": { "type": "number" } } },
            "patternProperties": { "^x-": { "type": "string" }, "^n-": { "type": "integer" } },
        });
        let given = |word: &str| pairs(&[word.to_owned()], &schema).map_err(|error| error.to_string());
        assert_eq!(given("x-a=5").as_deref(), Ok("{\"x-a\":\"5\"}"));
        assert_eq!(given("n-a=5").as_deref(), Ok("{\"n-a\":5}"));
        for (word, expected) in [
            ("n-a=x", "`n-a` must be a whole number, not `x`"),
            ("y=5", "the tool takes no argument `y`; it takes `n`, `/^x-/`, `/^n-/`"),
            ("n=1e999", "`n` must be a list whose items are each a finite number, not `1e999`"),
        ] {
            assert_eq!(given(word).unwrap_err(), expected);
        }
    }

    #[test]
    fn what_is_json_is_sent_as_it_was_typed() {
        let schema = json!({
            "properties": {
                "n": { "type": "integer" }, "f": { "type": "number" }, "o": { "type": "object" }, "any": {},
                "list": { "type": "array", "items": { "type": "integer" } }, "level": { "enum": [1, 1.5, "a\"b"] },
            },
        });
        for (words, expected) in [
            (&["n=123456789012345678901234567890"][..], "{\"n\":123456789012345678901234567890}"),
            (&["n=-0"], "{\"n\":-0}"),
            (&["n=1e300", "f=1.50"], "{\"n\":1e300,\"f\":1.50}"),
            (&["n= 7.0 "], "{\"n\":7.0}"),
            (&["o={\"a\":1,\"a\":2}"], "{\"o\":{\"a\":1,\"a\":2}}"),
            (&["any=1e300"], "{\"any\":1e300}"),
            (&["zz:=1e400", "s:=\"\\ud83d\""], "{\"zz\":1e400,\"s\":\"\\ud83d\"}"),
            (&["list=[]", "list=-0", "list=[1, 2]", "list=1e0"], "{\"list\":[-0,1, 2,1e0]}"),
            (&["level=1"], "{\"level\":1}"),
            (&["level=1.50"], "{\"level\":1.50}"),
            (&["level=a\"b"], "{\"level\":\"a\\\"b\"}"),
            (&["a\"b:=1"], "{\"a\\\"b\":1}"),
            (&[], "{}"),
        ] {
            let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
            assert_eq!(pairs(&words, &schema).as_deref(), Ok(expected), "{words:?}");
        }
        let deep = format!("any={}{}", "[".repeat(9000), "]".repeat(9000));
        assert_eq!(
            pairs(std::slice::from_ref(&deep), &schema).unwrap(),
            format!("{{\"any\":{}}}", &deep[4..])
        );
    }

    #[test]
    fn a_whole_number_is_known_however_it_is_written() {
        for number in [
            "0",
            "-0",
            "0.0",
            "7",
            "-7.0",
            "70e-1",
            "7e1",
            "1.5E+1",
            "1e400",
            "0e-9999999999999999999",
            "1e9999999999999999999",
        ] {
            assert!(is_integer(number), "{number}");
        }
        for number in ["0.5", "7.01", "7e-1", "15e-1", "1.55e1", "1e-400", "1e-9999999999999999999"] {
            assert!(!is_integer(number), "{number}");
        }
    }
}
