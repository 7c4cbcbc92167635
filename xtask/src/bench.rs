//! `cargo xtask bench`: builds the release binary of the hub and the benchmark, and runs the one on the other. `--profile NAME` takes
//! another build, whose figures mean nothing: it says whether the benchmark works.

use std::{
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context, Result, ensure};

use crate::{install, root};

/// The document that `--write` puts the table into.
const DOCUMENT: &str = "docs/PERFORMANCE.md";

/// A stdio server that people use, as the tests install it.
const NODE_SERVER: &str = "tests/node/node_modules/@modelcontextprotocol/server-everything/dist/index.js";

/// Runs it. `--profile` comes first; `--write` puts the table into the document; every other argument is the benchmark's own
/// (`--help` lists them).
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    let (profile, arguments) = match arguments {
        [flag, name, rest @ ..] if flag == "--profile" => (name.as_str(), rest),
        _ => ("release", arguments),
    };
    let root = root();
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    if profile == "dev" {
        // With an example, everything is built as `cargo test --workspace` does it, and nothing is built twice.
        build.args([
            "build",
            "--workspace",
            "--bin",
            "brummer-hub",
            "--bin",
            "brummer-bench",
            "--example",
            "rmcp-server",
        ]);
    } else {
        build.args([
            "build",
            "--package",
            "brummer-cli",
            "--package",
            "brummer-bench",
            "--bins",
            "--profile",
            profile,
        ]);
    }
    let built = build.current_dir(&root).status().context("cannot start cargo")?;
    ensure!(built.success(), "the build failed");
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |target| root.join(target));
    let directory = if profile == "dev" { "debug" } else { profile };
    let binary = |name: &str| target.join(directory).join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    let mut bench = Command::new(binary("brummer-bench"));
    if !arguments.iter().any(|argument| argument.starts_with("--hub")) {
        bench.arg("--hub").arg(binary("brummer-hub"));
    }
    if let Some(embedder) = embedder(&target, profile)? {
        bench.arg("--embedder").arg(embedder);
    }
    let node_server = root.join(NODE_SERVER);
    if node_server.is_file() {
        bench.arg("--node-server").arg(node_server);
    } else {
        eprintln!("`node tests/node/install.mjs` was not run: the rows of the server for Node are left out");
    }
    for argument in arguments {
        bench.arg(argument);
        if argument == "--write" {
            bench.arg(root.join(DOCUMENT));
        }
    }
    let status = bench.status().context("cannot start the benchmark")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Builds the program that calls through the C interface, where there is a C compiler as on Unix.
fn embedder(target: &Path, profile: &str) -> Result<Option<PathBuf>> {
    if cfg!(not(unix)) {
        return Ok(None);
    }
    let prefix = target.join(format!("bench-prefix-{profile}"));
    let mut options = ["--profile", profile, "--prefix"].map(str::to_owned).to_vec();
    options.push(prefix.display().to_string());
    // What says only whether the benchmark works builds nothing of its own.
    options.extend((profile == "dev").then(|| "--of-workspace".to_owned()));
    install::run(&options)?;
    let (program, lib) = (prefix.join("call"), prefix.join("lib"));
    let mut compile = Command::new("cc");
    compile.args(["-O2", "-I"]).arg(prefix.join("include")).arg(root().join("tests/bench/c/call.c"));
    compile.arg("-L").arg(&lib).arg("-lbrummer_hub").arg(format!("-Wl,-rpath,{}", lib.display()));
    let Ok(compiled) = compile.arg("-o").arg(&program).status() else {
        eprintln!("`cc` is not installed: the rows of the C interface stay empty");
        return Ok(None);
    };
    ensure!(compiled.success(), "tests/bench/c/call.c cannot be compiled");
    Ok(Some(program))
}
