//! The library on Windows: installed for it, its examples and test programs compiled by mingw and run by Wine.
//!
//! Installing for Windows takes a Rust toolchain with that target; docs/C.md says how. Without it, mingw or Wine, this is
//! left out by name.

use std::{
    env,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, Command},
};

use crate::{
    build::{has, succeeds},
    programs::GOOD,
    support::{Stage, expect, repository},
};

/// Names the prefix that the library was installed below.
const PREFIX: &str = "BRUMMER_WINDOWS_PREFIX";

const CC: &str = "x86_64-w64-mingw32-gcc";
const CXX: &str = "x86_64-w64-mingw32-g++";

/// Programs of the directory that hold on Windows too. There is no fork.
const PROGRAMS: [&str; 5] = ["calls", "endings", "listening", "logging", "misuse"];

/// Rust takes its random numbers from a library that Wine before version 9 does not have.
const RANDOM: &str = "#include <windows.h>\n#include <ntsecapi.h>\n\
    __declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE to, SIZE_T size) { return RtlGenRandom(to, (ULONG)size); }\n";

/// A directory with the library and programs, and an instance `shop` that a program there announces.
struct Windows {
    prefix: PathBuf,
    directory: tempfile::TempDir,
    register: Option<Child>,
}

impl Windows {
    /// `None` if something is missing.
    async fn new() -> Option<Self> {
        let Some(prefix) = env::var_os(PREFIX).map(PathBuf::from) else {
            eprintln!("{PREFIX} is not set: the programs for Windows are left out");
            return None;
        };
        if !(has(CC) && has(CXX) && has("wine")) {
            return None;
        }
        let windows = Self { prefix, directory: tempfile::tempdir().unwrap(), register: None };
        fs::copy(windows.prefix.join("bin/brummer_hub.dll"), windows.at("brummer_hub.dll")).unwrap();
        for directory in ["project", "data"] {
            fs::create_dir(windows.at(directory)).unwrap();
        }
        fs::write(windows.at("random.c"), RANDOM).unwrap();
        let mut random = Command::new(CC);
        random.arg("-shared").arg(windows.at("random.c")).arg("-o").arg(windows.at("bcryptprimitives.dll"));
        succeeds(random.arg("-ladvapi32")).await;
        Some(windows)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A path as the programs see it.
    fn seen(&self, name: &str) -> String {
        format!("Z:{}", self.at(name).display())
    }

    /// Compiles one source, with every warning an error.
    async fn compile(&self, compiler: &str, source: &str, name: &str, flags: &[&OsStr]) {
        let mut command = Command::new(compiler);
        command.args(["-Wall", "-Wextra", "-pedantic", "-Werror", "-D__USE_MINGW_ANSI_STDIO=1"]);
        command.arg("-I").arg(self.prefix.join("include")).arg(repository().join(source));
        succeeds(command.args(flags).arg("-o").arg(self.at(name))).await;
    }

    /// Builds the examples by CMake, and takes one of them.
    async fn build_by_cmake(&self, linkage: &str, name: &str) {
        let build = self.at(linkage);
        let mut configure = Command::new("cmake");
        configure.arg("-S").arg(repository().join("examples")).arg("-B").arg(&build);
        configure.arg("-DCMAKE_SYSTEM_NAME=Windows").arg(format!("-DSTATIC={linkage}"));
        configure.arg(format!("-DCMAKE_C_COMPILER={CC}")).arg(format!("-DCMAKE_CXX_COMPILER={CXX}"));
        configure.arg(format!("-DCMAKE_PREFIX_PATH={}", self.prefix.display()));
        succeeds(&mut configure).await;
        succeeds(Command::new("cmake").arg("--build").arg(&build)).await;
        fs::copy(build.join("call.exe"), self.at(name)).unwrap();
    }

    /// A program, to be run in a project's directory.
    fn program(&self, name: &str) -> Command {
        let mut command = Command::new("wine");
        let wine = Path::new(env!("CARGO_TARGET_TMPDIR")).join("wine");
        command.env("WINEPREFIX", wine).env("WINEDEBUG", "-all").env("WINEDLLOVERRIDES", "mscoree,mshtml=");
        command.env("BRUMMER_DATA_DIR", self.seen("data")).current_dir(self.at("project")).kill_on_drop(true);
        command.arg(self.at(name));
        command
    }

    async fn announce(&mut self, stage: &Stage) {
        let mut register = self.program("register.exe");
        register.args([&stage.port.to_string(), "shop"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = register.spawn().unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = expect("the announcement", said.next_line()).await.unwrap().unwrap();
        assert!(line.starts_with("announced by Z:"), "{line}");
        self.register = Some(child);
    }

    async fn end(mut self) {
        let mut child = self.register.take().unwrap();
        child.stdin.take().unwrap().write_all(b"\n").await.unwrap();
        assert!(expect("the end", child.wait()).await.unwrap().success());
        assert_eq!(fs::read_dir(self.at("data/instances")).unwrap().count(), 0);
    }
}

/// What the pkg-config file says after this word.
fn flags(prefix: &Path, word: &str) -> Vec<String> {
    let file = fs::read_to_string(prefix.join("lib/pkgconfig/brummer_hub.pc")).unwrap();
    let line = file.lines().find_map(|line| line.strip_prefix(word)).unwrap();
    line.split(' ').map(|flag| flag.replace("${libdir}", prefix.join("lib").to_str().unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_for_windows_work() {
    let Some(mut windows) = Windows::new().await else { return };
    let (shared, fixed) = (flags(&windows.prefix, "Libs: "), flags(&windows.prefix, "Libs.private: "));
    let shared: Vec<_> = shared.iter().map(OsStr::new).collect();
    let archive = windows.prefix.join("lib/libbrummer_hub.a");
    let mut without_dll = vec![OsStr::new("-DBH_STATIC"), archive.as_os_str()];
    without_dll.extend(fixed.iter().map(OsStr::new));
    windows.compile(CC, "examples/c/register.c", "register.exe", &shared).await;
    windows.compile(CC, "examples/c/call.c", "call.exe", &shared).await;
    windows.compile(CC, "examples/c/call.c", "static.exe", &without_dll).await;
    // The import library by name: `-static` is for the compiler's own.
    let import = windows.prefix.join("lib/libbrummer_hub.dll.a");
    let own = [import.as_os_str(), OsStr::new("-lws2_32"), OsStr::new("-static")];
    windows
        .compile(
            CXX,
            "examples/cpp/watch.cpp",
            "watch.exe",
            &[&[OsStr::new("-std=c++17")], &own[..]].concat(),
        )
        .await;
    for name in PROGRAMS {
        let flags = [&[OsStr::new("-std=c99"), OsStr::new("-pthread")], &own[..]].concat();
        windows.compile(CC, &format!("tests/c/{name}.c"), &format!("{name}.exe"), &flags).await;
    }

    let mut examples = vec!["call.exe", "static.exe"];
    if has("cmake") && has("make") {
        for (linkage, name) in [("OFF", "cmake.exe"), ("ON", "cmake-static.exe")] {
            windows.build_by_cmake(linkage, name).await;
            examples.push(name);
        }
    }

    let stage = Stage::start().await;
    // The first program makes Wine's own files, which takes a while.
    assert_eq!(succeeds(&mut windows.program("call.exe")).await, "");
    windows.announce(&stage).await;
    let list = succeeds(&mut windows.program("call.exe")).await;
    assert!(list.starts_with("shop ") && list.contains(" active "), "{list}");
    for program in examples {
        let words = ["shop", "echo", r#"{"message":"from Windows"}"#];
        let result = succeeds(windows.program(program).args(words)).await;
        assert!(result.contains(r#""text":"from Windows""#), "{result}");
    }
    let said = succeeds(windows.program("watch.exe").arg("1")).await;
    assert!(said.contains("shop is active") && said.contains(r#""state":"active""#), "{said}");
    for name in PROGRAMS {
        let said = succeeds(windows.program(&format!("{name}.exe")).arg(windows.seen("data"))).await;
        assert_eq!(said.replace("\r\n", "\n"), GOOD, "{name}");
    }
    windows.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_interface_is_exported_on_windows() {
    let Some(windows) = Windows::new().await else { return };
    let mut dump = Command::new("x86_64-w64-mingw32-objdump");
    let said = succeeds(dump.arg("-p").arg(windows.at("brummer_hub.dll"))).await;
    let table = said.split("[Ordinal/Name Pointer] Table").nth(1).unwrap();
    let names = table.lines().skip(1).map_while(|line| line.split_whitespace().last());
    let mut exported: Vec<_> = names.collect();
    exported.sort_unstable();
    assert_eq!(exported, crate::programs::declared());
}
