//! `cargo xtask notices`: makes `THIRD_PARTY.md`, the licences of all that is linked into what is published.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::Path,
    process::{Command, ExitCode},
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::root;

/// The file, which is checked in and packed with every artifact.
pub(crate) const NOTICES: &str = "THIRD_PARTY.md";

/// The same for the crate that has rules of others in its sources. The sources of the crates that it uses are not in it.
pub(crate) const NOTICES_OF_RUN: &str = "brummer-run/THIRD_PARTY.md";

/// What is published in binary form.
const SHIPPED: [&str; 3] = ["brummer-cli", "brummer-hub-c", "brummer-hub-node"];

/// How files with licences begin, in lower case.
const LICENCES: [&str; 5] = ["license", "licence", "copying", "notice", "unlicense"];

/// The licences of the rules by which `run` masks, which are data and not a crate.
const RULES: &str = "\
## Rules of secretlint and gitleaks

`brummer-run/src/log/mask/secretlint.tsv` has patterns of @secretlint/secretlint-rule-preset-recommend 12.0.0
(https://github.com/secretlint/secretlint), which is licensed under MIT: Copyright (c) 2020 azu.
`brummer-run/src/log/mask/gitleaks.tsv` has patterns of gitleaks 8.30.1 (https://github.com/gitleaks/gitleaks), which is licensed under
MIT: Copyright (c) 2019 Zachary Rice. The terms of both are those of the MIT licence below.
";

/// What the rules are licensed under.
const MIT: &str = "\
Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation files (the
\"Software\"), to deal in the Software without restriction, including without limitation the rights to use, copy, modify, merge, publish,
distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the Software is furnished to do so, subject to
the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED \"AS IS\", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF
MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR
ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH
THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
";

/// The files, each with what is to be in it.
fn made() -> Result<[(&'static str, String); 2]> {
    let of_run = format!("# Third-party software\n\n{RULES}\n## MIT licence\n\n{MIT}");
    Ok([(NOTICES, notices(&metadata()?)?), (NOTICES_OF_RUN, of_run)])
}

/// Writes the files, or, with `--check`, only says whether they are current.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    let check = match arguments {
        [] => false,
        [flag] if flag == "--check" => true,
        _ => bail!("`cargo xtask notices` takes no argument but `--check`"),
    };
    for (file, made) in made()? {
        let path = root().join(file);
        let current = fs::read_to_string(&path).unwrap_or_default();
        if made != current.replace("\r\n", "\n") {
            ensure!(!check, "{file} is not what it should be; run `cargo xtask notices`");
            fs::write(&path, made).with_context(|| format!("cannot write {}", path.display()))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What cargo knows of all packages, for every system.
pub(crate) fn metadata() -> Result<Value> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(root()).args(["metadata", "--format-version", "1", "--locked"]);
    let output = command.output().context("cannot run cargo metadata")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).context("cargo metadata answers something else than JSON")
}

/// The text: a list of crates, and each licence once, with those that have it in these words.
fn notices(metadata: &Value) -> Result<String> {
    let linked = linked(metadata, &SHIPPED);
    let mut list = String::new();
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let packages = metadata["packages"].as_array().context("no packages")?;
    let mut packages: Vec<&Value> = packages.iter().filter(|it| linked.contains(text(it, "id"))).collect();
    packages.sort_by_key(|package| (text(package, "name"), text(package, "version")));
    for package in packages {
        // The project's own.
        if package["source"].is_null() {
            continue;
        }
        let name = format!("{} {}", text(package, "name"), text(package, "version"));
        let licence = package["license"].as_str().unwrap_or("see its file");
        let place = package["repository"].as_str().unwrap_or("https://crates.io");
        list += &format!("- {name} ({licence}), {place}\n");
        for licence in licences(Path::new(text(package, "manifest_path"))) {
            texts.entry(licence).or_default().push(name.clone());
        }
    }
    ensure!(!texts.is_empty(), "no licence was found");
    let mut made = format!(
        "# Third-party software\n\nThe command, the library for C and the addon for Node are made with these crates. Made by `cargo xtask \
         notices`.\n\n{list}\n{RULES}\n## Licences\n"
    );
    let mut texts: Vec<_> = texts.into_iter().collect();
    texts.sort_by(|one, other| one.1.cmp(&other.1));
    for (licence, names) in texts {
        made += &format!("\n### {}\n\n```text\n{licence}\n```\n", names.join(", "));
    }
    Ok(made)
}

/// The ids of what is linked into these packages, on any system: tests and what only builds are not.
pub(crate) fn linked<'a>(metadata: &'a Value, packages: &[&str]) -> BTreeSet<&'a str> {
    let nodes: BTreeMap<&str, &Value> =
        array(&metadata["resolve"]["nodes"]).map(|node| (text(node, "id"), node)).collect();
    let is_one = |package: &&Value| packages.contains(&text(package, "name"));
    let mut next: Vec<&str> =
        array(&metadata["packages"]).filter(is_one).map(|package| text(package, "id")).collect();
    let mut linked = BTreeSet::new();
    while let Some(id) = next.pop() {
        if !linked.insert(id) {
            continue;
        }
        let dependencies = nodes.get(id).map(|node| array(&node["deps"])).into_iter().flatten();
        let is_linked = |it: &&Value| array(&it["dep_kinds"]).any(|kind| kind["kind"].is_null());
        next.extend(dependencies.filter(is_linked).map(|dependency| text(dependency, "pkg")));
    }
    linked
}

/// The licences beside a manifest. Lines have no blanks at their ends, so that the same words are the same text.
fn licences(manifest: &Path) -> Vec<String> {
    let directory = manifest.parent().unwrap_or(manifest);
    let mut files: Vec<_> =
        fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    files.sort();
    let is_licence = |file: &&std::path::PathBuf| {
        let name = file.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        file.is_file()
            && LICENCES.iter().any(|beginning| name.starts_with(beginning))
            && !name.ends_with(".rs")
    };
    let read = |file: &std::path::PathBuf| Some(String::from_utf8_lossy(&fs::read(file).ok()?).into_owned());
    let trimmed =
        |text: String| text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n").trim().to_owned();
    let mut files: Vec<_> = files.into_iter().filter(|file| is_licence(&file)).collect();
    // Of several to choose from, the shortest.
    let is_mit = |file: &Path| {
        file.file_name().is_some_and(|name| name.to_string_lossy().to_lowercase().contains("mit"))
    };
    if files.iter().any(|file| is_mit(file)) {
        files.retain(|file| is_mit(file));
    }
    files.iter().filter_map(read).map(trimmed).collect()
}

pub(crate) fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

pub(crate) fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_notices_are_current_and_name_what_is_linked() {
        let [(_, made), (_, of_run)] = super::made().unwrap();
        for (file, made) in [(NOTICES, &made), (NOTICES_OF_RUN, &of_run)] {
            let current = fs::read_to_string(root().join(file)).unwrap().replace("\r\n", "\n");
            assert!(*made == current, "{file} is not current; run `cargo xtask notices`");
        }
        for name in [
            "tokio ",
            "hyper ",
            "napi ",
            "windows-sys ",
            "secretlint",
            "gitleaks",
            "MIT License",
            "Apache License",
        ] {
            assert!(made.contains(name), "{name}");
        }
        // What only tests use is not shipped.
        assert!(!made.contains("- proptest "));
    }

    #[test]
    fn every_package_has_the_licence_of_the_project() {
        let licence = fs::read_to_string(root().join("LICENSE")).unwrap();
        for package in ["npm/brummer-hub", "brummer-hub", "brummer-run", "brummer-cli"] {
            let file = format!("{package}/LICENSE");
            assert_eq!(fs::read_to_string(root().join(&file)).unwrap(), licence, "{file}");
        }
    }
}
