//! What a hub tells a supervisor: one JSON text on its standard input, where nobody else reads it. The environment is that of
//! the supervisor itself.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::config::Wanted;

/// Another version of this program may read it: members are added, never changed.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Spec {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<String>,
    /// The project's file that declares it; another version does not say.
    #[serde(default)]
    pub(super) project_file: Option<PathBuf>,
    /// Where the server is started.
    pub(super) directory: PathBuf,
    /// The project that it belongs to.
    pub(super) path: PathBuf,
    pub(super) per_session: bool,
    /// None: until somebody ends it.
    pub(super) idle_ms: Option<u64>,
    /// The data directory.
    pub(super) data: PathBuf,
}

impl Spec {
    pub(super) fn of(wanted: &Wanted, data: &Path) -> Self {
        let milliseconds = |idle: Duration| u64::try_from(idle.as_millis()).unwrap_or(u64::MAX);
        Self {
            id: wanted.id.to_string(),
            name: wanted.name.clone(),
            program: wanted.program.clone().into(),
            arguments: wanted.arguments.clone(),
            project_file: wanted.project_file.clone(),
            directory: wanted.directory.clone(),
            path: wanted.path.clone(),
            per_session: wanted.sharing == brummer_hub::stdio_instance::Sharing::PerSession,
            idle_ms: wanted.idle.map(milliseconds),
            data: data.to_owned(),
        }
    }
}
