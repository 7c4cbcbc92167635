//! The packages within a project, from `workspaces` (npm, yarn, bun), `pnpm-workspace.yaml` or `lerna.json`.

use std::{fs, path::Path};

use serde_json::{Map, Value};

use super::{Workspace, glob, package, scripts};

/// How many are read. Each costs a file; a monorepo with more is asked for by name within its own directory.
const MAX_WORKSPACES: usize = 200;

/// How deep `**` is followed.
const MAX_DEPTH: usize = 5;

/// How many directories are looked into, which bounds what a pattern such as `**` costs.
const MAX_DIRECTORIES: usize = 5_000;

/// The workspaces of a directory in the order of their paths, and whether there are more.
pub(super) fn list(directory: &Path, package: &Map<String, Value>) -> (Vec<Workspace>, bool) {
    let patterns = patterns(directory, package);
    let (excluded, wanted): (Vec<&str>, Vec<&str>) =
        patterns.iter().map(String::as_str).partition(|pattern| pattern.starts_with('!'));
    if wanted.is_empty() {
        return Default::default();
    }
    let depth =
        wanted.iter().map(|pattern| glob::depth(pattern).unwrap_or(MAX_DEPTH)).max().unwrap_or_default();
    let mut search = Search { wanted, excluded, found: Vec::new(), left: MAX_DIRECTORIES };
    search.look(directory, "", depth.min(MAX_DEPTH));
    let mut paths = search.found;
    paths.sort_unstable();
    let more = paths.len() > MAX_WORKSPACES;
    paths.truncate(MAX_WORKSPACES);
    let workspaces = paths.into_iter().filter_map(|path| {
        let package = package::read(&directory.join(&path)).ok()?;
        let name = package.get("name").and_then(Value::as_str).unwrap_or(&path).to_owned();
        Some(Workspace { name, path, scripts: scripts(&package) })
    });
    (workspaces.collect(), more)
}

struct Search<'a> {
    wanted: Vec<&'a str>,
    excluded: Vec<&'a str>,
    found: Vec<String>,
    left: usize,
}

impl Search<'_> {
    fn look(&mut self, directory: &Path, path: &str, depth: usize) {
        let Ok(entries) = fs::read_dir(directory) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let Some(name) = name.to_str().filter(|name| !name.starts_with('.') && *name != "node_modules")
            else {
                continue;
            };
            if !entry.path().is_dir() {
                continue;
            }
            if self.left == 0 {
                return;
            }
            self.left -= 1;
            let path = if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
            let fits = |patterns: &[&str]| {
                patterns.iter().any(|pattern| glob::fits(pattern.trim_start_matches('!'), &path))
            };
            if fits(&self.wanted) && !fits(&self.excluded) && entry.path().join("package.json").is_file() {
                self.found.push(path.clone());
            }
            if depth > 1 {
                self.look(&entry.path(), &path, depth - 1);
            }
        }
    }
}

fn patterns(directory: &Path, package: &Map<String, Value>) -> Vec<String> {
    let texts = |value: Option<&Value>| -> Vec<String> {
        let items = value.and_then(Value::as_array).into_iter().flatten();
        items.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    if let Ok(yaml) = fs::read_to_string(directory.join("pnpm-workspace.yaml")) {
        return packages_of(&yaml);
    }
    let declared = package.get("workspaces");
    if let Some(declared) = declared {
        return texts(Some(declared.get("packages").unwrap_or(declared)));
    }
    let lerna = fs::read_to_string(directory.join("lerna.json")).ok();
    let lerna: Option<Value> = lerna.and_then(|text| serde_json::from_str(&text).ok());
    texts(lerna.as_ref().and_then(|lerna| lerna.get("packages")))
}

/// The list `packages:` of a `pnpm-workspace.yaml`, in the two forms that YAML has for a list of texts.
fn packages_of(yaml: &str) -> Vec<String> {
    let text = |item: &str| {
        let item = item.trim();
        let quoted = item.strip_prefix(['"', '\'']).and_then(|rest| rest.split(['"', '\'']).next());
        quoted.unwrap_or_else(|| item.split(" #").next().unwrap_or_default().trim()).to_owned()
    };
    let mut lines = yaml.lines().skip_while(|line| !line.starts_with("packages:"));
    let Some(first) = lines.next() else { return Vec::new() };
    let inline = first["packages:".len()..].trim();
    if let Some(items) = inline.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
        return items.split(',').map(text).filter(|item| !item.is_empty()).collect();
    }
    let items = lines.map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let items = items.map_while(|line| line.strip_prefix("- "));
    items.map(text).filter(|item| !item.is_empty()).collect()
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
    }
}
