//! TOML.

use serde_json::{Map, Value};
use toml_edit::{Array, DocumentMut, InlineTable, Item, Table, TableLike};

use super::{EditError, NAME, Spot};

pub(super) fn parse(text: &str) -> Result<Value, EditError> {
    Ok(table(document(text)?.as_table()))
}

pub(super) fn change(
    text: &str,
    spot: Spot,
    entry: Option<&Map<String, Value>>,
) -> Result<String, EditError> {
    let mut document = document(text)?;
    let mut at: &mut dyn TableLike = document.as_table_mut();
    for key in spot.keys {
        if entry.is_none() && !at.contains_key(key) {
            return Ok(text.to_owned());
        }
        let next = at.entry(key).or_insert_with(|| {
            let mut table = Table::new();
            // No header of its own.
            table.set_implicit(true);
            Item::Table(table)
        });
        at = next.as_table_like_mut().ok_or(EditError::Odd)?;
    }
    match entry {
        None => {
            at.remove(NAME);
        }
        Some(entry) => match at.get_mut(NAME) {
            Some(present) => update(present.as_table_like_mut().ok_or(EditError::Odd)?, entry),
            // Within an inline table this becomes one.
            None => {
                at.insert(NAME, item(&Value::Object(entry.clone())));
            }
        },
    }
    Ok(document.to_string())
}

/// Changes only what differs, and keeps the comment behind it.
fn update(present: &mut dyn TableLike, wanted: &Map<String, Value>) {
    let stale: Vec<String> =
        present.iter().map(|(key, _)| key.to_owned()).filter(|key| !wanted.contains_key(key)).collect();
    for key in stale {
        present.remove(&key);
    }
    for (key, value) in wanted {
        match present.get_mut(key) {
            Some(had) if json(had) == *value => {}
            Some(had) => {
                let decor = had.as_value().map(|had| had.decor().clone());
                *had = Item::Value(toml(value));
                if let (Some(decor), Some(new)) = (decor, had.as_value_mut()) {
                    *new.decor_mut() = decor;
                }
            }
            None => {
                present.insert(key, Item::Value(toml(value)));
            }
        }
    }
}

fn document(text: &str) -> Result<DocumentMut, EditError> {
    text.parse::<DocumentMut>().map_err(|error| {
        let place = error.span().map(|span| {
            let line = text[..span.start.min(text.len())].matches('\n').count() + 1;
            format!(" on line {line}")
        });
        EditError::Syntax(format!("{}{}", error.message().trim_end(), place.unwrap_or_default()))
    })
}

/// A table with a header of its own.
fn item(value: &Value) -> Item {
    let Value::Object(map) = value else { return Item::Value(toml(value)) };
    let mut table = Table::new();
    for (key, value) in map {
        table.insert(key, Item::Value(toml(value)));
    }
    Item::Table(table)
}

fn toml(value: &Value) -> toml_edit::Value {
    match value {
        // TOML has no null, and no entry has one.
        Value::Null => "".into(),
        Value::Bool(value) => (*value).into(),
        Value::Number(number) => match number.as_i64() {
            Some(integer) => integer.into(),
            None => number.as_f64().unwrap_or_default().into(),
        },
        Value::String(text) => text.as_str().into(),
        Value::Array(items) => items.iter().map(toml).collect::<Array>().into(),
        Value::Object(map) => {
            map.iter().map(|(key, value)| (key.as_str(), toml(value))).collect::<InlineTable>().into()
        }
    }
}

fn table(table: &dyn TableLike) -> Value {
    Value::Object(table.iter().map(|(key, item)| (key.to_owned(), json(item))).collect())
}

fn json(item: &Item) -> Value {
    match item {
        Item::None => Value::Null,
        Item::Value(value) => json_value(value),
        Item::Table(inner) => table(inner),
        Item::ArrayOfTables(tables) => tables.iter().map(|inner| table(inner)).collect(),
    }
}

fn json_value(value: &toml_edit::Value) -> Value {
    match value {
        toml_edit::Value::String(text) => text.value().as_str().into(),
        toml_edit::Value::Integer(number) => (*number.value()).into(),
        toml_edit::Value::Float(number) => (*number.value()).into(),
        toml_edit::Value::Boolean(value) => (*value.value()).into(),
        toml_edit::Value::Datetime(time) => time.value().to_string().into(),
        toml_edit::Value::Array(items) => items.iter().map(json_value).collect(),
        toml_edit::Value::InlineTable(inner) => table(inner),
    }
}
