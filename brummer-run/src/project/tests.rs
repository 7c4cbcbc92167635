use std::fs;

use super::*;

struct Directory(tempfile::TempDir);

impl Directory {
    /// Files with their contents, below a directory of the test's own that is a repository.
    fn with(files: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join(".git")).unwrap();
        for (path, contents) in files {
            let path = directory.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, contents).unwrap();
        }
        Self(directory)
    }

    fn read(&self, path: &str) -> Project {
        Project::read(&self.0.path().join(path), None).unwrap()
    }

    fn manager(files: &[(&str, &str)]) -> (PackageManager, String) {
        let project = Self::with(files).read(".");
        (project.manager, project.manager_reason)
    }
}

#[test]
fn scripts_come_in_their_order() {
    let text =
        r#"{ "name": "shop", "scripts": { "dev": "vite", "build": "vite build", "odd": 5, "a": "b" } }"#;
    let project = Directory::with(&[("package.json", text)]).read(".");
    assert_eq!(project.name.as_deref(), Some("shop"));
    assert_eq!(project.script_names(), ["dev", "build", "a"]);
    let chosen = project.script("build").unwrap();
    assert_eq!((chosen.command.as_str(), chosen.directory), ("vite build", project.directory.clone()));
    let error = project.script("biuld").unwrap_err().to_string();
    assert_eq!(error, "there is no script `biuld`; there are `dev`, `build`, `a`");
}

#[test]
fn the_package_manager_is_what_the_project_says() {
    use PackageManager::{Bun, Npm, Pnpm, Yarn};

    let manager = r#"{ "packageManager": "pnpm@9.1.0+sha512.1", "engines": { "yarn": "1" } }"#;
    let newer = r#"{ "devEngines": { "packageManager": { "name": "bun", "onFail": "warn" } } }"#;
    let engines = r#"{ "engines": { "node": ">=20", "npm": "please-use-yarn", "yarn": ">=1.22" } }"#;
    let none = ("package.json", r#"{ "engines": { "node": ">=20" } }"#);
    let reason = |(found, why): (PackageManager, String)| (found, why);
    assert_eq!(reason(Directory::manager(&[("package.json", manager), ("yarn.lock", "")])).0, Pnpm);
    assert_eq!(reason(Directory::manager(&[("package.json", newer)])).0, Bun);
    let (found, why) = Directory::manager(&[("package.json", engines), ("package-lock.json", "")]);
    assert_eq!((found, why.as_str()), (Yarn, "engines in package.json"));
    for (file, wanted) in [
        ("bun.lockb", Bun),
        ("bun.lock", Bun),
        ("pnpm-lock.yaml", Pnpm),
        ("yarn.lock", Yarn),
        ("package-lock.json", Npm),
    ] {
        assert_eq!(Directory::manager(&[none, (file, "")]), (wanted, file.to_owned()));
    }
    assert_eq!(Directory::manager(&[none]), (Npm, "default".to_owned()));
    let unknown = r#"{ "packageManager": "deno@2" }"#;
    assert_eq!(Directory::manager(&[("package.json", unknown)]).0, Npm);
}

#[test]
fn engines_that_only_forbid_a_manager_do_not_choose_it() {
    use PackageManager::{Bun, Npm, Pnpm, Yarn};

    for (engines, file, wanted) in [
        (r#"{ "npm": "please-use-yarn" }"#, "yarn.lock", Yarn),
        (r#"{ "npm": "please-use-yarn" }"#, "package-lock.json", Yarn),
        (r#"{ "npm": "use pnpm 9 instead" }"#, "readme", Pnpm),
        (r#"{ "yarn": "forbidden", "pnpm": "forbidden" }"#, "package-lock.json", Npm),
        (r#"{ "yarn": "0.0.0" }"#, "pnpm-lock.yaml", Pnpm),
        (r#"{ "yarn": "<0.0.1", "pnpm": ">=999" }"#, "readme", Npm),
        (r#"{ "yarn": "please-use-bun" }"#, "yarn.lock", Bun),
        (r#"{ "yarn": "not-supported", "npm": ">=9" }"#, "pnpm-lock.yaml", Npm),
        (r#"{ "pnpm": ">=0", "npm": "no" }"#, "package-lock.json", Pnpm),
        (r#"{ "yarn": "1.x" }"#, "package-lock.json", Yarn),
        (r#"{ "yarn": "*" }"#, "readme", Yarn),
        (r#"{ "pnpm": "^9.0.0 || ^10" }"#, "readme", Pnpm),
        (r#"{ "bun": "<99" }"#, "readme", Bun),
    ] {
        let package = format!(r#"{{ "engines": {engines} }}"#);
        let found = Directory::manager(&[("package.json", &package), (file, "")]);
        assert_eq!(found.0, wanted, "{engines} {file}");
    }
}

#[test]
fn a_package_of_a_monorepo_asks_its_root() {
    let directory = Directory::with(&[
        ("package.json", r#"{ "packageManager": "yarn@4.0.0" }"#),
        ("packages/web/package.json", "{}"),
    ]);
    assert_eq!(directory.read("packages/web").manager, PackageManager::Yarn);
    fs::remove_dir(directory.0.path().join(".git")).unwrap();
    assert_eq!(directory.read("packages/web").manager, PackageManager::Npm);
}

#[test]
fn arguments_go_to_the_script() {
    let more = ["--port".to_owned(), "1".to_owned()];
    assert_eq!(PackageManager::Npm.arguments("dev", &more), ["run", "dev", "--", "--port", "1"]);
    assert_eq!(PackageManager::Pnpm.arguments("dev", &more), ["run", "dev", "--port", "1"]);
    assert_eq!(PackageManager::Npm.arguments("dev", &[]), ["run", "dev"]);
}

#[test]
fn workspaces_are_found_in_every_form() {
    let members: [(&str, &str); 4] = [
        ("packages/web/package.json", r#"{ "name": "@shop/web", "scripts": { "dev": "vite" } }"#),
        ("packages/old/package.json", "{}"),
        ("packages/empty/readme", ""),
        ("tools/node_modules/x/package.json", "{}"),
    ];
    let object = r#"{ "workspaces": { "packages": ["packages/*", "!packages/old"] } }"#;
    let array = r#"{ "workspaces": ["packages/**", "!packages/old"] }"#;
    let files = [
        vec![("package.json", object)],
        vec![("package.json", array)],
        vec![
            ("package.json", "{}"),
            ("pnpm-workspace.yaml", "packages:\n  - packages/*\n  - '!packages/old'\n"),
        ],
        vec![("package.json", "{}"), ("lerna.json", r#"{ "packages": ["packages/w*"] }"#)],
    ];
    for files in files {
        let project = Directory::with(&[files.as_slice(), members.as_slice()].concat()).read(".");
        let found: Vec<_> =
            project.workspaces.iter().map(|it| (it.name.as_str(), it.path.as_str())).collect();
        assert_eq!(found, [("@shop/web", "packages/web")], "{files:?}");
        assert_eq!(project.script_names(), ["@shop/web#dev"]);
        for name in ["@shop/web#dev", "packages/web#dev", "./packages/web/#dev"] {
            let chosen = project.script(name).unwrap();
            assert_eq!(chosen.name, "@shop/web#dev", "one script has one name");
            assert_eq!(chosen.directory, project.directory.join("packages/web"));
            assert_eq!(chosen.script, "dev");
        }
    }
}

#[test]
fn a_script_has_one_name_however_it_is_spelled() {
    let directory = Directory::with(&[
        ("package.json", r#"{ "name": "shop", "workspaces": ["a", "b"], "scripts": { "dev": "vite" } }"#),
        ("a/package.json", r#"{ "name": "same", "scripts": { "dev": "vite" } }"#),
        ("b/package.json", r#"{ "name": "same", "scripts": { "dev": "next dev", "start": "next" } }"#),
    ]);
    let project = directory.read(".");
    let name = |spelling: &str| project.script(spelling).unwrap().name;
    assert_eq!(["dev", ".#dev", "shop#dev"].map(name), ["dev", "dev", "dev"]);
    // Two that are called the same are told apart by their paths.
    assert_eq!(["a#dev", "./b/#dev", "same#start"].map(name), ["a#dev", "b#dev", "b#start"]);
    assert_eq!(project.script_names(), ["dev", "a#dev", "b#dev", "b#start"]);
    assert!(project.script("other#dev").is_err());
}

#[test]
fn other_files_declare_commands_beside_package_json_or_without_it() {
    let makefile = ("Makefile", "dev:\n\tnode x\nlint:\n\teslint\n");
    let both =
        Directory::with(&[("package.json", r#"{ "scripts": { "dev": "vite" } }"#), makefile]).read(".");
    assert_eq!(both.script_names(), ["dev", "make:dev", "make:lint"]);
    let name = |spelling: &str| both.script(spelling).unwrap().name;
    assert_eq!(["dev", "make:dev", "lint"].map(name), ["dev", "make:dev", "make:lint"]);
    let without = Directory::with(&[makefile, ("justfile", "dev:\n  x\n")]).read(".");
    assert!(!without.is_package);
    assert!(without.script("dev").is_err(), "two files have one");
    assert_eq!(without.script("just:dev").unwrap().command, "just dev");
    let given = Declared::given("node".into(), vec!["x.js".into()]);
    let directory = Directory::with(&[]);
    let given = Project::read(directory.0.path(), Some(&given)).unwrap();
    assert_eq!(given.script("node").unwrap().command, "node x.js");
}

#[test]
fn what_is_wrong_is_named() {
    let directory = Directory::with(&[("bad/package.json", "{ \"scripts\": "), ("list/package.json", "[]")]);
    let message = |path: &str| Project::read(&directory.0.path().join(path), None).unwrap_err().to_string();
    assert!(message("bad").contains("not a valid package.json: EOF while parsing"), "{}", message("bad"));
    assert!(message("list").contains("not a JSON object"));
    assert!(message(".").starts_with("there is no package.json in "));
    assert!(message("missing").contains("does not exist"));
    assert!(matches!(Project::read(&directory.0.path().join("x"), None), Err(ProjectError::Gone(_))));
}

/// A pipe would keep whoever opens it until somebody writes.
#[cfg(unix)]
#[test]
fn files_of_a_project_are_no_pipes() {
    let files = ["pipe/package.json", "workspaces/pnpm-workspace.yaml", "workspaces/lerna.json", "tree/.git"];
    let directory = Directory::with(&[("workspaces/package.json", "{}"), ("tree/package.json", "{}")]);
    let place = |path: &str| directory.0.path().join(path);
    std::fs::create_dir(place("pipe")).unwrap();
    for file in files {
        assert!(std::process::Command::new("mkfifo").arg(place(file)).status().unwrap().success());
    }
    assert!(matches!(Project::read(&place("pipe"), None), Err(ProjectError::Read { .. })));
    assert!(Project::read(&place("workspaces"), None).unwrap().workspaces.is_empty());
    assert!(!super::worktree::is_linked(&place("tree")));
}
