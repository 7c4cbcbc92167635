//! What came back for a request: which of the forms that MCP allows it has, and the messages in it.

use std::time::Duration;

use bytes::Bytes;
use hyper::{
    HeaderMap, Response, StatusCode,
    body::{Body, Incoming},
    header::{CONTENT_ENCODING, CONTENT_TYPE, LOCATION},
};
use tokio::time::timeout;

use super::{
    ExchangeError, ExchangeReason, Sent,
    connection::{Connection, broken},
    sse::{Name, Parser, SseEvent},
    wire::{Wire, parse},
};
use crate::{
    budget::{Account, FREE},
    frame::{Document, Frame, Kind, Scanner},
};

/// As much of the body of a refusal as is read: enough for a JSON-RPC error with data.
const MAX_REFUSAL: usize = 256 * 1024;

/// How long a large message may stop in the middle while others wait for the room that it takes. Loopback delivers at once what
/// a server writes, so this one is stuck, or stopped in a debugger.
const STALL: Duration = Duration::from_secs(10);

/// Characters of a refusal that are shown to the user.
const MAX_EXCERPT: usize = 160;

/// A response, sorted by what can be done with it.
#[derive(Debug)]
pub(super) enum ResponseKind {
    /// It holds messages.
    Messages(Reply),
    /// Accepted, and nothing more.
    Empty(Connection),
    /// An HTTP status that is no success.
    Refused(HttpRefusal),
}

/// Sorts a response.
pub(super) async fn open(
    wire: &Wire,
    mut connection: Connection,
    response: Response<Incoming>,
) -> Result<ResponseKind, ExchangeError> {
    let limit = wire.limits.max_message_bytes;
    let (head, body) = response.into_parts();
    if !head.status.is_success() {
        let refusal = HttpRefusal::read(connection, head.status, &head.headers, body).await;
        return Ok(ResponseKind::Refused(refusal));
    }
    if body.is_end_stream() {
        return Ok(ResponseKind::Empty(connection));
    }
    if let Some(coding) = coding(&head.headers) {
        let reason = ExchangeReason::Coding { found: coding };
        return Err(ExchangeError { sent: Sent::Yes, reason });
    }
    let form = match media_type(&head.headers) {
        MediaType::EventStream => BodyForm::Undecided(Parser::new(limit)),
        MediaType::Other(_) if head.status == StatusCode::ACCEPTED => {
            // SDK servers say "Accepted" as text. There is nothing to learn from it.
            let mut account = Account::default();
            let _ = read(&mut connection, body, Bytes::new(), MAX_REFUSAL, &mut account).await?;
            return Ok(ResponseKind::Empty(connection));
        }
        MediaType::Json | MediaType::Other(None) => BodyForm::Json,
        MediaType::Other(Some(found)) => {
            return Err(ExchangeError { sent: Sent::Yes, reason: ExchangeReason::ContentType { found } });
        }
    };
    let account = Account::with(wire.budget.as_ref());
    Ok(ResponseKind::Messages(Reply { connection, body: Some(body), form, limit, account, scanner: None }))
}

/// Whether the body of a response can be read as messages.
pub(super) fn holds_messages(headers: &HeaderMap) -> bool {
    coding(headers).is_none() && !matches!(media_type(headers), MediaType::Other(_))
}

/// How the body is compressed, if it is.
fn coding(headers: &HeaderMap) -> Option<String> {
    let found = headers.get(CONTENT_ENCODING).map(|value| value.as_bytes().trim_ascii())?;
    if found.eq_ignore_ascii_case(b"identity") { None } else { excerpt(found) }
}

enum MediaType {
    Json,
    EventStream,
    /// Another, if any is named.
    Other(Option<String>),
}

fn media_type(headers: &HeaderMap) -> MediaType {
    let value = headers.get(CONTENT_TYPE).map_or(&[][..], |value| value.as_bytes());
    let essence = value.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    if essence.eq_ignore_ascii_case(b"application/json") {
        MediaType::Json
    } else if essence.eq_ignore_ascii_case(b"text/event-stream") {
        MediaType::EventStream
    } else {
        MediaType::Other(excerpt(essence))
    }
}

/// The messages of one response, read as they are asked for.
#[derive(Debug)]
pub(super) struct Reply {
    connection: Connection,
    /// `None` once it is read to its end.
    body: Option<Incoming>,
    form: BodyForm,
    limit: usize,
    /// What has been paid for the message that is being read.
    account: Account,
    /// How far the event that is coming in has been read, if it is a large one.
    scanner: Option<Box<Scanner>>,
}

#[derive(Debug)]
enum BodyForm {
    /// One document.
    Json,
    /// Labelled as a stream, and nothing has come yet: the Go program labels plain JSON so.
    Undecided(Parser),
    /// A stream, and what is left of its last chunk.
    Events(Parser, Bytes),
}

impl Reply {
    /// The next message; `None` at the end. Events with other names than `message` are passed over.
    pub(super) async fn next(&mut self) -> Result<Option<Document>, ExchangeError> {
        while let Some((name, document)) = self.next_event().await? {
            if name == Name::Message && !document.text.trim_ascii_start().is_empty() {
                return Ok(Some(document));
            }
        }
        Ok(None)
    }

    /// The next event with data, whatever its name.
    pub(super) async fn next_event(&mut self) -> Result<Option<(Name, Document)>, ExchangeError> {
        loop {
            self.connection.take_turns().await;
            if let BodyForm::Events(parser, chunk) = &mut self.form {
                match parser.next(chunk) {
                    Some(SseEvent::Data { name, data }) => return Ok(Some((name, self.event(data)))),
                    Some(SseEvent::TooLarge) => {
                        self.scanner = None;
                        self.account.seal(Bytes::new());
                        return Err(too_large(self.limit));
                    }
                    None if parser.held() > FREE => self.scanner.get_or_insert_default().read(parser.data()),
                    None => {}
                }
            }
            let Some(body) = &mut self.body else { return Ok(None) };
            if matches!(self.form, BodyForm::Json) {
                return self.document(Bytes::new()).await.map(Some);
            }
            match piece(&mut self.connection, body, &self.account).await? {
                Some(Ok(chunk)) => match &mut self.form {
                    BodyForm::Events(parser, rest) => {
                        // What is over the limit is thrown away as it comes.
                        let length = (parser.held() + chunk.len()).min(self.limit);
                        *rest = chunk;
                        self.account.cover(length, None).await;
                    }
                    BodyForm::Undecided(parser) => match without_bom(&chunk).trim_ascii_start().first() {
                        Some(b'{' | b'[') => {
                            self.form = BodyForm::Json;
                            return self.document(chunk).await.map(Some);
                        }
                        Some(_) => {
                            let parser = std::mem::replace(parser, Parser::new(self.limit));
                            self.form = BodyForm::Events(parser, chunk);
                        }
                        None => {}
                    },
                    BodyForm::Json => unreachable!("a document is read as a whole"),
                },
                Some(Err(error)) => {
                    self.body = None;
                    return Err(broken(&error));
                }
                None => self.body = None,
            }
        }
    }

    /// The data of an event, of which what came before its last piece has been scanned.
    fn event(&mut self, data: Bytes) -> Document {
        let scanner = self.scanner.take();
        if data.len() <= FREE {
            return self.account.seal(data).into();
        }
        match data.try_into_mut() {
            Ok(mut data) => {
                let mut scanner = scanner.unwrap_or_default();
                scanner.read(&mut data);
                Document::scanned(data, *scanner, |data| self.account.seal(data.freeze()))
            }
            Err(data) => self.account.seal(data).into(),
        }
    }

    async fn document(&mut self, first: Bytes) -> Result<(Name, Document), ExchangeError> {
        match self.body.take() {
            Some(body) => {
                let text = read(&mut self.connection, body, first, self.limit, &mut self.account).await?;
                Ok((Name::Message, text))
            }
            None => Ok((Name::Message, without_bom(&first).into())),
        }
    }

    /// Whether nothing more can come.
    pub(super) fn is_over(&self) -> bool {
        self.body.is_none()
    }

    /// Whether it is a stream of events, as far as is known.
    pub(super) fn is_stream(&self) -> bool {
        !matches!(self.form, BodyForm::Json)
    }

    /// The connection, for another exchange; `None` when this one was not read to its end.
    pub(super) fn into_connection(self) -> Option<Connection> {
        self.is_over().then_some(self.connection)
    }

    /// Gives the stream up, and waits for a moment until the instance has seen that.
    pub(super) async fn hang_up(self) {
        let Self { connection, body, .. } = self;
        drop(body);
        connection.hang_up().await;
    }

    /// What is needed to go on with this stream on another connection.
    pub(super) fn into_parser(self) -> Parser {
        match self.form {
            BodyForm::Events(parser, _) | BodyForm::Undecided(parser) => parser,
            BodyForm::Json => Parser::new(self.limit),
        }
    }

    /// Makes this stream the continuation of the one that `parser` has read.
    pub(super) fn resume(&mut self, mut parser: Parser) {
        parser.restart();
        self.form = BodyForm::Undecided(parser);
    }

    /// What the stream has said about its continuation.
    pub(super) fn parser(&self) -> Option<&Parser> {
        match &self.form {
            BodyForm::Events(parser, _) | BodyForm::Undecided(parser) => Some(parser),
            BodyForm::Json => None,
        }
    }
}

/// Reads a body that `first` is the beginning of into one piece of memory.
async fn read(
    connection: &mut Connection,
    mut body: Incoming,
    first: Bytes,
    limit: usize,
    account: &mut Account,
) -> Result<Document, ExchangeError> {
    let announced = body.size_hint().exact().map(|left| usize::try_from(left).unwrap_or(usize::MAX));
    let announced = announced.map(|left| left.saturating_add(first.len()));
    if announced.is_some_and(|length| length > limit) {
        return Err(too_large(limit));
    }
    let mut whole = Vec::new();
    let mut scanner: Option<Box<Scanner>> = None;
    let mut next = first;
    loop {
        let length = whole.len() + next.len();
        if length > limit {
            return Err(too_large(limit));
        }
        account.cover(length, announced).await;
        if whole.is_empty() && (next.is_empty() || body.is_end_stream()) {
            // A body that came in one piece is used where it is.
            if body.is_end_stream() {
                return Ok(account.seal(without_bom(&next)).into());
            }
        } else {
            if whole.capacity() < length {
                let room = announced.unwrap_or(2 * length).min(account.covered()).max(length);
                whole.reserve_exact(room - whole.len());
            }
            // Dropped at once: the connection reads into the same memory again.
            let piece = std::mem::take(&mut next);
            whole.extend_from_slice(if whole.is_empty() {
                piece.strip_prefix(BOM).unwrap_or(&piece)
            } else {
                &piece
            });
            scanner.get_or_insert_default().read(&mut whole);
        }
        connection.take_turns().await;
        match piece(connection, &mut body, account).await? {
            Some(Ok(chunk)) => next = chunk,
            Some(Err(error)) => return Err(broken(&error)),
            None => {
                let scanner = scanner.map(|scanner| *scanner).unwrap_or_default();
                return Ok(Document::scanned(whole, scanner, |whole| account.seal(whole.into())));
            }
        }
    }
}

/// The next piece of a body; `None` at its end. A message that others wait for, since it holds room, must go on coming.
async fn piece(
    connection: &mut Connection,
    body: &mut Incoming,
    account: &Account,
) -> Result<Option<Result<Bytes, hyper::Error>>, ExchangeError> {
    if !account.holds_room() {
        return Ok(connection.chunk(body).await);
    }
    loop {
        match timeout(STALL, connection.chunk(body)).await {
            Ok(chunk) => return Ok(chunk),
            Err(_) if account.is_in_the_way() => {
                let reason = ExchangeReason::Stalled { seconds: STALL.as_secs() };
                return Err(ExchangeError { sent: Sent::Yes, reason });
            }
            Err(_) => {}
        }
    }
}

const BOM: &[u8] = b"\xef\xbb\xbf";

/// A document without the mark that some editors and frameworks put first (RFC 8259 § 8.1 lets readers ignore it).
fn without_bom(text: &Bytes) -> Bytes {
    let rest = text.strip_prefix(BOM).map(|rest| text.slice_ref(rest));
    rest.unwrap_or_else(|| text.clone())
}

pub(super) fn too_large(limit: usize) -> ExchangeError {
    ExchangeError { sent: Sent::Yes, reason: ExchangeReason::TooLarge { limit } }
}

/// A response with a status that is no success.
#[derive(Debug)]
pub(super) struct HttpRefusal {
    pub(super) status: StatusCode,
    body: Bytes,
    location: Option<String>,
    connection: Option<Connection>,
}

impl HttpRefusal {
    async fn read(
        mut connection: Connection,
        status: StatusCode,
        headers: &HeaderMap,
        body: Incoming,
    ) -> Self {
        let location = headers.get(LOCATION).and_then(|value| excerpt(value.as_bytes()));
        let mut account = Account::default();
        let read = read(&mut connection, body, Bytes::new(), MAX_REFUSAL, &mut account).await;
        let (body, connection) = match read {
            Ok(body) => (body.text, Some(connection)),
            Err(_) => (Bytes::new(), None),
        };
        Self { status, body, location: location.filter(|_| status.is_redirection()), connection }
    }

    /// The JSON-RPC response in it: that is the instance's answer then, whatever the status.
    pub(super) fn answer(&self) -> Option<Frame> {
        let frame = parse(&self.body.clone().into()).ok()?;
        matches!(frame.kind(), Kind::Response { .. }).then_some(frame)
    }

    pub(super) fn body(&self) -> &[u8] {
        &self.body
    }

    /// What to tell the user.
    pub(super) fn error(&self) -> ExchangeError {
        let excerpt = match &self.location {
            Some(location) => Some(format!("it redirects to {location}, which is not followed")),
            None => excerpt(&self.body),
        };
        let reason = ExchangeReason::Status { status: self.status.as_u16(), excerpt };
        ExchangeError { sent: Sent::Yes, reason }
    }

    pub(super) fn into_connection(self) -> Option<Connection> {
        self.connection
    }
}

/// The beginning of a text from elsewhere, fit to stand in a message: one line, without markup or control characters.
pub(super) fn excerpt(text: &[u8]) -> Option<String> {
    // Markup can be much longer than what it says.
    let text = String::from_utf8_lossy(&text[..text.len().min(MAX_EXCERPT * 40)]);
    let mut out = String::new();
    let (mut in_tag, mut length) = (false, 0);
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let begins_tag = |next: &char| next.is_ascii_alphabetic() || matches!(next, '/' | '!');
        match character {
            '<' if in_tag || characters.peek().is_some_and(begins_tag) => in_tag = true,
            '>' if in_tag => in_tag = false,
            _ if in_tag => continue,
            _ if !character.is_whitespace() && !character.is_control() => {
                if length == MAX_EXCERPT {
                    out.push('…');
                    break;
                }
                length += 1;
                out.push(character);
                continue;
            }
            _ => {}
        }
        if !out.is_empty() && !out.ends_with(' ') {
            out.push(' ');
            length += 1;
        }
    }
    out.truncate(out.trim_end().len());
    (!out.is_empty()).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excerpts_are_one_short_line_without_markup() {
        assert_eq!(excerpt(b" \n"), None);
        assert_eq!(
            excerpt(b"<html>\n<h1 class=x>Not\x1b[1m\r\nFound</h1>").as_deref(),
            Some("Not [1m Found")
        );
        let long = excerpt("é ".repeat(1000).as_bytes()).unwrap();
        assert!(long.ends_with('…') && long.chars().count() <= MAX_EXCERPT + 1, "{long}");
        assert_eq!(excerpt(b"1 < 2 > 0").as_deref(), Some("1 < 2 > 0"));
        assert_eq!(excerpt(b"ok \xff").as_deref(), Some("ok \u{fffd}"));
    }
}
