//! `cargo xtask header`: makes `include/brummer_hub.h` from the sources of the C interface.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, bail};

use crate::root;

/// The header, which is checked in.
const HEADER: &str = "include/brummer_hub.h";

/// The sources that it is made from, in the order in which a reader wants to meet them.
const SOURCES: [&str; 14] = [
    "status",
    "version",
    "error",
    "string",
    "registration",
    "hub",
    "instances",
    "bell",
    "events",
    "session",
    "session/options",
    "session/calls",
    "session/messages",
    "cancel",
];

/// The rest, which nothing else refers to.
const LAST_SOURCES: [&str; 4] = ["subscription", "stdio", "stdio_instance", "log"];

/// Writes the header, or, with `--check`, only says whether it is current.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    let check = match arguments {
        [] => false,
        [flag] if flag == "--check" => true,
        _ => bail!("`cargo xtask header` takes no argument but `--check`"),
    };
    let path = root().join(HEADER);
    let current = fs::read_to_string(&path).unwrap_or_default();
    let made = generate(&root().join("bindings/c"))?;
    if made == normal(&current) {
        return Ok(ExitCode::SUCCESS);
    }
    if check {
        bail!("{HEADER} is not what the sources say; run `cargo xtask header`");
    }
    fs::write(&path, made).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(ExitCode::SUCCESS)
}

/// Git may have checked it out with the line ends of Windows.
fn normal(text: &str) -> String {
    text.replace("\r\n", "\n")
}

/// The header as the sources say.
fn generate(binding: &Path) -> Result<String> {
    let config = cbindgen::Config::from_file(binding.join("cbindgen.toml")).map_err(anyhow::Error::msg)?;
    let mut builder = cbindgen::Builder::new().with_config(config);
    for name in SOURCES.iter().chain(&LAST_SOURCES) {
        let source: PathBuf = binding.join("src").join(name).with_extension("rs");
        builder = builder.with_src(source);
    }
    let bindings = builder.generate().context("cbindgen cannot read the sources")?;
    let mut text = Vec::new();
    bindings.write(&mut text);
    Ok(normal(&String::from_utf8(text)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_what_the_sources_say() {
        run(&["--check".to_owned()]).unwrap();
    }

    #[test]
    fn every_function_says_what_it_must() {
        let header = normal(&fs::read_to_string(root().join(HEADER)).unwrap());
        let parts: Vec<_> = header.split("\nBH_API").collect();
        assert!(parts.len() > 50);
        for pair in parts.windows(2) {
            let comment = pair[0].rsplit("/**").next().unwrap();
            let declaration = pair[1].split(';').next().unwrap();
            let (name, parameters) = declaration.split_once('(').unwrap();
            assert!(comment.trim_end().ends_with("*/"), "{name} has no text");
            assert!(comment.contains(" * Threads: "), "{name} does not say which threads may call it");
            if !name.contains("bh_status ") || !declaration.contains("**error") {
                continue;
            }
            assert!(comment.contains(" * @return "), "{name} does not say what it returns");
            for parameter in parameters.trim_end_matches(')').split(',') {
                let word = parameter.rsplit([' ', '*']).next().unwrap();
                assert!(
                    comment.contains(&format!(" * @param {word} ")),
                    "{name} does not say what `{word}` is"
                );
            }
        }
    }
}
