//! Texts that belong to the program.

use std::{
    ffi::{CString, c_char},
    sync::Arc,
};

use crate::ffi::{Opaque, boundary_void, get, give, retire};

/// A text that a function gave to the caller, who frees it with bh_string_free() (never with free()).
#[derive(Debug)]
pub struct bh_string {
    _private: (),
}

impl Opaque for bh_string {
    type Object = CString;
    const NAME: &'static str = "string";
}

/// Makes one for C.
pub(crate) fn give_string(text: CString) -> *mut bh_string {
    give(Arc::new(text))
}

/// The text: UTF-8 that ends with a NUL; JSON is on one line. It lives as long as the string. "" if `string` is NULL or
/// was freed.
///
/// Threads: any; never waits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_string_data(string: *const bh_string) -> *const c_char {
    // SAFETY: the header asks for a string or NULL.
    unsafe { get(string, c"".as_ptr(), |text| text.as_ptr()) }
}

/// Its length in bytes, without the NUL.
///
/// Threads: any; never waits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_string_length(string: *const bh_string) -> usize {
    // SAFETY: the header asks for a string or NULL.
    unsafe { get(string, 0, |text| text.count_bytes()) }
}

/// Frees a string. NULL is fine.
///
/// Threads: any; never waits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_string_free(string: *mut bh_string) {
    // SAFETY: the header asks for a string or NULL.
    boundary_void(|| unsafe { retire(string) }.map(drop));
}
