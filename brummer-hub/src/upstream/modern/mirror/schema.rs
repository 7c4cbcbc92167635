//! Where a tool's input schema wants an argument repeated, and whether it may (2026-07-28, tools § x-mcp-header).

use hyper::header::HeaderName;
use serde_json::{Map, Value};

/// The annotation of a property's schema.
pub(super) const ANNOTATION: &str = "x-mcp-header";

/// Keywords by which a schema holds others that no argument is certain to match (JSON Schema 2020-12, and its
/// predecessors): one schema or an array of them.
const SCHEMAS: [&str; 15] = [
    "items",
    "prefixItems",
    "additionalItems",
    "contains",
    "additionalProperties",
    "unevaluatedProperties",
    "unevaluatedItems",
    "propertyNames",
    "oneOf",
    "anyOf",
    "allOf",
    "not",
    "if",
    "then",
    "else",
];

/// The same, by name.
const NAMED_SCHEMAS: [&str; 4] = ["patternProperties", "dependentSchemas", "$defs", "definitions"];

/// One argument that is repeated.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Mirrored {
    /// The names of the properties on the way to it.
    pub(super) path: Vec<String>,
    pub(super) field: HeaderName,
}

/// The arguments that a tool's schema wants repeated, or why it can't have that.
pub(super) fn annotations(schema: &str) -> Result<Vec<Mirrored>, String> {
    let schema: Value = serde_json::from_str(schema).map_err(|error| format!("its input schema: {error}"))?;
    let mut found = Vec::new();
    walk(&schema, &mut Vec::new(), true, &mut found)?;
    Ok(found)
}

/// Looks through a schema. `certain`: it is that of the argument at `path`, and not only under some condition.
fn walk(
    schema: &Value,
    path: &mut Vec<String>,
    certain: bool,
    found: &mut Vec<Mirrored>,
) -> Result<(), String> {
    let Value::Object(schema) = schema else { return Ok(()) };
    if let Some(annotation) = schema.get(ANNOTATION) {
        let field = field_of(schema, annotation, certain && !path.is_empty())?;
        if found.iter().any(|other| other.field == field) {
            return Err(format!("two arguments have the same `{ANNOTATION}`, {annotation}"));
        }
        found.push(Mirrored { path: path.clone(), field });
    }
    if let Some(Value::Object(properties)) = schema.get("properties") {
        for (name, property) in properties {
            path.push(name.clone());
            walk(property, path, certain, found)?;
            path.pop();
        }
    }
    let named = NAMED_SCHEMAS.iter().filter_map(|keyword| schema.get(*keyword)?.as_object());
    for inner in named.flat_map(Map::values) {
        walk(inner, path, false, found)?;
    }
    for inner in SCHEMAS.iter().filter_map(|keyword| schema.get(*keyword)) {
        match inner {
            Value::Array(several) => several.iter().try_for_each(|inner| walk(inner, path, false, found))?,
            one => walk(one, path, false, found)?,
        }
    }
    Ok(())
}

fn field_of(schema: &Map<String, Value>, annotation: &Value, certain: bool) -> Result<HeaderName, String> {
    if !certain {
        return Err(format!(
            "`{ANNOTATION}` {annotation} is not on a property reached by `properties` alone"
        ));
    }
    let kind = schema.get("type").and_then(Value::as_str);
    if !matches!(kind, Some("string" | "integer" | "boolean")) {
        return Err(format!("`{ANNOTATION}` {annotation} is not on a string, an integer or a boolean"));
    }
    let name = annotation.as_str().filter(|name| !name.is_empty());
    name.and_then(|name| HeaderName::try_from(format!("mcp-param-{name}")).ok())
        .ok_or_else(|| format!("`{ANNOTATION}` {annotation} is no name of a header field"))
}
