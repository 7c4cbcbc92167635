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
    /// Of an answer, for the rest
    pub(super) cursor: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Run {
    /// As in scripts_list, or WORKSPACE#SCRIPT
    pub(super) name: String,
    /// Passed on to the script
    #[serde(default)]
    pub(super) args: Vec<String>,
    /// Those that this run permits
    #[serde(default)]
    pub(super) env: BTreeMap<String, String>,
    /// Passed on as PORT
    pub(super) port: Option<NonZeroU16>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Input {
    /// Id or script name
    pub(super) process_id: String,
    pub(super) text: Option<String>,
    /// End the line (default true)
    pub(super) enter: Option<bool>,
    /// Instead of text
    pub(super) key: Option<Key>,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
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
    #[serde(rename = "ctrl-c")]
    Interrupt,
    #[serde(rename = "ctrl-d")]
    EndOfInput,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Stop {
    /// Id or script name
    pub(super) process_id: String,
    /// Before it is killed (default 5, max 60)
    pub(super) grace_seconds: Option<f64>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Status {
    /// Only this script or process
    pub(super) name: Option<String>,
    pub(super) cursor: Option<String>,
}

/// The least level of lines.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
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
    /// In any case
    pub(super) query: String,
    /// Rust regex
    #[serde(default)]
    pub(super) regex: bool,
    /// Or above
    #[serde(default)]
    pub(super) level: LevelArgument,
    /// Id or script name
    pub(super) process_id: Option<String>,
    /// RFC 3339, or how long ago: 5m
    pub(super) since: Option<String>,
    /// Default 100, max 1000
    pub(super) limit: Option<u32>,
    /// cursor or olderCursor of an answer
    pub(super) cursor: Option<String>,
    #[serde(default)]
    pub(super) ansi: bool,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Tail {
    /// Id or script name
    pub(super) process_id: Option<String>,
    /// Or above
    #[serde(default)]
    pub(super) level: LevelArgument,
    /// Default 100, max 1000
    pub(super) limit: Option<u32>,
    /// cursor or olderCursor of an answer
    pub(super) cursor: Option<String>,
    #[serde(default)]
    pub(super) ansi: bool,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Stream {
    /// Id or script name; ends with it
    pub(super) process_id: Option<String>,
    /// Or above
    #[serde(default)]
    pub(super) level: LevelArgument,
    /// In any case
    pub(super) query: Option<String>,
    /// Rust regex
    #[serde(default)]
    pub(super) regex: bool,
    /// False: the last lines at once
    pub(super) follow: Option<bool>,
    /// Default 100, max 1000
    pub(super) limit: Option<u32>,
    /// Default 30, max 600
    pub(super) seconds: Option<f64>,
    /// Of an answer
    pub(super) cursor: Option<String>,
    #[serde(default)]
    pub(super) ansi: bool,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Wait {
    /// On this machine; answers with a status below 500
    pub(super) url: Option<String>,
    /// A line has this, in any case; what running scripts have printed counts
    pub(super) log: Option<String>,
    /// Rust regex
    #[serde(default)]
    pub(super) regex: bool,
    /// Something listens on it
    pub(super) port: Option<u16>,
    /// Id or script name; it has ended
    pub(super) exit: Option<String>,
    /// Id or script name; its last build has no errors
    pub(super) clean: Option<String>,
    /// Whose url, port or log is meant; servers of others do not count
    pub(super) process_id: Option<String>,
    /// One is enough, instead of all
    #[serde(default)]
    pub(super) any: bool,
    /// Of an answer; log and clean: what came after
    pub(super) cursor: Option<String>,
    /// Default 30, max 600
    pub(super) timeout_seconds: Option<f64>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ErrorsArguments {
    /// Id or script name
    pub(super) process_id: Option<String>,
    /// RFC 3339, or how long ago: 5m
    pub(super) since: Option<String>,
    /// Also resolved ones
    #[serde(default)]
    pub(super) resolved: bool,
    /// Default 20, max 100
    pub(super) limit: Option<u32>,
    pub(super) cursor: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct UrlsArguments {
    /// Also URLs of other machines
    #[serde(default)]
    pub(super) all: bool,
    pub(super) cursor: Option<String>,
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
    pattern.map_err(|why| CallError::new(format!("`{text}` is not a valid regular expression: {why}")))
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
            "`{text}` is not a valid time; write it as `2026-01-31T12:00:00Z`, or how long ago, as `90s`, `5m` or `2h`"
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
        assert!(since(Some("yesterday"), now).unwrap_err().message().contains("is not a valid time"));
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
