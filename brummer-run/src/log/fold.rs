//! What a terminal shows at the end: redraws, progress bars and movements of the cursor, folded into lines. Pure but for the
//! clock, which comes as an argument.
//!
//! A line is told as soon as it ends, as from a pipe. What may be drawn again is told when it has not changed for
//! [`STANDS`], when it has left the screen, or when what follows it is told: lines that the cursor has gone back to, all
//! lines while a program hides the cursor, as those do that draw an animation, and what has no end yet. A line that says what
//! it has said before at the same place says nothing new.

mod style;

use std::{collections::VecDeque, time::Duration};

use bytes::{Bytes, BytesMut};
use tokio::time::Instant;

use self::style::Style;
use super::{
    ansi::AnsiState,
    mask,
    splitter::{CUT, MAX_LINE},
};

/// The size of the terminal. Wide, because a line that a program has wrapped is harder to read for others.
pub(crate) const COLUMNS: u16 = 160;
pub(crate) const ROWS: u16 = 40;

const WIDTH: usize = COLUMNS as usize;
const HEIGHT: usize = ROWS as usize;
const TAB: usize = 8;

/// What has not changed for so long stays: animations change some times in a second.
const STANDS: Duration = Duration::from_millis(500);

/// A control sequence with more than this is left out.
const MAX_SEQUENCE: usize = 64;

/// Lines of a program that has the whole screen for itself: one that was told a short while ago has only moved.
const RECENT: usize = 200;

/// The most cells of a row.
const MAX_CELLS: usize = MAX_LINE;

/// How a question begins whose answers stand below it, as Inquirer and Clack draw them.
pub(super) const PROMPTS: [&str; 2] = ["? ", "◆  "];

/// Behind a character that is two cells wide, or a tab.
const FILLER: char = '\0';

/// The screen, and what was told of it.
#[derive(Debug)]
pub(super) struct Fold {
    /// As many as are on the screen, and never none.
    rows: VecDeque<Row>,
    cursor: Cursor,
    saved: Cursor,
    style: Style,
    state: AnsiState,
    /// The control sequence that is being read.
    sequence: String,
    is_hidden: bool,
    /// A program has the whole screen for itself.
    is_alternate: bool,
    recent: VecDeque<String>,
    /// Bytes of a character that is not whole yet.
    part: Vec<u8>,
    /// Whether the last line that was told was an empty one.
    was_empty: bool,
    told: BytesMut,
    replies: Vec<u8>,
}

/// Where the next character goes.
#[derive(Clone, Copy, Debug, Default)]
struct Cursor {
    row: usize,
    /// The line of the screen within a row that is longer than one.
    part: usize,
    /// At most [`WIDTH`]: a line wraps only when something follows.
    column: usize,
}

/// A line with all lines of the screen that it takes.
#[derive(Debug, Default)]
struct Row {
    cells: Vec<Cell>,
    is_touched: bool,
    /// What it shows, and since when, if that was not told.
    untold: Option<(String, Instant)>,
    /// What was told last.
    told: Option<String>,
}

#[derive(Clone, Copy, Debug)]
struct Cell {
    character: char,
    style: Style,
}

const BLANK: Cell = Cell { character: ' ', style: Style::PLAIN };

/// Lines to be told.
#[derive(Debug)]
pub(super) struct FoldedLines {
    pub(super) lines: Bytes,
    /// The last one has no end, or one of them is a question.
    pub(super) is_unfinished: bool,
}

impl Default for Fold {
    fn default() -> Self {
        Self {
            rows: VecDeque::from([Row::default()]),
            cursor: Cursor::default(),
            saved: Cursor::default(),
            style: Style::PLAIN,
            state: AnsiState::Text,
            sequence: String::new(),
            is_hidden: false,
            is_alternate: false,
            recent: VecDeque::new(),
            part: Vec::new(),
            was_empty: false,
            told: BytesMut::new(),
            replies: Vec::new(),
        }
    }
}

impl Fold {
    /// Takes what the program has written.
    pub(super) fn write(&mut self, bytes: &[u8], now: Instant) -> Option<FoldedLines> {
        let joined;
        let mut rest = bytes;
        if !self.part.is_empty() {
            self.part.extend_from_slice(bytes);
            joined = std::mem::take(&mut self.part);
            rest = &joined;
        }
        while !rest.is_empty() {
            match std::str::from_utf8(rest) {
                Ok(text) => {
                    self.text(text);
                    break;
                }
                Err(error) => {
                    let (good, bad) = rest.split_at(error.valid_up_to());
                    // It is text up to there.
                    self.text(std::str::from_utf8(good).unwrap_or_default());
                    let Some(length) = error.error_len() else {
                        self.part = bad.to_vec();
                        break;
                    };
                    self.text("\u{FFFD}");
                    rest = &bad[length..];
                }
            }
        }
        self.look(now);
        self.take(false)
    }

    /// When something will have stood for long enough.
    pub(super) fn due(&self) -> Option<Instant> {
        let since = self.rows.iter().filter_map(|row| row.untold.as_ref());
        since.map(|(_, since)| *since + STANDS).min()
    }

    /// Tells what has stood for long enough.
    pub(super) fn settle(&mut self, now: Instant) -> Option<FoldedLines> {
        let mut is_unfinished = false;
        for index in 0..self.rows.len() {
            let is_last = index == self.cursor.row;
            let row = &mut self.rows[index];
            let Some((text, since)) = row.untold.as_mut().filter(|(_, since)| *since + STANDS <= now) else {
                continue;
            };
            // Half a secret would not be known as one, nor would the other half.
            if is_last && mask::is_within(text) {
                *since = now;
                continue;
            }
            let is_prompt = PROMPTS.iter().any(|prompt| text.starts_with(prompt));
            let is_told = self.tell(index);
            is_unfinished |= is_told && (is_last || is_prompt);
        }
        self.take(is_unfinished)
    }

    /// Tells what is left at the end.
    pub(super) fn end(&mut self) -> Option<FoldedLines> {
        if !std::mem::take(&mut self.part).is_empty() {
            self.text("\u{FFFD}");
        }
        self.tell_all();
        self.take(false)
    }

    /// What the terminal has to answer to the program.
    pub(super) fn take_replies(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.replies)
    }

    fn take(&mut self, is_unfinished: bool) -> Option<FoldedLines> {
        let lines = self.told.split().freeze();
        (!lines.is_empty()).then_some(FoldedLines { lines, is_unfinished })
    }

    fn text(&mut self, mut text: &str) {
        while let Some(c) = text.chars().next() {
            let passed = self.pass(text);
            if passed > 0 {
                text = &text[passed..];
                continue;
            }
            text = &text[c.len_utf8()..];
            let before = self.state;
            self.state = before.after(c);
            match (before, self.state) {
                (AnsiState::Text, AnsiState::Text) => self.character(c),
                (AnsiState::Control, AnsiState::Text) => {
                    let sequence = std::mem::take(&mut self.sequence);
                    if sequence.len() < MAX_SEQUENCE {
                        self.control(&sequence, c);
                    }
                }
                (AnsiState::Escape, AnsiState::Text) => self.escape(c),
                (AnsiState::Control, AnsiState::Control) => {
                    if self.sequence.len() < MAX_SEQUENCE {
                        self.sequence.push(c);
                    }
                }
                _ => self.sequence.clear(),
            }
        }
    }

    /// Tells whole lines without any control characters as they are, where nothing else is to be considered. How many bytes
    /// these were.
    fn pass(&mut self, text: &str) -> usize {
        let is_new = self.cursor.row + 1 == self.rows.len() && self.rows[self.cursor.row].cells.is_empty();
        if !is_new
            || self.cursor.column > 0
            || self.waits()
            || self.state != AnsiState::Text
            || self.style != Style::PLAIN
        {
            return 0;
        }
        let end = text.bytes().position(|byte| byte < b' ' && !matches!(byte, b'\n' | b'\t') || byte >= 0x7f);
        let Some(end) = memchr::memrchr(b'\n', &text.as_bytes()[..end.unwrap_or(text.len())]) else {
            return 0;
        };
        let lines = &text[..end];
        if lines.is_empty() || lines.split('\n').any(|line| line.is_empty() || line.len() > MAX_LINE) {
            return 0;
        }
        self.tell_all();
        self.tell_empty_above(self.cursor.row);
        self.told.extend_from_slice(&text.as_bytes()[..=end]);
        self.was_empty = false;
        let shown = lines.rsplit('\n').take(HEIGHT).collect::<Vec<_>>();
        self.rows.pop_back();
        for line in shown.into_iter().rev() {
            let cells = line.chars().map(|character| Cell { character, style: Style::PLAIN });
            let row = Row { cells: cells.collect(), told: Some(line.to_owned()), ..Row::default() };
            self.rows.push_back(row);
        }
        self.rows.push_back(Row::default());
        self.cursor = Cursor { row: self.rows.len() - 1, ..Cursor::default() };
        self.scroll();
        end + 1
    }

    /// Whether lines are not told when they end.
    fn waits(&self) -> bool {
        self.is_hidden || self.is_alternate
    }

    fn character(&mut self, c: char) {
        match c {
            '\n' | '\x0b' | '\x0c' => self.feed(),
            '\r' => self.cursor.column = 0,
            '\x08' => self.cursor.column = self.cursor.column.saturating_sub(1),
            '\t' => {
                let width = TAB - self.cursor.column % TAB;
                if self.index() >= self.rows[self.cursor.row].cells.len() {
                    self.put('\t');
                    (1..width).for_each(|_| self.put(FILLER));
                } else {
                    self.cursor.column = (self.cursor.column + width).min(WIDTH - 1);
                }
            }
            c if c.is_control() => {}
            c => {
                self.put(c);
                if is_wide(c) {
                    self.put(FILLER);
                }
            }
        }
    }

    /// Where the cursor is in its row.
    fn index(&self) -> usize {
        self.cursor.part * WIDTH + self.cursor.column
    }

    fn put(&mut self, character: char) {
        if self.cursor.column == WIDTH {
            self.cursor.part += 1;
            self.cursor.column = 0;
        }
        let index = self.index();
        let row = &mut self.rows[self.cursor.row];
        if index < MAX_CELLS {
            if index >= row.cells.len() {
                row.cells.resize(index + 1, BLANK);
            }
            row.cells[index] = Cell { character, style: self.style };
            row.is_touched = true;
        }
        self.cursor.column += 1;
    }

    /// The end of a line.
    fn feed(&mut self) {
        let is_last = self.cursor.row + 1 == self.rows.len();
        if is_last {
            if !self.waits() {
                self.tell_all();
                if self.rows[self.cursor.row].told.is_none() {
                    self.tell(self.cursor.row);
                }
            }
            self.rows.push_back(Row::default());
        }
        self.cursor = Cursor { row: self.cursor.row + 1, ..Cursor::default() };
        if is_last {
            self.scroll();
        }
    }

    /// Lets go of what has left the screen.
    fn scroll(&mut self) {
        let mut height: usize = self.rows.iter().map(Row::height).sum();
        while height > HEIGHT && self.cursor.row > 0 {
            self.tell_changed(0);
            height -= self.rows.pop_front().map_or(0, |row| row.height());
            self.cursor.row -= 1;
            self.saved.row = self.saved.row.saturating_sub(1);
        }
    }

    /// Sees what is new since the last time.
    fn look(&mut self, now: Instant) {
        for row in self.rows.iter_mut().filter(|row| row.is_touched) {
            row.is_touched = false;
            let text = row.text();
            if row.told.as_deref() == Some(&text) {
                row.untold = None;
            } else if text.is_empty() {
                // It may be in the middle of being drawn again.
            } else if row.untold.as_ref().is_none_or(|(before, _)| *before != text) {
                row.untold = Some((text, now));
            }
        }
    }

    fn tell_all(&mut self) {
        (0..self.rows.len()).for_each(|index| self.tell_changed(index));
    }

    fn tell_changed(&mut self, index: usize) {
        let row = &self.rows[index];
        if row.is_touched || row.untold.is_some() {
            self.tell(index);
        }
    }

    /// Tells a row, if it says anything new.
    fn tell(&mut self, index: usize) -> bool {
        let row = &mut self.rows[index];
        row.is_touched = false;
        let was_untold = row.untold.take().is_some();
        let text = row.text();
        if row.told.as_deref() == Some(&text) {
            return false;
        }
        if text.is_empty() {
            // What was erased is no empty line.
            if row.told.is_some() || was_untold {
                return false;
            }
            return self.tell_empty(index);
        }
        self.tell_empty_above(index);
        self.was_empty = false;
        let is_known = self.is_alternate && self.recent.contains(&text);
        if !is_known {
            if self.is_alternate {
                self.recent.truncate(RECENT - 1);
                self.recent.push_front(text.clone());
            }
            let cells = self.rows[index].cells.iter();
            style::draw(cells.map(|cell| (cell.character, cell.style)), &mut self.told);
        }
        self.rows[index].told = Some(text);
        !is_known
    }

    /// Tells an empty line above one that is told: it belongs to it.
    fn tell_empty_above(&mut self, index: usize) {
        if index > 0 && self.rows[index - 1].is_bare() {
            self.tell_empty(index - 1);
        }
    }

    /// Tells an empty line; one is enough.
    fn tell_empty(&mut self, index: usize) -> bool {
        self.rows[index].told = Some(String::new());
        let is_new = !std::mem::replace(&mut self.was_empty, true) && !self.is_alternate;
        if is_new {
            self.told.extend_from_slice(b"\n");
        }
        is_new
    }

    fn escape(&mut self, c: char) {
        match c {
            '7' => self.saved = self.cursor,
            '8' => self.to(self.saved.row, Some(self.saved)),
            'c' => {
                (self.style, self.is_hidden) = (Style::PLAIN, false);
                self.cursor = Cursor::default();
                self.clear();
            }
            'D' | 'E' => self.feed(),
            'M' => self.up(1),
            _ => {}
        }
    }

    /// A control sequence: parameters, and what is to be done with them.
    fn control(&mut self, inside: &str, action: char) {
        if let Some(modes) = inside.strip_prefix('?') {
            if matches!(action, 'h' | 'l') {
                modes.split(';').for_each(|mode| self.mode(mode, action == 'h'));
            }
            return;
        }
        // Those of one terminal alone.
        if inside.starts_with(['<', '=', '>']) {
            return;
        }
        if action == 'm' {
            self.style = self.style.after(inside);
            return;
        }
        let mut numbers = inside.split(';').map(|number| number.parse::<usize>().ok());
        let first = numbers.next().flatten();
        let second = numbers.next().flatten();
        let count = first.unwrap_or(1).clamp(1, MAX_CELLS);
        match action {
            'A' => self.up(count),
            'F' => {
                self.up(count);
                self.cursor.column = 0;
            }
            'B' => self.down(count),
            'E' => {
                self.down(count);
                self.cursor.column = 0;
            }
            'C' => self.cursor.column = (self.cursor.column + count).min(WIDTH - 1),
            'D' => self.cursor.column = self.cursor.column.saturating_sub(count),
            'G' | '`' => self.cursor.column = (count - 1).min(WIDTH - 1),
            'H' | 'f' => {
                self.to(count - 1, None);
                self.cursor.column = (second.unwrap_or(1).max(1) - 1).min(WIDTH - 1);
            }
            'd' => {
                let column = self.cursor.column;
                self.to(count - 1, None);
                self.cursor.column = column;
            }
            's' => self.saved = self.cursor,
            'u' => self.to(self.saved.row, Some(self.saved)),
            'J' => self.erase_screen(first.unwrap_or(0)),
            'K' => self.erase_line(first.unwrap_or(0)),
            'P' | 'X' => self.erase_characters(count, action == 'P'),
            'n' if first == Some(6) => {
                let row =
                    self.rows.iter().take(self.cursor.row).map(Row::height).sum::<usize>() + self.cursor.part;
                let reply = format!("\x1b[{};{}R", row + 1, self.cursor.column.min(WIDTH - 1) + 1);
                self.reply(&reply);
            }
            'n' if first == Some(5) => self.reply("\x1b[0n"),
            'c' if first.is_none_or(|first| first == 0) => self.reply("\x1b[?62;22c"),
            _ => {}
        }
    }

    /// Answers the program. One that asks without reading is not answered for ever.
    fn reply(&mut self, reply: &str) {
        if self.replies.len() < MAX_SEQUENCE {
            self.replies.extend_from_slice(reply.as_bytes());
        }
    }

    fn mode(&mut self, mode: &str, is_on: bool) {
        match mode {
            "25" => self.is_hidden = !is_on,
            "47" | "1047" | "1049" if self.is_alternate != is_on => {
                self.tell_all();
                self.is_alternate = is_on;
                self.recent.clear();
                self.cursor = Cursor::default();
                self.clear();
            }
            _ => {}
        }
    }

    fn up(&mut self, count: usize) {
        for _ in 0..count {
            if self.cursor.part > 0 {
                self.cursor.part -= 1;
            } else if self.cursor.row > 0 {
                self.cursor.row -= 1;
                self.cursor.part = self.rows[self.cursor.row].height() - 1;
            } else {
                break;
            }
        }
        self.cursor.column = self.cursor.column.min(WIDTH - 1);
    }

    fn down(&mut self, count: usize) {
        for _ in 0..count.min(HEIGHT) {
            if self.cursor.part + 1 < self.rows[self.cursor.row].height() {
                self.cursor.part += 1;
                continue;
            }
            if self.cursor.row + 1 == self.rows.len() {
                let height: usize = self.rows.iter().map(Row::height).sum();
                if height >= HEIGHT {
                    break;
                }
                self.rows.push_back(Row::default());
            }
            self.cursor.row += 1;
            self.cursor.part = 0;
        }
        self.cursor.column = self.cursor.column.min(WIDTH - 1);
    }

    /// To a line of the screen, or to a row where the cursor has been.
    fn to(&mut self, line: usize, cursor: Option<Cursor>) {
        self.cursor = Cursor::default();
        match cursor {
            Some(cursor) if cursor.row < self.rows.len() => self.cursor = cursor,
            Some(cursor) => {
                self.down(cursor.row);
                self.cursor.column = cursor.column;
            }
            None if line > 0 => self.down(line),
            None => {}
        }
    }

    fn erase_screen(&mut self, which: usize) {
        let is_top = self.cursor.row == 0 && self.cursor.part == 0 && self.cursor.column == 0;
        match which {
            0 if is_top => self.clear(),
            0 => {
                self.erase_line(0);
                self.rows.iter_mut().skip(self.cursor.row + 1).for_each(Row::erase);
            }
            1 => {
                self.rows.iter_mut().take(self.cursor.row).for_each(Row::erase);
                self.erase_line(1);
            }
            2 | 3 => self.clear(),
            _ => {}
        }
    }

    /// An empty screen; what comes now is new wherever it stands. The cursor stays.
    fn clear(&mut self) {
        // A program that has all of it draws it anew.
        if self.is_alternate {
            return self.rows.iter_mut().for_each(Row::erase);
        }
        self.rows.clear();
        self.rows.resize_with(self.cursor.row + 1, Row::default);
        self.cursor.part = 0;
    }

    fn erase_line(&mut self, which: usize) {
        let start = self.cursor.part * WIDTH;
        let (from, to) = match which {
            0 => (self.index(), start + WIDTH),
            1 => (start, self.index() + 1),
            _ => (start, start + WIDTH),
        };
        self.rows[self.cursor.row].erase_cells(from, to);
    }

    fn erase_characters(&mut self, count: usize, pulls: bool) {
        let (from, row) = (self.index(), self.cursor.row);
        let row = &mut self.rows[row];
        let to = (from + count).min(row.cells.len());
        if pulls && from < to {
            row.cells.drain(from..to);
            row.is_touched = true;
        } else {
            row.erase_cells(from, to);
        }
    }
}

impl Row {
    fn height(&self) -> usize {
        self.cells.len().div_ceil(WIDTH).max(1)
    }

    fn text(&self) -> String {
        let characters = self.cells.iter().map(|cell| cell.character);
        let mut text: String = characters.filter(|character| *character != FILLER).collect();
        text.truncate(text.trim_end().len());
        text
    }

    /// Whether nothing was ever told of it, and nothing is to be.
    fn is_bare(&self) -> bool {
        self.told.is_none() && self.untold.is_none() && self.text().is_empty()
    }

    fn erase(&mut self) {
        if !self.cells.is_empty() {
            self.cells.clear();
            self.is_touched = true;
        }
    }

    fn erase_cells(&mut self, from: usize, to: usize) {
        let length = self.cells.len();
        if from >= length {
            return;
        }
        self.is_touched = true;
        if to >= length {
            self.cells.truncate(from);
        } else {
            self.cells[from..to].fill(BLANK);
        }
    }
}

/// Whether a character takes two cells.
fn is_wide(c: char) -> bool {
    matches!(c,
        '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{303e}' | '\u{3041}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}' | '\u{fe30}'..='\u{fe6f}' | '\u{ff00}'..='\u{ff60}' | '\u{ffe0}'..='\u{ffe6}'
        | '\u{1f300}'..='\u{1f64f}' | '\u{1f680}'..='\u{1f6ff}' | '\u{1f900}'..='\u{1f9ff}'
        | '\u{20000}'..='\u{3fffd}')
}

#[cfg(test)]
mod tests;
