//! Why there is no answer, or what the answer says is wrong.

use std::fmt;

/// Why a request of a [`Client`](super::Client) has no result.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// A text is not the JSON that is wanted there.
    #[error("`{what}` is not the JSON that is wanted: {reason}")]
    InvalidJson {
        /// Which text.
        what: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// Something cannot be meant like this.
    #[error("{reason}")]
    InvalidArgument {
        /// What is wrong.
        reason: String,
    },
    /// The time that was given is up. The request was cancelled; whether the instance had done it is not known.
    #[error("no answer within the time given; the request was cancelled")]
    TimedOut,
    /// The session or the hub has ended.
    #[error("the session has ended")]
    Ended,
    /// Too many requests of this client are unanswered.
    #[error("{} requests are unanswered; wait for some of them", super::task::PENDING)]
    TooMany,
    /// The hub or the instance answered with an error.
    #[error("{0}")]
    Rpc(RpcError),
    /// A tool of the hub refused.
    #[error("{text}")]
    Tool {
        /// What it said, with the candidates where there are some.
        text: String,
    },
}

impl ClientError {
    pub(super) fn invalid(reason: impl fmt::Display) -> Self {
        Self::InvalidArgument { reason: reason.to_string() }
    }
}

/// A JSON-RPC error as it was answered.
#[derive(Clone, Debug, serde::Deserialize, thiserror::Error)]
#[error("{message} (code {code})")]
#[non_exhaustive]
pub struct RpcError {
    /// Its code.
    #[serde(default)]
    pub code: i64,
    /// Its message.
    #[serde(default)]
    pub message: String,
    /// Its data, as JSON text.
    #[serde(default, deserialize_with = "text")]
    pub data: Option<String>,
}

fn text<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let raw: &serde_json::value::RawValue = serde::Deserialize::deserialize(deserializer)?;
    Ok(Some(raw.get().to_owned()))
}

impl RpcError {
    /// Reads a message that carries an error.
    pub(super) fn of(message: &[u8]) -> Self {
        #[derive(serde::Deserialize)]
        struct Failed<'a> {
            #[serde(borrow)]
            error: &'a serde_json::value::RawValue,
        }
        let read = |failed: Failed<'_>| serde_json::from_str(failed.error.get()).ok();
        serde_json::from_slice(message).ok().and_then(read).unwrap_or_else(|| Self {
            code: i64::from(crate::protocol::code::INTERNAL_ERROR),
            message: "the answer is an error that cannot be read".to_owned(),
            data: None,
        })
    }
}
