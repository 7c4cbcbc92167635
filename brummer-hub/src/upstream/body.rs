//! Messages on their way to the instance: text that is sent from where it lies.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use hyper::{
    Request,
    body::{Body, Frame, SizeHint},
};

use crate::{budget::FREE, frame::Parts};

/// A message of the owner's. A large one stays in the pieces that it was made of, which keep what was paid for them.
#[derive(Clone, Debug)]
pub(crate) enum Text {
    Whole(Bytes),
    Pieces(Box<Parts>),
}

impl Text {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Whole(text) => text.len(),
            Self::Pieces(parts) => parts.len(),
        }
    }

    /// The text in one piece of memory.
    pub(super) fn into_bytes(self) -> Bytes {
        match self {
            Self::Whole(text) => text,
            Self::Pieces(parts) => {
                let text = parts.as_ref().clone().join();
                Bytes::from_owner(Joined { text, _pieces: parts })
            }
        }
    }
}

impl From<Bytes> for Text {
    fn from(text: Bytes) -> Self {
        Self::Whole(text)
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self::Whole(text.into())
    }
}

impl From<&'static str> for Text {
    fn from(text: &'static str) -> Self {
        Self::Whole(Bytes::from_static(text.as_bytes()))
    }
}

impl From<Parts> for Text {
    fn from(parts: Parts) -> Self {
        if parts.len() <= FREE { Self::Whole(parts.join()) } else { Self::Pieces(Box::new(parts)) }
    }
}

/// A copy, which counts as what it was made of.
struct Joined {
    text: Bytes,
    _pieces: Box<Parts>,
}

impl AsRef<[u8]> for Joined {
    fn as_ref(&self) -> &[u8] {
        &self.text
    }
}

/// What is sent to an instance.
pub(super) type Post = Request<Payload>;

/// A message as the body of a request.
#[derive(Clone, Debug)]
pub(super) struct Payload {
    text: Text,
    /// Pieces that have been sent.
    sent: usize,
    left: usize,
}

impl Payload {
    pub(super) fn new(text: impl Into<Text>) -> Self {
        let text = text.into();
        Self { left: text.len(), sent: 0, text }
    }
}

impl Body for Payload {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        while self.left > 0 {
            let at = self.sent;
            let piece = match &mut self.text {
                Text::Whole(text) => std::mem::take(text),
                Text::Pieces(parts) => parts.pieces().nth(at).cloned().unwrap_or_default(),
            };
            self.sent += 1;
            self.left -= piece.len();
            if !piece.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(u64::try_from(self.left).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use http_body_util::BodyExt;

    use super::*;

    #[test]
    fn pieces_are_sent_in_order_and_not_copied() {
        let large = Bytes::from(vec![b'x'; FREE]);
        let parts = Parts::of([large.clone(), Bytes::new(), Bytes::from_static(b"end")]);
        let text = Text::from(parts.clone());
        assert!(matches!(text, Text::Pieces(_)));
        let mut body = Payload::new(text.clone());
        assert_eq!(body.size_hint().exact(), Some(u64::try_from(FREE + 3).unwrap()));
        let first = body.frame().now_or_never().unwrap().unwrap().unwrap().into_data().unwrap();
        assert_eq!(first.as_ptr(), large.as_ptr());
        let rest = body.collect().now_or_never().unwrap().unwrap().to_bytes();
        assert_eq!(rest, "end");
        assert_eq!(text.into_bytes(), parts.join());
    }

    #[test]
    fn small_messages_are_one_piece() {
        for parts in [Parts::of(["a".into(), "b".into(), "c".into()]), Parts::default()] {
            let expected = parts.clone().join();
            let text = Text::from(parts);
            assert!(matches!(text, Text::Whole(_)));
            let body = Payload::new(text);
            assert_eq!(body.is_end_stream(), expected.is_empty());
            assert_eq!(body.collect().now_or_never().unwrap().unwrap().to_bytes(), expected);
        }
    }
}
