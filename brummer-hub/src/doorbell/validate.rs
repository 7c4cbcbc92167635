//! What each member of a doorbell may be. Each function takes its member out of the object, so that what is left at the
//! end is unknown and kept.

use std::{collections::BTreeMap, path::Path};

use serde_json::{Map, Value};

use super::{
    DEFAULT_ENDPOINT, DoorbellError, InstanceId, MAX_ENDPOINT_BYTES, MAX_NAME_BYTES, MAX_PATH_BYTES,
};

/// Longest RFC 3339 time: 35 characters with nanoseconds and an offset; the rest is for a named zone.
const MAX_TIME_BYTES: usize = 64;

/// Longest version that is shown as such.
const MAX_VERSION_BYTES: usize = 128;

/// How much of a wrong text goes into a message.
const SHOWN_CHARACTERS: usize = 80;

type Members = Map<String, Value>;

fn invalid<T>(member: &'static str, expected: &'static str) -> Result<T, DoorbellError> {
    Err(DoorbellError::Invalid { member, expected })
}

/// A text for a message: short, and without characters that act on a terminal.
pub(super) fn shown(text: &str) -> String {
    clean(text).chars().take(SHOWN_CHARACTERS).collect()
}

/// Control characters, line separators and the marks that turn the writing direction: they could forge what is shown.
fn is_deceptive(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{2028}' | '\u{2029}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// The text with deceptive characters replaced.
pub(super) fn clean(text: &str) -> String {
    text.chars().map(|c| if is_deceptive(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// A member that is a text when it is there; null counts as absent.
pub(super) fn text(members: &mut Members, member: &'static str) -> Result<Option<String>, DoorbellError> {
    match members.shift_remove(member) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => invalid(member, "a string"),
    }
}

pub(super) fn flag(members: &mut Members, member: &'static str) -> Result<bool, DoorbellError> {
    match members.shift_remove(member) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(flag)) => Ok(flag),
        Some(_) => invalid(member, "true or false"),
    }
}

pub(super) fn port(members: &mut Members) -> Result<u16, DoorbellError> {
    let value = members.shift_remove("port").ok_or(DoorbellError::Missing { member: "port" })?;
    match value.as_u64().and_then(|port| u16::try_from(port).ok()) {
        Some(port) if port > 0 => Ok(port),
        _ => invalid("port", "a number from 1 to 65535"),
    }
}

/// `pid`, or the Go program's `process_info.pid`; `process_info` itself stays, for its `executable`.
pub(super) fn pid(members: &mut Members) -> Result<u32, DoorbellError> {
    let value = match members.shift_remove("pid") {
        Some(pid) => pid,
        None => match members.get("process_info") {
            None => return Err(DoorbellError::Missing { member: "pid" }),
            Some(info) => info.get("pid").cloned().unwrap_or_default(),
        },
    };
    match value.as_u64().and_then(|pid| u32::try_from(pid).ok()) {
        Some(pid) if pid > 0 => Ok(pid),
        _ => invalid("pid", "the number of a process"),
    }
}

/// `path`, or the Go program's `directory`.
pub(super) fn path(members: &mut Members) -> Result<String, DoorbellError> {
    let path = match text(members, "path")? {
        Some(path) => path,
        None => text(members, "directory")?.ok_or(DoorbellError::Missing { member: "path" })?,
    };
    if path.len() > MAX_PATH_BYTES {
        return invalid("path", "at most 4096 bytes long");
    }
    if path.chars().any(char::is_control) {
        return invalid("path", "free of control characters");
    }
    // `has_root` and not `is_absolute`: on Windows the latter would refuse the paths of WSL and MSYS programs.
    if !Path::new(&path).has_root() {
        return invalid("path", "an absolute path");
    }
    Ok(path)
}

/// The last part of a path, whichever system's separators it has.
pub(super) fn base_name(path: &str) -> Option<&str> {
    path.trim_end_matches(['/', '\\']).rsplit(['/', '\\']).next().filter(|name| !name.is_empty())
}

/// `name`; without one the project directory's name, else the id.
pub(super) fn name(members: &mut Members, path: &str, id: &InstanceId) -> Result<String, DoorbellError> {
    let name = text(members, "name")?.filter(|name| !name.trim().is_empty());
    let name = match &name {
        Some(name) if name.len() > MAX_NAME_BYTES => return invalid("name", "at most 256 bytes long"),
        Some(name) => name.trim(),
        None => base_name(path).filter(|name| name.len() <= MAX_NAME_BYTES).unwrap_or(id.as_str()),
    };
    Ok(clean(name))
}

/// `started`, or the Go program's `started_at`.
pub(super) fn started(members: &mut Members) -> Result<String, DoorbellError> {
    let started = match text(members, "started")? {
        Some(started) => started,
        None => text(members, "started_at")?.unwrap_or_default(),
    };
    let is_time = || started.len() <= MAX_TIME_BYTES && started.parse::<jiff::Timestamp>().is_ok();
    if started.is_empty() || is_time() { Ok(started) } else { invalid("started", "a time as in RFC 3339") }
}

pub(super) fn endpoint(members: &mut Members) -> Result<String, DoorbellError> {
    let Some(endpoint) = text(members, "endpoint")? else { return Ok(DEFAULT_ENDPOINT.to_owned()) };
    check_endpoint(&endpoint)?;
    Ok(endpoint)
}

/// An endpoint becomes the target of a request line: only what RFC 3986 allows in a path and query, and nothing that
/// could mean another host (`//`) or another directory (`..`, also when encoded).
fn check_endpoint(endpoint: &str) -> Result<(), DoorbellError> {
    if endpoint.len() > MAX_ENDPOINT_BYTES {
        return invalid("endpoint", "at most 1024 bytes long");
    }
    if !endpoint.starts_with('/') || endpoint.starts_with("//") {
        return invalid("endpoint", "a path that begins with one slash");
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/?%".contains(&byte);
    if !endpoint.bytes().all(allowed) {
        return invalid("endpoint", "made of characters that a URL path allows");
    }
    let Some(decoded) = percent_decode(endpoint) else {
        return invalid("endpoint", "a path whose `%` are followed by two hexadecimal digits");
    };
    if decoded.iter().any(u8::is_ascii_control) {
        return invalid("endpoint", "free of encoded control characters");
    }
    let path = decoded.split(|&byte| byte == b'?').next().unwrap_or_default();
    if path.split(|byte| matches!(byte, b'/' | b'\\')).any(|segment| matches!(segment, b"." | b"..")) {
        return invalid("endpoint", "a path without `.` and `..`");
    }
    Ok(())
}

fn percent_decode(text: &str) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let mut digit = || char::from(bytes.next()?).to_digit(16);
            decoded.push(u8::try_from(digit()? * 16 + digit()?).ok()?);
        } else {
            decoded.push(byte);
        }
    }
    Some(decoded)
}

/// An extension that anybody may have used for something else: what is not a plain version stays where it is.
pub(super) fn version(members: &mut Members) -> Option<String> {
    let version = members.get("version")?.as_str().filter(|version| version.len() <= MAX_VERSION_BYTES)?;
    let version = clean(version);
    members.shift_remove("version");
    Some(version)
}

/// Like [`version`]: taken when every label is a text, else left as it is.
pub(super) fn labels(members: &mut Members) -> BTreeMap<String, String> {
    let text = |(key, value): (&String, &Value)| Some((clean(key), clean(value.as_str()?)));
    let labels = members.get("labels").and_then(Value::as_object);
    let Some(labels) = labels.and_then(|labels| labels.iter().map(text).collect::<Option<_>>()) else {
        return BTreeMap::new();
    };
    members.shift_remove("labels");
    labels
}
