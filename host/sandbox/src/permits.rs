//! How many calls run at a time: the pool of instances errors when it is empty, so callers wait here.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

pub(crate) struct Permits {
    free: Mutex<usize>,
    freed: Condvar,
}

/// One call's place; free again when dropped, after a panic too.
pub(crate) struct Permit<'a>(&'a Permits);

impl Permits {
    pub(crate) fn new(count: usize) -> Self {
        Self { free: Mutex::new(count.max(1)), freed: Condvar::new() }
    }

    pub(crate) fn take(&self) -> Permit<'_> {
        let mut free =
            self.freed.wait_while(self.lock(), |free| *free == 0).unwrap_or_else(PoisonError::into_inner);
        *free -= 1;
        Permit(self)
    }

    fn lock(&self) -> MutexGuard<'_, usize> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        *self.0.lock() += 1;
        self.0.freed.notify_one();
    }
}
