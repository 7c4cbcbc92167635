//! Placing processes on one core, where the system allows it.
//!
//! A wake-up on another core costs some 50 µs and the scheduler decides anew each time, so that the latency of a small
//! call has two values. With everything on one core it has one.

/// Binds this thread, and every child started from now on, to one core. `None` where that is impossible.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn to_core(core: Option<usize>) -> Option<Pinned> {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
    let before = sched_getaffinity(None).ok()?;
    // The last one: the first takes most interrupts.
    let core = core.or_else(|| (0..CpuSet::MAX_CPU).rev().find(|core| before.is_set(*core)))?;
    if core >= CpuSet::MAX_CPU || !before.is_set(core) {
        return None;
    }
    let mut only = CpuSet::new();
    only.set(core);
    sched_setaffinity(None, &only).ok()?;
    Some(Pinned { before })
}

/// Binding to a core; dropping it lifts it for this thread.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) struct Pinned {
    before: rustix::thread::CpuSet,
}

#[cfg(any(target_os = "linux", target_os = "android"))]
impl Drop for Pinned {
    fn drop(&mut self) {
        // It was allowed before, so it is now.
        let _ = rustix::thread::sched_setaffinity(None, &self.before);
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) enum Pinned {}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn to_core(_core: Option<usize>) -> Option<Pinned> {
    None
}
