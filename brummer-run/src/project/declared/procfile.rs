//! `Procfile`: `web: node server.js`, a line for the shell each.

use std::path::Path;

use super::{Declared, Source, is_name, text};

pub(super) struct Procfile;

impl Source for Procfile {
    fn prefix(&self) -> &'static str {
        "proc"
    }

    fn commands(&self, directory: &Path) -> Result<Vec<Declared>, String> {
        let Some((file, text)) = text(directory, &["Procfile.dev", "Procfile"])? else {
            return Ok(Vec::new());
        };
        let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
        let processes = lines.filter_map(|line| line.split_once(':'));
        let processes = processes.map(|(name, command)| (name.trim(), command.trim()));
        let named = processes.filter(|(name, command)| is_name(name) && !command.is_empty());
        Ok(named.map(|(name, command)| Declared::shell(file, name, command)).collect())
    }
}
