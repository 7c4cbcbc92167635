//! `go.mod`: the programs of the module, in its root and below `cmd`, and its tests.

use std::path::Path;

use super::{Declared, Source, is_name, text};

pub(super) struct Go;

impl Source for Go {
    fn prefix(&self) -> &'static str {
        "go"
    }

    fn commands(&self, directory: &Path) -> Result<Vec<Declared>, String> {
        let Some((file, _)) = text(directory, &["go.mod"])? else { return Ok(Vec::new()) };
        let mut commands = Vec::new();
        if directory.join("main.go").is_file() {
            commands.push(Declared::new(file, "run", "go", ["run", "."]));
        }
        let programs = directory.join("cmd").read_dir().into_iter().flatten().flatten();
        let programs = programs.filter(|entry| entry.path().join("main.go").is_file());
        let mut names: Vec<String> =
            programs.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.retain(|name| is_name(name));
        names.sort_unstable();
        commands.extend(names.iter().map(|name| {
            let place = format!("./cmd/{name}");
            Declared::new(file, &format!("run:{name}"), "go", ["run", &place])
        }));
        commands.push(Declared::new(file, "test", "go", ["test", "./..."]));
        Ok(commands)
    }
}
