//! `doctor`: looks at everything that a hub depends on, explains what is wrong, and repairs what can be repaired.
//!
//! What it prints can be put into a bug report: [`report`] takes out the home directory, and no value of a variable is
//! ever read into it.

mod clients;
mod configuration;
mod directories;
mod instances;
mod program;
mod report;

use std::{path::PathBuf, time::Duration};

use brummer_hub::{Hub, HubConfig};

use self::report::Report;
use crate::exit::{ExitStatus, Failure};

/// How long a program may take to say its version, or a client's hub to list the instances: npx may download first.
const PATIENCE: Duration = Duration::from_secs(20);

/// What to look at, and what to do about it.
#[derive(Clone, Debug)]
pub(crate) struct DoctorRequest {
    pub(crate) fix: bool,
    pub(crate) json: bool,
    /// The directory of doorbell files that the clients' hubs are to be told.
    pub(crate) data_dir: Option<PathBuf>,
}

/// Looks at everything, and says what it sees.
pub(crate) async fn doctor(config: HubConfig, request: DoctorRequest) -> Result<ExitStatus, Failure> {
    let mut report = Report::new(request.fix);
    let places = config.directories.clone();
    program::look(&mut report).await;
    directories::look(&places, &mut report);
    configuration::look(&places, &mut report);
    let hub = Hub::start(config);
    let snapshot = hub.settled().await;
    directories::look_at_files(&places, &snapshot, &mut report);
    instances::look(&snapshot, &mut report);
    clients::look(&snapshot, request.data_dir.as_deref(), &mut report).await;
    hub.shutdown().await;
    report.print(request.json)
}
