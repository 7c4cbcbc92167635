//! The MCP resources of a run, and who tells of their changes.
//!
//! Each is the structured content of a tool, so that there is one form for everything.

use std::time::Duration;

use brummer_hub::serve::{Changes, Offer, ResourceRead};
use rmcp::model::Resource;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::{
    log::{Filter, Start, level::Level, search::Which},
    tools::{self, App, ErrorFilter},
};

const RECENT: &str = "logs://recent";
const ERRORS: &str = "logs://errors";
const ACTIVE: &str = "processes://active";
const AVAILABLE: &str = "scripts://available";

/// How many entries the resources of the log have.
const RECENT_ENTRIES: usize = 100;
const ERROR_ENTRIES: usize = 50;

/// Least time between two announcements that the log has grown: it may grow with every line of a script.
const PACE: Duration = Duration::from_millis(250);

/// How often `package.json` is looked at: nobody waits for the news that a script was added.
const LOOK: Duration = Duration::from_secs(2);

pub(crate) fn add(offer: &mut Offer, app: &App) {
    resource(
        offer,
        app,
        RECENT,
        "Recent output",
        "The last lines that the scripts have printed",
        |app| async move {
            let page = app.logs.page(Filter::default(), Start::Newest, RECENT_ENTRIES, false).await;
            Ok(serde_json::to_value(tools::page(&app, page, true, "nothing was printed").0)?)
        },
    );
    resource(offer, app, ERRORS, "Recent errors", "The last lines that are errors", |app| async move {
        let filter = Filter { level: Some(Level::Error), ..Filter::default() };
        let page = app.logs.page(filter, Start::Newest, ERROR_ENTRIES, false).await;
        Ok(serde_json::to_value(tools::page(&app, page, true, "nothing was printed").0)?)
    });
    resource(offer, app, ACTIVE, "Running scripts", "The scripts that run", |app| async move {
        Ok(serde_json::to_value(tools::active(&app).await)?)
    });
    resource(offer, app, AVAILABLE, "Scripts", "The scripts of package.json", |app| async move {
        let project = app.project().await?;
        Ok(serde_json::to_value(tools::list(&project, 0))?)
    });
}

fn resource<F, R>(offer: &mut Offer, app: &App, uri: &str, name: &str, about: &str, read: F)
where
    F: Fn(App) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Result<serde_json::Value, brummer_hub::serve::CallError>> + Send,
{
    let definition = Resource::new(uri, name).with_description(about).with_mime_type("application/json");
    let app = app.clone();
    offer.add_resource(definition, move |_: ResourceRead| {
        let (app, read) = (app.clone(), read.clone());
        async move { read(app).await }
    });
}

/// Tells of every change, until the token is cancelled.
pub(crate) async fn watch(app: App, changes: Changes, stop: CancellationToken) {
    let mut log = app.logs.progress();
    let mut processes = app.scripts.changes();
    let mut errors = log.borrow_and_update().errors;
    let mut scripts = modified(&app).await;
    let mut look = tokio::time::interval(LOOK);
    // When the log may be announced again.
    let mut next = Instant::now();
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            changed = processes.changed() => {
                if changed.is_err() {
                    return;
                }
                processes.mark_unchanged();
                changes.resource(ACTIVE);
            }
            changed = async { sleep_until(next).await; log.changed().await } => {
                if changed.is_err() {
                    return;
                }
                next = Instant::now() + PACE;
                let progress = *log.borrow_and_update();
                changes.resource(RECENT);
                if std::mem::replace(&mut errors, progress.errors) != progress.errors {
                    changes.resource(ERRORS);
                }
            }
            _ = look.tick() => {
                let now = modified(&app).await;
                if std::mem::replace(&mut scripts, now) != now {
                    changes.resource(AVAILABLE);
                }
            }
        }
    }
}

/// When `package.json` was changed; `None` while there is none.
async fn modified(app: &App) -> Option<std::time::SystemTime> {
    let path = app.directory.join("package.json");
    let metadata = tokio::task::spawn_blocking(move || std::fs::metadata(path)?.modified()).await;
    metadata.ok()?.ok()
}

/// The errors and lines that a prompt about an error shows.
pub(crate) async fn around_errors(app: &App) -> (tools::Errors, String) {
    let wanted = ErrorFilter {
        processes: Which::All,
        since: None,
        resolved: false,
        limit: PROMPT_ERRORS,
        before: None,
    };
    let errors = tools::errors(app, wanted).await;
    let page = app.logs.page(Filter::default(), Start::Newest, PROMPT_LINES, false).await;
    let (_, text) = tools::page(app, page, true, "nothing was printed");
    (errors, text)
}

/// How much of the log a prompt shows.
const PROMPT_ERRORS: usize = 5;
const PROMPT_LINES: usize = 40;
