//! An instance may send any bytes as an event stream, cut anywhere: the events must not depend on the cuts.

#![no_main]

use brummer_hub::sse::Parser;
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

const LIMIT: usize = 4096;

fuzz_target!(|input: (u8, &[u8])| {
    let (cut, data) = input;
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
    assert_eq!(read(usize::from(cut) + 1), read(data.len().max(1)));
});
