//! Reads errors and builds from the lines of one stream. Pure; time comes as an argument.
//!
//! A line is given its role by the rules. The roles drive a small machine: an error that has begun takes the lines that
//! belong to it (frames, code, what is indented below it) until something else begins or nothing comes for a while. Then it
//! is a finding. Scripts that a runner shows together are told apart by what it puts before their lines.

use std::{collections::VecDeque, time::Duration};

use regex::Captures;
use tokio::time::Instant;

use super::{
    page::{self, Pages},
    place::Place,
    prefix::{self, Prefix},
    record::{self, Level, Record},
    rules::{self, Role},
    structured,
};

/// Lines that come later than this after the line before them belong to something else. An interpreter that is short of time
/// writes a traceback in pieces.
pub(crate) const GAP: Duration = Duration::from_millis(400);

/// What led to an error of Ruby is printed with it, within so many milliseconds; the next program needs longer to start.
const CAUSE_GAP: i64 = 20;

/// A logger writes the stack of an error together with what it says of it, within so many milliseconds.
const RECORD_GAP: i64 = 20;

/// How many lines that belong to nothing may stand between an error and its place.
const LOOSE: usize = 14;

/// How old, in lines, a place may be that stands before its error.
const BEFORE: usize = 6;

/// How much of an error's text is kept: a screenful or two.
const MAX_TEXT: usize = 4 * 1024;

/// How much of its message.
const MAX_MESSAGE: usize = 300;

/// How many lines of an error's text are looked at: a trace that is longer is a loop in somebody's code.
const MAX_LINES: usize = 400;

/// How many scripts of one runner are told apart at a time.
const MAX_CHANNELS: usize = 32;

/// Where a line stands in the log, and when it came.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Origin {
    /// The entry of the log.
    pub(crate) entry: u64,
    /// Milliseconds of Unix time.
    pub(crate) at: i64,
}

/// An error as it was read.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Raw {
    pub(crate) message: String,
    pub(crate) kind: Option<String>,
    pub(crate) place: Option<Place>,
    pub(crate) text: String,
    pub(crate) origin: Origin,
    /// It says only that there were errors: it counts if none is told.
    pub(crate) is_summary: bool,
    /// It happened in a page, and the dev server tells it.
    pub(crate) is_browser: bool,
    /// The test that has printed it.
    pub(crate) test: Option<String>,
    /// That test runs still.
    pub(crate) is_running: bool,
}

/// What a build does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Change {
    /// It begins, and will tell all of its errors again.
    Begins,
    /// Everything begins anew.
    Restarts,
    /// It is over; whether without errors, if it says that.
    Ends(Option<bool>),
    /// A command that may have begun a build of its own works on it.
    Compiles,
    /// A command's build is over, without errors.
    Built,
    /// It is over without errors, unless some are told now.
    Passes,
    /// What was built is started, even if an older one.
    Starts,
}

/// What has a verdict of its own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Part {
    /// A test: what it prints is no error if it passes.
    Test,
    /// What is tested by itself, such as a package of Go: what was told of it is over when it passes.
    Package,
}

/// What is in the lines.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Finding {
    Error(Raw),
    Build(Change, Origin),
    Part { part: Part, name: String, has_passed: bool, origin: Origin },
}

/// What was found, and whose it is among the scripts of a runner; empty without one.
pub(crate) type Found = (String, Finding);

/// The state of one stream.
#[derive(Clone, Debug, Default)]
pub(crate) struct Engine {
    channels: Vec<Channel>,
    pages: Pages,
    /// The channel of the line before.
    last: usize,
}

/// The lines of one script.
#[derive(Clone, Debug, Default)]
struct Channel {
    name: String,
    block: Option<Block>,
    /// Places that stood before anything else, with how many lines ago.
    before: VecDeque<(Place, usize)>,
    /// The file whose errors are listed below its name.
    file: Option<Place>,
    until: Option<Instant>,
    /// A page says the line.
    is_page: bool,
    /// Within what Python draws of errors that were raised together.
    is_tree: bool,
    /// The test that runs.
    test: Option<String>,
    /// Within what a test has printed, and how that ends.
    printed: Option<Printed>,
}

/// How what a test has printed ends, besides the test's own end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Printed {
    /// By a line that is not indented.
    Indented,
    /// By the next section or result.
    Section,
}

/// What a block is so far.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    /// What failed is known, not why.
    Awaiting,
    Error,
    /// An error, if a box is around it.
    Maybe,
    Warning,
    /// What a logger says at a low level.
    Quiet,
    /// What a test has printed, up to the next empty line.
    Quoted,
    /// A line that says that there were errors.
    Summary,
}

/// How well a message tells what went wrong.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Worth {
    /// That of a title, or any text below it.
    Text,
    Weak,
    Error,
    Strong,
    /// The last line of a traceback.
    Final,
}

/// Where in a traceback of Python the block is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Traceback {
    #[default]
    None,
    /// Among its frames.
    Frames,
    /// After its last line.
    Over,
    /// Another one follows, of the error that this one led to.
    Chained,
}

#[derive(Clone, Debug)]
struct Block {
    kind: Kind,
    worth: Worth,
    message: String,
    name: Option<String>,
    /// How far its first line is indented, and the one that has the message.
    base: usize,
    indent: usize,
    /// The place that stands with the message or is pointed at.
    exact: Option<Place>,
    /// The frame that counts.
    frame: Option<Place>,
    /// A place that is worth less.
    nearby: Option<Place>,
    /// A page said it.
    is_page: bool,
    /// It began with the name of a test's file.
    is_test: bool,
    /// The test that has printed it.
    test: Option<String>,
    /// That test runs still.
    is_running: bool,
    /// A logger has written it.
    is_record: bool,
    /// All that is indented belongs to it, behind empty lines too.
    is_pending: bool,
    traceback: Traceback,
    /// The line before this one is a frame.
    in_frames: bool,
    /// When the last line came, in milliseconds of Unix time.
    last: i64,
    /// Lines of the source follow, up to an empty one.
    in_source: bool,
    text: String,
    lines: usize,
    /// Empty lines just before the next one.
    blanks: usize,
    /// Lines since that belong to nothing.
    loose: usize,
    origin: Origin,
}

/// A line with what the rules say of it.
struct Line<'a> {
    text: &'a str,
    indent: usize,
    message: &'a str,
    name: Option<&'a str>,
    place: Option<Place>,
    test: Option<&'a str>,
    origin: Origin,
}

impl Engine {
    /// Takes a line, without control sequences.
    pub(crate) fn on(&mut self, line: &str, origin: Origin, now: Instant, out: &mut Vec<Found>) {
        let is_page = self.pages.on(line);
        let Prefix { name, rest, is_of_system } =
            prefix::read(line, |name| self.channels.iter().any(|channel| channel.name == name));
        let index = self.channel(name, line, out);
        self.last = index;
        let channel = &mut self.channels[index];
        if channel.until.is_some_and(|until| now > until) {
            channel.close(out);
            channel.before.clear();
        }
        channel.is_page = is_page;
        let rest = prefix::without_gutter(rest);
        let text = prefix::without_time(rest);
        channel.on(text, is_of_system || text.len() < rest.len(), origin, out);
        channel.until = channel.is_open().then(|| now + GAP);
    }

    /// Whether the next line may belong to something that has begun.
    pub(crate) fn is_open(&self) -> bool {
        self.channels.iter().any(|channel| channel.until.is_some())
    }

    /// When the next thing that has begun is over, if nothing else comes.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.channels
            .iter()
            .filter(|channel| channel.block.is_some())
            .filter_map(|channel| channel.until)
            .min()
    }

    /// Ends what is due at this time, or everything.
    pub(crate) fn close_due(&mut self, now: Option<Instant>, out: &mut Vec<Found>) {
        for channel in &mut self.channels {
            if channel.until.is_some_and(|until| now.is_none_or(|now| until <= now)) {
                channel.close(out);
                if now.is_some() {
                    channel.until = None;
                }
            }
        }
    }

    /// The channel of this name; an indented line without a name goes on where the one before it was.
    fn channel(&mut self, name: &str, line: &str, out: &mut Vec<Found>) -> usize {
        if name.is_empty()
            && line.starts_with([' ', '\t'])
            && self.channels.get(self.last).is_some_and(|channel| channel.block.is_some())
        {
            return self.last;
        }
        if let Some(known) = self.channels.iter().position(|channel| channel.name == name) {
            return known;
        }
        if self.channels.len() == MAX_CHANNELS {
            let mut oldest = self.channels.remove(0);
            oldest.close(out);
        }
        self.channels.push(Channel { name: name.to_owned(), ..Channel::default() });
        self.channels.len() - 1
    }
}

impl Channel {
    fn is_open(&self) -> bool {
        let is_told = self.block.as_ref().is_some_and(|block| block.kind != Kind::Quiet);
        is_told || self.file.is_some() || !self.before.is_empty()
    }

    /// Takes a line without what stands before it. `is_timed` says that this was a time.
    fn on(&mut self, text: &str, is_timed: bool, origin: Origin, out: &mut Vec<Found>) {
        for (_, age) in &mut self.before {
            *age += 1;
        }
        self.before.retain(|(_, age)| *age <= BEFORE);
        let Some(text) = self.within_tree(text, out) else { return };
        if self.is_printed(text) {
            return;
        }
        if text.trim().is_empty() {
            if let Some(block) = &mut self.block {
                block.blanks += 1;
                if block.kind == Kind::Summary {
                    self.close(out);
                }
            }
            return;
        }
        // What a page says is no part of what the server has begun.
        if self.is_page && self.block.as_ref().is_some_and(|block| !block.is_page) {
            self.close(out);
        }
        if let Some(block) = self.block.as_mut().filter(|block| block.kind == Kind::Quoted) {
            if block.blanks == 0 {
                return block.push(text);
            }
            self.close(out);
        }
        if !self.is_page
            && let Some(record) = structured::read(text)
        {
            self.close(out);
            if record.is_error {
                let is_running = self.test.is_some();
                let raw = Raw { test: self.test.clone(), is_running, ..of_record(record, text, origin) };
                out.push((self.name.clone(), Finding::Error(raw)));
            }
            return;
        }
        let is_part = |block: &Block| block.traceback == Traceback::Frames || block.in_source;
        if !self.is_page && !self.block.as_ref().is_some_and(is_part) && record::is_chatter(text, is_timed) {
            self.open(Kind::Quiet, Worth::Text, &Line::new(text, None, origin), out);
            if let Some(block) = &mut self.block {
                block.is_record = true;
            }
            return;
        }
        if let Some(block) = self.block.as_mut().filter(|block| block.is_shown(text)) {
            return block.push(text);
        }
        let found = rules::ALL.read(text);
        let (role, captures) = found.map_or((None, None), |(role, captures)| (Some(role), Some(captures)));
        let mut line = Line::new(text, captures.as_ref(), origin);
        let mut role = role;
        // What stands behind a word such as `ERROR` may itself say more.
        if matches!(role, Some(Role::Weak | Role::Strong))
            && line.name.is_none()
            && line.message.len() < text.len()
            && let Some((inner, captures)) = rules::ALL.read(line.message)
            && matches!(
                inner,
                Role::Strong | Role::Error | Role::Whole | Role::Title | Role::Announced | Role::Summary
            )
        {
            let within = Line::new(line.message, Some(&captures), origin);
            if inner != Role::Strong || within.name.is_some() {
                role = Some(inner);
                line = Line { text, indent: line.indent, ..within };
            }
        }
        if self.is_page {
            role = role.filter(|role| !is_build(*role));
        }
        if self.in_traceback(role, &line, out) || self.in_low(role, &line, is_timed, out) {
            return;
        }
        if let Some(block) = self.block.as_mut().filter(|block| block.in_source) {
            if block.blanks == 0 && role != Some(Role::Frame) {
                return block.push(line.text);
            }
            block.in_source = false;
        }
        if may_be_record(role)
            && !self.is_page
            && let Some(record) = record::read(text, is_timed)
            && self.record(record, role, &line, out)
        {
            return;
        }
        match role {
            None => self.plain(&line, out),
            Some(Role::Code) => self.code(&line),
            Some(Role::Skip) => self.add(&line),
            Some(Role::Quiet) => self.close(out),
            Some(Role::Warning) => self.open(Kind::Warning, Worth::Text, &line, out),
            Some(Role::Quoted) => self.open(Kind::Quoted, Worth::Text, &line, out),
            Some(Role::Text) => match &mut self.block {
                Some(block) if block.kind == Kind::Awaiting => block.tell(Worth::Text, &line),
                _ => self.add(&line),
            },
            Some(Role::Summary) => self.summary(&line, out),
            Some(Role::Title) => self.title(&line, out),
            Some(Role::Test) => self.test(&line, out),
            Some(Role::Vague) => self.vague(&line, out),
            Some(Role::Said) => self.said(&line, out),
            Some(Role::Raised) => self.raised(&line, out),
            Some(Role::Next) => self.next(&line, out),
            Some(Role::Source) => {
                self.add(&line);
                if let Some(block) = &mut self.block {
                    block.in_source = true;
                }
            }
            Some(Role::Pending) => {
                self.add(&line);
                if let Some(block) = self.block.as_mut().filter(|block| block.kind == Kind::Awaiting) {
                    (block.kind, block.is_pending) = (Kind::Warning, true);
                }
            }
            // Nuxt tells so what it has announced.
            Some(Role::Perhaps)
                if text.starts_with('ℹ') && self.block.as_ref().is_some_and(Block::is_weak) =>
            {
                self.error(Worth::Strong, &line, out);
            }
            Some(Role::Perhaps) => self.open(Kind::Maybe, Worth::Strong, &line, out),
            Some(Role::Printed) => {
                self.close(out);
                self.printed = Some(if text.starts_with('-') { Printed::Section } else { Printed::Indented });
            }
            Some(Role::Runs) => {
                self.close(out);
                // Those of a program of Rust run together, and are told from those of the next one by where they begin.
                let is_named = line.message.len() < text.len();
                self.test = Some(if is_named {
                    line.message.to_owned()
                } else {
                    format!("{text} #{}", origin.entry)
                });
            }
            Some(Role::Passes) if line.message.len() < text.len() => {
                self.verdict(Part::Test, true, &line, out);
            }
            Some(Role::Passes) => {
                if let Some(test) = self.test.clone() {
                    self.verdict(Part::Test, true, &Line { message: &test, ..line }, out);
                }
            }
            Some(Role::Failing) => self.verdict(Part::Test, false, &line, out),
            Some(Role::Fails) => {
                self.verdict(Part::Test, false, &line, out);
                let test = Some(line.message);
                self.open(Kind::Awaiting, Worth::Text, &Line { message: text, test, ..line }, out);
            }
            Some(Role::PartPasses) => self.verdict(Part::Package, true, &line, out),
            Some(Role::PartFails) => {
                self.verdict(Part::Package, false, &line, out);
                self.summary(&Line { message: text, ..line }, out);
            }
            Some(Role::Box) => self.begin_box(&line, out),
            Some(Role::Boxed) => self.end_box(&line, out),
            Some(Role::Members) => self.members(&line, out),
            Some(Role::Logged) => self.logged(&line, out),
            Some(Role::Report) => self.report(&line, out),
            Some(Role::Weak) => self.error(Worth::Weak, &line, out),
            Some(Role::Error) => self.error(Worth::Error, &line, out),
            Some(Role::Strong) => self.error(Worth::Strong, &line, out),
            Some(Role::Whole) => self.error(Worth::Final, &line, out),
            Some(Role::Uncaught) => self.open(Kind::Error, Worth::Strong, &line, out),
            Some(Role::Row) => self.row(&line, out),
            Some(Role::File) => self.file(&line, out),
            Some(Role::Frame) => self.frame(&line),
            Some(Role::Call) => self.call(&line, out),
            Some(Role::Place) => self.place(&line, out),
            Some(Role::Nearby) => self.nearby(&line),
            Some(Role::Traceback) => self.traceback(&line, out),
            Some(Role::Chain) => {
                self.add(&line);
                if let Some(block) = &mut self.block {
                    block.traceback = Traceback::Chained;
                }
            }
            Some(Role::Begins) => self.build(Change::Begins, origin, out),
            Some(Role::Restarts) => self.build(Change::Restarts, origin, out),
            Some(Role::Ends) => self.build(Change::Ends(None), origin, out),
            Some(Role::Clean) => self.build(Change::Ends(Some(true)), origin, out),
            Some(Role::Failed) => self.build(Change::Ends(Some(false)), origin, out),
            Some(Role::Broken) => {
                // It is told of the build that ends, if nothing else is.
                self.summary(&line, out);
                self.build(Change::Ends(Some(false)), origin, out);
            }
            Some(Role::Announced) => {
                self.build(Change::Ends(Some(false)), origin, out);
                self.title(&line, out);
            }
            Some(Role::Built) => self.build(Change::Built, origin, out),
            Some(Role::Compiles) => self.build(Change::Compiles, origin, out),
            Some(Role::Tested) => self.build(Change::Passes, origin, out),
            Some(Role::Starts) => self.build(Change::Starts, origin, out),
        }
    }

    /// Whether the line is one of those that a test has printed, whose result is told elsewhere.
    fn is_printed(&mut self, text: &str) -> bool {
        let ends = match self.printed {
            None => return false,
            Some(Printed::Indented) => !text.is_empty() && !text.starts_with([' ', '\t']),
            Some(Printed::Section) => {
                // `1 failed, 2 passed in 0.12s`, if nothing is drawn around it.
                let is_sum = text.starts_with(|c: char| c.is_ascii_digit())
                    && [" failed", " passed", " error"].iter().any(|word| text.contains(word))
                    && text.contains(" in ");
                is_sum
                    || ["PASSED", "FAILED", "ERROR  ", "SKIPPED", "XFAIL", "XPASS", "RERUN"].iter().any(
                        |result| {
                            text.strip_prefix(result)
                                .is_some_and(|rest| rest.trim_start().starts_with('[') || rest.is_empty())
                        },
                    )
                    || ["---", "===", "___"].iter().any(|line| text.starts_with(line))
                    || text.starts_with("Fatal Python error")
            }
        };
        if ends {
            self.printed = None;
        }
        !ends
    }

    /// How a test or a package has ended.
    fn verdict(&mut self, part: Part, has_passed: bool, line: &Line<'_>, out: &mut Vec<Found>) {
        self.close(out);
        if part == Part::Package || self.test.as_deref() == Some(line.message) {
            self.test = None;
        }
        let name = line.message.to_owned();
        out.push((self.name.clone(), Finding::Part { part, name, has_passed, origin: line.origin }));
    }

    /// A line that a logger has written. Whether nothing else is to be made of it.
    fn record(&mut self, record: Record, role: Option<Role>, line: &Line<'_>, out: &mut Vec<Found>) -> bool {
        let kind = match record.level {
            Level::Low => Kind::Quiet,
            Level::Warning => Kind::Warning,
            // Other words than those of a rule are told as they are.
            Level::Error if role == Some(Role::Vague) || role.is_none() && record.is_certain => {
                let message = &line.text[record.message..];
                if message.trim().is_empty() {
                    return false;
                }
                self.error(Worth::Weak, &Line { message, name: None, place: None, ..*line }, out);
                return true;
            }
            Level::Error => return false,
        };
        // Maven tells of its builds as a logger does.
        let is_of_maven = line.text.starts_with("[INFO] BUILD ");
        if !record.is_certain && role.is_none_or(is_build) || role.is_some_and(is_build) && is_of_maven {
            return false;
        }
        self.open(kind, Worth::Text, line, out);
        if let Some(block) = &mut self.block {
            block.is_record = record.is_certain;
        }
        true
    }

    /// A line that belongs to a warning, or to what a logger says at a low level: what is indented below it, and the stack of the
    /// error that it tells of.
    fn in_low(&mut self, role: Option<Role>, line: &Line<'_>, is_timed: bool, out: &mut Vec<Found>) -> bool {
        let Some(block) =
            self.block.as_mut().filter(|block| matches!(block.kind, Kind::Warning | Kind::Quiet))
        else {
            return false;
        };
        let is_call = block.traceback == Traceback::Frames && role == Some(Role::Call);
        let is_message = block.is_record && line.indent > block.base;
        if is_call || role.is_some_and(is_build) && !is_message {
            return false;
        }
        let is_next = block.blanks == 0 && line.origin.at - block.last <= RECORD_GAP;
        // The next one begins, of which nothing is known yet.
        let is_over =
            block.blanks > 0 && line.indent <= block.base && matches!(role, Some(Role::Skip | Role::Nearby));
        if block.kind == Kind::Quiet && !is_next || is_over {
            self.close(out);
            return false;
        }
        let is_inside = line.indent > block.base && (block.blanks == 0 || block.is_pending);
        let is_stack = block.is_record
            && is_next
            && record::read(line.text, is_timed).is_none()
            && match role {
                Some(Role::Frame | Role::Skip | Role::Chain | Role::Next) => true,
                Some(Role::Strong | Role::Error | Role::Title) => {
                    let is_caught = !line.text.contains("ncaught ");
                    let is_named = line.name.is_some() && is_caught || line.text.starts_with("** (");
                    is_qualified(line.text) || block.kind == Kind::Warning && is_named
                }
                Some(Role::Traceback) => block.kind == Kind::Warning,
                // Ruby has a place in front of what ends a program.
                Some(Role::Raised) => false,
                _ => is_qualified(line.text) || line.text.starts_with("[stacktrace]"),
            };
        if !is_inside && !is_stack {
            return false;
        }
        block.push(line.text);
        block.last = line.origin.at;
        if role == Some(Role::Traceback) {
            block.traceback = Traceback::Frames;
            block.indent = line.indent;
        }
        true
    }

    /// The line without what Python draws before it when several errors were raised together. A line between two of them
    /// says nothing else.
    fn within_tree<'a>(&mut self, text: &'a str, out: &mut Vec<Found>) -> Option<&'a str> {
        let drawn = text.trim_start();
        if let Some(rest) =
            drawn.strip_prefix("+ ").filter(|rest| rest.starts_with("Exception Group Traceback "))
        {
            self.is_tree = true;
            return Some(rest);
        }
        if !self.is_tree {
            return Some(text);
        }
        if drawn.starts_with("+-")
            && drawn.bytes().all(|byte| b"+- .".contains(&byte) || byte.is_ascii_digit())
        {
            self.close(out);
            return None;
        }
        match drawn.strip_prefix('|') {
            Some(rest) => Some(rest.strip_prefix(' ').unwrap_or(rest)),
            None => {
                self.is_tree = false;
                Some(text)
            }
        }
    }

    fn build(&mut self, change: Change, origin: Origin, out: &mut Vec<Found>) {
        self.close(out);
        self.file = None;
        self.before.clear();
        out.push((self.name.clone(), Finding::Build(change, origin)));
    }

    /// Ends what has begun.
    fn close(&mut self, out: &mut Vec<Found>) {
        let Some(block) = self.block.take() else { return };
        if let Some(raw) = block.finish() {
            out.push((self.name.clone(), Finding::Error(raw)));
        }
    }

    /// Begins something new.
    fn open(&mut self, kind: Kind, worth: Worth, line: &Line<'_>, out: &mut Vec<Found>) {
        self.close(out);
        let before = self.before.pop_back().map(|(place, _)| place);
        self.before.clear();
        let mut block = Block {
            kind,
            worth,
            message: cut(line.message.trim(), MAX_MESSAGE).to_owned(),
            name: line.name.map(str::to_owned),
            base: line.indent,
            indent: line.indent,
            exact: line.place.clone(),
            frame: None,
            nearby: before,
            is_page: self.is_page,
            is_test: false,
            test: line.test.map(str::to_owned).or_else(|| self.test.clone()),
            is_running: line.test.is_none() && self.test.is_some(),
            is_record: false,
            is_pending: false,
            traceback: Traceback::None,
            in_frames: false,
            last: line.origin.at,
            in_source: false,
            text: String::new(),
            lines: 0,
            blanks: 0,
            loose: 0,
            origin: line.origin,
        };
        block.push(line.text);
        self.block = Some(block);
    }

    /// Adds a line to what has begun, if anything.
    fn add(&mut self, line: &Line<'_>) {
        if let Some(block) = &mut self.block {
            block.push(line.text);
        }
    }

    fn title(&mut self, line: &Line<'_>, out: &mut Vec<Found>) {
        match &mut self.block {
            // Titles in a row speak of the same thing; the last one that has a place knows best.
            Some(block)
                if block.kind == Kind::Awaiting && (block.exact.is_none() || line.place.is_none()) =>
            {
                block.push(line.text);
                block.exact = line.place.clone().or(block.exact.take());
                block.name = line.name.map(str::to_owned).or(block.name.take());
                block.indent = line.indent;
            }
            Some(block) if block.worth == Worth::Weak && !block.has_place() && block.blanks == 0 => {
                block.push(line.text);
                block.nearby = line.place.clone().or(block.nearby.take());
            }
            _ => self.open(Kind::Awaiting, Worth::Text, line, out),
        }
    }

    /// The place of a test is worth less than where it fails.
    fn test(&mut self, line: &Line<'_>, out: &mut Vec<Found>) {
        self.open(Kind::Awaiting, Worth::Text, line, out);
        if let Some(block) = &mut self.block {
            block.nearby = block.exact.take();
            block.is_test = true;
        }
    }

    /// It is the message if one is awaited, and a summary otherwise.
    fn vague(&mut self, line: &Line<'_>, out: &mut Vec<Found>) {
        match &mut self.block {
            Some(block) if block.kind == Kind::Awaiting => block.tell(Worth::Text, line),
            _ => self.summary(line, out),
        }
    }

    fn said(&mut self, line: &Line<'_>, out: &mut Vec<Found>) {
        match &mut self.block {
            Some(block) if block.worth < Worth::Strong => block.tell(Worth::Strong, line),
            Some(_) => self.add(line),
            None => self.open(Kind::Error, Worth::Strong, line, out),
        }
    }

    /// An error of Ruby. What led to one stands right behind its frames, and belongs to it.
    fn raised(&mut self, line: &Line<'_>, out: &mut Vec<Found>) {
        match &mut self.block {
            Some(block)
                if block.kind == Kind::Error
                    && block.in_frames
                    && block.blanks == 0
                    && line.origin.at - block.last < CAUSE_GAP
                    && !block.text.contains(line.text) =>
            {
                block.push(line.text);
            }
            _ => self.error(Worth::Strong, line, out),
        }
    }

    /// What was thrown while the error before was handled.
    fn next(&mut self, line: &Line<'_>, out: &mut Vec<Found>) {
        match &mut self.block {
            Some(block) if block.kind == Kind::Error => {
                (block.exact, block.frame) = (None, None);
                block.tell(Worth::Final, line);
            }
            _ => self.error(Worth::Strong, line, out),
        }
    }

    fn begin_box(&mut self, line: &Line<'_>, out: &mut Vec<Found>) {
        match &mut self.block {
            Some(block) if block.kind == Kind::Awaiting => block.tell(Worth::Strong, line),
            Some(block) if line.indent > block.indent && block.kind != Kind::Summary => block.push(line.text),
            _ => self.open(Kind::Maybe, Worth::Strong, line, out),
        }
    }

    fn end_box(&mut self, line: &Line<'_>, out: &mut Vec<Found>) {
        if let Some(block) = self.block.as_mut().filter(|block| block.kind == Kind::Maybe) {
            block.kind = Kind::Error;
            block.exact.clone_from(&line.place);
        }
        self.place(line, out);
    }

    /// An error that stands for those that follow counts if none of them is told.
    fn members(&mut self, line: &Line<'_>, out: &mut Vec<Found>) {
        self.add(line);
        if let Some(block) = self.block.as_mut().filter(|block| block.kind == Kind::Error) {
            block.kind = Kind::Summary;
            self.close(out);
        }
    }

    /// An error of a log. Where it was written is worth less than what it tells of.
    fn logged(&mut self, line: &Line<'_>, out: &mut Vec<Found>) {
        self.open(Kind::Error, Worth::Error, line, out);
        if let Some(block) = &mut self.block {
            block.nearby = block.exact.take();
        }
    }

    fn report(&mut self, line: &Line<'_>, out: &mut Vec<Found>) {
        match &mut self.block {
            Some(block) if block.text.starts_with("npm ") && block.worth < Worth::Strong => {
                block.tell(Worth::Strong, line);
            }
            Some(block) if block.text.starts_with("npm ") => block.push(line.text),
            _ => self.open(Kind::Error, Worth::Strong, line, out),
        }
    }

    fn summary(&mut self, line: &Line<'_>, out: &mut Vec<Found>) {
        let belongs = |block: &Block| match block.kind {
            Kind::Summary | Kind::Awaiting => true,
            Kind::Error => block.is_weak() && block.blanks == 0,
            Kind::Warning | Kind::Quiet | Kind::Quoted | Kind::Maybe => false,
        };
        if self.block.as_ref().is_some_and(belongs) {
            return self.add(line);
        }
        self.open(Kind::Summary, Worth::Text, line, out);
    }

    fn error(&mut self, worth: Worth, line: &Line<'_>, out: &mut Vec<Found>) {
        let Some(block) = &mut self.block else { return self.open(Kind::Error, worth, line, out) };
        let is_inside = line.indent > block.indent;
        match block.kind {
            Kind::Warning if is_inside => block.push(line.text),
            Kind::Awaiting => block.tell(worth, line),
            // Announced by a line with a colon at its end.
            Kind::Error if block.worth == Worth::Weak && block.lines == 1 && block.message.ends_with(':') => {
                block.tell(worth, line);
            }
            // The same words again, as below a line that has the kind too.
            Kind::Error
                if worth == Worth::Weak
                    && block.lines == 1
                    && block.message.contains(line.message.trim())
                    && block.text.trim() != line.text.trim() =>
            {
                block.push(line.text);
            }
            // A wrapper's words, and then what it wraps.
            Kind::Error if block.worth == Worth::Text && worth == Worth::Weak && line.indent > block.base => {
                block.push(line.text);
            }
            Kind::Error
                if block.worth < worth
                    && block.frame.is_none()
                    && (block.worth == Worth::Text
                        || block.worth == Worth::Weak && block.lines <= 2
                        || is_inside) =>
            {
                block.tell(worth, line);
            }
            // What led to it, its details.
            Kind::Error if is_inside && worth < Worth::Final => block.push(line.text),
            _ => self.open(Kind::Error, worth, line, out),
        }
    }

    fn row(&mut self, line: &Line<'_>, out: &mut Vec<Found>) {
        self.close(out);
        let mut place = line.place.clone().unwrap_or_default();
        if let Some(file) = &self.file {
            file.file.clone_into(&mut place.file);
        }
        let raw = Raw {
            message: cut(line.message.trim(), MAX_MESSAGE).to_owned(),
            kind: line.name.map(str::to_owned),
            place: Some(place).filter(|place| !place.file.is_empty()),
            text: line.text.to_owned(),
            origin: line.origin,
            is_summary: false,
            is_browser: self.is_page,
            test: self.test.clone(),
            is_running: self.test.is_some(),
        };
        out.push((self.name.clone(), Finding::Error(raw)));
    }

    fn file(&mut self, line: &Line<'_>, out: &mut Vec<Found>) {
        if let Some(block) = self.block.as_mut().filter(|block| block.blanks == 0) {
            if block.kind == Kind::Error && block.exact.is_none() && line.indent == 0 {
                block.exact.clone_from(&line.place);
            }
            return if block.kind == Kind::Awaiting { self.add(line) } else { self.plain(line, out) };
        }
        if let Some(block) = self.block.as_mut().filter(|block| block.kind == Kind::Awaiting) {
            if line.indent == 0 && block.exact.is_none() {
                block.exact.clone_from(&line.place);
            }
            return block.push(line.text);
        }
        if line.indent > 0 {
            return self.plain(line, out);
        }
        if self.block.as_ref().is_some_and(Block::has_place) {
            self.close(out);
        }
        self.file = line.place.clone();
    }

    fn code(&mut self, line: &Line<'_>) {
        if let Some(block) = &mut self.block {
            block.push(line.text);
            block.loose = 0;
        }
    }

    fn frame(&mut self, line: &Line<'_>) {
        let Some(block) = &mut self.block else { return };
        block.push(line.text);
        (block.in_frames, block.last) = (true, line.origin.at);
        block.loose = 0;

        if let Some(place) = line.place.as_ref().filter(|place| place.is_own())
            && block.frame.is_none()
        {
            block.frame = Some(place.clone());
            if block.kind == Kind::Maybe {
                block.kind = Kind::Error;
            }
        }
    }

    /// A frame of Python.
    fn call(&mut self, line: &Line<'_>, out: &mut Vec<Found>) {
        if let Some(block) = &mut self.block
            && block.kind == Kind::Warning
            && block.traceback == Traceback::Frames
        {
            // What began in no function has ended the program: nobody has caught it to write it into a log.
            if block.text.lines().next_back().is_some_and(|last| last.starts_with("Traceback "))
                && [", in <module>", ", in _run_module_as_main"].iter().any(|end| line.text.ends_with(end))
            {
                self.open(Kind::Awaiting, Worth::Text, line, out);
                if let Some(block) = &mut self.block {
                    (block.traceback, block.frame) = (Traceback::Frames, block.exact.take());
                    block.base = 0;
                    block.indent = 0;
                }
            } else {
                block.push(line.text);
            }
            return;
        }
        // The place of a syntax error needs no traceback.
        let is_new = |block: &Block| {
            !matches!(block.kind, Kind::Error | Kind::Awaiting) || block.traceback == Traceback::Over
        };
        if self.block.as_ref().is_none_or(is_new) {
            if !line.text.trim_start().starts_with("File ") {
                return;
            }
            self.open(Kind::Awaiting, Worth::Text, line, out);
            if let Some(block) = &mut self.block {
                block.traceback = Traceback::Frames;
                block.exact = None;
            }
        } else {
            self.add(line);
        }
        let Some(block) = &mut self.block else { return };
        block.loose = 0;
        if let Some(place) = line.place.as_ref().filter(|place| place.is_own()) {
            block.frame = Some(place.clone());
        }
    }

    fn place(&mut self, line: &Line<'_>, out: &mut Vec<Found>) {
        let Some(mut place) = line.place.clone() else { return };
        if place.file.is_empty() {
            // Only the file's name stands above.
            let Some(file) = self.block.as_ref().and_then(|block| block.exact.as_ref()) else { return };
            file.file.clone_into(&mut place.file);
        }
        let mut is_next = self.block.is_none();
        if let Some(block) = &mut self.block {
            let is_told = block.has_place() || block.nearby.is_some() || block.kind == Kind::Warning;
            let is_below = block.kind != Kind::Summary && (line.indent > 0 || block.blanks == 0 || !is_told);
            if is_below {
                block.push(line.text);
                block.loose = 0;
                if block.exact.as_ref().is_none_or(|exact| exact.line.is_none() && place.line.is_some())
                    && place.is_own()
                {
                    block.exact = Some(place.clone());
                }
            } else {
                is_next = true;
            }
        }
        if is_next {
            self.close(out);
            self.before.push_back((place, 0));
        }
    }

    fn nearby(&mut self, line: &Line<'_>) {
        match &mut self.block {
            Some(block) if !block.has_place() => {
                block.push(line.text);
                block.nearby = line.place.clone();
            }
            _ => self.before.extend(line.place.clone().map(|place| (place, 0))),
        }
    }

    fn traceback(&mut self, line: &Line<'_>, out: &mut Vec<Found>) {
        let joins = self.block.as_ref().is_some_and(|block| {
            block.traceback == Traceback::Chained
                || block.traceback == Traceback::None
                    && (block.kind == Kind::Awaiting || block.kind == Kind::Error && block.lines == 1)
                    && !block.has_place()
        });
        if joins {
            self.add(line);
        } else {
            self.open(Kind::Awaiting, Worth::Text, line, out);
        }
        if let Some(block) = &mut self.block {
            block.traceback = Traceback::Frames;
            block.frame = None;
            block.indent = line.indent;
        }
    }

    /// A line of a traceback of Python: all that is indented belongs to it, and the first line that is not ends it.
    fn in_traceback(&mut self, role: Option<Role>, line: &Line<'_>, out: &mut Vec<Found>) -> bool {
        let Some(block) = &mut self.block else { return false };
        if block.traceback != Traceback::Frames || matches!(role, Some(Role::Call | Role::Traceback)) {
            return false;
        }
        if line.indent > block.indent {
            block.push(line.text);
            return true;
        }
        let text = line.text.trim();
        let (name, _) = text.split_once(':').unwrap_or((text, ""));
        let is_name = !name.is_empty()
            && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.'))
            && name.rsplit('.').next().is_some_and(|last| last.starts_with(|c: char| c.is_ascii_uppercase()));
        if !is_name {
            self.close(out);
            return false;
        }
        if block.kind == Kind::Warning {
            block.traceback = Traceback::Over;
            block.push(line.text);
            return true;
        }
        block.kind = Kind::Error;
        block.worth = Worth::Final;
        block.message = cut(text, MAX_MESSAGE).to_owned();
        block.name = name.rsplit('.').next().map(str::to_owned);
        block.traceback = Traceback::Over;
        block.push(line.text);
        true
    }

    /// A line that no rule knows.
    fn plain(&mut self, line: &Line<'_>, out: &mut Vec<Found>) {
        let Some(block) = &mut self.block else {
            if line.indent == 0 {
                self.file = None;
            }
            return;
        };
        let is_inside = line.indent > block.base;
        // More of what a logger says stands before no stack.
        block.is_record &= is_inside;
        let is_word = line.text.chars().any(char::is_alphabetic);
        match block.kind {
            // Names of suites stand below a test's file.
            Kind::Awaiting if block.is_test && is_inside && block.blanks == 0 => block.push(line.text),
            Kind::Awaiting if is_word => block.tell(Worth::Text, line),
            Kind::Summary if !is_inside => self.close(out),
            Kind::Warning if !is_inside && block.blanks > 0 => self.close(out),
            _ if is_inside || block.blanks == 0 && block.loose == 0 => block.push(line.text),
            _ => {
                block.loose += 1;
                block.blanks = 0;
                if block.loose > LOOSE || block.has_place() && block.worth > Worth::Text {
                    self.close(out);
                }
            }
        }
    }
}

/// Whether a line of this role tells of a build, or of tests.
fn is_build(role: Role) -> bool {
    matches!(
        role,
        Role::Begins
            | Role::Restarts
            | Role::Ends
            | Role::Clean
            | Role::Failed
            | Role::Broken
            | Role::Announced
            | Role::Built
            | Role::Compiles
            | Role::Tested
            | Role::Starts
            | Role::Runs
            | Role::Passes
            | Role::Fails
            | Role::Failing
            | Role::PartPasses
            | Role::PartFails
    )
}

/// Whether a line of this role is another one if a logger has written it at a low level.
fn may_be_record(role: Option<Role>) -> bool {
    role.is_none_or(|role| {
        // Whatever a logger says of errors, nothing was built.
        (!is_build(role) || matches!(role, Role::Failed | Role::Broken))
            && !matches!(
                role,
                Role::Code | Role::Skip | Role::Quoted | Role::Printed | Role::Text | Role::Frame
            )
    })
}

/// Whether a line begins with the whole name of a class of errors, as only a stack has it: `java.lang.IllegalStateException: x`.
fn is_qualified(text: &str) -> bool {
    let text =
        ["Caused by: ", "Suppressed: "].iter().find_map(|word| text.strip_prefix(word)).unwrap_or(text);
    let name = &text[..text.find([':', ' ', '(']).unwrap_or(text.len())];
    let Some((path, class)) = name.rsplit_once(['.', '\\']) else { return false };
    class.starts_with(|c: char| c.is_ascii_uppercase())
        && ["Exception", "Error", "Throwable"].iter().any(|end| class.ends_with(end))
        && path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._\\$".contains(&byte))
}

impl Block {
    fn has_place(&self) -> bool {
        self.frame.is_some() || self.exact.as_ref().is_some_and(|place| place.line.is_some())
    }

    /// Whether a line is of the source that the compiler of TypeScript shows below what it says of it, with the number of the line
    /// and no bar.
    fn is_shown(&self, line: &str) -> bool {
        if !self.name.as_deref().is_some_and(|name| name.starts_with("TS") || name.starts_with("ts(")) {
            return false;
        }
        let line = line.trim_start();
        let (number, source) = line.split_at(line.find(|c: char| !c.is_ascii_digit()).unwrap_or(line.len()));
        let Some(number) = number.parse::<u32>().ok().filter(|_| source.starts_with(' ')) else {
            return false;
        };
        let is_told = self.text.contains(&format!(":{number}:"));
        // The lines before it, without what points into them.
        let mut before = self.text.lines().rev().take(3).map(str::trim_start);
        is_told || before.any(|line| line.starts_with(&format!("{} ", number.wrapping_sub(1))))
    }

    /// Whether it is an error of which little is known.
    fn is_weak(&self) -> bool {
        self.kind == Kind::Error && self.worth <= Worth::Weak && !self.has_place()
    }

    fn push(&mut self, line: &str) {
        self.lines += 1;
        self.in_frames = false;
        let blanks = std::mem::take(&mut self.blanks).min(1);
        if self.lines > MAX_LINES || self.text.len() + line.len() + 2 > MAX_TEXT {
            return;
        }
        if !self.text.is_empty() {
            self.text.push('\n');
            self.text.extend(std::iter::repeat_n('\n', blanks));
        }
        self.text.push_str(line);
    }

    /// A better message.
    fn tell(&mut self, worth: Worth, line: &Line<'_>) {
        self.push(line.text);
        self.kind = Kind::Error;
        self.worth = worth;
        cut(line.message.trim(), MAX_MESSAGE).clone_into(&mut self.message);
        self.name = line.name.map(str::to_owned).or(self.name.take());
        if line.place.is_some() {
            self.exact.clone_from(&line.place);
        }
        self.indent = line.indent;
    }

    fn finish(self) -> Option<Raw> {
        let is_summary = match self.kind {
            Kind::Warning | Kind::Quiet | Kind::Quoted | Kind::Maybe => return None,
            // What Python raises of several errors is told by them.
            Kind::Error => {
                self.message.ends_with(" sub-exception)") || self.message.ends_with(" sub-exceptions)")
            }
            // A stack below a title is as good as a message.
            Kind::Awaiting => !self.frame.as_ref().is_some_and(Place::is_own),
            Kind::Summary => true,
        };
        let own = |place: Option<Place>| place.filter(Place::is_own);
        let (exact, nearby) = (own(self.exact), own(self.nearby));
        let with_line = |place: &Option<Place>| place.clone().filter(|place| place.line.is_some());
        let place =
            with_line(&exact).or_else(|| own(self.frame)).or_else(|| with_line(&nearby)).or(exact).or(nearby);
        // Words below a title that lead nowhere say little.
        let is_summary = is_summary || self.worth == Worth::Text && place.is_none();
        let is_browser = self.is_page || page::begins(self.text.trim_start());
        Some(Raw {
            message: self.message,
            kind: self.name,
            place,
            text: self.text,
            origin: self.origin,
            is_summary,
            is_browser,
            test: self.test,
            is_running: self.is_running,
        })
    }
}

impl<'a> Line<'a> {
    fn new(text: &'a str, captures: Option<&Captures<'a>>, origin: Origin) -> Self {
        let group = |names: &[&str]| {
            names
                .iter()
                .find_map(|name| captures.and_then(|found| found.name(name)))
                .map(|found| found.as_str())
        };
        let line = group(&["line"]);
        let file = group(&["file"]);
        let place = (file.is_some() || line.is_some())
            .then(|| Place::new(file.unwrap_or_default(), line, group(&["column"])));
        let found = |name: &str| captures.and_then(|found| found.name(name));
        // `TypeError: boom` is said whole; `error TS2322: …` from its kind on.
        let with_kind = found("kind").zip(found("msg")).and_then(|(kind, msg)| {
            let between = text.get(kind.end()..msg.start())?;
            let belongs = between == ": " || between.starts_with(" [") && between.ends_with("]: ");
            belongs.then(|| &text[kind.start()..msg.end()])
        });
        Self {
            text,
            indent: text.len() - text.trim_start().len(),
            message: with_kind.or_else(|| group(&["msg", "msg2"])).unwrap_or(text),
            name: group(&["kind", "kind2", "code"]),
            place,
            test: group(&["test"]),
            origin,
        }
    }
}

/// A log line that is an error; its place is in its stack.
fn of_record(record: structured::Record, text: &str, origin: Origin) -> Raw {
    let mut inner = Channel::default();
    let mut found = Vec::new();
    // A stack may have frames only.
    inner.open(Kind::Awaiting, Worth::Text, &Line::new(&record.message, None, origin), &mut found);
    for line in record.stack.iter().flat_map(|stack| stack.lines()) {
        inner.on(line, false, origin, &mut found);
    }
    inner.close(&mut found);
    let inner = found.into_iter().find_map(|(_, finding)| match finding {
        Finding::Error(raw) => Some(raw),
        Finding::Build(..) | Finding::Part { .. } => None,
    });
    let (place, kind) = inner.map_or((None, None), |raw| (raw.place, raw.kind));
    Raw {
        message: cut(&record.message, MAX_MESSAGE).to_owned(),
        kind: record.kind.or(kind),
        place: place.or(record.place.filter(Place::is_own)),
        text: record
            .stack
            .map_or_else(|| cut(text, MAX_TEXT).to_owned(), |stack| cut(&stack, MAX_TEXT).to_owned()),
        origin,
        is_summary: false,
        is_browser: false,
        test: None,
        is_running: false,
    }
}

/// The beginning of a text, cut between characters.
pub(crate) fn cut(text: &str, limit: usize) -> &str {
    let mut end = limit.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Message and place of the errors in a text.
    fn read(text: &str) -> Vec<(String, String)> {
        let (mut engine, mut found, now) = (Engine::default(), Vec::new(), Instant::now());
        for line in text.lines() {
            engine.on(line, Origin::default(), now, &mut found);
        }
        engine.close_due(None, &mut found);
        let errors = found.into_iter().filter_map(|(_, finding)| match finding {
            Finding::Error(raw) if !raw.is_summary => {
                Some((raw.message, raw.place.map(|place| place.to_string()).unwrap_or_default()))
            }
            _ => None,
        });
        errors.collect()
    }

    fn one(text: &str, message: &str, place: &str) {
        assert_eq!(read(text), [(message.to_owned(), place.to_owned())], "{text}");
    }

    #[test]
    fn cause_and_place_come_after_empty_lines() {
        one(
            "12:00:00 PM [vite] Internal server error: Transform failed with 1 error:\n\n[PARSE_ERROR] Unexpected token\n     \
             ╭─[ src/App.tsx:123:10 ]\n     │\n 123 │ const x: = 5;\n─────╯\n\n  Plugin: vite:oxc\n  File: /app/src/App.tsx\n      \
             at transform (file:///app/node_modules/vite/dist/node.js:7249:19)",
            "Unexpected token",
            "src/App.tsx:123:10",
        );
        one(
            " FAIL  jt/sum.test.js\n  ✕ adds up (5 ms)\n\n  ● adds up\n\n    expect(received).toBe(expected)\n\n    Expected: 3\n    \
             Received: 2\n\n    > 1 | test()\n        |  ^\n\n      at Object.toBe (sum.test.js:1:44)",
            "expect(received).toBe(expected)",
            "sum.test.js:1:44",
        );
        one(
            "Error: Route \"/rt\": uncached data\n\nsome advice\n\nLearn more: https://nextjs.org/docs/messages/x\n    at P \
             (app/rt/page.tsx:3:53)\n> 3 | export default",
            "Error: Route \"/rt\": uncached data",
            "app/rt/page.tsx:3:53",
        );
    }

    #[test]
    fn a_place_may_come_first() {
        one(
            "/app/a.js:2\nthrow new Error('x')\n^\n\nSyntaxError: Unexpected token\n    at wrapSafe (node:internal/modules/cjs/loader:1464:18)",
            "SyntaxError: Unexpected token",
            "/app/a.js:2",
        );
        one("./app/page.tsx:2:9\nType error: Type 'x'.\n\n> 2 | x", "Type 'x'.", "./app/page.tsx:2:9");
    }

    #[test]
    fn the_frame_that_counts_is_the_projects_own() {
        let frame = |path: &str| format!("  File \"{path}\", line 6, in f\n    call()\n    ^^^^\n");
        let foreign = frame("/app/.venv/lib/python3.11/site-packages/flask/app.py").repeat(40);
        let text = format!(
            "ERROR:    Exception in ASGI application\nTraceback (most recent call last):\n{foreign}{}{}ZeroDivisionError: \
             division by zero",
            frame("/app/fl.py"),
            frame("/usr/lib/python3.11/json/decoder.py")
        );
        one(&text, "ZeroDivisionError: division by zero", "/app/fl.py:6");
        // A module that webpack has made a text of has lines of its own.
        one(
            "TypeError: x\n      at price (webpack://shop/./src/price.mjs?:7:19)\n      at eval (webpack://shop/./src/main.js?:7:81)",
            "TypeError: x",
            "src/price.mjs",
        );
        one(
            "TypeError: x\n    at g (/p/node_modules/a/i.js:1:1)\n    at f (C:\\p\\src\\b.js:2:3)",
            "TypeError: x",
            "C:\\p\\src\\b.js:2:3",
        );
    }

    #[test]
    fn an_error_without_a_message_is_told_by_its_kind() {
        let stack = "    at f (/app/src/a.js:3:7)\n    at node:internal/main/run_main_module:36:49";
        one(&format!("TypeError\n{stack}"), "TypeError", "/app/src/a.js:3:7");
        one(
            &format!("/app/src/a.js:3\nthrow new Error()\n^\n\nError\n{stack}\n\nNode.js v24.1.0"),
            "Error",
            "/app/src/a.js:3:7",
        );
        // By itself it is a heading.
        assert_eq!(read("Error\n\nnothing of the kind"), []);
    }

    #[test]
    fn what_imports_a_module_that_is_not_there_is_its_place() {
        let stack =
            "\n      at fetchModule (file:///app/node_modules/vite/dist/node/chunks/node.js:36860:32)";
        let said = "Cannot find module '$lib/prices' imported from '/app/src/routes/+page.server.ts'";
        one(
            &format!(
                "12:00:00 PM [vite] (ssr) Error when evaluating SSR module /src/routes/+page.server.ts: {said}{stack}"
            ),
            said,
            "/app/src/routes/+page.server.ts",
        );
        one(&format!("Error: {said}{stack}"), &format!("Error: {said}"), "/app/src/routes/+page.server.ts");
    }

    #[test]
    fn what_nuxt_tells_of_a_page_and_of_its_own_files_is_read() {
        one(
            " ERROR  [Unhandled error] TypeError: Cannot read properties of undefined\n > price ../../../_nuxt/utils/price.ts:2:18\n > \
             ../../../_nuxt/app.vue:12:37",
            "TypeError: Cannot read properties of undefined",
            "utils/price.ts",
        );
        one("ℹ Error: /app.vue — Element is missing end tag.", "Element is missing end tag.", "/app.vue");
    }

    #[test]
    fn what_astro_check_finds_has_a_place() {
        one(
            "src/pages/index.astro:13:16 - error ts(2345): Argument of type 'A' is not assignable to parameter of type 'B'.\n  \
             Types of property 'cents' are incompatible.\n\n13     <h1>{price(item)}</h1>\n                  ~~~~\n\nResult (4 \
             files): \n- 1 error",
            "ts(2345): Argument of type 'A' is not assignable to parameter of type 'B'.",
            "src/pages/index.astro:13:16",
        );
    }

    #[test]
    fn what_storybook_draws_is_read() {
        one(
            "│\n■  Vite [console.error] Error rendering story 'price--plain':\n│\n■  Vite [console.error] TypeError: Cannot read \
             properties of undefined\n│  (reading 'cents')\n│  at price (http://127.0.0.1:6006/src/price.ts?t=1795:2:18)\n│  Vite hmr \
             update virtual:app.js",
            "TypeError: Cannot read properties of undefined",
            "src/price.ts",
        );
        one(
            "│\n■  Vite Internal server error: Failed to resolve import \"./prices\" from\n│  \"src/price.stories.ts\". Does the file \
             exist?\n│  Plugin: vite:import-analysis\n│  File: ./src/price.stories.ts:2:33\n│  1  |  import { price } from \
             \"./prices\";\n│  |                         ^",
            "Failed to resolve import \"./prices\" from",
            "./src/price.stories.ts:2:33",
        );
    }

    #[test]
    fn scripts_of_a_runner_are_told_apart() {
        let text =
            "[0] TypeError: one\n[1] RangeError: two\n[0]     at f (a.js:1:1)\n[1]     at g (b.js:2:2)";
        let found = read(text);
        assert!(found.contains(&("TypeError: one".to_owned(), "a.js:1:1".to_owned())), "{found:?}");
        assert!(found.contains(&("RangeError: two".to_owned(), "b.js:2:2".to_owned())), "{found:?}");
    }

    #[test]
    fn what_is_no_error_is_left_out() {
        for text in [
            "  ✓ error handling works (2 ms)",
            " ✓ test/a.test.ts > shows an error page when the API fails 3ms",
            "{\"level\":30,\"time\":1,\"error\":null,\"errors\":[],\"msg\":\"error page rendered\"}",
            "✖ 2 problems (0 errors, 2 warnings)",
            "error handler registered",
            " WARN  [VUE_ROUTER_R0010] Uncaught error during route navigation",
            "The above exception was the direct cause of the following exception:",
            "    at createCompilerError (src/compiler-core.cjs.js:1378:17)\n    at emitError (src/core.cjs.js:3040:5)",
            "  3 | try { g() } catch (e) { throw new Error(\"failed: x\") }",
            "Found 0 errors. Watching for file changes.",
            "GET /error.html 200",
            "An unexpected error occurred while executing \"subscriptions/listen\" JSON-RPC method: McpError: MCP error -32603: no\n    \
             at McpError (/app/node_modules/tmcp/src/index.js:1:1) {\n  code: -32603\n}",
            "12:00:00 [WARN] [vite] [console.warn] Error: only a warning",
            "[browser] careful with errors (app/page.tsx:8:13)",
            "[browser] [console.warn] TypeError: told as a warning",
            "<e> [webpack-dev-middleware] Stream error: Error [ERR_STREAM_PREMATURE_CLOSE]: Premature close\n<e>     at \
             onclose (node:internal/streams/end-of-stream:260:19)\n<e>   code: 'ERR_STREAM_PREMATURE_CLOSE'\n<e> }",
            "loaded src/error.ts",
            "ActiveRecord::SchemaMigration (0.1ms)  SELECT error FROM errors",
            "TypeError (12 times)",
            "main.go:12: the last error was handled",
            "e: 2.718 is no error",
            "the errors are in app.rb:3:in words",
            "set level=error and msg=x to see more",
            "3/4 Copying error pages...done",
            "Test Suites: 0 failed, 3 passed",
            "{ errors: [], cause: null }\n  [errors]: [\n    'a text'\n  ]",
            "stderr | src/a.test.ts > shows errors\nTypeError: printed by a passing test\n    at f (/app/a.ts:1:2)",
            "    error: null,\n    status: 200",
            "warning: unused variable: `error`\n --> src/lib.rs:1:43\n  |\n1 | let error = 1;",
            "INFO:     127.0.0.1:60812 - \"GET / HTTP/1.0\" 500 Internal Server Error",
        ] {
            assert_eq!(read(text), [], "{text}");
        }
    }

    /// What is told as an error or as a build that has failed.
    fn failures(text: &str) -> Vec<Finding> {
        let (mut engine, mut found, now) = (Engine::default(), Vec::new(), Instant::now());
        for line in text.lines() {
            engine.on(line, Origin::default(), now, &mut found);
        }
        engine.close_due(None, &mut found);
        let mut found: Vec<Finding> = found.into_iter().map(|(_, finding)| finding).collect();
        found.retain(|it| matches!(it, Finding::Error(_) | Finding::Build(Change::Ends(Some(false)), _)));
        found
    }

    #[test]
    fn what_says_that_there_were_none_is_none() {
        for text in [
            "Failed: 0, Passed: 3",
            "Failed: 0",
            "Compiled with 0 errors",
            "Build finished with 0 errors",
            "Process completed with 0 errors",
            "Process exited with code 0",
            "ERROR: 0 problems",
            "[error] no errors",
            "webpack compiled with 0 errors",
            "webpack 5.113.0 compiled with 0 errors in 300 ms",
            "No errors occurred.",
            "0 errors occurred",
            "Found 0 errors and 0 warnings",
            "Linted with 0 errors and 2 warnings",
            "There were 0 failures",
            "=== 3 passed, 0 failed ===",
            "ℹ Error: x",
            "i Error: x",
            "i TypeError: x is told for information",
            "E                                                                   1 / 1 (100%)",
            "..F.E..                                                            12 / 12 (100%)",
        ] {
            assert_eq!(failures(text), [], "{text}");
        }
        for text in [
            "Failed: 3, Passed: 0",
            "Compiled with 10 errors",
            "Process completed with 2 errors",
            "ERROR: 3 problems",
            "Process exited with code 10",
        ] {
            assert_ne!(failures(text), [], "{text}");
        }
    }

    #[test]
    fn the_source_that_a_compiler_shows_is_no_error() {
        for source in [
            "3   const x: number = \"error: no\";\n          ~",
            "3 console.error(\"Error: failed to load\");\n  ~~~~~~~",
            "3   load(\n    ~~~~~\n4     \"Error: failed to load\",\n  ~~~~~~~\n5   );\n  ~~~",
            "3   f(x);\n      ~\n\n  src/b.ts:10:3\n    10   fail(\"TypeError: no\"): never;\n         ~~~~\n    'fail' is declared here.",
        ] {
            let text = format!(
                "src/a.ts:3:9 - error TS2322: Type 'a' is wrong.\n\n{source}\n\nFound 1 error in src/a.ts:3\n"
            );
            one(&text, "TS2322: Type 'a' is wrong.", "src/a.ts:3:9");
        }
        for (told, message, place) in [
            (
                "[error] /app/src/Cart.scala:3:16: type mismatch;\n[error]  found   : String(\"x\")\n[error]  required: Int\n[error]   val x: \
                 Int = \"x\"\n[error]                ^",
                "type mismatch;",
                "/app/src/Cart.scala:3:16",
            ),
            (
                "[error] -- [E007] Type Mismatch Error: /app/src/Cart.scala:3:15 \n[error] 3 |  val x: Int = \"x\"\n[error]   |               \
                 ^^^\n[error]   |               Found:    (\"x\" : String)\n[error]   | longer explanation available",
                "Type Mismatch Error",
                "/app/src/Cart.scala:3:15",
            ),
        ] {
            let text = format!(
                "{told}\n[error] one error found\n[error] (Compile / compileIncremental) Compilation failed\n[error] Total time: 1 s, \
                 completed Nov 29, 2026, 12:00:00 PM"
            );
            one(&text, message, place);
        }
    }

    #[test]
    fn what_loggers_and_servers_tell_in_their_own_forms_is_read() {
        for (text, message, place) in [
            ("time=2026-11-29T12:00:00.123Z level=ERROR+2 msg=boom", "boom", ""),
            (r#"{"time":"2026-11-29T12:00:00Z","level":"ERROR+4","msg":"boom"}"#, "boom", ""),
            ("2026-11-29T12:00:00.123Z error [svc]: boom", "[svc]: boom", ""),
            ("2026-11-29T12:00:00.123Z [svc] error: boom", "boom", ""),
            ("2026-11-29T12:00:00.123Z [ERROR]: boom", "boom", ""),
            ("[ERROR]: boom", "boom", ""),
            ("[error]: boom", "boom", ""),
            ("error - boom", "boom", ""),
            ("- error boom", "boom", ""),
            ("error - Error: boom\n    at f (/app/a.js:3:5)", "Error: boom", "/app/a.js:3:5"),
            ("- error Error: boom\n    at f (/app/a.js:3:5)", "Error: boom", "/app/a.js:3:5"),
            (
                "error - ./app/page.tsx:3:5\nModule not found: Can't resolve './b'\n  1 | x",
                "Module not found: Can't resolve './b'",
                "./app/page.tsx:3:5",
            ),
            (
                "- error ./app/page.tsx:3:5\nModule not found: Can't resolve './b'\n  1 | x",
                "Module not found: Can't resolve './b'",
                "./app/page.tsx:3:5",
            ),
            (
                "- error app/page.tsx (3:5) @ Page\n- error Error: boom\n    at Page (./app/page.tsx:9:11)",
                "Error: boom",
                "app/page.tsx:3:5",
            ),
            (
                "[nuxt] [request error] [unhandled] [500] Cannot read properties of undefined\n  at ./server/api/price.ts:3:37\n  at async \
                 Object.handler (./node_modules/h3/dist/index.mjs:1975:19)",
                "Cannot read properties of undefined",
                "./server/api/price.ts:3:37",
            ),
        ] {
            one(text, message, place);
        }
        for text in [
            "level=WARN+3 msg=\"an error\"",
            r#"{"level":"INFO+2","msg":"boom"}"#,
            "[nuxt] [request error] [404] Page not found: /favicon.ico",
            "- error",
        ] {
            assert_eq!(failures(text), [], "{text}");
        }
    }

    #[test]
    fn what_tests_print_is_told_from_their_results() {
        for text in [
            "-------- live log call --------\nERROR    shop:a.py:5 boom\nTraceback (most recent call last):\n  File \"/app/a.py\", line 3, in \
             f\n    g()\nValueError: x\nPASSED      [100%]",
            "shop.CartTest > adds() STANDARD_ERR\n    Error: boom\n\n    Error: more\n\nshop.CartTest > adds() PASSED",
            "not ok 1 - adds # TODO later\n  ---\n  error: 'boom'\n  stack: |-\n    TypeError: x\n  ...",
            "test_a (t.T.test_a) ... skipped 'Error: no'",
            "  raises ArgumentError: no price\n  cannot be saved\n  ends with an error: none",
            "No errors. 0 failed.",
            "-- Performing Test HAVE_X - Failed",
            "handlers:\n  Error: onError",
        ] {
            assert_eq!(read(text), [], "{text}");
        }
        one(
            "-------- live log call --------\nERROR    shop:a.py:5 boom\nFAILED      [100%]\nError: x",
            "Error: x",
            "",
        );
        one("shop.CartTest > adds() STANDARD_ERR\n    Error: boom\nerror: x", "x", "");
        one("Error: onError\n    at f (/app/a.js:3:5)", "Error: onError", "/app/a.js:3:5");
    }

    #[test]
    fn a_stack_in_a_log_has_the_level_of_its_message_if_it_comes_with_it() {
        let stack = "java.lang.IllegalStateException: x\n\tat shop.Cart.load(Cart.java:12)";
        assert_eq!(read(&format!("12:00:00.123 [main] INFO  shop.Cart - careful\n{stack}")), []);
        one(
            &format!("12:00:00.123 [main] WARN  shop.Cart - careful\nmore of it\n{stack}"),
            "java.lang.IllegalStateException: x",
            "Cart.java:12",
        );
        // Nobody has caught what has no caller.
        let traceback = |function: &str| {
            format!(
                "WARNING:root:careful\nTraceback (most recent call last):\n  File \"/app/a.py\", line 3, in {function}\n    \
                 f()\nValueError: x"
            )
        };
        assert_eq!(read(&traceback("load")), []);
        for outer in ["<module>", "_run_module_as_main"] {
            one(&traceback(outer), "ValueError: x", "/app/a.py:3");
        }
        one(
            "W, [2026-11-29T12:00:00.123456 #4711]  WARN -- : careful\n/app/a.rb:3:in `load': x (RuntimeError)\n\tfrom /app/a.rb:7:in `<main>'",
            "x",
            "/app/a.rb:3",
        );
        for text in ["12:00:00.123 [info] careful", "INFO careful"] {
            one(&format!("{text}\n** (RuntimeError) x\n    lib/a.ex:3: A.b/1"), "x", "lib/a.ex:3");
            one(
                &format!("{text}\nException in thread \"main\" java.lang.Error: x\n\tat A.b(A.java:3)"),
                "java.lang.Error: x",
                "A.java:3",
            );
        }
        assert_eq!(read("12:00:00.123 [warning] careful\n** (RuntimeError) x\n    lib/a.ex:3: A.b/1"), []);
        one(
            "[Sun Nov 29 15:18:44 2026] PHP Warning:  no q in /app/i.php on line 6\n[Sun Nov 29 15:18:44 2026] PHP Fatal error:  \
             Uncaught LogicException: x in /app/i.php:8",
            "LogicException: x",
            "/app/i.php:8",
        );
        // What comes later is something else.
        let (mut engine, mut found, now) = (Engine::default(), Vec::new(), Instant::now());
        let at = |at| Origin { entry: 1, at };
        engine.on("12:00:00.123 [main] INFO  shop.Cart - careful", at(0), now, &mut found);
        assert!(!engine.is_open());
        engine.on("java.lang.IllegalStateException: x", at(RECORD_GAP + 1), now, &mut found);
        engine.close_due(None, &mut found);
        assert_eq!(found.len(), 1);
    }

    #[test]
    fn what_a_page_says_tells_of_no_build() {
        let text = "[browser] [console.warn] a\n  [nodemon] restarting due to changes...\n  12:00:00 [vite] page reload \
                    src/x.js\n  \u{2713} built in 3ms\n  Found 0 errors\n  {\"level\":50,\"msg\":\"x\"}\n[browser] [Unhandled error] \
                    TypeError: boom\n      at pay (src/pay.js:3:5)";
        let (mut engine, mut found, now) = (Engine::default(), Vec::new(), Instant::now());
        for line in text.lines() {
            engine.on(line, Origin::default(), now, &mut found);
        }
        engine.close_due(None, &mut found);
        let [(_, Finding::Error(raw))] = found.as_slice() else { panic!("{found:?}") };
        assert!(raw.is_browser && raw.message == "TypeError: boom", "{raw:?}");
        assert_eq!(raw.place.as_ref().map(ToString::to_string).as_deref(), Some("src/pay.js:3:5"));
    }

    #[test]
    fn what_grows_has_a_bound() {
        let long =
            format!("Error: {}\n{}", "é".repeat(MAX_TEXT), "    at f (a.js:1:1)\n".repeat(2 * MAX_LINES));
        let (mut engine, mut found, now) = (Engine::default(), Vec::new(), Instant::now());
        for line in long.lines() {
            engine.on(line, Origin::default(), now, &mut found);
        }
        for channel in 0..3 * MAX_CHANNELS {
            engine.on(&format!("s{channel} | Error: x"), Origin::default(), now, &mut found);
        }
        engine.close_due(None, &mut found);
        assert!(engine.channels.len() <= MAX_CHANNELS);
        for (_, finding) in found {
            let Finding::Error(raw) = finding else { panic!("{finding:?}") };
            assert!(raw.text.len() <= MAX_TEXT && raw.message.len() <= MAX_MESSAGE);
        }
    }

    proptest! {
        /// Whatever comes, it is read without harm.
        #[test]
        fn any_lines_are_read(lines in prop::collection::vec(
            "([ \t]{0,4}|\\[0\\] |│  )(Error: |at |Traceback \\(most recent call last\\):|  File \"|> 1 \\| |╭─\\[ |\\{\"level\":50)?[é a-z:./()\\[\\]0-9\"{}]{0,20}",
            0..40,
        )) {
            read(&lines.join("\n"));
        }
    }
}
