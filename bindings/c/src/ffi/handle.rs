//! Handles: what C has of an object.
//!
//! A handle is a small block that C never looks into. It holds a counted reference to the object, and every function
//! takes one of its own for as long as it works, so an object lives until the last call on it has returned, even when
//! the handle is freed meanwhile. A freed handle is kept for a while, marked, so that using or freeing it again is
//! noticed instead of corrupting memory.
//!
//! Nobody waits for anybody here: whoever is the last to look at a handle that was freed drops the handle's reference. So
//! a thread that is held up in the middle, or that a fork has left behind in the other process, holds up nothing.

use std::{
    any::Any,
    cell::UnsafeCell,
    marker::PhantomData,
    ptr,
    sync::{
        Arc,
        atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering::SeqCst},
    },
};

use super::Failure;
use engine::StatusCode;

/// Marks a handle in use. Any number that is unlikely to stand in memory by chance.
const LIVE: u64 = 0x6272_756d_6d65_7231;

/// Marks a handle that was freed, and may still have users.
const FREED: u64 = 0x6465_6164_6465_6164;

/// Marks a handle that was freed and that nobody looks into any more.
const EMPTY: u64 = 0x6465_6164_6465_6165;

/// Freed handles that are remembered, of 40 bytes each.
const REMEMBERED: usize = 1024;

/// The freed handles, the oldest of which is given back to the system when there are too many.
static FREED_HANDLES: [AtomicPtr<Handle>; REMEMBERED] =
    [const { AtomicPtr::new(ptr::null_mut()) }; REMEMBERED];
static NEXT_FREED: AtomicUsize = AtomicUsize::new(0);

/// What a handle points to. The same for every kind, so that a handle of the wrong kind is noticed too.
struct Handle {
    mark: AtomicU64,
    /// Who may look at `object`: the program, until it frees the handle, and threads that are taking their reference.
    users: AtomicUsize,
    object: UnsafeCell<Option<Arc<dyn Any + Send + Sync>>>,
}

// SAFETY: `object` is `Send` and `Sync`. It is only read by one of `users`, and only written by the last of them, when
// `users` has become 0, from where it never rises again.
unsafe impl Sync for Handle {}

/// One of a handle's users.
struct User<'a>(&'a Handle);

impl<'a> User<'a> {
    /// `None` when the last user has left.
    fn enter(handle: &'a Handle) -> Option<Self> {
        let one_more = |users: usize| if users > 0 { Some(users + 1) } else { None };
        // A `User` only when it has entered: it leaves when it is dropped.
        handle.users.fetch_update(SeqCst, SeqCst, one_more).ok().map(|_| Self(handle))
    }

    fn object(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        // SAFETY: it is not written before this user has left.
        unsafe { (*self.0.object.get()).clone() }
    }
}

impl Drop for User<'_> {
    fn drop(&mut self) {
        if self.0.users.fetch_sub(1, SeqCst) == 1 {
            // SAFETY: this was the last user, and there will be no other.
            drop(unsafe { (*self.0.object.get()).take() });
            // The last that is done with the handle: from here on it may be given back.
            self.0.mark.store(EMPTY, SeqCst);
        }
    }
}

/// A type that C has handles of.
pub(crate) trait Opaque {
    /// The object behind it.
    type Object: Any + Send + Sync;
    /// What messages call it.
    const NAME: &'static str;
}

/// Makes a handle; C owns it until it frees it.
pub(crate) fn give<T: Opaque>(object: Arc<T::Object>) -> *mut T {
    let handle = Handle {
        mark: AtomicU64::new(LIVE),
        users: AtomicUsize::new(1),
        object: UnsafeCell::new(Some(object)),
    };
    Box::into_raw(Box::new(handle)).cast()
}

/// The object of a handle.
///
/// # Safety
///
/// `handle` is NULL, or came from [`give`] and was not freed more than [`REMEMBERED`] frees ago.
pub(crate) unsafe fn inside<T: Opaque>(handle: *const T) -> Result<Arc<T::Object>, Failure> {
    let bad = |what: &str| Failure::new(StatusCode::InvalidHandle, format!("this {} {what}", T::NAME));
    if handle.is_null() {
        return Err(Failure::argument(format!("the {} must not be NULL", T::NAME)));
    }
    let handle = handle.cast::<Handle>();
    if !handle.is_aligned() {
        return Err(bad("is not a valid handle"));
    }
    // SAFETY: not null, aligned, and by the contract of this function a handle that is alive or remembered.
    let handle = unsafe { &*handle };
    // Looked at before anything is written: it may be no handle at all.
    let object = match handle.mark.load(SeqCst) {
        LIVE => User::enter(handle).and_then(|user| user.object()).ok_or("was freed"),
        FREED | EMPTY => Err("was freed"),
        _ => Err("is not a valid handle"),
    };
    let object = object.map_err(bad)?;
    object.downcast().map_err(|_| bad("is a handle of another kind"))
}

/// Frees a handle and gives its object to the caller. NULL is fine.
///
/// # Safety
///
/// As for [`inside`].
pub(crate) unsafe fn retire<T: Opaque>(handle: *mut T) -> Result<Option<Arc<T::Object>>, Failure> {
    if handle.is_null() {
        return Ok(None);
    }
    // SAFETY: the contract is the same. It also makes sure that the handle is of this kind.
    let object = unsafe { inside(handle.cast_const()) }?;
    let raw = handle.cast::<Handle>();
    // SAFETY: `inside` found it to be a handle.
    let handle = unsafe { &*raw };
    if handle.mark.compare_exchange(LIVE, FREED, SeqCst, SeqCst).is_err() {
        return Err(Failure::new(StatusCode::InvalidHandle, format!("this {} was freed", T::NAME)));
    }
    // The program is no user any more.
    drop(User(handle));
    let place = NEXT_FREED.fetch_add(1, SeqCst) % REMEMBERED;
    let oldest = FREED_HANDLES[place].swap(raw, SeqCst);
    // SAFETY: NULL, or a handle that was put here once, when its mark was turned, and not given back yet.
    let unused = unsafe { oldest.as_ref() }.is_some_and(|oldest| oldest.mark.load(SeqCst) == EMPTY);
    // One that a thread is still looking into, so many frees later, is left to it.
    if unused {
        // SAFETY: it came from `Box::into_raw` in `give`, nobody else has it any more, and nobody looks into it.
        drop(unsafe { Box::from_raw(oldest) });
    }
    Ok(Some(object))
}

/// A handle that is lent to a callback: freed at the end.
pub(crate) struct Borrowed<T: Opaque>(*mut T, PhantomData<T>);

impl<T: Opaque> Borrowed<T> {
    pub(crate) fn new(object: Arc<T::Object>) -> Self {
        Self(give(object), PhantomData)
    }

    pub(crate) fn as_ptr(&self) -> *const T {
        self.0
    }
}

impl<T: Opaque> Drop for Borrowed<T> {
    fn drop(&mut self) {
        // SAFETY: it came from `give`. A callback that has freed it has done so just now.
        let _ = unsafe { retire(self.0) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Number;
    impl Opaque for Number {
        type Object = u32;
        const NAME: &'static str = "number";
    }

    struct Other;
    impl Opaque for Other {
        type Object = String;
        const NAME: &'static str = "other";
    }

    fn status<T>(result: Result<T, Failure>) -> Option<StatusCode> {
        result.err().map(|failure| failure.status)
    }

    #[test]
    fn misuse_is_noticed() {
        let number = give::<Number>(Arc::new(7));
        // SAFETY: the handles are from `give`, or are what the functions check for.
        unsafe {
            assert_eq!(*inside(number.cast_const()).unwrap(), 7);
            assert_eq!(status(inside(number.cast_const().cast::<Other>())), Some(StatusCode::InvalidHandle));
            assert_eq!(status(retire(number.cast::<Other>())), Some(StatusCode::InvalidHandle));
            assert_eq!(status(inside(ptr::null::<Number>())), Some(StatusCode::InvalidArgument));
            assert_eq!(status(inside(number.cast_const().byte_add(1))), Some(StatusCode::InvalidHandle));
            let not_one = [const { AtomicU64::new(0) }; 8];
            assert_eq!(status(inside(not_one.as_ptr().cast::<Number>())), Some(StatusCode::InvalidHandle));
            assert!(retire(ptr::null_mut::<Number>()).unwrap().is_none());
            assert!(retire(number).unwrap().is_some());
            assert_eq!(status(retire(number)), Some(StatusCode::InvalidHandle));
            assert_eq!(status(inside(number.cast_const())), Some(StatusCode::InvalidHandle));
        }
    }

    #[test]
    fn a_user_that_never_leaves_holds_up_nobody() {
        let object = Arc::new(7);
        let number = give::<Number>(Arc::clone(&object));
        // SAFETY: the handle is from `give`; it outlives what is done with it here.
        unsafe {
            // As in the child of a fork, if another thread of the parent was just here.
            let left = User::enter(&*number.cast::<Handle>().cast_const()).unwrap();
            assert_eq!(retire(number).unwrap().as_deref(), Some(&7));
            assert_eq!(status(inside(number.cast_const())), Some(StatusCode::InvalidHandle));
            for _ in 0..=REMEMBERED {
                assert!(retire(give::<Number>(Arc::new(8))).unwrap().is_some());
            }
            // It is still there to be left.
            assert_eq!(Arc::strong_count(&object), 2);
            drop(left);
            assert_eq!(Arc::strong_count(&object), 1);
            // Who saw it live, and comes now, is too late.
            assert!(User::enter(&*number.cast::<Handle>().cast_const()).is_none());
            assert_eq!((*number.cast::<Handle>()).users.load(SeqCst), 0);
            drop(Box::from_raw(number.cast::<Handle>()));
        }
    }

    #[test]
    fn one_of_many_threads_frees_it_and_none_sees_less_than_all_of_it() {
        for _ in 0..50 {
            let handle = AtomicPtr::new(give::<Number>(Arc::new(7)));
            let freed = AtomicUsize::new(0);
            std::thread::scope(|scope| {
                for thread in 0..4 {
                    let (handle, freed) = (&handle, &freed);
                    scope.spawn(move || {
                        let handle = handle.load(SeqCst);
                        for turn in 0..50 {
                            // SAFETY: it is from `give`, and too few are freed here for it to be forgotten.
                            unsafe {
                                if let Ok(number) = inside(handle.cast_const()) {
                                    assert_eq!(*number, 7);
                                }
                                if turn == 25 + thread && retire(handle).is_ok() {
                                    freed.fetch_add(1, SeqCst);
                                }
                            }
                        }
                    });
                }
            });
            assert_eq!(freed.into_inner(), 1);
        }
    }
}
