//! Any file may lie in the directory of doorbells: reading it must not panic, and what is accepted must be sane.

#![no_main]

use brummer_hub::doorbell::Doorbell;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    // The name of the file is part of what is read; a newline parts it from the contents.
    let (name, contents) = data.split_at(data.iter().position(|byte| *byte == b'\n').unwrap_or(0));
    let Ok(name) = std::str::from_utf8(name) else { return };
    let Ok(doorbell) = Doorbell::parse(&format!("{name}.json"), contents) else { return };
    assert_eq!(doorbell.id.as_str(), name);
    assert!(!name.contains(['/', '\\']) && !name.starts_with('.'));
    assert!(doorbell.port > 0 && doorbell.pid > 0);
    assert!(doorbell.endpoint.starts_with('/') && !doorbell.endpoint.contains(['\r', '\n']));
});
