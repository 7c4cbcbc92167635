//! What belongs to a callback of the program: its pointer, and the function that releases it.

use std::ffi::c_void;

use super::without_waiting;

/// `void (*)(void *user_data)`, or NULL.
pub(crate) type DropFn = Option<unsafe extern "C" fn(user_data: *mut c_void)>;

/// The pointer that a callback gets, released exactly once: when the last who may call back lets go of it.
#[derive(Debug)]
pub(crate) struct UserData {
    pointer: *mut c_void,
    release: DropFn,
}

// SAFETY: the header says that callbacks and their release run on threads of the library.
unsafe impl Send for UserData {}
// SAFETY: the pointer is only handed to the callback, never looked into.
unsafe impl Sync for UserData {}

impl UserData {
    pub(crate) fn new(pointer: *mut c_void, release: DropFn) -> Self {
        Self { pointer, release }
    }

    pub(crate) fn pointer(&self) -> *mut c_void {
        self.pointer
    }
}

impl Drop for UserData {
    fn drop(&mut self) {
        if let Some(release) = self.release {
            // SAFETY: the program gave this function to be called once with this pointer.
            without_waiting(|| unsafe { release(self.pointer) });
        }
    }
}
