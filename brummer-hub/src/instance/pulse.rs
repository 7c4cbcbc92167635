//! What sessions learn of an instance: when it last answered, for how many clients it works, what they have agreed upon.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use tokio::time::Instant;

use crate::protocol::LegacyVersion;

/// Written by every session at every answer, read by the instance's task when a ping is due. One atomic number, because
/// a message per answer would cost more than the answer.
#[derive(Debug)]
pub(super) struct Pulse {
    born: Instant,
    /// The same moment for people.
    born_at: Timestamp,
    /// Microseconds from `born` to the last answer; 0 before the first.
    last: AtomicU64,
    calls: AtomicUsize,
    /// The revision with a handshake that a session agreed upon last, by its place among all, from 1; 0: none.
    agreed: AtomicU8,
}

/// A request of a client that an instance works on, until this is dropped.
#[derive(Debug)]
pub(crate) struct Running(Arc<Pulse>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.calls.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Pulse {
    pub(super) fn new() -> Self {
        Self {
            born: Instant::now(),
            born_at: Timestamp::now(),
            last: AtomicU64::new(0),
            calls: AtomicUsize::new(0),
            agreed: AtomicU8::new(0),
        }
    }

    pub(super) fn beat(&self) {
        let age = u64::try_from(self.born.elapsed().as_micros()).unwrap_or(u64::MAX);
        // The number stands for itself; nothing is published through it.
        self.last.store(age.max(1), Ordering::Relaxed);
    }

    /// Counts a request of a client.
    pub(super) fn run(self: &Arc<Self>) -> Running {
        self.calls.fetch_add(1, Ordering::Relaxed);
        Running(Arc::clone(self))
    }

    pub(super) fn agree(&self, version: LegacyVersion) {
        let place = LegacyVersion::ALL.iter().position(|known| *known == version).map_or(0, |at| at + 1);
        self.agreed.store(u8::try_from(place).unwrap_or_default(), Ordering::Relaxed);
    }

    pub(super) fn agreed(&self) -> Option<LegacyVersion> {
        let place = usize::from(self.agreed.load(Ordering::Relaxed)).checked_sub(1)?;
        LegacyVersion::ALL.get(place).copied()
    }

    /// Requests of clients that it works on.
    pub(super) fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    /// The time of the last answer, or of the beginning.
    pub(super) fn last(&self) -> Instant {
        self.born + Duration::from_micros(self.last.load(Ordering::Relaxed))
    }

    /// The time of the last answer by the clock on the wall.
    pub(super) fn last_at(&self) -> Option<Timestamp> {
        match self.last.load(Ordering::Relaxed) {
            0 => None,
            age => self.born_at.checked_add(Duration::from_micros(age)).ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_what_was_agreed_upon() {
        let pulse = Pulse::new();
        assert_eq!(pulse.agreed(), None);
        for version in LegacyVersion::ALL {
            pulse.agree(version);
            assert_eq!(pulse.agreed(), Some(version));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn remembers_the_last_beat() {
        let pulse = Pulse::new();
        let born = pulse.last();
        tokio::time::advance(Duration::from_secs(3)).await;
        assert_eq!((pulse.last(), pulse.last_at()), (born, None));
        pulse.beat();
        assert_eq!(pulse.last(), Instant::now());
        assert_eq!(pulse.last_at().unwrap().duration_since(pulse.born_at).as_secs(), 3);
    }
}
