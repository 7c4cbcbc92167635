//! `cargo xtask version`: one version for the crates, the packages, the files that pin them, and what registries are told.

#[cfg(test)]
use std::process::Command;
use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, bail, ensure};

/// Files that have the version in them. In each of them nothing else looks like `"<version>"`.
const FILES: [&str; 4] =
    ["Cargo.toml", "npm/brummer-hub/package.json", "npm/mcpb/manifest.json", "server.json"];

/// Files in which cargo has written down the versions of all crates, ours among them.
const LOCKS: [&str; 2] = ["Cargo.lock", "fuzz/Cargo.lock"];

/// The line before which a crate of ours stands in them; what comes from a registry has another after its version.
const PACKAGE: &str = "[[package]]";

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
            set(root, current, new)?;
            eprintln!("all say {new}");
        }
        _ => bail!("usage: cargo xtask version [VERSION]"),
    }
    Ok(ExitCode::SUCCESS)
}

/// Makes all of them say the new version.
fn set(root: &Path, current: &str, new: &str) -> Result<()> {
    check(root, current)?;
    for file in files(root)? {
        fs::write(&file, read(&file)?.replace(&quoted(current), &quoted(new)))?;
    }
    for lock in LOCKS {
        let file = root.join(lock);
        fs::write(&file, relocked(&read(&file)?, current, new))?;
    }
    Ok(())
}

/// The text of a lock file in which the crates of this workspace have the new version.
fn relocked(text: &str, current: &str, new: &str) -> String {
    let is_ours = |package: &str| {
        let name = package.lines().find_map(|line| line.strip_prefix("name = "));
        let is_named = name.is_some_and(|name| name.starts_with("\"brummer-") || name == "\"xtask\"");
        is_named && !package.lines().any(|line| line.starts_with("source = "))
    };
    let (old, new) = (format!("version = {}", quoted(current)), format!("version = {}", quoted(new)));
    let packages = text.split(PACKAGE);
    let changed = packages.map(|it| if is_ours(it) { it.replacen(&old, &new, 1) } else { it.to_owned() });
    changed.collect::<Vec<_>>().join(PACKAGE)
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
        let ours = [
            "version = ",
            "brummer-hub = ",
            "brummer-run = ",
            "engine = ",
            "\"version\": ",
            "\"@brummer-hub/",
        ];
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

    /// A copy of the repository, without what is built: what git knows, in a directory of its own.
    fn copy(root: &Path) -> tempfile::TempDir {
        let copy = tempfile::tempdir().unwrap();
        let listed = Command::new("git").current_dir(root).args(["ls-files", "-z"]).output().unwrap();
        assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
        for file in String::from_utf8(listed.stdout).unwrap().split_terminator('\0') {
            let (from, to) = (root.join(file), copy.path().join(file));
            // What was removed and is not committed yet.
            if from.is_file() {
                fs::create_dir_all(to.parent().unwrap()).unwrap();
                fs::copy(from, to).unwrap();
            }
        }
        copy
    }

    #[test]
    fn a_new_version_is_one_that_everything_agrees_on() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let copy = copy(root);
        let (old, new) = (env!("CARGO_PKG_VERSION"), "7.8.9-beta.1");
        set(copy.path(), old, new).unwrap();
        check(copy.path(), new).unwrap();
        // Cargo holds the requirements of each crate against the version of the other, and the lock file against all.
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(copy.path()).args(["tree", "--locked", "--offline", "--workspace"]);
        cargo.args(["--edges", "normal", "--depth", "0"]);
        let tree = cargo.output().unwrap();
        assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
        let crates = String::from_utf8(tree.stdout).unwrap();
        let crates: Vec<&str> = crates.lines().filter(|line| !line.is_empty()).collect();
        assert!(crates.len() > 5 && crates.iter().all(|line| line.contains(new)), "{crates:?}");
        let fuzz = read(&copy.path().join("fuzz/Cargo.lock")).unwrap();
        assert!(fuzz.contains(&format!("name = \"brummer-hub\"\nversion = \"{new}\"")), "{fuzz}");
        // And back, so that nothing else has the old version by chance.
        set(copy.path(), new, old).unwrap();
        for file in files(root).unwrap().into_iter().chain(LOCKS.map(|lock| root.join(lock))) {
            let name = file.strip_prefix(root).unwrap();
            assert_eq!(read(&copy.path().join(name)).unwrap(), read(&file).unwrap(), "{}", name.display());
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
