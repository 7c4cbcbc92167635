//! `mise.toml`: its tasks, but for hidden ones.

use std::path::Path;

use toml::Value;

use super::{Declared, Source, is_name, toml};

pub(super) struct Mise;

impl Source for Mise {
    fn prefix(&self) -> &'static str {
        "mise"
    }

    fn commands(&self, directory: &Path) -> Result<Vec<Declared>, String> {
        let names = ["mise.local.toml", "mise.toml", ".mise.toml", "mise/config.toml", ".config/mise.toml"];
        let Some((file, table)) = toml(directory, &names)? else { return Ok(Vec::new()) };
        let tasks = table.get("tasks").and_then(Value::as_table).into_iter().flatten();
        let tasks = tasks
            .filter(|(name, task)| is_name(name) && task.get("hide").and_then(Value::as_bool) != Some(true));
        let command = |(name, task): (&String, &Value)| {
            let declared = Declared::new(file, name, "mise", ["run", name]);
            let run = task.as_str().or_else(|| task.get("run")?.as_str());
            Declared { command: run.map_or(declared.command.clone(), str::to_owned), ..declared }
        };
        Ok(tasks.map(command).collect())
    }
}
