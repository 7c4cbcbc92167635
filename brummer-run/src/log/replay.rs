//! Plays recorded output through the log, in the recording's own time.

use bytes::BytesMut;
use tokio::time::Instant;

use super::{splitter::Splitter, store::Store};
use crate::detect::errors::{FoundError, Verdict};

const PROCESS: u32 = 1;

/// A log with one process.
pub(crate) struct Replay {
    store: Store,
    streams: [(Splitter, BytesMut); 2],
}

impl Replay {
    pub(crate) fn new() -> Self {
        let mut store = Store::new(super::DEFAULT_LINES, None);
        store.open(PROCESS, "app-1".into(), "app".into(), &"tool".into(), 0);
        Self { store, streams: Default::default() }
    }

    /// What was read from a stream at this time.
    pub(crate) fn take(&mut self, is_error: bool, text: &[u8], now: Instant, at: u64) {
        self.store.close_due(Some(now));
        let (splitter, buffer) = &mut self.streams[usize::from(is_error)];
        buffer.extend_from_slice(text);
        if let Some(lines) = splitter.lines(buffer) {
            self.store.take(PROCESS, is_error, &lines, at.cast_signed(), now);
        }
    }

    /// All errors, and how the build stands, long after the end.
    pub(crate) fn end(mut self, now: Instant, at: u64) -> (Vec<FoundError>, Verdict) {
        for is_error in [false, true] {
            let (splitter, buffer) = &mut self.streams[usize::from(is_error)];
            if let Some(lines) = splitter.flush(buffer) {
                self.store.take(PROCESS, is_error, &lines, at.cast_signed(), now);
            }
        }
        self.store.close_due(None);
        let verdict = self.store.errors.builds(PROCESS, at.cast_signed()).verdict;
        (self.store.errors.iter().cloned().collect(), verdict)
    }
}
