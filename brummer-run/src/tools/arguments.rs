//! What the tools take. The descriptions are read by models.

use std::{collections::BTreeMap, num::NonZeroU16, ops::RangeInclusive, time::Duration};

use brummer_hub::serve::CallError;
use jiff::{SignedDuration, Timestamp};
use rmcp::schemars::{self, JsonSchema};
use serde::Deserialize;

use crate::log::{level::Level, search::Pattern};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct List {
    /// `cursor` of an earlier answer, for what did not fit into it
    pub(super) cursor: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Run {
    /// The script's name as in scripts_list, or WORKSPACE#SCRIPT
    pub(super) name: String,
    /// Arguments to pass on to the script
    #[serde(default)]
    pub(super) args: Vec<String>,
    /// Environment variables for the script; only those that this run lets clients set
    #[serde(default)]
    pub(super) env: BTreeMap<String, String>,
    /// The port to listen on, passed on as the environment variable PORT
    pub(super) port: Option<NonZeroU16>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Input {
    /// The process's id, or the script's name
    pub(super) process_id: String,
    /// Text to type; a line end follows
    pub(super) text: Option<String>,
    /// Whether a line end follows the text (default true)
    pub(super) enter: Option<bool>,
    /// A key to press, instead of a text
    pub(super) key: Option<Key>,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Key {
    Enter,
    Escape,
    Space,
    Tab,
    Backspace,
    Up,
    Down,
    Left,
    Right,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Stop {
    /// The process's id, or the script's name
    pub(super) process_id: String,
    /// Seconds it may take to end by itself before it is killed (default 5, at most 60)
    pub(super) grace_seconds: Option<f64>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Status {
    /// Only this script or process
    pub(super) name: Option<String>,
}

/// The least level of lines.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum LevelArgument {
    #[default]
    All,
    Debug,
    Info,
    Warn,
    Error,
    Critical,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Search {
    /// Text to look for, in any case; or a regular expression
    pub(super) query: String,
    /// The query is a regular expression (Rust syntax; `(?i)` for any case)
    #[serde(default)]
    pub(super) regex: bool,
    /// Only lines of this level or above
    #[serde(default)]
    pub(super) level: LevelArgument,
    /// Only lines of this process, by id or script name
    pub(super) process_id: Option<String>,
    /// Only lines since then: RFC 3339, or how long ago, such as `5m`
    pub(super) since: Option<String>,
    /// Most entries to answer with (default 100, at most 1000)
    pub(super) limit: Option<u32>,
    /// `cursor` or `olderCursor` of an earlier answer
    pub(super) cursor: Option<String>,
    /// Keep terminal colours
    #[serde(default)]
    pub(super) ansi: bool,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Tail {
    /// Only lines of this process, by id or script name
    pub(super) process_id: Option<String>,
    /// Only lines of this level or above
    #[serde(default)]
    pub(super) level: LevelArgument,
    /// Most entries to answer with (default 100, at most 1000)
    pub(super) limit: Option<u32>,
    /// `cursor` or `olderCursor` of an earlier answer
    pub(super) cursor: Option<String>,
    /// Keep terminal colours
    #[serde(default)]
    pub(super) ansi: bool,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Stream {
    /// Only lines of this process, by id or script name; the stream ends when it ends
    pub(super) process_id: Option<String>,
    /// Only lines of this level or above
    #[serde(default)]
    pub(super) level: LevelArgument,
    /// Only lines with this text, in any case; or a regular expression
    pub(super) query: Option<String>,
    /// The query is a regular expression (Rust syntax; `(?i)` for any case)
    #[serde(default)]
    pub(super) regex: bool,
    /// Wait for new lines (default true); false answers with the last lines at once
    pub(super) follow: Option<bool>,
    /// End after so many entries (default 100, at most 1000)
    pub(super) limit: Option<u32>,
    /// End after so many seconds (default 30, at most 600)
    pub(super) seconds: Option<f64>,
    /// Begin after this `cursor` of an earlier answer instead of now
    pub(super) cursor: Option<String>,
    /// Keep terminal colours
    #[serde(default)]
    pub(super) ansi: bool,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Wait {
    /// Until this http or https URL of this machine answers with a status below 500
    pub(super) url: Option<String>,
    /// Until a line has this text, in any case; or fits a regular expression. Lines that running scripts have printed already count
    pub(super) log: Option<String>,
    /// `log` is a regular expression (Rust syntax; `(?i)` for any case)
    #[serde(default)]
    pub(super) regex: bool,
    /// Until something listens on this port of this machine; with `processId`, until that process does
    pub(super) port: Option<u16>,
    /// Until this process has ended, by id or script name
    pub(super) exit: Option<String>,
    /// Until the last build of this process has no errors, by id or script name. Ends early when a build fails
    pub(super) clean: Option<String>,
    /// The process that is to bring it about, by id or script name: the servers of others do not count, and if it ends first, so does the wait
    pub(super) process_id: Option<String>,
    /// With several of url, log, port, exit and clean: one of them is enough, instead of all
    #[serde(default)]
    pub(super) any: bool,
    /// For log and clean: only lines and builds after this `cursor` of an earlier answer
    pub(super) cursor: Option<String>,
    /// Give up after so many seconds (default 30, at most 600)
    pub(super) timeout_seconds: Option<f64>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ErrorsArguments {
    /// Only errors of this process, by id or script name
    pub(super) process_id: Option<String>,
    /// Only errors seen since then: RFC 3339, or how long ago, such as `5m`
    pub(super) since: Option<String>,
    /// Also errors that are resolved: a later build or run did without them
    #[serde(default)]
    pub(super) resolved: bool,
    /// Most errors to answer with (default 20, at most 100)
    pub(super) limit: Option<u32>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct UrlsArguments {
    /// Also URLs of other machines
    #[serde(default)]
    pub(super) all: bool,
}

impl LevelArgument {
    pub(super) fn least(self) -> Option<Level> {
        match self {
            Self::All => None,
            Self::Debug => Some(Level::Debug),
            Self::Info => Some(Level::Info),
            Self::Warn => Some(Level::Warn),
            Self::Error => Some(Level::Error),
            Self::Critical => Some(Level::Critical),
        }
    }
}

/// A number within its bounds.
pub(super) fn limit(given: Option<u32>, default: u32, most: u32) -> Result<usize, CallError> {
    let limit = given.unwrap_or(default);
    if !(1..=most).contains(&limit) {
        return Err(CallError::new(format!("`limit` is {limit}; it must be from 1 to {most}")));
    }
    Ok(limit as usize)
}

/// A time within its bounds.
pub(super) fn seconds(
    name: &str,
    given: Option<f64>,
    default: Duration,
    allowed: RangeInclusive<f64>,
) -> Result<Duration, CallError> {
    let Some(given) = given else { return Ok(default) };
    let (least, most) = allowed.clone().into_inner();
    let time = Duration::try_from_secs_f64(given).ok().filter(|_| allowed.contains(&given));
    time.ok_or_else(|| CallError::new(format!("`{name}` is {given}; it must be from {least} to {most}")))
}

/// Words or a regular expression.
pub(super) fn pattern(text: &str, regex: bool) -> Result<Pattern, CallError> {
    if text.is_empty() {
        return Err(CallError::new("the text to look for is empty"));
    }
    let pattern = if regex { Pattern::regex(text) } else { Pattern::words(text) };
    pattern.map_err(|why| CallError::new(format!("`{text}` is no regular expression: {why}")))
}

/// A time, as milliseconds of Unix time.
pub(super) fn since(text: Option<&str>, now: Timestamp) -> Result<Option<i64>, CallError> {
    let Some(text) = text else { return Ok(None) };
    let time = text.parse::<Timestamp>().ok().or_else(|| {
        let ago: SignedDuration = text.trim_end_matches(" ago").parse().ok()?;
        now.checked_sub(ago.abs()).ok()
    });
    let time = time.ok_or_else(|| {
        CallError::new(format!(
            "`{text}` is no time; write it as `2026-01-31T12:00:00Z`, or how long ago, as `90s`, `5m` or `2h`"
        ))
    })?;
    Ok(Some(time.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_absolute_or_ago() {
        let now: Timestamp = "2026-01-31T12:00:00Z".parse().unwrap();
        let at = |text: &str| since(Some(text), now).unwrap().map(|it| now.as_millisecond() - it);
        assert_eq!(at("2026-01-31T11:59:00Z"), Some(60_000));
        assert_eq!(at("2026-01-31T13:00:00+01:00"), Some(0));
        assert_eq!((at("90s"), at("5m"), at("1h 30m ago")), (Some(90_000), Some(300_000), Some(5_400_000)));
        assert!(since(Some("yesterday"), now).unwrap_err().message().contains("is no time"));
        assert_eq!(since(None, now).unwrap(), None);
    }

    #[test]
    fn bounds_are_named() {
        assert_eq!(limit(None, 100, 1000).unwrap(), 100);
        assert!(limit(Some(0), 100, 1000).unwrap_err().message().contains("from 1 to 1000"));
        let time = |given| seconds("seconds", Some(given), Duration::ZERO, 0.0..=600.0);
        assert_eq!(time(1.5).unwrap(), Duration::from_millis(1500));
        for wrong in [-1.0, 601.0, f64::NAN, f64::INFINITY] {
            assert!(time(wrong).unwrap_err().message().contains("from 0 to 600"));
        }
    }

    #[test]
    fn unknown_arguments_are_refused_by_name() {
        let error = serde_json::from_str::<Tail>(r#"{ "process": "dev" }"#).unwrap_err().to_string();
        assert!(error.contains("unknown field `process`, expected one of `processId`"), "{error}");
    }
}
