//! The status that every function returns.

use engine::StatusCode;

/// How a function ended. Numbers are never given to something else; later versions may add some, so treat one that you do
/// not know as a failure.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(i32)]
pub enum bh_status {
    /// It was done.
    Ok = 0,
    /// An argument is missing or says something that cannot be meant.
    InvalidArgument = 1,
    /// A handle is of another kind, or was freed already.
    InvalidHandle = 2,
    /// A text is not UTF-8.
    InvalidUtf8 = 3,
    /// A text is not the JSON that is wanted there.
    InvalidJson = 4,
    /// Nothing came within the time that was given.
    Timeout = 5,
    /// It was cancelled with bh_cancel_fire().
    Cancelled = 6,
    /// The hub or the session has ended.
    Closed = 7,
    /// The hub or the instance answered with a JSON-RPC error: see bh_error_rpc_code() and bh_error_data().
    Rpc = 8,
    /// A tool of the hub refused, such as to connect to an instance that nobody knows; the message names the candidates.
    Tool = 9,
    /// The system did not let us.
    Io = 10,
    /// Another thread is receiving from the same object.
    Busy = 11,
    /// It would wait for its own caller: within a log callback nothing may wait.
    WouldDeadlock = 12,
    /// The handle is from before a fork(): its threads are in the other process.
    Forked = 13,
    /// This system, or this version of the library, cannot.
    Unsupported = 14,
    /// Header and library do not fit together.
    Version = 15,
    /// A defect in the library. It was stopped at the boundary; the process can go on.
    Panic = 16,
    /// Too many requests of this session are unanswered.
    TooMany = 17,
}

impl From<StatusCode> for bh_status {
    fn from(status: StatusCode) -> Self {
        match status {
            StatusCode::Ok => Self::Ok,
            StatusCode::InvalidArgument => Self::InvalidArgument,
            StatusCode::InvalidHandle => Self::InvalidHandle,
            StatusCode::InvalidUtf8 => Self::InvalidUtf8,
            StatusCode::InvalidJson => Self::InvalidJson,
            StatusCode::Timeout => Self::Timeout,
            StatusCode::Cancelled => Self::Cancelled,
            StatusCode::Closed => Self::Closed,
            StatusCode::Rpc => Self::Rpc,
            StatusCode::Tool => Self::Tool,
            StatusCode::Io => Self::Io,
            StatusCode::Busy => Self::Busy,
            StatusCode::WouldDeadlock => Self::WouldDeadlock,
            StatusCode::Forked => Self::Forked,
            StatusCode::Unsupported => Self::Unsupported,
            StatusCode::Version => Self::Version,
            StatusCode::TooMany => Self::TooMany,
            // One that the engine has and this table lacks is a defect, which the test below finds.
            _ => Self::Panic,
        }
    }
}

/// The name of a status without its `BH_STATUS_`, such as "TIMEOUT"; "UNKNOWN" for a number that this version does not
/// know. The text is constant.
///
/// Threads: any; never waits.
#[unsafe(no_mangle)]
pub extern "C" fn bh_status_name(status: i32) -> *const std::ffi::c_char {
    macro_rules! names {
        ($($name:literal),+) => {
            [$(concat!($name, "\0")),+]
        };
    }
    // In the order of their numbers; compared with the engine's by the test below.
    const NAMES: [&str; 18] = names![
        "OK",
        "INVALID_ARGUMENT",
        "INVALID_HANDLE",
        "INVALID_UTF8",
        "INVALID_JSON",
        "TIMEOUT",
        "CANCELLED",
        "CLOSED",
        "RPC",
        "TOOL",
        "IO",
        "BUSY",
        "WOULD_DEADLOCK",
        "FORKED",
        "UNSUPPORTED",
        "VERSION",
        "PANIC",
        "TOO_MANY"
    ];
    let name = usize::try_from(status).ok().and_then(|at| NAMES.get(at));
    name.map_or(c"UNKNOWN".as_ptr(), |name| name.as_ptr().cast())
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;

    use super::*;

    #[test]
    fn the_table_is_that_of_the_engine() {
        for &status in StatusCode::ALL {
            assert_eq!(bh_status::from(status) as i32, status.number(), "{status:?}");
            // SAFETY: the names are constants that end with a NUL.
            let name = unsafe { CStr::from_ptr(bh_status_name(status.number())) };
            assert_eq!(name.to_str().unwrap(), status.name());
        }
        // SAFETY: as above.
        assert_eq!(unsafe { CStr::from_ptr(bh_status_name(-1)) }, c"UNKNOWN");
    }
}
