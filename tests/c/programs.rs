//! The test programs in C: with each compiler, both libraries, and under the tools that find what does not show.

use std::{io::Read, path::PathBuf, process::Stdio};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::Command,
};

use crate::{
    build::{Linkage, Program, RACING_LIBRARY, compile, compilers, has, output, run},
    support::{expect, repository, shop},
};

/// Programs that end with this line when all is as it should be.
const PROGRAMS: [&str; 6] = ["calls", "endings", "listening", "logging", "misuse", "forked"];
pub(crate) const GOOD: &str = "all as it should be\n";

/// These programs, or, where all tests are wanted however long they take (`cargo xtask test --all`), every one.
fn some(names: &'static [&'static str]) -> &'static [&'static str] {
    if std::env::var_os("BRUMMER_ALL_TESTS").is_some() { &PROGRAMS } else { names }
}

fn source(name: &str) -> PathBuf {
    repository().join("tests/c").join(format!("{name}.c"))
}

async fn build(compiler: &str, name: &str, linkage: Linkage, flags: &[&str]) -> Program {
    let flags: Vec<_> = ["-std=c99", "-Wmissing-field-initializers"].iter().chain(flags).copied().collect();
    compile(compiler, &source(name), linkage, &flags).await
}

async fn all_good(compiler: &str, name: &str, linkage: Linkage, flags: &[&str], tool: &[&str]) {
    let program = build(compiler, name, linkage, flags).await;
    let (home, _shop) = shop().await;
    let said = run(tool, &program, &[home.data().as_os_str()]).await;
    assert_eq!(said, GOOD, "{name}, {compiler}, {linkage:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_compiler_and_linkage_gives_a_program_that_works() {
    for (index, compiler) in compilers().into_iter().enumerate() {
        for linkage in [Linkage::Shared, Linkage::Static] {
            // What the second compiler, or the static library, makes of one program it makes of all.
            let is_first = index == 0 && linkage == Linkage::Shared;
            let names = if is_first { some(&PROGRAMS) } else { some(&["calls"]) };
            for name in names {
                all_good(compiler, name, linkage, &[], &[]).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_headers_compile_in_every_language_they_are_for() {
    let directory = tempfile::tempdir().unwrap();
    let source = directory.path().join("twice.c");
    std::fs::write(
        &source,
        "#include <brummer_hub.h>\n#include <brummer_hub.h>\n\
         bh_hub_options a = BH_HUB_OPTIONS_INIT;\nbh_session_options b = BH_SESSION_OPTIONS_INIT;\n\
         bh_register_options c = BH_REGISTER_OPTIONS_INIT;\nint main(void) { return BH_CHECK_ABI(NULL); }\n",
    )
    .unwrap();
    let strict = ["-Wconversion", "-Wmissing-field-initializers", "-Wshadow", "-x"];
    for compiler in compilers() {
        for standard in ["-std=c99", "-std=c11", "-std=c17"] {
            let flags: Vec<_> = strict.iter().chain(&["c", standard]).copied().collect();
            let program = compile(compiler, &source, Linkage::Shared, &flags).await;
            run(&[], &program, &[]).await;
        }
    }
    for compiler in ["g++", "clang++"] {
        if has(compiler) {
            for standard in ["-std=c++11", "-std=c++17", "-std=c++20"] {
                let flags: Vec<_> = strict.iter().chain(&["c++", standard]).copied().collect();
                compile(compiler, &source, Linkage::Shared, &flags).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wrapper_for_cpp_owns_and_throws() {
    for (compiler, flag) in [("g++", "-fsanitize=address,undefined"), ("clang++", "-Wshadow")] {
        if has(compiler) {
            let flag = if sanitizes(compiler, flag).await { flag } else { "-Wshadow" };
            let source = repository().join("tests/c/wrapper.cpp");
            let program = compile(compiler, &source, Linkage::Shared, &["-std=c++17", flag]).await;
            let (home, _shop) = shop().await;
            assert_eq!(run(&[], &program, &[home.data().as_os_str()]).await, GOOD, "{compiler}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[cfg(target_os = "linux")]
async fn valgrind_finds_no_error_and_no_leak() {
    if !has("valgrind") {
        return;
    }
    let known = format!("--suppressions={}", repository().join("tests/c/valgrind.supp").display());
    let tool = [
        "valgrind",
        &known,
        "--quiet",
        "--error-exitcode=9",
        "--leak-check=full",
        "--errors-for-leak-kinds=definite,possible",
        "--show-leak-kinds=definite,possible",
        // Valgrind runs one thread at a time; else two that never rest keep the others from their turn.
        "--fair-sched=try",
        // What the child of a fork leaves behind is its parent's.
        "--child-silent-after-fork=yes",
    ];
    for name in some(&["endings", "misuse"]) {
        all_good(compilers()[0], name, Linkage::Shared, &[], &tool).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[cfg(target_os = "linux")]
async fn the_sanitizers_find_nothing() {
    let flags = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"];
    for (index, compiler) in compilers().into_iter().enumerate() {
        if !sanitizes(compiler, flags[0]).await {
            continue;
        }
        let names = if index == 0 { some(&PROGRAMS) } else { some(&["misuse"]) };
        for name in names {
            all_good(compiler, name, Linkage::Static, &flags, &[]).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_thread_sanitizer_finds_no_race() {
    if std::env::var_os(RACING_LIBRARY).is_none() {
        eprintln!("{RACING_LIBRARY} is not set: the thread sanitizer is left out");
        return;
    }
    for name in ["calls", "endings", "listening", "logging", "misuse"] {
        all_good("clang", name, Linkage::Racing, &["-fsanitize=thread"], &[]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stdio_server_is_shared_from_c() {
    if !has("node") {
        eprintln!("skipped: there is no Node");
        return;
    }
    let program = build(compilers()[0], "sharing", Linkage::Shared, &[]).await;
    let (home, _shop) = shop().await;
    let script = repository().join("tests/node/stdio-server.mjs");
    let said = run(&[], &program, &[home.data().as_os_str(), script.as_os_str()]).await;
    assert_eq!(said, GOOD);
}

/// A request that is answered at once.
const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"instances_list"}}"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_program_can_be_the_hub_of_its_client() {
    let program = build(compilers()[0], "stdio", Linkage::Shared, &[]).await;
    let (home, _shop) = shop().await;
    let mut command = Command::new(&program.path);
    command.arg(home.data()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.kill_on_drop(true).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    // One of its threads is told that the other does it.
    let mut errors = BufReader::new(child.stderr.take().unwrap()).lines();
    assert_eq!(expect("a word", errors.next_line()).await.unwrap().as_deref(), Some("busy"));
    input.write_all(format!("{LIST}\n").as_bytes()).await.unwrap();
    drop(input);
    let said = expect("the end", child.wait_with_output()).await.unwrap();
    let answer: serde_json::Value = serde_json::from_slice(&said.stdout).unwrap();
    assert_eq!(
        answer.pointer("/result/structuredContent/instances/0/name"),
        Some(&"shop".into()),
        "{answer}"
    );
    assert!(said.status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_does_not_end_the_program() {
    let program = build(compilers()[0], "stdio", Linkage::Shared, &[]).await;
    let (home, _shop) = shop().await;
    // Where it is in the middle of writing is left to chance, so more than once.
    for _ in 0..20 {
        let (reader, writer) = std::io::pipe().unwrap();
        let mut command = Command::new(&program.path);
        command.arg(home.data()).stdin(Stdio::piped()).stdout(writer).stderr(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn().unwrap();
        drop(command);
        let mut input = child.stdin.take().unwrap();
        let mut errors = BufReader::new(child.stderr.take().unwrap()).lines();
        assert_eq!(expect("a word", errors.next_line()).await.unwrap().as_deref(), Some("busy"));
        let many = format!("{LIST}\n").repeat(20);
        input.write_all(many.as_bytes()).await.unwrap();
        let reader = tokio::task::spawn_blocking(move || {
            let mut reader = reader;
            reader.read_exact(&mut [0]).unwrap();
        });
        expect("an answer", reader).await.unwrap();
        // Until it does not read any more.
        while input.write_all(many.as_bytes()).await.is_ok() {}
        let status = expect("the end", child.wait()).await.unwrap();
        assert!(status.success(), "{status}: {:?}", errors.next_line().await);
    }
}

#[tokio::test(flavor = "multi_thread")]
#[cfg(target_os = "linux")]
async fn a_program_ends_with_who_started_it() {
    let program = build(compilers()[0], "driver", Linkage::Shared, &[]).await;
    let (home, _shop) = shop().await;
    let script = "exec 3<&0; \"$0\" \"$1\" <&3 & wait";
    let mut command = Command::new("sh");
    command.args(["-c", script]).arg(&program.path).arg(home.data());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
    input.write_all(b"list\n").await.unwrap();
    assert!(expect("an answer", answers.next_line()).await.unwrap().unwrap().starts_with("OK\t"));
    child.kill().await.unwrap();
    // Its input is still open.
    assert_eq!(expect("the end", answers.next_line()).await.unwrap(), None);
    drop(input);
}

#[tokio::test(flavor = "multi_thread")]
#[cfg(target_os = "linux")]
async fn only_the_interface_is_exported() {
    use crate::build::{prefix, succeeds};

    let library = prefix().join("lib/libbrummer_hub.so.1");
    if !has("nm") || !has("readelf") {
        return;
    }
    let symbols =
        succeeds(Command::new("nm").args(["-D", "--defined-only", "--format=posix"]).arg(&library)).await;
    let exported: Vec<_> = symbols.lines().filter_map(|line| line.split(' ').next()).collect();
    let others: Vec<_> = exported.iter().filter(|name| !name.starts_with("bh_")).collect();
    assert!(others.is_empty(), "{others:?}");
    // Everything in the header is there, and nothing else.
    let mut exported = exported.clone();
    exported.sort_unstable();
    assert_eq!(exported, declared());
    let dynamic = succeeds(Command::new("readelf").arg("-d").arg(&library)).await;
    assert!(dynamic.contains("soname: [libbrummer_hub.so.1]"), "{dynamic}");
}

/// The functions of the header, sorted.
pub(crate) fn declared() -> Vec<String> {
    let header = std::fs::read_to_string(repository().join("include/brummer_hub.h")).unwrap();
    let names = header.split("\nBH_API").skip(1).filter_map(|code| code.split('(').next());
    let mut declared: Vec<_> = names.filter_map(|name| name.rsplit([' ', '*', '\n']).next()).collect();
    declared.sort_unstable();
    declared.into_iter().map(str::to_owned).collect()
}

/// Whether a compiler has the libraries of its sanitizers.
async fn sanitizes(compiler: &str, flag: &str) -> bool {
    let directory = tempfile::tempdir().unwrap();
    let source = directory.path().join("empty.c");
    std::fs::write(&source, "int main(void) { return 0; }\n").unwrap();
    let mut compile = Command::new(compiler);
    compile.arg(flag).arg(&source).arg("-o").arg(directory.path().join("empty"));
    let can = output(&mut compile).await.status.success();
    assert!(can || std::env::var_os("BRUMMER_ALL_TOOLS").is_none(), "{compiler} has no sanitizers");
    can
}
