//! What reading a doorbell costs, without the disk.
//!
//! `cargo bench -p brummer-hub --bench doorbells`

use brummer_hub::doorbell::Doorbell;
use divan::black_box;

const OURS: &[u8] = br#"{"id":"3f1c9e1e-6f0e-4a54-9c3e-0f6a1a6f7d11","pid":4711,"path":"/home/me/shop/web","port":7778,"started":"2025-11-21T14:00:00Z","name":"web","has_package_json":true,"last_seen":"2025-11-21T14:00:00Z"}"#;

const GO: &[u8] = br#"{"id":"web-1","name":"web","directory":"/home/me/shop/web","port":7778,"started_at":"2025-11-21T14:00:00.123456789+01:00","last_ping":"2025-11-21T14:00:10.123456789+01:00","process_info":{"pid":4711,"executable":"/usr/local/bin/brum"}}"#;

fn main() {
    divan::main();
}

/// The format that this library writes.
#[divan::bench]
fn parse_ours() -> Doorbell {
    Doorbell::parse("3f1c9e1e-6f0e-4a54-9c3e-0f6a1a6f7d11.json", black_box(OURS))
        .expect("the doorbell is valid")
}

/// The format of the released Go program.
#[divan::bench]
fn parse_go() -> Doorbell {
    Doorbell::parse("web-1.json", black_box(GO)).expect("the doorbell is valid")
}

#[divan::bench]
fn refuse_bad_port() -> bool {
    Doorbell::parse("web-1.json", black_box(br#"{"id":"web-1","pid":1,"path":"/p","port":99999}"#)).is_err()
}
