//! Which threads may wait: not one that is in a callback for which something else waits.

use std::cell::Cell;

thread_local! {
    /// Whether this thread is in a callback that must not wait.
    static MUST_NOT_WAIT: Cell<bool> = const { Cell::new(false) };
}

/// Forbids this thread to wait while `callback` runs.
pub(crate) fn without_waiting(callback: impl FnOnce()) {
    /// Sets it as it was, also after a panic.
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            MUST_NOT_WAIT.set(self.0);
        }
    }
    let _restore = Restore(MUST_NOT_WAIT.replace(true));
    callback();
}

/// Whether this thread is in such a callback.
pub(crate) fn must_not_wait() -> bool {
    MUST_NOT_WAIT.get()
}
