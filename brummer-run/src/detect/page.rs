//! Which lines are what the console of the browser says: one that begins so, and what is indented below it. A page may say
//! anything, so they tell of no server, no question and no build.

use super::prefix::{self, Prefix};

/// How dev servers begin what the console of the browser says, behind a level.
const SIGNS: [&str; 7] = [
    "[browser] ",
    "[vite] (client) [console.",
    "[vite] (client) [Unhandled ",
    "[vite] [console.",
    "[vite] [Unhandled ",
    "Vite [console.",
    "Vite [Unhandled ",
];

/// How Nuxt 4 does.
const LABELLED: [&str; 3] = ["ERROR  [Unhandled ", "ERROR  [console.", "WARN  [console."];

/// What may stand before.
const LEVELS: [&str; 5] = ["[ERROR] ", "[WARN] ", "[INFO] ", "[DEBUG] ", "error"];

/// How many scripts of one runner are told apart at a time.
const MAX_INSIDE: usize = 32;

/// Whether a line begins what a page says.
pub(super) fn begins(line: &str) -> bool {
    let said = LEVELS.iter().find_map(|level| line.strip_prefix(level)).map_or(line, str::trim_start);
    let labelled = line.strip_prefix(' ').unwrap_or(line);
    SIGNS.iter().any(|sign| said.starts_with(sign)) || LABELLED.iter().any(|sign| labelled.starts_with(sign))
}

/// Where one stream is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pages {
    /// The scripts of a runner in whose lines a page speaks; an empty name without one.
    inside: Vec<String>,
    is_last: bool,
    /// Along the last one that has begun a bar is drawn, and what belongs to it is not indented.
    is_drawn: bool,
}

impl Pages {
    /// Whether a line is what a page says.
    pub(crate) fn on(&mut self, line: &str) -> bool {
        let Prefix { name, rest: drawn, .. } =
            prefix::read(line, |name| self.inside.iter().any(|inside| inside == name));
        let rest = prefix::without_gutter(drawn);
        let has_bar = rest.len() < drawn.len();
        let known = self.inside.iter().position(|inside| inside == name);
        let begins = begins(prefix::without_time(rest));
        let is_below =
            rest.starts_with([' ', '\t']) || self.is_drawn && has_bar && !rest.starts_with("Vite ");
        self.is_last = begins || known.is_some() && is_below;
        if begins {
            self.is_drawn = has_bar;
        }
        match known {
            Some(index) if !self.is_last => drop(self.inside.remove(index)),
            None if begins => {
                if self.inside.len() == MAX_INSIDE {
                    self.inside.remove(0);
                }
                self.inside.push(name.to_owned());
            }
            _ => {}
        }
        self.is_last
    }

    /// Whether the next line may be a page's without saying so.
    pub(crate) fn is_inside(&self) -> bool {
        !self.inside.is_empty()
    }

    /// Whether the last line was a page's.
    pub(crate) fn is_last(&self) -> bool {
        self.is_last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_indented_below_belongs_to_the_page() {
        let mut pages = Pages::default();
        for (line, wanted) in [
            ("  Local: http://localhost:1/", false),
            ("12:00:00 [browser] [console.warn] a", true),
            ("  [nodemon] restarting due to changes...", true),
            ("[0] [browser] b", true),
            ("[0]   c", true),
            ("[0] d", false),
            ("[0]   e", false),
            ("  f", true),
            ("", false),
            ("  Local: http://localhost:2/", false),
            ("12:00:00 [WARN] [vite] [console.warn] g", true),
            ("error   [browser] h", true),
            ("[vite] page reload src/x.js", false),
            ("■  Vite [console.error] TypeError: i", true),
            ("│  at http://localhost:3/", true),
            ("│  Vite page reload src/x.js", false),
            ("│  at http://localhost:3/", false),
            (" ERROR  [Unhandled error] TypeError: l", true),
            ("  > price ../../_nuxt/m.ts:2:18", true),
            ("", false),
            (" ERROR  n", false),
            ("[browser] j", true),
            ("│  k", false),
        ] {
            assert_eq!(pages.on(line), wanted, "{line}");
        }
        assert!(!pages.is_inside() && !pages.is_last());
    }
}
