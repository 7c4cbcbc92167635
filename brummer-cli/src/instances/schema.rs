//! What the input schema of a tool says of its arguments, as far as a person who types them needs it: their names and types, also
//! those in parts of the schema and behind references into it. Each is followed one level deep. Pure.

use serde_json::{Map, Value};

/// Parts that each hold, or of which one does.
const PARTS: [&str; 3] = ["allOf", "oneOf", "anyOf"];

/// What may bring arguments that are not looked for.
const MORE: [&str; 7] =
    ["patternProperties", "if", "then", "else", "dependentSchemas", "$dynamicRef", "$recursiveRef"];

/// The arguments of a tool.
#[derive(Clone, Debug, Default)]
pub(crate) struct Arguments {
    /// Names, and what is said of each.
    pub(crate) named: Map<String, Value>,
    /// Those that must be given.
    pub(crate) required: Vec<String>,
    /// What is said of the others, if there may be any.
    pub(super) others: Option<Value>,
}

impl Arguments {
    /// What this schema says.
    pub(crate) fn of(schema: &Value) -> Self {
        let mut reading = Reading { schema, arguments: Self::default(), says_names: false };
        reading.take(schema, 0, true);
        for (part, holds) in parts(schema) {
            reading.take(part, 1, holds);
            reading.follow(part, holds);
        }
        reading.follow(schema, true);
        let Reading { mut arguments, says_names, .. } = reading;
        if !says_names && arguments.others.is_none() {
            arguments.others = Some(Value::Null);
        }
        arguments
    }

    /// What is said of an argument, or none if the tool does not take it.
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.named.get(name).or(self.others.as_ref())
    }

    pub(crate) fn is_required(&self, name: &str) -> bool {
        self.required.iter().any(|required| required == name)
    }
}

/// A schema while it is read.
struct Reading<'s> {
    schema: &'s Value,
    arguments: Arguments,
    /// Whether it says which arguments there are, if only that there are none.
    says_names: bool,
}

impl Reading<'_> {
    /// Takes what a part says, which must hold or may.
    fn take(&mut self, part: &Value, level: usize, holds: bool) {
        let Arguments { named, required, others } = &mut self.arguments;
        self.says_names |= part["properties"].is_object() || part["additionalProperties"] == false;
        for (name, property) in part["properties"].as_object().into_iter().flatten() {
            match named.get_mut(name) {
                // Only its name was known.
                Some(known) if known.is_null() => *known = whole(property, self.schema),
                Some(_) => {}
                None => {
                    named.insert(name.clone(), whole(property, self.schema));
                }
            }
        }
        for name in part["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            named.entry(name).or_insert(Value::Null);
            if holds && !required.iter().any(|had| had == name) {
                required.push(name.to_owned());
            }
        }
        if others.is_none() {
            *others = allowed(part, level).map(|other| whole(&other, self.schema));
        }
    }

    /// Takes what a part refers to.
    fn follow(&mut self, part: &Value, holds: bool) {
        if part["$ref"].is_null() {
            return;
        }
        match target(part, self.schema) {
            Some(target) => self.take(target, 2, holds),
            // It may be anywhere.
            None => self.arguments.others = Some(Value::Null),
        }
    }
}

/// What a part says of arguments that it does not name, if it allows others. A level too deep to be followed may name any.
fn allowed(part: &Value, level: usize) -> Option<Value> {
    let followed = match level {
        0 => true,
        1 => !PARTS.iter().any(|parts| part[*parts].is_array()),
        _ => !PARTS.iter().any(|parts| part[*parts].is_array()) && !part["$ref"].is_string(),
    };
    let patterns = part["patternProperties"].as_object();
    for key in ["additionalProperties", "unevaluatedProperties"] {
        match &part[key] {
            Value::Bool(true) => return Some(Value::Null),
            other if other.is_object() => {
                let is_only = patterns.is_none_or(Map::is_empty);
                return Some(if is_only { other.clone() } else { Value::Null });
            }
            // Whatever is not named has the one pattern.
            Value::Bool(false) if patterns.is_some_and(|patterns| patterns.len() == 1) => {
                return patterns?.values().next().cloned();
            }
            _ => {}
        }
    }
    (!followed || MORE.iter().any(|key| !part[*key].is_null())).then_some(Value::Null)
}

/// The parts of a schema, and whether each must hold.
fn parts(schema: &Value) -> impl Iterator<Item = (&Value, bool)> {
    PARTS.iter().flat_map(|&kind| {
        schema[kind].as_array().into_iter().flatten().map(move |part| (part, kind == "allOf"))
    })
}

/// What a reference into the schema itself leads to.
fn target<'s>(part: &Value, schema: &'s Value) -> Option<&'s Value> {
    schema.pointer(part["$ref"].as_str()?.strip_prefix('#')?)
}

/// What is said of one argument, with what its references lead to.
fn whole(property: &Value, schema: &Value) -> Value {
    let mut whole = followed(property, schema);
    for kind in PARTS {
        for part in whole[kind].as_array_mut().into_iter().flatten() {
            *part = followed(part, schema);
        }
    }
    if whole["items"].is_object() {
        whole["items"] = followed(&whole["items"], schema);
    }
    whole
}

/// A schema, with what it refers to beside what it says itself.
fn followed(part: &Value, schema: &Value) -> Value {
    let mut followed = part.clone();
    let (Value::Object(members), Some(Value::Object(target))) = (&mut followed, target(part, schema)) else {
        return followed;
    };
    for (key, value) in target {
        members.entry(key).or_insert_with(|| value.clone());
    }
    followed
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
    for (part, _) in parts(schema) {
        for kind in self::kinds(part) {
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
    }
    kinds
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn arguments_are_found_in_parts_and_behind_references() {
        let level = json!({ "enum": ["low", "high"] });
        let a = json!({ "properties": { "a": { "type": "string" } }, "required": ["a"] });
        for (schema, names, required) in [
            (json!({ "properties": { "a": {} }, "required": ["a", "b"] }), "a b", "a b"),
            (json!({ "allOf": [a, { "properties": { "b": {} } }] }), "a b", "a"),
            (json!({ "oneOf": [a, { "properties": { "b": {} }, "required": ["b"] }] }), "a b", ""),
            (json!({ "anyOf": [{ "$ref": "#/$defs/a" }, { "type": "null" }], "$defs": { "a": a } }), "a", ""),
            (json!({ "allOf": [{ "$ref": "#/$defs/a" }], "$defs": { "a": a } }), "a", "a"),
            (json!({ "$ref": "#/$defs/a", "$defs": { "a": a } }), "a", "a"),
            (json!({ "properties": { "b": {} }, "anyOf": [{ "required": ["c"] }] }), "b c", ""),
            (json!({ "type": "object" }), "", ""),
            (json!(true), "", ""),
            (json!(null), "", ""),
            // What leads to itself ends.
            (json!({ "$ref": "#", "allOf": [{ "$ref": "#" }], "properties": { "a": {} } }), "a", ""),
        ] {
            let arguments = Arguments::of(&schema);
            let mut found: Vec<&str> = arguments.named.keys().map(String::as_str).collect();
            found.sort_unstable();
            assert_eq!(
                (found.join(" "), arguments.required.join(" ")),
                (names.into(), required.into()),
                "{schema}"
            );
        }
        let schema = json!({
            "properties": {
                "level": { "$ref": "#/$defs/level", "description": "How loud" },
                "some": { "anyOf": [{ "$ref": "#/$defs/count" }, { "type": "null" }] },
                "all": { "items": { "$ref": "#/$defs/level" } },
            },
            "$defs": { "level": level, "count": { "type": "integer" } },
        });
        let named = Arguments::of(&schema).named;
        assert_eq!(
            (&named["level"]["enum"], &named["level"]["description"]),
            (&level["enum"], &json!("How loud"))
        );
        assert_eq!(kinds(&named["some"]), ["integer", "null"]);
        assert_eq!(named["all"]["items"]["enum"], level["enum"]);
    }

    #[test]
    fn others_are_refused_only_where_nothing_allows_them() {
        let a = json!({ "a": {} });
        for schema in [
            json!({ "type": "object", "properties": {} }),
            json!({ "properties": a }),
            json!({ "additionalProperties": false }),
            json!({ "properties": a, "additionalProperties": false }),
            json!({ "allOf": [{ "properties": a }, { "type": "object" }] }),
            json!({ "properties": a, "anyOf": [{ "required": ["a"] }] }),
            json!({ "$ref": "#/$defs/a", "$defs": { "a": { "properties": a } } }),
            json!({ "oneOf": [{ "$ref": "#/$defs/a" }], "$defs": { "a": { "properties": a } } }),
        ] {
            assert!(Arguments::of(&schema).get("x").is_none(), "{schema}");
        }
        for schema in [
            json!(null),
            json!(true),
            json!({}),
            json!({ "type": "object" }),
            json!({ "required": ["a"] }),
            json!({ "oneOf": [{ "type": "object" }] }),
            json!({ "properties": a, "additionalProperties": true }),
            json!({ "properties": a, "additionalProperties": {} }),
            json!({ "properties": a, "unevaluatedProperties": { "type": "string" } }),
            json!({ "properties": a, "patternProperties": { "^x": {} } }),
            json!({ "additionalProperties": false, "patternProperties": { "^x": {}, "^y": {} } }),
            json!({ "properties": a, "if": {}, "then": { "properties": { "x": {} } } }),
            json!({ "properties": a, "anyOf": [{ "additionalProperties": true }] }),
            // What is not followed.
            json!({ "properties": a, "$ref": "https://example.com/x.json" }),
            json!({ "properties": a, "allOf": [{ "$ref": "#/nowhere" }] }),
            json!({ "properties": a, "allOf": [{ "oneOf": [{ "properties": { "x": {} } }] }] }),
            json!({ "$ref": "#/$defs/a", "$defs": { "a": { "properties": a, "$ref": "#/$defs/b" } } }),
        ] {
            assert!(Arguments::of(&schema).get("x").is_some(), "{schema}");
        }
        for schema in [
            json!({ "additionalProperties": { "type": "string" } }),
            json!({ "additionalProperties": { "$ref": "#/$defs/text" }, "$defs": { "text": { "type": "string" } } }),
            json!({ "additionalProperties": false, "patternProperties": { "^x": { "type": "string" } } }),
        ] {
            assert_eq!(kinds(Arguments::of(&schema).get("x").unwrap()), ["string"], "{schema}");
        }
    }
}
