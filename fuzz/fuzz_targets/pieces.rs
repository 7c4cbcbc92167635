//! A message is read while it comes in, however the network cuts it: what the scanner accepts must be what serde_json
//! accepts, whatever the pieces, and their messages the same.

#![no_main]

use brummer_hub::frame::{Frame, Scanner};
use libfuzzer_sys::fuzz_target;
use serde_json::value::RawValue;

fuzz_target!(|input: (Vec<u8>, &str)| {
    let (cuts, text) = input;
    let mut whole = text.as_bytes().to_vec();
    let mut at_once = Scanner::default();
    at_once.read(&mut whole);

    let mut there = Vec::new();
    let mut scanner = Scanner::default();
    let mut rest = text.as_bytes();
    for cut in cuts {
        let (piece, others) = rest.split_at(usize::from(cut).min(rest.len()));
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
});

/// Whether a member of a message stands twice.
fn has_doubles(text: &str) -> bool {
    ["jsonrpc", "id", "method", "params", "result", "error"]
        .iter()
        .any(|name| text.matches(&format!("\"{name}\"")).count() > 1)
}
