//! Which rules a line can fit at all, by the words in it.
//!
//! Hundreds of patterns that may each begin anywhere are more than one automaton can hold: real output drives it through ever new
//! states. But nearly every pattern has words without which nothing fits it. They are looked for in one pass, and few patterns are
//! left to be tried.

use aho_corasick::AhoCorasick;
use regex_syntax::{
    Parser,
    hir::{Class, ClassUnicodeRange, Hir, HirKind},
};

/// Shorter ones are in nearly every line.
const SHORTEST: usize = 3;

/// Numbers of rules.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Numbers<const GROUPS: usize>([u64; GROUPS]);

impl<const GROUPS: usize> Numbers<GROUPS> {
    const NONE: Self = Self([0; GROUPS]);

    fn add(&mut self, number: usize) {
        self.0[number / 64] |= 1 << (number % 64);
    }

    fn add_all(&mut self, others: &Self) {
        self.0.iter_mut().zip(others.0).for_each(|(group, other)| *group |= other);
    }

    /// In ascending order.
    pub(super) fn iter(self) -> impl Iterator<Item = usize> {
        self.0.into_iter().enumerate().flat_map(|(at, mut group)| {
            std::iter::from_fn(move || {
                let bit = group.trailing_zeros() as usize;
                // Takes the lowest one out.
                group &= group.checked_sub(1)?;
                Some(at * 64 + bit)
            })
        })
    }
}

/// The words of all rules that need some.
pub(super) struct Words<const GROUPS: usize> {
    search: AhoCorasick,
    /// For each word the rules that need it.
    needed_by: Vec<Numbers<GROUPS>>,
}

impl<const GROUPS: usize> Words<GROUPS> {
    /// Those of these patterns, and the numbers of the patterns that need none.
    pub(super) fn of(patterns: impl Iterator<Item = String>) -> (Self, Vec<usize>) {
        let (mut words, mut needed_by, mut without) = (Vec::<String>::new(), Vec::new(), Vec::new());
        for (number, pattern) in patterns.enumerate() {
            let Some(needed) = needed(&pattern) else {
                without.push(number);
                continue;
            };
            for word in needed {
                let at = words.iter().position(|known| *known == word).unwrap_or_else(|| {
                    words.push(word);
                    needed_by.push(Numbers::NONE);
                    words.len() - 1
                });
                needed_by[at].add(number);
            }
        }
        let search = AhoCorasick::builder().ascii_case_insensitive(true).build(words);
        (Self { search: search.expect("a few hundred short words"), needed_by }, without)
    }

    /// The rules that need some, and of whose words this line has one.
    pub(super) fn wanted(&self, line: &str) -> Numbers<GROUPS> {
        let mut wanted = Numbers::NONE;
        for found in self.search.find_overlapping_iter(line) {
            wanted.add_all(&self.needed_by[found.pattern().as_usize()]);
        }
        wanted
    }
}

/// Words in lower case, of which each text that fits the pattern has one in some case; `None` if there are no such words.
fn needed(pattern: &str) -> Option<Vec<String>> {
    let pattern = Parser::new().parse(pattern).expect("part of the program, and tested");
    best(&pattern)
}

fn best(part: &Hir) -> Option<Vec<String>> {
    if let Some(text) = text(part) {
        return is_word(&text).then(|| vec![text]);
    }
    match part.kind() {
        HirKind::Repetition(repeated) if repeated.min > 0 => best(&repeated.sub),
        HirKind::Capture(group) => best(&group.sub),
        HirKind::Alternation(branches) => {
            let branches: Option<Vec<_>> = branches.iter().map(best).collect();
            Some(branches?.concat())
        }
        HirKind::Concat(parts) => {
            let (mut choices, mut run) = (Vec::new(), String::new());
            for part in parts {
                match text(part) {
                    Some(text) => run.push_str(&text),
                    None => {
                        choices.push(vec![std::mem::take(&mut run)]);
                        choices.extend(best(part));
                    }
                }
            }
            choices.push(vec![run]);
            let choices = choices.into_iter().filter(|words| words.iter().all(|word| is_word(word)));
            // Long words are rare.
            choices.max_by_key(|words| {
                let shortest = words.iter().map(String::len).min().unwrap_or_default();
                (shortest, usize::MAX - words.len())
            })
        }
        _ => None,
    }
}

fn is_word(text: &str) -> bool {
    text.len() >= SHORTEST
}

/// The one text that a part stands for, in lower case, if it is one but for that.
fn text(part: &Hir) -> Option<String> {
    match part.kind() {
        HirKind::Literal(literal) => Some(std::str::from_utf8(&literal.0).ok()?.to_ascii_lowercase()),
        HirKind::Class(Class::Unicode(class)) => {
            let letter = lower(class.iter().next()?.start());
            // Each is the same one in some case.
            let is_it = |range: &ClassUnicodeRange| range.len() == 1 && lower(range.start()) == letter;
            class.iter().all(is_it).then(|| letter.to_string())
        }
        HirKind::Capture(group) => text(&group.sub),
        _ => None,
    }
}

/// A letter in lower case, as the search knows it. A long s and a Kelvin sign, which are cases of ASCII letters, are in no word that a
/// tool prints.
const fn lower(letter: char) -> char {
    match letter {
        'ſ' => 's',
        '\u{212A}' => 'k',
        other => other.to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_a_pattern_are_read_off_it() {
        for (pattern, expected) in [
            (r"^Found [0-9]+ errors?(?-u:\b)", Some(&[" error"][..])),
            (r"(?i:failed|crashed)[.!:]?$", Some(&["failed", "crashed"])),
            (r"^(?P<msg>.*[Ee]rror: \S.*)", Some(&["error: "])),
            (r"^(?:Cannot (?:find|load)|no) module", Some(&[" module"])),
            (r"^\s*(?:\[!\]|x)? {2}at ", Some(&["at "])),
            (r"^(?:a|b)[a-z]+:\s", None),
            (r"^(?:long|b)\s$", None),
            (r"(?:never )?once", Some(&["once"])),
            (r"(?:twice){2}", Some(&["twice"])),
            (r"(?i)ask", Some(&["ask"])),
            (r"[A-a]bc\s", None),
        ] {
            let found = needed(pattern);
            assert_eq!(
                found.as_deref().map(|words| words.iter().map(|it| &**it).collect::<Vec<_>>()).as_deref(),
                expected,
                "{pattern}"
            );
        }
    }

    #[test]
    fn lines_want_the_rules_of_their_words() {
        let patterns = ["Error: ", "[0-9]+", "x rror|yyy", "no such"];
        let (words, without) =
            Words::<2>::of(patterns.into_iter().map(str::to_owned).chain((4..70).map(|_| "last".to_owned())));
        assert_eq!(without, [1]);
        let wanted = |line| words.wanted(line).iter().collect::<Vec<_>>();
        assert!(wanted("7").is_empty());
        assert_eq!(wanted("ERROR: yyy"), [0, 2]);
        assert_eq!(wanted("last").last(), Some(&69));
    }
}
