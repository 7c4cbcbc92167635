//! What the library has to say, to a callback of the program.

use std::{
    ffi::{c_char, c_void},
    process,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::SeqCst},
    },
};

use engine::{StatusCode, log::Lines};
use tokio::sync::{oneshot, watch};
use tracing::{Level, level_filters::LevelFilter};

use crate::{
    error::bh_error,
    events::bh_drop_callback,
    ffi::{Failure, UserData, boundary, c_string, must_not_wait, without_waiting},
    running::may_wait,
    status::bh_status,
};

/// How much is logged. A healthy hub says nothing at BH_LOG_LEVEL_WARN.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(i32)]
pub enum bh_log_level {
    /// Nothing.
    Off = 0,
    /// What makes the hub fail.
    Error = 1,
    /// Also what it had to refuse or put right, such as a bad doorbell file.
    Warn = 2,
    /// Also instances that come and go, and what they should have answered.
    Info = 3,
    /// Also every decision.
    Debug = 4,
    /// Everything.
    Trace = 5,
}

/// Called with each log line: its level (one of bh_log_level), the module that logs it, and the text, both UTF-8. They are valid
/// only during the call.
pub type bh_log_callback = Option<
    unsafe extern "C" fn(user_data: *mut c_void, level: i32, target: *const c_char, message: *const c_char),
>;

type LogFn =
    unsafe extern "C" fn(user_data: *mut c_void, level: i32, target: *const c_char, message: *const c_char);

/// Where lines go. Each line has a reference to it for as long as the program is called.
struct Sink {
    callback: LogFn,
    user_data: UserData,
    /// Goes with the sink, after the user data: who replaces the sink waits for that.
    _gone: oneshot::Sender<()>,
}

/// The sink in use, and what tells that it is no longer.
struct Current {
    sink: Arc<Sink>,
    gone: oneshot::Receiver<()>,
}

/// The one sink of the process.
static CURRENT: LazyLock<watch::Sender<Option<Current>>> = LazyLock::new(|| watch::Sender::new(None));

/// The process that the sink is of, once there was one. In a fork of it neither the program's callback nor what is here
/// may be in a state to be used.
static PROCESS: AtomicU32 = AtomicU32::new(0);

/// The most detailed level that is logged, as a number of `bh_log_level`.
static LEVEL: AtomicUsize = AtomicUsize::new(0);

/// Whether this library is the process's subscriber, as far as this copy of `tracing` goes.
static INSTALLED: AtomicBool = AtomicBool::new(false);

fn number(level: Level) -> i32 {
    match level {
        Level::ERROR => 1,
        Level::WARN => 2,
        Level::INFO => 3,
        Level::DEBUG => 4,
        _ => 5,
    }
}

fn filter() -> LevelFilter {
    match LEVEL.load(SeqCst) {
        0 => LevelFilter::OFF,
        1 => LevelFilter::ERROR,
        2 => LevelFilter::WARN,
        3 => LevelFilter::INFO,
        4 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    }
}

/// Calls the program. What is logged within its callbacks is dropped.
fn tell(level: Level, target: &'static str, line: String) {
    if must_not_wait() || PROCESS.load(SeqCst) != process::id() {
        return;
    }
    let sink = CURRENT.borrow().as_ref().map(|current| Arc::clone(&current.sink));
    let Some(sink) = sink else { return };
    let (target, message) = (c_string(target), c_string(line));
    without_waiting(|| {
        let user_data = sink.user_data.pointer();
        // SAFETY: the program gave this function to be called with this pointer and two texts.
        unsafe { (sink.callback)(user_data, number(level), target.as_ptr(), message.as_ptr()) };
    });
}

/// Sets the log callback, for all hubs of the process. A second call replaces the first; NULL as the callback removes it. Unless
/// one is set, the library logs nothing anywhere.
///
/// The callback is called on the thread on which something happens, possibly on several at the same time. It must be
/// quick, and must not wait: functions that would return BH_STATUS_WOULD_DEADLOCK, and those that free do not wait for
/// what they end. What they log is dropped. In the child of a fork() it is not called.
///
/// @param level           the most detailed level that is logged: one of bh_log_level.
/// @param callback        may be NULL: nothing is logged any more.
/// @param user_data       may be NULL; given to the callback as it is.
/// @param drop_user_data  may be NULL; called once with `user_data` when the callback will not be called any more.
/// @param error           may be NULL; on failure receives an error, which the caller frees.
/// @return BH_STATUS_OK, BH_STATUS_INVALID_ARGUMENT, BH_STATUS_WOULD_DEADLOCK in a log callback, BH_STATUS_UNSUPPORTED when
///         the library is linked statically into a Rust program that logs by itself, BH_STATUS_FORKED in the child of a
///         fork() when the parent had set a callback.
///
/// Threads: any; waits until the former callback is not running any more and its `drop_user_data` has been called, so do
/// not hold a lock that it takes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_set_log_callback(
    level: i32,
    callback: bh_log_callback,
    user_data: *mut c_void,
    drop_user_data: bh_drop_callback,
    error: *mut *mut bh_error,
) -> bh_status {
    let user_data = UserData::new(user_data, drop_user_data);
    let set = || {
        may_wait()?;
        let level = usize::try_from(level).ok().filter(|level| *level <= 5);
        let level = level.ok_or_else(|| Failure::argument("`level` is not a bh_log_level"))?;
        let own = process::id();
        let (gone, told) = oneshot::channel();
        let sink = callback.map(|callback| Arc::new(Sink { callback, user_data, _gone: gone }));
        let level = if sink.is_some() { level } else { 0 };
        let current = sink.map(|sink| Current { sink, gone: told });
        match PROCESS.load(SeqCst) {
            0 if current.is_some() => PROCESS.store(own, SeqCst),
            0 => return Ok(()),
            process if process == own => {}
            _ => {
                let text = "the process that this one was forked from has the log callback";
                return Err(Failure::new(StatusCode::Forked, text));
            }
        }
        if current.is_some() && !INSTALLED.swap(true, SeqCst) {
            tracing::subscriber::set_global_default(Lines::new(filter, tell)).map_err(|_| {
                INSTALLED.store(false, SeqCst);
                Failure::new(StatusCode::Unsupported, "the program has a logger for Rust already")
            })?;
        }
        let mut former = None;
        CURRENT.send_modify(|place| {
            LEVEL.store(level, SeqCst);
            former = std::mem::replace(place, current);
        });
        tracing::callsite::rebuild_interest_cache();
        if let Some(Current { sink, gone }) = former {
            drop(sink);
            // It is an error that tells: whoever still used the sink has let go of it.
            let _ = gone.blocking_recv();
        }
        Ok(())
    };
    // SAFETY: the contract of `error` is the same.
    unsafe { boundary(error, set) }
}
