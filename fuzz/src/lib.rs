//! What must hold for any bytes: the bodies of the fuzz targets. The tests replay what was found with them (`replay.rs`).

use brummer_hub::{
    doorbell::Doorbell,
    frame::{Frame, Scanner, split_batch},
    sse::Parser,
    stdio::lines::{Line, LineSplitter},
};
use bytes::Bytes;
use serde_json::value::RawValue;

/// Bytes of a line and of an event: little, so that what is too long is soon found.
const LIMIT: usize = 4096;

/// Any file may lie in the directory of doorbells: reading it must not panic, and what is accepted must be sane. The name of
/// the file comes first; a newline parts it from the contents.
pub fn doorbell(data: &[u8]) {
    let (name, contents) = data.split_at(data.iter().position(|byte| *byte == b'\n').unwrap_or(0));
    let Ok(name) = std::str::from_utf8(name) else { return };
    let Ok(doorbell) = Doorbell::parse(&format!("{name}.json"), contents) else { return };
    assert_eq!(doorbell.id.as_str(), name);
    assert!(!name.contains(['/', '\\']) && !name.starts_with('.'));
    assert!(doorbell.port > 0 && doorbell.pid > 0);
    assert!(doorbell.endpoint.starts_with('/') && !doorbell.endpoint.contains(['\r', '\n']));
}

/// An instance may send any bytes as an event stream, cut anywhere: the events must not depend on the cuts. The first byte
/// says how long the pieces are.
pub fn events(data: &[u8]) {
    let Some((cut, data)) = data.split_first() else { return };
    let read = |piece: usize| {
        let mut parser = Parser::new(LIMIT);
        let mut events = Vec::new();
        for chunk in data.chunks(piece) {
            let mut chunk = Bytes::copy_from_slice(chunk);
            while let Some(event) = parser.next(&mut chunk) {
                events.push(format!("{event:?}"));
            }
        }
        (events, parser.last_id().map(<[u8]>::to_vec), parser.retry())
    };
    assert_eq!(read(usize::from(*cut) + 1), read(data.len().max(1)));
}

/// A client or instance may send any line: cutting, reading and renumbering it must not panic, and what is forwarded must be
/// one line that reads the same. The first byte says how long the pieces are.
pub fn frames(data: &[u8]) {
    let Some((cut, data)) = data.split_first() else { return };
    let mut splitter = LineSplitter::new(LIMIT);
    for chunk in data.chunks(usize::from(*cut) + 1) {
        splitter.room().extend_from_slice(chunk);
        while let Some(line) = splitter.next_line() {
            look_at(line);
        }
    }
    if let Some(line) = splitter.last_line() {
        look_at(line);
    }
    // The same bytes as an HTTP body, line breaks and all.
    look_at(Line::Text(Bytes::copy_from_slice(data)));
}

fn look_at(line: Line) {
    let Line::Text(text) = line else { return };
    let _ = split_batch(&text, 16);
    let Ok(frame) = Frame::parse(text) else { return };
    let there = Frame::parse(frame.with_id("\"x\"").join()).expect("a renumbered frame is a frame");
    assert!(!there.bytes().contains(&b'\n'));
    assert_eq!(there.method(), frame.method());
    assert_eq!(there.params(), frame.params());
    assert_eq!(there.result(), frame.result());
    if let Some(id) = frame.id() {
        let back = there.with_id(id).join();
        assert_eq!(back, frame.bytes());
    }
}

/// A message is read while it comes in, however the network cuts it: what the scanner accepts must be what serde_json
/// accepts, whatever the pieces, and their messages the same. The first byte says how many pieces there are, one byte for each
/// how long it is; the message follows.
pub fn pieces(data: &[u8]) {
    let Some((count, rest)) = data.split_first() else { return };
    let (cuts, text) = rest.split_at(usize::from(*count).min(rest.len()));
    let Ok(text) = std::str::from_utf8(text) else { return };
    let mut whole = text.as_bytes().to_vec();
    let mut at_once = Scanner::default();
    at_once.read(&mut whole);

    let mut there = Vec::new();
    let mut scanner = Scanner::default();
    let mut rest = text.as_bytes();
    for cut in cuts {
        let (piece, others) = rest.split_at(usize::from(*cut).min(rest.len()));
        there.extend_from_slice(piece);
        scanner.read(&mut there);
        rest = others;
    }
    there.extend_from_slice(rest);
    scanner.read(&mut there);
    assert_eq!(scanner.is_done(), at_once.is_done());
    assert_eq!(there, whole);

    let is_json = serde_json::from_str::<&RawValue>(text).is_ok();
    if scanner.is_done() {
        assert!(is_json, "{text}");
        // Line breaks between tokens, and nothing else, have become spaces.
        assert!(!there.contains(&b'\n') && !there.contains(&b'\r'));
        match (Frame::parse(text.to_owned()), Frame::parse(there)) {
            (Ok(one), Ok(other)) => assert_eq!(one.bytes(), other.bytes()),
            (one, other) => assert_eq!(one.is_ok(), other.is_ok()),
        }
    } else if is_json && text.trim_start().starts_with('{') {
        // It may give up on what is not simple, and on nothing else.
        let is_deep = text.matches(['[', '{']).count() > 64;
        assert!(is_deep || text.contains('\\') || has_doubles(text), "{text}");
    }
}

/// Whether a member of a message stands twice.
fn has_doubles(text: &str) -> bool {
    ["jsonrpc", "id", "method", "params", "result", "error"]
        .iter()
        .any(|name| text.matches(&format!("\"{name}\"")).count() > 1)
}
