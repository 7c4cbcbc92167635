//! Keeps one word for one thing in the library: no two of its files declare types of the same name, and its tests declare
//! none that the library has, but where the name is a convention.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// Names that several files declare with the same meaning: below which folder, and which meaning.
const CONVENTIONS: [(&str, &str, &str); 5] = [
    ("Effect", "", "what a state machine wants done"),
    ("Event", "", "what a state machine is told"),
    ("File", "sources", "what a tool writes into its record"),
    ("Look", "process", "one look at the processes of a system; one file for each"),
    ("Mcp", "sources", "the member of such a record that tells of an MCP server"),
];

/// The name of the type that a line declares, if it does so in no block.
fn declared(line: &str) -> Option<&str> {
    let rest = match line.strip_prefix("pub") {
        Some(rest) if rest.starts_with('(') => rest.split_once(") ")?.1,
        Some(rest) => rest.strip_prefix(' ')?,
        None => line,
    };
    let name =
        ["struct ", "enum ", "trait ", "type ", "union "].iter().find_map(|it| rest.strip_prefix(it))?;
    name.split(|c: char| !c.is_alphanumeric() && c != '_').next()
}

/// Whether a file (below `src`) is of tests only.
fn is_of_tests(file: &str) -> bool {
    file.split(['/', '.']).any(|part| ["tests", "simulation"].contains(&part))
}

fn is_convention(name: &str, file: &str) -> bool {
    CONVENTIONS.iter().any(|(word, folder, _)| *word == name && Path::new(file).starts_with(folder))
}

/// The names that files of a directory declare, with the files.
fn read(source: &Path, folder: &str, found: &mut BTreeMap<String, BTreeSet<String>>) {
    for entry in fs::read_dir(source.join(folder)).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
        if entry.file_type().unwrap().is_dir() {
            read(source, &path, found);
        } else if path.ends_with(".rs") {
            for name in fs::read_to_string(entry.path()).unwrap().lines().filter_map(declared) {
                found.entry(name.to_owned()).or_default().insert(path.clone());
            }
        }
    }
}

#[test]
fn a_type_of_the_library_has_its_name_for_itself() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut found = BTreeMap::new();
    read(&root.join("brummer-hub/src"), "", &mut found);
    assert!(found.len() > 500, "only {} types were found", found.len());
    for (name, folder, meaning) in CONVENTIONS {
        let files = found.get(name).into_iter().flatten().filter(|file| is_convention(name, file)).count();
        assert!(files > 1, "`{name}` ({meaning}) is no convention any more below src/{folder}");
    }
    let doubled: Vec<_> = found
        .iter()
        .map(|(name, files)| {
            (name, files.iter().filter(|file| !is_convention(name, file)).collect::<Vec<_>>())
        })
        .filter(|(_, files)| files.len() > 1 && files.iter().any(|file| !is_of_tests(file)))
        .collect();
    assert!(doubled.is_empty(), "give the more special one the more special name: {doubled:#?}");
}

#[test]
fn declarations_are_read_as_they_are_written() {
    let lines = [
        "pub struct Frame {",
        "pub(in crate::session) enum Told<'a> {",
        "type Answer = Response<Body>;",
        "struct Ticket(u64);",
        "    struct Inner;",
        "public!(struct Other);",
        "impl Frame {",
    ];
    let names: Vec<_> = lines.iter().filter_map(|line| declared(line)).collect();
    assert_eq!(names, ["Frame", "Told", "Answer", "Ticket"]);
    let tests = ["session/tests.rs", "upstream/tests/script.rs", "session/core/simulation/world.rs"];
    assert!(tests.iter().all(|file| is_of_tests(file)) && !is_of_tests("session/core.rs"));
}
