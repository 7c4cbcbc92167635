//! What went wrong, for the program to read.

use std::{
    ffi::{CString, c_char},
    ptr,
};

use crate::{
    ffi::{Failure, Opaque, boundary_void, c_string, get, retire},
    status::bh_status,
};

/// Why a function failed. Functions that can fail take a `bh_error **` as their last parameter, which may be NULL; it is
/// written only on failure, and what it then points to belongs to the caller, who frees it with bh_error_free().
#[derive(Debug)]
pub struct bh_error {
    _private: (),
}

/// What is behind a [`bh_error`].
#[derive(Debug)]
pub(crate) struct ErrorDetails {
    status: bh_status,
    message: CString,
    rpc_code: i64,
    data: Option<CString>,
}

impl Opaque for bh_error {
    type Object = ErrorDetails;
    const NAME: &'static str = "error";
}

impl From<Failure> for ErrorDetails {
    fn from(failure: Failure) -> Self {
        let (rpc_code, data) = failure.rpc.unwrap_or_default();
        Self {
            status: failure.status.into(),
            message: c_string(failure.message),
            rpc_code,
            data: data.map(c_string),
        }
    }
}

/// The status that the function returned. BH_STATUS_INVALID_HANDLE if `error` is NULL or was freed.
///
/// Threads: any; never waits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_error_status(error: *const bh_error) -> bh_status {
    // SAFETY: the header asks for an error or NULL.
    unsafe { get(error, bh_status::InvalidHandle, |error| error.status) }
}

/// What went wrong, for people: UTF-8, never NULL. With BH_STATUS_RPC it is what was answered. The text lives as long
/// as the error.
///
/// Threads: any; never waits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_error_message(error: *const bh_error) -> *const c_char {
    // SAFETY: the header asks for an error or NULL.
    unsafe { get(error, c"this is not a bh_error".as_ptr(), |error| error.message.as_ptr()) }
}

/// The code of the JSON-RPC error that was answered, such as -32602. 0 if the status is not BH_STATUS_RPC.
///
/// Threads: any; never waits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_error_rpc_code(error: *const bh_error) -> i64 {
    // SAFETY: the header asks for an error or NULL.
    unsafe { get(error, 0, |error| error.rpc_code) }
}

/// The `data` of the JSON-RPC error that was answered, as JSON. NULL if there is none. The text lives as long as the
/// error.
///
/// Threads: any; never waits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_error_data(error: *const bh_error) -> *const c_char {
    let data = |error: &ErrorDetails| error.data.as_ref().map_or(ptr::null(), |data| data.as_ptr());
    // SAFETY: the header asks for an error or NULL.
    unsafe { get(error, ptr::null(), data) }
}

/// Frees an error. NULL is fine.
///
/// Threads: any; never waits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_error_free(error: *mut bh_error) {
    // SAFETY: the header asks for an error or NULL.
    boundary_void(|| unsafe { retire(error) }.map(drop));
}
