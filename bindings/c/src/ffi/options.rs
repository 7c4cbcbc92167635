//! Options: structures that grow at their end from version to version.

use std::ptr;

use engine::StatusCode;

use super::Failure;

/// A structure whose first member says how large the program's version of it is, and whose members may all be zero.
///
/// # Safety
///
/// The type is `repr(C)`, begins with `size: usize`, and all its bytes may be zero.
pub(crate) unsafe trait Options: Copy {
    /// What messages call it.
    const NAME: &'static str;
    /// Where its last member ends: that is its end. What a compiler leaves free there a program may fill with anything, and a
    /// later version would take that for a member.
    const END: usize;
}

/// Reads options: what the program does not know is zero, what this library does not know must be.
///
/// # Safety
///
/// `options` is NULL or points to as many bytes as its `size` says.
pub(crate) unsafe fn read_options<T: Options>(options: *const T) -> Result<Option<T>, Failure> {
    const { assert!(T::END == size_of::<T>(), "options must not end with room that nothing is in") };
    if options.is_null() {
        return Ok(None);
    }
    if !options.is_aligned() {
        return Err(Failure::argument(format_args!("the {} are not aligned", T::NAME)));
    }
    // SAFETY: not null, aligned, and at least `size` is there.
    let size = unsafe { options.cast::<usize>().read() };
    let known = size_of::<T>();
    // More than any version will have: then `size` was not set.
    if !(size_of::<usize>()..=known + 4096).contains(&size) {
        let name = T::NAME;
        return Err(Failure::argument(format_args!(
            "the {name} say a size of {size}; set it with the macro"
        )));
    }
    if size > known {
        // SAFETY: the program says that this many bytes are there.
        let rest = unsafe { std::slice::from_raw_parts(options.cast::<u8>().add(known), size - known) };
        if rest.iter().any(|byte| *byte != 0) {
            let name = T::NAME;
            return Err(Failure::new(
                StatusCode::Unsupported,
                format_args!("the {name} ask for what this version of the library does not know"),
            ));
        }
    }
    // SAFETY: by the contract of the trait all bytes may be zero.
    let mut read: T = unsafe { std::mem::zeroed() };
    // SAFETY: both have this many bytes, and do not overlap.
    unsafe { ptr::copy_nonoverlapping(options.cast::<u8>(), (&raw mut read).cast::<u8>(), size.min(known)) };
    Ok(Some(read))
}

#[cfg(test)]
mod tests {
    use std::mem::offset_of;

    use super::*;

    #[derive(Clone, Copy, Debug)]
    #[repr(C)]
    struct Grown {
        size: usize,
        old: u64,
        new: u64,
    }

    // SAFETY: it is `repr(C)`, begins with `size`, and has only numbers.
    unsafe impl Options for Grown {
        const NAME: &'static str = "grown options";
        const END: usize = offset_of!(Self, new) + size_of::<u64>();
    }

    fn read(words: &[usize]) -> Result<Option<Grown>, StatusCode> {
        // SAFETY: the tests below give as many words as the first one says.
        unsafe { read_options(words.as_ptr().cast::<Grown>()) }.map_err(|failure| failure.status)
    }

    #[test]
    #[cfg(target_pointer_width = "64")]
    fn older_and_newer_programs_are_understood() {
        let older = read(&[16, 5]).unwrap().unwrap();
        assert_eq!((older.old, older.new), (5, 0));
        assert_eq!(read(&[24, 5, 6]).unwrap().unwrap().new, 6);
        assert_eq!(read(&[32, 5, 6, 0]).unwrap().unwrap().new, 6);
        assert_eq!(read(&[32, 5, 6, 1]).unwrap_err(), StatusCode::Unsupported);
        assert_eq!(read(&[0, 5, 6]).unwrap_err(), StatusCode::InvalidArgument);
        assert_eq!(read(&[usize::MAX, 5, 6]).unwrap_err(), StatusCode::InvalidArgument);
    }
}
