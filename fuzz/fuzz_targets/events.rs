#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| brummer_fuzz::events(data));
