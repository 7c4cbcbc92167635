//! Makes answers fit into a model's context: cuts long entries and long pages, and says so. Pure.

use crate::log::{Entry, Page};

/// Most characters of one entry in an answer. A stack trace says what matters in its first lines.
const MAX_ENTRY: usize = 2_000;

/// Most characters of all entries in an answer, which is some 8,000 tokens: clients warn from 10,000 on.
const MAX_TOTAL: usize = 24_000;

/// What every entry costs besides its text.
const ENTRY_OVERHEAD: usize = 40;

/// What was cut from a page.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Cut {
    /// Entries whose text is not whole.
    pub(super) shortened: usize,
    /// Entries that are left out, at the side from which more can be asked for.
    pub(super) left_out: usize,
}

/// Cuts a page; `keep_newest` says at which end entries are left out.
pub(super) fn fit(page: &mut Page, keep_newest: bool) -> Cut {
    let mut cut = Cut::default();
    for entry in &mut page.entries {
        cut.shortened += usize::from(shorten(&mut entry.content));
    }
    let mut total = 0;
    let mut fits = |entry: &Entry| {
        total += entry.content.len() + ENTRY_OVERHEAD;
        total <= MAX_TOTAL
    };
    let count = page.entries.len();
    let kept = if keep_newest {
        page.entries.iter().rev().take_while(|entry| fits(entry)).count()
    } else {
        page.entries.iter().take_while(|entry| fits(entry)).count()
    }
    .max(1.min(count));
    cut.left_out = count - kept;
    if cut.left_out == 0 {
        return cut;
    }
    if keep_newest {
        page.entries.drain(..cut.left_out);
        page.has_older = true;
    } else {
        page.entries.truncate(kept);
        page.has_newer = true;
        page.cursor = page.entries.last().map_or(page.cursor, |entry| entry.number);
    }
    cut
}

/// Cuts a text; says whether it did.
pub(super) fn shorten(text: &mut String) -> bool {
    if text.len() <= MAX_ENTRY {
        return false;
    }
    let end = crate::detect::errors::cut(text, MAX_ENTRY).len();
    let rest = text[end..].chars().count();
    text.truncate(end);
    text.push_str(&format!(" … ({rest} more characters)"));
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::level::Level;

    fn page(lengths: &[usize]) -> Page {
        let entry = |(index, length): (usize, &usize)| Entry {
            number: index as u64 + 1,
            process: 1,
            id: "a-1".into(),
            name: "a".into(),
            content: "é".repeat(length / 2),
            level: Level::Info,
            is_error: false,
            at: 0,
            last: 0,
            repeats: 1,
        };
        let entries = lengths.iter().enumerate().map(entry).collect::<Vec<_>>();
        Page { cursor: entries.len() as u64, entries, ..Page::default() }
    }

    #[test]
    fn small_pages_stay_whole() {
        let mut small = page(&[100, 200]);
        assert_eq!(fit(&mut small, true), Cut::default());
        assert_eq!((small.entries.len(), small.has_older, small.has_newer), (2, false, false));
        assert_eq!(fit(&mut page(&[]), true), Cut::default());
    }

    #[test]
    fn long_entries_are_shortened_between_characters() {
        let mut long = page(&[2 * MAX_ENTRY]);
        assert_eq!(fit(&mut long, true), Cut { shortened: 1, left_out: 0 });
        assert!(
            long.entries[0].content.ends_with(" … (1000 more characters)"),
            "{}",
            long.entries[0].content
        );
    }

    #[test]
    fn the_wanted_end_is_kept() {
        let mut newest = page(&[1000; 100]);
        let cut = fit(&mut newest, true);
        assert_eq!(newest.entries.last().unwrap().number, 100);
        assert_eq!((newest.entries.len() + cut.left_out, newest.has_older, newest.cursor), (100, true, 100));
        assert!(newest.entries.iter().map(|it| it.content.len()).sum::<usize>() <= MAX_TOTAL);

        let mut oldest = page(&[1000; 100]);
        fit(&mut oldest, false);
        assert_eq!(oldest.entries[0].number, 1);
        assert!(oldest.has_newer);
        assert_eq!(oldest.cursor, oldest.entries.len() as u64);
    }
}
