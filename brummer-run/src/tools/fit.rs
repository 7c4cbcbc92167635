//! Makes answers fit into a model's context: cuts long entries and long pages, and says so. Pure.

use brummer_hub::serve::CallError;
use serde::Serialize;

use crate::log::{Entry, Page};

/// Most characters of one entry in an answer. A stack trace says what matters in its first lines.
const MAX_ENTRY: usize = 2_000;

/// Most characters of an answer as JSON, which is some 8,000 tokens: clients warn from 10,000 on. The text is shorter.
pub(super) const MAX_TOTAL: usize = 32_000;

/// What an entry costs as JSON besides its text and names.
const ENTRY_OVERHEAD: usize = 150;

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
        total += json(&entry.content) + entry.id.len() + entry.name.len() + ENTRY_OVERHEAD;
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

/// How long a text is as JSON.
pub(super) fn json(text: &str) -> usize {
    let cost = |byte: u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' => 2,
        0..0x20 => 6,
        _ => 1,
    };
    text.bytes().map(cost).sum()
}

/// How many of these sizes fit into an answer: at least one, so that it goes on.
pub(super) fn count(sizes: impl Iterator<Item = usize>) -> usize {
    let mut total = 0;
    let mut fits = |size: usize| {
        total += size;
        total <= MAX_TOTAL
    };
    let mut sizes = sizes.peekable();
    let least = usize::from(sizes.peek().is_some());
    sizes.take_while(|size| fits(*size)).count().max(least)
}

/// A part of a list, and where its rest begins.
#[derive(Debug)]
pub(super) struct Part<T> {
    pub(super) items: Vec<T>,
    pub(super) next: Option<usize>,
}

impl<T: Serialize> Part<T> {
    /// As many as fit into an answer, from a place on.
    pub(super) fn of(items: impl IntoIterator<Item = T>, from: usize) -> Self {
        let mut items: Vec<T> = items.into_iter().skip(from).collect();
        let count = count(items.iter().map(size));
        let next = (count < items.len()).then_some(from + count);
        items.truncate(count);
        Self { items, next }
    }

    /// What leads to the rest, and how to say so.
    pub(super) fn cursor(&self, list: PagedList) -> (Option<String>, Option<String>) {
        let cursor = self.next.map(|next| list.cursor(next));
        let note = cursor.as_ref().map(|cursor| format!("there are more: pass `cursor` {cursor}"));
        (cursor, note)
    }
}

/// How long something is as JSON in a list.
pub(super) fn size(item: &impl Serialize) -> usize {
    serde_json::to_string(item).map_or(0, |text| text.len() + 1)
}

/// The lists that are told in parts. None takes the cursor of another one.
#[derive(Clone, Copy, Debug)]
pub(super) enum PagedList {
    Scripts,
    Processes,
    Urls,
}

impl PagedList {
    /// What leads to a place in it.
    pub(super) fn cursor(self, place: usize) -> String {
        let sign = match self {
            Self::Scripts => 's',
            Self::Processes => 'p',
            Self::Urls => 'u',
        };
        format!("{sign}{place}")
    }

    /// The place to which a cursor leads.
    pub(super) fn place(self, cursor: Option<&str>) -> Result<usize, CallError> {
        let Some(text) = cursor else { return Ok(0) };
        // No list is longer than a number of this size, and none is written in two ways.
        let place = text.get(1..).and_then(|number| number.parse::<u16>().ok()).map(usize::from);
        place.filter(|place| *place > 0 && self.cursor(*place) == text).ok_or_else(|| {
            CallError::new(format!("`{text}` is not a cursor of this tool; leave `cursor` out to begin anew"))
        })
    }
}

/// Cuts a text; says whether it did.
pub(super) fn shorten(text: &mut String) -> bool {
    if text.len() <= MAX_ENTRY {
        return false;
    }
    let end = crate::detect::engine::cut(text, MAX_ENTRY).len();
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
    fn what_json_adds_to_a_text_counts() {
        for text in ["plain", "a \"b\" \\c\n\td", "\x1b[1mé\0"] {
            assert_eq!(json(text), serde_json::to_string(text).unwrap().len() - 2, "{text:?}");
        }
        let mut short = page(&[2; 1000]);
        let cut = fit(&mut short, true);
        assert!(cut.left_out > 0 && cut.left_out < 900, "{cut:?}");
        assert_eq!(count([MAX_TOTAL - 1, 1, 1].into_iter()), 2);
        assert_eq!(count([2 * MAX_TOTAL, 1].into_iter()), 1);
        assert_eq!(count([].into_iter()), 0);
    }

    #[test]
    fn a_list_comes_in_parts() {
        let (mut seen, mut from, mut parts) = (Vec::new(), 0, 0);
        loop {
            let part = Part::of((0..100).map(|number| format!("{number:01000}")), from);
            seen.extend(part.items);
            parts += 1;
            let Some(next) = part.next else { break };
            from = next;
        }
        assert_eq!((seen.len(), parts), (100, 4));
        assert!(Part::of(["x".repeat(2 * MAX_TOTAL)], 0).next.is_none());
    }

    #[test]
    fn cursors_are_those_of_their_list() {
        for (list, own) in [(PagedList::Scripts, "s7"), (PagedList::Processes, "p7"), (PagedList::Urls, "u7")]
        {
            assert_eq!(list.cursor(7), own);
            assert_eq!((list.place(None).unwrap(), list.place(Some(own)).unwrap()), (0, 7));
            let others = ["s7", "p7", "u7"].into_iter().filter(|cursor| *cursor != own).map(str::to_owned);
            let wrong = ["+1", "-7", "0", "07", "x", "", "18446744073709551615"];
            let wrong = wrong.iter().map(|number| format!("{}{number}", &own[..1]));
            for cursor in others.chain(wrong).chain(["7".to_owned(), "\u{e9}7".to_owned(), String::new()]) {
                assert!(list.place(Some(&cursor)).is_err(), "{cursor}");
            }
        }
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
