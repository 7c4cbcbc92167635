//! Changes of the files while a hub runs: looked for every now and then, and told to the hub, which goes on with all that is as
//! it was.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use brummer_hub::{
    HubConfig,
    discovery::Directories,
    hub::{Hub, HubChange},
};
use tokio::task::AbortHandle;

use super::{Loaded, Wanted, consent::Consents, files};
use crate::servers::{self, Keeping, Surroundings};

/// Between two looks: a person who has saved a file hardly waits, and some dozen files cost next to nothing.
const PAUSE: Duration = Duration::from_secs(2);

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

/// What tells one state of a file from another; none for a file that is not there.
type Stamp = (PathBuf, Option<State>);

#[derive(Clone, Debug, Eq, PartialEq)]
struct State {
    modified: SystemTime,
    bytes: u64,
    /// Which file it is, and when it was last renamed, written or given another mode, which may have it refused.
    #[cfg(unix)]
    change: (u64, i64, i64, u32),
}

/// Keeps a hub to what the files say, and its servers there, for as long as it is held.
pub(crate) fn follow(hub: &Hub, followed: Followed, wanted: Vec<Wanted>) -> Following {
    let (changes, surroundings) = (hub.changes(), Surroundings::of(hub));
    let follower = async move {
        let mut keeping: Keeping = servers::keep(&surroundings, wanted.clone());
        let (mut wanted, mut former) = (wanted, followed.clone().stamps().await);
        loop {
            tokio::time::sleep(PAUSE).await;
            let now = followed.clone().stamps().await;
            if std::mem::replace(&mut former, now.clone()) == now {
                continue;
            }
            let read = followed.clone();
            // It fails only when the runtime shuts down.
            let Ok((config, new)) = tokio::task::spawn_blocking(move || read.read()).await else { return };
            tracing::info!("the configuration files have changed");
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
            surroundings.notices.send_replace(config.notices.into());
            // What runs goes on: it is found by the one that is to keep it from now on.
            drop(keeping);
            keeping = servers::keep(&surroundings, new.clone());
            wanted = new;
        }
    };
    Following(tokio::spawn(follower).abort_handle())
}

impl Followed {
    /// What counts now. Blocking.
    fn read(mut self) -> (HubConfig, Vec<Wanted>) {
        let loaded = Loaded::read(&self.config.directories, self.here.as_deref());
        for problem in loaded.problems() {
            tracing::warn!("{problem}");
        }
        let wanted = loaded.apply(&mut self.config, true);
        (self.config, wanted)
    }

    async fn stamps(self) -> Vec<Stamp> {
        let looked = tokio::task::spawn_blocking(move || {
            let places = watched(&self.config.directories, self.here.as_deref());
            places.into_iter().map(stamp).collect()
        });
        looked.await.unwrap_or_default()
    }
}

/// All files that may count, and where consents are kept.
fn watched(directories: &Directories, here: Option<&Path>) -> Vec<PathBuf> {
    let projects = files::project_directories(here).map(|directory| directory.join(files::PROJECT_FILE));
    let consents = Consents::of(directories).directory().to_owned();
    files::user_file(directories).into_iter().chain(projects).chain([consents]).collect()
}

fn stamp(path: PathBuf) -> Stamp {
    // A link counts by what it leads to.
    let metadata = fs::metadata(&path).ok();
    let state = metadata.and_then(|metadata| {
        #[cfg(unix)]
        use std::os::unix::fs::MetadataExt as _;
        Some(State {
            modified: metadata.modified().ok()?,
            bytes: metadata.len(),
            #[cfg(unix)]
            change: (metadata.ino(), metadata.ctime(), metadata.ctime_nsec(), metadata.mode()),
        })
    });
    (path, state)
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn another_file_of_the_same_size_and_time_is_noticed_and_so_is_its_mode() {
        let home = tempfile::tempdir().unwrap();
        let (path, other) = (home.path().join("config.toml"), home.path().join("other"));
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        for (file, text) in [(&path, "a"), (&other, "b")] {
            fs::write(file, text).unwrap();
            fs::File::options().write(true).open(file).unwrap().set_modified(time).unwrap();
        }
        let first = stamp(path.clone());
        assert_eq!(first, stamp(path.clone()));
        fs::rename(&other, &path).unwrap();
        let second = stamp(path.clone());
        assert_ne!(first, second);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        assert_ne!(second, stamp(path.clone()));
        fs::remove_file(&path).unwrap();
        assert_eq!(stamp(path).1, None);
    }
}
