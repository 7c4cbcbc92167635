//! Replays what fuzzing has found, on any toolchain: one small file for each way that it led through the code.

#[allow(unreachable_pub, reason = "there it is a library")]
#[path = "src/lib.rs"]
mod checks;

use std::{fs, path::Path};

fn replay(target: &str, check: fn(&[u8])) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds").join(target);
    let mut files: Vec<_> = fs::read_dir(&directory)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
        .expect("the seeds are in the repository");
    files.sort();
    assert!(files.len() > 10, "{} has only {} files", directory.display(), files.len());
    for file in files {
        eprintln!("{}", file.display());
        check(&fs::read(&file).expect("a seed can be read"));
    }
}

#[test]
fn doorbells() {
    replay("doorbell", checks::doorbell);
}

#[test]
fn events() {
    replay("events", checks::events);
}

#[test]
fn frames() {
    replay("frames", checks::frames);
}

#[test]
fn pieces() {
    replay("pieces", checks::pieces);
}
