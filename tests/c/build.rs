//! Installing the library, compiling against it, and running what comes out.

use std::{
    env,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Output,
    sync::OnceLock,
    time::Duration,
};

use tokio::process::Command;

use crate::support::repository;

/// How long a program may run: some minutes under valgrind on a busy machine, and no longer when it hangs.
const PROGRAM: Duration = Duration::from_secs(600);

/// The compilers that are looked for. One of them must be there.
const COMPILERS: [&str; 2] = ["gcc", "clang"];

/// The installed library, built once for all tests of this run.
pub(crate) fn prefix() -> &'static Path {
    static PREFIX: OnceLock<PathBuf> = OnceLock::new();
    PREFIX.get_or_init(|| {
        let prefix = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("c-prefix");
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut install = std::process::Command::new(cargo);
        install.args(["xtask", "install", "--profile", "dev", "--prefix"]).arg(&prefix);
        // Alone it has other features, and all dependencies would be built again beside those of the other tests.
        if env::var_os("BRUMMER_OF_WORKSPACE").is_some() {
            install.arg("--of-workspace");
        }
        let output = install.current_dir(repository()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        prefix
    })
}

/// Whether an optional tool is there.
pub(crate) fn has(tool: &str) -> bool {
    let paths = env::var_os("PATH").unwrap_or_default();
    if env::split_paths(&paths).any(|directory| directory.join(tool).is_file()) {
        return true;
    }
    assert!(env::var_os("BRUMMER_ALL_TOOLS").is_none(), "`{tool}` is not installed");
    eprintln!("`{tool}` is not installed: what needs it is left out");
    false
}

/// The C compilers of this machine.
pub(crate) fn compilers() -> Vec<&'static str> {
    let mut found: Vec<_> = COMPILERS.into_iter().filter(|compiler| has(compiler)).collect();
    if found.is_empty() {
        assert!(has("cc"), "the tests of the C interface need a C compiler: gcc, clang or cc");
        found.push("cc");
    }
    found
}

/// How a program gets the library.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Linkage {
    Shared,
    Static,
    /// A static library that was built for the thread sanitizer.
    Racing,
}

/// Names the library of [`Linkage::Racing`], which stable Rust cannot build: docs/C.md says how.
pub(crate) const RACING_LIBRARY: &str = "BRUMMER_TSAN_LIBRARY";

/// A program that was built.
#[derive(Debug)]
pub(crate) struct Program {
    _directory: tempfile::TempDir,
    pub(crate) path: PathBuf,
}

/// Compiles one source, with every warning an error.
pub(crate) async fn compile(compiler: &str, source: &Path, linkage: Linkage, flags: &[&str]) -> Program {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("program");
    let prefix = prefix();
    let mut command = Command::new(compiler);
    command.args(["-Wall", "-Wextra", "-pedantic", "-Werror", "-g", "-pthread"]).args(flags);
    command.arg("-I").arg(prefix.join("include")).arg(source).arg("-o").arg(&path);
    match linkage {
        Linkage::Shared => {
            let lib = prefix.join("lib");
            command.arg("-L").arg(&lib).arg("-lbrummer_hub").arg(format!("-Wl,-rpath,{}", lib.display()));
        }
        Linkage::Static => {
            command.arg(prefix.join("lib/libbrummer_hub.a")).args(static_libraries());
        }
        Linkage::Racing => {
            command.arg(repository().join("tests/c/tsan.c"));
            command.arg(env::var_os(RACING_LIBRARY).unwrap()).args(static_libraries());
        }
    }
    succeeds(&mut command).await;
    Program { _directory: directory, path }
}

/// What the pkg-config file says that the static library needs.
fn static_libraries() -> Vec<String> {
    let file = fs::read_to_string(prefix().join("lib/pkgconfig/brummer_hub.pc")).unwrap();
    let line = file.lines().find_map(|line| line.strip_prefix("Libs.private: ")).unwrap();
    line.split(' ').map(str::to_owned).collect()
}

/// Runs a command to its end.
pub(crate) async fn output(command: &mut Command) -> Output {
    let running = command.kill_on_drop(true).output();
    match tokio::time::timeout(PROGRAM, running).await {
        Ok(output) => output.unwrap_or_else(|error| panic!("{command:?}: {error}")),
        Err(_) => panic!("{command:?} hangs"),
    }
}

/// Runs a command that must succeed, and gives what it wrote.
pub(crate) async fn succeeds(command: &mut Command) -> String {
    let output = output(command).await;
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{out}\n{err}", output.status);
    out.into_owned()
}

/// Runs a program with arguments, below a tool or not.
pub(crate) async fn run(tool: &[&str], program: &Program, arguments: &[&OsStr]) -> String {
    let mut command = match tool {
        [] => Command::new(&program.path),
        [tool, options @ ..] => {
            let mut command = Command::new(tool);
            command.args(options).arg(&program.path);
            command
        }
    };
    succeeds(command.args(arguments)).await
}
