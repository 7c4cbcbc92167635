//! Replays what real tools have printed, and holds what is found against what they mean. `cargo xtask errors` prints the
//! figures; the README of the corpus tells how a case is written.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::time::Instant;

use super::errors::{FoundError, Verdict};
use crate::log::replay::Replay;

/// What must be reached, of precision and recall.
const LEAST: f64 = 0.97;

/// How much less it may be for what was not looked at while the rules were written.
const UNSEEN: f64 = 0.03;

/// An error as the recipe tells it.
#[derive(Debug)]
struct Label {
    file: String,
    line: Option<u32>,
    column: Option<u32>,
    kind: String,
    count: u64,
    message: String,
    /// It is over at the end.
    is_mended: bool,
}

/// How well a tool's errors are read.
#[derive(Clone, Copy, Debug, Default)]
struct Score {
    cases: usize,
    /// Errors that there are, that were found, and that are both.
    there: usize,
    found: usize,
    right: usize,
    /// The same for places.
    places_there: usize,
    places_found: usize,
    places_right: usize,
    /// Errors whose kind, count and end are as told, of those that were found and are there.
    kinds_right: usize,
    counts_right: usize,
    ends_right: usize,
}

impl Score {
    fn add(&mut self, other: &Self) {
        self.cases += other.cases;
        self.there += other.there;
        self.found += other.found;
        self.right += other.right;
        self.places_there += other.places_there;
        self.places_found += other.places_found;
        self.places_right += other.places_right;
        self.kinds_right += other.kinds_right;
        self.counts_right += other.counts_right;
        self.ends_right += other.ends_right;
    }

    /// Precision and recall, of errors and of places.
    fn figures(&self) -> [f64; 4] {
        let share = |part: usize, all: usize| if all == 0 { 1.0 } else { part as f64 / all as f64 };
        [
            share(self.right, self.found),
            share(self.right, self.there),
            share(self.places_right, self.places_found),
            share(self.places_right, self.places_there),
        ]
    }
}

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus")
}

/// What the tools of all recordings print, line by line.
pub(super) fn lines() -> Vec<String> {
    let files =
        ["visible", "held-out"].into_iter().flat_map(|half| fs::read_dir(corpus().join(half)).unwrap());
    let mut files: Vec<PathBuf> = files.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|ending| ending == "rec"));
    files.sort();
    let chunks = |path: PathBuf| {
        let recording = fs::read_to_string(path).unwrap();
        let texts = recording.lines().map(|line| {
            let (_, _, text): (u64, String, String) = serde_json::from_str(line).expect("it is a chunk");
            text
        });
        texts.collect::<String>()
    };
    files.into_iter().flat_map(|path| chunks(path).lines().map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// The tool, the labels, and how the last build stands, if the recipe says so.
fn labels(recipe: &str) -> (String, Vec<Label>, Option<String>) {
    let (mut tool, mut labels, mut clean) = (String::new(), Vec::new(), None);
    for line in recipe.lines().take_while(|line| !line.starts_with("-- ")) {
        let (key, rest) = line.split_once(' ').unwrap_or((line, ""));
        match key {
            "tool" => rest.clone_into(&mut tool),
            "clean" => clean = Some(rest.to_owned()),
            "error" | "mended" => {
                let mut parts = rest.splitn(4, " | ");
                let mut part = || parts.next().expect("a label has four parts").trim();
                let (place, kind, count, message) = (part(), part(), part(), part());
                let mut numbers = place.rsplitn(3, ':').collect::<Vec<_>>();
                numbers.reverse();
                let is_number = |text: &&str| text.parse::<u32>().is_ok();
                let at = numbers.iter().position(is_number).unwrap_or(numbers.len());
                labels.push(Label {
                    file: numbers[..at].join(":"),
                    line: numbers.get(at).and_then(|it| it.parse().ok()),
                    column: numbers.get(at + 1).and_then(|it| it.parse().ok()),
                    kind: kind.to_owned(),
                    count: count.parse().expect("the count is a number"),
                    message: message.to_owned(),
                    is_mended: key == "mended",
                });
            }
            _ => {}
        }
    }
    (tool, labels, clean)
}

/// Plays a recording and returns what was found, and how the build stands.
fn play(recording: &str) -> (Vec<FoundError>, Verdict) {
    let begun = Instant::now();
    let mut replay = Replay::new();
    let mut last = 0;
    for line in recording.lines() {
        let (at, stream, text): (u64, String, String) = serde_json::from_str(line).expect("it is a chunk");
        replay.take(stream == "e", text.as_bytes(), begun + Duration::from_millis(at), at);
        last = at;
    }
    replay.end(begun + Duration::from_secs(3600), last + 3_600_000)
}

/// Whether a found error is the one that is meant.
fn is_same(label: &Label, found: &FoundError) -> bool {
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (wanted, message) = (words(&label.message), words(&found.message));
    message.contains(&wanted) || (message.len() > 20 && wanted.contains(&message))
}

/// Whether it is at the place that is meant, and how near to it otherwise.
fn has_place(label: &Label, found: &FoundError) -> bool {
    let Some(place) = &found.place else { return label.file == "-" };
    let numbers = [label.line, label.column].into_iter().flatten();
    let wanted = numbers.fold(label.file.clone(), |place, number| format!("{place}:{number}"));
    let wanted = wanted.trim_start_matches("./");
    let is_same = |place: &str| {
        place.strip_suffix(wanted).is_some_and(|before| before.is_empty() || before.ends_with(['/', '\\']))
    };
    // A label without a column takes any.
    is_same(place)
        || label.column.is_none() && place.rsplit_once(':').is_some_and(|(place, _)| is_same(place))
}

fn score(name: &str, labels: &[Label], found: &[FoundError], notes: &mut String) -> Score {
    let mut score = Score { cases: 1, there: labels.len(), found: found.len(), ..Score::default() };
    let mut free: Vec<&FoundError> = found.iter().collect();
    let mut pairs = Vec::new();
    let mut missed = Vec::new();
    for place_counts in [true, false] {
        for label in labels {
            if pairs.iter().any(|(known, _): &(&Label, _)| std::ptr::eq(*known, label)) {
                continue;
            }
            let fits =
                |found: &&FoundError| is_same(label, found) && (!place_counts || has_place(label, found));
            if let Some(at) = free.iter().position(fits) {
                pairs.push((label, free.remove(at)));
            } else if !place_counts {
                missed.push(label);
            }
        }
    }
    score.places_there = labels.iter().filter(|label| label.file != "-").count();
    score.places_found = found.iter().filter(|found| found.place.is_some()).count();
    for (label, found) in &pairs {
        score.right += 1;
        let is_right = has_place(label, found);
        score.places_right += usize::from(is_right && label.file != "-");
        score.kinds_right +=
            usize::from(label.kind == "-" || found.kind.as_deref() == Some(label.kind.as_str()));
        score.counts_right += usize::from(label.count == found.count);
        score.ends_right += usize::from(label.is_mended == found.resolved.is_some());
        let mut wrong = |what: &str, wanted: &dyn std::fmt::Debug, got: &dyn std::fmt::Debug| {
            let _ = writeln!(notes, "{name}: {what} is {got:?} instead of {wanted:?}: {}", label.message);
        };
        if !is_right {
            wrong("place", &(&label.file, label.line, label.column), &found.place);
        }
        if label.kind != "-" && found.kind.as_deref() != Some(label.kind.as_str()) {
            wrong("kind", &label.kind, &found.kind);
        }
        if label.count != found.count {
            wrong("count", &label.count, &found.count);
        }
        if label.is_mended != found.resolved.is_some() {
            wrong("mended", &label.is_mended, &found.resolved.is_some());
        }
    }
    for label in missed {
        let _ = writeln!(notes, "{name}: missed: {}:{:?} {}", label.file, label.line, label.message);
    }
    for found in free {
        let _ = writeln!(notes, "{name}: no error: {:?} at {:?}", found.message, found.place);
    }
    score
}

#[test]
fn errors_of_real_tools_are_read() {
    let table = std::env::var("BRUMMER_ERRORS_TABLE").unwrap_or_default();
    let mut out = String::new();
    let mut notes = String::new();
    let mut all = Vec::new();
    for half in ["visible", "held-out"] {
        let mut tools: BTreeMap<String, Score> = BTreeMap::new();
        let mut total = Score::default();
        let mut cases: Vec<PathBuf> =
            fs::read_dir(corpus().join(half)).unwrap().map(|entry| entry.unwrap().path()).collect();
        cases.retain(|path| path.extension().is_some_and(|ending| ending == "rec"));
        cases.sort();
        for path in cases {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            let (tool, labels, clean) = labels(&fs::read_to_string(path.with_extension("case")).unwrap());
            let (found, verdict) = play(&fs::read_to_string(&path).unwrap());
            let mut unseen = String::new();
            let notes = if half == "visible" { &mut notes } else { &mut unseen };
            let scored = score(&name, &labels, &found, notes);
            if clean.is_some_and(|clean| (clean == "yes") != (verdict == Verdict::Clean)) {
                let _ = writeln!(notes, "{name}: the build is {verdict:?}");
            }
            tools.entry(tool).or_default().add(&scored);
            total.add(&scored);
        }
        let _ = writeln!(out, "| {half} | recordings | errors | precision | recall | of places | recall |");
        let _ = writeln!(out, "|---|--:|--:|--:|--:|--:|--:|");
        for (tool, score) in tools.iter().map(|(tool, score)| (tool.as_str(), score)).chain([("all", &total)])
        {
            let [precision, recall, places, places_recall] = score.figures();
            let _ = writeln!(
                out,
                "| {tool} | {} | {} | {precision:.2} | {recall:.2} | {places:.2} | {places_recall:.2} |",
                score.cases, score.there
            );
        }
        let share = |part: usize| 100.0 * part as f64 / total.right.max(1) as f64;
        let _ = writeln!(
            out,
            "\n{half}: of the {} that are found and there, {:.0} % have the kind, {:.0} % the count and {:.0} % the end that \
             they should\n",
            total.right,
            share(total.kinds_right),
            share(total.counts_right),
            share(total.ends_right)
        );
        all.push(total);
    }
    if !table.is_empty() {
        let shown = if table == "all" { notes.as_str() } else { "" };
        io::stdout().write_all(format!("\n{out}{shown}").as_bytes()).unwrap();
    }
    for (total, least) in all.iter().zip([LEAST, LEAST - UNSEEN]) {
        for figure in total.figures() {
            assert!(figure >= least, "{figure:.3} is less than {least}\n{out}");
        }
    }
}
