//! The project's own chores: `cargo xtask <chore>`.

mod bench;
mod demo;
mod deny;
mod dist;
#[cfg(unix)]
mod errors;
mod habits;
mod header;
mod install;
mod instructions;
#[cfg(test)]
mod links;
#[cfg(test)]
mod names;
mod node;
mod notices;
#[cfg(unix)]
mod real;
#[cfg(test)]
mod requirements;
mod sbom;
mod semver;
mod shared;
mod sources;
mod test;
mod tool;
mod version;

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Result, bail};

/// What is printed when a chore is not known.
const USAGE: &str = "usage: cargo xtask CHORE

  test [--all]                everything that a change must pass; --all: also what takes long
  node                        the npm package, from what cargo builds
  demo [--release]            the hub's main job, with real servers, from beginning to end
  version [VERSION]           checks that crates and packages have one version, or sets it
  bench [--quick] [--write]   measures the release binary (--profile NAME: another)
  instructions [--update]     how many instructions the hub takes, compared with what is written down
  deny [--no-advisories]      licences, sources and advisories of dependencies
  dist ARTIFACTS OUT          the archives, bundles and package managers' files of a release
  sbom OUT                    what is in each thing that is handed out, on any platform (CycloneDX)
  semver [REVISION]           whether the version is high enough for what the libraries break of the last release
  shared [--calls N]          real stdio servers from npm and PyPI, each shared by three hubs
  sources [TOOL]...           real dev servers from npm: found, used through the hub, and killed
  errors [--misses]           how well `run` reads the errors of real tools
  errors record [NAME…]       runs those tools again and writes down what they print
  agents [--update] [--record] [--keep] [AGENT…]
                              what the models of real agents see through the hub; see docs/AGENTS.md
  zoo [--update] [TITLE…]     whether real servers work through the hub as they do directly; see docs/SERVERS.md
  projects [--write] [--show] [PROJECT[:WAY]…]
                              whether errors in real projects are told, and gone when they are mended; see docs/RUN.md
  habits [--update] [--show] [--seed N] [--pairs N] [CELL]
                              what servers do otherwise, with each message, through the hub as directly; see docs/SERVERS.md
  header [--check]            makes include/brummer_hub.h
  notices [--check]           makes THIRD_PARTY.md
  install --prefix DIR        builds the C library and installs it";

fn main() -> Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.split_first() {
        Some((chore, rest)) if chore == "demo" => demo::run(rest),
        #[cfg(unix)]
        Some((chore, rest)) if chore == "errors" => errors::run(rest),
        Some((chore, rest)) if chore == "deny" => deny::run(rest),
        Some((chore, rest)) if chore == "dist" => dist::run(rest),
        #[cfg(unix)]
        Some((chore, rest)) if ["agents", "zoo", "projects"].contains(&chore.as_str()) => {
            real::run(chore, rest)
        }
        Some((chore, rest)) if chore == "node" => node::run(rest),
        Some((chore, rest)) if chore == "sbom" => sbom::run(rest),
        Some((chore, rest)) if chore == "semver" => semver::run(rest),
        Some((chore, rest)) if chore == "shared" => shared::run(rest),
        Some((chore, rest)) if chore == "sources" => sources::run(rest),
        Some((chore, rest)) if chore == "test" => test::run(rest),
        Some((chore, rest)) if chore == "version" => version::run(rest),
        Some((chore, rest)) if chore == "bench" => bench::run(rest),
        Some((chore, rest)) if chore == "habits" => habits::run(rest),
        Some((chore, rest)) if chore == "header" => header::run(rest),
        Some((chore, rest)) if chore == "notices" => notices::run(rest),
        Some((chore, rest)) if chore == "instructions" => instructions::run(rest),
        Some((chore, rest)) if chore == "install" => install::run(rest),
        _ => bail!(USAGE),
    }
}

/// The directory of the workspace.
fn root() -> PathBuf {
    let mut path = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    path.pop();
    path
}
