//! Texts and times, from C and to C.

use std::{
    ffi::{CStr, CString, c_char},
    time::Duration,
};

use engine::StatusCode;

use super::Failure;

/// A text that must be there.
///
/// # Safety
///
/// `pointer` is NULL or points to a text that ends with a NUL and stays as it is for `'a`.
pub(crate) unsafe fn text<'a>(name: &str, pointer: *const c_char) -> Result<&'a str, Failure> {
    // SAFETY: the contract is the same.
    let text = unsafe { optional_text(name, pointer) }?;
    text.ok_or_else(|| Failure::argument(format_args!("`{name}` must not be NULL")))
}

/// A text that may be NULL.
///
/// # Safety
///
/// As for [`text`].
pub(crate) unsafe fn optional_text<'a>(
    name: &str,
    pointer: *const c_char,
) -> Result<Option<&'a str>, Failure> {
    if pointer.is_null() {
        return Ok(None);
    }
    // SAFETY: not null, and by the contract of this function a text that ends with a NUL.
    let bytes = unsafe { CStr::from_ptr(pointer) };
    let text = bytes.to_str().map(Some);
    text.map_err(|error| {
        Failure::new(StatusCode::InvalidUtf8, format_args!("`{name}` is not UTF-8: {error}"))
    })
}

/// A text for C. A NUL, which no text that comes from JSON or from the system should have, ends it.
pub(crate) fn c_string(text: impl Into<Vec<u8>>) -> CString {
    CString::new(text).unwrap_or_else(|error| {
        let end = error.nul_position();
        let mut bytes = error.into_vec();
        bytes.truncate(end);
        CString::new(bytes).expect("it was cut before its first NUL")
    })
}

/// How long to wait: `None` is for ever.
pub(crate) fn wait_time(milliseconds: i32) -> Option<Duration> {
    u64::try_from(milliseconds).ok().map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_checked() {
        // SAFETY: the texts end with a NUL.
        unsafe {
            assert_eq!(text("a", c"\xc3\xa9".as_ptr()).unwrap(), "é");
            assert_eq!(text("a", c"\xff".as_ptr()).unwrap_err().status, StatusCode::InvalidUtf8);
            assert_eq!(text("a", std::ptr::null()).unwrap_err().status, StatusCode::InvalidArgument);
        }
        assert_eq!(c_string("a\0b").to_str().unwrap(), "a");
        assert_eq!((wait_time(-1), wait_time(0)), (None, Some(Duration::ZERO)));
    }
}
