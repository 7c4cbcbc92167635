//! Changes of the files while a hub runs: its watcher tells of them, and they are told to the hub, which goes on with all that is
//! as it was.

use std::{path::PathBuf, sync::Arc, time::Duration};

use brummer_hub::{
    HubConfig,
    hub::{Hub, HubChange},
};
use tokio::task::AbortHandle;

use super::{Loaded, Wanted, consent::Consents, files};
use crate::servers::{self, Keeping, Surroundings};

/// From a change until the files are read: an editor may save in several steps, and a half is no file.
const PAUSE: Duration = Duration::from_millis(50);

/// What was asked for on the command line, to which the files add.
#[derive(Clone, Debug)]
pub(crate) struct Followed {
    pub(crate) config: HubConfig,
    pub(crate) here: Option<PathBuf>,
}

/// Ends it when it is dropped.
#[derive(Debug)]
pub(crate) struct Following(AbortHandle);

impl Drop for Following {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Keeps a hub to what the files say, and its servers there, for as long as it is held.
pub(crate) fn follow(hub: &Hub, followed: Followed, wanted: Vec<Wanted>) -> Following {
    let (changes, surroundings, mut changed) = (hub.changes(), Surroundings::of(hub), hub.followed());
    let mut notices = hub.config().notices.clone();
    let follower = async move {
        let mut keeping: Keeping = servers::keep(&surroundings, wanted.clone());
        let mut wanted = wanted;
        // It fails only when the hub has stopped.
        while changed.changed().await.is_ok() {
            tokio::time::sleep(PAUSE).await;
            changed.mark_unchanged();
            let read = followed.clone();
            // It fails only when the runtime shuts down.
            let Ok((config, new, problems)) = tokio::task::spawn_blocking(move || read.read()).await else {
                return;
            };
            for problem in problems.iter().filter(|problem| !notices.contains(problem)) {
                tracing::warn!("{problem}");
            }
            let gone = wanted.iter().map(|server| &server.id);
            let gone = gone.filter(|id| new.iter().all(|server| server.id != **id)).cloned();
            let before = changes.borrow().unwanted.clone().into_iter();
            let unwanted = before.filter(|id| new.iter().all(|server| server.id != *id)).chain(gone);
            let mut change = HubChange::default();
            change.unwanted = unwanted.collect();
            change.policy = config.policy;
            change.declared = config.declared;
            change.sources = config.sources.choice;
            changes.send_if_modified(|known| {
                let is_news = **known != change;
                *known = Arc::new(change);
                is_news
            });
            if new != wanted || config.notices != notices {
                surroundings.notices.send_replace(config.notices.clone().into());
                // What runs goes on: it is found by the one that is to keep it from now on.
                drop(keeping);
                keeping = servers::keep(&surroundings, new.clone());
                (wanted, notices) = (new, config.notices);
            }
        }
    };
    Following(tokio::spawn(follower).abort_handle())
}

impl Followed {
    /// What counts now, and what is wrong with the files. Blocking.
    fn read(mut self) -> (HubConfig, Vec<Wanted>, Vec<String>) {
        let loaded = Loaded::read(&self.config.directories, self.here.as_deref());
        let problems = loaded.problems().collect();
        let wanted = loaded.apply(&mut self.config, true);
        (self.config, wanted, problems)
    }

    /// All files that may count, and where consents are kept.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let directories = &self.config.directories;
        let here = self.here.as_deref();
        let projects = files::project_directories(here).map(|directory| directory.join(files::PROJECT_FILE));
        let consents = Consents::of(directories).directory().to_owned();
        files::user_file(directories).into_iter().chain(projects).chain([consents]).collect()
    }
}
