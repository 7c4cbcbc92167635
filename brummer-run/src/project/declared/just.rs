//! `justfile`: its recipes, but for private ones.

use std::path::Path;

use super::{Declared, Source, is_name, text};

pub(super) struct Just;

impl Source for Just {
    fn prefix(&self) -> &'static str {
        "just"
    }

    fn commands(&self, directory: &Path) -> Result<Vec<Declared>, String> {
        let found = text(directory, &["justfile", "Justfile", ".justfile"])?;
        let Some((file, text)) = found else { return Ok(Vec::new()) };
        Ok(recipes(&text).into_iter().map(|name| Declared::new(file, name, "just", [name])).collect())
    }
}

fn recipes(text: &str) -> Vec<&str> {
    const WORDS: [&str; 6] = ["set", "alias", "export", "import", "mod", "import?"];

    let mut recipes = Vec::new();
    let mut is_private = false;
    for line in text.lines().filter(|line| !line.starts_with(['\t', ' ', '#']) && !line.trim().is_empty()) {
        if line.starts_with('[') {
            is_private |= line.contains("private");
            continue;
        }
        let Some((head, rest)) = line.split_once(':') else { continue };
        let name = head.split_whitespace().next().unwrap_or_default().trim_start_matches('@');
        let is_recipe = !rest.starts_with('=') && is_name(name) && !WORDS.contains(&name);
        if is_recipe && !std::mem::take(&mut is_private) && !recipes.contains(&name) {
            recipes.push(name);
        }
    }
    recipes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recipes_are_told_from_the_rest() {
        let text = "set shell := [\"sh\"]\nport := \"1\"\nalias b := build\nexport X := 'a:b'\n\n# runs it\ndev target='x:y': build\n    node x\n\
            @build:\n  tsc\n_hidden:\n  true\n[private]\nsecret:\n  true\n[group('ci')]\ntest *args:\n  x\n";
        assert_eq!(recipes(text), ["dev", "build", "test"]);
    }
}
