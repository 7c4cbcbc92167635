//! The habits: what servers do otherwise than a plain one, each a change of an answer.

use std::time::Duration;

use super::messages::{Kind, Message};
use crate::support::script::{Asked, Chunks, Cut, Events, Form, Framing, Pace, Reply, Then, Transport};

type Change = Box<dyn Fn(Reply, &Asked) -> Reply + Send + Sync>;

/// One thing that a server does otherwise.
pub(crate) struct Habit {
    pub(crate) name: String,
    kinds: &'static [Kind],
    transports: &'static [Transport],
    change: Change,
}

impl Habit {
    /// Whether it makes sense with a message.
    pub(crate) fn fits(&self, transport: Transport, message: Message) -> bool {
        message.is_of(transport) && self.kinds.contains(&message.kind) && self.transports.contains(&transport)
    }

    pub(crate) fn change(&self, reply: Reply, asked: &Asked) -> Reply {
        (self.change)(reply, asked)
    }
}

const ALL: &[Kind] = &[Kind::Request, Kind::Notice, Kind::Stream, Kind::End];
/// What has an answer.
const ANSWERS: &[Kind] = &[Kind::Request];
/// What may come as events.
const STREAMS: &[Kind] = &[Kind::Request, Kind::Stream];
const NOTICES: &[Kind] = &[Kind::Notice, Kind::End];
const GETS: &[Kind] = &[Kind::Stream];

const ANY: &[Transport] = &[Transport::Streamable, Transport::Modern, Transport::HttpSse];

/// All habits, and the transports that those which come next make sense with.
struct Table(Vec<Habit>, &'static [Transport]);

impl Table {
    fn add(
        &mut self,
        kinds: &'static [Kind],
        name: impl Into<String>,
        change: impl Fn(Reply, &Asked) -> Reply + Send + Sync + 'static,
    ) {
        self.0.push(Habit { name: name.into(), kinds, transports: self.1, change: Box::new(change) });
    }
}

/// All habits. Their names are what the recorded verdicts go by.
pub(crate) fn habits() -> Vec<Habit> {
    let mut table = Table(Vec::new(), ANY);
    table.add(ALL, "nothing", |reply, _| reply);
    framing(&mut table);
    heads(&mut table);
    connections(&mut table);
    statuses(&mut table);
    redirects(&mut table);
    envelopes(&mut table);
    streams(&mut table);
    table.1 = &[Transport::Streamable, Transport::Modern];
    content_types(&mut table);
    bodies(&mut table);
    results(&mut table);
    errors(&mut table);
    table.1 = &[Transport::Streamable];
    sessions(&mut table);
    notices(&mut table);
    gets(&mut table);
    table.1 = &[Transport::HttpSse];
    endpoints(&mut table);
    table.0
}

fn chunks(mut reply: Reply, size: usize, line: fn(usize) -> String, trailers: &'static str) -> Reply {
    reply.framing = Framing::Chunked(Chunks { size, line, trailers });
    reply
}

fn framing(table: &mut Table) {
    let hex = |length| format!("{length:x}");
    table.add(ALL, "chunked", move |reply, _| chunks(reply, usize::MAX, hex, ""));
    table.add(ALL, "chunked, each byte", move |reply, _| chunks(reply, 1, hex, ""));
    table.add(ALL, "chunked, three bytes", move |reply, _| chunks(reply, 3, hex, ""));
    table.add(ALL, "chunked, with extensions", |reply, _| {
        chunks(reply, 9, |length| format!("{length:x};a=b;c=\"d e\""), "")
    });
    table.add(ALL, "chunked, large sizes with zeros", |reply, _| {
        chunks(reply, 30, |length| format!("000{length:X}"), "")
    });
    table.add(ALL, "chunked, with trailers", move |reply, _| {
        chunks(reply.header("Trailer", "X-Sum"), 20, hex, "X-Sum: 1\r\nX-More: 2\r\n")
    });
    table.add(ALL, "chunked, in capitals", move |mut reply, _| {
        reply.heads.push(|head| replaced(&head, "chunked", "Chunked"));
        chunks(reply, 16, hex, "")
    });
    table.add(ANSWERS, "chunked, of events, each byte", move |reply, _| chunks(reply.events(), 1, hex, ""));
    table.add(ALL, "until the end of the connection", |mut reply, _| {
        reply.framing = Framing::UntilClose;
        reply
    });
    table.add(ALL, "until the end of the connection, as said", |mut reply, _| {
        reply.framing = Framing::UntilClose;
        reply.header("Connection", "close")
    });
    table.add(ANSWERS, "events until the end of the connection", |mut reply, _| {
        reply.framing = Framing::UntilClose;
        reply.events()
    });
    table.add(ALL, "HTTP/1.0", |mut reply, _| {
        reply.version = "HTTP/1.0";
        reply.framing = Framing::UntilClose;
        reply
    });
    table.add(ANSWERS, "HTTP/1.0 with a length", |mut reply, _| {
        reply.version = "HTTP/1.0";
        reply.then = Then::Close;
        reply
    });
    table.add(ANSWERS, "a length that is too large", |mut reply, _| {
        reply.framing = Framing::Length(7);
        reply.then = Then::Close;
        reply
    });
    table.add(ANSWERS, "a length that is too small", |mut reply, _| {
        reply.framing = Framing::Length(-7);
        reply.then = Then::Close;
        reply
    });
    table.add(ANSWERS, "two equal lengths", |reply, _| {
        let length = reply.answer().len().to_string();
        reply.header("Content-Length", &length)
    });
    table.add(ANSWERS, "two different lengths", |reply, _| {
        let length = (reply.answer().len() + 1).to_string();
        reply.header("Content-Length", &length)
    });
    table.add(ANSWERS, "a length and chunks", move |reply, _| {
        let length = reply.answer().len().to_string();
        chunks(reply.header("Content-Length", &length), 40, hex, "")
    });
    table.add(ANSWERS, "a last chunk without its end", |mut reply, _| {
        let body = format!("{:x}\r\n{}\r\n0\r\n", reply.answer().len(), reply.answer());
        reply = reply.body("application/json", body).header("Transfer-Encoding", "chunked");
        reply.framing = Framing::UntilClose;
        reply
    });
}

fn replaced(text: &[u8], from: &str, to: &str) -> Vec<u8> {
    String::from_utf8_lossy(text).replace(from, to).into_bytes()
}

/// The lines of a head without the first, changed one by one.
fn fields(head: &[u8], change: impl Fn(&str) -> String) -> Vec<u8> {
    let text = String::from_utf8_lossy(head);
    let mut lines = text.split("\r\n");
    let mut out = lines.next().unwrap_or_default().to_owned();
    for line in lines {
        out.push_str("\r\n");
        out.push_str(&if line.is_empty() { String::new() } else { change(line) });
    }
    out.into_bytes()
}

/// A line of a head with its name changed.
fn named(line: &str, change: fn(&str) -> String) -> String {
    match line.split_once(':') {
        Some((name, value)) => format!("{}:{value}", change(name)),
        None => line.to_owned(),
    }
}

fn heads(table: &mut Table) {
    let edit = |table: &mut Table, name: &str, change: fn(Vec<u8>) -> Vec<u8>| {
        table.add(ALL, name, move |mut reply, _| {
            reply.heads.push(change);
            reply
        });
    };
    edit(table, "header names in small letters", |head| fields(&head, |line| named(line, str::to_lowercase)));
    edit(table, "header names in capitals", |head| fields(&head, |line| named(line, str::to_uppercase)));
    edit(table, "no space after the colon", |head| fields(&head, |line| line.replacen(": ", ":", 1)));
    edit(table, "blanks and tabs around values", |head| {
        fields(&head, |line| format!("{} \t ", line.replacen(": ", ": \t  ", 1)))
    });
    edit(table, "headers in the opposite order", |head| {
        let text = String::from_utf8_lossy(&head);
        let mut lines: Vec<_> = text.trim_end().split("\r\n").collect();
        lines[1..].reverse();
        format!("{}\r\n\r\n", lines.join("\r\n")).into_bytes()
    });
    edit(table, "lines that end with LF only", |head| replaced(&head, "\r\n", "\n"));
    edit(table, "no reason", |head| {
        let text = String::from_utf8_lossy(&head);
        let (first, rest) = text.split_once("\r\n").unwrap();
        let code = &first[..first.len().min("HTTP/1.1 200 ".len())];
        format!("{code}\r\n{rest}").into_bytes()
    });
    edit(table, "neither reason nor blank", |head| {
        let text = String::from_utf8_lossy(&head);
        let (first, rest) = text.split_once("\r\n").unwrap();
        format!("{}\r\n{rest}", &first[..first.len().min("HTTP/1.1 200".len())]).into_bytes()
    });
    edit(table, "a reason in Latin-1", |head| {
        let at = head.iter().position(|byte| *byte == b'\r').unwrap();
        [&head[..at], b" tr\xe8s bien", &head[at..]].concat()
    });
    table.add(ALL, "a folded header", |reply, _| reply.header("X-Folded", "one\r\n two\r\n\tthree"));
    table.add(ALL, "a header in Latin-1", |mut reply, _| {
        reply.heads.push(|head| {
            let at = head.len() - 2;
            [&head[..at], b"X-Name: Ren\xe9\r\n", &head[at..]].concat()
        });
        reply
    });
    table.add(ALL, "a header in UTF-8", |reply, _| reply.header("X-Name", "Ren\u{e9} \u{1f600}"));
    table.add(ALL, "an empty header", |reply, _| reply.header("X-Empty", ""));
    table.add(ALL, "100 headers", |mut reply, _| {
        for number in 0..100 {
            reply = reply.header(&format!("X-Header-{number}"), "value");
        }
        reply
    });
    table.add(ALL, "300 headers", |mut reply, _| {
        for number in 0..300 {
            reply = reply.header(&format!("X-Header-{number}"), "value");
        }
        reply
    });
    table.add(ALL, "a header of 12 KiB", |reply, _| reply.header("X-Large", &"x".repeat(12 << 10)));
    table.add(ALL, "a header of 60 KiB", |reply, _| reply.header("X-Large", &"x".repeat(60 << 10)));
    table.add(ALL, "cookies", |reply, _| {
        reply.header("Set-Cookie", "a=1; HttpOnly").header("Set-Cookie", "b=2; Path=/").header("Vary", "*")
    });
    table.add(ALL, "what Express says", |reply, _| {
        reply.header("X-Powered-By", "Express").header("ETag", "W/\"2-vyGp6PvFo4RvsFtPoIWeCReyIC8\"")
    });
    table.add(ALL, "CORS", |reply, _| {
        reply
            .header("Access-Control-Allow-Origin", "*")
            .header("Access-Control-Expose-Headers", "Mcp-Session-Id")
    });
    table.add(ALL, "identity as coding", |reply, _| reply.header("Content-Encoding", "identity"));
    table.add(ANSWERS, "gzip unasked", |reply, _| {
        let body = gzip(reply.answer().as_bytes());
        let has_answer = !reply.messages.is_empty();
        let reply = reply.header("Content-Encoding", "gzip");
        if has_answer { reply.body("application/json", body) } else { reply }
    });
}

/// A gzip file without compression (RFC 1952, RFC 1951 § 3.2.4).
fn gzip(text: &[u8]) -> Vec<u8> {
    let crc =
        !text.iter().fold(u32::MAX, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
                if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 }
            })
        });
    let length = u16::try_from(text.len()).unwrap();
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff, 1];
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&(!length).to_le_bytes());
    out.extend_from_slice(text);
    out.extend_from_slice(&crc.to_le_bytes());
    out.extend_from_slice(&u32::from(length).to_le_bytes());
    out
}

fn connections(table: &mut Table) {
    table.add(ALL, "closed after the answer", |mut reply, _| {
        reply.then = Then::Close;
        reply
    });
    table.add(ALL, "closed after the answer, as said", |mut reply, _| {
        reply.then = Then::Close;
        reply.header("Connection", "close")
    });
    table.add(ALL, "said to be closed, and kept", |reply, _| reply.header("Connection", "close"));
    table.add(ALL, "kept for no time", |reply, _| {
        reply.header("Connection", "keep-alive").header("Keep-Alive", "timeout=0, max=1")
    });
    table.add(ALL, "100 Continue first", |mut reply, _| {
        reply.interim.push_str("HTTP/1.1 100 Continue\r\n\r\n");
        reply
    });
    table.add(ALL, "102 and 103 first", |mut reply, _| {
        reply
            .interim
            .push_str("HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n");
        reply
    });
    table.add(ALL, "each byte by itself", |mut reply, _| {
        reply.pace = Pace::EachByte;
        reply
    });
    table.add(ALL, "in pieces with pauses", |mut reply, _| {
        reply.pace = Pace::Pieces(6);
        reply
    });
    table.add(ANSWERS, "events in pieces with pauses", |mut reply, _| {
        reply.pace = Pace::Pieces(6);
        reply.events()
    });
    table.add(ALL, "late", |mut reply, _| {
        reply.delay = Duration::from_millis(300);
        reply
    });
    table.add(ALL, "closed without an answer", |mut reply, _| {
        reply.cut = Some(Cut::Before);
        reply
    });
    table.add(ALL, "closed in the head", |mut reply, _| {
        reply.cut = Some(Cut::InHead);
        reply
    });
    table.add(ANSWERS, "closed in the body", |mut reply, _| {
        reply.cut = Some(Cut::InBody);
        reply
    });
    table.add(ANSWERS, "closed in an event", |mut reply, _| {
        reply.framing = Framing::Chunked(Chunks::default());
        reply.cut = Some(Cut::InBody);
        reply.events()
    });
    table.add(ALL, "silence", |mut reply, _| {
        reply.delay = Duration::from_secs(600);
        reply
    });
    table.add(ANSWERS, "a body that never ends", |mut reply, _| {
        reply.framing = Framing::Length(40);
        reply.then = Then::Silence;
        reply
    });
}

/// What servers refuse with, and what other programs before them do.
const STATUSES: [&str; 15] = [
    "400 Bad Request",
    "401 Unauthorized",
    "403 Forbidden",
    "404 Not Found",
    "405 Method Not Allowed",
    "406 Not Acceptable",
    "409 Conflict",
    "410 Gone",
    "415 Unsupported Media Type",
    "422 Unprocessable Content",
    "429 Too Many Requests",
    "500 Internal Server Error",
    "501 Not Implemented",
    "502 Bad Gateway",
    "503 Service Unavailable",
];

fn statuses(table: &mut Table) {
    for status in STATUSES {
        let code = &status[..3];
        table.add(ALL, format!("{code}, empty"), move |reply, _| reply.status(status).body("", ""));
        table.add(ALL, format!("{code}, HTML"), move |reply, _| {
            let page = format!("<!doctype html>\n<title>{status}</title><h1>{status}</h1>\n");
            reply.status(status).body("text/html; charset=utf-8", page)
        });
        table.add(ANSWERS, format!("{code}, an error with the id"), move |reply, asked| {
            reply.status(status).body("application/json", asked.error(-32000, "refused by the test"))
        });
        table.add(ALL, format!("{code}, an error without an id"), move |reply, _| {
            let error =
                r#"{"jsonrpc":"2.0","error":{"code":-32000,"message":"refused by the test"},"id":null}"#;
            reply.status(status).body("application/json", error)
        });
        table.add(ANSWERS, format!("{code}, with the result"), move |reply, _| reply.status(status));
    }
    for status in ["201 Created", "203 Non-Authoritative Information", "206 Partial Content"] {
        table.add(ALL, format!("{}, with the result", &status[..3]), move |reply, _| {
            let stands = reply.then == Then::Stand;
            let mut reply = reply.status(status);
            if stands {
                reply.then = Then::Stand;
            }
            reply
        });
    }
    table.add(ANSWERS, "202, with the result", |reply, _| reply.status("202 Accepted"));
    table.add(ANSWERS, "202, with the result as events", |reply, _| reply.status("202 Accepted").events());
    for status in ["200 OK", "202 Accepted", "204 No Content", "205 Reset Content", "304 Not Modified"] {
        table.add(ALL, format!("{}, empty", &status[..3]), move |reply, _| reply.status(status).body("", ""));
    }
}

fn redirects(table: &mut Table) {
    for code in [301, 302, 303, 307, 308] {
        let status = format!("{code} Moved");
        let to = status.clone();
        table.add(ALL, format!("{code} to the slash"), move |reply, asked| {
            if asked.path == "/mcp" {
                reply.status(&to).body("", "").header("Location", "/mcp/")
            } else {
                reply
            }
        });
        table.add(ALL, format!("{code} to another host"), move |reply, _| {
            reply.status(&status).body("", "").header("Location", "http://192.0.2.1/mcp")
        });
    }
    table.add(ALL, "307 to itself", |reply, _| {
        reply.status("307 Temporary Redirect").body("", "").header("Location", "/mcp")
    });
    table.add(ALL, "307 to nowhere", |reply, _| reply.status("307 Temporary Redirect").body("", ""));
    table.add(ALL, "307 in full", |reply, asked| {
        if asked.path != "/mcp" {
            return reply;
        }
        let host = asked.headers.get("host").cloned().unwrap_or_default();
        let to = format!("http://{host}/mcp/?from=here");
        reply.status("307 Temporary Redirect").body("", "").header("Location", &to)
    });
}

fn content_types(table: &mut Table) {
    for content_type in [
        "application/json; charset=utf-8",
        "application/json;charset=UTF-8",
        "Application/JSON",
        "application/json; charset=\"utf-8\"; profile=x",
        "application/json; charset=iso-8859-1",
        "application/json;",
        " application/json ; charset=utf-8",
        "application/json, application/json",
        "text/json",
        "text/plain",
        "text/html",
        "application/json-rpc",
        "application/vnd.api+json",
        "application/octet-stream",
        "text/event-stream",
        "*/*",
        "json",
        "",
    ] {
        let name = if content_type.is_empty() { "no type" } else { content_type };
        table.add(ANSWERS, format!("JSON as `{name}`"), move |mut reply, _| {
            if !reply.messages.is_empty() {
                reply.content_type = Some(content_type.to_owned());
            }
            reply
        });
    }
    for content_type in [
        "text/event-stream; charset=utf-8",
        "text/event-stream;charset=UTF-8",
        "Text/Event-Stream",
        "text/event-stream;",
        "application/json",
        "text/plain",
        "application/x-ndjson",
        "",
    ] {
        let name = if content_type.is_empty() { "no type" } else { content_type };
        table.add(STREAMS, format!("events as `{name}`"), move |reply, _| {
            let mut reply = reply.events();
            if matches!(reply.form, Form::Events) {
                reply.content_type = Some(content_type.to_owned());
            }
            reply
        });
    }
    table.add(ANSWERS, "two equal types", |reply, _| reply.header("Content-Type", "application/json"));
    table.add(ANSWERS, "two different types", |reply, _| reply.header("Content-Type", "text/html"));
}

/// Another body with JSON as its type.
fn other(reply: Reply, body: impl Into<Vec<u8>>) -> Reply {
    reply.body("application/json", body)
}

fn bodies(table: &mut Table) {
    table.add(ANSWERS, "a BOM before JSON", |reply, _| reply.rewrite(|text| format!("\u{feff}{text}")));
    table.add(ANSWERS, "white space around JSON", |reply, _| {
        reply.rewrite(|text| format!(" \r\n\t{text}\r\n \n"))
    });
    table.add(ANSWERS, "JSON over many lines", |reply, _| {
        reply.rewrite(|text| {
            let value: serde_json::Value = serde_json::from_str(text).unwrap();
            serde_json::to_string_pretty(&value).unwrap().replace('\n', "\r\n")
        })
    });
    table.add(ANSWERS, "HTML", |reply, _| reply.body("text/html", "<!doctype html><title>Vite App</title>"));
    table.add(ANSWERS, "HTML said to be JSON", |reply, _| {
        other(reply, "<!doctype html><title>Vite App</title>")
    });
    table.add(ANSWERS, "an empty text", |reply, _| other(reply, ""));
    table.add(ANSWERS, "white space only", |reply, _| other(reply, "\n"));
    for text in ["null", "{}", "[]", "\"ok\"", "42", "{\"status\":\"ok\"}", "{\"jsonrpc\":\"2.0\"}"] {
        table.add(ANSWERS, format!("`{text}`"), move |reply, _| other(reply, text));
    }
    table
        .add(ANSWERS, "JSON that is cut", |reply, _| reply.rewrite(|text| text[..text.len() - 2].to_owned()));
    table.add(ANSWERS, "a comma too much", |reply, _| {
        reply.rewrite(|text| format!("{},}}", &text[..text.len() - 1]))
    });
    table.add(ANSWERS, "text after JSON", |reply, _| reply.rewrite(|text| format!("{text}\nOK")));
    table.add(ANSWERS, "a notification, a line break, the answer", |reply, _| {
        reply.rewrite(|text| format!("{NOTIFICATION}\n{text}"))
    });
    table.add(ANSWERS, "a byte that is not UTF-8", |mut reply, _| {
        reply = reply.rewrite(|text| text.replacen("\"jsonrpc\"", "\"x\":\"caf\u{e9}\",\"jsonrpc\"", 1));
        reply.bodies.push(|body| {
            let at = body.windows(2).position(|it| it == "\u{e9}".as_bytes());
            at.map_or_else(|| body.clone(), |at| [&body[..at], b"\xe9", &body[at + 2..]].concat())
        });
        reply
    });
    table.add(ANSWERS, "escapes of everything", |reply, _| {
        reply.rewrite(|text| text.replace("jsonrpc", "json\\u0072pc").replace("result", "res\\u0075lt"))
    });
    table.add(ANSWERS, "a large result", |reply, _| {
        reply.with_members(&format!("\"large\":\"{}\"", "x".repeat(200_000)))
    });
}

/// What belongs to no request.
const NOTIFICATION: &str =
    r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"x"}}"#;

fn streams(table: &mut Table) {
    let mut style = |name: &str, before: &'static str, event: fn(&str) -> String, after: &'static str| {
        table.add(STREAMS, format!("events: {name}"), move |reply, _| {
            let mut reply = reply.events();
            reply.events = Events { before, event, after };
            reply
        });
    };
    let plain = |message: &str| format!("data: {message}\n\n");
    style("data only", "", plain, "");
    style("CRLF", "", |message| format!("event: message\r\ndata: {message}\r\n\r\n"), "");
    style("CR", "", |message| format!("event: message\rdata: {message}\r\r"), "");
    style("line ends mixed", "", |message| format!("event: message\r\ndata: {message}\n\r\n"), "");
    style("no blank after the colon", "", |message| format!("event:message\ndata:{message}\n\n"), "");
    style("a BOM", "\u{feff}", plain, "");
    style(
        "comments",
        ": hello\n\n:\n\n",
        |message| format!(": ping\ndata: {message}\n: pong\n\n"),
        ": bye\n\n",
    );
    style("retry", "retry: 3000\n\n", |message| format!("retry: 10\ndata: {message}\n\n"), "retry: soon\n\n");
    style("ids", "id: 0\ndata:\n\n", |message| format!("id: 7_8\nevent: message\ndata: {message}\n\n"), "");
    style("an id with NUL", "", |message| format!("id: a\0b\ndata: {message}\n\n"), "");
    style("an empty id", "", |message| format!("id:\ndata: {message}\n\n"), "");
    style("empty data first", "data:\n\nevent: message\ndata: \n\n", plain, "");
    style("unknown fields", "", |message| format!("foo: bar\nbaz\ndata: {message}\nlast\n\n"), "");
    style(
        "data over lines",
        "",
        |message| format!("event: message\ndata: {}\n\n", message.replace(",\"", "\ndata: ,\"")),
        "",
    );
    style("an empty name", "", |message| format!("event:\ndata: {message}\n\n"), "");
    style("a name in capitals", "", |message| format!("event: Message\ndata: {message}\n\n"), "");
    style("another name", "", |message| format!("event: response\ndata: {message}\n\n"), "");
    style("another event first", "event: ping\ndata: 2026-11-29\n\n", plain, "event: ping\ndata: {}\n\n");
    style("dirt first", "data: hello\n\n", plain, "");
    style("[DONE] last", "", plain, "data: [DONE]\n\n");
    style("no blank line at the end", "", |message| format!("data: {message}\n"), "");
    style("no line end at the end", "", |message| format!("data: {message}"), "");
    style("a notification first", NOTIFICATION_EVENT, plain, "");
    style("a notification last", "", plain, NOTIFICATION_EVENT);
    style("many blank lines", "\n\n\n\n", |message| format!("\n\n\ndata: {message}\n\n\n\n"), "\n\n");
    style("arrays", "", |message| format!("data: [{message}]\n\n"), "");
    style("a ping of the server first", PING_EVENT, plain, "");
    style("the answer to another first", OTHER_EVENT, plain, "");
    style("the answer twice", "", |message| format!("data: {message}\n\ndata: {message}\n\n"), "");
    table.add(ANSWERS, "events that go on after the answer", |reply, _| {
        let mut reply = reply.events();
        reply.framing = Framing::Chunked(Chunks::default());
        reply.then = Then::Silence;
        reply
    });
    table.add(ANSWERS, "events without the answer", |reply, _| {
        let mut reply = reply.events();
        if reply.form == Form::Events {
            reply.messages = vec![NOTIFICATION.to_owned()];
        }
        reply
    });
    table.add(ANSWERS, "no events", |reply, _| reply.body("text/event-stream", ""));
    table.add(ANSWERS, "comments only", |reply, _| reply.body("text/event-stream", ": ping\n\n: ping\n\n"));
}

const NOTIFICATION_EVENT: &str = "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{\"level\":\"info\",\"data\":\"x\"}}\n\n";
const PING_EVENT: &str = "data: {\"jsonrpc\":\"2.0\",\"id\":\"p\",\"method\":\"ping\"}\n\n";
const OTHER_EVENT: &str = "data: {\"jsonrpc\":\"2.0\",\"id\":98765,\"result\":{}}\n\n";

/// Replaces `"id":…,` of a response, which stands behind `jsonrpc`.
fn with_id(text: &str, change: impl Fn(&str) -> String) -> String {
    let Some((before, rest)) = text.split_once("\"id\":") else { return text.to_owned() };
    let Some((id, after)) = rest.split_once(',') else { return text.to_owned() };
    format!("{before}{}{after}", change(id))
}

fn envelopes(table: &mut Table) {
    let mut id = |name: &str, change: fn(&str) -> String| {
        table.add(ANSWERS, name, move |reply, _| reply.rewrite(|text| with_id(text, change)));
    };
    id("the id as text", |id| format!("\"id\":\"{id}\","));
    id("the id with a fraction", |id| format!("\"id\":{id}.0,"));
    id("the id with an exponent", |id| format!("\"id\":{id}e0,"));
    id("null as id", |_| "\"id\":null,".to_owned());
    id("no id", |_| String::new());
    id("another id", |_| "\"id\":424242,".to_owned());
    id("a text as id", |_| "\"id\":\"abc\",".to_owned());
    id("the id twice", |id| format!("\"id\":{id},\"id\":{id},"));
    let mut text = |name: &str, change: fn(&str) -> String| {
        table.add(ANSWERS, name, move |reply, _| reply.rewrite(change));
    };
    text("no jsonrpc", |text| text.replacen("\"jsonrpc\":\"2.0\",", "", 1));
    text("jsonrpc 1.0", |text| text.replacen("\"jsonrpc\":\"2.0\"", "\"jsonrpc\":\"1.0\"", 1));
    text("jsonrpc as number", |text| text.replacen("\"jsonrpc\":\"2.0\"", "\"jsonrpc\":2.0", 1));
    text("jsonrpc in capitals", |text| text.replacen("jsonrpc", "JSONRPC", 1));
    text("jsonrpc last", |text| {
        let rest = text.replacen("\"jsonrpc\":\"2.0\",", "", 1);
        format!("{},\"jsonrpc\":\"2.0\"}}", &rest[..rest.len() - 1])
    });
    text("members that nobody knows", |text| {
        text.replacen('{', "{\"_x\":[1,{}],\"time\":0.1,\"meta\":null,", 1)
    });
    text("null as error beside the result", |text| text.replacen('{', "{\"error\":null,", 1));
    text("null as method", |text| text.replacen('{', "{\"method\":null,", 1));
    text("a method in the answer", |text| text.replacen('{', "{\"method\":\"x/answer\",", 1));
    text("params in the answer", |text| text.replacen('{', "{\"params\":{},", 1));
    text("result and error", |text| text.replacen('{', "{\"error\":{\"code\":-1,\"message\":\"both\"},", 1));
    text("an array of one", |text| format!("[{text}]"));
    text("an array with a notification first", |text| format!("[{NOTIFICATION},{text}]"));
    text("an array with a notification last", |text| format!("[{text},{NOTIFICATION}]"));
    text("an array in an array", |text| format!("[[{text}]]"));
    table.add(ANSWERS, "neither result nor error", |reply, asked| {
        other(reply, format!(r#"{{"jsonrpc":"2.0","id":{}}}"#, asked.message["id"]))
    });
    table.add(ANSWERS, "the question as answer", |reply, asked| other(reply, asked.message.to_string()));
}

fn results(table: &mut Table) {
    for result in ["null", "[]", "true", "\"done\"", "{}", "{\"_meta\":null}", "{\"_meta\":{}}"] {
        table.add(ANSWERS, format!("`{result}` as result"), move |reply, asked| {
            other(reply, format!(r#"{{"jsonrpc":"2.0","id":{},"result":{result}}}"#, asked.message["id"]))
        });
    }
    let mut member = |name: &str, text: &'static str| {
        table.add(ANSWERS, format!("{name} in the result"), move |reply, _| reply.with_members(text));
    };
    member("null as _meta", "\"_meta\":null");
    member("_meta", "\"_meta\":{\"vendor/x\":1,\"y\":null}");
    member("null as nextCursor", "\"nextCursor\":null");
    member("an empty nextCursor", "\"nextCursor\":\"\"");
    member("null as isError", "\"isError\":null");
    member("null as structuredContent", "\"structuredContent\":null");
    member("isError as text", "\"isError\":\"false\"");
    member("resultType", "\"resultType\":\"complete\",\"ttlMs\":0");
    member("a number that is too large", "\"big\":123456789012345678901234567890");
    let mut text = |name: &str, change: fn(&str) -> String| {
        table.add(ANSWERS, name, move |reply, _| reply.rewrite(change));
    };
    text("items with null members", |text| {
        text.replace("\"name\":\"", "\"title\":null,\"description\":null,\"name\":\"")
    });
    text("half an emoji in a text", |text| {
        let cut = text.replace("\"text\":\"", "\"text\":\"\\ud83d");
        cut.replace("\"name\":\"", "\"description\":\"\\ude00 cut\",\"name\":\"")
    });
    text("an item that is null", |text| text.replacen(":[{", ":[null,{", 1));
    text("an item without a name", |text| text.replacen(":[{", ":[{},{", 1));
    text("members of items that nobody knows", |text| {
        text.replace("\"name\":\"", "\"x\":{\"y\":[]},\"name\":\"")
    });
    text("a schema of its own", |text| {
        text.replace("{\"type\":\"object\"}", "{\"type\":\"object\",\"$schema\":\"x\",\"properties\":{}}")
    });
    text("a schema that is null", |text| {
        text.replacen("\"inputSchema\":{\"type\":\"object\"}", "\"inputSchema\":null", 1)
    });
    text("content of an unknown kind", |text| text.replace("\"type\":\"text\"", "\"type\":\"hologram\""));
    text("content as a text", |text| {
        let Some((before, rest)) = text.split_once("\"content\":[") else { return text.to_owned() };
        let Some((_, after)) = rest.split_once(']') else { return text.to_owned() };
        format!("{before}\"content\":\"plain\"{after}")
    });
}

fn errors(table: &mut Table) {
    for error in [
        r#"{"code":-32601,"message":"Method not found"}"#,
        r#"{"code":-32602,"message":"bad","data":{"a":[1.0,null]}}"#,
        r#"{"code":-32603,"message":""}"#,
        r#"{"code":0,"message":"zero"}"#,
        r#"{"code":404,"message":"positive"}"#,
        r#"{"code":-32000.0,"message":"with a fraction"}"#,
        r#"{"code":-1.5,"message":"no whole number"}"#,
        r#"{"code":"-32000","message":"a text as code"}"#,
        r#"{"code":"E_FAIL","message":"a word as code"}"#,
        r#"{"code":null,"message":"no code"}"#,
        r#"{"message":"without a code"}"#,
        r#"{"code":-32000}"#,
        r#"{"code":-32000,"message":null}"#,
        r#"{"code":-32000,"message":{"text":"no text"}}"#,
        r#"{"code":-32000,"message":"null as data","data":null}"#,
        r#"{"code":-32000,"message":"more","extra":true}"#,
        r#""failed""#,
        "null",
        "{}",
        "[]",
    ] {
        table.add(ANSWERS, format!("the error `{error}`"), move |reply, asked| {
            other(reply, format!(r#"{{"jsonrpc":"2.0","id":{},"error":{error}}}"#, asked.message["id"]))
        });
    }
    for id in ["null", "\"x\"", "1.5"] {
        table.add(ANSWERS, format!("an error with the id `{id}`"), move |reply, _| {
            let error = r#"{"code":-32600,"message":"refused by the test"}"#;
            other(reply, format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#))
        });
    }
    table.add(ANSWERS, "an error without id", |reply, _| {
        other(reply, r#"{"jsonrpc":"2.0","error":{"code":-32600,"message":"refused by the test"}}"#)
    });
    table.add(ANSWERS, "null as result beside the error", |reply, asked| {
        let error = r#"{"code":-32000,"message":"refused by the test"}"#;
        other(
            reply,
            format!(r#"{{"jsonrpc":"2.0","id":{},"result":null,"error":{error}}}"#, asked.message["id"]),
        )
    });
}

fn sessions(table: &mut Table) {
    let mut session = |name: &str, change: fn(&str) -> Option<String>| {
        table.add(ANSWERS, name, move |mut reply, _| {
            let own =
                reply.headers.iter().find(|(name, _)| name == "Mcp-Session-Id").map(|(_, id)| id.clone());
            reply.headers.retain(|(name, _)| name != "Mcp-Session-Id");
            match change(own.as_deref().unwrap_or_default()) {
                Some(id) => reply.header("Mcp-Session-Id", &id),
                None => reply,
            }
        });
    };
    session("no session", |_| None);
    session("an empty session", |_| Some(String::new()));
    table.add(ALL, "another session", |reply, _| reply.header("MCP-Session-ID", "another-session"));
    table.add(ALL, "the session again", |reply, asked| {
        let session = asked.session().unwrap_or_default().to_owned();
        if session.is_empty() { reply } else { reply.header("mcp-session-id", &session) }
    });
    table.add(ALL, "another revision in a header", |reply, _| {
        reply.header("MCP-Protocol-Version", "2024-11-05")
    });
}

fn notices(table: &mut Table) {
    for (name, status, content_type, body) in [
        ("202 with a text", "202 Accepted", "text/plain", "Accepted"),
        ("202 with JSON", "202 Accepted", "application/json", "{}"),
        ("202 with null", "202 Accepted", "application/json", "null"),
        ("202 with an empty stream", "202 Accepted", "text/event-stream", ""),
        ("200 with a text", "200 OK", "text/plain", "OK"),
        ("200 with HTML", "200 OK", "text/html", "<p>OK</p>"),
        ("200 with null", "200 OK", "application/json", "null"),
        ("200 with an empty object", "200 OK", "application/json", "{}"),
        ("200 with an empty text", "200 OK", "application/json", ""),
        ("200 with an empty stream", "200 OK", "text/event-stream", ""),
        ("200 with a comment", "200 OK", "text/event-stream", ": ok\n\n"),
        (
            "200 with an error",
            "200 OK",
            "application/json",
            r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32601,"message":"Method not found"}}"#,
        ),
        ("200 with a result", "200 OK", "application/json", r#"{"jsonrpc":"2.0","id":null,"result":{}}"#),
        ("200 with a notification", "200 OK", "application/json", NOTIFICATION),
        ("200 with an event", "200 OK", "text/event-stream", NOTIFICATION_EVENT),
    ] {
        table.add(NOTICES, name, move |reply, _| reply.status(status).body(content_type, body));
    }
    table.add(NOTICES, "200 with a stream that stands", |reply, _| {
        let mut reply = reply.status("200 OK").body("text/event-stream", ": here\n\n");
        reply.framing = Framing::Chunked(Chunks::default());
        reply.then = Then::Silence;
        reply
    });
    table.add(ANSWERS, "202, and the answer on the standing stream", |mut reply, _| {
        reply.elsewhere = std::mem::take(&mut reply.messages);
        reply.status("202 Accepted").body("", "")
    });
    table.add(ANSWERS, "no events, and the answer on the standing stream", |mut reply, _| {
        reply.elsewhere = std::mem::take(&mut reply.messages);
        reply.body("text/event-stream", ": elsewhere\n\n")
    });
}

fn gets(table: &mut Table) {
    for (name, content_type, body) in [
        ("JSON for a stream", "application/json", "{}"),
        (
            "an error for a stream",
            "application/json",
            r#"{"jsonrpc":"2.0","error":{"code":-32000,"message":"Method not allowed."},"id":null}"#,
        ),
        ("HTML for a stream", "text/html", "<!doctype html><title>Vite App</title>"),
        ("a text for a stream", "text/plain", "MCP server is running"),
        ("a stream that ends at once", "text/event-stream", ""),
        ("a stream that ends after a comment", "text/event-stream", ": here\n\n"),
        ("a stream that ends after an id", "text/event-stream", "id: 1\ndata:\n\n"),
        ("a stream that wants a pause", "text/event-stream", "retry: 1\nid: 1\ndata:\n\n"),
        ("an endpoint in the stream", "text/event-stream", "event: endpoint\ndata: /messages\n\n"),
    ] {
        table.add(GETS, name, move |reply, _| reply.body(content_type, body));
    }
    table.add(GETS, "a head and nothing more", |mut reply, _| {
        reply = reply.body("text/event-stream", "");
        reply.framing = Framing::Chunked(Chunks::default());
        reply.then = Then::Silence;
        reply
    });
}

fn endpoints(table: &mut Table) {
    /// Changes the endpoint event, of which the address begins with a slash.
    fn event(reply: Reply, change: impl Fn(&str) -> String) -> Reply {
        let Form::Raw(body) = &reply.form else { return reply };
        let text = String::from_utf8_lossy(body).into_owned();
        let address = text.split("data: ").nth(1).unwrap_or_default().trim_end().to_owned();
        let form = Form::Raw(change(&address).into_bytes());
        let mut reply = reply;
        reply.form = form;
        reply
    }
    let mut named = |name: &str, change: fn(&str, &str) -> String| {
        table.add(GETS, format!("endpoint: {name}"), move |reply, asked| {
            let port = asked.headers.get("host").and_then(|host| host.rsplit_once(':')).map(|(_, port)| port);
            let port = port.unwrap_or("80").to_owned();
            event(reply, |address| change(address, &port))
        });
    };
    let data = |address: &str| format!("event: endpoint\ndata: {address}\n\n");
    named("in full", |address, port| format!("event: endpoint\ndata: http://127.0.0.1:{port}{address}\n\n"));
    named("localhost", |address, port| {
        format!("event: endpoint\ndata: http://localhost:{port}{address}\n\n")
    });
    named("0.0.0.0", |address, port| format!("event: endpoint\ndata: http://0.0.0.0:{port}{address}\n\n"));
    named("another host", |address, port| {
        format!("event: endpoint\ndata: http://192.0.2.1:{port}{address}\n\n")
    });
    named("another port", |address, _| format!("event: endpoint\ndata: http://127.0.0.1:1{address}\n\n"));
    named("https", |address, port| format!("event: endpoint\ndata: https://127.0.0.1:{port}{address}\n\n"));
    named("without a scheme", |address, port| {
        format!("event: endpoint\ndata: //127.0.0.1:{port}{address}\n\n")
    });
    named("relative", |address, _| format!("event: endpoint\ndata: {}\n\n", &address[1..]));
    named("relative with a dot", |address, _| format!("event: endpoint\ndata: .{address}\n\n"));
    named("relative with two dots", |address, _| format!("event: endpoint\ndata: ../x/..{address}\n\n"));
    named("with a fragment", |address, _| format!("event: endpoint\ndata: {address}#here\n\n"));
    named("with blanks around", |address, _| format!("event: endpoint\ndata:   {address}  \n\n"));
    named("with a blank in it", |address, _| format!("event: endpoint\ndata: {address}&name=a b\n\n"));
    named("in UTF-8", |address, _| format!("event: endpoint\ndata: {address}&name=caf\u{e9}\n\n"));
    named("data first", |address, _| format!("data: {address}\nevent: endpoint\n\n"));
    named("CRLF", |address, _| format!("event: endpoint\r\ndata: {address}\r\n\r\n"));
    named("with an id and retry", |address, _| {
        format!("id: 1\nretry: 10\nevent: endpoint\ndata: {address}\n\n")
    });
    named("after a comment", |address, _| format!(": hello\n\n: and\nevent: endpoint\ndata: {address}\n\n"));
    named("after a BOM", |address, _| format!("\u{feff}event: endpoint\ndata: {address}\n\n"));
    named("after another event", |address, _| {
        format!("event: ping\ndata: 1\n\nevent: endpoint\ndata: {address}\n\n")
    });
    named("after a message", |address, _| {
        format!("{NOTIFICATION_EVENT}event: endpoint\ndata: {address}\n\n")
    });
    named("twice", |address, _| {
        format!("event: endpoint\ndata: {address}\n\nevent: endpoint\ndata: {address}\n\n")
    });
    named("without a name", |address, _| format!("data: {address}\n\n"));
    named("in JSON", |address, _| format!("event: endpoint\ndata: {{\"uri\":\"{address}\"}}\n\n"));
    named("in quotes", |address, _| format!("event: endpoint\ndata: \"{address}\"\n\n"));
    named("empty", |_, _| "event: endpoint\ndata:\n\n".to_owned());
    named("never", |_, _| ": here\n\n".to_owned());
    table.add(GETS, "endpoint: late", move |mut reply, _| {
        reply.pace = Pace::Pieces(4);
        event(reply, data)
    });
}
