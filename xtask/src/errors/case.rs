//! A recipe of the corpus: which tool runs on which files, and what is done while it runs. The format is told in the
//! corpus's README.

use anyhow::{Context, Result, bail};

/// What is done, in this order.
#[derive(Debug)]
pub(super) enum Step {
    Write {
        path: String,
        text: String,
    },
    Remove(String),
    /// Waits until the output has this, after what was waited for before.
    Wait(String),
    /// Asks for a URL.
    Get(String),
    Pause(u64),
}

/// A recipe.
#[derive(Debug, Default)]
pub(super) struct Case {
    pub(super) npm: Vec<String>,
    pub(super) pip: Vec<String>,
    pub(super) environment: Vec<(String, String)>,
    pub(super) command: String,
    pub(super) terminal: bool,
    pub(super) steps: Vec<Step>,
}

impl Case {
    pub(super) fn parse(text: &str) -> Result<Self> {
        let mut case = Self::default();
        let mut sections = text.split("\n-- ");
        for line in sections.next().unwrap_or_default().lines() {
            let (key, rest) = line.split_once(' ').unwrap_or((line, ""));
            let words = || rest.split_whitespace().map(str::to_owned);
            match key {
                "npm" => case.npm.extend(words()),
                "pip" => case.pip.extend(words()),
                "env" => {
                    let (name, value) = rest.split_once('=').context("`env` has no `=`")?;
                    case.environment.push((name.to_owned(), value.to_owned()));
                }
                "run" => rest.clone_into(&mut case.command),
                "terminal" => case.terminal = true,
                // What the replay reads.
                "" | "#" | "tool" | "error" | "mended" | "clean" => {}
                other => bail!("the recipe has an unknown line: {other}"),
            }
        }
        for section in sections {
            let (head, text) = section.split_once('\n').unwrap_or((section, ""));
            let head =
                head.strip_suffix(" --").with_context(|| format!("`-- {head}` has no `--` at its end"))?;
            let (what, rest) = head.split_once(' ').unwrap_or((head, ""));
            case.steps.push(match what {
                "wait" => Step::Wait(rest.to_owned()),
                "get" => Step::Get(rest.to_owned()),
                "remove" => Step::Remove(rest.to_owned()),
                "pause" => Step::Pause(rest.parse().context("`pause` takes milliseconds")?),
                // A path may have blanks.
                _ => Step::Write { path: head.to_owned(), text: format!("{text}\n") },
            });
        }
        Ok(case)
    }
}
