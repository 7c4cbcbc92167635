//! `Makefile`: its phony targets; without any, all that are named in so many words.

use std::{collections::HashSet, path::Path};

use super::{Declared, Source, is_name, text};

pub(super) struct Make;

impl Source for Make {
    fn prefix(&self) -> &'static str {
        "make"
    }

    fn commands(&self, directory: &Path) -> Result<Vec<Declared>, String> {
        let found = text(directory, &["GNUmakefile", "makefile", "Makefile"])?;
        let Some((file, text)) = found else { return Ok(Vec::new()) };
        Ok(targets(&text).into_iter().map(|name| Declared::new(file, name, "make", [name])).collect())
    }
}

fn targets(text: &str) -> Vec<&str> {
    let mut targets = Vec::new();
    let mut phony = HashSet::new();
    for line in text.lines().filter(|line| !line.starts_with(['\t', ' ', '#'])) {
        let Some((names, rest)) = line.split_once(':') else { continue };
        // `NAME := value` and `NAME ::= value` are variables, and so is what has a `=` before its colon.
        if rest.trim_start_matches(':').starts_with('=') || names.contains('=') {
            continue;
        }
        if names.trim() == ".PHONY" {
            phony.extend(rest.split_whitespace());
        } else {
            targets.extend(names.split_whitespace().filter(|name| is_name(name) && !name.contains('/')));
        }
    }
    let mut seen = HashSet::new();
    targets.retain(|name| (phony.is_empty() || phony.contains(name)) && seen.insert(*name));
    targets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_told_from_variables_and_files() {
        let text = ".PHONY: dev test\n.PHONY: lint\nCC := gcc\nA ::= b\nX = a:b\nall: dev\ndev: build.o ## runs it\n\tnode x: y\n\
            test lint:\n%.o: %.c\n$(OUT): x\ndev: more\n";
        assert_eq!(targets(text), ["dev", "test", "lint"]);
        assert_eq!(targets("build/x: y\nrun: build\n\t./run\n.SUFFIXES:\n"), ["run"]);
    }
}
