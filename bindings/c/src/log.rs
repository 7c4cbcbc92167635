//! What the library has to say, to a callback of the program.

use std::{
    ffi::{c_char, c_void},
    fmt::{self, Write},
    ptr,
    sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering::SeqCst},
};

use engine::Status;
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    level_filters::LevelFilter,
    span,
};

use crate::{
    error::bh_error,
    events::bh_drop_callback,
    ffi::{Failure, UserData, boundary, c_string},
    running::{may_wait, without_waiting},
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
    /// Also instances that come and go.
    Info = 3,
    /// Also every decision.
    Debug = 4,
    /// Everything.
    Trace = 5,
}

/// Is told one line: its level (one of bh_log_level), the module that says it, and the text, both UTF-8. They live until the
/// callback returns.
pub type bh_log_callback = Option<
    unsafe extern "C" fn(user_data: *mut c_void, level: i32, target: *const c_char, message: *const c_char),
>;

type LogFn =
    unsafe extern "C" fn(user_data: *mut c_void, level: i32, target: *const c_char, message: *const c_char);

/// Where lines go.
struct Sink {
    callback: LogFn,
    user_data: UserData,
}

/// The one sink of the process, or NULL. Who uses it raises `SPEAKING` first; who replaces it waits for that to be 0.
static SINK: AtomicPtr<Sink> = AtomicPtr::new(ptr::null_mut());
static SPEAKING: AtomicUsize = AtomicUsize::new(0);

/// The highest level that is told, as a number of `bh_log_level`.
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

/// Hands events to the sink. Spans are not kept: the events of this library say by themselves what they are about.
struct Lines;

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= filter()
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(filter())
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        tell(*event.metadata().level(), event.metadata().target(), line);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// Calls the program. What is logged within the callback itself is not told.
fn tell(level: Level, target: &str, line: Line) {
    let call = || {
        SPEAKING.fetch_add(1, SeqCst);
        let sink = SINK.load(SeqCst);
        if !sink.is_null() {
            let (target, message) = (c_string(target), c_string(line.message + &line.fields));
            // SAFETY: `SPEAKING` was raised before the sink was seen, so that who replaces it waits for us.
            let sink = unsafe { &*sink };
            let user_data = sink.user_data.pointer();
            // SAFETY: the program gave this function to be called with this pointer and two texts.
            unsafe { (sink.callback)(user_data, number(level), target.as_ptr(), message.as_ptr()) };
        }
        SPEAKING.fetch_sub(1, SeqCst);
    };
    // `None`: a callback that logs by calling the library.
    let _ = without_waiting(call);
}

/// The text of an event: its message, then its fields.
#[derive(Default)]
struct Line {
    message: String,
    fields: String,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing into a text cannot fail.
        let _ = if field.name() == "message" {
            write!(self.message, "{value:?}")
        } else {
            write!(self.fields, " {}={value:?}", field.name())
        };
    }
}

/// Sets what is told of the library's doings, for all hubs of the process. A second call replaces the first; NULL as the
/// callback ends it. Without this function the library logs nothing anywhere.
///
/// The callback is called on the thread on which something happens, possibly on several at the same time. It must be
/// quick, and must not wait: functions that would return BH_STATUS_WOULD_DEADLOCK.
///
/// @param level           the most that is told: one of bh_log_level.
/// @param callback        may be NULL: nothing is told any more.
/// @param user_data       may be NULL; given to the callback as it is.
/// @param drop_user_data  may be NULL; called once with `user_data` when the callback will not be called any more.
/// @param error           may be NULL; on failure receives an error, which the caller frees.
/// @return BH_STATUS_OK, BH_STATUS_INVALID_ARGUMENT, BH_STATUS_WOULD_DEADLOCK in a log callback, BH_STATUS_UNSUPPORTED when
///         the library is linked statically into a Rust program that logs by itself.
///
/// Threads: any, one at a time; waits for log callbacks that are running.
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
        let level = level.ok_or_else(|| Failure::argument("`level` is no bh_log_level"))?;
        let sink = callback.map(|callback| Box::new(Sink { callback, user_data }));
        if sink.is_some() && !INSTALLED.swap(true, SeqCst) {
            tracing::subscriber::set_global_default(Lines).map_err(|_| {
                INSTALLED.store(false, SeqCst);
                Failure::new(Status::Unsupported, "the program has a logger for Rust already")
            })?;
        }
        LEVEL.store(if sink.is_some() { level } else { 0 }, SeqCst);
        tracing::callsite::rebuild_interest_cache();
        let former = SINK.swap(sink.map_or(ptr::null_mut(), Box::into_raw), SeqCst);
        while SPEAKING.load(SeqCst) != 0 {
            std::thread::yield_now();
        }
        if !former.is_null() {
            // SAFETY: it came from `Box::into_raw`, nobody speaks with it any more, and only this thread took it out.
            drop(unsafe { Box::from_raw(former) });
        }
        Ok(())
    };
    // SAFETY: the contract of `error` is the same.
    unsafe { boundary(error, set) }
}
