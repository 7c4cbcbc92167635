//! What became of a message, and how what the hub's client got compares with what a client of the official SDK got.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What became of one step.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(untagged)]
pub(crate) enum Outcome {
    Result {
        result: Value,
    },
    /// The server's own error, as far as the client can tell.
    Error {
        error: (f64, String),
    },
    /// `=`: as with a plain server. `-`: it did not come so far. Everything else: why it failed.
    Word(String),
}

impl Outcome {
    pub(crate) fn word(word: &str) -> Self {
        Self::Word(word.to_owned())
    }

    pub(crate) fn is_plain(&self) -> bool {
        *self == Self::word("=")
    }

    pub(crate) fn is_reached(&self) -> bool {
        *self != Self::word("-")
    }

    /// As it can be compared and recorded: numbers as JavaScript has them, and no texts that nobody wants to read.
    pub(crate) fn told(mut self) -> Self {
        if let Self::Result { result } = &mut self {
            tell(result);
        }
        self
    }

    /// What is as with a plain server is not told again.
    pub(crate) fn against(self, plain: &Self) -> Self {
        if self == *plain { Self::word("=") } else { self }
    }
}

/// Longest text that is told whole.
const LONGEST: usize = 500;

fn tell(value: &mut Value) {
    match value {
        Value::Number(number) => {
            if let Some(float) = number.as_f64()
                && float.fract() == 0.0
                && float.abs() < 1e15
            {
                // It has no fraction and is small enough.
                #[expect(clippy::cast_possible_truncation, reason = "it was looked at")]
                let whole = float as i64;
                *value = whole.into();
            }
        }
        Value::String(text) if text.len() > LONGEST => *text = format!("{} characters", text.chars().count()),
        Value::Array(items) => items.iter_mut().for_each(tell),
        Value::Object(members) => members.values_mut().for_each(tell),
        _ => {}
    }
}

/// Opening, the message itself, and a call after it.
pub(crate) type Outcomes = [Outcome; 3];

pub(crate) const STEPS: [&str; 3] = ["opening", "the message", "a call after it"];

/// How the hub's outcome of a step stands to the direct one.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Standing {
    Same,
    /// An error here as there.
    BothFail,
    /// What fails directly works.
    Better,
    Worse,
}

/// The measure: what a plain client gets, a client of the hub gets too, or an error that says what is wrong. `plain`: what
/// the hub's client gets of a plain server.
pub(crate) fn standing(direct: &Outcome, hub: &Outcome, plain: &Outcome) -> Standing {
    let expected = if direct.is_plain() { plain } else { direct };
    match (expected, hub) {
        (Outcome::Result { result: expected }, Outcome::Result { result }) if holds(result, expected) => {
            Standing::Same
        }
        (Outcome::Error { error: (code, said) }, Outcome::Error { error: (other, message) })
            if code == other && said == message =>
        {
            Standing::Same
        }
        (expected, hub) if expected == hub => Standing::Same,
        (Outcome::Result { result }, hub) if result["heard"] == false && hub == plain => Standing::Better,
        (Outcome::Result { .. }, _) => Standing::Worse,
        (_, hub) if hub == plain => Standing::Better,
        // An error with words, in a form that each client understands.
        (_, Outcome::Error { error: (code, message) }) if code.fract() == 0.0 && !message.is_empty() => {
            Standing::BothFail
        }
        // In a list are the hub's own entries; why the others are not is told by `instances_connect`.
        (_, Outcome::Result { result }) if is_list_without_items(result) => Standing::BothFail,
        // What the other client could not read at all, each client can judge for itself.
        (Outcome::Word(_), Outcome::Result { result }) if result.is_object() => Standing::BothFail,
        // There was no way to this step.
        (Outcome::Word(word), hub) if word == "-" && !hub.is_reached() => Standing::Same,
        (Outcome::Word(word), Outcome::Word(_)) if word != "=" => Standing::BothFail,
        _ => Standing::Worse,
    }
}

fn is_list_without_items(result: &Value) -> bool {
    let lists = ["tools", "prompts", "resources", "resourceTemplates"];
    lists.iter().any(|list| result[list].as_array().is_some_and(Vec::is_empty))
}

/// Whether a result has all that is expected of it. The SDK's client leaves out what it does not know, and adds what it takes
/// for granted; through the hub it would do the same.
fn holds(result: &Value, expected: &Value) -> bool {
    match (result, expected) {
        (Value::Object(members), Value::Object(expected)) => expected.iter().all(|(name, expected)| {
            let by_default = *expected == Value::Array(Vec::new()) || name == "nextCursor" && expected == "";
            members.get(name).map_or(by_default, |found| holds(found, expected))
        }),
        (Value::Array(items), Value::Array(expected)) => {
            items.len() == expected.len()
                && items.iter().zip(expected).all(|(item, expected)| holds(item, expected))
        }
        (found, expected) => found == expected,
    }
}

/// Verdicts of a client by habit and message.
pub(crate) type Verdicts = BTreeMap<(String, String), Outcomes>;

/// One line of the file.
#[derive(Deserialize, Serialize)]
struct Recorded {
    habit: String,
    /// What became of it, and of which messages.
    verdicts: Vec<(Outcomes, Vec<String>)>,
}

/// The first line.
#[derive(Deserialize, Serialize)]
struct Head {
    sdk: String,
}

/// Reads the file.
pub(crate) fn read(text: &str) -> Verdicts {
    let recorded = text.lines().skip(1).map(|line| serde_json::from_str::<Recorded>(line).unwrap());
    let each = recorded.flat_map(|Recorded { habit, verdicts }| {
        verdicts.into_iter().flat_map(move |(outcomes, messages)| {
            let habit = habit.clone();
            messages.into_iter().map(move |message| ((habit.clone(), message), outcomes.clone()))
        })
    });
    each.collect()
}

/// Writes it, in the order of the table.
pub(crate) fn write(sdk: &str, cells: &[(String, String)], verdicts: &Verdicts) -> String {
    let mut lines = vec![serde_json::to_string(&Head { sdk: sdk.to_owned() }).unwrap()];
    let mut line: Option<Recorded> = None;
    for cell in cells {
        let outcomes = &verdicts[cell];
        let (habit, message) = cell;
        if line.as_ref().is_none_or(|line| line.habit != *habit) {
            lines.extend(line.take().map(|line| serde_json::to_string(&line).unwrap()));
            line = Some(Recorded { habit: habit.clone(), verdicts: Vec::new() });
        }
        let verdicts = &mut line.as_mut().expect("it was just made").verdicts;
        match verdicts.iter_mut().find(|(it, _)| it == outcomes) {
            Some((_, messages)) => messages.push(message.clone()),
            None => verdicts.push((outcomes.clone(), vec![message.clone()])),
        }
    }
    lines.extend(line.map(|line| serde_json::to_string(&line).unwrap()));
    lines.join("\n") + "\n"
}
