//! `cargo xtask dist`: what a release hands out beside the npm packages and the crates, from what was built for each platform.
//!
//! ```text
//!  ARTIFACTS/linux-x64-gnu/brummer-hub   ──▶ brummer-hub-1.2.3-linux-x64-gnu.tar.gz    the command
//!                         /c/…           ──▶ libbrummer_hub-1.2.3-linux-x64-gnu.tar.gz the library for C
//!                                        ──▶ brummer-hub-1.2.3-linux-x64-gnu.mcpb      the bundle for one-click installation
//!                                            SHA256SUMS, brummer-hub.rb, brummer-hub.json
//! ```

mod archive;

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use self::archive::{Contents, Form, digest};
use crate::{notices::NOTICES, root};

const USAGE: &str = "usage: cargo xtask dist ARTIFACTS OUT

Reads ARTIFACTS/PLATFORM/brummer-hub (.exe), and ARTIFACTS/PLATFORM/c as `cargo xtask install` lays it out, for each platform that is
there. Writes archives, bundles, SHA256SUMS, the Homebrew formula and the Scoop manifest to OUT.";

/// Where the archives will be.
const RELEASES: &str = "https://github.com/standardbeagle/brummer-hub/releases/download";

/// Templates of what package managers read: the file that is made, where its template is, and the ends of the names of the archives
/// that it needs.
const MANAGERS: [(&str, &str); 2] =
    [("brummer-hub.rb", "packaging/homebrew.rb.in"), ("brummer-hub.json", "packaging/scoop.json.in")];

/// What is beside the executable in an archive and a bundle.
const PAPERS: [&str; 2] = ["LICENSE", NOTICES];

/// Does it.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    let [artifacts, out] = arguments else { bail!(USAGE) };
    let made = dist(Path::new(artifacts), Path::new(out), env!("CARGO_PKG_VERSION"))?;
    for (name, digest) in &made.digests {
        eprintln!("{digest}  {name}");
    }
    for (file, missing) in &made.left_out {
        eprintln!("left out: {file}, which needs {missing}");
    }
    Ok(ExitCode::SUCCESS)
}

/// What was made.
#[derive(Debug, Default)]
struct Made {
    /// Names of files and their SHA-256.
    digests: BTreeMap<String, String>,
    /// Files for package managers that could not be made, and the archive that is not there.
    left_out: Vec<(&'static str, String)>,
}

fn dist(artifacts: &Path, out: &Path, version: &str) -> Result<Made> {
    fs::create_dir_all(out).with_context(|| format!("cannot make {}", out.display()))?;
    let mut made = Made::default();
    for platform in platforms(artifacts)? {
        let built = artifacts.join(&platform);
        let command = command(&built, &platform)?;
        let form = if platform.starts_with("win32") { Form::Zip } else { Form::TarGz };
        let mut write = |name: String, contents: &Contents, form: Form| -> Result<()> {
            let file = out.join(&name);
            contents.write(&file, form)?;
            made.digests.insert(name, digest(&file)?);
            Ok(())
        };

        let name = format!("brummer-hub-{version}-{platform}");
        let mut contents = Contents::new(&name);
        contents.file(executable(&platform), &command)?;
        for paper in PAPERS.into_iter().chain(["README.md", "CHANGELOG.md"]) {
            contents.file(paper, &root().join(paper))?;
        }
        write(format!("{name}{}", form.ending()), &contents, form)?;

        let library = built.join("c");
        if library.is_dir() {
            let name = format!("libbrummer_hub-{version}-{platform}");
            let mut contents = Contents::new(&name);
            contents.directory(&library)?;
            write(format!("{name}{}", form.ending()), &contents, form)?;
        }

        write(format!("{name}.mcpb"), &bundle(&platform, &command)?, Form::Zip)?;
    }
    ensure!(!made.digests.is_empty(), "{} has no folder of a platform", artifacts.display());
    for (file, template) in MANAGERS {
        let text =
            fs::read_to_string(root().join(template)).with_context(|| format!("cannot read {template}"))?;
        match fill(&text, version, &made.digests) {
            Ok(text) => fs::write(out.join(file), text).with_context(|| format!("cannot write {file}"))?,
            Err(missing) => made.left_out.push((file, missing)),
        }
    }
    let mut sums = String::new();
    for (name, digest) in &made.digests {
        writeln!(sums, "{digest}  {name}")?;
    }
    fs::write(out.join("SHA256SUMS"), sums).context("cannot write SHA256SUMS")?;
    Ok(made)
}

/// The folders of platforms, each of which has its npm package.
fn platforms(artifacts: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(artifacts).with_context(|| format!("cannot read {}", artifacts.display()))?;
    let mut platforms = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_dir() {
            let known = root().join("npm/platforms").join(&name).is_dir();
            ensure!(known, "`{name}` is not a platform; npm/platforms has those that there are");
            platforms.push(name);
        }
    }
    platforms.sort();
    Ok(platforms)
}

fn executable(platform: &str) -> &'static str {
    if platform.starts_with("win32") { "brummer-hub.exe" } else { "brummer-hub" }
}

fn command(built: &Path, platform: &str) -> Result<PathBuf> {
    let command = built.join(executable(platform));
    ensure!(command.is_file(), "{} is not there", command.display());
    Ok(command)
}

/// The bundle of one platform: its manifest names no other.
fn bundle(platform: &str, command: &Path) -> Result<Contents> {
    let manifest = manifest(platform)?;
    let mut contents = Contents::flat();
    contents.bytes("manifest.json", format!("{manifest:#}\n").into_bytes());
    contents.file(&format!("bin/{}", executable(platform)), command)?;
    for paper in PAPERS {
        contents.file(paper, &root().join(paper))?;
    }
    Ok(contents)
}

fn manifest(platform: &str) -> Result<Value> {
    let text = fs::read_to_string(root().join("npm/mcpb/manifest.json"))
        .context("cannot read npm/mcpb/manifest.json")?;
    let mut manifest: Value = serde_json::from_str(&text).context("npm/mcpb/manifest.json is not JSON")?;
    let system = platform.split('-').next().unwrap_or(platform);
    let path = format!("bin/{}", executable(platform));
    manifest["compatibility"]["platforms"] = json!([system]);
    let server = &mut manifest["server"];
    server["entry_point"] = path.as_str().into();
    server["mcp_config"]["command"] = format!("${{__dirname}}/{path}").into();
    if let Some(config) = server["mcp_config"].as_object_mut() {
        config.shift_remove("platform_overrides");
    }
    Ok(manifest)
}

/// Fills a template in; the name of an archive that it needs and that was not made is the error.
fn fill(template: &str, version: &str, digests: &BTreeMap<String, String>) -> Result<String, String> {
    let text = template.replace("@VERSION@", version).replace("@URL@", &format!("{RELEASES}/v{version}"));
    let mut parts = text.split("@SHA256:");
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once('@').unwrap_or((part, ""));
        filled += digests.get(name).ok_or_else(|| name.to_owned())?;
        filled += rest;
    }
    Ok(filled)
}

#[cfg(test)]
mod tests;
