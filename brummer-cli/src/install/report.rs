//! What `install` says: one line for each client, and what the user has to do.

use std::{
    fmt::{Display, Write as _},
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use similar::TextDiff;

use super::{Request, Target, Task, clients::Client, plan::State};
use crate::{
    clean,
    columns::{self, padded},
    exit::{ExitStatus, Failure},
    list::table::shortened,
    output,
};

/// What is said of an entry that the user has turned off.
const STAYS_OFF: &str = "it is configured, and stays turned off";

/// What became of each client.
#[derive(Debug)]
pub(super) struct Report {
    home: PathBuf,
    lines: Vec<Line>,
    entries: Vec<Value>,
    failed: bool,
}

#[derive(Debug)]
struct Line {
    client: &'static str,
    what: &'static str,
    file: String,
    /// What follows the line, indented, for the person to act on.
    more: Vec<String>,
    /// A diff or lines of a file, as they are.
    text: String,
    note: Option<&'static str>,
}

impl Report {
    pub(super) fn new(home: PathBuf) -> Self {
        Self { home, lines: Vec::new(), entries: Vec::new(), failed: false }
    }

    /// One client of `--list`.
    pub(super) fn list(&mut self, target: &Target) {
        let state = target.state();
        let configured = matches!(state, State::Current | State::Outdated | State::Off);
        let what = match &state {
            State::Missing if target.found => "found",
            State::Missing => "not found",
            state => word(state),
        };
        self.entries.push(json!({
            "id": target.client.id,
            "name": target.client.name,
            "found": target.found,
            "configured": configured,
            "state": what,
            "file": target.path,
            "problem": match &state {
                State::Unreadable(why) => Some(why),
                _ => None,
            },
        }));
        let mut line = self.line(target, what);
        if let State::Unreadable(why) = &state {
            line.more.push(why.clone());
        }
        self.lines.push(line);
    }

    /// Nothing was to be done.
    pub(super) fn kept(&mut self, target: &Target, state: &State, options: &[String]) {
        let what = match state {
            State::Current => "configured already",
            state => word(state),
        };
        if *state != State::Missing {
            let mut line = self.line(target, what);
            line.more.extend((*state == State::Off).then(|| STAYS_OFF.to_owned()));
            line.more.extend(stay(options));
            self.lines.push(line);
        }
    }

    /// The client is configured now.
    pub(super) fn done(
        &mut self,
        target: &Target,
        own: Option<&[String]>,
        options: &[String],
        backup: Option<PathBuf>,
    ) {
        let is_off = target.state() == State::Off;
        let mut line = self.line(target, if is_off { word(&State::Off) } else { "configured" });
        line.more.extend(is_off.then(|| STAYS_OFF.to_owned()));
        if let (Some(words), Some(own)) = (own, &target.client.own) {
            line.more.push(format!("by {}", command(own.program, words)));
        }
        line.more.extend(stay(options));
        line.more.extend(backup.map(|backup| self.before(&backup)));
        line.note = target.client.note;
        self.lines.push(line);
    }

    /// The client is no longer configured.
    pub(super) fn undone(&mut self, target: &Target, backup: Option<PathBuf>) {
        let mut line = self.line(target, "removed");
        line.more.extend(backup.map(|backup| self.before(&backup)));
        self.lines.push(line);
    }

    /// What would be done.
    pub(super) fn would(
        &mut self,
        target: &Target,
        own: Option<&[String]>,
        options: &[String],
        old: &str,
        new: &str,
    ) {
        let mut line = self.line(target, "would change");
        line.more.extend(stay(options));
        if let (Some(words), Some(own)) = (own, &target.client.own) {
            line.more.push(format!("by {}, which changes about this:", command(own.program, words)));
        }
        let diff = TextDiff::from_lines(old, new);
        let name = self.short(&target.path);
        let diff = diff.unified_diff().context_radius(3).header(&name, &name).to_string();
        // What stands around may be the key of another server.
        line.text = diff.lines().map(|line| brummer_run::mask(line) + "\n").collect();
        self.lines.push(line);
    }

    /// It could not be done; the user can.
    pub(super) fn refused(&mut self, target: &Target, why: &impl Display, add: Option<&str>) {
        self.failed = true;
        let mut line = self.line(target, "not changed");
        let why = why.to_string();
        line.more.push(why.strip_prefix("error: ").unwrap_or(&why).to_owned());
        if let Some(add) = add {
            line.more.push("add this to it yourself:".to_owned());
            line.text = add.to_owned();
        }
        self.lines.push(line);
    }

    /// Whether all went well, and else why not.
    pub(super) fn into_result(self) -> Result<(), Failure> {
        let why = self.lines.iter().flat_map(|line| line.more.iter()).next();
        match (self.failed, why) {
            (false, _) => Ok(()),
            (true, why) => Err(Failure::new(why.map_or("it was not changed", String::as_str))),
        }
    }

    /// Prints everything.
    pub(super) fn print(self, request: &Request, named: &[&Client]) -> Result<ExitStatus, Failure> {
        match request.task {
            Task::List { json: true } => {
                output::data(&format!("{:#}\n", json!({ "clients": self.entries })))?;
                return Ok(ExitStatus::Success);
            }
            Task::Install if self.lines.is_empty() => {
                let known: Vec<&str> = super::known().map(|(id, _)| id).collect();
                return Err(Failure::new("no MCP client was found").hint(format!(
                    "name yours, found or not, such as `brummer-hub install {}`; those that are known are {}; \
                     `brummer-hub --mcp` on a terminal prints what any other needs",
                    known.first().unwrap_or(&"CLIENT"),
                    known.join(", ")
                )));
            }
            Task::Uninstall if self.lines.is_empty() => {
                let whose = if named.is_empty() { "no client" } else { "none of them" };
                output::note(format!("{whose} is configured"));
                return Ok(ExitStatus::Success);
            }
            _ => {}
        }
        output::data(&self.text())?;
        Ok(if self.failed { ExitStatus::Failure } else { ExitStatus::Success })
    }

    fn text(&self) -> String {
        let width = |column: fn(&Line) -> &str| {
            self.lines.iter().map(|line| columns::width(column(line))).max().unwrap_or_default()
        };
        let (client, what) = (width(|line| line.client), width(|line| line.what));
        let mut text = String::new();
        for line in &self.lines {
            // Writing into a String cannot fail.
            let (client, what) = (padded(line.client, client), padded(line.what, what));
            let _ = writeln!(text, "{client}  {what}  {}", line.file);
            for more in line.more.iter().map(String::as_str).chain(line.note) {
                let _ = writeln!(text, "    {}", clean::line(more));
            }
            for shown in line.text.lines() {
                let _ = writeln!(text, "    {}", printable_line(shown));
            }
        }
        text
    }

    fn line(&self, target: &Target, what: &'static str) -> Line {
        Line {
            client: target.client.id,
            what,
            file: self.short(&target.path),
            more: Vec::new(),
            text: String::new(),
            note: None,
        }
    }

    fn before(&self, backup: &Path) -> String {
        format!("as it was before: {}", self.short(backup))
    }

    fn short(&self, path: &Path) -> String {
        clean::line(&shortened(&path.to_string_lossy(), Some(&self.home)))
    }
}

/// What is said of options that are the user's own.
fn stay(options: &[String]) -> Option<String> {
    (!options.is_empty())
        .then(|| format!("your own options stay: {}", brummer_run::mask_words(options).join(" ")))
}

/// Tabs are how some files are indented.
fn printable_line(line: &str) -> String {
    line.split('\t').map(clean::line).collect::<Vec<_>>().join("\t")
}

fn word(state: &State) -> &'static str {
    match state {
        State::Missing => "not configured",
        State::Current => "configured",
        State::Outdated => "outdated",
        State::Off => "turned off",
        State::Foreign => "another server has this name",
        State::Unreadable(_) => "broken",
    }
}

/// The command as it is typed.
fn command(program: &str, words: &[String]) -> String {
    let quoted = words.iter().map(|word| {
        if word.is_empty() || word.contains([' ', '"', '\'', '\\', '$']) {
            format!("'{}'", word.replace('\'', r"'\''"))
        } else {
            word.clone()
        }
    });
    std::iter::once(program.to_owned()).chain(quoted).collect::<Vec<_>>().join(" ")
}
