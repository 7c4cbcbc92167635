//! `cargo xtask sbom OUT`: what is in each thing that is handed out (SBOM, CycloneDX), by cargo-cyclonedx.
//!
//! One file serves all platforms: it names what is linked on any of them. It is compared with what cargo itself says.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::{Command, ExitCode},
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::{
    notices::{array, linked, metadata, text},
    root,
    tool::tool,
};

/// The release that is installed if there is none.
const VERSION: &str = "0.5.9";

/// The revision of CycloneDX.
const REVISION: &str = "1.5";

/// The package of each thing that is handed out in binary form, and the file that says what is in it.
const FILES: [(&str, &str); 3] = [
    ("brummer-cli", "brummer-hub-sbom.json"),
    ("brummer-hub-c", "libbrummer_hub-sbom.json"),
    ("brummer-hub-node", "brummer-hub-node-sbom.json"),
];

/// The name of what cargo-cyclonedx leaves beside the manifest of every package of the workspace.
const DRAFT: &str = "sbom-draft";

/// Writes them to a directory.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    let [out] = arguments else { bail!("usage: cargo xtask sbom OUT") };
    fs::create_dir_all(out).with_context(|| format!("cannot make {out}"))?;
    let program = tool("cargo-cyclonedx", VERSION)?;
    let metadata = metadata()?;
    let mut cyclonedx = Command::new(&program);
    cyclonedx.current_dir(root()).args([
        "cyclonedx",
        "--quiet",
        "--format",
        "json",
        "--spec-version",
        REVISION,
    ]);
    cyclonedx.args(["--target", "all", "--no-build-deps", "--override-filename", DRAFT]);
    let status = cyclonedx.status().with_context(|| format!("cannot run {}", program.display()))?;
    let drafts = drafts(&metadata)?;
    ensure!(status.success(), "cargo cyclonedx failed ({status})");
    for (package, file) in FILES {
        let draft = drafts.get(package).with_context(|| format!("there is none for {package}"))?;
        check(package, &serde_json::from_str(draft)?, &metadata)?;
        // Where it was made is nobody's matter.
        let place = root().to_string_lossy().into_owned();
        fs::write(Path::new(out).join(file), draft.replace(&place, ""))
            .with_context(|| format!("cannot write {file}"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Takes what was left beside each manifest, by the name of the package.
fn drafts(metadata: &Value) -> Result<BTreeMap<&str, String>> {
    let mut drafts = BTreeMap::new();
    for package in array(&metadata["packages"]).filter(|package| package["source"].is_null()) {
        let file = Path::new(text(package, "manifest_path")).with_file_name(format!("{DRAFT}.json"));
        if file.exists() {
            let draft =
                fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
            fs::remove_file(&file).with_context(|| format!("cannot remove {}", file.display()))?;
            drafts.insert(text(package, "name"), draft);
        }
    }
    Ok(drafts)
}

/// It must name each crate that is linked into the package, and no other.
fn check(package: &str, sbom: &Value, metadata: &Value) -> Result<()> {
    let linked = linked(metadata, &[package]);
    let expected: BTreeSet<String> = array(&metadata["packages"])
        .filter(|it| linked.contains(text(it, "id")) && text(it, "name") != package)
        .map(named)
        .collect();
    let found: BTreeSet<String> = array(&sbom["components"]).map(named).collect();
    let missing: Vec<_> = expected.difference(&found).collect();
    let besides: Vec<_> = found.difference(&expected).collect();
    ensure!(
        missing.is_empty() && besides.is_empty() && !found.is_empty(),
        "what is named as part of {package} is not what is linked: {missing:?} are missing, {besides:?} are too much"
    );
    Ok(())
}

fn named(it: &Value) -> String {
    format!("{} {}", text(it, "name"), text(it, "version"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn one_that_leaves_out_a_crate_or_names_another_is_refused() {
        let node = |id: &str, deps: &[&str]| {
            let deps: Vec<_> =
                deps.iter().map(|it| json!({ "pkg": it, "dep_kinds": [{ "kind": null }] })).collect();
            json!({ "id": id, "deps": deps })
        };
        let package = |name: &str| json!({ "id": name, "name": name, "version": "1.0.0" });
        let packages = ["command", "engine", "other"].map(package);
        let metadata = json!({
            "packages": packages,
            "resolve": { "nodes": [node("command", &["engine"]), node("engine", &[]), node("other", &[])] },
        });
        let check = |names: &[&str]| {
            let components: Vec<_> = names.iter().map(|name| package(name)).collect();
            check("command", &json!({ "components": components }), &metadata)
        };
        check(&["engine"]).unwrap();
        for wrong in [&[][..], &["other"], &["engine", "other"]] {
            assert!(check(wrong).is_err(), "{wrong:?}");
        }
    }
}
