//! What the tests have around them: directories with doorbell files, and a stage server that is announced.

#[allow(dead_code, reason = "the e2e tests use all of it")]
#[path = "../e2e/support/doorbell.rs"]
mod doorbell;
#[path = "../vectors/runner.rs"]
pub(crate) mod runner;
#[path = "../vectors/stage.rs"]
mod stage;

use std::{future::Future, path::PathBuf, time::Duration};

pub(crate) use self::{doorbell::Home, stage::Stage};

/// How long a test waits for something that must happen. Long, because a loaded machine is no defect of the hub.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for what must happen, and says what it was if it does not.
pub(crate) async fn expect<T>(what: &str, happening: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, happening).await {
        Ok(value) => value,
        Err(_) => panic!("{what}: nothing within {PATIENCE:?}"),
    }
}

/// The directory of this file's repository.
pub(crate) fn repository() -> PathBuf {
    let mut path = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    path.pop();
    path.pop();
    path
}

/// A home in which the stage server `shop` is announced.
pub(crate) async fn shop() -> (Home, Stage) {
    let (home, stage) = (Home::new(), Stage::start().await);
    home.announce("shop", stage.port);
    (home, stage)
}
