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

/// How long a client's hub may take to list the instances: npx may download it first.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long a program may take to say its version, or to end when it has nothing left to do: npm takes a second or two.
const MOMENT: Duration = Duration::from_secs(5);

/// What to look at, and what to do about it.
#[derive(Clone, Debug)]
pub(crate) struct DoctorRequest {
    pub(crate) fix: bool,
    pub(crate) json: bool,
    /// The directory of doorbell files that the clients' hubs are to be told.
    pub(crate) data_dir: Option<PathBuf>,
}

/// What programs on Node may wait for: settings that are no regular file, such as a pipe that nobody writes.
fn waited_for() -> Option<String> {
    let directories = [std::env::current_dir().ok(), std::env::home_dir()];
    let settings = directories.into_iter().flatten().map(|directory| directory.join(".npmrc"));
    let odd = settings.into_iter().find(|file| std::fs::metadata(file).is_ok_and(|it| !it.is_file()))?;
    Some(format!("{} is no regular file: npm and npx wait until it says something", odd.display()))
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
