//! Log levels (RFC 5424, as MCP spells them).

use serde::Deserialize;

/// How severe a log message is, least first.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    Debug,
    Info,
    Notice,
    Warning,
    Error,
    Critical,
    Alert,
    Emergency,
}

impl Level {
    /// What a client is told that named another.
    pub(super) const CHOICES: &'static str =
        "must be one of debug, info, notice, warning, error, critical, alert, emergency";

    /// The level as it is written on the wire.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
            Self::Alert => "alert",
            Self::Emergency => "emergency",
        }
    }
}
