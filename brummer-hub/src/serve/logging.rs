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

impl From<LoggingLevel> for LogLevel {
    fn from(level: LoggingLevel) -> Self {
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
}

impl From<LogLevel> for LoggingLevel {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Debug => Self::Debug,
            LogLevel::Info => Self::Info,
            LogLevel::Notice => Self::Notice,
            LogLevel::Warning => Self::Warning,
            LogLevel::Error => Self::Error,
            LogLevel::Critical => Self::Critical,
            LogLevel::Alert => Self::Alert,
            LogLevel::Emergency => Self::Emergency,
        }
    }
}

/// From which level on this request wants messages; without one, none (2026-07-28, logging § Per-request log level).
pub(super) fn wanted(context: &RequestContext<RoleServer>) -> Option<LogLevel> {
    context.meta.log_level().map(LogLevel::from)
}

/// Sends a message. A client that has gone away misses nothing.
pub(super) async fn send(peer: &Peer<RoleServer>, level: LogLevel, logger: Option<&str>, data: Value) {
    let mut message = LoggingMessageNotificationParam::new(level.into(), data);
    message.logger = logger.map(str::to_owned);
    let _ = peer.notify_logging_message(message).await;
}
