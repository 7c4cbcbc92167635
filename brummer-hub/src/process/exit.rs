//! Waiting for the end of a process that is not a child of ours.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

#[cfg(target_os = "linux")]
use super::linux::is_alive;
#[cfg(not(target_os = "linux"))]
use super::other::is_alive;

/// Between two looks at a process whose end the system does not announce: an old kernel, a sandbox, another user's process.
/// The connection to the instance tells sooner.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Waits until the process is gone, without polling where the system has an event for it (pidfd, kqueue, process
/// handle). Returns at once when there is no such process, and when `stop` is cancelled. A process that has ended counts as
/// gone, even if its parent has not collected it yet. Cancel-safe: nothing stays behind for long.
pub(crate) async fn exited(pid: u32, stop: CancellationToken) {
    let gone = async {
        if let Announced::No = announced(pid).await {
            tracing::debug!(
                pid,
                "the system does not announce the end of this process; looking every {LOOK_AGAIN:?}"
            );
            looked(pid).await;
        }
    };
    // The answer is the same for both ends.
    let _ = stop.run_until_cancelled(gone).await;
}

/// Whether the system has told of the end, or cannot.
enum Announced {
    Ended,
    No,
}

async fn looked(pid: u32) {
    // On the blocking pool: it reads files, or lists every process. A look that fails has come after the runtime.
    while tokio::task::spawn_blocking(move || is_alive(pid)).await.unwrap_or(false) {
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// A pidfd becomes readable when the process ends (pidfd_open(2)).
#[cfg(target_os = "linux")]
async fn announced(pid: u32) -> Announced {
    use rustix::{
        io::Errno,
        process::{Pid, PidfdFlags, pidfd_open},
    };

    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return Announced::Ended };
    let descriptor = match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(descriptor) => descriptor,
        Err(Errno::SRCH) => return Announced::Ended,
        Err(_) => return Announced::No,
    };
    readable(descriptor).await
}

/// Waits for a descriptor that is readable once the process has ended.
#[cfg(any(target_os = "linux", target_os = "macos"))]
async fn readable(descriptor: impl std::os::fd::AsRawFd) -> Announced {
    use tokio::io::{Interest, unix::AsyncFd};

    #[allow(
        deprecated,
        reason = "its replacement is unsafe, for types that may close or change their descriptor: these do not"
    )]
    let descriptor = AsyncFd::with_interest(descriptor, Interest::READABLE);
    let Ok(descriptor) = descriptor else { return Announced::No };
    if descriptor.readable().await.is_ok() { Announced::Ended } else { Announced::No }
}

/// A kqueue becomes readable when it has an event, here the end of the process (kqueue(2), `NOTE_EXIT`).
#[cfg(target_os = "macos")]
async fn announced(pid: u32) -> Announced {
    use kqueue::{EventFilter, FilterFlag};

    /// `ESRCH`: there is no such process. A process that has ended but was not collected is none either.
    const NO_SUCH_PROCESS: i32 = 3;

    let Ok(pid) = i32::try_from(pid) else { return Announced::Ended };
    let Ok(mut queue) = kqueue::Watcher::new() else { return Announced::No };
    if queue.add_pid(pid, EventFilter::EVFILT_PROC, FilterFlag::NOTE_EXIT).is_err() {
        return Announced::No;
    }
    match queue.watch() {
        Ok(()) => {}
        Err(error) if error.raw_os_error() == Some(NO_SUCH_PROCESS) => return Announced::Ended,
        Err(_) => return Announced::No,
    }
    readable(queue).await
}

/// A handle of the process is waited for by a thread, because Windows signals it to threads only.
#[cfg(windows)]
async fn announced(pid: u32) -> Announced {
    use std::thread;

    use tokio::sync::oneshot;
    use waitpid_any::WaitHandle;

    /// The thread does nothing but wait: a small stack lets a thousand of them be.
    const STACK_BYTES: usize = 64 * 1024;
    /// `ERROR_INVALID_PARAMETER`: there is no such process.
    const NO_SUCH_PROCESS: i32 = 87;

    let mut handle = match WaitHandle::open(pid.cast_signed()) {
        Ok(handle) => handle,
        Err(error) if error.raw_os_error() == Some(NO_SUCH_PROCESS) => return Announced::Ended,
        Err(_) => return Announced::No,
    };
    let (ended, told) = oneshot::channel();
    let wait = move || {
        // Looks up now and then, to end when nobody waits any more.
        while !ended.is_closed() {
            match handle.wait_timeout(LOOK_AGAIN) {
                Ok(None) => {}
                Ok(Some(())) => return drop(ended.send(Announced::Ended)),
                Err(_) => return drop(ended.send(Announced::No)),
            }
        }
    };
    let spawned =
        thread::Builder::new().name(format!("brummer-exit-{pid}")).stack_size(STACK_BYTES).spawn(wait);
    if spawned.is_err() {
        return Announced::No;
    }
    told.await.unwrap_or(Announced::No)
}

#[cfg(not(any(target_os = "linux", target_os = "macos", windows)))]
async fn announced(_pid: u32) -> Announced {
    Announced::No
}
