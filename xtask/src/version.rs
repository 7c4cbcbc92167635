//! `cargo xtask version`: one version for the crates, the packages, and what registries are told.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, bail, ensure};

/// Files that have the version in them. In each of them nothing else looks like `"<version>"`.
const FILES: [&str; 4] =
    ["Cargo.toml", "npm/brummer-hub/package.json", "npm/mcpb/manifest.json", "server.json"];

/// Where the packages of the platforms are, one folder each.
const PLATFORMS: &str = "npm/platforms";

/// Without arguments checks that all say the same; with a version, makes them say it.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask is inside the workspace")?;
    let current = env!("CARGO_PKG_VERSION");
    match arguments {
        [] => {
            check(root, current)?;
            eprintln!("all say {current}");
        }
        [new] => {
            ensure!(is_version(new), "`{new}` is no version like 1.2.3 or 1.2.3-beta.1");
            check(root, current)?;
            for file in files(root)? {
                let text = read(&file)?;
                fs::write(&file, text.replace(&quoted(current), &quoted(new)))?;
            }
            eprintln!("all say {new}; `cargo check` brings Cargo.lock up to date");
        }
        _ => bail!("usage: cargo xtask version [VERSION]"),
    }
    Ok(ExitCode::SUCCESS)
}

/// Says which file has another version.
fn check(root: &Path, version: &str) -> Result<()> {
    let mut wrong = Vec::new();
    for file in files(root)? {
        let text = read(&file)?;
        let named: Vec<&str> = versions(&text).collect();
        if named.is_empty() || named.iter().any(|named| *named != version) {
            wrong.push(format!("{} says {named:?}", file.strip_prefix(root).unwrap_or(&file).display()));
        }
    }
    ensure!(wrong.is_empty(), "the version is {version}, but {}", wrong.join(", "));
    Ok(())
}

fn files(root: &Path) -> Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = FILES.iter().map(|file| root.join(file)).collect();
    let platforms = root.join(PLATFORMS);
    let folders = fs::read_dir(&platforms).with_context(|| format!("cannot read {}", platforms.display()))?;
    for folder in folders {
        files.push(folder?.path().join("package.json"));
    }
    files.sort();
    Ok(files)
}

fn read(file: &Path) -> Result<String> {
    fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}

fn quoted(version: &str) -> String {
    format!("\"{version}\"")
}

/// The versions that a file gives to itself, to the library, and to packages of ours.
fn versions(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| {
        let line = line.trim();
        let ours = ["version = ", "brummer-hub = ", "\"version\": ", "\"@brummer-hub/"];
        ours.iter().any(|start| line.starts_with(start)).then_some(())?;
        // The last quoted part: a dependency names its path or package first.
        line.rsplit('"').nth(1)
    })
}

fn is_version(text: &str) -> bool {
    let (numbers, pre) = text.split_once('-').unwrap_or((text, "0"));
    let parts: Vec<&str> = numbers.split('.').collect();
    let number = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-';
    parts.len() == 3 && parts.iter().all(number) && !pre.is_empty() && pre.bytes().all(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_files_say_the_same_version() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        check(root, env!("CARGO_PKG_VERSION")).unwrap();
        let error = check(root, "9.9.9").unwrap_err().to_string();
        for file in files(root).unwrap() {
            let name = file.strip_prefix(root).unwrap().display().to_string();
            assert!(error.contains(&name), "{name} is not looked at");
        }
    }

    #[test]
    fn versions_are_found_where_they_stand() {
        let text = "version = \"1.0.0\"\nbrummer-hub = { path = \"x\", version = \"1.1.0\" }\nother = \"3\"\n  \"version\": \"1.2.0\",\n  \"@brummer-hub/a\": \"1.3.0\"\n";
        assert_eq!(versions(text).collect::<Vec<_>>(), ["1.0.0", "1.1.0", "1.2.0", "1.3.0"]);
        for (text, wanted) in
            [("1.2.3", true), ("1.2.3-beta.1", true), ("1.2", false), ("1.2.x", false), ("1.2.3-", false)]
        {
            assert_eq!(is_version(text), wanted, "{text}");
        }
    }
}
