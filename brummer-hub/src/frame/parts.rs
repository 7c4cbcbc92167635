//! Messages on their way out: pieces of text, and texts with spans replaced.

use std::{borrow::Cow, ops::Range};

use bytes::Bytes;

/// A message ready to be written: consecutive pieces of text, none of them copied from the message it was made of.
#[derive(Clone, Debug, Default)]
pub struct Parts {
    /// Most messages are what stands before an id, the id, and what stands after it.
    first: [Bytes; 3],
    rest: Vec<Bytes>,
}

impl Parts {
    /// A message in one piece.
    #[must_use]
    pub fn whole(bytes: impl Into<Bytes>) -> Self {
        Self::of([bytes.into(), Bytes::new(), Bytes::new()])
    }

    /// A message in three pieces, of which some may be empty.
    #[must_use]
    pub const fn of(pieces: [Bytes; 3]) -> Self {
        Self { first: pieces, rest: Vec::new() }
    }

    /// Adds a piece at the end.
    pub fn push(&mut self, piece: Bytes) {
        if piece.is_empty() {
            return;
        }
        if self.rest.is_empty()
            && let Some(free) = self
                .first
                .iter()
                .rposition(|piece| !piece.is_empty())
                .map_or(Some(0), |last| (last + 1 < self.first.len()).then_some(last + 1))
        {
            self.first[free] = piece;
        } else {
            self.rest.push(piece);
        }
    }

    /// The pieces in order; some may be empty.
    pub fn pieces(&self) -> impl Iterator<Item = &Bytes> {
        self.first.iter().chain(&self.rest)
    }

    /// Length of the whole in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pieces().map(Bytes::len).sum()
    }

    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The whole in one piece of memory.
    #[must_use]
    pub fn join(self) -> Bytes {
        let [first, second, third] = &self.first;
        if second.is_empty() && third.is_empty() && self.rest.is_empty() {
            return first.clone();
        }
        let mut out = Vec::with_capacity(self.len());
        self.pieces().for_each(|piece| out.extend_from_slice(piece));
        out.into()
    }
}

impl From<Bytes> for Parts {
    fn from(bytes: Bytes) -> Self {
        Self::whole(bytes)
    }
}

/// A span of a frame's text, and what is to stand there instead.
pub(crate) type Edit = (Range<usize>, String);

/// A text with spans replaced, without a copy of what stays. The spans must lie in the text and must not overlap; they
/// may come in any order.
pub(crate) fn edited(text: &Bytes, mut edits: Vec<Edit>) -> Parts {
    // What is put in stands before what is taken out at the same place.
    edits.sort_by_key(|(span, _)| (span.start, span.end));
    let mut parts = Parts::default();
    let mut kept = 0;
    for (span, with) in edits {
        debug_assert!(kept <= span.start, "edits must not overlap");
        parts.push(text.slice(kept..span.start));
        parts.push(with.into());
        kept = span.end;
    }
    parts.push(text.slice(kept..));
    parts
}

/// Replaces spans of a text. The spans must lie in the text, in ascending order, and must not overlap.
#[must_use]
pub fn splice<'a>(text: &[u8], edits: impl IntoIterator<Item = (Range<usize>, Cow<'a, str>)>) -> Bytes {
    let mut out = Vec::with_capacity(text.len() + 64);
    let mut copied = 0;
    for (span, with) in edits {
        debug_assert!(copied <= span.start, "edits must be in order and apart");
        out.extend_from_slice(&text[copied..span.start]);
        out.extend_from_slice(with.as_bytes());
        copied = span.end;
    }
    out.extend_from_slice(&text[copied..]);
    out.into()
}
