//! `.claude/launch.json`: the dev servers of a project, as Claude Code reads them.

use std::path::{Component, Path};

use serde_json::Value;

use super::{Declared, Source, is_name, json};

pub(super) struct Claude;

impl Source for Claude {
    fn prefix(&self) -> &'static str {
        "launch"
    }

    fn commands(&self, directory: &Path) -> Result<Vec<Declared>, String> {
        let Some((file, value)) = json(directory, &[".claude/launch.json"])? else { return Ok(Vec::new()) };
        let configurations = value.get("configurations").and_then(Value::as_array);
        Ok(configurations.into_iter().flatten().filter_map(|entry| configuration(file, entry)).collect())
    }
}

/// One entry: a program with arguments, or a file for Node.
fn configuration(file: &str, entry: &Value) -> Option<Declared> {
    let text = |key: &str| entry.get(key).and_then(Value::as_str);
    let words =
        |key: &str| entry.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let name = text("name").filter(|name| is_name(name))?;
    let program = text("runtimeExecutable").or(text("program").and(Some("node")))?;
    let arguments = words("runtimeArgs").chain(text("program")).chain(words("args"));
    let mut declared = Declared::new(file, name, program, arguments);
    let variables = entry.get("env").and_then(Value::as_object).into_iter().flatten();
    declared.environment =
        variables.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect();
    declared.port = entry.get("port").and_then(Value::as_u64).and_then(|port| u16::try_from(port).ok());
    let place =
        text("cwd").unwrap_or_default().trim_start_matches("${workspaceFolder}").trim_start_matches('/');
    // Only below the project.
    let is_below =
        Path::new(place).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    declared.directory = is_below.then(|| place.into())?;
    Some(declared)
}
