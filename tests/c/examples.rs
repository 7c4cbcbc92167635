//! The examples, built as their comments say and run.

use std::process::Stdio;

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::Command,
};

use crate::{
    build::{Linkage, Program, compile, compilers, has, prefix, succeeds},
    support::{Home, expect, repository, shop},
};

/// A command that sees the instances of this home only.
fn at_home(home: &Home, program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env("BRUMMER_DATA_DIR", home.data()).kill_on_drop(true);
    command
}

async fn example(name: &str) -> Program {
    let source = repository().join("examples/c").join(format!("{name}.c"));
    compile(compilers()[0], &source, Linkage::Shared, &["-std=c99"]).await
}

async fn lists_and_calls(home: &Home, program: &std::path::Path) {
    let list = succeeds(&mut at_home(home, program)).await;
    assert!(list.starts_with("shop ") && list.contains(" active "), "{list}");
    let result = succeeds(at_home(home, program).args(["shop", "echo", r#"{"message":"from C"}"#])).await;
    assert!(result.contains(r#""text":"from C""#), "{result}");
}

async fn watches(home: &Home, program: &std::path::Path) {
    let said = succeeds(at_home(home, program).arg("1")).await;
    assert!(said.contains("shop is active\n") && said.contains(r#""state":"active""#), "{said}");
    assert!(said.contains("appeared shop") || said.contains("state_changed shop"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn c_embeds_a_hub_and_calls_a_tool() {
    let (home, _shop) = shop().await;
    lists_and_calls(&home, &example("call").await.path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c_announces_a_server_until_it_ends() {
    let (home, shop) = shop().await;
    let program = example("register").await;
    let mut register = at_home(&home, &program.path);
    register.args([&shop.port.to_string(), "from-c"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = register.spawn().unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = expect("the announcement", said.next_line()).await.unwrap().unwrap();
    let file = std::path::PathBuf::from(line.strip_prefix("announced by ").unwrap());
    assert!(std::fs::read_to_string(&file).unwrap().contains("from-c"));
    child.stdin.take().unwrap().write_all(b"\n").await.unwrap();
    assert!(expect("the end", child.wait()).await.unwrap().success());
    assert!(!file.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn cpp_watches_through_the_wrapper() {
    let (home, _shop) = shop().await;
    let source = repository().join("examples/cpp/watch.cpp");
    for compiler in ["g++", "clang++"] {
        if has(compiler) {
            let program = compile(compiler, &source, Linkage::Shared, &["-std=c++17"]).await;
            watches(&home, &program.path).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn python_needs_nothing_but_the_library() {
    if !has("python3") {
        return;
    }
    let (home, _shop) = shop().await;
    let name = if cfg!(target_os = "macos") { "libbrummer_hub.dylib" } else { "libbrummer_hub.so" };
    let (script, library) = (repository().join("examples/python/embed.py"), prefix().join("lib").join(name));
    let list = succeeds(at_home(&home, "python3").arg(&script).arg(&library)).await;
    assert!(list.starts_with("shop active "), "{list}");
    let call = ["shop", "echo", r#"{"message":"from Python"}"#];
    let result = succeeds(at_home(&home, "python3").arg(&script).arg(&library).args(call)).await;
    assert_eq!(result.trim_end(), "from Python");
}

#[tokio::test(flavor = "multi_thread")]
async fn cmake_finds_the_library_wherever_it_is() {
    if !has("cmake") || !has("make") || !has("c++") {
        return;
    }
    let (home, _shop) = shop().await;
    // Moved, as a package would be.
    let directory = tempfile::tempdir().unwrap();
    let moved = directory.path().join("moved");
    succeeds(Command::new("cp").arg("-R").arg(prefix()).arg(&moved)).await;
    for linkage in ["OFF", "ON"] {
        let build = directory.path().join(linkage);
        let mut configure = Command::new("cmake");
        configure.arg("-S").arg(repository().join("examples")).arg("-B").arg(&build);
        configure.arg(format!("-DCMAKE_PREFIX_PATH={}", moved.display())).arg(format!("-DSTATIC={linkage}"));
        succeeds(&mut configure).await;
        succeeds(Command::new("cmake").arg("--build").arg(&build)).await;
        lists_and_calls(&home, &build.join("call")).await;
        watches(&home, &build.join("watch")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pkg_config_finds_the_library_wherever_it_is() {
    if !has("pkg-config") {
        return;
    }
    let (home, _shop) = shop().await;
    let directory = tempfile::tempdir().unwrap();
    let moved = directory.path().join("moved");
    succeeds(Command::new("cp").arg("-R").arg(prefix()).arg(&moved)).await;
    let mut query = Command::new("pkg-config");
    query.env("PKG_CONFIG_PATH", moved.join("lib/pkgconfig")).args([
        "--cflags",
        "--libs",
        "brummer_hub >= 0.1",
    ]);
    let flags = succeeds(&mut query).await;
    let program = directory.path().join("call");
    let mut build = Command::new(compilers()[0]);
    build.arg(repository().join("examples/c/call.c")).args(flags.split_whitespace()).arg("-o").arg(&program);
    succeeds(build.arg(format!("-Wl,-rpath,{}", moved.join("lib").display()))).await;
    lists_and_calls(&home, &program).await;
}

#[tokio::test(flavor = "multi_thread")]
#[cfg(target_os = "linux")]
async fn the_documentation_says_how_to_link() {
    let (home, _shop) = shop().await;
    let text = std::fs::read_to_string(repository().join("docs/C.md")).unwrap();
    let lines: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("cc call.c ")).collect();
    assert_eq!(lines.len(), 2);
    let directory = tempfile::tempdir().unwrap();
    for line in lines {
        let line = line.split('#').next().unwrap().replace("/usr/local", prefix().to_str().unwrap());
        if line.contains("pkg-config") && !has("pkg-config") {
            continue;
        }
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(format!("{} \"$0\" -o \"$1\" {line}", compilers()[0]));
        shell.arg(repository().join("examples/c/call.c")).arg(directory.path().join("call"));
        shell.env("PKG_CONFIG_PATH", prefix().join("lib/pkgconfig"));
        succeeds(&mut shell).await;
        let mut program = at_home(&home, directory.path().join("call"));
        let list = succeeds(program.env("LD_LIBRARY_PATH", prefix().join("lib"))).await;
        assert!(list.starts_with("shop "), "{list}");
    }
}
