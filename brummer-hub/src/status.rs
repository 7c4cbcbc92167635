//! How an operation ends, in the one set of names and numbers that every surface uses: the C interface returns the
//! number, the Node addon throws `ERR_BH_` and the name, and the shared test cases say the name.

use crate::{client::ClientError, registration::RegistrationError};

macro_rules! statuses {
    ($($(#[$doc:meta])+ $variant:ident = $number:literal, $name:literal;)+) => {
        /// How an operation ended. Numbers and names are never given to something else.
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
        #[non_exhaustive]
        #[repr(i32)]
        pub enum StatusCode {
            $($(#[$doc])+ $variant = $number,)+
        }

        impl StatusCode {
            /// Every status.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Its name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }
    };
}

statuses! {
    /// It was done.
    Ok = 0, "OK";
    /// An argument is missing or says something that cannot be meant.
    InvalidArgument = 1, "INVALID_ARGUMENT";
    /// A handle is of another kind, or was freed already.
    InvalidHandle = 2, "INVALID_HANDLE";
    /// A text is not UTF-8.
    InvalidUtf8 = 3, "INVALID_UTF8";
    /// A text is not the JSON that is wanted there.
    InvalidJson = 4, "INVALID_JSON";
    /// Nothing came within the time that was given.
    Timeout = 5, "TIMEOUT";
    /// It was cancelled by whoever asked for it.
    Cancelled = 6, "CANCELLED";
    /// The hub or the session has ended.
    Closed = 7, "CLOSED";
    /// The hub or the instance answered with a JSON-RPC error.
    Rpc = 8, "RPC";
    /// A tool of the hub refused, such as to connect to an instance that nobody knows.
    Tool = 9, "TOOL";
    /// The system did not let us.
    Io = 10, "IO";
    /// Somebody else is at it: only one thread may receive at a time.
    Busy = 11, "BUSY";
    /// It would wait for its own caller.
    WouldDeadlock = 12, "WOULD_DEADLOCK";
    /// The handle is from before a fork; its threads are in the other process.
    Forked = 13, "FORKED";
    /// This system, or this version, cannot.
    Unsupported = 14, "UNSUPPORTED";
    /// Header and library do not fit together.
    Version = 15, "VERSION";
    /// A defect in the library; it was stopped at the boundary.
    Panic = 16, "PANIC";
    /// Too many requests are unanswered.
    TooMany = 17, "TOO_MANY";
}

impl StatusCode {
    /// Its number.
    #[must_use]
    pub const fn number(self) -> i32 {
        self as i32
    }
}

impl ClientError {
    /// The status that goes with it.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::InvalidJson { .. } => StatusCode::InvalidJson,
            Self::InvalidArgument { .. } => StatusCode::InvalidArgument,
            Self::TimedOut => StatusCode::Timeout,
            Self::Ended => StatusCode::Closed,
            Self::TooMany => StatusCode::TooMany,
            Self::Rpc(_) => StatusCode::Rpc,
            Self::Tool { .. } => StatusCode::Tool,
        }
    }
}

impl RegistrationError {
    /// The status that goes with it.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Invalid(_) => StatusCode::InvalidArgument,
            Self::Write { .. } | Self::Remove { .. } | Self::WorkingDirectory(_) => StatusCode::Io,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_are_unique_and_in_order() {
        for (at, status) in StatusCode::ALL.iter().enumerate() {
            assert_eq!(usize::try_from(status.number()).unwrap(), at, "{status:?}");
            assert_eq!(StatusCode::ALL.iter().filter(|other| other.name() == status.name()).count(), 1);
        }
    }
}
