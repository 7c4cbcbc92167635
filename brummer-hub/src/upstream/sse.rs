//! Server-sent events, read incrementally (WHATWG HTML § 9.2.6).
//!
//! The [`Parser`] owns the unfinished event and nothing else: it is fed pieces of the stream as the network delivers
//! them and gives events back one at a time, so that the reader decides how fast they come. Each byte is looked at
//! once and the data of an event is copied once, however it is cut into pieces.

use bytes::{Buf, Bytes};

/// Longest `id`, `event` or `retry` value that is kept; SDKs write UUIDs and numbers. A longer one counts as absent.
const MAX_VALUE: usize = 1024;

/// Longest field name that means anything: `event` and `retry`.
const MAX_FIELD: usize = 5;

const BOM: &[u8] = b"\xef\xbb\xbf";

/// What an event calls itself.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Name {
    /// `message`, or no name.
    #[default]
    Message,
    /// `endpoint`: where to POST, in the HTTP+SSE transport (2024-11-05, transports § HTTP with SSE).
    Endpoint,
    /// Anything else, as in keep-alives of the kind `event: ping`.
    Other,
}

/// What the stream holds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SseEvent {
    /// An event with data.
    Data {
        /// Its name.
        name: Name,
        /// Its `data` lines, joined by line feeds; never empty.
        data: Bytes,
    },
    /// An event was over the limit; its data was thrown away. The stream goes on.
    TooLarge,
}

/// Reads one stream.
#[derive(Debug)]
pub struct Parser {
    limit: usize,
    field: Field,
    /// The current line up to its colon.
    head: Vec<u8>,
    /// Value of the current line, of the fields that are short.
    value: Vec<u8>,
    value_too_long: bool,
    skip_space: bool,
    after_cr: bool,
    at_start: bool,
    name: Name,
    data: Vec<u8>,
    data_lines: usize,
    too_large: bool,
    id: Option<Box<[u8]>>,
    last_id: Option<Box<[u8]>>,
    retry: Option<u64>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Field {
    /// The colon has not come yet.
    Unknown,
    Data,
    Event,
    Id,
    Retry,
    Ignored,
}

impl Field {
    fn named(name: &[u8]) -> Self {
        match name {
            b"data" => Self::Data,
            b"event" => Self::Event,
            b"id" => Self::Id,
            b"retry" => Self::Retry,
            _ => Self::Ignored,
        }
    }
}

impl Parser {
    /// A parser at the start of a stream whose events may hold `limit` bytes of data.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            field: Field::Unknown,
            head: Vec::new(),
            value: Vec::new(),
            value_too_long: false,
            skip_space: false,
            after_cr: false,
            at_start: true,
            name: Name::Message,
            data: Vec::new(),
            data_lines: 0,
            too_large: false,
            id: None,
            last_id: None,
            retry: None,
        }
    }

    /// Takes bytes off the front of `chunk` up to the end of the next event. `None`: the chunk is used up.
    ///
    /// Events without data are not told; what they say of [`last_id`](Self::last_id) and [`retry`](Self::retry) counts.
    pub fn next(&mut self, chunk: &mut Bytes) -> Option<SseEvent> {
        while !chunk.is_empty() {
            if std::mem::take(&mut self.after_cr) && chunk[0] == b'\n' {
                chunk.advance(1);
                continue;
            }
            let Some(end) = memchr::memchr2(b'\n', b'\r', chunk) else {
                self.part(chunk);
                chunk.clear();
                return None;
            };
            self.part(&chunk[..end]);
            self.after_cr = chunk[end] == b'\r';
            chunk.advance(end + 1);
            if let Some(event) = self.end_line() {
                return Some(event);
            }
        }
        None
    }

    /// The data of the unfinished event, as far as it has come.
    pub(crate) fn data(&mut self) -> &mut [u8] {
        &mut self.data
    }

    /// Bytes of the unfinished event.
    pub(crate) fn held(&self) -> usize {
        self.data.len()
    }

    /// The id after which a broken stream is to be resumed.
    #[must_use]
    pub fn last_id(&self) -> Option<&[u8]> {
        self.last_id.as_deref()
    }

    /// How long the server wants a client to wait before it reconnects, in milliseconds.
    #[must_use]
    pub fn retry(&self) -> Option<u64> {
        self.retry
    }

    /// Goes on with another stream that resumes this one: what was unfinished is dropped, ids and `retry` stay.
    pub fn restart(&mut self) {
        let fresh = Self::new(self.limit);
        let Self { last_id, retry, .. } = std::mem::replace(self, fresh);
        self.last_id = last_id;
        self.retry = retry;
    }

    /// Takes a piece of a line.
    fn part(&mut self, mut piece: &[u8]) {
        if self.field == Field::Unknown {
            while let Some((&byte, rest)) = piece.split_first() {
                piece = rest;
                if byte == b':' {
                    self.begin(Field::named(&self.head));
                    self.skip_space = true;
                    break;
                }
                if self.head.len() == MAX_FIELD {
                    self.begin(Field::Ignored);
                    break;
                }
                self.head.push(byte);
                if self.at_start && self.head == BOM {
                    self.head.clear();
                    self.at_start = false;
                }
            }
        }
        if self.skip_space && !piece.is_empty() {
            self.skip_space = false;
            piece = piece.strip_prefix(b" ").unwrap_or(piece);
        }
        match self.field {
            Field::Unknown | Field::Ignored => {}
            Field::Data => self.push_data(piece),
            Field::Event | Field::Id | Field::Retry => {
                self.value_too_long |= self.value.len() + piece.len() > MAX_VALUE;
                if !self.value_too_long {
                    self.value.extend_from_slice(piece);
                }
            }
        }
    }

    /// The field of the current line is known now.
    fn begin(&mut self, field: Field) {
        self.field = field;
        self.value.clear();
        self.value_too_long = false;
        if field == Field::Data {
            if self.data_lines > 0 {
                self.push_data(b"\n");
            }
            self.data_lines += 1;
        }
    }

    fn push_data(&mut self, piece: &[u8]) {
        if self.data.len() + piece.len() > self.limit {
            self.too_large = true;
        }
        if self.too_large {
            self.data = Vec::new();
        } else {
            self.data.extend_from_slice(piece);
        }
    }

    fn end_line(&mut self) -> Option<SseEvent> {
        if self.field == Field::Unknown {
            if self.head.is_empty() {
                self.at_start = false;
                return self.dispatch();
            }
            // A line without a colon is a field with an empty value.
            self.begin(Field::named(&self.head));
        }
        match self.field {
            Field::Event => {
                self.name = match &self.value[..] {
                    _ if self.value_too_long => Name::Other,
                    b"" | b"message" => Name::Message,
                    b"endpoint" => Name::Endpoint,
                    _ => Name::Other,
                }
            }
            Field::Id if !self.value_too_long && !self.value.contains(&0) => {
                self.id = Some(self.value.as_slice().into());
            }
            Field::Retry if !self.value_too_long && self.value.iter().all(u8::is_ascii_digit) => {
                let digits = std::str::from_utf8(&self.value).unwrap_or_default();
                self.retry = digits.parse().ok().or(self.retry);
            }
            _ => {}
        }
        self.at_start = false;
        self.head.clear();
        self.field = Field::Unknown;
        self.skip_space = false;
        None
    }

    /// A blank line ends the event.
    fn dispatch(&mut self) -> Option<SseEvent> {
        if let Some(id) = self.id.take() {
            self.last_id = Some(id).filter(|id| !id.is_empty());
        }
        let name = std::mem::take(&mut self.name);
        let data = std::mem::take(&mut self.data);
        self.data_lines = 0;
        if std::mem::take(&mut self.too_large) {
            return Some(SseEvent::TooLarge);
        }
        (!data.is_empty()).then(|| SseEvent::Data { name, data: data.into() })
    }
}

#[cfg(test)]
mod tests;
