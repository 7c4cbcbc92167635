//! Arguments of a tool as people write them: JSON, or `key=value` with the types of the tool's input schema. Pure.

use serde::de::IgnoredAny;
use serde_json::{Map, Value};

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

/// Whether this word is all arguments, as JSON.
pub(crate) fn is_whole(word: &str) -> bool {
    word.trim_start().starts_with(['{', '['])
}

/// Checks that a text is one JSON object, which is sent as it is, however deep.
pub(crate) fn object(text: &str) -> Result<&str, ArgumentError> {
    match serde_json::from_str::<IgnoredAny>(text) {
        Ok(_) if text.trim_start().starts_with('{') => Ok(text),
        Ok(_) => Err(ArgumentError::NotAnObject),
        Err(error) => Err(ArgumentError::NotJson(error.to_string())),
    }
}

/// The arguments in these words, `KEY=VALUE`. `KEY:=JSON` gives a value without a look at the schema.
pub(crate) fn pairs(words: &[String], schema: &Value) -> Result<Map<String, Value>, ArgumentError> {
    let mut arguments = Map::new();
    for word in words {
        let (key, text) = word.split_once('=').ok_or_else(|| ArgumentError::NotAPair(word.clone()))?;
        if let Some(key) = key.strip_suffix(':') {
            let value = serde_json::from_str(text)
                .map_err(|error| ArgumentError::NotJson(format!("`{key}`: {error}")))?;
            set(&mut arguments, key, value, false)?;
            continue;
        }
        let property = &schema["properties"][key];
        if property.is_null()
            && schema["additionalProperties"] != true
            && !schema["additionalProperties"].is_object()
        {
            let known = known(schema);
            return Err(ArgumentError::Unknown { key: key.to_owned(), known });
        }
        let list = kinds(property).contains(&"array");
        let value = match value(text, property) {
            Ok(value) => value,
            // `tag=a tag=b` is a list of two.
            Err(_) if list => Value::Array(vec![item(key, text, property)?]),
            Err(wanted) => {
                return Err(ArgumentError::Kind { key: key.to_owned(), wanted, text: text.to_owned() });
            }
        };
        set(&mut arguments, key, value, list)?;
    }
    let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let missing: Vec<String> =
        required.filter(|key| !arguments.contains_key(*key)).map(str::to_owned).collect();
    if missing.is_empty() { Ok(arguments) } else { Err(ArgumentError::Missing(missing)) }
}

fn item(key: &str, text: &str, property: &Value) -> Result<Value, ArgumentError> {
    value(text, &property["items"]).map_err(|wanted| ArgumentError::Kind {
        key: key.to_owned(),
        wanted: format!("a list whose items are each {wanted}"),
        text: text.to_owned(),
    })
}

fn set(arguments: &mut Map<String, Value>, key: &str, value: Value, list: bool) -> Result<(), ArgumentError> {
    match (arguments.get_mut(key), value) {
        (Some(Value::Array(had)), Value::Array(more)) if list => had.extend(more),
        (Some(_), _) => return Err(ArgumentError::Twice(key.to_owned())),
        (None, value) => {
            arguments.insert(key.to_owned(), value);
        }
    }
    Ok(())
}

fn known(schema: &Value) -> String {
    let names: Vec<String> =
        schema["properties"].as_object().into_iter().flatten().map(|(key, _)| format!("`{key}`")).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// The value that a text means where this schema holds. The error says what is wanted.
pub(crate) fn value(text: &str, schema: &Value) -> Result<Value, String> {
    if let Some(choices) = schema["enum"].as_array() {
        let names: Vec<String> = choices.iter().map(choice).collect();
        let chosen = names.iter().position(|name| name == text);
        return chosen.map(|at| choices[at].clone()).ok_or_else(|| format!("one of {}", names.join(", ")));
    }
    let kinds = kinds(schema);
    let parsed = serde_json::from_str::<Value>(text).ok();
    if let Some(parsed) = parsed
        && (kinds.is_empty() || kinds.iter().any(|kind| *kind != "string" && is_of(&parsed, kind)))
    {
        return Ok(parsed);
    }
    if kinds.is_empty() || kinds.contains(&"string") {
        return Ok(text.into());
    }
    Err(kinds.iter().map(|kind| word(kind)).collect::<Vec<_>>().join(" or "))
}

/// One value of an `enum`, as it is typed.
pub(crate) fn choice(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The types that a schema allows; none if it does not say.
pub(crate) fn kinds(schema: &Value) -> Vec<&str> {
    let mut kinds: Vec<&str> = match &schema["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    for choice in ["anyOf", "oneOf"] {
        for schema in schema[choice].as_array().into_iter().flatten() {
            kinds.extend(self::kinds(schema));
        }
    }
    kinds
}

fn is_of(value: &Value, kind: &str) -> bool {
    match kind {
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "string" => value.is_string(),
        _ => false,
    }
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
                pairs(&words, &schema()).map(Value::Object)
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
            (&["query:={"], "not JSON: `query`"),
            (&["{"], "the arguments are not JSON"),
            (&["[1]"], "must be a JSON object"),
        ] {
            let message = arguments(words).unwrap_err().to_string();
            assert!(message.contains(expected), "{words:?}: {message}");
        }
    }
}
