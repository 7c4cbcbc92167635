//! Which program runs the scripts: what the project says, else what its lock file tells.
//!
//! In this order: `packageManager` (and its successor `devEngines.packageManager`), `engines`, the lock file, what `engines`
//! names in words (`"npm": "please-use-yarn"`), npm. Each is
//! looked for in the directory and then in those above it, up to the root of the repository, because the packages of a
//! monorepo leave it to the root.

use std::{
    ffi::OsString,
    fmt,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};

use super::package;

/// How far up the root of a monorepo is looked for.
const MAX_DEPTH: usize = 8;

/// A program that runs scripts of `package.json`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum PackageManager {
    Npm,
    Pnpm,
    Yarn,
    Bun,
}

impl PackageManager {
    /// In the order in which `engines` is searched: projects that forbid npm name it there, too.
    const IN_ENGINES: [Self; 4] = [Self::Yarn, Self::Pnpm, Self::Bun, Self::Npm];

    const LOCK_FILES: [(&str, Self); 7] = [
        ("bun.lock", Self::Bun),
        ("bun.lockb", Self::Bun),
        ("pnpm-lock.yaml", Self::Pnpm),
        ("pnpm-workspace.yaml", Self::Pnpm),
        ("yarn.lock", Self::Yarn),
        ("package-lock.json", Self::Npm),
        ("npm-shrinkwrap.json", Self::Npm),
    ];

    /// The program's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Npm => "npm",
            Self::Pnpm => "pnpm",
            Self::Yarn => "yarn",
            Self::Bun => "bun",
        }
    }

    /// What it is given to run a script.
    pub(crate) fn arguments(self, script: &str, more: &[String]) -> Vec<OsString> {
        let mut arguments = vec![OsString::from("run"), OsString::from(script)];
        if !more.is_empty() {
            // Only npm takes what follows for its own without this; bun would pass it on.
            if self == Self::Npm {
                arguments.push("--".into());
            }
            arguments.extend(more.iter().map(OsString::from));
        }
        arguments
    }

    fn named(name: &str) -> Option<Self> {
        Self::IN_ENGINES.into_iter().find(|manager| manager.name() == name)
    }
}

impl fmt::Display for PackageManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A directory and its `package.json`, if it has one.
type PackageDirectory<'a> = (PathBuf, Option<std::borrow::Cow<'a, Map<String, Value>>>);

/// The package manager of a directory, and what says so.
pub(super) fn detect(directory: &Path, package: &Map<String, Value>) -> (PackageManager, String) {
    let levels = levels(directory, package);
    let packages = || levels.iter().filter_map(|(_, package)| package.as_deref());
    if let Some(found) = packages().find_map(declared) {
        return (found, "packageManager in package.json".to_owned());
    }
    let engines = || packages().flat_map(engines);
    if let Some((found, _)) = engines().find(|(_, range)| !forbids(range)) {
        return (found, "engines in package.json".to_owned());
    }
    let is_forbidden = |manager| engines().any(|(forbidden, _)| forbidden == manager);
    for (directory, _) in &levels {
        let mut files = PackageManager::LOCK_FILES.iter();
        let found = files.find(|(file, manager)| !is_forbidden(*manager) && directory.join(file).is_file());
        if let Some((file, manager)) = found {
            return (*manager, (*file).to_owned());
        }
    }
    if let Some(found) = engines().find_map(|(forbidden, text)| named_in(text, forbidden)) {
        return (found, "engines in package.json".to_owned());
    }
    (PackageManager::Npm, "default".to_owned())
}

/// The directory and those above it, as far as they belong to the same project.
fn levels<'a>(directory: &Path, package: &'a Map<String, Value>) -> Vec<PackageDirectory<'a>> {
    let mut levels: Vec<PackageDirectory<'a>> =
        vec![(directory.to_owned(), Some(std::borrow::Cow::Borrowed(package)))];
    // A project has its repository's root at or above it; without one, a file further up is somebody else's.
    let above: Vec<&Path> = directory.ancestors().take(MAX_DEPTH).collect();
    let Some(root) = above.iter().position(|level| level.join(".git").exists()) else { return levels };
    for level in &above[1..=root] {
        levels.push((level.to_path_buf(), package::read(level).ok().map(std::borrow::Cow::Owned)));
    }
    levels
}

/// `"packageManager": "pnpm@9.1.0"`, or `"devEngines": { "packageManager": { "name": "pnpm" } }`.
fn declared(package: &Map<String, Value>) -> Option<PackageManager> {
    let field = package.get("packageManager").and_then(Value::as_str);
    let name = field.map(|field| field.split('@').next().unwrap_or_default());
    let newer = || {
        let entry = package.get("devEngines")?.get("packageManager")?;
        let entry = entry.as_array().and_then(|entries| entries.first()).unwrap_or(entry);
        entry.get("name")?.as_str()
    };
    PackageManager::named(name.or_else(newer)?.trim())
}

/// `"engines": { "pnpm": ">=9" }`: managers with what is said of them, in the order in which they are searched.
fn engines(package: &Map<String, Value>) -> impl Iterator<Item = (PackageManager, &str)> {
    let engines = package.get("engines").and_then(Value::as_object);
    let of = move |manager: PackageManager| Some((manager, engines?.get(manager.name())?.as_str()?.trim()));
    PackageManager::IN_ENGINES.into_iter().filter_map(of)
}

/// Whether what `engines` says of a manager lets no version of it pass: words instead of versions, or versions that no
/// manager has, such as `0.0.0`, `<0.0.1` or `>=999`.
fn forbids(range: &str) -> bool {
    const NEVER: u32 = 90;

    let range = range.trim();
    if range.is_empty() || range == "latest" || range.starts_with(['*', 'x', 'X']) {
        return false;
    }
    let version = range.trim_start_matches(['<', '>', '=', '^', '~', 'v', ' ']);
    let numbers = version.split(|c: char| !c.is_ascii_digit()).map_while(|number| number.parse::<u32>().ok());
    let numbers: Vec<u32> = numbers.take(3).collect();
    match numbers.first() {
        None => true,
        Some(major) if *major >= NEVER => !range.starts_with('<'),
        // `>=0` lets all pass, `0.0.0` and `<0.0.1` none.
        Some(0) => numbers.iter().take(2).all(|number| *number == 0) && !range.starts_with('>'),
        Some(_) => false,
    }
}

/// The manager that a text such as `please-use-yarn` names instead of another.
fn named_in(text: &str, instead_of: PackageManager) -> Option<PackageManager> {
    let mut words = text.split(|c: char| !c.is_ascii_alphanumeric());
    words.find_map(|word| {
        PackageManager::named(&word.to_ascii_lowercase()).filter(|found| *found != instead_of)
    })
}
