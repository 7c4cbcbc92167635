//! From a Rust result to a status and an error object; no panic gets past here.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use engine::{StatusCode, client::ClientError, registration::RegistrationError};

use super::{Opaque, give, inside};
use crate::{
    error::{ErrorDetails, bh_error},
    status::bh_status,
};

/// Why a function failed, before C sees it.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) status: StatusCode,
    pub(crate) message: String,
    /// Code and data of a JSON-RPC error.
    pub(crate) rpc: Option<(i64, Option<String>)>,
}

impl Failure {
    pub(crate) fn new(status: StatusCode, message: impl fmt::Display) -> Self {
        Self { status, message: message.to_string(), rpc: None }
    }

    pub(crate) fn argument(message: impl fmt::Display) -> Self {
        Self::new(StatusCode::InvalidArgument, message)
    }

    /// A newer program uses what was reserved.
    pub(crate) fn reserved() -> Self {
        Self::new(
            StatusCode::Unsupported,
            "`reserved` is not 0: this version of the library does not know what it says",
        )
    }

    pub(crate) fn timeout() -> Self {
        Self::new(StatusCode::Timeout, "nothing came within the time given")
    }

    pub(crate) fn closed(what: &str) -> Self {
        Self::new(StatusCode::Closed, format_args!("the {what} has ended"))
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let status = error.status();
        match error {
            ClientError::Rpc(rpc) => Self { status, message: rpc.message, rpc: Some((rpc.code, rpc.data)) },
            other => Self::new(status, other),
        }
    }
}

impl From<RegistrationError> for Failure {
    fn from(error: RegistrationError) -> Self {
        Self::new(error.status(), error)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::new(StatusCode::Io, error)
    }
}

/// Runs the body of a function that can fail, and tells C how it ended.
///
/// # Safety
///
/// `error` is NULL or points to where a pointer can be written.
pub(crate) unsafe fn boundary(
    error: *mut *mut bh_error,
    body: impl FnOnce() -> Result<(), Failure>,
) -> bh_status {
    let failure = match caught(body) {
        Ok(Ok(())) => return bh_status::Ok,
        Ok(Err(failure)) => failure,
        Err(message) => Failure::new(StatusCode::Panic, message),
    };
    let status = bh_status::from(failure.status);
    if !error.is_null() {
        let object = give(Arc::new(ErrorDetails::from(failure)));
        // SAFETY: not null, and by the contract of this function a place for a pointer.
        unsafe { error.write(object) };
    }
    status
}

/// The same for functions that return nothing: what fails is logged.
pub(crate) fn boundary_void(body: impl FnOnce() -> Result<(), Failure>) {
    match caught(body) {
        Ok(Ok(())) => {}
        Ok(Err(failure)) => tracing::error!("{}", failure.message),
        Err(message) => tracing::error!("{message}"),
    }
}

/// Reads something of an object; `otherwise` when the handle is bad.
///
/// # Safety
///
/// As for [`inside`].
pub(crate) unsafe fn get<T: Opaque, R>(
    handle: *const T,
    otherwise: R,
    read: impl FnOnce(&T::Object) -> R,
) -> R {
    let read = || {
        // SAFETY: the contract is the same.
        let object = unsafe { inside(handle) }?;
        Ok::<R, Failure>(read(&object))
    };
    match caught(read) {
        Ok(Ok(value)) => value,
        Ok(Err(_)) | Err(_) => otherwise,
    }
}

fn caught<R>(body: impl FnOnce() -> R) -> Result<R, String> {
    // What the body was changing is either dropped with it, or owned by a task that ends when its messages stop.
    catch_unwind(AssertUnwindSafe(body)).map_err(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
        // The drop of what was thrown may throw again.
        std::mem::forget(panic);
        format!("a defect in brummer-hub: {text}")
    })
}

#[cfg(test)]
mod tests {
    use std::ptr;

    use super::*;
    use crate::{error, ffi::retire};

    #[test]
    fn a_panic_ends_at_the_boundary_and_says_so() {
        let mut error = ptr::null_mut();
        // SAFETY: `error` is a place for a pointer, and then holds an error.
        unsafe {
            assert_eq!(boundary(&raw mut error, || panic!("on purpose {}", 1)), bh_status::Panic);
            assert_eq!(error::bh_error_status(error), bh_status::Panic);
            let message = std::ffi::CStr::from_ptr(error::bh_error_message(error));
            assert_eq!(message.to_str().unwrap(), "a defect in brummer-hub: on purpose 1");
            retire(error).unwrap();
            assert_eq!(boundary(ptr::null_mut(), || panic!("unseen")), bh_status::Panic);
        }
        boundary_void(|| panic!("of a function that returns nothing"));
    }
}
