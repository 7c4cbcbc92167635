//! What each member of a doorbell may be. Each method takes its member out of the object, so that what is left at the
//! end is unknown and kept.

use std::{collections::BTreeMap, net::IpAddr, path::Path};

use hyper::Uri;
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use serde_json::{Map, Value};

use super::{
    Credentials, DEFAULT_ENDPOINT, DoorbellError, InstanceId, MAX_ENDPOINT_BYTES, MAX_NAME_BYTES,
    MAX_PATH_BYTES, Remark, Secret,
};
use crate::terminal;

/// Longest RFC 3339 time: 35 characters with nanoseconds and an offset; the rest is for a named zone.
const MAX_TIME_BYTES: usize = 64;

/// Numbers between these are seconds since 1970 (2001 to 2286), larger ones milliseconds.
const EARLIEST_SECOND: i64 = 1_000_000_000;
const LATEST_SECOND: i64 = 9_999_999_999;

/// Longest version that is shown as such.
const MAX_VERSION_BYTES: usize = 128;

/// How much of a wrong text goes into a message.
const SHOWN_CHARACTERS: usize = 80;

/// The members that are left, and what was noticed about those that were taken.
pub(super) struct DoorbellMembers<'a> {
    pub(super) members: Map<String, Value>,
    pub(super) remarks: &'a mut Vec<Remark>,
}

fn invalid<T>(member: &'static str, expected: &'static str) -> Result<T, DoorbellError> {
    Err(DoorbellError::Invalid { member, expected })
}

/// A text for a message: short, and without characters that act on a terminal.
pub(super) fn shown(text: &str) -> String {
    clean(text).chars().take(SHOWN_CHARACTERS).collect()
}

/// The text with deceptive characters replaced.
pub(super) fn clean(text: &str) -> String {
    terminal::clean_line(text).into_owned()
}

/// The last part of a path, whichever system's separators it has.
pub(super) fn base_name(path: &str) -> Option<&str> {
    path.trim_end_matches(['/', '\\']).rsplit(['/', '\\']).next().filter(|name| !name.is_empty())
}

/// A whole number, however it is written: programs write `3000`, `3000.0` and `"3000"`.
fn whole(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64().or_else(|| {
            let float = number.as_f64().filter(|float| float.fract() == 0.0)?;
            // Printed without an exponent, so that nothing is rounded.
            format!("{float}").parse().ok()
        }),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// A short text, however it is written.
fn brief(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

impl DoorbellMembers<'_> {
    fn remark(&mut self, member: &'static str, what: &'static str) {
        self.remarks.push(Remark { member, what });
    }

    /// A member that is there; null counts as absent.
    fn take(&mut self, member: &str) -> Option<Value> {
        self.members.shift_remove(member).filter(|value| !value.is_null())
    }

    /// A member that must be a text when it is there.
    pub(super) fn text(&mut self, member: &'static str) -> Result<Option<String>, DoorbellError> {
        match self.take(member) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => invalid(member, "a string"),
        }
    }

    pub(super) fn flag(&mut self, member: &'static str) -> bool {
        match self.take(member) {
            None => false,
            Some(Value::Bool(flag)) => flag,
            Some(Value::String(text)) if text.eq_ignore_ascii_case("true") => true,
            Some(Value::String(text)) if text.eq_ignore_ascii_case("false") => false,
            Some(Value::Number(number)) => number.as_f64() != Some(0.0),
            Some(_) => {
                self.remark(member, "is not true or false; taken as false");
                false
            }
        }
    }

    pub(super) fn port(&mut self) -> Result<u16, DoorbellError> {
        let value = self.members.shift_remove("port").ok_or(DoorbellError::Missing { member: "port" })?;
        match whole(&value).and_then(|port| u16::try_from(port).ok()) {
            Some(port) if port > 0 => Ok(port),
            _ => invalid("port", "a number from 1 to 65535"),
        }
    }

    /// `pid`, or the Go program's `process_info.pid`; `process_info` itself stays, for its `executable`.
    pub(super) fn pid(&mut self) -> Result<u32, DoorbellError> {
        let value = match self.members.shift_remove("pid") {
            Some(pid) => pid,
            None => match self.members.get("process_info") {
                None => return Err(DoorbellError::Missing { member: "pid" }),
                Some(info) => info.get("pid").cloned().unwrap_or_default(),
            },
        };
        match whole(&value).and_then(|pid| u32::try_from(pid).ok()) {
            Some(pid) if pid > 0 => Ok(pid),
            _ => invalid("pid", "the number of a process"),
        }
    }

    /// `path`, or the Go program's `directory`.
    pub(super) fn path(&mut self) -> Result<String, DoorbellError> {
        let path = match self.text("path")? {
            Some(path) => path,
            None => self.text("directory")?.ok_or(DoorbellError::Missing { member: "path" })?,
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

    /// `name`; without one the project directory's name, else the id.
    pub(super) fn name(&mut self, path: &str, id: &InstanceId) -> String {
        let given = self.take("name");
        let name = given.as_ref().and_then(brief).filter(|name| !name.trim().is_empty());
        let fitting = name.as_deref().map(str::trim).filter(|name| name.len() <= MAX_NAME_BYTES);
        if name.is_some() && fitting.is_none() {
            self.remark("name", "is longer than 256 bytes; the directory's name is used");
        } else if given.is_some_and(|given| brief(&given).is_none()) {
            self.remark("name", "is not a string; the directory's name is used");
        }
        let of_directory = || base_name(path).filter(|name| name.len() <= MAX_NAME_BYTES);
        clean(fitting.or_else(of_directory).unwrap_or(id.as_str()))
    }

    /// `started`, or the Go program's `started_at`, as a time of RFC 3339; empty when it says nothing of use.
    pub(super) fn started(&mut self) -> String {
        let Some(value) = self.take("started").or_else(|| self.take("started_at")) else {
            return String::new();
        };
        match &value {
            Value::String(text) if text.is_empty() => return String::new(),
            Value::String(text) if text.len() <= MAX_TIME_BYTES => {
                let text = text.trim();
                if text.parse::<Timestamp>().is_ok() {
                    return text.to_owned();
                }
                // Without a zone it is meant as the clock on the wall shows it.
                let local = text.parse::<DateTime>().and_then(|local| local.to_zoned(TimeZone::system()));
                if let Ok(zoned) = local {
                    return zoned.timestamp().to_string();
                }
            }
            _ => {}
        }
        // Milliseconds since 1970 as JavaScript counts them, or seconds as the others do.
        let since_1970 = whole(&value).and_then(|number| i64::try_from(number).ok());
        let since_1970 = since_1970.or_else(|| value.as_f64().map(float_seconds));
        let time = since_1970.and_then(|number| match number {
            EARLIEST_SECOND..=LATEST_SECOND => Timestamp::from_second(number).ok(),
            _ => Timestamp::from_millisecond(number).ok().filter(|_| number > LATEST_SECOND),
        });
        match time {
            Some(time) => time.to_string(),
            None => {
                self.remark("started", "is not a time as in RFC 3339; taken as unknown");
                String::new()
            }
        }
    }

    /// A path, or a URL of this host and port; with the address that a URL names.
    pub(super) fn endpoint(&mut self, port: u16) -> Result<(String, Option<IpAddr>), DoorbellError> {
        let given = self.text("endpoint")?.filter(|endpoint| !endpoint.trim().is_empty());
        let Some(given) = given else { return Ok((DEFAULT_ENDPOINT.to_owned(), None)) };
        let (endpoint, host) = match given.split_once("://") {
            None if given.starts_with('/') => (given, None),
            None => (format!("/{given}"), None),
            Some(_) => {
                let Some((path, host, named)) = of_url(&given) else {
                    return invalid("endpoint", "a path, or an `http` URL on a loopback address");
                };
                if named != port {
                    return invalid("endpoint", "at the port that `port` names, or a path");
                }
                (path, host)
            }
        };
        check_endpoint(&endpoint)?;
        Ok((endpoint, host))
    }

    /// The address to connect to, when it is one of this machine's own.
    pub(super) fn host(&mut self) -> Option<IpAddr> {
        let value = self.members.get("host")?;
        let host = value.as_str().map(loopback);
        match host {
            Some(Ok(host)) => {
                self.members.shift_remove("host");
                host
            }
            // It stays where it is: shown, and not used.
            Some(Err(())) | None => {
                self.remark("host", "is not a loopback address; the port is looked for on loopback");
                None
            }
        }
    }

    /// What opens the door.
    pub(super) fn secrets(&mut self) -> Result<(Option<Secret>, BTreeMap<String, Secret>), DoorbellError> {
        const TOKEN: &str = "a string of at most 4096 characters of printable ASCII";
        const HEADERS: &str =
            "an object of strings by header name, none of which the hub writes itself or `token` stands for";
        let token = match self.text("token")?.filter(|token| !token.is_empty()) {
            None => None,
            Some(token) => match Secret::new(&token) {
                Ok(token) => Some(token),
                Err(_) => return invalid("token", TOKEN),
            },
        };
        let mut headers = BTreeMap::new();
        match self.take("headers") {
            None => {}
            Some(Value::Object(given)) => {
                for (name, value) in given {
                    let Some(Ok(value)) = value.as_str().map(Secret::new) else {
                        return invalid("headers", HEADERS);
                    };
                    headers.insert(name.to_ascii_lowercase(), value);
                }
            }
            Some(_) => return invalid("headers", HEADERS),
        }
        if Credentials::of(token.as_ref(), &headers).is_none() {
            return invalid("headers", HEADERS);
        }
        Ok((token, headers))
    }

    pub(super) fn pid_namespace(&mut self) -> Option<u64> {
        let namespace = self.take("pid_namespace")?;
        let number = whole(&namespace);
        if number.is_none() {
            self.remark("pid_namespace", "is not a number; taken as unknown");
        }
        number
    }

    /// An extension that anybody may have used for something else: what is not a plain version stays where it is.
    pub(super) fn version(&mut self) -> Option<String> {
        let version = self.members.get("version").and_then(brief)?;
        if version.len() > MAX_VERSION_BYTES {
            return None;
        }
        self.members.shift_remove("version");
        Some(clean(&version))
    }

    /// Like [`version`](Self::version): taken when every label is a text, else left as it is.
    pub(super) fn labels(&mut self) -> BTreeMap<String, String> {
        let text = |(key, value): (&String, &Value)| Some((clean(key), clean(&brief(value)?)));
        let labels = self.members.get("labels").and_then(Value::as_object);
        let Some(labels) = labels.and_then(|labels| labels.iter().map(text).collect::<Option<_>>()) else {
            return BTreeMap::new();
        };
        self.members.shift_remove("labels");
        labels
    }
}

/// Seconds with a fraction, as Python's `time.time()` counts.
#[expect(clippy::cast_possible_truncation, reason = "a number that is too large is out of every range")]
fn float_seconds(float: f64) -> i64 {
    float as i64
}

/// A loopback address; none for a name that means any of them.
pub(crate) fn loopback(host: &str) -> Result<Option<IpAddr>, ()> {
    let host = host.trim();
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    if host.is_empty() || host.eq_ignore_ascii_case("localhost") {
        return Ok(None);
    }
    match host.parse::<IpAddr>().map(|address| address.to_canonical()) {
        Ok(address) if address.is_unspecified() => Ok(None),
        Ok(address) if address.is_loopback() => Ok(Some(address)),
        _ => Err(()),
    }
}

/// The path and query, the address and the port of an `http` URL of this machine.
fn of_url(url: &str) -> Option<(String, Option<IpAddr>, u16)> {
    let uri = Uri::try_from(url.trim()).ok()?;
    let authority = uri.authority()?;
    if uri.scheme_str() != Some("http") || authority.as_str().contains('@') {
        return None;
    }
    let host = loopback(authority.host()).ok()?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    Some((path.to_owned(), host, authority.port_u16().unwrap_or(80)))
}

/// Where a server is that a person names by its URL: endpoint, address (none: any of loopback) and port.
pub(crate) fn endpoint_of_url(url: &str) -> Result<(String, Option<IpAddr>, u16), DoorbellError> {
    let (endpoint, host, port) = match of_url(url) {
        Some(place) if place.2 > 0 => place,
        _ => return invalid("url", "an http URL of this machine, such as http://127.0.0.1:3845/mcp"),
    };
    check_endpoint(&endpoint)?;
    Ok((endpoint, host, port))
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
