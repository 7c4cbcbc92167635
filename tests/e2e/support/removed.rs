//! Waiting for the end of a file.

use std::{path::Path, sync::Arc};

use notify::{RecursiveMode, Watcher as _};
use tokio::sync::Notify;

use super::expect;

/// Waits until a file is removed.
pub(crate) async fn removed(file: &Path) {
    let changed = Arc::new(Notify::new());
    let changes = changed.clone();
    let mut watcher = notify::recommended_watcher(move |_| changes.notify_one()).unwrap();
    watcher.watch(file.parent().unwrap(), RecursiveMode::NonRecursive).unwrap();
    expect(&format!("{} is removed", file.display()), async {
        while file.exists() {
            changed.notified().await;
        }
    })
    .await;
}
