//! What a frame costs on its way: reading its envelope, and putting another id into it.
//!
//! `cargo bench -p brummer-hub --bench frames`

use brummer_hub::frame::Frame;
use bytes::Bytes;
use divan::{Bencher, black_box, counter::BytesCount};

/// Sizes of the text inside: a small call, a page of output, a file, the two results of `cargo xtask bench`.
const SIZES: [usize; 5] = [16, 4 << 10, 64 << 10, 1 << 20, 10 << 20];

fn main() {
    divan::main();
}

/// A response with log lines in its text: one escape in a hundred bytes.
fn response(bytes: usize) -> Bytes {
    let line = format!("{:0>97}.\\n", "GET /assets/index-4f2a.js 200 in 3 ms");
    let text: String = line.chars().cycle().take(bytes / line.len() * line.len() + 16).collect();
    let text = text.trim_end_matches('\\');
    format!(r#"{{"jsonrpc":"2.0","id":17,"result":{{"content":[{{"type":"text","text":"{text}"}}]}}}}"#)
        .into()
}

/// A response whose result is a tree of many small members, as structured content is.
fn structured(bytes: usize) -> Bytes {
    let item = r#"{"id":12,"name":"web","port":3000,"ok":true,"tags":["a","b"]}"#;
    let items = vec![item; bytes / item.len() + 1].join(",");
    format!(r#"{{"jsonrpc":"2.0","id":17,"result":{{"structuredContent":{{"items":[{items}]}}}}}}"#).into()
}

#[divan::bench]
fn parse_request(bencher: Bencher<'_, '_>) {
    let bytes = Bytes::from_static(
        br#"{"jsonrpc":"2.0","id":12345,"method":"tools/call","params":{"name":"echo","arguments":{"text":"hello"}}}"#,
    );
    bencher.bench(|| Frame::parse(black_box(bytes.clone())));
}

#[divan::bench(args = SIZES)]
fn parse_text(bencher: Bencher<'_, '_>, size: usize) {
    let bytes = response(size);
    bencher.counter(BytesCount::new(bytes.len())).bench(|| Frame::parse(black_box(bytes.clone())));
}

#[divan::bench(args = SIZES)]
fn parse_structured(bencher: Bencher<'_, '_>, size: usize) {
    let bytes = structured(size);
    bencher.counter(BytesCount::new(bytes.len())).bench(|| Frame::parse(black_box(bytes.clone())));
}

/// Beside `parse_structured`: the same through a tree of values, which the hub does not do.
#[divan::bench(args = SIZES)]
fn value_tree(bencher: Bencher<'_, '_>, size: usize) {
    let bytes = structured(size);
    bencher.counter(BytesCount::new(bytes.len())).bench(|| {
        serde_json::from_slice::<serde_json::Value>(black_box(&bytes)).map(|value| value.to_string())
    });
}

#[divan::bench(args = SIZES)]
fn rewrite_id(bencher: Bencher<'_, '_>, size: usize) {
    let frame = Frame::parse(response(size)).expect("the response is valid");
    bencher.bench(|| black_box(&frame).with_id("\"client-1\""));
}

/// With the copy into one piece of memory, which a vectored write saves.
#[divan::bench(args = SIZES)]
fn rewrite_id_and_join(bencher: Bencher<'_, '_>, size: usize) {
    let frame = Frame::parse(response(size)).expect("the response is valid");
    bencher.bench(|| black_box(&frame).with_id("\"client-1\"").join());
}
