//! The packages within a project, from `workspaces` (npm, yarn, bun), `pnpm-workspace.yaml` or `lerna.json`.

use std::{fs, path::Path};

use globset::{GlobBuilder, GlobMatcher};
use saphyr::{LoadableYamlNode as _, Yaml};
use serde_json::{Map, Value};

use super::{MAX_PACKAGE_BYTES, Workspace, package, scripts, text};

/// How many are read. Each costs a file; a monorepo with more is asked for by name within its own directory.
const MAX_WORKSPACES: usize = 200;

/// How deep `**` is followed.
const MAX_DEPTH: usize = 6;

/// How many directories are looked into, which bounds what a pattern such as `**` costs.
const MAX_DIRECTORIES: usize = 5_000;

/// The workspaces of a directory in the order of their paths, and whether there are more.
pub(super) fn list(directory: &Path, package: &Map<String, Value>) -> (Vec<Workspace>, bool) {
    let globs = Globs::of(directory, package);
    if globs.patterns.iter().all(|pattern| pattern.excludes) {
        return Default::default();
    }
    let mut search = WorkspaceSearch { globs, found: Vec::new(), left: MAX_DIRECTORIES };
    search.look(directory, "");
    let mut paths = search.found;
    paths.sort_unstable();
    let more = paths.len() > MAX_WORKSPACES || search.left == 0;
    paths.truncate(MAX_WORKSPACES);
    let workspaces = paths.into_iter().filter_map(|path| {
        let package = package::read(&directory.join(&path)).ok()?;
        let name = package.get("name").and_then(Value::as_str).unwrap_or(&path).to_owned();
        Some(Workspace { name, path, scripts: scripts(&package) })
    });
    (workspaces.collect(), more)
}

/// What a project says of its workspaces.
struct Globs {
    patterns: Vec<WorkspaceGlob>,
    /// Whether an exclusion holds wherever it stands, as pnpm has it; npm takes the last pattern that fits.
    excludes_always: bool,
}

/// `packages/*`, or `!packages/old`.
struct WorkspaceGlob {
    /// For the `package.json` of a workspace: as npm and pnpm do it, `packages/**` then fits `packages` itself, too.
    file: GlobMatcher,
    excludes: bool,
    /// The names that come before any sign of a pattern.
    base: Vec<String>,
    /// How many names a path that fits has at most.
    depth: usize,
}

impl Globs {
    fn of(directory: &Path, package: &Map<String, Value>) -> Self {
        let texts = |value: Option<&Value>| -> Vec<String> {
            let items = value.and_then(Value::as_array).into_iter().flatten();
            items.filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let read = |name: &str| text(&directory.join(name), MAX_PACKAGE_BYTES).ok();
        let yaml = read("pnpm-workspace.yaml");
        let texts = if let Some(yaml) = &yaml {
            packages_of(yaml)
        } else if let Some(declared) = package.get("workspaces") {
            texts(Some(declared.get("packages").unwrap_or(declared)))
        } else {
            let lerna = read("lerna.json");
            let lerna: Option<Value> = lerna.and_then(|text| serde_json::from_str(&text).ok());
            texts(lerna.as_ref().and_then(|lerna| lerna.get("packages")))
        };
        let patterns = texts.iter().filter_map(|text| WorkspaceGlob::parse(text)).collect();
        Self { patterns, excludes_always: yaml.is_some() }
    }

    /// Whether the directory at this relative path is a workspace, if it has a `package.json`.
    fn take(&self, path: &str) -> bool {
        let file = format!("{path}/package.json");
        let mut fitting = self.patterns.iter().filter(|pattern| pattern.file.is_match(&file));
        if self.excludes_always {
            let mut fits = false;
            return fitting.all(|pattern| {
                fits = true;
                !pattern.excludes
            }) && fits;
        }
        fitting.next_back().is_some_and(|pattern| !pattern.excludes)
    }

    /// Whether there may be a workspace at or below this relative path.
    fn enter(&self, path: &str) -> bool {
        let names: Vec<&str> = path.split('/').collect();
        self.patterns.iter().filter(|pattern| !pattern.excludes).any(|pattern| {
            names.len() <= pattern.depth
                && pattern.base.iter().zip(&names).all(|(wanted, name)| wanted == name)
        })
    }

    /// Whether a pattern has a name of its own for what begins with a dot; `*` does not stand for it.
    fn names(&self, path: &str) -> bool {
        let count = path.split('/').count();
        self.patterns.iter().any(|pattern| {
            !pattern.excludes && pattern.base.len() >= count && pattern.base[..count].join("/") == path
        })
    }
}

impl WorkspaceGlob {
    /// `None` for what is no pattern.
    fn parse(text: &str) -> Option<Self> {
        let positive = text.trim().trim_start_matches('!');
        let excludes = (text.trim().len() - positive.len()) % 2 == 1;
        let names = positive.split('/').filter(|name| !name.is_empty() && *name != ".");
        let plain = alternatives(&names.collect::<Vec<_>>().join("/"));
        if plain.is_empty() || plain.split('/').any(|name| name == "..") {
            return None;
        }
        let glob = GlobBuilder::new(&format!("{plain}/package.json"))
            .literal_separator(true)
            .empty_alternates(true)
            .backslash_escape(true)
            .build();
        let file = glob.ok()?.compile_matcher();
        let is_literal = |name: &&str| !name.contains(['*', '?', '[', '{', '\\']);
        let base: Vec<String> = plain.split('/').take_while(is_literal).map(str::to_owned).collect();
        let is_deep = plain.contains("**") || plain.contains('{');
        let depth = if is_deep { base.len() + MAX_DEPTH } else { plain.split('/').count() };
        Some(Self { file, excludes, base, depth })
    }
}

/// `@(a|b)`, as npm's patterns have it, in the form `{a,b}`.
fn alternatives(pattern: &str) -> String {
    let mut rest = pattern;
    let mut out = String::new();
    while let Some((before, after)) = rest.split_once("@(")
        && let Some((inner, behind)) = after.split_once(')')
    {
        out.push_str(&format!("{before}{{{}}}", inner.replace('|', ",")));
        rest = behind;
    }
    out + rest
}

struct WorkspaceSearch {
    globs: Globs,
    found: Vec<String>,
    left: usize,
}

impl WorkspaceSearch {
    fn look(&mut self, directory: &Path, path: &str) {
        let Ok(entries) = fs::read_dir(directory) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let Some(name) = name.to_str().filter(|name| *name != "node_modules") else { continue };
            let path = if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
            let is_hidden = name.starts_with('.') && !self.globs.names(&path);
            if is_hidden || !self.globs.enter(&path) || !entry.path().is_dir() {
                continue;
            }
            if self.left == 0 {
                return;
            }
            self.left -= 1;
            if self.globs.take(&path) && entry.path().join("package.json").is_file() {
                self.found.push(path.clone());
            }
            self.look(&entry.path(), &path);
        }
    }
}

/// The list `packages` of a `pnpm-workspace.yaml`.
fn packages_of(yaml: &str) -> Vec<String> {
    let documents = Yaml::load_from_str(yaml).unwrap_or_default();
    let packages = documents.first().and_then(|document| document.as_mapping_get("packages"));
    let items = packages.and_then(|packages| packages.as_sequence()).into_iter().flatten();
    items.filter_map(|item| item.as_str()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_a_yaml_list() {
        let block = "# all\ncatalog:\n  a: 1\npackages:\n  # here\n  - 'apps/*'\n  - \"libs/**\" # deep\n  - tools\n\nonly: x\n";
        assert_eq!(packages_of(block), ["apps/*", "libs/**", "tools"]);
        assert_eq!(packages_of("packages: [ 'a/*', b ]\n"), ["a/*", "b"]);
        assert_eq!(packages_of("catalog: {}\n"), [] as [&str; 0]);
        assert_eq!(packages_of("packages:\n- a\n-   'b/*'\n"), ["a", "b/*"]);
        assert_eq!(packages_of(": ["), [] as [&str; 0]);
    }

    fn globs(patterns: &[&str], excludes_always: bool) -> Globs {
        let patterns = patterns.iter().filter_map(|pattern| WorkspaceGlob::parse(pattern)).collect();
        Globs { patterns, excludes_always }
    }

    #[test]
    fn patterns_mean_what_npm_and_pnpm_make_of_them() {
        for (pattern, path, wanted) in [
            ("packages/*", "packages/web", true),
            ("./packages/*/", "packages/web", true),
            ("/packages/*", "packages/web", true),
            ("packages/*", "packages/web/sub", false),
            ("packages/**", "packages/a/b", true),
            ("packages/**", "packages", true),
            ("**/app", "x/y/app", true),
            ("**", "x/y", true),
            ("web-*-ui", "web-old-new-ui", true),
            ("web-?", "web-12", false),
            ("{apps,packages}/*", "apps/web", true),
            ("{apps/web,tools}/x", "apps/web/x", true),
            ("@(apps|packages)/*", "packages/web", true),
            ("apps/[a-m]*", "apps/kit", true),
            ("apps/[!a-m]*", "apps/kit", false),
            ("packages/@scope/*", "packages/@scope/web", true),
            ("tools", "tools", true),
            ("tools", "tool", false),
            ("../other/*", "other/web", false),
        ] {
            let globs = globs(&[pattern], false);
            assert_eq!(globs.take(path), wanted, "{pattern} {path}");
            if wanted {
                let parts: Vec<&str> = path.split('/').collect();
                assert!((1..=parts.len()).all(|count| globs.enter(&parts[..count].join("/"))), "{pattern}");
            }
        }
        assert!(!globs(&["packages/*"], false).enter("src"), "only where it may be is looked");
        assert!(globs(&[".config/*"], false).names(".config") && !globs(&["*"], false).names(".config"));
    }

    #[test]
    fn the_last_pattern_that_fits_counts_for_npm_and_any_exclusion_for_pnpm() {
        let patterns = ["packages/*", "!packages/o*", "packages/one"];
        let taken = |excludes_always: bool| {
            let globs = globs(&patterns, excludes_always);
            ["packages/web", "packages/old", "packages/one"].map(|path| globs.take(path))
        };
        assert_eq!(taken(false), [true, false, true]);
        assert_eq!(taken(true), [true, false, false]);
        assert!(!globs(&["!a"], true).take("b"));
    }
}
