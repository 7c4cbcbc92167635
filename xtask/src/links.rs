//! Keeps the links of the documents true that lead to something here: the file is there, and so is the heading.

use std::{collections::HashSet, fs, path::Path, process::Command};

/// Places that links lead to, in the order in which they stand, with the lines on which they do. What is in code is no link.
fn links(document: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut is_code = false;
    for (number, line) in document.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
            continue;
        }
        if is_code {
            continue;
        }
        let prose: String = line.split('`').step_by(2).collect::<Vec<_>>().join("``");
        let mut rest = prose.as_str();
        while let Some((_, after)) = rest.split_once("](") {
            let Some((target, after)) = after.split_once(')') else { break };
            found.push((number + 1, target.to_owned()));
            rest = after;
        }
        for attribute in ["src=\"", "href=\"", "srcset=\""] {
            found.extend(
                prose
                    .split(attribute)
                    .skip(1)
                    .filter_map(|after| Some((number + 1, after.split_once('"')?.0.to_owned()))),
            );
        }
    }
    found
}

/// The names under which GitHub links to headings: small letters, hyphens for spaces, and nothing else but digits and `_`.
fn anchors(document: &str) -> HashSet<String> {
    let mut anchors = HashSet::new();
    let mut is_code = false;
    for line in document.lines() {
        is_code ^= line.trim_start().starts_with("```");
        let Some(heading) = line.strip_prefix('#').filter(|_| !is_code) else { continue };
        let words = heading.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
        let name: String = words.chars().filter(|c| c.is_alphanumeric() || "-_".contains(*c)).collect();
        // Of several of one name each further one has a number.
        let mut numbered = name.clone();
        for number in 1.. {
            if anchors.insert(numbered) {
                break;
            }
            numbered = format!("{name}-{number}");
        }
    }
    anchors
}

/// What is wrong with a link of a document, if something is.
fn wrong(file: &Path, target: &str) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (path, anchor) = target.split_once('#').map_or((target, None), |(path, anchor)| (path, Some(anchor)));
    let place = if path.is_empty() { file.to_owned() } else { file.parent()?.join(path) };
    if !place.exists() {
        return Some(format!("there is no {path}"));
    }
    let anchor = anchor.filter(|_| place.extension().is_some_and(|it| it == "md"))?;
    let headings = anchors(&fs::read_to_string(&place).unwrap());
    (!headings.contains(anchor)).then(|| format!("there is no heading #{anchor}"))
}

#[test]
fn every_link_leads_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let listed = Command::new("git").args(["ls-files", "-z", "*.md"]).current_dir(root).output();
    let Some(listed) = listed.ok().filter(|listed| listed.status.success()) else {
        eprintln!("left out: git does not tell which documents are the project's");
        return;
    };
    let listed = String::from_utf8(listed.stdout).unwrap();
    let (mut seen, mut broken) = (0, Vec::new());
    // A notice holds the licences of others, whose links are theirs.
    let documents = listed.split('\0').filter(|path| !path.is_empty() && !path.ends_with("THIRD_PARTY.md"));
    for document in documents {
        let file = root.join(document);
        // One that was removed, and is not committed yet.
        let Ok(text) = fs::read_to_string(&file) else { continue };
        for (line, target) in links(&text) {
            seen += 1;
            broken.extend(wrong(&file, &target).map(|why| format!("{document}:{line}: {target}: {why}")));
        }
    }
    assert!(seen > 100, "only {seen} links were found");
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn links_and_headings_are_read_as_they_are_written() {
    let text = "# A `b` c!\n\n[x](y.md#z) and `[no](link)`, ![i](i.svg)\n```\n[no](either)\n# no\n```\n## A b c\n<img src=\"p.png\">";
    let targets: Vec<String> = links(text).into_iter().map(|(_, target)| target).collect();
    assert_eq!(targets, ["y.md#z", "i.svg", "p.png"]);
    assert_eq!(anchors(text), HashSet::from(["a-b-c".to_owned(), "a-b-c-1".to_owned()]));
}
