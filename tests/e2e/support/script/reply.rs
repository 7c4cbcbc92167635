//! An answer as data, so that habits can be laid over each other, and how it gets onto the wire.

use std::time::Duration;

use tokio::{io::AsyncWriteExt as _, net::TcpStream};

/// An answer of a scripted server. A client that is asked nothing gets `messages` without any.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    /// Whole interim responses.
    pub(crate) interim: String,
    pub(crate) version: &'static str,
    /// Code and reason.
    pub(crate) status: String,
    /// The content type, where it is not what the form has.
    pub(crate) content_type: Option<String>,
    /// All other fields but the framing's.
    pub(crate) headers: Vec<(String, String)>,
    /// What is said before the answer, and the answer, last.
    pub(crate) messages: Vec<String>,
    pub(crate) form: Form,
    pub(crate) events: Events,
    pub(crate) framing: Framing,
    /// What is done to the head when it is written.
    pub(crate) heads: Vec<fn(Vec<u8>) -> Vec<u8>>,
    /// What is done to the body.
    pub(crate) bodies: Vec<fn(Vec<u8>) -> Vec<u8>>,
    /// What is said on the standing stream of the session.
    pub(crate) elsewhere: Vec<String>,
    /// Whether the messages are said there, too, and the form is all that comes at once.
    pub(crate) put_off: bool,
    /// Whether the session's standing stream must be asked for first.
    pub(crate) after_stream: bool,
    /// How long it takes.
    pub(crate) delay: Duration,
    pub(crate) pace: Pace,
    /// Where the connection is closed, if not after the answer.
    pub(crate) cut: Option<Cut>,
    pub(crate) then: Then,
    /// The session whose standing stream this is, where the request did not name it.
    pub(super) stands_for: Option<String>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Form {
    /// The answer as JSON.
    Json,
    /// All messages as events.
    Events,
    Raw(Vec<u8>),
}

/// How event streams are written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Events {
    pub(crate) before: &'static str,
    /// One message as an event.
    pub(crate) event: fn(&str) -> String,
    pub(crate) after: &'static str,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Framing {
    /// A length, and by how much it is wrong.
    Length(isize),
    Chunked(Chunks),
    UntilClose,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Chunks {
    pub(crate) size: usize,
    /// The line before a chunk.
    pub(crate) line: fn(usize) -> String,
    pub(crate) trailers: &'static str,
}

impl Default for Chunks {
    fn default() -> Self {
        Self { size: usize::MAX, line: |length| format!("{length:x}"), trailers: "" }
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Pace {
    Whole,
    EachByte,
    /// With pauses between so many pieces.
    Pieces(usize),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Cut {
    Before,
    InHead,
    InBody,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Then {
    /// The connection can be used again.
    Keep,
    Close,
    /// What was begun never ends.
    Silence,
    /// A standing stream: it takes what is said elsewhere.
    Stand,
}

/// Between two pieces.
const PAUSE: Duration = Duration::from_millis(15);

impl Reply {
    fn new(status: &str, form: Form, messages: Vec<String>) -> Self {
        Self {
            interim: String::new(),
            version: "HTTP/1.1",
            status: status.to_owned(),
            content_type: None,
            headers: Vec::new(),
            messages,
            form,
            events: Events {
                before: "",
                event: |message| format!("event: message\ndata: {message}\n\n"),
                after: "",
            },
            framing: Framing::Length(0),
            heads: Vec::new(),
            bodies: Vec::new(),
            elsewhere: Vec::new(),
            put_off: false,
            after_stream: false,
            delay: Duration::ZERO,
            pace: Pace::Whole,
            cut: None,
            then: Then::Keep,
            stands_for: None,
        }
    }

    /// A message as JSON.
    pub(crate) fn json(message: String) -> Self {
        Self::new("200 OK", Form::Json, vec![message])
    }

    /// A status without a body.
    pub(crate) fn empty(status: &str) -> Self {
        Self { content_type: Some(String::new()), ..Self::new(status, Form::Raw(Vec::new()), Vec::new()) }
    }

    /// A standing stream.
    pub(crate) fn standing() -> Self {
        let framing = Framing::Chunked(Chunks::default());
        Self { framing, then: Then::Stand, ..Self::new("200 OK", Form::Events, Vec::new()) }
    }

    pub(crate) fn status(mut self, status: &str) -> Self {
        status.clone_into(&mut self.status);
        self.put_off &= status.starts_with('2');
        if self.then == Then::Stand {
            self.then = Then::Keep;
        }
        self
    }

    /// Any body of any type; `""`: without one.
    pub(crate) fn body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.content_type = Some(content_type.to_owned());
        self.form = Form::Raw(body.into());
        if self.then == Then::Stand {
            self.then = Then::Keep;
        }
        self
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The messages as events.
    pub(crate) fn events(mut self) -> Self {
        if !self.messages.is_empty() && !self.put_off {
            self.form = Form::Events;
        }
        self
    }

    /// The answer; empty where there is none.
    pub(crate) fn answer(&self) -> &str {
        self.messages.last().map_or("", String::as_str)
    }

    /// Adds members in front of the others of the result.
    pub(crate) fn with_members(self, members: &str) -> Self {
        self.rewrite(|text| {
            let comma = if text.contains("\"result\":{}") { "" } else { "," };
            text.replacen("\"result\":{", &format!("\"result\":{{{members}{comma}"), 1)
        })
    }

    /// Changes the text of the answer.
    pub(crate) fn rewrite(mut self, change: impl Fn(&str) -> String) -> Self {
        if let Some(answer) = self.messages.last_mut() {
            *answer = change(answer);
        }
        self
    }

    fn content_type(&self) -> Option<&str> {
        match (&self.content_type, &self.form) {
            (Some(none), _) if none.is_empty() => None,
            (Some(given), _) => Some(given),
            (None, Form::Events) => Some("text/event-stream"),
            (None, _) => Some("application/json"),
        }
    }

    fn text(&self) -> Vec<u8> {
        let body = match &self.form {
            Form::Json => self.answer().as_bytes().to_vec(),
            Form::Raw(body) => body.clone(),
            Form::Events => {
                let Events { before, event, after } = self.events;
                let messages: String = self.messages.iter().map(|message| event(message)).collect();
                format!("{before}{messages}{after}").into_bytes()
            }
        };
        self.bodies.iter().fold(body, |body, change| change(body))
    }

    /// Head and body as they are written.
    fn bytes(&self) -> (Vec<u8>, Vec<u8>) {
        let mut head = format!("{} {}\r\n", self.version, self.status);
        if let Some(content_type) = self.content_type() {
            head.push_str(&format!("Content-Type: {content_type}\r\n"));
        }
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let text = self.text();
        let stands = self.then == Then::Stand;
        // By RFC 9110 these have neither a body nor a length.
        let without_body = self.status.starts_with("204") || self.status.starts_with("304");
        let body = match self.framing {
            _ if without_body && text.is_empty() => text,
            Framing::Length(wrong) => {
                let length = text.len().saturating_add_signed(wrong);
                head.push_str(&format!("Content-Length: {length}\r\n"));
                text
            }
            Framing::Chunked(chunks) => {
                head.push_str("Transfer-Encoding: chunked\r\n");
                let mut body: Vec<u8> =
                    text.chunks(chunks.size).flat_map(|chunk| chunked(chunks, chunk)).collect();
                if !stands && self.then != Then::Silence {
                    body.extend_from_slice(format!("0\r\n{}\r\n", chunks.trailers).as_bytes());
                }
                body
            }
            Framing::UntilClose => text,
        };
        head.push_str("\r\n");
        (self.heads.iter().fold(head.into_bytes(), |head, change| change(head)), body)
    }

    /// What is written for a message on a standing stream.
    pub(super) fn pushed(&self, message: &str) -> Vec<u8> {
        let text = (self.events.event)(message).into_bytes();
        match self.framing {
            Framing::Chunked(chunks) => {
                text.chunks(chunks.size).flat_map(|chunk| chunked(chunks, chunk)).collect()
            }
            Framing::Length(_) | Framing::UntilClose => text,
        }
    }

    /// Writes it. `None`: the connection is to be closed.
    pub(super) async fn write(&self, socket: &mut TcpStream) -> Option<Then> {
        tokio::time::sleep(self.delay).await;
        let (head, body) = self.bytes();
        let written = match self.cut {
            Some(Cut::Before) => return None,
            Some(Cut::InHead) => head[..head.len() / 2].to_vec(),
            Some(Cut::InBody) => [&head[..], &body[..body.len() / 2]].concat(),
            None => [self.interim.as_bytes(), &head, &body].concat(),
        };
        let size = match self.pace {
            Pace::Whole => usize::MAX,
            Pace::EachByte => 1,
            Pace::Pieces(pieces) => written.len().div_ceil(pieces).max(1),
        };
        for piece in written.chunks(size) {
            socket.write_all(piece).await.ok()?;
            socket.flush().await.ok()?;
            match self.pace {
                Pace::Pieces(_) => tokio::time::sleep(PAUSE).await,
                Pace::EachByte => tokio::task::yield_now().await,
                Pace::Whole => {}
            }
        }
        let ends = matches!(self.framing, Framing::UntilClose) && self.then == Then::Keep;
        (self.cut.is_none() && !ends).then_some(self.then)
    }
}

fn chunked(chunks: Chunks, chunk: &[u8]) -> Vec<u8> {
    [(chunks.line)(chunk.len()).as_bytes(), b"\r\n", chunk, b"\r\n"].concat()
}
