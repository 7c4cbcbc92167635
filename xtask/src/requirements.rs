//! Keeps `docs/REQUIREMENTS.md` true: every test that it names exists.

use std::{fs, path::Path};

/// Fewer than this means that the document, or the reading of it, is broken.
const LEAST_TESTS: usize = 100;

/// Everything between back quotes that looks like `path/to/file.rs::test`.
fn references(document: &str) -> impl Iterator<Item = (&str, &str)> {
    let quoted = document.split('`').skip(1).step_by(2);
    quoted.filter_map(|text| text.split_once("::")).filter(|(file, _)| file.ends_with(".rs"))
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
    let document = fs::read_to_string(root.join("docs/REQUIREMENTS.md")).unwrap();
    // An open quote would turn text into code and code into text from there on.
    for (number, line) in document.lines().enumerate() {
        assert_eq!(line.matches('`').count() % 2, 0, "line {}: {line}", number + 1);
    }
    let named: Vec<_> = references(&document).collect();
    assert!(named.len() >= LEAST_TESTS, "only {} tests are named", named.len());
    let missing: Vec<_> = named
        .iter()
        .filter(|(file, name)| {
            !fs::read_to_string(root.join(file)).is_ok_and(|source| has_test(&source, name))
        })
        .collect();
    assert!(missing.is_empty(), "named in docs/REQUIREMENTS.md, but not there: {missing:#?}");
}
