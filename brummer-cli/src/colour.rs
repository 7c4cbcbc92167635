//! Whether colours are wanted: the one place that decides it, by `--color` and what many programs have agreed on
//! (<https://no-color.org>, <https://bixense.com/clicolors>).
//!
//! `FORCE_COLOR` is for programs on Node: scripts of `run` get it as it is, and this program takes no notice.

use std::{ffi::OsString, io::IsTerminal};

use anstream::ColorChoice;

/// Remembers what `--color` says, for the whole process.
pub(crate) fn choose(choice: clap::ColorChoice) {
    let choice = match choice {
        clap::ColorChoice::Auto => ColorChoice::Auto,
        clap::ColorChoice::Always => ColorChoice::Always,
        clap::ColorChoice::Never => ColorChoice::Never,
    };
    choice.write_global();
}

/// Whether colours are wanted there.
pub(crate) fn is_wanted(stream: &impl IsTerminal) -> bool {
    decide(ColorChoice::global(), |name| std::env::var_os(name), stream.is_terminal())
}

/// `--color` has the last word, then `NO_COLOR`, then `CLICOLOR_FORCE`, then `CLICOLOR`, then the terminal. What is set and empty
/// counts as not set.
fn decide(choice: ColorChoice, get: impl Fn(&str) -> Option<OsString>, is_terminal: bool) -> bool {
    let get = |name| get(name).filter(|value| !value.is_empty());
    match choice {
        ColorChoice::Always | ColorChoice::AlwaysAnsi => return true,
        ColorChoice::Never => return false,
        ColorChoice::Auto => {}
    }
    if get("NO_COLOR").is_some() {
        return false;
    }
    if get("CLICOLOR_FORCE").is_some_and(|value| value != "0") {
        return true;
    }
    match get("CLICOLOR") {
        Some(value) => value != "0" && is_terminal,
        // Windows sets no `TERM`; elsewhere, what sets none shows no colours.
        None => is_terminal && get("TERM").map_or(cfg!(windows), |term| term != "dumb"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_counts_in_its_order() {
        use ColorChoice::{Always, Auto, Never};

        const TERM: (&str, &str) = ("TERM", "xterm");
        // What is said, and whether there are colours on a terminal, and elsewhere.
        for (choice, variables, on_terminal, elsewhere) in [
            (Auto, &[TERM][..], true, false),
            (Auto, &[], cfg!(windows), false),
            (Auto, &[("TERM", "")], cfg!(windows), false),
            (Auto, &[("TERM", "dumb")], false, false),
            (Auto, &[TERM, ("CLICOLOR", "0")], false, false),
            (Auto, &[TERM, ("CLICOLOR", "1")], true, false),
            (Auto, &[TERM, ("CLICOLOR", "")], true, false),
            (Auto, &[("TERM", "dumb"), ("CLICOLOR", "1")], true, false),
            (Auto, &[TERM, ("CLICOLOR_FORCE", "1")], true, true),
            (Auto, &[TERM, ("CLICOLOR_FORCE", "0")], true, false),
            (Auto, &[TERM, ("CLICOLOR_FORCE", "")], true, false),
            (Auto, &[("TERM", "dumb"), ("CLICOLOR_FORCE", "1")], true, true),
            (Auto, &[TERM, ("CLICOLOR", "0"), ("CLICOLOR_FORCE", "1")], true, true),
            (Auto, &[TERM, ("CLICOLOR", "0"), ("CLICOLOR_FORCE", "0")], false, false),
            (Auto, &[TERM, ("NO_COLOR", "1")], false, false),
            (Auto, &[TERM, ("NO_COLOR", "0")], false, false),
            (Auto, &[TERM, ("NO_COLOR", "")], true, false),
            (Auto, &[TERM, ("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")], false, false),
            (Auto, &[TERM, ("NO_COLOR", ""), ("CLICOLOR_FORCE", "1")], true, true),
            (Auto, &[TERM, ("FORCE_COLOR", "0")], true, false),
            (Auto, &[TERM, ("FORCE_COLOR", "3")], true, false),
            (Always, &[("NO_COLOR", "1"), ("CLICOLOR", "0"), ("TERM", "dumb")], true, true),
            (Never, &[TERM, ("CLICOLOR_FORCE", "1")], false, false),
        ] {
            let get = |name: &str| {
                variables.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(*value))
            };
            for (is_terminal, expected) in [(true, on_terminal), (false, elsewhere)] {
                assert_eq!(
                    decide(choice, get, is_terminal),
                    expected,
                    "{choice:?} {variables:?} {is_terminal}"
                );
            }
        }
    }
}
