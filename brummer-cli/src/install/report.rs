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
    pub(super) fn kept(&mut self, target: &Target, state: &State) {
        let what = match state {
            State::Current => "configured already",
            state => word(state),
        };
        if *state != State::Missing {
            let line = self.line(target, what);
            self.lines.push(line);
        }
    }

    /// The client is configured now.
    pub(super) fn done(&mut self, target: &Target, own: Option<&[String]>, backup: Option<PathBuf>) {
        let mut line = self.line(target, "configured");
        if let (Some(words), Some(own)) = (own, &target.client.own) {
            line.more.push(format!("by {}", command(own.program, words)));
        }
        if let Some(backup) = backup {
            line.more.push(format!("as it was before: {}", self.short(&backup)));
        }
        line.note = target.client.note;
        self.lines.push(line);
    }

    /// The client is no longer configured.
    pub(super) fn undone(&mut self, target: &Target) {
        let line = self.line(target, "removed");
        self.lines.push(line);
    }

    /// What would be done.
    pub(super) fn would(&mut self, target: &Target, own: Option<&[String]>, old: &str, new: &str) {
        let mut line = self.line(target, "would change");
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
                return Err(Failure::new("no MCP client was found").hint(
                    "name yours: `brummer-hub install --list` shows all that are known, `brummer-hub --mcp` on a \
                     terminal prints what any other needs",
                ));
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

    fn short(&self, path: &Path) -> String {
        clean::line(&shortened(&path.to_string_lossy(), Some(&self.home)))
    }
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
