//! The guard: a small process of this program between `run` and a script, for systems without job objects.
//!
//! `run` starts its own program again for each script. That process becomes the leader of a session of its own, so that
//! no signal of a terminal reaches it; on Linux it also becomes the one to whom orphans below it are given. Then it starts
//! the script in a process group, and stays until the last of its descendants is gone:
//!
//! ```text
//!  run ──orders──▶ guard ──▶ script ──▶ its children, also those that left the group
//!      ◀─reports──   (a socket)
//! ```
//!
//! The socket is also the life line. When `run` ends, however it ends, the guard reads its end, and stops the script with
//! all its descendants, first gracefully and after [`ORPHAN_GRACE`] firmly. The output does not pass through the guard: the
//! script has the pipes themselves.
//!
//! A script with a pseudo terminal ([`TERMINAL`]) has it as its standard streams, and the guard makes it the terminal of its
//! session. When `run` ends, the terminal does, too, and the system sends SIGHUP besides.
//!
//! An attached command ([`Attached`](crate::attached::Attached)) keeps the standard streams, the terminal and the process
//! group of whoever started it. Its guard then leads a group of its own, which the terminal knows nothing of, and hands on
//! the signals that it is told of.

#[cfg(unix)]
mod descendants;
#[cfg(unix)]
pub(crate) mod guarded;
pub(crate) mod link;
#[cfg(unix)]
mod watch;

/// How long a script may take to end when `run` has died: nobody waits for it, and its port should be free soon.
#[cfg(unix)]
pub(crate) const ORPHAN_GRACE: std::time::Duration = std::time::Duration::from_secs(1);

/// What this program must be given, besides what makes it a guard, when the script has a terminal of its own.
pub const TERMINAL: &str = "--terminal";

#[cfg(unix)]
#[cfg(unix)]
pub use watch::{Attachment, serve};
