//! `cargo xtask install`: builds the C library and lays it out below a prefix, with its headers and the files by which
//! pkg-config and CMake find it. The files find each other, so the whole may be moved.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
};

use anyhow::{Context, Result, bail, ensure};

use crate::root;

const USAGE: &str =
    "usage: cargo xtask install --prefix DIR [--profile NAME] [--target TRIPLE] [--of-workspace]

Builds libbrummer_hub and puts it, its headers, and its pkg-config and CMake files below DIR.
The profile is `release` unless given. --of-workspace: with the features of dependencies that all
crates together want, so that what `cargo test --workspace` has built is not built again.";

/// What rustc says before the libraries that a program with the static library must be linked with.
const NATIVE: &str = "native-static-libs: ";

struct Options {
    prefix: PathBuf,
    profile: String,
    target: Option<String>,
    of_workspace: bool,
}

impl Options {
    fn read(arguments: &[String]) -> Result<Self> {
        let (mut prefix, mut profile, mut target) = (None, "release".to_owned(), None);
        let of_workspace = arguments.iter().any(|argument| argument == "--of-workspace");
        let mut rest = arguments.iter().filter(|argument| *argument != "--of-workspace");
        while let Some(name) = rest.next() {
            let value = rest.next().context(USAGE)?;
            match name.as_str() {
                "--prefix" => prefix = Some(PathBuf::from(value)),
                "--profile" => profile.clone_from(value),
                "--target" => target = Some(value.clone()),
                _ => bail!(USAGE),
            }
        }
        ensure!(!(of_workspace && target.is_some()), USAGE);
        Ok(Self { prefix: prefix.context(USAGE)?, profile, target, of_workspace })
    }

    /// Where cargo puts what it builds.
    fn built(&self) -> PathBuf {
        let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
        let mut directory = root().join(target);
        directory.extend(&self.target);
        directory.join(if self.profile == "dev" { "debug" } else { &self.profile })
    }
}

/// What the files of the library are called on a system.
#[derive(Debug, Eq, PartialEq)]
struct Names {
    /// As cargo builds them.
    shared: &'static str,
    fixed: &'static str,
    import: Option<&'static str>,
    /// Directory and name of the shared library once installed; the plain name is a link to it, if it differs.
    installed: String,
}

impl Names {
    fn of(target: &str, abi: u32) -> Self {
        if target.contains("windows") {
            let gnu = target.contains("gnu");
            Self {
                shared: "brummer_hub.dll",
                fixed: if gnu { "libbrummer_hub.a" } else { "brummer_hub.lib" },
                import: Some(if gnu { "libbrummer_hub.dll.a" } else { "brummer_hub.dll.lib" }),
                installed: "bin/brummer_hub.dll".to_owned(),
            }
        } else if target.contains("apple") {
            Self {
                shared: "libbrummer_hub.dylib",
                fixed: "libbrummer_hub.a",
                import: None,
                installed: format!("lib/libbrummer_hub.{abi}.dylib"),
            }
        } else {
            Self {
                shared: "libbrummer_hub.so",
                fixed: "libbrummer_hub.a",
                import: None,
                installed: format!("lib/libbrummer_hub.so.{abi}"),
            }
        }
    }
}

/// Does it.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    let options = Options::read(arguments)?;
    let libraries = if options.of_workspace { build_workspace(&options)? } else { build(&options)? };
    let target = match &options.target {
        Some(target) => target.clone(),
        None => host()?,
    };
    let names = Names::of(&target, abi()?);
    lay_out(&options, &names, &libraries, if target.starts_with("i686") { 4 } else { 8 })?;
    Ok(ExitCode::SUCCESS)
}

/// Builds both libraries; gives what a program with the static one must be linked with.
fn build(options: &Options) -> Result<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(["rustc", "--locked", "--package", "brummer-hub-c", "--lib", "--profile", &options.profile]);
    if let Some(target) = &options.target {
        build.args(["--target", target]);
    }
    build.args(["--", "--print", "native-static-libs"]).current_dir(root());
    let built =
        build.stdout(Stdio::inherit()).stderr(Stdio::piped()).output().context("cannot start cargo")?;
    let said = String::from_utf8_lossy(&built.stderr);
    ensure!(built.status.success(), "the build failed:\n{said}");
    linked_with(&said)
}

/// The same as `cargo test --workspace` builds it. What a program must be linked with is what the standard library needs: on the
/// systems where this is used, no crate needs more, and the tests link such programs.
fn build_workspace(options: &Options) -> Result<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(["build", "--quiet", "--locked", "--workspace", "--lib", "--bin", "brummer-hub"]);
    build.args(["--example", "rmcp-server", "--profile", &options.profile]).current_dir(root());
    ensure!(build.status().context("cannot start cargo")?.success(), "the build failed");
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let empty = options.built().join("libempty.a");
    let mut print = Command::new(rustc);
    print.args(["--crate-type", "staticlib", "--crate-name", "empty", "--print", "native-static-libs", "-"]);
    let printed = print.arg("-o").arg(&empty).stdin(Stdio::null()).output().context("cannot start rustc")?;
    let said = String::from_utf8_lossy(&printed.stderr);
    ensure!(printed.status.success(), "rustc failed:\n{said}");
    fs::remove_file(&empty).with_context(|| format!("cannot remove {}", empty.display()))?;
    linked_with(&said)
}

/// What rustc says that programs must be linked with.
fn linked_with(said: &str) -> Result<String> {
    let libraries = said.lines().find_map(|line| line.split_once(NATIVE));
    let (_, libraries) =
        libraries.with_context(|| format!("rustc did not say what to link with:\n{said}"))?;
    Ok(system_libraries(libraries))
}

/// Leaves out the import libraries that some crates bring for the GNU linker on Windows: they are in the static library
/// already, or are copies of the system's under another name.
fn system_libraries(flags: &str) -> String {
    let own = |flag: &&str| !flag.starts_with("-lwindows.");
    let flags = flags.split_whitespace().filter(own).map(|flag| flag.replace("-lwinapi_", "-l"));
    flags.collect::<Vec<_>>().join(" ")
}

/// The machine that this runs on, as rustc calls it.
fn host() -> Result<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("-vV").output().context("cannot start rustc")?;
    let text = String::from_utf8(output.stdout)?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc does not tell its host")?.to_owned())
}

/// The number in the shared library's name.
fn abi() -> Result<u32> {
    let header = fs::read_to_string(root().join("include/brummer_hub.h"))?;
    let number = header.lines().find_map(|line| line.strip_prefix("#define BH_ABI_VERSION "));
    Ok(number.context("the header has no BH_ABI_VERSION")?.trim().parse()?)
}

fn lay_out(options: &Options, names: &Names, libraries: &str, pointer: usize) -> Result<()> {
    let (prefix, built) = (&options.prefix, options.built());
    let at = |directory: &str| -> Result<PathBuf> {
        let directory = prefix.join(directory);
        fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
        Ok(directory)
    };
    let (include, lib) = (at("include")?, at("lib")?);
    for header in ["brummer_hub.h", "brummer_hub.hpp"] {
        copy(&root().join("include").join(header), &include.join(header))?;
    }
    let shared = prefix.join(&names.installed);
    at(shared
        .parent()
        .and_then(|parent| parent.strip_prefix(prefix).ok())
        .and_then(Path::to_str)
        .unwrap_or("lib"))?;
    copy(&built.join(names.shared), &shared)?;
    copy(&built.join(names.fixed), &lib.join(names.fixed))?;
    match names.import {
        Some(import) => copy(&built.join(import), &lib.join(import))?,
        None => link(&shared, &lib.join(names.shared))?,
    }
    let documents = at("share/doc/brummer_hub")?;
    for file in ["LICENSE", crate::notices::NOTICES] {
        copy(&root().join(file), &documents.join(file))?;
    }

    let version = env!("CARGO_PKG_VERSION");
    let words = [
        ("VERSION", version.to_owned()),
        ("MAJOR", env!("CARGO_PKG_VERSION_MAJOR").to_owned()),
        ("SHARED", names.installed.clone()),
        ("SONAME", names.installed.trim_start_matches("lib/").to_owned()),
        ("IMPORT", format!("lib/{}", names.import.unwrap_or_default())),
        ("STATIC", format!("lib/{}", names.fixed)),
        ("STATIC_LIBS", libraries.to_owned()),
        ("STATIC_LIST", cmake_list(libraries)),
        ("POINTER", pointer.to_string()),
    ];
    fill("brummer_hub.pc", &at("lib/pkgconfig")?, &words)?;
    let cmake = at("lib/cmake/brummer_hub")?;
    fill("brummer_hub-config.cmake", &cmake, &words)?;
    fill("brummer_hub-config-version.cmake", &cmake, &words)
}

/// Linker flags as a list of CMake, in which `-framework Name` is one item.
fn cmake_list(flags: &str) -> String {
    let list = flags.split_whitespace().collect::<Vec<_>>().join(";");
    list.replace("-framework;", "-framework ")
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    // A program may be running the old one; it keeps the file that it has.
    let _ = fs::remove_file(to);
    fs::copy(from, to).with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    Ok(())
}

/// Makes a link in the same directory, or a copy where there are no links.
fn link(to: &Path, name: &Path) -> Result<()> {
    let _ = fs::remove_file(name);
    #[cfg(unix)]
    return std::os::unix::fs::symlink(to.file_name().context("a library has a name")?, name)
        .with_context(|| format!("cannot make {}", name.display()));
    #[cfg(not(unix))]
    copy(to, name)
}

/// Fills a template in.
fn fill(name: &str, directory: &Path, words: &[(&str, String)]) -> Result<()> {
    let template = root().join("bindings/c/package").join(format!("{name}.in"));
    let mut text =
        fs::read_to_string(&template).with_context(|| format!("cannot read {}", template.display()))?;
    for (word, value) in words {
        text = text.replace(&format!("@{word}@"), value);
    }
    let file = directory.join(name);
    fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frameworks_stay_in_one_piece() {
        assert_eq!(cmake_list("-framework Core -lc  -lm"), "-framework Core;-lc;-lm");
    }

    #[test]
    fn only_the_system_s_libraries_are_named() {
        let said = "-lwinapi_ntdll -lwindows.0.52.0  -lkernel32";
        assert_eq!(system_libraries(said), "-lntdll -lkernel32");
        assert_eq!(system_libraries("-framework Core -lc"), "-framework Core -lc");
    }

    #[test]
    fn the_name_of_the_library_has_the_abi() {
        assert_eq!(Names::of("x86_64-unknown-linux-gnu", 3).installed, "lib/libbrummer_hub.so.3");
        assert_eq!(Names::of("aarch64-apple-darwin", 3).installed, "lib/libbrummer_hub.3.dylib");
        assert_eq!(Names::of("x86_64-pc-windows-gnu", 3).import, Some("libbrummer_hub.dll.a"));
        assert!(abi().unwrap() > 0);
    }
}
