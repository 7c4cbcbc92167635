//! Room for many instances: each needs a connection or two, and systems allow a process few open files unless it asks.

/// As many as a thousand instances need with room to spare. macOS refuses more than 10,240.
#[cfg(unix)]
const WANTED: u64 = 10_240;

/// Raises the limit of open files as far as the system lets us. Without success, the hub has room for fewer instances.
#[cfg(unix)]
pub(crate) fn make_room() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.map_or(WANTED, |maximum| maximum.min(WANTED));
    if current.is_some_and(|current| current < wanted)
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum })
    {
        tracing::debug!("cannot open more than {current:?} files: {error}");
    }
}

/// Windows has no such limit.
#[cfg(not(unix))]
pub(crate) fn make_room() {}
