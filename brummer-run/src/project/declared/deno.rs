//! `deno.json`: its tasks.

use std::path::Path;

use serde_json::Value;

use super::{Declared, Source, is_name, json};

pub(super) struct Deno;

impl Source for Deno {
    fn prefix(&self) -> &'static str {
        "deno"
    }

    fn commands(&self, directory: &Path) -> Result<Vec<Declared>, String> {
        let Some((file, value)) = json(directory, &["deno.json", "deno.jsonc"])? else {
            return Ok(Vec::new());
        };
        let tasks = value.get("tasks").and_then(Value::as_object).into_iter().flatten();
        let command = |(name, task): (&String, &Value)| {
            let declared = Declared::new(file, name, "deno", ["task", name]);
            let line = task.as_str().or_else(|| task.get("command")?.as_str());
            Declared { command: line.map_or(declared.command.clone(), str::to_owned), ..declared }
        };
        Ok(tasks.filter(|(name, _)| is_name(name)).map(command).collect())
    }
}
