//! A way to end, from another thread, what waits.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::{
    error::bh_error,
    ffi::{Failure, Opaque, boundary, boundary_void, give, inside, retire},
    status::bh_status,
};

/// Ends calls that wait, from another thread. It can be given to any number of calls; once fired it stays so.
#[derive(Debug)]
pub struct bh_cancel {
    _private: (),
}

impl Opaque for bh_cancel {
    type Object = CancellationToken;
    const NAME: &'static str = "cancel object";
}

/// The token of a cancel object that may be NULL.
///
/// # Safety
///
/// As for [`inside`].
pub(crate) unsafe fn token(cancel: *const bh_cancel) -> Result<Option<CancellationToken>, Failure> {
    if cancel.is_null() {
        return Ok(None);
    }
    // SAFETY: the contract is the same.
    Ok(Some(CancellationToken::clone(&*unsafe { inside(cancel) }?)))
}

/// Makes a cancel object, which the caller frees with bh_cancel_free().
///
/// Threads: any; never waits.
#[unsafe(no_mangle)]
pub extern "C" fn bh_cancel_new() -> *mut bh_cancel {
    give(Arc::new(CancellationToken::new()))
}

/// Ends every call that was, or will be, given this object: they return BH_STATUS_CANCELLED, and requests that are under
/// way are cancelled towards the instance. Does not wait for them.
///
/// @param cancel  must not be NULL.
/// @param error   may be NULL; on failure receives an error, which the caller frees.
/// @return BH_STATUS_OK, BH_STATUS_INVALID_ARGUMENT, BH_STATUS_INVALID_HANDLE.
///
/// Threads: any, that is what it is for; also in callbacks. Not in signal handlers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_cancel_fire(cancel: *const bh_cancel, error: *mut *mut bh_error) -> bh_status {
    let fire = || {
        // SAFETY: the header asks for a cancel object or NULL.
        unsafe { inside(cancel) }?.cancel();
        Ok(())
    };
    // SAFETY: the contract of `error` is the same.
    unsafe { boundary(error, fire) }
}

/// Frees a cancel object. NULL is fine. Calls that were given it go on, and can no longer be cancelled.
///
/// Threads: any; never waits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_cancel_free(cancel: *mut bh_cancel) {
    // SAFETY: the header asks for a cancel object or NULL.
    boundary_void(|| unsafe { retire(cancel) }.map(drop));
}
