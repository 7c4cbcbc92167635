//! What becomes of a client's file. Pure: the texts of the file and of its backup in, what to do out.

use serde_json::{Map, Value};

use super::{
    edit::{EditError, Spot},
    entry::{self, Entry},
    hub::Start,
};

/// What is there of the entry.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum State {
    /// No entry.
    Missing,
    /// As this program would write it.
    Current,
    /// Another program or path than this program would write, or without an option that the client needs.
    Outdated,
    /// The user has turned it off.
    Off,
    /// The name is taken by something else.
    Foreign,
    /// The file cannot be read.
    Unreadable(String),
}

/// What to do with the file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Plan {
    /// Nothing.
    Keep(State),
    /// Write this, and keep what was there beside it if that is wanted.
    Write { text: String, backup: bool },
    /// Write what was there before, and remove the backup.
    Restore { text: String },
    /// Remove the file: it holds nothing but what this program wrote.
    Remove,
}

/// Why nothing can be done.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum PlanError {
    #[error(transparent)]
    Edit(#[from] EditError),
    #[error("it has a server `brummer-hub` that starts something else")]
    Foreign,
}

/// What is there.
pub(super) fn state(spot: Spot, wanted: &Entry, text: &str) -> State {
    match spot.read(text) {
        Err(error) => State::Unreadable(error.to_string()),
        Ok(None) => State::Missing,
        Ok(Some(present)) if Start::of(&present).is_none() => State::Foreign,
        Ok(Some(present)) if entry::is_off(&present) => State::Off,
        Ok(Some(present)) if wanted.over(Some(&present)) == present => State::Current,
        Ok(Some(_)) => State::Outdated,
    }
}

/// Sets the entry.
pub(super) fn install(
    spot: Spot,
    wanted: &Entry,
    file: Option<&str>,
    backup: Option<&str>,
) -> Result<Plan, PlanError> {
    let text = file.unwrap_or_default();
    let present = spot.read(text)?;
    if present.as_ref().is_some_and(|present| Start::of(present).is_none()) {
        return Err(PlanError::Foreign);
    }
    let entry = wanted.over(present.as_ref());
    if present.as_ref() == Some(&entry) {
        return Ok(Plan::Keep(if entry::is_off(&entry) { State::Off } else { State::Current }));
    }
    let written = spot.write(text, &object(entry))?;
    let kept = present.is_some_and(|present| is_original(spot, present, text, backup));
    Ok(Plan::Write { text: written, backup: file.is_some() && !kept })
}

/// Takes the entry back.
pub(super) fn uninstall(spot: Spot, file: Option<&str>, backup: Option<&str>) -> Result<Plan, PlanError> {
    let Some(text) = file else { return Ok(Plan::Keep(State::Missing)) };
    let Some(present) = spot.read(text)? else { return Ok(Plan::Keep(State::Missing)) };
    if Start::of(&present).is_none() {
        return Ok(Plan::Keep(State::Foreign));
    }
    // What had the hub in it already is no state without it.
    let has_hub =
        |file: &str| spot.read(file).is_ok_and(|entry| entry.is_some_and(|it| Start::of(&it).is_some()));
    let backup = backup.filter(|backup| !has_hub(backup));
    if let Some(original) = backup
        && is_original(spot, present.clone(), text, backup)
    {
        return Ok(Plan::Restore { text: original.to_owned() });
    }
    // Not a comment, nor a space, is anybody's but this program's.
    if backup.is_none() && text == spot.snippet(&object(present)) {
        return Ok(Plan::Remove);
    }
    let rest = spot.erase(text)?;
    let is_loss = spot.loses_comment(text, &rest);
    Ok(Plan::Write { text: rest, backup: is_loss })
}

/// Whether the file is its backup with this entry, and nothing else has changed since.
fn is_original(spot: Spot, present: Value, text: &str, backup: Option<&str>) -> bool {
    let entry = object(present);
    backup.is_some_and(|backup| spot.write(backup, &entry).is_ok_and(|written| written == text))
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        // An entry that starts the hub is an object.
        _ => Map::new(),
    }
}
