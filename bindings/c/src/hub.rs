//! Starting and stopping hubs.

use std::{ffi::c_char, mem::offset_of, path::Path, sync::Arc, time::Duration};

use engine::{HubConfig, discovery::Directories};

use crate::{
    error::bh_error,
    ffi::{
        Failure, Opaque, Options, boundary, boundary_void, give, inside, optional_text, read_options, retire,
        wait_time,
    },
    running::{Running, let_go},
    status::bh_status,
};

/// A hub: it finds the MCP servers of this machine and keeps a connection to each. Any number of them may run in one
/// process; each has threads of its own.
#[derive(Debug)]
pub struct bh_hub {
    _private: (),
}

impl Opaque for bh_hub {
    type Object = Running;
    const NAME: &'static str = "hub";
}

/// Settings of a hub. Begin with BH_HUB_OPTIONS_INIT and set what is to differ; what is 0 or NULL is as with the command
/// `brummer-hub --mcp`. Texts are borrowed for the call.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bh_hub_options {
    /// Set by BH_HUB_OPTIONS_INIT.
    pub size: usize,
    /// Use only this directory for doorbell files. NULL: the user's, or $BRUMMER_DATA_DIR.
    pub data_dir: *const c_char,
    /// Milliseconds between two health checks of an instance. 0: 5 s.
    pub ping_interval_ms: u32,
    /// Milliseconds for which a silent instance is retried before it is dropped. 0: a minute.
    pub give_up_after_ms: u32,
    /// Milliseconds for which a request that shows no progress may take, whoever waits for it. 0: an hour.
    pub call_timeout_ms: u32,
    /// Largest message that is taken from an instance, in bytes. 0: 64 MiB.
    pub max_message_bytes: u32,
}

// SAFETY: it is `repr(C)`, begins with `size`, and zero is a number and NULL.
unsafe impl Options for bh_hub_options {
    const NAME: &'static str = "hub options";
    const END: usize = offset_of!(Self, max_message_bytes) + size_of::<u32>();
}

/// The directories that a program asks for.
///
/// # Safety
///
/// As for [`optional_text`].
pub(crate) unsafe fn directories(data_dir: *const c_char) -> Result<Directories, Failure> {
    // SAFETY: the contract is the same.
    match unsafe { optional_text("data_dir", data_dir) }? {
        Some("") => Err(Failure::argument("`data_dir` must not be empty")),
        Some(directory) => Ok(Directories::only(Path::new(directory))),
        None => Ok(Directories::from_env()),
    }
}

/// Reads the settings of a hub.
///
/// # Safety
///
/// As for [`read_options`], and its texts are texts.
pub(crate) unsafe fn hub_config(options: *const bh_hub_options) -> Result<HubConfig, Failure> {
    let mut config = HubConfig::default();
    // SAFETY: the contract is the same.
    let Some(options) = (unsafe { read_options(options) })? else { return Ok(config) };
    // SAFETY: as above.
    config.directories = unsafe { directories(options.data_dir) }?;
    let set = |place: &mut Duration, milliseconds: u32| {
        if milliseconds > 0 {
            *place = Duration::from_millis(milliseconds.into());
        }
    };
    set(&mut config.health.ping_interval, options.ping_interval_ms);
    set(&mut config.health.give_up_after, options.give_up_after_ms);
    set(&mut config.limits.call_timeout, options.call_timeout_ms);
    if options.max_message_bytes > 0 {
        config.limits.max_message_bytes = usize::try_from(options.max_message_bytes).unwrap_or(usize::MAX);
    }
    Ok(config)
}

/// Starts a hub. It needs no instance and no directory to exist. It takes nothing of the process but some threads: no
/// signals, no standard streams, no logger.
///
/// @param options  may be NULL: as BH_HUB_OPTIONS_INIT.
/// @param hub      must not be NULL; receives the hub, which the caller frees with bh_hub_free().
/// @param error    may be NULL; on failure receives an error, which the caller frees.
/// @return BH_STATUS_OK, BH_STATUS_INVALID_ARGUMENT, BH_STATUS_INVALID_UTF8, BH_STATUS_UNSUPPORTED for options that this
///         version does not know, BH_STATUS_IO when the system gives no threads, BH_STATUS_WOULD_DEADLOCK in a log
///         callback.
///
/// Threads: any; does not wait for instances.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_hub_start(
    options: *const bh_hub_options,
    hub: *mut *mut bh_hub,
    error: *mut *mut bh_error,
) -> bh_status {
    let start = || {
        if hub.is_null() {
            return Err(Failure::argument("`hub` must not be NULL"));
        }
        // SAFETY: the header asks for options that are as they should be, or NULL.
        let running = Running::start(unsafe { hub_config(options) }?)?;
        // SAFETY: not null, and the header asks for a place for a pointer.
        unsafe { hub.write(give(running)) };
        Ok(())
    };
    // SAFETY: the contract of `error` is the same.
    unsafe { boundary(error, start) }
}

/// Waits until the hub has tried every instance that was announced when it started: then the list is complete. It takes
/// milliseconds, or one second when an instance does not answer. Calls and sessions need not wait for it.
///
/// @param hub         must not be NULL.
/// @param timeout_ms  how long to wait at most; BH_FOREVER (or any negative number) for as long as it takes.
/// @param error       may be NULL; on failure receives an error, which the caller frees.
/// @return BH_STATUS_OK, BH_STATUS_TIMEOUT, BH_STATUS_CLOSED after bh_hub_stop(), BH_STATUS_WOULD_DEADLOCK in a log
///         callback, BH_STATUS_INVALID_ARGUMENT, BH_STATUS_INVALID_HANDLE, BH_STATUS_FORKED.
///
/// Threads: any; waits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_hub_wait_settled(
    hub: *const bh_hub,
    timeout_ms: i32,
    error: *mut *mut bh_error,
) -> bh_status {
    let settle = || {
        // SAFETY: the header asks for a hub or NULL.
        let running = unsafe { inside(hub) }?;
        running.check_open()?;
        running.wait(wait_time(timeout_ms), running.hub.settled())?;
        running.check_open()
    };
    // SAFETY: the contract of `error` is the same.
    unsafe { boundary(error, settle) }
}

/// Stops a hub and waits until its connections are closed, for at most two seconds. Calls that wait on other threads return
/// BH_STATUS_CLOSED, and so does everything that is asked of the hub and its sessions from then on. The handles stay
/// valid until they are freed. Stopping twice is fine.
///
/// @param hub    must not be NULL.
/// @param error  may be NULL; on failure receives an error, which the caller frees.
/// @return BH_STATUS_OK, BH_STATUS_WOULD_DEADLOCK in a log callback, BH_STATUS_INVALID_ARGUMENT, BH_STATUS_INVALID_HANDLE,
///         BH_STATUS_FORKED.
///
/// Threads: any, also in callbacks; waits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_hub_stop(hub: *const bh_hub, error: *mut *mut bh_error) -> bh_status {
    let stop = || {
        // SAFETY: the header asks for a hub or NULL.
        let running = unsafe { inside(hub) }?;
        running.wait(None, running.hub.stop())
    };
    // SAFETY: the contract of `error` is the same.
    unsafe { boundary(error, stop) }
}

/// Stops a hub, if it was not, and frees it. NULL is fine. Its threads end with the last handle that needs them: free its
/// sessions, queues and subscriptions too, in any order. In the child of a fork() it only lets go of the handle. In a log
/// callback and in a `drop_user_data` it does not wait.
///
/// Threads: any, also in callbacks; waits as bh_hub_stop() does, and, if it was the last handle of the hub, for its threads
/// to end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_hub_free(hub: *mut bh_hub) {
    boundary_void(|| {
        // SAFETY: the header asks for a hub or NULL.
        let Some(running) = (unsafe { retire(hub) })? else { return Ok(()) };
        running.end(running.hub.stop());
        let_go(running, |running: &Arc<Running>| running.is_here());
        Ok(())
    });
}
