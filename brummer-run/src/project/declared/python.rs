//! `pyproject.toml`: the scripts of the project, and the tasks of PDM, Poe, Hatch and taskipy.

use std::path::Path;

use toml::{Table, Value};

use super::{Declared, Source, is_name, toml};

pub(super) struct Python;

impl Source for Python {
    fn prefix(&self) -> &'static str {
        "python"
    }

    fn commands(&self, directory: &Path) -> Result<Vec<Declared>, String> {
        let Some((file, table)) = toml(directory, &["pyproject.toml"])? else { return Ok(Vec::new()) };
        // Who has made the environment of the project.
        let runner: &[&str] = if directory.join("uv.lock").is_file() {
            &["uv", "run"]
        } else if directory.join("poetry.lock").is_file() {
            &["poetry", "run"]
        } else if directory.join("pdm.lock").is_file() {
            &["pdm", "run"]
        } else {
            &[]
        };
        let kinds: [(&[&str], &[&str]); 6] = [
            (&["project", "scripts"], runner),
            (&["tool", "poetry", "scripts"], &["poetry", "run"]),
            (&["tool", "pdm", "scripts"], &["pdm", "run"]),
            (&["tool", "poe", "tasks"], &["poe"]),
            (&["tool", "hatch", "envs", "default", "scripts"], &["hatch", "run"]),
            (&["tool", "taskipy", "tasks"], &["task"]),
        ];
        let mut commands: Vec<Declared> = Vec::new();
        for (path, runner) in kinds {
            for (name, task) in below(&table, path).into_iter().flatten() {
                // PDM keeps its options beside its scripts under such a name.
                if !is_name(name) || commands.iter().any(|known| known.name == *name) {
                    continue;
                }
                let words: Vec<&str> = runner.iter().copied().chain([name.as_str()]).collect();
                let declared = Declared::new(file, name, words[0], words[1..].iter().copied());
                let line = ["cmd", "shell"].iter().find_map(|key| task.get(key)?.as_str());
                let line = line.or(task.as_str().filter(|_| path[0] == "tool"));
                let command = line.map_or(declared.command.clone(), str::to_owned);
                commands.push(Declared { command, ..declared });
            }
        }
        Ok(commands)
    }
}

fn below<'a>(table: &'a Table, path: &[&str]) -> Option<&'a Table> {
    path.iter().try_fold(table, |table, key| table.get(*key).and_then(Value::as_table))
}
