use std::fs;

use super::*;

/// What a directory with these files declares: names and commands.
fn declared(files: &[(&str, &str)]) -> Vec<(String, String)> {
    let (declared, faults) = all(files);
    assert_eq!(faults, [] as [&str; 0]);
    declared.into_iter().map(|it| (it.name, it.command)).collect()
}

fn all(files: &[(&str, &str)]) -> (Vec<Declared>, Vec<String>) {
    let directory = tempfile::tempdir().unwrap();
    for (path, contents) in files {
        let path = directory.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, contents).unwrap();
    }
    read(directory.path())
}

#[test]
fn each_kind_of_file_declares_commands_of_its_tool() {
    for (files, wanted) in [
        (
            &[("Procfile", "# all\nweb: node server.js -p 1\nworker: x: y\n\nbad line\n: none\n")][..],
            &[("proc:web", "node server.js -p 1"), ("proc:worker", "x: y")][..],
        ),
        (&[("Makefile", "dev:\n\tnode x\n")], &[("make:dev", "make dev")]),
        (&[("justfile", "dev:\n  node x\n")], &[("just:dev", "just dev")]),
        (
            &[(
                "mise.toml",
                "[tasks]\nlint = \"eslint .\"\n[tasks.dev]\nrun = 'vite'\n[tasks.x]\nhide = true\n",
            )],
            &[("mise:dev", "vite"), ("mise:lint", "eslint .")],
        ),
        (
            &[(
                "deno.jsonc",
                "{ // all\n \"tasks\": { \"dev\": \"deno run x.ts\", \"b\": { \"command\": \"y\" } }, }",
            )],
            &[("deno:dev", "deno run x.ts"), ("deno:b", "y")],
        ),
        (
            &[(
                "composer.json",
                r#"{ "scripts": { "dev": ["a", "b"], "test": "phpunit", "post-install-cmd": "x" } }"#,
            )],
            &[("composer:dev", "a && b"), ("composer:test", "phpunit")],
        ),
        (
            &[
                (
                    "pyproject.toml",
                    "[project.scripts]\nserve = 'shop:main'\n[tool.poe.tasks]\nlint = 'ruff check'\n",
                ),
                ("uv.lock", ""),
            ],
            &[("python:serve", "uv run serve"), ("python:lint", "ruff check")],
        ),
        (
            &[("pyproject.toml", "[tool.pdm.scripts]\n_.env_file = '.env'\ndev = {cmd = 'flask run'}\n")],
            &[("python:dev", "flask run")],
        ),
        (
            &[("Cargo.toml", "[package]\nname = 'shop'\n"), ("src/main.rs", "")],
            &[("cargo:run", "cargo run"), ("cargo:test", "cargo test")],
        ),
        (
            &[
                ("Cargo.toml", "[package]\nname = 'shop'\n"),
                ("src/main.rs", ""),
                ("src/bin/x.rs", ""),
                ("src/bin/y/main.rs", ""),
            ],
            &[
                ("cargo:run:shop", "cargo run --bin shop"),
                ("cargo:run:x", "cargo run --bin x"),
                ("cargo:run:y", "cargo run --bin y"),
                ("cargo:test", "cargo test"),
            ],
        ),
        (&[("Cargo.toml", "[workspace]\n")], &[("cargo:test", "cargo test")]),
        (
            &[("go.mod", "module x\n"), ("main.go", ""), ("cmd/api/main.go", "")],
            &[("go:run", "go run ."), ("go:run:api", "go run ./cmd/api"), ("go:test", "go test ./...")],
        ),
        (
            &[(
                "compose.yaml",
                "services:\n  db:\n    image: postgres\n  web:\n    build: .\n    depends_on: [db]\n",
            )],
            &[
                ("compose:db", "docker compose up --no-log-prefix db"),
                ("compose:web", "docker compose up --no-log-prefix web"),
            ],
        ),
    ] {
        let found = declared(files);
        let found: Vec<(&str, &str)> = found.iter().map(|(name, command)| (&**name, &**command)).collect();
        assert_eq!(found, wanted, "{files:?}");
    }
}

#[test]
fn launch_configurations_have_a_port_and_a_place() {
    let text = r#"{ "version": "0.0.1", "configurations": [
        { "name": "web", "runtimeExecutable": "npm", "runtimeArgs": ["run", "dev"], "port": 3000, "cwd": "apps/web" },
        { "name": "api", "program": "server.js", "args": ["-v", "two words"], "env": { "A": "b", "C": 1 } },
        { "name": "out", "program": "x.js", "cwd": "../other" }, { "name": "none" } ] }"#;
    let (found, _) = all(&[(".claude/launch.json", text)]);
    let [web, api] = &found[..] else { panic!("{found:#?}") };
    assert_eq!((&*web.name, &*web.command, web.port), ("launch:web", "npm run dev", Some(3000)));
    assert_eq!(web.directory, Path::new("apps/web"));
    assert_eq!(
        (&*api.command, api.environment.clone()),
        ("node server.js -v \"two words\"", vec![("A".to_owned(), "b".to_owned())])
    );
}

#[test]
fn a_file_that_cannot_be_read_is_named_and_costs_no_other() {
    let (found, faults) = all(&[
        ("deno.json", "{ \"tasks\": "),
        ("mise.toml", "[tasks"),
        ("compose.yaml", "services: [\n  {"),
        ("Procfile", "web: x\n"),
    ]);
    assert_eq!(found.len(), 1);
    for (fault, file) in faults.iter().zip(["mise.toml", "deno.json", "compose.yaml"]) {
        assert!(fault.starts_with(&format!("{file} is not valid ")), "{fault}");
    }
    assert_eq!(faults.len(), 3);
}

#[test]
fn names_that_a_tool_would_take_for_something_else_are_left_out() {
    let (found, _) = all(&[
        ("Procfile", "-x: y\n"),
        ("deno.json", r#"{ "tasks": { "--allow-all": "x", "a b": "y", "ok": "z" } }"#),
    ]);
    assert_eq!(found.iter().map(|it| &*it.name).collect::<Vec<_>>(), ["deno:ok"]);
}
