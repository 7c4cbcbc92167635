//! Log messages to clients. Deprecated in MCP since 2026-07-28, and what clients of both eras still show.
#![expect(deprecated, reason = "the SDK deprecates what the revisions before 2026-07-28 have")]

use rmcp::{
    Peer, RoleServer,
    model::{LoggingLevel, LoggingMessageNotificationParam},
    service::RequestContext,
};
use serde_json::Value;

/// How much a log message matters (2025-11-25, logging § Log Levels).
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub enum LogLevel {
    /// For whoever looks for a defect.
    Debug,
    /// What happens. Sessions get messages from here on until their client says otherwise.
    #[default]
    Info,
    /// What happens and matters.
    Notice,
    /// Something may go wrong.
    Warning,
    /// Something went wrong.
    Error,
    /// A part does not work any more.
    Critical,
    /// Someone has to act at once.
    Alert,
    /// Nothing works any more.
    Emergency,
}

impl LogLevel {
    pub(super) fn of_sdk(level: LoggingLevel) -> Self {
        match level {
            LoggingLevel::Debug => Self::Debug,
            LoggingLevel::Info => Self::Info,
            LoggingLevel::Notice => Self::Notice,
            LoggingLevel::Warning => Self::Warning,
            LoggingLevel::Error => Self::Error,
            LoggingLevel::Critical => Self::Critical,
            LoggingLevel::Alert => Self::Alert,
            LoggingLevel::Emergency => Self::Emergency,
        }
    }

    fn as_sdk(self) -> LoggingLevel {
        match self {
            Self::Debug => LoggingLevel::Debug,
            Self::Info => LoggingLevel::Info,
            Self::Notice => LoggingLevel::Notice,
            Self::Warning => LoggingLevel::Warning,
            Self::Error => LoggingLevel::Error,
            Self::Critical => LoggingLevel::Critical,
            Self::Alert => LoggingLevel::Alert,
            Self::Emergency => LoggingLevel::Emergency,
        }
    }
}

#[cfg(feature = "sdk")]
impl From<LoggingLevel> for LogLevel {
    fn from(level: LoggingLevel) -> Self {
        Self::of_sdk(level)
    }
}

#[cfg(feature = "sdk")]
impl From<LogLevel> for LoggingLevel {
    fn from(level: LogLevel) -> Self {
        level.as_sdk()
    }
}

/// From which level on this request wants messages; without one, none (2026-07-28, logging § Per-request log level).
pub(super) fn wanted(context: &RequestContext<RoleServer>) -> Option<LogLevel> {
    context.meta.log_level().map(LogLevel::of_sdk)
}

/// Sends a message. A client that has gone away misses nothing.
pub(super) async fn send(peer: &Peer<RoleServer>, level: LogLevel, logger: Option<&str>, data: Value) {
    let mut message = LoggingMessageNotificationParam::new(level.as_sdk(), data);
    message.logger = logger.map(str::to_owned);
    let _ = peer.notify_logging_message(message).await;
}
