//! `cargo xtask test`: everything that a change must pass, in the order in which it fails fastest. `--all` adds what takes long and
//! seldom finds more: every test program under every tool, more schedules, and the release build.

use std::{
    env,
    process::{Command, ExitCode},
    thread,
    time::Instant,
};

use anyhow::{Context, Result, bail};

/// A name, the arguments of cargo, and what must be in the environment.
type Step = (&'static str, &'static [&'static str], Option<(&'static str, &'static str)>);

const STEPS: [Step; 7] = [
    ("format", &["fmt", "--all", "--check"], None),
    (
        "lints",
        &["clippy", "--quiet", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"],
        None,
    ),
    // What has documentation, named: with an example, dependencies have the features that the lints have checked them with, and
    // nothing is checked twice. The C interface has its own documentation, and its library the name of another.
    (
        "docs",
        &[
            "doc",
            "--quiet",
            "--workspace",
            "--exclude",
            "brummer-hub-c",
            "--lib",
            "--bin",
            "brummer-bench",
            "--bin",
            "xtask",
            "--example",
            "rmcp-server",
            "--no-deps",
            "--document-private-items",
            "--locked",
        ],
        Some(("RUSTDOCFLAGS", "-D warnings")),
    ),
    ("tests", &["test", "--workspace", "--locked", "--no-fail-fast"], None),
    ("npm package", &["xtask", "node"], None),
    ("demo", &["xtask", "demo"], None),
    // It says whether the benchmark works, not how fast the hub is: what the tests have built will do.
    ("benchmark, short form", &["xtask", "bench", "--profile", "dev", "--quick"], None),
];

/// What is done on Unix only, where what a program has started can be ended with it.
const PROJECTS: &str = "errors in real projects";

/// What `--all` does after them.
const MORE: [Step; 6] = [
    (
        "release build",
        &["build", "--quiet", "--release", "--locked", "-p", "brummer-cli", "-p", "brummer-bench"],
        None,
    ),
    ("benchmark of the release build, short form", &["xtask", "bench", "--quick"], None),
    ("instructions", &["xtask", "instructions"], None),
    (
        "many schedules of the session, and of its core alone",
        &["test", "--release", "--locked", "-p", "brummer-hub", "--lib", "simulation"],
        Some(("BRUMMER_SCHEDULES", "100000")),
    ),
    ("every habit of servers with every message", &["xtask", "habits"], None),
    (PROJECTS, &["xtask", "projects"], None),
];

/// How many tests run at once, if nobody says it.
const THREADS: &str = "RUST_TEST_THREADS";

/// Most tests wait for a process, a stream or a time-out most of the time: twice as many as there are cores keep those busy.
fn threads() -> Option<(&'static str, String)> {
    let cores = thread::available_parallelism().ok()?.get();
    env::var_os(THREADS).is_none().then(|| (THREADS, (2 * cores).to_string()))
}

/// Tells tests that they may take long.
const ALL: &str = "BRUMMER_ALL_TESTS";

/// Tells the tests of the C interface that the whole workspace is built, so that they take the library from there.
const OF_WORKSPACE: &str = "BRUMMER_OF_WORKSPACE";

/// What the tests of the C interface use if it is there.
const OPTIONAL_TOOLS: [&str; 8] =
    ["gcc", "clang", "g++", "valgrind", "cmake", "pkg-config", "python3", "readelf"];

/// What these tests do if they are told where a library is that was built for it: docs/C.md.
const OPTIONAL_LIBRARIES: [(&str, &str); 2] =
    [("BRUMMER_TSAN_LIBRARY", "the thread sanitizer"), ("BRUMMER_WINDOWS_PREFIX", "programs for Windows")];

/// Says what is left out on this machine: the tests that pass by themselves say nothing.
fn name_missing_tools() {
    let paths = env::var_os("PATH").unwrap_or_default();
    let is_there = |tool: &&str| env::split_paths(&paths).any(|directory| directory.join(tool).is_file());
    let missing: Vec<_> = OPTIONAL_TOOLS.into_iter().filter(|tool| !is_there(tool)).collect();
    if cfg!(unix) && !missing.is_empty() {
        eprintln!(
            "== not installed, and so left out of the tests of the C interface: {}",
            missing.join(", ")
        );
    } else if cfg!(not(unix)) {
        eprintln!("== the tests of the C interface run on Unix only");
    }
    for (variable, what) in OPTIONAL_LIBRARIES {
        if cfg!(unix) && env::var_os(variable).is_none() {
            eprintln!("== {variable} is not set: left out of the tests of the C interface: {what}");
        }
    }
}

/// Runs all steps; the first that fails ends it.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    let all = match arguments {
        [] => false,
        [flag] if flag == "--all" => true,
        _ => bail!("`cargo xtask test` takes no argument but `--all`"),
    };
    name_missing_tools();
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let more: &[Step] = if all { &MORE } else { &[] };
    let steps = STEPS.iter().chain(more).filter(|(name, ..)| cfg!(unix) || *name != PROJECTS);
    for (name, arguments, variable) in steps {
        eprintln!("== {name}: cargo {}", arguments.join(" "));
        let start = Instant::now();
        let status = Command::new(&cargo)
            .args(*arguments)
            .envs(*variable)
            .envs(threads())
            .envs([(if all { ALL } else { OF_WORKSPACE }, "1")])
            .status()
            .with_context(|| format!("cannot run cargo {}", arguments.join(" ")))?;
        if !status.success() {
            bail!("{name} failed ({status})");
        }
        eprintln!("== {name}: passed in {:.0} s", start.elapsed().as_secs_f64());
    }
    eprintln!("== all passed");
    Ok(ExitCode::SUCCESS)
}
