//! Something that one thread at a time may use; others are told, they do not wait.

use std::{
    cell::UnsafeCell,
    marker::PhantomData,
    ops::{Deref, DerefMut},
    sync::atomic::{AtomicBool, Ordering},
};

/// A value with one user at a time.
#[derive(Debug)]
pub(crate) struct Exclusive<T> {
    taken: AtomicBool,
    value: UnsafeCell<T>,
}

// SAFETY: the value is only reached through `Taken`, of which `take` makes one at a time.
unsafe impl<T: Send> Sync for Exclusive<T> {}

/// The only access to the value, until it is dropped. It can be shared between threads only if the value can.
#[derive(Debug)]
pub(crate) struct Taken<'a, T>(&'a Exclusive<T>, PhantomData<&'a mut T>);

impl<T> Exclusive<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { taken: AtomicBool::new(false), value: UnsafeCell::new(value) }
    }

    /// Takes it, unless somebody has it.
    pub(crate) fn take(&self) -> Option<Taken<'_, T>> {
        (!self.taken.swap(true, Ordering::Acquire)).then(|| Taken(self, PhantomData))
    }
}

impl<T> Deref for Taken<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: this is the only `Taken` of it.
        unsafe { &*self.0.value.get() }
    }
}

impl<T> DerefMut for Taken<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: this is the only `Taken` of it, and is borrowed exclusively.
        unsafe { &mut *self.0.value.get() }
    }
}

impl<T> Drop for Taken<'_, T> {
    fn drop(&mut self) {
        self.0.taken.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_one_user_at_a_time() {
        let number = Exclusive::new(1);
        let mut taken = number.take().unwrap();
        *taken += 1;
        assert!(number.take().is_none());
        drop(taken);
        assert_eq!(*number.take().unwrap(), 2);
    }
}
