//! The hub for one client on the process's own standard streams.

use std::{
    sync::atomic::{AtomicBool, Ordering::SeqCst},
    thread,
};

use engine::{Hub, HubConfig, StatusCode, session::SessionConfig, stdio};
use tokio::runtime::Builder;
use tokio_util::sync::CancellationToken;

use crate::{
    cancel::{self, bh_cancel},
    error::bh_error,
    ffi::{Failure, boundary},
    hub::{bh_hub_options, hub_config},
    running::may_wait,
    session::{bh_session_options, stdio_session},
    signals,
    status::bh_status,
};

/// Whether somebody serves the standard streams of this process.
static SERVING: AtomicBool = AtomicBool::new(false);

/// Is the hub of the MCP client on standard input and output, as `brummer-hub --mcp`, until standard input ends, standard
/// output is closed, or `stop` is fired. Nothing else in the process may use these two meanwhile: one line of other output
/// breaks the conversation. What it has read of standard input is gone. Signals stay the program's: handle them by firing
/// `stop` on another thread.
///
/// @param hub_options      may be NULL: as BH_HUB_OPTIONS_INIT.
/// @param session_options  may be NULL: as BH_SESSION_OPTIONS_INIT. `client_name`, `client_version`, `capabilities_json` and
///                         `manual_handshake` are not used; without `working_directory` it is the process's.
/// @param stop             may be NULL.
/// @param error            may be NULL; on failure receives an error, which the caller frees.
/// @return BH_STATUS_OK at the end, also when `stop` was fired; BH_STATUS_IO when standard input cannot be read,
///         BH_STATUS_BUSY when another thread is doing it, BH_STATUS_INVALID_ARGUMENT, BH_STATUS_INVALID_UTF8,
///         BH_STATUS_INVALID_HANDLE, BH_STATUS_UNSUPPORTED, BH_STATUS_WOULD_DEADLOCK in a log callback.
///
/// Threads: any, one in the process at a time; waits for the end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_run_stdio(
    hub_options: *const bh_hub_options,
    session_options: *const bh_session_options,
    stop: *const bh_cancel,
    error: *mut *mut bh_error,
) -> bh_status {
    let run = || {
        may_wait()?;
        // SAFETY: the header asks for options and a cancel object that are as they should be, or NULL.
        let (config, session, stop) =
            unsafe { (hub_config(hub_options)?, stdio_session(session_options)?, cancel::token(stop)?) };
        let _serving = Serving::begin()?;
        // On a thread of its own: a client that closes its end must not end the process, which only a thread of ours can
        // make sure of.
        let thread = thread::Builder::new().name("brummer-stdio".to_owned());
        let served = thread.spawn(move || serve(config, session, stop.unwrap_or_default()))?.join();
        served.unwrap_or_else(|defect| std::panic::resume_unwind(defect))
    };
    // SAFETY: the contract of `error` is the same.
    unsafe { boundary(error, run) }
}

/// The right to the standard streams, given back at the end.
struct Serving;

impl Serving {
    fn begin() -> Result<Self, Failure> {
        if SERVING.swap(true, SeqCst) {
            return Err(Failure::new(StatusCode::Busy, "the standard streams are being served already"));
        }
        Ok(Self)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        SERVING.store(false, SeqCst);
    }
}

fn serve(config: HubConfig, session: SessionConfig, stop: CancellationToken) -> Result<(), Failure> {
    signals::leave_to_program();
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let served = runtime.block_on(async {
        // A task of its own: what `block_on` runs itself costs one more look at the system for each wake-up.
        let serving = tokio::spawn(async move {
            let hub = Hub::start(config);
            let served = stdio::serve(&hub, session, stop).await;
            hub.shutdown().await;
            served
        });
        serving.await
    });
    // A read of standard input that is still under way must not hold up the end.
    runtime.shutdown_background();
    match served {
        Ok(served) => Ok(served?),
        Err(defect) => std::panic::resume_unwind(defect.into_panic()),
    }
}
