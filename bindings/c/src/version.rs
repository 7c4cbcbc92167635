//! Versions, and whether header and library fit.

use std::ffi::c_char;

use engine::StatusCode;

use crate::{
    error::bh_error,
    ffi::{Failure, boundary},
    status::bh_status,
};

/// The binary interface that this header describes; also the number in the shared library's name. It changes whenever a
/// program has to be compiled anew.
pub const BH_ABI_VERSION: u32 = 1;

/// The version that this header is of.
pub const BH_VERSION_MAJOR: u32 = 0;
/// The version that this header is of.
pub const BH_VERSION_MINOR: u32 = 1;
/// The version that this header is of.
pub const BH_VERSION_PATCH: u32 = 0;

/// The version of the library, such as "0.1.0". The text is constant.
///
/// Threads: any; never waits.
#[unsafe(no_mangle)]
pub extern "C" fn bh_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// The binary interface of the library: #BH_ABI_VERSION of the header that it was built with.
///
/// Threads: any; never waits.
#[unsafe(no_mangle)]
pub extern "C" fn bh_abi_version() -> u32 {
    BH_ABI_VERSION
}

/// Whether a program that was compiled with some header can use this library. Use the macro BH_CHECK_ABI(error), which
/// fills in the numbers of the header; call it once, before anything else.
///
/// @param abi    BH_ABI_VERSION of the header.
/// @param major  BH_VERSION_MAJOR of the header.
/// @param minor  BH_VERSION_MINOR of the header: a library that is older may lack functions.
/// @param error  may be NULL; on failure receives an error, which the caller frees.
/// @return BH_STATUS_OK, or BH_STATUS_VERSION.
///
/// Threads: any; never waits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_check_version(
    abi: u32,
    major: u32,
    minor: u32,
    error: *mut *mut bh_error,
) -> bh_status {
    let check = || {
        let newer = (major, minor) > (BH_VERSION_MAJOR, BH_VERSION_MINOR);
        if abi == BH_ABI_VERSION && !newer {
            return Ok(());
        }
        let library = env!("CARGO_PKG_VERSION");
        let message = format!(
            "the program was compiled for version {major}.{minor} (ABI {abi}) of brummer-hub, and the library is \
             {library} (ABI {BH_ABI_VERSION})"
        );
        Err(Failure::new(StatusCode::Version, message))
    };
    // SAFETY: the contract of `error` is the same.
    unsafe { boundary(error, check) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_has_the_version_of_the_package() {
        let header = format!("{BH_VERSION_MAJOR}.{BH_VERSION_MINOR}.{BH_VERSION_PATCH}");
        assert_eq!(header, env!("CARGO_PKG_VERSION"));
    }
}
