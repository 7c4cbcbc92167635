//! JSON-RPC messages as the bytes they came in.
//!
//! A [`Frame`] owns one message and knows where its routing members are: nothing else of it is parsed, and nothing of
//! it is ever printed again. To forward it under another id, or with another tool name, spans of the original text
//! are replaced ([`Frame::with_id`], [`splice`]), so what this program has never heard of in params and results, be it a
//! member, a number format or a key order, arrives as it was sent.

mod constants;
mod id;
mod object;
mod parts;
mod scan;
mod surrogates;
#[cfg(test)]
mod tests;

use std::{borrow::Cow, fmt, ops::Range};

use bytes::{Bytes, BytesMut};
use bytestring::ByteString;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::budget::FREE;

pub use self::parts::{Parts, splice};
#[doc(hidden)]
pub use self::scan::Scanner;
use self::scan::{MessageMembers, Spans};
pub(crate) use self::{
    id::{means, meant},
    object::{Object, string},
    parts::Edit,
};

/// One JSON-RPC request, notification or response, on one line.
#[derive(Clone)]
pub struct Frame {
    /// Checked once to be UTF-8, and never again.
    text: ByteString,
    kind: Kind,
    params: Option<Range<usize>>,
    result: Option<Range<usize>>,
    /// The message has members that do not belong to what it is.
    has_strange: bool,
    /// There may be a null within its members.
    has_nulls: bool,
}

/// What a message is, and where its parts stand in the text.
struct Layout {
    kind: Kind,
    params: Option<Range<usize>>,
    result: Option<Range<usize>>,
    has_strange: bool,
    has_nulls: bool,
}

/// The text of a message, and where its members stand if it was scanned while it came in.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    pub(crate) text: Bytes,
    spans: Option<Spans>,
}

impl Document {
    /// A text that was read by `scanner` as a whole, and nothing else. `seal` makes it a piece of memory.
    pub(crate) fn scanned<T: AsMut<[u8]>>(
        mut text: T,
        scanner: Scanner,
        seal: impl FnOnce(T) -> Bytes,
    ) -> Self {
        // Here no copy is needed for it.
        let spans = scanner.finish(text.as_mut());
        Self { text: seal(text), spans }
    }
}

impl From<Bytes> for Document {
    fn from(text: Bytes) -> Self {
        Self { text, spans: None }
    }
}

/// What a [`Frame`] is, with the members that it is routed by.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Has a method and an id: the peer expects an answer.
    Request {
        /// Where the id stands in the text.
        id: Range<usize>,
        /// The method, unescaped.
        method: Box<str>,
    },
    /// Has a method and no id.
    Notification {
        /// The method, unescaped.
        method: Box<str>,
    },
    /// Has a result or an error.
    Response {
        /// Where the id stands in the text; `None` when it is absent or null, as in an answer to an unreadable request.
        id: Option<Range<usize>>,
        /// Whether it carries a result rather than an error.
        ok: bool,
    },
}

/// Why some bytes are not a [`Frame`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// Not JSON at all, or not UTF-8.
    #[error("not JSON: {0}")]
    NotJson(#[source] serde_json::Error),
    /// JSON, but no JSON-RPC 2.0 message.
    #[error("not a JSON-RPC 2.0 message: {reason}")]
    NotJsonRpc {
        /// What is wrong with it.
        reason: &'static str,
        /// The id as JSON text, when one could be read: the error answer then carries it.
        id: Option<Box<str>>,
    },
    /// A JSON array, which is a batch in some revisions: see [`split_batch`].
    #[error("a batch of messages")]
    Batch,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    jsonrpc: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    method: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    params: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    result: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    error: Option<&'a RawValue>,
}

impl<'a> From<Envelope<'a>> for MessageMembers<'a> {
    fn from(envelope: Envelope<'a>) -> Self {
        Self {
            jsonrpc: envelope.jsonrpc.map(RawValue::get),
            id: envelope.id.map(RawValue::get),
            method: envelope.method.map(RawValue::get),
            params: envelope.params.map(RawValue::get),
            result: envelope.result.map(RawValue::get),
            error: envelope.error.map(RawValue::get),
            // It may have.
            others: true,
            surrogates: true,
            nulls: true,
        }
    }
}

/// Keeps `null` apart from an absent member, which `Option` alone does not.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// Where `part` stands in `whole`, of which it must be a slice.
pub(crate) fn span_in(whole: &[u8], part: &str) -> Range<usize> {
    let start = part.as_ptr() as usize - whole.as_ptr() as usize;
    start..start + part.len()
}

impl Frame {
    /// Reads one message. Line breaks between its tokens become spaces, so that the frame is one line of text.
    ///
    /// # Errors
    ///
    /// [`FrameError`] tells apart what JSON-RPC answers with different codes. Nesting is not limited: only the
    /// outermost object is looked into, without recursion.
    pub fn parse(bytes: impl Into<Bytes>) -> Result<Self, FrameError> {
        Self::laid_out(bytes.into()).map(|(frame, _)| frame)
    }

    /// Reads one message; also whether halves of surrogate pairs are written in it as escapes, in pairs or not.
    fn laid_out(bytes: Bytes) -> Result<(Self, bool), FrameError> {
        let text = utf8(&on_one_line(bytes))?;
        if text.trim_ascii_start().starts_with('[') {
            return match serde_json::from_str::<&RawValue>(&text) {
                Ok(_) => Err(FrameError::Batch),
                Err(error) => Err(FrameError::NotJson(error)),
            };
        }
        let members = members(&text)?;
        let (layout, has_surrogates) = (members.layout(&text)?, members.surrogates);
        Ok((Self::of(text, layout), has_surrogates))
    }

    /// Reads one message of a server, which may have been scanned as it came in. Halves of surrogate pairs that stand alone
    /// become U+FFFD.
    pub(crate) fn read(document: &Document) -> Result<Self, FrameError> {
        if let Some(spans) = &document.spans {
            let text = utf8(&document.text)?;
            if let Some(members) = spans.members(&text) {
                // What it had of halves was mended then.
                let layout = members.layout(&text)?;
                return Ok(Self::of(text, layout));
            }
        }
        let (frame, has_surrogates) = Self::laid_out(document.text.clone())?;
        Ok(if has_surrogates { frame.without_halves() } else { frame })
    }

    fn of(text: ByteString, layout: Layout) -> Self {
        let Layout { kind, params, result, has_strange, has_nulls } = layout;
        Self { text, kind, params, result, has_strange, has_nulls }
    }

    /// The same with characters only. As long as it was: what stands where stays so.
    fn without_halves(self) -> Self {
        if !surrogates::any_lone(self.text.as_bytes()) {
            return self;
        }
        let mut mended = BytesMut::from(self.text.as_bytes().as_ref());
        surrogates::mend(&mut mended);
        let text = ByteString::try_from(mended.freeze()).expect("ASCII took the place of ASCII");
        Self { text, ..self }
    }

    /// What it is, and what it is routed by.
    #[must_use]
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// The whole message as it came, one line without its line break.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        self.text.as_bytes()
    }

    /// The method of a request or notification.
    #[must_use]
    pub fn method(&self) -> Option<&str> {
        match &self.kind {
            Kind::Request { method, .. } | Kind::Notification { method } => Some(method),
            Kind::Response { .. } => None,
        }
    }

    /// The id as its JSON text, so that `1`, `1.0` and `"1"` stay apart.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        match &self.kind {
            Kind::Request { id, .. } => Some(self.part(id)),
            Kind::Response { id, .. } => id.as_ref().map(|id| self.part(id)),
            Kind::Notification { .. } => None,
        }
    }

    /// The id of a message that the hub numbered itself.
    #[must_use]
    pub fn numeric_id(&self) -> Option<u64> {
        self.id()?.parse().ok()
    }

    /// The `params` as JSON text.
    #[must_use]
    pub fn params(&self) -> Option<&str> {
        self.params.as_ref().map(|span| self.part(span))
    }

    /// The `result` as JSON text.
    #[must_use]
    pub fn result(&self) -> Option<&str> {
        self.result.as_ref().map(|span| self.part(span))
    }

    /// Whether there may be a null within its members: where there is none, none need be looked for.
    pub(crate) const fn has_nulls(&self) -> bool {
        self.has_nulls
    }

    /// Reads the members of `params` that `T` names; `None` when there are no params or they do not fit.
    #[must_use]
    pub fn peek<'a, T: Deserialize<'a>>(&'a self) -> Option<T> {
        object(self.params()?)
    }

    /// Reads the members of `result` that `T` names; `None` when there is no result or it does not fit.
    #[must_use]
    pub fn peek_result<'a, T: Deserialize<'a>>(&'a self) -> Option<T> {
        object(self.result()?)
    }

    /// Where a part of this frame's text (a `RawValue` that was read from it) stands.
    ///
    /// # Panics
    ///
    /// When `part` is not a slice of this frame.
    #[must_use]
    pub fn span_of(&self, part: &str) -> Range<usize> {
        let span = span_in(self.bytes(), part);
        assert!(span.end <= self.text.len(), "the part belongs to another frame");
        span
    }

    /// The same message under another id, as parts to be written one after the other: its text is not copied.
    ///
    /// A response without an id gets one; a notification is returned as it is.
    #[must_use]
    pub fn with_id(&self, id: &str) -> Parts {
        if self.has_strange {
            return self.edited(self.id_edit(id).into_iter().collect());
        }
        let Some((span, id)) = self.id_edit(id) else { return Parts::whole(self.bytes().clone()) };
        Parts::of([self.bytes().slice(..span.start), id.into(), self.bytes().slice(span.end..)])
    }

    /// The same with other spans replaced as well, which must not overlap and may come in any order.
    pub(crate) fn with_edits(&self, mut edits: Vec<Edit>, id: &str) -> Parts {
        if edits.is_empty() {
            return self.with_id(id);
        }
        edits.extend(self.id_edit(id));
        self.edited(edits)
    }

    /// The same message with spans of its known members replaced, which must not overlap and may come in any order.
    pub(crate) fn edited(&self, mut edits: Vec<Edit>) -> Parts {
        if self.has_strange
            && let Some(members) = Object::read(&self.text)
        {
            edits.extend(members.edits(self.bytes(), "", |name| !self.knows(name)));
        }
        parts::edited(self.bytes(), edits)
    }

    /// The same message as it is passed on: without members that do not belong to it, for which the official TypeScript
    /// SDK throws a message away.
    pub(crate) fn whole(&self) -> Parts {
        self.edited(Vec::new())
    }

    /// Whether a member belongs to what the message is.
    fn knows(&self, name: &str) -> bool {
        match name {
            "jsonrpc" => true,
            "id" => !matches!(self.kind, Kind::Notification { .. }),
            "method" => !matches!(self.kind, Kind::Response { .. }),
            "params" => self.params.is_some(),
            "result" => matches!(self.kind, Kind::Response { ok: true, .. }),
            "error" => matches!(self.kind, Kind::Response { ok: false, .. }),
            _ => false,
        }
    }

    /// The edit that gives the message this id; `None` for a notification.
    fn id_edit(&self, id: &str) -> Option<Edit> {
        match &self.kind {
            Kind::Request { id: span, .. } | Kind::Response { id: Some(span), .. } => {
                Some((span.clone(), id.to_owned()))
            }
            // A null id is replaced. It is rare enough to be looked for again.
            Kind::Response { id: None, .. } => {
                match members(&self.text).ok().and_then(|members| members.id) {
                    Some(null) => Some((self.span_of(null), id.to_owned())),
                    None => {
                        let start = self.text.find('{').map_or(0, |at| at + 1);
                        Some((start..start, format!("\"id\":{id},")))
                    }
                }
            }
            Kind::Notification { .. } => None,
        }
    }

    /// The same to be kept for long: a copy of a large text, so that what was paid for it on its way is given back.
    pub(crate) fn kept(self) -> Self {
        if self.text.len() <= FREE { self } else { Self { text: ByteString::from(&*self.text), ..self } }
    }

    /// The text at a span of this frame.
    pub(crate) fn part(&self, span: &Range<usize>) -> &str {
        &self.text[span.clone()]
    }
}

impl fmt::Debug for Frame {
    /// Says what the frame is, never what it carries: arguments and results may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frame")
            .field("kind", &self.kind)
            .field("len", &self.text.len())
            .finish_non_exhaustive()
    }
}

/// Checks that a text is UTF-8.
fn utf8(bytes: &Bytes) -> Result<ByteString, FrameError> {
    ByteString::try_from(bytes.clone()).map_err(|_| match serde_json::from_slice::<&RawValue>(bytes) {
        Err(error) => FrameError::NotJson(error),
        Ok(_) => reject("it is not UTF-8", None),
    })
}

/// The members that make it a message.
fn members(text: &str) -> Result<MessageMembers<'_>, FrameError> {
    if let Some(members) = scan::members(text) {
        return Ok(members);
    }
    serde_json::from_str::<Envelope<'_>>(text).map(Into::into).map_err(|error| {
        if error.is_data() {
            reject("it is not an object with each member once", None)
        } else {
            FrameError::NotJson(error)
        }
    })
}

impl MessageMembers<'_> {
    /// What the message is, and where its parts stand.
    fn layout(&self, text: &str) -> Result<Layout, FrameError> {
        let at = |part: &str| span_in(text.as_bytes(), part);
        let kind = self.kind(text.as_bytes())?;
        let (is_response, is_result) = match kind {
            Kind::Response { ok, .. } => (true, ok),
            Kind::Request { .. } | Kind::Notification { .. } => (false, false),
        };
        // Some clients write that there are none.
        let params = self.params.filter(|params| !is_response && *params != "null").map(at);
        let result = self.result.filter(|_| is_result).map(at);
        let there = [self.jsonrpc, self.id, self.method, self.params, self.result, self.error];
        let there = there.iter().flatten().count();
        // `jsonrpc`, and the method, the result or the error.
        let belong = 2 + usize::from(self.id.is_some()) + usize::from(params.is_some());
        let has_strange = self.others || there > belong;
        Ok(Layout { kind, params, result, has_strange, has_nulls: self.nulls })
    }

    fn kind(&self, bytes: &[u8]) -> Result<Kind, FrameError> {
        let id = self.id.filter(|id| *id != "null");
        let reject = |reason| Err(reject(reason, id.filter(|id| is_id(id))));
        // Nearly everyone writes it so, and nothing need be unescaped then.
        let is_version = |raw: &str| {
            raw == "\"2.0\"" || serde_json::from_str::<String>(raw).is_ok_and(|version| version == "2.0")
        };
        if !self.jsonrpc.is_some_and(is_version) {
            return reject("`jsonrpc` must be \"2.0\"");
        }
        if let Some(id) = id
            && !is_id(id)
        {
            return reject("`id` must be a string or a number");
        }
        // Some servers write each member that any message may have, and null where there is none.
        let Some(method) = self.method.filter(|method| *method != "null") else {
            let error = self.error.filter(|error| self.result.is_none() || *error != "null");
            let result = self.result.filter(|result| error.is_none() || *result != "null");
            return match (result, error) {
                (None, None) => reject("it has neither a method, a result nor an error"),
                (Some(_), Some(_)) => reject("it has both a result and an error"),
                (result, _) => {
                    Ok(Kind::Response { id: id.map(|id| span_in(bytes, id)), ok: result.is_some() })
                }
            };
        };
        let Some(method) = object::string(method) else {
            return reject("`method` must be a string");
        };
        // Some clients write that there are none.
        let params = self.params.filter(|params| *params != "null").unwrap_or("{}");
        if !params.starts_with(['{', '[']) {
            return reject("`params` must be an object or an array");
        }
        match (self.id, id) {
            (None, _) => Ok(Kind::Notification { method: method.into() }),
            (Some(_), Some(id)) => Ok(Kind::Request { id: span_in(bytes, id), method: method.into() }),
            (Some(_), None) => reject("the `id` of a request must not be null"),
        }
    }
}

fn reject(reason: &'static str, id: Option<&str>) -> FrameError {
    FrameError::NotJsonRpc { reason, id: id.map(Into::into) }
}

/// Reads an object. An array is none, although serde would take its items for the members in order.
fn object<'a, T: Deserialize<'a>>(text: &'a str) -> Option<T> {
    if text.starts_with('{') { serde_json::from_str(text).ok() } else { None }
}

/// Strings and numbers; the JSON text was checked to be valid already.
fn is_id(raw: &str) -> bool {
    raw.starts_with(|first: char| first == '"' || first == '-' || first.is_ascii_digit())
}

/// Makes one line of a message: a line break can only stand between tokens, where a space means the same.
fn on_one_line(bytes: Bytes) -> Bytes {
    if memchr::memchr2(b'\n', b'\r', &bytes).is_none() {
        return bytes;
    }
    let mut bytes = bytes.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&shared[..]));
    for byte in bytes.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')) {
        *byte = b' ';
    }
    bytes.freeze()
}

/// What a server wrote: one message, or those of a batch. What cannot be read spoils nothing beside it.
pub(crate) fn messages(
    document: &Document,
    limit: usize,
) -> impl Iterator<Item = Result<Frame, FrameError>> + use<> {
    let is_batch = document.text.trim_ascii_start().first() == Some(&b'[');
    let (one, parts) = if is_batch {
        let parts = split_batch(&document.text, limit).or_else(|refused| match repaired(&document.text) {
            Some(text) => split_batch(&text, limit).map_err(|_| refused),
            None => Err(refused),
        });
        match parts {
            Ok(parts) => (None, parts),
            Err(error) => (Some(Err(error)), Vec::new()),
        }
    } else {
        (Some(mended(document)), Vec::new())
    };
    one.into_iter().chain(parts.into_iter().map(|part| mended(&part.into())))
}

/// Reads a message, also one that is not quite JSON: one bad name or number spoils no list.
pub(crate) fn mended(document: &Document) -> Result<Frame, FrameError> {
    Frame::read(document).or_else(|refused| match repaired(&document.text) {
        Some(text) => Frame::parse(text).map_err(|_| refused),
        None => Err(refused),
    })
}

/// A text that cannot be read with U+FFFD in place of what is no character, and `null` in place of numbers that are none;
/// `None` if it has neither.
pub(crate) fn repaired(text: &[u8]) -> Option<Bytes> {
    let characters = String::from_utf8_lossy(text);
    let is_mended = matches!(characters, Cow::Owned(_));
    let (text, is_mended) = match constants::as_null(&characters) {
        Some(numbers) => (numbers, true),
        None => (characters.into_owned(), is_mended),
    };
    let mut text = text.into_bytes();
    if !is_mended && !surrogates::any_lone(&text) {
        return None;
    }
    surrogates::mend(&mut text);
    tracing::debug!("a server sent text that is not JSON or not UTF-8, which was mended");
    Some(text.into())
}

/// The messages of a batch, each still to be parsed; at most `limit` of them.
///
/// # Errors
///
/// When the text is no JSON array, is empty, or has more messages than `limit`.
pub fn split_batch(bytes: &Bytes, limit: usize) -> Result<Vec<Bytes>, FrameError> {
    let parts: Vec<&RawValue> = serde_json::from_slice(bytes).map_err(FrameError::NotJson)?;
    if parts.is_empty() {
        return Err(reject("a batch must not be empty", None));
    }
    if parts.len() > limit {
        return Err(reject("the batch has too many messages", None));
    }
    Ok(parts.iter().map(|part| bytes.slice(span_in(bytes, part.get()))).collect())
}
