//! Keeps the documents true that name their proofs: every test that they name exists.

use std::{fs, path::Path};

/// The documents, and how many tests each names at least: fewer mean that it, or the reading of it, is broken.
const DOCUMENTS: [(&str, usize); 3] =
    [("docs/REQUIREMENTS.md", 100), ("docs/PROTOCOL.md", 100), ("SECURITY.md", 30)];

/// Everything between back quotes that looks like `path/to/file.rs::test`, or `path/to/file.test.mjs::title of a test`.
fn references(document: &str) -> impl Iterator<Item = (&str, &str)> {
    let quoted = document.split('`').skip(1).step_by(2);
    quoted
        .filter_map(|text| text.split_once("::"))
        .filter(|(file, _)| file.ends_with(".rs") || file.ends_with(".mjs"))
}

/// Whether a suite of Node has a test with this title.
fn has_titled_test(source: &str, title: &str) -> bool {
    source.contains(&format!("test(\"{title}\""))
}

/// Whether the source has a function of this name below a test attribute or in a `proptest!` block.
fn has_test(source: &str, name: &str) -> bool {
    let declared = format!("fn {name}(");
    source.match_indices(&declared).any(|(at, _)| {
        let before = source[..at].lines().rev().take(5);
        before.map(str::trim).any(|line| line.starts_with("#[") && line.contains("test"))
    })
}

#[test]
fn every_test_that_is_named_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for (path, least) in DOCUMENTS {
        let document = fs::read_to_string(root.join(path)).unwrap();
        // An open quote would turn text into code and code into text from there on.
        for (number, line) in document.lines().enumerate() {
            assert_eq!(line.matches('`').count() % 2, 0, "{path}, line {}: {line}", number + 1);
        }
        let named: Vec<_> = references(&document).collect();
        assert!(named.len() >= least, "only {} tests are named in {path}", named.len());
        let missing: Vec<_> = named
            .iter()
            .filter(|(file, name)| {
                let there = if file.ends_with(".mjs") { has_titled_test } else { has_test };
                !fs::read_to_string(root.join(file)).is_ok_and(|source| there(&source, name))
            })
            .collect();
        assert!(missing.is_empty(), "named in {path}, but not there: {missing:#?}");
    }
}
