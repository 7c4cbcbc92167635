//! What was found, fit to be shown to others.

use std::path::PathBuf;

use serde::Serialize;
use serde_json::json;

use crate::{
    clean,
    exit::{ExitStatus, Failure},
    output,
};

/// How much it matters.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    /// As it should be.
    Ok,
    /// Good to know.
    Note,
    /// Something does not work.
    Problem,
    /// It was a problem, and is repaired.
    Fixed,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Finding {
    section: &'static str,
    level: Level,
    text: String,
    /// What the user can do.
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Report {
    /// Whether what can be repaired is repaired.
    pub(super) fix: bool,
    homes: Vec<String>,
    findings: Vec<Finding>,
    fixable: usize,
}

impl Report {
    pub(super) fn new(fix: bool) -> Self {
        Self { fix, homes: homes(std::env::home_dir()), findings: Vec::new(), fixable: 0 }
    }

    pub(super) fn ok(&mut self, section: &'static str, text: impl AsRef<str>) {
        self.add(section, Level::Ok, text.as_ref(), None);
    }

    pub(super) fn note(&mut self, section: &'static str, text: impl AsRef<str>, advice: Option<&str>) {
        self.add(section, Level::Note, text.as_ref(), advice);
    }

    pub(super) fn problem(&mut self, section: &'static str, text: impl AsRef<str>, advice: &str) {
        self.add(section, Level::Problem, text.as_ref(), Some(advice));
    }

    /// A problem that this program can repair, which it does if it was asked to.
    pub(super) fn repairable(
        &mut self,
        section: &'static str,
        text: impl AsRef<str>,
        advice: &str,
        repair: impl FnOnce() -> std::io::Result<()>,
    ) {
        if !self.fix {
            return self.fixable(section, text, advice);
        }
        match repair() {
            Ok(()) => self.fixed(section, text),
            Err(error) => {
                self.problem(section, format!("{}; it cannot be repaired: {error}", text.as_ref()), advice);
            }
        }
    }

    pub(super) fn fixed(&mut self, section: &'static str, text: impl AsRef<str>) {
        self.add(section, Level::Fixed, text.as_ref(), None);
    }

    /// A problem that this program can repair elsewhere.
    pub(super) fn fixable(&mut self, section: &'static str, text: impl AsRef<str>, advice: &str) {
        self.fixable += 1;
        self.problem(section, text, advice);
    }

    fn add(&mut self, section: &'static str, level: Level, text: &str, advice: Option<&str>) {
        let text = shareable(text, &self.homes);
        let advice = advice.map(|advice| shareable(advice, &self.homes));
        self.findings.push(Finding { section, level, text, advice });
    }

    /// Prints everything. The exit code says whether a problem is left.
    pub(super) fn print(self, json: bool) -> Result<ExitStatus, Failure> {
        let problems = self.findings.iter().filter(|finding| finding.level == Level::Problem).count();
        let head =
            format!("{} on {} {}", env!("CARGO_PKG_VERSION"), std::env::consts::OS, std::env::consts::ARCH);
        if json {
            let value = json!({ "version": env!("CARGO_PKG_VERSION"), "os": std::env::consts::OS,
                "arch": std::env::consts::ARCH, "problems": problems, "findings": self.findings });
            output::data(&clean::json(&format!("{value:#}\n")))?;
        } else {
            output::data(&format!("brummer-hub {head}\n{}", text(&self.findings, problems, self.fixable)))?;
        }
        Ok(if problems == 0 { ExitStatus::Success } else { ExitStatus::Failure })
    }
}

fn text(findings: &[Finding], problems: usize, fixable: usize) -> String {
    let mut text = String::new();
    let mut section = "";
    for finding in findings {
        if finding.section != section {
            section = finding.section;
            text += &format!("\n{section}\n");
        }
        let word = match finding.level {
            Level::Ok => "ok",
            Level::Note => "note",
            Level::Problem => "PROBLEM",
            Level::Fixed => "FIXED",
        };
        text += &format!("  {word:7}  {}\n", finding.text);
        if let Some(advice) = &finding.advice {
            text += &format!("           {advice}\n");
        }
    }
    text += &match (problems, fixable) {
        (0, _) => "\nno problem was found\n".to_owned(),
        (problems, fixable) => {
            let count = if problems == 1 { "1 problem".to_owned() } else { format!("{problems} problems") };
            match fixable {
                0 => format!("\n{count}\n"),
                fixable => format!("\n{count}; `brummer-hub doctor --fix` repairs {fixable}\n"),
            }
        }
    };
    text
}

/// The home directory as it may be written.
fn homes(home: Option<PathBuf>) -> Vec<String> {
    let Some(home) = home.filter(|home| home.components().count() > 1) else { return Vec::new() };
    let mut homes = vec![home.to_string_lossy().into_owned()];
    if let Ok(real) = home.canonicalize() {
        homes.push(real.to_string_lossy().into_owned());
    }
    // The longest first: one may be the beginning of the other.
    homes.sort_by_key(|home| std::cmp::Reverse(home.len()));
    homes.dedup();
    homes
}

/// Without the home directory, and without what steers a terminal.
fn shareable(text: &str, homes: &[String]) -> String {
    let text = homes.iter().fold(text.to_owned(), |text, home| text.replace(home.as_str(), "~"));
    // An instance may say anything, as in the reason why it refuses.
    clean::line(&brummer_run::mask_setting(&text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_the_home_directory_is_shown() {
        let homes = ["/home/ada".to_owned(), "/h/ada".to_owned()];
        assert_eq!(shareable("/home/ada/x and /h/ada:/home/ada\x1b[2J", &homes), "~/x and ~:~\u{fffd}[2J");
        assert!(super::homes(Some(PathBuf::from("/"))).is_empty(), "everything would be a tilde");
    }

    #[test]
    fn no_secret_is_shown_that_an_instance_says() {
        let said = "HTTP status 500: db postgres://u:hunter2secret@db/x, password=hunter2secret, at /mcp?token=hunter2secret";
        let shown = shareable(said, &[]);
        assert!(
            !shown.contains("hunter2secret") && shown.contains("HTTP status 500: db postgres://"),
            "{shown}"
        );
    }

    #[test]
    fn problems_stand_out_and_say_what_to_do() {
        let mut report = Report::new(false);
        report.ok("Program", "it runs");
        report.note("Program", "another is in PATH", None);
        report.repairable("Directories", "others may write", "chmod", || panic!("nobody has asked for it"));
        let shown = text(&report.findings, 1, report.fixable);
        assert_eq!(
            shown,
            "\nProgram\n  ok       it runs\n  note     another is in PATH\n\nDirectories\n  PROBLEM  others may write\n           \
             chmod\n\n1 problem; `brummer-hub doctor --fix` repairs 1\n"
        );
    }
}
