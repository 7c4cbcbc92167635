//! What server-sent events cost to take apart.
//!
//! `cargo bench -p brummer-hub --bench streams`

use brummer_hub::sse;
use bytes::Bytes;
use divan::{Bencher, black_box, counter::BytesCount};

/// What one read from a socket gives at most in practice.
const PIECE: usize = 64 * 1024;

const LIMIT: usize = 64 << 20;

fn main() {
    divan::main();
}

fn event(bytes: usize) -> String {
    let text = "x".repeat(bytes);
    format!(
        "id: 7\nevent: message\ndata: {{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{{\"t\":\"{text}\"}}}}\n\n"
    )
}

/// Takes a stream apart and gives the number of its events.
fn events(pieces: &[Bytes]) -> usize {
    let mut parser = sse::Parser::new(LIMIT);
    let mut found = 0;
    for piece in pieces {
        let mut piece = piece.clone();
        while let Some(event) = parser.next(&mut piece) {
            black_box(event);
            found += 1;
        }
    }
    found
}

fn pieces(stream: String, size: usize) -> Vec<Bytes> {
    let stream = Bytes::from(stream);
    (0..stream.len()).step_by(size).map(|at| stream.slice(at..stream.len().min(at + size))).collect()
}

/// One event in a stream, as the answer to a call is.
#[divan::bench(args = [16, 4 << 10, 1 << 20, 10 << 20])]
fn one_event(bencher: Bencher<'_, '_>, size: usize) {
    let pieces = pieces(event(size), PIECE);
    bencher.counter(BytesCount::new(size)).bench(|| events(black_box(&pieces)));
}

/// A thousand notifications, as they come on a standing stream.
#[divan::bench(args = [PIECE, 100, 1])]
fn thousand_events_in_pieces_of(bencher: Bencher<'_, '_>, piece: usize) {
    let stream = event(64).repeat(1_000);
    let size = stream.len();
    let pieces = pieces(stream, piece);
    bencher.counter(BytesCount::new(size)).bench(|| events(black_box(&pieces)));
}
