//! Which processes seem to wait for an answer: what stands at the end of their output looks like a question, and nothing
//! follows. Owned by the log's task; pure.

use std::{collections::BTreeMap, sync::LazyLock};

use regex::Regex;

use super::{ansi, fold::PROMPTS, mask};

/// A longer line is no question.
const MAX_QUESTION: usize = 400;

/// The most lines below a question.
const MAX_ANSWERS: usize = 40;

/// `(y/N)` and the like at the end of a line.
static CHOICE: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r"(?i)[(\[]\s*(?:y|yes)\s*/\s*(?:n|no)\s*[)\]]\s*[?:>›»]*\s*$|\b(?:press|hit)\s+(?:any\s+key|enter|return)\b";
    Regex::new(pattern).expect("part of the program, and tested")
});

/// What stands still, but asks nothing: a bar, a count, or a word for work that goes on.
static WORKING: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r"(?i)[0-9]\s*%|\b[0-9]+/[0-9]+\b|^\W*\w+ing\b[^?]*$";
    Regex::new(pattern).expect("part of the program, and tested")
});

/// What a process asks.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Asked {
    pub(crate) process: u32,
    /// The question, without secrets and control sequences.
    pub(crate) question: String,
    /// When it came, in milliseconds of Unix time.
    pub(crate) at: i64,
}

/// The questions that nothing has followed yet.
#[derive(Debug, Default)]
pub(super) struct Asking {
    open: BTreeMap<u32, Asked>,
}

impl Asking {
    /// Takes note of lines; `is_unfinished` says that the last one has no end and has stood there for a while. Returns a
    /// question that is new.
    pub(super) fn take(
        &mut self,
        process: u32,
        lines: &[u8],
        is_unfinished: bool,
        at: i64,
    ) -> Option<&Asked> {
        let asked = question(lines, is_unfinished);
        self.open.remove(&process);
        let question = asked?;
        Some(self.open.entry(process).or_insert(Asked { process, question, at }))
    }

    /// Forgets what a process has asked: it was answered, or has ended.
    pub(super) fn forget(&mut self, process: u32) {
        self.open.remove(&process);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Asked> {
        self.open.values()
    }
}

/// The question at the end of some lines.
fn question(lines: &[u8], is_unfinished: bool) -> Option<String> {
    let lines = lines.strip_suffix(b"\n").unwrap_or(lines);
    last_line(lines, is_unfinished).or_else(|| if is_unfinished { prompt(lines) } else { None })
}

/// A question on a terminal whose answers stand below it.
fn prompt(lines: &[u8]) -> Option<String> {
    let text = super::text(lines);
    let mut shown = text.lines().rev().take(MAX_ANSWERS).map(ansi::strip);
    let is_prompt = |line: &String| PROMPTS.iter().any(|prompt| line.starts_with(prompt));
    let asked = shown.find(|line| line.len() <= MAX_QUESTION && is_prompt(line))?;
    Some(mask::mask(asked.trim()).into_owned())
}

fn last_line(lines: &[u8], is_unfinished: bool) -> Option<String> {
    let start = memchr::memrchr(b'\n', lines).map_or(0, |end| end + 1);
    let line = lines.get(start..).filter(|line| line.len() <= MAX_QUESTION)?;
    // Most lines end otherwise.
    if !is_unfinished
        && !line.trim_ascii_end().ends_with(b")")
        && memchr::memmem::find(line, b"ress ").is_none()
        && !line.trim_ascii_end().ends_with(b"]")
    {
        return None;
    }
    let text = super::text(line);
    let plain = ansi::strip(&text);
    // What stands before a carriage return is written over.
    let shown = plain.trim().rsplit('\r').next().unwrap_or_default().trim();
    let asks = CHOICE.is_match(shown) && (is_unfinished || !shown.contains("help"));
    let may_ask = is_unfinished
        && (shown.ends_with(['?', ':', '>', '›', '»', ']', ')']) || shown.starts_with("? "))
        && !WORKING.is_match(shown);
    (asks || may_ask).then(|| mask::mask(shown).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_told_from_work() {
        for text in [
            "Go on? ",
            "Port 3000 is in use. Use 3001 instead? (Y/n) ",
            "\x1b[36m?\x1b[0m Project name › ",
            "? Pick one (Use arrow keys)",
            "Ok to proceed? (y) ",
            "Password: ",
            "Overwrite [y/N]: ",
            "Press any key to continue . . . ",
            "> ",
        ] {
            assert!(question(text.as_bytes(), true).is_some(), "{text:?}");
        }
        for text in
            ["Building... 45%", "Downloading: ", "[12/80]", "Compiling (3)", "  modules transformed", ""]
        {
            assert_eq!(question(text.as_bytes(), true), None, "{text:?}");
        }
    }

    #[test]
    fn a_question_may_stand_above_its_answers() {
        let clack = "│\n\x1b[36m◆\x1b[39m  Framework\n│  ● Astro\n│  ○ Vite\n└\n";
        assert_eq!(question(clack.as_bytes(), true).unwrap(), "◆  Framework");
        assert_eq!(question(clack.as_bytes(), false), None);
        assert_eq!(question(b"? Pick\n> a\n  b\n\narrows navigate\n", true).unwrap(), "? Pick");
        assert_eq!(question("◇  Framework\n│  Vite\n".as_bytes(), true), None);
    }

    #[test]
    fn a_whole_line_asks_only_in_so_many_words() {
        for text in ["done?\nOverwrite the file? (yes/no)\n", "Continue [Y/n]\n", "Press Enter to go on\n"] {
            assert!(question(text.as_bytes(), false).is_some(), "{text:?}");
        }
        for text in [
            "Who knows?\n",
            "  ➜  press h + enter to show help\n",
            "GREEN  Waiting for file changes (3)\n",
            "Continue (y/n)\nno\n",
            "Local:\n",
        ] {
            assert_eq!(question(text.as_bytes(), false), None, "{text:?}");
        }
    }

    #[test]
    fn a_question_is_open_until_something_follows() {
        let mut asking = Asking::default();
        let asked = asking.take(1, b"up\nToken ghp_a1B2a1B2a1B2a1B2a1B2a1B2a1B2a1B2a1B2? ", true, 5).unwrap();
        assert_eq!((asked.question.as_str(), asked.at), ("Token ghp_[masked]?", 5));
        assert_eq!(asking.iter().count(), 1);
        assert_eq!(asking.take(1, b"thanks\n", false, 6), None);
        assert_eq!(asking.iter().count(), 0);
        asking.take(2, b"Go on? ", true, 7);
        asking.forget(2);
        assert_eq!(asking.iter().count(), 0);
    }
}
