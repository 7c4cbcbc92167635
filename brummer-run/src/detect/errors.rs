//! The errors that scripts have printed, each once, and their life: an error belongs to a build, and is resolved when a
//! later build, or a later run of the script, does without it.

use std::{collections::VecDeque, sync::LazyLock};

use regex::Regex;

use super::engine::{Change, Finding, Found, Origin, Part, Raw};

/// How many different errors are remembered; those that are resolved go first, and the one that was not seen for the longest
/// time.
pub(crate) const MAX_ERRORS: usize = 100;

/// How many builds of one process are told apart: one for each script of a runner.
const MAX_BUILDS: usize = 32;

/// A program that was started anew and prints no error for so long is taken for clean, in milliseconds: long enough for an
/// interpreter to start and read its sources.
const SETTLED: i64 = 1000;

/// What is told of one error in several ways comes within so many milliseconds.
const AT_ONCE: i64 = 1000;

/// What a tool tells of a build that has failed right after it has said so, it tells within so many milliseconds.
const AFTER: i64 = 100;

/// Nobody has mended anything so many milliseconds after a build has failed: what is built then is something else.
const EDIT: i64 = 500;

/// How many results of tests and packages are remembered: what a test has printed on the other stream may come later.
const MAX_RESULTS: usize = 256;

/// What changes from one time to the next: numbers, hashes.
static VARIABLE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"0x[0-9a-fA-F]+|\b[0-9a-f]{8,}\b|[0-9]+").expect("part of the program, and tested")
});

/// An error and how often it came.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct FoundError {
    /// What went wrong.
    pub(crate) message: String,
    /// What it is called: `TypeError`, `TS2322`.
    pub(crate) kind: Option<String>,
    /// Where in the project's own source: `src/a.ts:3:5`.
    pub(crate) place: Option<String>,
    /// All of it, as it came the last time.
    pub(crate) text: String,
    pub(crate) process: u32,
    pub(crate) count: u64,
    pub(crate) first: i64,
    pub(crate) last: i64,
    /// The entry of the log in which it came the last time.
    pub(crate) entry: u64,
    /// When it was seen to be over.
    pub(crate) resolved: Option<i64>,
    /// It happened in a page.
    pub(crate) is_browser: bool,
    /// The script among those of a runner.
    channel: String,
    /// The build in which it came the last time.
    build: u64,
    is_summary: bool,
    fingerprint: String,
    /// The test that has printed it.
    test: Option<String>,
    /// That test has failed.
    has_failed: bool,
    /// The package that was tested, once it has failed.
    package: Option<String>,
}

/// How the last build of a process stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    /// It never says.
    Unknown,
    Building,
    Clean,
    Failing,
}

/// What is known of the builds of a process.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Builds {
    pub(crate) verdict: Verdict,
    /// How many errors it has that are not resolved.
    pub(crate) errors: usize,
    /// The entry of the log that says so; 0 if none does.
    pub(crate) entry: u64,
    /// The last entry of the process, or the next one when it began: when it has ended, that says so.
    pub(crate) heard: u64,
    /// When a building program will be taken for clean if it says nothing, in milliseconds of Unix time.
    pub(crate) settles: Option<i64>,
}

/// The builds of one script.
#[derive(Clone, Debug)]
struct Build {
    process: u32,
    channel: String,
    /// Grows with every beginning and end.
    number: u64,
    state: State,
    since: Origin,
    /// When a command was first seen to work on the next one.
    begun: Option<i64>,
}

/// How a test or a package has ended.
#[derive(Clone, Debug)]
struct PartResult {
    process: u32,
    channel: String,
    part: Part,
    name: String,
    has_passed: bool,
    origin: Origin,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Unknown,
    Begun,
    Restarted,
    Clean,
    Failed,
}

/// The errors that were found, and the builds. Owned by the log's task.
#[derive(Clone, Debug, Default)]
pub(crate) struct Errors {
    found: VecDeque<FoundError>,
    builds: Vec<Build>,
    /// The oldest first.
    results: VecDeque<PartResult>,
}

impl Errors {
    /// Takes what was found in the output of a process.
    pub(crate) fn take(&mut self, process: u32, (channel, finding): Found) {
        match finding {
            Finding::Error(raw) => self.error(process, channel, raw),
            Finding::Build(change, origin) => self.build(process, &channel, change, origin),
            Finding::Part { part, name, has_passed, origin } => {
                self.result(PartResult { process, channel, part, name, has_passed, origin });
            }
        }
    }

    fn error(&mut self, process: u32, channel: String, raw: Raw) {
        let of_process = |known: &FoundError| known.process == process && known.resolved.is_none();
        let of_test = self.result_of(process, &channel, Part::Test, |it| raw.test.as_ref() == Some(&it.name));
        // It was told before the test has ended, but is known only now.
        let is_told = |it: &PartResult| it.origin.at >= raw.origin.at || it.origin.entry >= raw.origin.entry;
        if of_test.is_some_and(|it| it.has_passed && is_told(it)) {
            return;
        }
        // What is told of an earlier run says nothing of one that runs still.
        let has_failed = of_test.is_some_and(|it| !it.has_passed && (is_told(it) || !raw.is_running));
        let package = self
            .result_of(process, &channel, Part::Package, |_| true)
            .filter(|it| !it.has_passed && it.origin.entry >= raw.origin.entry)
            .map(|it| it.name.clone());
        if raw.is_summary {
            if self.found.iter().any(of_process) {
                return;
            }
        } else {
            self.found.retain(|known| !(known.is_summary && of_process(known)));
        }
        // An error is known when all of its lines have come. What standard output says of a build may have come meanwhile.
        let Build { number, state, since, .. } = *self.of(process, &channel);
        let is_before = raw.origin.at < since.at;
        // A page runs what was built last.
        let ended = number.saturating_sub(1);
        let is_after = state == State::Failed && raw.origin.at - since.at <= AFTER;
        let mut build = if is_before || is_after || raw.is_browser { ended } else { number };
        let is_over = state == State::Restarted || raw.is_browser && state == State::Clean;
        let resolved = (is_before && is_over).then_some(since.at);
        let place = raw.place.as_ref().map(ToString::to_string);
        let fingerprint = fingerprint(&raw);
        let is_same = |known: &FoundError| {
            known.process == process
                && known.fingerprint == fingerprint
                && known.channel == channel
                && known.is_browser == raw.is_browser
        };
        let exact = |known: &FoundError| is_same(known) && known.place == place && known.kind == raw.kind;
        // A dev server and what runs in it tell the same error, the one with its place, say, and the other with its kind.
        let told = |known: &FoundError| {
            is_same(known)
                && known.resolved.is_none()
                && known.build == build
                && raw.origin.at - known.last <= AT_ONCE
                && (known.place == place || known.place.is_none() || place.is_none())
                && (known.kind == raw.kind || known.kind.is_none() || raw.kind.is_none())
        };
        let known = self.found.iter().position(exact).or_else(|| self.found.iter().position(told));
        if let Some(mut known) = known.and_then(|index| self.found.remove(index)) {
            // At the end of a build that has failed some tools tell all of its errors again.
            if state == State::Failed && known.resolved.is_none() && known.build == ended {
                build = ended;
            }
            known.count += 1;
            known.last = raw.origin.at;
            known.entry = raw.origin.entry;
            if known.place.is_some() || place.is_none() {
                // What leads to the place says more.
                known.text = if known.place == place { raw.text } else { known.text };
            } else {
                (known.place, known.text) = (place, raw.text);
            }
            if known.kind.is_none() && raw.kind.is_some() {
                (known.kind, known.message) = (raw.kind, raw.message);
            }
            known.resolved = resolved;
            known.build = build;
            (known.test, known.has_failed, known.package) = (raw.test, has_failed, package);
            self.found.push_back(known);
            return;
        }
        if self.found.len() == MAX_ERRORS {
            let resolved = self.found.iter().position(|known| known.resolved.is_some());
            self.found.remove(resolved.unwrap_or_default());
        }
        self.found.push_back(FoundError {
            message: raw.message,
            kind: raw.kind,
            place,
            text: raw.text,
            process,
            count: 1,
            first: raw.origin.at,
            last: raw.origin.at,
            entry: raw.origin.entry,
            resolved,
            channel,
            build,
            is_summary: raw.is_summary,
            is_browser: raw.is_browser,
            fingerprint,
            test: raw.test,
            has_failed,
            package,
        });
    }

    /// A test or a package has ended. Of a package that comes again errors are known by its name; those of a test are
    /// meant until its package has ended.
    fn result(&mut self, result: PartResult) {
        let PartResult { process, part, has_passed, origin, .. } = result;
        let last = self.result_of(process, &result.channel, Part::Package, |_| true);
        let since = last.map(|it| it.origin.entry);
        let is_of = |known: &FoundError| known.process == process && known.channel == result.channel;
        match part {
            Part::Test => {
                let is_its = |known: &FoundError| {
                    is_of(known) && known.package.is_none() && known.test.as_ref() == Some(&result.name)
                };
                if has_passed {
                    self.found.retain(|known| known.has_failed || !is_its(known));
                }
                for known in self.found.iter_mut().filter(|known| is_its(known)) {
                    if has_passed {
                        known.resolved.get_or_insert(origin.at);
                    } else {
                        known.has_failed = true;
                    }
                }
            }
            Part::Package => {
                for known in self.found.iter_mut().filter(|known| is_of(known) && known.resolved.is_none()) {
                    // If it fails again, what is still meant was told again, and its package is not known yet.
                    if known.package.as_ref() == Some(&result.name) {
                        known.resolved = Some(origin.at);
                    } else if !has_passed
                        && known.package.is_none()
                        && since.is_none_or(|since| known.entry > since)
                    {
                        known.package = Some(result.name.clone());
                    }
                }
            }
        }
        if self.results.len() == MAX_RESULTS {
            self.results.pop_front();
        }
        self.results.push_back(result);
    }

    /// The last result of this kind that fits.
    fn result_of(
        &self,
        process: u32,
        channel: &str,
        part: Part,
        fits: impl Fn(&PartResult) -> bool,
    ) -> Option<&PartResult> {
        let is_of = |it: &&PartResult| it.process == process && it.channel == channel && it.part == part;
        self.results.iter().rev().filter(is_of).find(|it| fits(it))
    }

    fn build(&mut self, process: u32, channel: &str, change: Change, origin: Origin) {
        let build = self.of(process, channel);
        let number = build.number;
        let has_begun = build.state == State::Begun;
        if change == Change::Starts && !has_begun {
            return;
        }
        if change == Change::Compiles {
            build.begun.get_or_insert(origin.at);
            return;
        }
        let has_just_failed = build.state == State::Failed && origin.at - build.since.at <= AFTER;
        let begun = build.begun.take().unwrap_or(origin.at);
        let is_another = build.state == State::Failed && begun - build.since.at < EDIT;
        build.number += 1;
        build.since = origin;
        let has_errors = self.found.iter().any(|known| {
            known.process == process
                && known.channel == channel
                && known.resolved.is_none()
                && known.build >= number
        });
        // Errors of builds before this one are over when everything begins anew, or when this one has told all of its own.
        let (state, over) = match change {
            Change::Begins | Change::Compiles => (State::Begun, 0),
            Change::Restarts => (State::Restarted, number + 1),
            Change::Built if is_another => (State::Clean, 0),
            Change::Ends(Some(true)) | Change::Built => (State::Clean, number),
            Change::Passes | Change::Starts => (State::Restarted, number),
            // The sum of those that have passed may stand below that of those that have not.
            Change::Ends(None) if !has_errors && !has_just_failed => (State::Clean, number),
            Change::Ends(_) => (State::Failed, if has_begun { number } else { 0 }),
        };
        self.of(process, channel).state = state;
        for known in &mut self.found {
            if known.process == process && known.channel == channel && known.build < over {
                known.resolved.get_or_insert(origin.at);
            }
        }
    }

    /// The builds of a script.
    fn of(&mut self, process: u32, channel: &str) -> &mut Build {
        let known = self.builds.iter().position(|build| build.process == process && build.channel == channel);
        let index = known.unwrap_or_else(|| {
            let mut of_process = self.builds.iter().enumerate().filter(|(_, build)| build.process == process);
            if let Some((oldest, _)) = of_process.next()
                && of_process.count() + 1 >= MAX_BUILDS
            {
                self.builds.remove(oldest);
            }
            self.builds.push(Build {
                process,
                channel: channel.to_owned(),
                number: 0,
                state: State::Unknown,
                since: Origin::default(),
                begun: None,
            });
            self.builds.len() - 1
        });
        &mut self.builds[index]
    }

    /// The script of these processes was started again: what they printed is over.
    pub(crate) fn superseded(&mut self, processes: &[u32], at: i64) {
        for known in self.found.iter_mut().filter(|known| processes.contains(&known.process)) {
            known.resolved.get_or_insert(at);
        }
    }

    /// All of them; the one that came last is the last.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &FoundError> {
        self.found.iter()
    }

    /// How the last build of a process stands at this time, in milliseconds of Unix time.
    pub(crate) fn builds(&self, process: u32, now: i64) -> Builds {
        let current =
            || self.found.iter().filter(|known| known.process == process && known.resolved.is_none());
        let errors = current().count();
        let builds = || self.builds.iter().filter(|build| build.process == process);
        let state = |state: State| builds().any(|build| build.state == state);
        let settles = builds()
            .filter(|build| build.state == State::Restarted)
            .map(|build| build.since.at + SETTLED)
            .max();
        let is_settled = settles.is_none_or(|settles| settles <= now);
        let verdict = if state(State::Begun) {
            Verdict::Building
        } else if errors > 0 || state(State::Failed) {
            Verdict::Failing
        } else if !is_settled {
            Verdict::Building
        } else if state(State::Clean) || state(State::Restarted) {
            Verdict::Clean
        } else {
            Verdict::Unknown
        };
        let said = builds().map(|build| build.since.entry).max().unwrap_or_default();
        let entry = said.max(current().map(|known| known.entry).max().unwrap_or_default());
        Builds { verdict, errors, entry, heard: entry, settles: settles.filter(|settles| *settles > now) }
    }

    /// Forgets those of a process.
    pub(crate) fn forget(&mut self, process: u32) {
        self.found.retain(|known| known.process != process);
        self.builds.retain(|build| build.process != process);
        self.results.retain(|result| result.process != process);
    }
}

/// What an error says, without its kind and what changes.
fn fingerprint(raw: &Raw) -> String {
    let said = raw.kind.as_ref().and_then(|kind| raw.message.strip_prefix(kind.as_str())?.strip_prefix(": "));
    VARIABLE.replace_all(said.unwrap_or(&raw.message), "#").into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::engine::Engine;

    fn error(message: &str, at: i64) -> Found {
        let origin = Origin { entry: at.unsigned_abs(), at };
        (String::new(), Finding::Error(Raw { message: message.to_owned(), origin, ..Raw::default() }))
    }

    fn build(change: Change, at: i64) -> Found {
        (String::new(), Finding::Build(change, Origin { entry: at.unsigned_abs(), at }))
    }

    fn current(errors: &Errors) -> Vec<&str> {
        errors.iter().filter(|it| it.resolved.is_none()).map(|it| it.message.as_str()).collect()
    }

    #[test]
    fn the_same_error_is_counted() {
        let mut errors = Errors::default();
        errors.take(1, error("request 17 failed after 30 ms", 1));
        errors.take(1, error("other", 2));
        errors.take(1, error("request 18 failed after 31 ms", 3));
        errors.take(2, error("request 18 failed after 31 ms", 4));
        let counts: Vec<_> = errors.iter().map(|it| (it.process, it.count, it.last, it.entry)).collect();
        assert_eq!(counts, [(1, 1, 2, 2), (1, 2, 3, 3), (2, 1, 4, 4)]);
    }

    #[test]
    fn what_two_tell_at_once_is_one_error() {
        let told = |message: &str, kind: Option<&str>, place: Option<&str>, at: i64| {
            let (channel, finding) = error(message, at);
            let Finding::Error(raw) = finding else { unreachable!() };
            let place = place.map(|file| super::super::place::Place::new(file, Some("3"), None));
            (channel, Finding::Error(Raw { kind: kind.map(str::to_owned), place, ..raw }))
        };
        let mut errors = Errors::default();
        errors.take(1, told("no such item", None, Some("a.ts"), 1));
        errors.take(1, told("TypeError: no such item", Some("TypeError"), None, 2));
        let one: Vec<_> =
            errors.iter().map(|it| (it.message.as_str(), it.place.as_deref(), it.count)).collect();
        assert_eq!(one, [("TypeError: no such item", Some("a.ts:3"), 2)]);
        // Elsewhere, of another kind, or later it is another one.
        errors.take(1, told("TypeError: no such item", Some("TypeError"), Some("b.ts"), 3));
        errors.take(1, told("RangeError: no such item", Some("RangeError"), None, 4));
        errors.take(1, told("no such item", None, None, 2 * AT_ONCE + 4));
        assert_eq!(errors.iter().count(), 4);
        let of_page = (
            String::new(),
            Finding::Error(Raw { is_browser: true, ..raw_of(told("no such item", None, None, 9)) }),
        );
        errors.take(1, of_page);
        assert_eq!(errors.iter().count(), 5);
    }

    fn raw_of((_, finding): Found) -> Raw {
        let Finding::Error(raw) = finding else { unreachable!() };
        raw
    }

    #[test]
    fn a_clean_build_resolves_what_came_before_it() {
        let mut errors = Errors::default();
        errors.take(1, error("a", 1));
        errors.take(1, error("b", 2));
        errors.take(1, build(Change::Ends(Some(false)), 3));
        assert_eq!(errors.builds(1, 3).verdict, Verdict::Failing);
        errors.take(1, build(Change::Begins, 4));
        assert_eq!(errors.builds(1, 4).verdict, Verdict::Building);
        errors.take(1, error("b", 5));
        errors.take(1, build(Change::Ends(Some(false)), 6));
        assert_eq!(current(&errors), ["b"]);
        errors.take(1, build(Change::Begins, 7));
        errors.take(1, build(Change::Ends(None), 8));
        assert_eq!(current(&errors), [""; 0]);
        assert_eq!(
            errors.builds(1, 8),
            Builds { verdict: Verdict::Clean, errors: 0, entry: 8, heard: 8, settles: None }
        );
        errors.take(1, error("a", 9));
        assert_eq!(current(&errors), ["a"]);
    }

    #[test]
    fn what_another_tool_printed_before_a_first_build_stays() {
        let mut errors = Errors::default();
        errors.take(1, error("of a linter", 1));
        errors.take(1, build(Change::Ends(Some(true)), 2));
        assert_eq!(current(&errors), ["of a linter"]);
    }

    #[test]
    fn a_restart_resolves_and_is_clean_when_it_stays_quiet() {
        let mut errors = Errors::default();
        errors.take(1, error("a", 1));
        errors.take(1, build(Change::Restarts, 2));
        assert_eq!(current(&errors), [""; 0]);
        assert_eq!(errors.builds(1, 3).verdict, Verdict::Building);
        assert_eq!(errors.builds(1, 3).settles, Some(2 + SETTLED));
        assert_eq!(errors.builds(1, 2 + SETTLED).verdict, Verdict::Clean);
        errors.take(1, error("a", 5));
        assert_eq!(errors.builds(1, 2 + SETTLED).verdict, Verdict::Failing);
        errors.superseded(&[1], 6);
        assert_eq!(current(&errors), [""; 0]);
    }

    #[test]
    fn what_came_before_a_restart_and_is_known_only_after_it_is_over() {
        let mut errors = Errors::default();
        errors.take(1, build(Change::Restarts, 5));
        errors.take(1, error("a", 4));
        assert_eq!(current(&errors), [""; 0]);
        assert_eq!(errors.builds(1, 5 + SETTLED).verdict, Verdict::Clean);
        errors.take(1, error("a", 6));
        assert_eq!(current(&errors), ["a"]);
        // Of a build that is over and clean it is not known whether it was said of it.
        errors.take(1, build(Change::Ends(Some(true)), 8));
        errors.take(1, error("b", 7));
        assert_eq!(current(&errors), ["a", "b"]);
        errors.take(1, build(Change::Begins, 9));
        errors.take(1, error("c", 8));
        errors.take(1, build(Change::Ends(Some(true)), 10));
        assert_eq!(current(&errors), [""; 0]);
    }

    #[test]
    fn what_a_page_says_is_over_when_the_next_build_is_clean() {
        let of_page = |at| {
            let (channel, finding) = error("boom", at);
            let Finding::Error(raw) = finding else { unreachable!() };
            (channel, Finding::Error(Raw { is_browser: true, ..raw }))
        };
        let mut errors = Errors::default();
        errors.take(1, build(Change::Ends(Some(true)), 1));
        errors.take(1, of_page(2));
        assert_eq!(errors.builds(1, 2).verdict, Verdict::Failing);
        errors.take(1, build(Change::Ends(Some(true)), 3));
        assert_eq!(current(&errors), [""; 0]);
        errors.take(1, of_page(4));
        assert_eq!(current(&errors), ["boom"]);
        errors.take(1, build(Change::Ends(Some(true)), 6));
        errors.take(1, of_page(5));
        assert_eq!(current(&errors), [""; 0]);
    }

    #[test]
    fn what_is_told_again_after_the_end_of_a_build_belongs_to_it() {
        let mut errors = Errors::default();
        errors.take(1, error("a", 1));
        errors.take(1, build(Change::Ends(Some(false)), 2));
        // Those of a slow tool come later, but are known; those that are new come at once.
        errors.take(1, error("a", 2 + 2 * AFTER));
        errors.take(1, error("b", 2 + AFTER));
        errors.take(1, build(Change::Ends(Some(true)), 5000));
        assert_eq!(current(&errors), [""; 0]);
        // What comes later is of another tool.
        errors.take(1, build(Change::Ends(Some(false)), 6000));
        errors.take(1, error("c", 6001 + AFTER));
        errors.take(1, build(Change::Ends(Some(true)), 7000));
        assert_eq!(current(&errors), ["c"]);
    }

    #[test]
    fn another_command_resolves_nothing_and_the_same_one_after_an_edit_does() {
        for (begins, left) in [(10 + EDIT, 0), (9 + EDIT, 1)] {
            let mut errors = Errors::default();
            errors.take(1, error("a", 5));
            errors.take(1, build(Change::Ends(Some(false)), 10));
            // However long it takes: its beginning counts.
            errors.take(1, build(Change::Compiles, begins));
            errors.take(1, build(Change::Compiles, 90_000));
            errors.take(1, build(Change::Built, 100_000));
            assert_eq!(current(&errors).len(), left, "{begins}");
        }
    }

    #[test]
    fn what_is_started_after_a_build_that_failed_is_older() {
        for (has_failed, verdict) in [(false, Verdict::Clean), (true, Verdict::Failing)] {
            let mut errors = Errors::default();
            errors.take(1, build(Change::Begins, 1));
            errors.take(1, error("a", 2));
            errors.take(1, build(Change::Ends(Some(false)), 3));
            errors.take(1, build(Change::Begins, 4));
            if has_failed {
                errors.take(1, error("a", 5));
                errors.take(1, build(Change::Ends(Some(false)), 6));
            }
            errors.take(1, build(Change::Starts, 7));
            assert_eq!(errors.builds(1, 7 + SETTLED).verdict, verdict);
            assert_eq!(current(&errors).len(), usize::from(has_failed));
        }
    }

    #[test]
    fn tests_that_have_passed_may_be_followed_by_what_has_failed() {
        let mut errors = Errors::default();
        errors.take(1, build(Change::Passes, 1));
        errors.take(1, build(Change::Ends(Some(false)), 1));
        errors.take(1, error("a", 1));
        assert_eq!(errors.builds(1, 1).verdict, Verdict::Failing);
        errors.take(1, build(Change::Passes, 9));
        assert_eq!(current(&errors), [""; 0]);
        assert_eq!(errors.builds(1, 9).verdict, Verdict::Building);
        assert_eq!(errors.builds(1, 9 + SETTLED).verdict, Verdict::Clean);
    }

    fn part(part: Part, name: &str, has_passed: bool, at: i64) -> Found {
        let origin = Origin { entry: at.unsigned_abs(), at };
        (String::new(), Finding::Part { part, name: name.to_owned(), has_passed, origin })
    }

    fn of_test(test: &str, message: &str, at: i64) -> Found {
        let raw = Raw { test: Some(test.to_owned()), ..raw_of(error(message, at)) };
        (String::new(), Finding::Error(raw))
    }

    #[test]
    fn what_a_passing_test_has_printed_is_none() {
        let mut errors = Errors::default();
        errors.take(1, of_test("passes", "logged", 1));
        errors.take(1, of_test("fails", "broken", 2));
        errors.take(1, error("of no test", 2));
        errors.take(1, part(Part::Test, "passes", true, 3));
        errors.take(1, part(Part::Test, "fails", false, 3));
        assert_eq!(current(&errors), ["broken", "of no test"]);
        // What was begun on the other stream is known only now.
        errors.take(1, of_test("passes", "late", 3));
        errors.take(1, of_test("fails", "too late", 3));
        assert_eq!(current(&errors), ["broken", "of no test", "too late"]);
        // One that has failed is over when it passes, and so is nothing of another process.
        errors.take(2, part(Part::Test, "fails", true, 8));
        errors.take(1, part(Part::Test, "fails", true, 9));
        assert_eq!(current(&errors), ["of no test"]);
        assert_eq!(errors.iter().filter(|it| it.resolved == Some(9)).count(), 2);
        errors.take(1, of_test("fails", "broken", 10));
        assert_eq!(current(&errors), ["of no test", "broken"]);
    }

    #[test]
    fn a_package_that_passes_resolves_its_own() {
        let mut errors = Errors::default();
        errors.take(1, of_test("TestTotal", "a", 1));
        errors.take(1, part(Part::Package, "cart", false, 2));
        errors.take(1, part(Part::Package, "price", true, 3));
        errors.take(1, error("b", 4));
        errors.take(1, part(Part::Package, "order", false, 5));
        // What the compiler says on the other stream may be known only now.
        errors.take(1, error("c", 5));
        // A test of the same name in another package.
        errors.take(1, part(Part::Test, "TestTotal", true, 6));
        assert_eq!(current(&errors), ["a", "b", "c"]);
        // One that fails again tells again what is not mended.
        errors.take(1, error("b", 6));
        errors.take(1, part(Part::Package, "order", false, 6));
        assert_eq!(current(&errors), ["a", "b"]);
        errors.take(1, part(Part::Package, "price", true, 7));
        assert_eq!(current(&errors), ["a", "b"]);
        errors.take(1, part(Part::Package, "cart", true, 8));
        assert_eq!(current(&errors), ["b"]);
        errors.take(1, part(Part::Package, "order", true, 9));
        assert_eq!(current(&errors), [""; 0]);
    }

    #[test]
    fn a_summary_counts_when_nothing_else_does() {
        let summary = |at| {
            let (channel, finding) = error("build failed", at);
            let Finding::Error(raw) = finding else { unreachable!() };
            (channel, Finding::Error(Raw { is_summary: true, ..raw }))
        };
        let mut errors = Errors::default();
        errors.take(1, summary(1));
        assert_eq!(current(&errors), ["build failed"]);
        errors.take(1, error("a", 2));
        errors.take(1, summary(3));
        assert_eq!(current(&errors), ["a"]);
    }

    #[test]
    fn their_number_is_bounded() {
        let mut errors = Errors::default();
        for letter in 0..3 * MAX_ERRORS {
            let name: String = std::iter::repeat_n('x', letter + 1).collect();
            errors.take(1, error(&name, 1));
            let channel = format!("script {letter}");
            errors.take(1, (channel, Finding::Build(Change::Begins, Origin::default())));
            for _ in 0..2 {
                errors.take(1, part(Part::Test, &name, false, 1));
            }
        }
        assert_eq!(errors.iter().count(), MAX_ERRORS);
        assert!(errors.builds.len() <= MAX_BUILDS);
        assert_eq!(errors.results.len(), MAX_RESULTS);
    }

    /// What is left of the errors of the first text when the second comes a while later, and how the build stands.
    fn left(first: &str, second: &str) -> (usize, Vec<String>, Verdict) {
        let (mut engine, mut errors, mut found) = (Engine::default(), Errors::default(), Vec::new());
        let (begun, mut entry, mut told) = (tokio::time::Instant::now(), 0, 0);
        for (at, text) in [(10_000, first), (60_000, second)] {
            let now = begun + std::time::Duration::from_millis(at);
            for line in text.lines() {
                entry += 1;
                let at = i64::try_from(at).unwrap();
                engine.on(line, Origin { entry, at }, now, &mut found);
            }
            engine.close_due(None, &mut found);
            for found in found.drain(..) {
                errors.take(1, found);
            }
            told = told.max(errors.iter().count());
        }
        let current = errors.iter().filter(|it| it.resolved.is_none()).map(|it| it.message.clone());
        (told, current.collect(), errors.builds(1, 200_000).verdict)
    }

    #[test]
    fn a_clean_build_of_each_tool_resolves_what_the_one_before_it_told() {
        for (failed, clean) in [
            // PHPUnit.
            (
                "PHPUnit 11.5.3 by Sebastian Bergmann and contributors.\n\nF                                                   1 / 1 (100%)\n\n\
                 Time: 00:00.003, Memory: 8.00 MB\n\nThere was 1 failure:\n\n1) CartTest::testPrice\nFailed asserting that 1 matches \
                 expected 2.\n\n/app/tests/CartTest.php:9\n\nFAILURES!\nTests: 1, Assertions: 1, Failures: 1.",
                "PHPUnit 11.5.3 by Sebastian Bergmann and contributors.\n\n.                                                   1 / 1 (100%)\n\n\
                 Time: 00:00.003, Memory: 8.00 MB\n\nOK (1 test, 1 assertion)",
            ),
            (
                "E                                                   1 / 1 (100%)\n\nTime: 00:00.003, Memory: 8.00 MB\n\nThere was 1 \
                 error:\n\n1) CartTest::testPrice\nLogicException: no price\n\n/app/tests/CartTest.php:9\n\nERRORS!\nTests: 1, Assertions: \
                 0, Errors: 1.",
                "OK (1 test, 1 assertion)",
            ),
            // Svelte.
            (
                "====================================\nLoading svelte-check in workspace: /app\nGetting Svelte diagnostics...\n\n\
                 /app/src/App.svelte:3:9\nError: Type 'string' is not assignable to type 'number'. (ts)\n  const x: number = 'a';\n\n\n\
                 ====================================\nsvelte-check found 1 error and 0 warnings in 1 file\nWatching for file changes...",
                "====================================\nGetting Svelte diagnostics...\n\n====================================\n\
                 svelte-check found 0 errors and 0 warnings\nWatching for file changes...",
            ),
            // Angular.
            (
                "✘ [ERROR] TS2322: Type 'string' is not assignable to type 'number'. [plugin angular-compiler]\n\n    \
                 src/app/app.ts:11:2:\n      11 │   price: number = 'a';\n         ╵   ~~~~~\n\nApplication bundle generation failed. \
                 [0.512 seconds] - 2026-11-29T12:00:00.000Z\n",
                "Initial chunk files | Names | Raw size\nmain.js | main | 1.2 kB |\n\nApplication bundle generation complete. [0.090 \
                 seconds] - 2026-11-29T12:00:10.000Z",
            ),
            // tsup.
            (
                "CLI Building entry: src/index.ts\nCLI Watching for changes in \".\"\nESM Build start\n✘ [ERROR] Could not resolve \
                 \"./prices\"\n\n    src/index.ts:1:22:\n      1 │ import { price } from \"./prices\";\n        ╵                       \
                 ~~~~~~~~~~\n\nESM Build failed",
                "CLI Change detected: change src/index.ts\nCLI Watching for changes in \".\"\nESM Build start\nESM dist/index.js 62.00 \
                 B\nESM ⚡️ Build success in 7ms",
            ),
            // Parcel.
            (
                "Server running at http://localhost:1234\n🚨 Build failed.\n\n@parcel/core: Failed to resolve './prices' from \
                 './src/main.js'\n\n  /app/src/main.js:1:23\n  > 1 | import { price } from './prices';\n  >   |                       \
                 ^^^^^^^^^^\n",
                "✨ Built in 41ms",
            ),
            // The command lines of Vue and of Create React App.
            (
                " ERROR  Failed to compile with 1 error                                             12:00:00 PM\n\n error  in \
                 ./src/main.js\n\nModule not found: Error: Can't resolve './prices' in '/app/src'\n\nERROR in ./src/main.js 1:0-33\n\
                 Module not found: Error: Can't resolve './prices' in '/app/src'\n",
                " DONE  Compiled successfully in 120ms                                             12:00:10 PM\n\n  App running at:\n  - \
                 Local:   http://localhost:8080/",
            ),
            (
                "Failed to compile.\n\nModule not found: Error: Can't resolve './prices' in '/app/src'\nERROR in ./src/index.js \
                 1:0-33\nModule not found: Error: Can't resolve './prices' in '/app/src'\n",
                "Compiled successfully!\n\nYou can now view shop in the browser.",
            ),
            // Trunk, sbt, Flutter.
            (
                "2026-11-29T12:00:00.000000Z  INFO 📦 starting build\nerror[E0425]: cannot find value `totl` in this scope\n --> \
                 src/main.rs:3:5\n  |\n3 |     totl\n  |     ^^^^ not found in this scope\n\nerror: could not compile `shop` (bin \
                 \"shop\") due to 1 previous error\n2026-11-29T12:00:01.000000Z ERROR ❌ error",
                "2026-11-29T12:00:50.000000Z  INFO 📦 starting build\n    Finished `dev` profile [unoptimized + debuginfo] target(s) in \
                 0.30s\n2026-11-29T12:00:51.000000Z  INFO applying new distribution\n2026-11-29T12:00:51.000000Z  INFO ✅ success",
            ),
            (
                "[info] compiling 1 Scala source to /app/target/scala-2.13/classes ...\n[error] /app/src/Cart.scala:3:16: type \
                 mismatch;\n[error]                ^\n[error] one error found\n[error] (Compile / compileIncremental) Compilation \
                 failed\n[error] Total time: 1 s, completed Nov 29, 2026, 12:00:00 PM",
                "[info] compiling 1 Scala source to /app/target/scala-2.13/classes ...\n[success] Total time: 1 s, completed Nov 29, \
                 2026, 12:00:10 PM",
            ),
            (
                "Performing hot reload...\nlib/main.dart:12:5: Error: The getter 'totl' isn't defined for the class 'Cart'.\n    \
                 totl;\n    ^^^^\nTry again after fixing the above error(s).",
                "Performing hot reload...\nReloaded 1 of 512 libraries in 213ms (compile: 20 ms, reload: 90 ms, reassemble: 60 ms).",
            ),
        ] {
            let (told, current, verdict) = left(failed, clean);
            assert!(
                told == 1 && current.is_empty() && verdict == Verdict::Clean,
                "{told} {current:?} {verdict:?} of {failed}"
            );
        }
    }

    #[test]
    fn a_build_behind_the_name_of_a_script_resolves_its_own() {
        for prefix in ["web: ", "@acme/web: ", "17:21:01 web.1  | ", "0|web  | ", "[web   ] "] {
            let behind =
                |lines: &[&str]| lines.iter().map(|line| format!("{prefix}{line}\n")).collect::<String>();
            let failed =
                behind(&["src/a.ts(3,5): error TS2322: x", "", "Found 1 error. Watching for file changes."]);
            let clean = behind(&[
                "Starting incremental compilation...",
                "",
                "Found 0 errors. Watching for file changes.",
            ]);
            assert_eq!(left(&failed, &clean), (1, Vec::new(), Verdict::Clean), "{prefix}");
            let of_another = clean.replace(prefix, "[api] ");
            assert_eq!(left(&failed, &of_another).1, ["TS2322: x"], "{prefix}");
        }
    }
}
