//! A client or instance may send any line: cutting, reading and renumbering it must not panic, and what is forwarded must
//! be one line that reads the same.

#![no_main]

use brummer_hub::{
    frame::{Frame, split_batch},
    stdio::lines::{Line, LineSplitter},
};
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

const LIMIT: usize = 4096;

fuzz_target!(|input: (u8, &[u8])| {
    let (cut, data) = input;
    let mut splitter = LineSplitter::new(LIMIT);
    for chunk in data.chunks(usize::from(cut) + 1) {
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
});

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
