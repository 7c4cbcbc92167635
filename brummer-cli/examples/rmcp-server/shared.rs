//! What all sessions share, and what the parts of the server need of each other.

use std::{collections::BTreeMap, sync::Arc};

use rmcp::{
    ErrorData, RoleServer,
    service::{RequestContext, ServiceError},
};
use serde_json::json;
use tokio::sync::watch;

/// Which clients a server is for.
#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
pub(crate) enum Era {
    /// Only those that open with `initialize`.
    Legacy,
    /// Only those of 2026-07-28 and later.
    Modern,
    #[default]
    Both,
}

/// What all sessions share. Each value has one writer side and any number of readers that wait for changes.
#[derive(Clone, Default)]
pub(crate) struct Shared {
    pub(crate) era: Era,
    /// How often each note was touched.
    pub(crate) revisions: Arc<watch::Sender<BTreeMap<String, u64>>>,
    /// How many tools were added.
    pub(crate) added_tools: Arc<watch::Sender<usize>>,
    /// How many calls of `slow` were cancelled.
    pub(crate) cancelled: Arc<watch::Sender<u64>>,
}

impl Shared {
    /// A call of `slow` was cancelled. What it answers, if anybody still listens.
    pub(crate) fn note_cancelled(&self) -> ErrorData {
        self.cancelled.send_modify(|count| *count += 1);
        ErrorData::internal_error("cancelled", None)
    }
}

/// Whether the request is of a revision without sessions.
pub(crate) fn is_modern(context: &RequestContext<RoleServer>) -> bool {
    context.protocol_version().is_some_and(|version| !version.has_initialize())
}

/// The name in `note://NAME`.
pub(crate) fn note_name(uri: &str) -> Result<&str, ErrorData> {
    uri.strip_prefix("note://").filter(|name| !name.is_empty()).ok_or_else(|| {
        ErrorData::resource_not_found(format!("no resource {uri}"), Some(json!({ "uri": uri })))
    })
}

/// The client could not be asked or told.
pub(crate) fn gone(error: ServiceError) -> ErrorData {
    match error {
        ServiceError::McpError(error) => error,
        error => ErrorData::internal_error(error.to_string(), None),
    }
}
