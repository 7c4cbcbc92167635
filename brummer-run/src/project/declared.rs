//! Commands that files other than `package.json` declare: a `Procfile`, a `Makefile` and so on.
//!
//! Each kind of file is a [`Source`] with a file of its own here, which reads it anew for each question. Only what a file
//! declares can be started, and by the tool that the file belongs to: dependencies, health checks and restarts are what that
//! tool makes of them.

mod cargo;
mod claude;
mod compose;
mod composer;
mod deno;
mod go;
mod just;
mod make;
mod mise;
mod procfile;
mod python;

use std::{
    borrow::Cow,
    ffi::OsString,
    path::{Path, PathBuf},
    time::Duration,
};

/// A file that declares commands is not larger than this.
const MAX_BYTES: u64 = 1024 * 1024;

/// How many commands of one file are taken.
const MAX_COMMANDS: usize = 100;

/// All kinds of files, in the order in which they are listed.
const SOURCES: [&dyn Source; 11] = [
    &claude::Claude,
    &procfile::Procfile,
    &make::Make,
    &just::Just,
    &mise::Mise,
    &deno::Deno,
    &composer::Composer,
    &python::Python,
    &cargo::Cargo,
    &go::Go,
    &compose::Compose,
];

/// A kind of file that declares commands.
trait Source: Sync {
    /// What stands before the names of its commands, as in `make:build`.
    fn prefix(&self) -> &'static str;

    /// The commands that the file in this directory declares; none if there is no such file. Blocking.
    ///
    /// # Errors
    /// What is wrong with the file.
    fn commands(&self, directory: &Path) -> Result<Vec<Declared>, String>;
}

/// A command that a file declares.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Declared {
    /// Its name in the file; then, once it is listed, with the kind of the file before it: `make:build`.
    pub(crate) name: String,
    /// The file.
    pub(crate) file: String,
    /// What it does, for a reader.
    pub(crate) command: String,
    pub(crate) program: OsString,
    pub(crate) arguments: Vec<OsString>,
    pub(crate) environment: Vec<(String, String)>,
    /// Where it runs, below the project; empty for the project itself.
    pub(crate) directory: PathBuf,
    /// The port that it listens on.
    pub(crate) port: Option<u16>,
    /// How long it may take to end when it is asked to.
    pub(crate) grace: Option<Duration>,
}

impl Declared {
    /// A command of a program with its arguments.
    fn new<'a>(file: &str, name: &str, program: &str, arguments: impl IntoIterator<Item = &'a str>) -> Self {
        let arguments: Vec<&str> = arguments.into_iter().collect();
        let command = shown(std::iter::once(program).chain(arguments.iter().copied()));
        Self {
            name: name.to_owned(),
            file: file.to_owned(),
            command,
            program: program.into(),
            arguments: arguments.into_iter().map(OsString::from).collect(),
            ..Self::default()
        }
    }

    /// A line for the shell.
    fn shell(file: &str, name: &str, line: &str) -> Self {
        let shell = if cfg!(windows) { ("cmd", ["/C", line]) } else { ("sh", ["-c", line]) };
        Self { command: line.to_owned(), ..Self::new(file, name, shell.0, shell.1) }
    }

    /// A command from the command line, which a person has given.
    pub(crate) fn given(program: OsString, arguments: Vec<OsString>) -> Self {
        let name = Path::new(&program).file_stem().unwrap_or(&program).to_string_lossy().into_owned();
        let words: Vec<_> =
            std::iter::once(&program).chain(&arguments).map(|word| word.to_string_lossy()).collect();
        let command = shown(words.iter().map(AsRef::as_ref));
        Self { name, file: "the command line".to_owned(), command, program, arguments, ..Self::default() }
    }
}

/// Words as one line, of which a reader can tell where each ends: a secret may have spaces.
fn shown<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let each = words.map(|word| match word.contains(char::is_whitespace) {
        true if word.contains('"') => Cow::Owned(format!("'{word}'")),
        true => Cow::Owned(format!("\"{word}\"")),
        false => Cow::Borrowed(word),
    });
    each.collect::<Vec<_>>().join(" ")
}

/// Everything that the files of a directory declare, and what is wrong with those that cannot be read. Blocking.
pub(super) fn read(directory: &Path) -> (Vec<Declared>, Vec<String>) {
    let (mut declared, mut faults) = (Vec::new(), Vec::new());
    for source in SOURCES {
        match source.commands(directory) {
            Ok(commands) => declared.extend(commands.into_iter().take(MAX_COMMANDS).map(|command| {
                let name = format!("{}:{}", source.prefix(), command.name);
                Declared { name, ..command }
            })),
            Err(fault) => faults.push(fault),
        }
    }
    (declared, faults)
}

/// The first of these files that there is, with its name.
fn text(directory: &Path, names: &[&'static str]) -> Result<Option<(&'static str, String)>, String> {
    for name in names {
        let path = directory.join(name);
        if !path.is_file() {
            continue;
        }
        let text = super::text(&path, MAX_BYTES + 1);
        let text = text.map_err(|error| format!("cannot read {name}: {error}"))?;
        if text.len() as u64 > MAX_BYTES {
            return Err(format!("{name} is larger than {MAX_BYTES} bytes"));
        }
        return Ok(Some((name, text.trim_start_matches('\u{feff}').to_owned())));
    }
    Ok(None)
}

/// A TOML file of a directory.
fn toml(directory: &Path, names: &[&'static str]) -> Result<Option<(&'static str, toml::Table)>, String> {
    let Some((file, text)) = text(directory, names)? else { return Ok(None) };
    let table = text
        .parse()
        .map_err(|error: toml::de::Error| format!("{file} is not valid TOML: {}", error.message()))?;
    Ok(Some((file, table)))
}

/// A JSON file of a directory, which may have comments.
fn json(
    directory: &Path,
    names: &[&'static str],
) -> Result<Option<(&'static str, serde_json::Value)>, String> {
    let Some((file, text)) = text(directory, names)? else { return Ok(None) };
    let value = jsonc_parser::parse_to_serde_value::<serde_json::Value>(
        &text,
        &jsonc_parser::ParseOptions::default(),
    )
    .map_err(|error| format!("{file} is not valid JSON: {error}"))?;
    Ok(Some((file, value)))
}

/// Whether a name can be given to a tool without being taken for an option or something else.
fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_alphanumeric())
        && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ':' | '/'))
}

#[cfg(test)]
mod tests;
