//! JSON, with comments where the client takes them.

use jsonc_parser::{
    ParseOptions,
    cst::{CstInputValue, CstObject, CstObjectProp, CstRootNode},
};
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use super::{EditError, NAME, Spot};
use crate::install::clients::Format;

pub(super) fn parse(text: &str, comments: bool, trailing_commas: bool) -> Result<Value, EditError> {
    if !comments && !text.trim().is_empty() {
        // The editor lets comments pass.
        let strict = serde_json::from_str::<IgnoredAny>(text);
        strict.map_err(|error| EditError::Syntax(error.to_string()))?;
    }
    let root = root(text, &options(comments, trailing_commas))?;
    Ok(root.to_serde_value().unwrap_or(Value::Null))
}

pub(super) fn change(
    text: &str,
    spot: Spot,
    entry: Option<&Map<String, Value>>,
) -> Result<String, EditError> {
    let Format::Json { comments, trailing_commas } = spot.format else { return Err(EditError::Odd) };
    let root = root(text, &options(comments, trailing_commas))?;
    let mut object = root.object_value_or_create().ok_or(EditError::Odd)?;
    for key in spot.keys {
        let present = object.get(key);
        object = match (present, entry) {
            (None, None) => return Ok(text.to_owned()),
            // In the place of a null, too.
            (_, Some(_)) => {
                object.object_value_or_create(key).unwrap_or_else(|| object.object_value_or_set(key))
            }
            (Some(present), None) => present.object_value().ok_or(EditError::Odd)?,
        };
    }
    match (object.get(NAME), entry) {
        (Some(present), Some(entry)) => update(&present, entry),
        (None, Some(entry)) => {
            object.append(NAME, input(&Value::Object(entry.clone())));
        }
        (Some(present), None) => present.remove(),
        (None, None) => {}
    }
    Ok(root.to_string())
}

/// Changes only what differs, so that comments within stay.
fn update(property: &CstObjectProp, wanted: &Map<String, Value>) {
    let Some(object) = property.object_value() else {
        property.set_value(input(&Value::Object(wanted.clone())));
        return;
    };
    for stale in object
        .properties()
        .into_iter()
        .filter(|property| property.decoded_name().is_some_and(|name| !wanted.contains_key(&name)))
    {
        stale.remove();
    }
    for (key, value) in wanted {
        update_key(&object, key, value);
    }
}

fn update_key(object: &CstObject, key: &str, value: &Value) {
    let Some(present) = object.get(key) else {
        object.append(key, input(value));
        return;
    };
    let same =
        present.value().and_then(|present| present.to_serde_value()).is_some_and(|present| present == *value);
    match value {
        _ if same => {}
        Value::Object(wanted) => update(&present, wanted),
        value => present.set_value(input(value)),
    }
}

fn root(text: &str, options: &ParseOptions) -> Result<CstRootNode, EditError> {
    CstRootNode::parse(text, options).map_err(|error| EditError::Syntax(error.to_string()))
}

fn options(comments: bool, trailing_commas: bool) -> ParseOptions {
    ParseOptions {
        allow_comments: comments,
        allow_trailing_commas: trailing_commas,
        allow_loose_object_property_names: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    }
}

fn input(value: &Value) -> CstInputValue {
    match value {
        Value::Null => CstInputValue::Null,
        Value::Bool(value) => CstInputValue::Bool(*value),
        Value::Number(number) => CstInputValue::Number(number.to_string()),
        Value::String(text) => CstInputValue::String(text.clone()),
        Value::Array(items) => CstInputValue::Array(items.iter().map(input).collect()),
        Value::Object(map) => {
            CstInputValue::Object(map.iter().map(|(key, value)| (key.clone(), input(value))).collect())
        }
    }
}
