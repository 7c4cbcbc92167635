//! `composer.json`: its scripts, but for those that Composer runs by itself.

use std::path::Path;

use serde_json::Value;

use super::{Declared, Source, is_name, json};

pub(super) struct Composer;

impl Source for Composer {
    fn prefix(&self) -> &'static str {
        "composer"
    }

    fn commands(&self, directory: &Path) -> Result<Vec<Declared>, String> {
        let Some((file, value)) = json(directory, &["composer.json"])? else { return Ok(Vec::new()) };
        let scripts = value.get("scripts").and_then(Value::as_object).into_iter().flatten();
        let own = scripts
            .filter(|(name, _)| is_name(name) && !name.starts_with("pre-") && !name.starts_with("post-"));
        let command = |(name, script): (&String, &Value)| {
            // It ends scripts after five minutes otherwise, which no dev server wants.
            let declared = Declared::new(file, name, "composer", ["run-script", "--timeout=0", name]);
            let lines: Vec<&str> = match script {
                Value::String(line) => vec![line],
                other => other.as_array().into_iter().flatten().filter_map(Value::as_str).collect(),
            };
            let command = if lines.is_empty() { declared.command.clone() } else { lines.join(" && ") };
            Declared { command, ..declared }
        };
        Ok(own.map(command).collect())
    }
}
