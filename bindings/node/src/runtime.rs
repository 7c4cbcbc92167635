//! The runtime that all hubs, sessions and instances of the process run on.

use std::sync::OnceLock;

use tokio::runtime::{Builder, Runtime};

/// Threads of the runtime. The hub's work is small and often passes from task to task; more threads would make each of
/// these steps a wake-up on another core.
const THREADS: usize = 1;

/// The runtime. It lives as long as the process: an addon is never unloaded, and Node ends without waiting for it.
pub(crate) fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("brummer-hub")
            .enable_io()
            .enable_time()
            .build()
            .expect("a process that Node runs in can have one more thread")
    })
}
