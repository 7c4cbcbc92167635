//! The files of a release, made from an executable that is none.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::Read as _,
    path::Path,
};

use flate2::read::GzDecoder;

use super::*;

/// What was built for these platforms, and what is made of it.
fn made(platforms: &[&str]) -> (tempfile::TempDir, Made) {
    let place = tempfile::tempdir().unwrap();
    for platform in platforms {
        let built = place.path().join("artifacts").join(platform);
        fs::create_dir_all(built.join("c/lib")).unwrap();
        fs::write(built.join(executable(platform)), format!("command of {platform}")).unwrap();
        fs::write(built.join("c/lib/libbrummer_hub.a"), "library").unwrap();
    }
    let made = dist(&place.path().join("artifacts"), &place.path().join("out"), "1.2.3").unwrap();
    (place, made)
}

/// Paths and modes in an archive.
fn listed(file: &Path) -> BTreeSet<(String, u32)> {
    let opened = File::open(file).unwrap();
    if file.extension().is_some_and(|ending| ending == "gz") {
        let mut archive = tar::Archive::new(GzDecoder::new(opened));
        let entries = archive.entries().unwrap().map(|entry| {
            let entry = entry.unwrap();
            (entry.path().unwrap().display().to_string(), entry.header().mode().unwrap())
        });
        return entries.collect();
    }
    let mut archive = zip::ZipArchive::new(opened).unwrap();
    (0..archive.len())
        .map(|index| {
            let entry = archive.by_index(index).unwrap();
            (entry.name().unwrap().into_owned(), entry.unix_mode().unwrap() & 0o777)
        })
        .collect()
}

fn every_platform() -> Vec<String> {
    let entries = fs::read_dir(root().join("npm/platforms")).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn every_archive_and_bundle_has_the_command_and_the_licences() {
    let platforms = every_platform();
    let (place, made) = made(&platforms.iter().map(String::as_str).collect::<Vec<_>>());
    let out = place.path().join("out");
    assert_eq!(made.digests.len(), 3 * platforms.len());
    assert!(made.left_out.is_empty(), "{:?}", made.left_out);
    for platform in &platforms {
        let ending = if platform.starts_with("win32") { ".zip" } else { ".tar.gz" };
        let name = format!("brummer-hub-1.2.3-{platform}");
        let command = executable(platform);
        let in_archive = listed(&out.join(format!("{name}{ending}")));
        let wanted = [
            (command, 0o755),
            ("LICENSE", 0o644),
            (NOTICES, 0o644),
            ("README.md", 0o644),
            ("CHANGELOG.md", 0o644),
        ];
        assert_eq!(in_archive, wanted.map(|(file, mode)| (format!("{name}/{file}"), mode)).into());
        let in_bundle = listed(&out.join(format!("{name}.mcpb")));
        let command = format!("bin/{command}");
        let wanted =
            [(command.as_str(), 0o755), ("LICENSE", 0o644), (NOTICES, 0o644), ("manifest.json", 0o644)];
        assert_eq!(in_bundle, wanted.map(|(file, mode)| (file.to_owned(), mode)).into());
        let library = listed(&out.join(format!("libbrummer_hub-1.2.3-{platform}{ending}")));
        assert_eq!(
            library,
            [(format!("libbrummer_hub-1.2.3-{platform}/lib/libbrummer_hub.a"), 0o644)].into()
        );
    }
    let sums = fs::read_to_string(out.join("SHA256SUMS")).unwrap();
    for line in sums.lines() {
        let (sum, name) = line.split_once("  ").unwrap();
        assert_eq!(digest(&out.join(name)).unwrap(), sum);
    }
    assert_eq!(sums.lines().count(), made.digests.len());
    // What package managers read names each archive that was made for their systems, with its sum.
    for (file, archives) in [("brummer-hub.rb", 4), ("brummer-hub.json", 2)] {
        let text = fs::read_to_string(out.join(file)).unwrap();
        assert!(!text.contains('@'), "{text}");
        assert_eq!(made.digests.values().filter(|sum| text.contains(*sum)).count(), archives, "{text}");
        let named = made.digests.keys().filter(|name| text.contains(&format!("/v1.2.3/{name}\"")));
        assert_eq!(named.count(), archives, "{text}");
    }
    serde_json::from_str::<Value>(&fs::read_to_string(out.join("brummer-hub.json")).unwrap()).unwrap();
}

#[test]
fn a_bundle_claims_its_own_platform_only() {
    for (platform, system, command) in
        [("linux-arm64-musl", "linux", "brummer-hub"), ("win32-x64", "win32", "brummer-hub.exe")]
    {
        let manifest = manifest(platform).unwrap();
        assert_eq!(manifest["compatibility"]["platforms"], json!([system]));
        assert_eq!(manifest["server"]["entry_point"], format!("bin/{command}"));
        let config = &manifest["server"]["mcp_config"];
        assert_eq!(config["command"], format!("${{__dirname}}/bin/{command}"));
        assert_eq!(config["platform_overrides"], Value::Null);
    }
}

#[test]
fn the_same_files_give_the_same_bytes() {
    let (_one, first) = made(&["linux-x64-musl", "win32-x64"]);
    let (_other, second) = made(&["linux-x64-musl", "win32-x64"]);
    assert_eq!(first.digests, second.digests);
    // Without the archives of the other systems no formula is made.
    assert_eq!(
        first.left_out.iter().map(|(file, _)| *file).collect::<Vec<_>>(),
        ["brummer-hub.rb", "brummer-hub.json"]
    );
}

#[test]
fn the_command_comes_out_as_it_went_in() {
    let (place, _) = made(&["darwin-arm64"]);
    let file = File::open(place.path().join("out/brummer-hub-1.2.3-darwin-arm64.tar.gz")).unwrap();
    let mut archive = tar::Archive::new(GzDecoder::new(file));
    let mut entry = archive
        .entries()
        .unwrap()
        .map(Result::unwrap)
        .find(|entry| entry.path().unwrap().ends_with("brummer-hub"))
        .unwrap();
    let mut text = String::new();
    entry.read_to_string(&mut text).unwrap();
    assert_eq!(text, "command of darwin-arm64");
}

#[test]
fn what_is_no_platform_is_refused() {
    let place = tempfile::tempdir().unwrap();
    fs::create_dir_all(place.path().join("artifacts/plan9-x64")).unwrap();
    let error = dist(&place.path().join("artifacts"), &place.path().join("out"), "1.2.3").unwrap_err();
    assert!(error.to_string().contains("plan9-x64"), "{error}");
}

/// What `cargo publish` would upload: with the licence, without what only this repository's tests need.
#[test]
fn each_crate_has_its_licence_and_readme() {
    for (package, more) in
        [("brummer-hub", None), ("brummer-run", Some("THIRD_PARTY.md")), ("brummer-cli", None)]
    {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = std::process::Command::new(cargo);
        command.current_dir(root()).args(["package", "--list", "--allow-dirty", "--offline", "-p", package]);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let files = String::from_utf8(output.stdout).unwrap();
        let files: BTreeSet<&str> = files.lines().collect();
        for file in ["LICENSE", "README.md", "Cargo.toml"].into_iter().chain(more) {
            assert!(files.contains(file), "{package} has no {file}: {files:?}");
        }
        assert!(!files.iter().any(|file| file.starts_with("tests/")), "{package}: {files:?}");
    }
}
