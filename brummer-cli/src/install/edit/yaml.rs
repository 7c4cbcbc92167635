//! YAML. The editor takes files that are not YAML, so another parser has the say on what a file means.

use saphyr::{LoadableYamlNode as _, Scalar, Yaml};
use serde_json::{Map, Value};
use std::str::FromStr as _;
use yaml_edit::{Mapping, MappingBuilder, Sequence, SequenceBuilder, YamlFile, YamlNode};

use super::{EditError, NAME, Spot};

pub(super) fn parse(text: &str) -> Result<Value, EditError> {
    let documents = Yaml::load_from_str(text).map_err(|error| EditError::Syntax(error.to_string()))?;
    match &documents[..] {
        [] => Ok(Value::Null),
        [document] => json(document),
        _ => Err(EditError::Syntax("it holds several documents".to_owned())),
    }
}

pub(super) fn change(
    text: &str,
    spot: Spot,
    entry: Option<&Map<String, Value>>,
) -> Result<String, EditError> {
    let Some((last, outer)) = spot.keys.split_last() else { return Err(EditError::Odd) };
    if parse(text)?.is_null() {
        return Ok(entry.map_or_else(|| text.to_owned(), |entry| text.to_owned() + &fresh(spot, entry)));
    }
    let file = YamlFile::from_str(text).map_err(|error| EditError::Syntax(error.to_string()))?;
    let mut at = file.document().and_then(|document| document.as_mapping()).ok_or(EditError::Odd)?;
    for key in outer {
        at = at.get_mapping(*key).ok_or(EditError::Odd)?;
    }
    match (spot.list, entry) {
        (false, Some(entry)) => match at.get_mapping(*last) {
            Some(servers) => match servers.get_mapping(NAME) {
                Some(present) => update(&present, entry),
                None => servers.set(NAME, mapping(entry).ok_or(EditError::Odd)?),
            },
            None => {
                let servers = MappingBuilder::new().pair(NAME, mapping(entry).ok_or(EditError::Odd)?);
                at.set(*last, servers.build_document().as_mapping().ok_or(EditError::Odd)?);
            }
        },
        (false, None) => {
            if let Some(servers) = at.get_mapping(*last) {
                servers.remove(NAME);
            }
        }
        (true, Some(entry)) => match at.get_sequence(*last) {
            Some(servers) => match position(&servers) {
                Some((_, present)) => update(&present, entry),
                None => servers.push(mapping(entry).ok_or(EditError::Odd)?),
            },
            None => {
                let servers = SequenceBuilder::new().item(mapping(entry).ok_or(EditError::Odd)?);
                at.set(*last, servers.build_document().as_sequence().ok_or(EditError::Odd)?);
            }
        },
        (true, None) => {
            if let Some(servers) = at.get_sequence(*last)
                && let Some((index, _)) = position(&servers)
            {
                servers.remove(index);
            }
        }
    }
    Ok(file.to_string())
}

/// What is written into a file that has nothing but comments.
fn fresh(spot: Spot, entry: &Map<String, Value>) -> String {
    let Some(entry) = mapping(entry) else { return String::new() };
    let Some((last, outer)) = spot.keys.split_last() else { return String::new() };
    let servers = if spot.list {
        SequenceBuilder::new().item(entry).build_document().as_sequence().map(YamlNode::Sequence)
    } else {
        MappingBuilder::new().pair(NAME, entry).build_document().as_mapping().map(YamlNode::Mapping)
    };
    let Some(servers) = servers else { return String::new() };
    let mut document = MappingBuilder::new().pair(*last, servers).build_document();
    for key in outer.iter().rev() {
        let Some(inner) = document.as_mapping() else { return String::new() };
        document = MappingBuilder::new().pair(*key, inner).build_document();
    }
    let mut text = document.to_string();
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

/// Changes only what differs.
fn update(present: &Mapping, wanted: &Map<String, Value>) {
    for key in present.keys().filter_map(|key| key.as_scalar().map(yaml_edit::Scalar::as_string)) {
        if !wanted.contains_key(&key) {
            present.remove(key.as_str());
        }
    }
    let had = parse(&present.to_string()).unwrap_or(Value::Null);
    for (key, value) in wanted {
        if had.get(key) == Some(value) {
            continue;
        }
        match value {
            Value::String(text) => present.set(key.as_str(), text.as_str()),
            Value::Bool(value) => present.set(key.as_str(), *value),
            Value::Number(number) => present.set(key.as_str(), number.as_i64().unwrap_or_default()),
            Value::Array(items) => {
                if let Some(items) = sequence(items) {
                    present.set(key.as_str(), items);
                }
            }
            Value::Object(map) => {
                if let Some(map) = mapping(map) {
                    present.set(key.as_str(), map);
                }
            }
            Value::Null => {}
        }
    }
}

/// The item of the list that has the entry's name, and where it is.
fn position(servers: &Sequence) -> Option<(usize, Mapping)> {
    servers.values().enumerate().find_map(|(index, item)| {
        let item = item.as_mapping()?.clone();
        let name = item.get("name")?.as_scalar()?.as_string();
        (name == NAME).then_some((index, item))
    })
}

fn mapping(entry: &Map<String, Value>) -> Option<Mapping> {
    let mut builder = MappingBuilder::new();
    for (key, value) in entry {
        builder = match value {
            Value::Null => builder,
            Value::Bool(value) => builder.pair(key.as_str(), *value),
            Value::Number(number) => builder.pair(key.as_str(), number.as_i64()?),
            Value::String(text) => builder.pair(key.as_str(), text.as_str()),
            Value::Array(items) => builder.pair(key.as_str(), sequence(items)?),
            Value::Object(map) => builder.pair(key.as_str(), mapping(map)?),
        };
    }
    builder.build_document().as_mapping()
}

/// Entries have lists of texts only.
fn sequence(items: &[Value]) -> Option<Sequence> {
    let mut builder = SequenceBuilder::new();
    for item in items {
        builder = builder.item(item.as_str()?);
    }
    builder.build_document().as_sequence()
}

fn json(node: &Yaml) -> Result<Value, EditError> {
    Ok(match node {
        Yaml::Value(scalar) => match scalar {
            Scalar::Null => Value::Null,
            Scalar::Boolean(value) => (*value).into(),
            Scalar::Integer(number) => (*number).into(),
            Scalar::FloatingPoint(number) => number.into_inner().into(),
            Scalar::String(text) => text.as_ref().into(),
        },
        Yaml::Sequence(items) => items.iter().map(json).collect::<Result<Value, _>>()?,
        Yaml::Mapping(map) => {
            let mut object = Map::new();
            for (key, value) in map {
                let key = match json(key)? {
                    Value::String(key) => key,
                    other => other.to_string(),
                };
                object.insert(key, json(value)?);
            }
            Value::Object(object)
        }
        Yaml::Tagged(tag, inner) => {
            let mut tagged = Map::new();
            tagged.insert(format!("{tag:?}"), json(inner)?);
            Value::Object(tagged)
        }
        Yaml::Representation(..) | Yaml::Alias(_) | Yaml::BadValue => return Err(EditError::Odd),
    })
}
