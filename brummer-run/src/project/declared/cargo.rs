//! `Cargo.toml`: the programs of the package, and its tests.

use std::path::Path;

use toml::{Table, Value};

use super::{Declared, Source, is_name, toml};

pub(super) struct Cargo;

impl Source for Cargo {
    fn prefix(&self) -> &'static str {
        "cargo"
    }

    fn commands(&self, directory: &Path) -> Result<Vec<Declared>, String> {
        let Some((file, table)) = toml(directory, &["Cargo.toml"])? else { return Ok(Vec::new()) };
        let mut commands = Vec::new();
        let programs = programs(directory, &table);
        if let [_] = programs[..] {
            commands.push(Declared::new(file, "run", "cargo", ["run"]));
        } else {
            let run =
                |name: &String| Declared::new(file, &format!("run:{name}"), "cargo", ["run", "--bin", name]);
            commands.extend(programs.iter().map(run));
        }
        commands.push(Declared::new(file, "test", "cargo", ["test"]));
        Ok(commands)
    }
}

/// The names of the programs: those that are declared, and those that stand where Cargo looks for them.
fn programs(directory: &Path, table: &Table) -> Vec<String> {
    let name = |table: &Value| table.get("name").and_then(Value::as_str).map(str::to_owned);
    let mut programs: Vec<String> =
        table.get("bin").and_then(Value::as_array).into_iter().flatten().filter_map(name).collect();
    let is_off = |package: &Value| package.get("autobins").and_then(Value::as_bool) == Some(false);
    let Some(package) = table.get("package") else { return programs };
    if !is_off(package) {
        let main = name(package).filter(|_| programs.is_empty() && directory.join("src/main.rs").is_file());
        let others =
            directory.join("src/bin").read_dir().into_iter().flatten().flatten().filter_map(|entry| {
                let path = entry.path();
                let is_program =
                    path.extension().is_some_and(|it| it == "rs") || path.join("main.rs").is_file();
                is_program.then(|| path.file_stem()?.to_str().map(str::to_owned))?
            });
        let mut others: Vec<String> = main.into_iter().chain(others).collect();
        others.sort_unstable();
        programs.extend(others);
    }
    programs.retain(|name| is_name(name));
    programs.dedup();
    programs
}
