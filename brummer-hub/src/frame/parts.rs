//! Messages on their way out: pieces of text, and texts with spans replaced.

use std::{borrow::Cow, ops::Range};

use bytes::Bytes;

/// A message ready to be written: consecutive pieces of text, of which some may be empty.
#[derive(Clone, Debug)]
pub struct Parts(pub [Bytes; 3]);

impl Parts {
    /// A message in one piece.
    #[must_use]
    pub fn whole(bytes: impl Into<Bytes>) -> Self {
        Self([bytes.into(), Bytes::new(), Bytes::new()])
    }

    /// Length of the whole in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.iter().map(Bytes::len).sum()
    }

    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The whole in one piece of memory.
    #[must_use]
    pub fn join(self) -> Bytes {
        let [first, second, third] = self.0;
        if second.is_empty() && third.is_empty() {
            return first;
        }
        Bytes::from([first, second, third].concat())
    }
}

impl From<Bytes> for Parts {
    fn from(bytes: Bytes) -> Self {
        Self::whole(bytes)
    }
}

/// A span of a frame's text, and what is to stand there instead.
pub(crate) type Edit = (Range<usize>, String);

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
