//! What the input schema of a tool says of its arguments, as far as a person who types them needs it: their names and types, also
//! those in parts of the schema and behind references into it. Each is followed one level deep. Pure.

use regex::{Regex, RegexBuilder};
use serde_json::{Map, Value};

/// Parts that each hold, or of which one does.
const PARTS: [&str; 3] = ["allOf", "oneOf", "anyOf"];

/// What may bring arguments that are not looked for.
const MORE: [&str; 6] = ["if", "then", "else", "dependentSchemas", "$dynamicRef", "$recursiveRef"];

/// Memory for a pattern of somebody else's, once it is compiled.
const PATTERN_BYTES: usize = 1024 * 1024;

/// The arguments of a tool.
#[derive(Clone, Debug, Default)]
pub(crate) struct Arguments {
    /// Names, and what is said of each.
    pub(crate) named: Map<String, Value>,
    /// Those that must be given.
    pub(crate) required: Vec<String>,
    /// Patterns of names, and what is said of each.
    pub(super) patterns: Vec<(Regex, Value)>,
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
        let matching = || self.patterns.iter().find(|(pattern, _)| pattern.is_match(name));
        let named = self.named.get(name).or_else(|| Some(&matching()?.1));
        named.or(self.others.as_ref())
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
        let Arguments { named, required, patterns, others } = &mut self.arguments;
        self.says_names |= part["properties"].is_object()
            || part["patternProperties"].is_object()
            || part["additionalProperties"] == false;
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
        for (pattern, property) in part["patternProperties"].as_object().into_iter().flatten() {
            match RegexBuilder::new(pattern).size_limit(PATTERN_BYTES).build() {
                Ok(pattern) => patterns.push((pattern, whole(property, self.schema))),
                // Of another dialect: any name may be meant.
                Err(_) => *others = Some(Value::Null),
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
    for key in ["additionalProperties", "unevaluatedProperties"] {
        match &part[key] {
            Value::Bool(true) => return Some(Value::Null),
            other if other.is_object() => return Some(other.clone()),
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
        for part in whole.get_mut(kind).and_then(Value::as_array_mut).into_iter().flatten() {
            *part = followed(part, schema);
        }
    }
    if let Some(items) = whole.get_mut("items") {
        *items = followed(items, schema);
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
    use proptest::{collection::vec, prelude::*, sample::select};
    use serde_json::json;

    use super::{
        super::{arguments, questions, tools},
        *,
    };
    use crate::{complete, deep};

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
            json!({ "properties": a, "patternProperties": { "^y": {} } }),
            json!({ "additionalProperties": false, "patternProperties": { "^y": {}, "x.": {} } }),
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
            // What is no pattern here.
            json!({ "additionalProperties": false, "patternProperties": { "(?!y)": {} } }),
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
            json!({ "patternProperties": { "^y": { "type": "integer" }, "x$": { "$ref": "#/$defs/text" } }, "$defs": { "text": { "type": "string" } } }),
            json!({ "additionalProperties": { "type": "string" }, "patternProperties": { "^y": {} } }),
            json!({ "allOf": [{ "patternProperties": { "x": { "type": "string" } } }] }),
        ] {
            assert_eq!(kinds(Arguments::of(&schema).get("x").unwrap()), ["string"], "{schema}");
        }
    }

    #[test]
    fn what_is_no_schema_says_nothing_of_its_argument() {
        for odd in [json!(true), json!(false), json!(7), json!("x"), json!(null), json!([])] {
            let schema = json!({ "properties": { "x": odd }, "required": ["x"] });
            let arguments = Arguments::of(&schema);
            assert!(kinds(arguments.get("x").unwrap()).is_empty() && arguments.is_required("x"), "{schema}");
            let list = Arguments::of(&json!({ "properties": { "x": { "type": "array", "items": odd } } }));
            assert!(kinds(&list.get("x").unwrap()["items"]).is_empty(), "{odd}");
        }
    }

    proptest! {
        #[test]
        fn any_json_may_stand_in_the_place_of_a_schema(schema in schema(), name in "[abx]", text in "\\PC{0,9}") {
            let typed = deep::read(&schema.to_string());
            prop_assert_eq!(typed.as_ref().ok(), Some(&schema));
            let words = [format!("{name}={text}"), format!("{name}:=1")];
            for words in [&words[..], &words[..1], &[]] {
                if let Ok(arguments) = arguments::pairs(words, &schema) {
                    prop_assert!(serde_json::from_str::<Value>(&arguments).is_ok_and(|it| it.is_object()), "{}", arguments);
                }
            }
            let tool = json!({ "name": "t", "inputSchema": schema });
            prop_assert!(tools::described(tool.as_object().unwrap(), true).starts_with("t\n"));
            complete::offered(&schema);
            let (params, mut answers) = (json!({ "requestedSchema": schema }), vec![text]);
            let answer = questions::ask(&params, &mut |_| answers.pop());
            prop_assert!(answer["action"].is_string(), "{}", answer);
        }
    }

    /// JSON of all kinds, with the words of schemas where they mean something and where they do not.
    fn schema() -> impl Strategy<Value = Value> {
        const WORDS: [&str; 22] = [
            "properties",
            "patternProperties",
            "additionalProperties",
            "unevaluatedProperties",
            "required",
            "items",
            "type",
            "enum",
            "allOf",
            "oneOf",
            "anyOf",
            "$ref",
            "$defs",
            "if",
            "title",
            "description",
            "default",
            "a",
            "b",
            "x",
            "string",
            "integer",
        ];
        let word = || select(&WORDS[..]);
        let odd = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            word().prop_map(Value::from),
            select(&["#", "#/$defs/a", "#/properties/x", "array", "boolean", "é\u{9b}"][..])
                .prop_map(Value::from),
        ];
        odd.prop_recursive(5, 40, 4, move |inner| {
            prop_oneof![
                1 => vec(inner.clone(), 0..4).prop_map(Value::from),
                3 => vec((word(), inner), 0..5).prop_map(|members| {
                    members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
                }),
            ]
        })
    }
}
