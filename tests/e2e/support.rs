//! What the tests drive the built binary with: a client on its stdio, doorbell files, and instances of every kind.

/// Asserts with the whole value in the message when it is not as wanted.
macro_rules! assert_json {
    ($value:expr, $pointer:expr, $($wanted:tt)+) => {{
        let value: &serde_json::Value = &$value;
        let wanted = serde_json::json!($($wanted)+);
        assert_eq!(value.pointer($pointer), Some(&wanted), "{} of {value:#}", $pointer);
    }};
}

mod behaviour;
mod doorbell;
mod fake;
mod hub;
mod instance;
mod line;
mod modern;
mod modern_fake;
mod node;
mod options;
#[cfg(unix)]
mod pty;
mod removed;
#[path = "../vectors/runner.rs"]
pub(crate) mod runner;
mod schema;
pub(crate) mod script;
pub(crate) mod sdk_client;
#[path = "../vectors/stage.rs"]
mod stage;

use std::{future::Future, path::PathBuf, time::Duration};

pub(crate) use self::{
    behaviour::{Answer, Behaviour, Call, Seen, result, rpc_error},
    doorbell::{Doorbell, Home, process_path, unique_id, write_raw},
    fake::{Fake, event},
    hub::Hub,
    instance::Instance,
    line::Line,
    modern::{
        CLIENT_CAPABILITIES, CLIENT_INFO, LOG_LEVEL, MODERN, PROTOCOL_VERSION, SERVER_INFO, SUBSCRIPTION_ID,
        meta, with_meta,
    },
    modern_fake::decoded,
    node::Node,
    options::{HubOptions, LATEST},
    removed::removed,
    stage::Stage,
};

#[cfg(unix)]
pub(crate) use self::instance::rmcp_server_binary;
#[cfg(unix)]
pub(crate) use self::pty::Pty;

/// How long a test waits for something that must happen. Long, because a loaded machine is no defect of the hub.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

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
    path
}

/// Whether the Windows programs run under Wine, which lacks some of what Windows has.
pub(crate) fn is_wine() -> bool {
    // Only Wine has this program there.
    cfg!(windows)
        && std::env::var_os("SystemRoot")
            .is_some_and(|root| PathBuf::from(root).join("System32").join("wineboot.exe").exists())
}

/// Sends a signal to a process that this test started.
#[cfg(unix)]
pub(crate) fn signal(pid: u32, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).expect("a pid is not 0");
    rustix::process::kill_process(pid, signal).unwrap();
}
