//! Changing one entry of a configuration file and nothing else in it. Texts in, texts out.
//!
//! Each format has an editor that keeps what it does not change. What comes out is read again and compared with what
//! was meant: where an editor fails on an odd file, the file is left alone. Line ends are put back by lines, so every
//! editor sees `\n` only.

mod comments;
mod json;
mod toml;
mod yaml;

use serde_json::{Map, Value};
use similar::{Algorithm, DiffOp, capture_diff_slices};

use super::{
    clients::{Client, Format, Shape},
    entry::NAME,
};

/// The mark that some Windows programs put before UTF-8.
const BOM: char = '\u{feff}';

/// Why a file is not changed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum EditError {
    #[error("it does not parse: {0}")]
    Syntax(String),
    #[error("its `{0}` is not {1}")]
    Kind(String, &'static str),
    #[error("it is written in a way that cannot be changed without changing more of it")]
    Odd,
}

/// Where in which kind of file the entry stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spot {
    format: Format,
    keys: &'static [&'static str],
    /// Whether the servers are a list, whose items hold their names.
    list: bool,
}

impl Spot {
    pub(super) fn of(client: &Client) -> Self {
        Self { format: client.format, keys: client.keys, list: client.shape == Shape::Item }
    }

    /// The entry as it is in the file. One that says nothing is none.
    pub(super) fn read(self, text: &str) -> Result<Option<Value>, EditError> {
        let document = self.parse(&split(text).1)?;
        let Some(servers) = self.servers(&document)? else { return Ok(None) };
        let entry = match servers {
            Value::Array(items) => items.iter().find(|item| item["name"] == NAME),
            servers => servers.get(NAME),
        };
        let says_something = |entry: &&Value| match entry {
            Value::Null => false,
            Value::Object(entry) => entry.keys().any(|key| key != "name"),
            _ => true,
        };
        Ok(entry.filter(says_something).cloned())
    }

    /// The file with this entry, and otherwise as it was.
    pub(super) fn write(self, text: &str, entry: &Map<String, Value>) -> Result<String, EditError> {
        self.change(text, Some(entry))
    }

    /// The file without the entry. Lines of comments stay, also those within it.
    pub(super) fn erase(self, text: &str) -> Result<String, EditError> {
        self.change(text, None)
    }

    /// Whether a comment of the one text is not in the other.
    pub(super) fn loses_comment(self, old: &str, new: &str) -> bool {
        let mut left = comments::all(self.format, new);
        comments::all(self.format, old).into_iter().any(|comment| {
            let at = left.iter().position(|left| *left == comment);
            at.map(|at| left.swap_remove(at)).is_none()
        })
    }

    /// The lines to add by hand to a file that has no servers yet.
    pub(super) fn snippet(self, entry: &Map<String, Value>) -> String {
        // An empty file is no obstacle for any format.
        self.write("", entry).unwrap_or_else(|_| Value::Object(entry.clone()).to_string())
    }

    fn change(self, text: &str, entry: Option<&Map<String, Value>>) -> Result<String, EditError> {
        let (mark, plain) = split(text);
        let before = self.parse(&plain)?;
        let mut wanted = before.clone();
        self.apply(&mut wanted, entry)?;
        let changed = match self.format {
            Format::Json { .. } => json::change(&plain, self, entry),
            Format::Toml => toml::change(&plain, self, entry),
            Format::Yaml => yaml::change(&plain, self, entry),
        }?;
        let changed = match entry {
            None => {
                let kept = comments::kept(self.format, &plain, &changed);
                if self.parse(&kept) == self.parse(&changed) { kept } else { changed }
            }
            Some(_) => changed,
        };
        let mut got = self.parse(&changed).map_err(|_| EditError::Odd)?;
        if entry.is_none() {
            // An editor may drop what is empty now, or keep it.
            self.prune(&mut wanted);
            self.prune(&mut got);
        }
        if got != wanted {
            return Err(EditError::Odd);
        }
        Ok(format!("{mark}{}", with_line_ends_of(text.trim_start_matches(BOM), &changed)))
    }

    /// Takes out what is empty around the entry.
    fn prune(self, document: &mut Value) {
        for depth in (0..self.keys.len()).rev() {
            let (outer, key) = (&self.keys[..depth], self.keys[depth]);
            let Some(map) = outer.iter().try_fold(&mut *document, |at, key| at.get_mut(*key)) else {
                continue;
            };
            let empty = match map.get(key) {
                Some(Value::Object(servers)) => servers.is_empty(),
                Some(Value::Array(servers)) => servers.is_empty(),
                Some(Value::Null) => true,
                _ => false,
            };
            if empty && let Some(map) = map.as_object_mut() {
                map.shift_remove(key);
            }
        }
        if document.as_object().is_some_and(Map::is_empty) {
            *document = Value::Null;
        }
    }

    fn parse(self, text: &str) -> Result<Value, EditError> {
        match self.format {
            Format::Json { comments, trailing_commas } => json::parse(text, comments, trailing_commas),
            Format::Toml => toml::parse(text),
            Format::Yaml => yaml::parse(text),
        }
    }

    /// The object or list with all servers, if it is there.
    fn servers(self, document: &Value) -> Result<Option<&Value>, EditError> {
        let mut at = document;
        if !at.is_object() && !at.is_null() {
            return Err(EditError::Kind("content".to_owned(), "an object"));
        }
        for (depth, key) in self.keys.iter().enumerate() {
            let Some(next) = at.get(key).filter(|next| !next.is_null()) else { return Ok(None) };
            let list = self.list && depth + 1 == self.keys.len();
            match (next, list) {
                (Value::Object(_), false) | (Value::Array(_), true) => at = next,
                (_, true) => return Err(EditError::Kind((*key).to_owned(), "a list")),
                (_, false) => return Err(EditError::Kind((*key).to_owned(), "an object")),
            }
        }
        Ok(Some(at))
    }

    /// The same change, on the value that the file holds.
    fn apply(self, document: &mut Value, entry: Option<&Map<String, Value>>) -> Result<(), EditError> {
        if self.servers(document)?.is_none() && entry.is_none() {
            return Ok(());
        }
        let mut at = document;
        for (depth, key) in self.keys.iter().enumerate() {
            if at.is_null() {
                *at = Value::Object(Map::new());
            }
            let list = self.list && depth + 1 == self.keys.len();
            at = &mut at[*key];
            if at.is_null() {
                *at = if list { Value::Array(Vec::new()) } else { Value::Object(Map::new()) };
            }
        }
        match (at, entry) {
            (Value::Array(items), entry) => {
                let index = items.iter().position(|item| item["name"] == NAME);
                match (index, entry) {
                    (Some(index), Some(entry)) => items[index] = Value::Object(entry.clone()),
                    (None, Some(entry)) => items.push(Value::Object(entry.clone())),
                    (Some(index), None) => {
                        items.remove(index);
                    }
                    (None, None) => {}
                }
            }
            (servers, Some(entry)) => servers[NAME] = Value::Object(entry.clone()),
            (servers, None) => {
                servers.as_object_mut().and_then(|servers| servers.shift_remove(NAME));
            }
        }
        Ok(())
    }
}

/// The mark before the text, and the text with `\n` as the only line end.
fn split(text: &str) -> (&str, String) {
    let rest = text.strip_prefix(BOM).unwrap_or(text);
    (&text[..text.len() - rest.len()], rest.replace("\r\n", "\n"))
}

/// The new text, with each line that was there before ended as it was, and the others as most of those.
fn with_line_ends_of(old: &str, new: &str) -> String {
    fn bare(line: &str) -> &str {
        line.trim_end_matches('\n').trim_end_matches('\r')
    }
    let (old_lines, new_lines): (Vec<&str>, Vec<&str>) =
        (old.split_inclusive('\n').collect(), new.split_inclusive('\n').collect());
    let windows = old_lines.iter().filter(|line| line.ends_with("\r\n")).count();
    let end = if windows * 2 > old_lines.len() { "\r\n" } else { "\n" };
    let (old_bare, new_bare): (Vec<&str>, Vec<&str>) = (
        old_lines.iter().map(|line| bare(line)).collect(),
        new_lines.iter().map(|line| bare(line)).collect(),
    );
    let mut text = String::with_capacity(new.len() + old_lines.len());
    let last = new_lines.len();
    for op in capture_diff_slices(Algorithm::Myers, &old_bare, &new_bare) {
        let pairs: Vec<(Option<usize>, usize)> = match op {
            DiffOp::Equal { old_index, new_index, len } => {
                (0..len).map(|n| (Some(old_index + n), new_index + n)).collect()
            }
            DiffOp::Delete { .. } => Vec::new(),
            DiffOp::Insert { new_index, new_len, .. } | DiffOp::Replace { new_index, new_len, .. } => {
                (new_index..new_index + new_len).map(|n| (None, n)).collect()
            }
        };
        for (old_at, new_at) in pairs {
            text += new_bare[new_at];
            match old_at.map(|at| &old_lines[at][old_bare[at].len()..]) {
                // The last line of the old text may have had no end, and is no longer the last.
                Some("") if new_at + 1 < last => text += end,
                Some(had) => text += had,
                None if new_lines[new_at].ends_with('\n') => text += end,
                None => {}
            }
        }
    }
    text
}
