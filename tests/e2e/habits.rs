//! What servers do otherwise, crossed with each message: what a plain client of the official TypeScript SDK gets from such a
//! server, a client of the hub gets too, or an error that says what is wrong.
//!
//! `habits/table.rs` has the habits, `habits/messages.rs` the messages. What the SDK's client got is recorded in
//! `tests/habits/direct.jsonl`; `cargo xtask habits` runs the whole table and random pairs of habits with both clients, and
//! `cargo xtask habits --update` records it anew.

mod clients;
mod exceptions;
mod messages;
mod table;
mod verdict;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use futures_util::{StreamExt as _, stream};

use self::{
    clients::{Direct, through},
    exceptions::EXCEPTIONS,
    messages::{MESSAGES, Message},
    table::{Habit, habits},
    verdict::{Outcome, Outcomes, STEPS, Standing, Verdicts, standing},
};
use crate::support::{
    Node, repository,
    script::{Asked, GET, POST, Reply, Script, Scripted, Transport},
};

/// Cells at a time. Most of what takes long is waiting.
const AT_A_TIME: usize = 24;

/// Every so many cells, one is in the part that each run of the tests does.
const SAMPLE: usize = 29;

/// Some habits at one message.
#[derive(Clone, Debug)]
struct Cell {
    /// Places in the table.
    habits: Vec<usize>,
    transport: Transport,
    message: Message,
}

/// What the hub is asked besides, on the server's side.
const PUSHED: &str =
    r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"on the stream"}}"#;

impl Cell {
    fn name(&self, table: &[Habit]) -> String {
        let names: Vec<_> = self.habits.iter().map(|at| table[*at].name.as_str()).collect();
        let names = names.join(" + ");
        match self.transport {
            Transport::Streamable => names,
            Transport::Modern => format!("{MODERN}{names}"),
            Transport::HttpSse => format!("{HTTP_SSE}{names}"),
        }
    }

    fn key(&self, table: &[Habit]) -> Key {
        (self.name(table), self.message.name.to_owned())
    }

    /// A server with these habits.
    async fn server(&self) -> Scripted {
        let (at, message, transport) = (self.habits.clone(), self.message, self.transport);
        let table = habits();
        let change = move |reply: Reply, asked: &Asked| {
            at.iter().fold(reply, |reply, at| table[*at].change(reply, asked))
        };
        let (mut script, path) = match transport {
            Transport::Streamable => (Script::plain(), "/mcp"),
            Transport::Modern => (Script::modern(), "/mcp"),
            Transport::HttpSse => (Script::http_sse(), "/message"),
        };
        if message.name == "GET" {
            script = script.expect(POST, "tools/call").answer(|mut reply, asked| {
                if asked.message["params"]["arguments"]["text"] == "step" {
                    reply.after_stream = true;
                    reply.elsewhere.push(PUSHED.to_owned());
                }
                reply
            });
        }
        // What is posted to the stream's address is no message of the older transport.
        let is_it =
            move |asked: &Asked| message.is(asked) && (asked.verb == GET || asked.path.starts_with(path));
        script.expect_any(is_it).answer(change).start().await
    }
}

/// What the names of habits begin with that are tried without a handshake.
const MODERN: &str = "2026-07-28: ";

/// What the names of habits begin with that are tried on the older transport.
const HTTP_SSE: &str = "HTTP+SSE: ";

/// The beginning of the name of a habit that says how it is tried.
fn prefix(habit: &str) -> &'static str {
    [MODERN, HTTP_SSE].into_iter().find(|prefix| habit.starts_with(prefix)).unwrap_or_default()
}

fn endpoint(transport: Transport) -> &'static str {
    match transport {
        Transport::Streamable | Transport::Modern => "/mcp",
        Transport::HttpSse => "/sse",
    }
}

/// How often a call may have run at the server.
fn runs(server: &Scripted) -> usize {
    let ran = |(asked, status): &&(Asked, String)| {
        asked.message["params"]["arguments"]["text"] == "step" && !status.starts_with(['3', '4'])
    };
    server.seen().iter().filter(ran).count()
}

/// All cells of one habit each, in the order of the table.
fn crossing(table: &[Habit]) -> Vec<Cell> {
    let of = |transport: Transport| {
        table.iter().enumerate().flat_map(move |(at, habit)| {
            let messages = MESSAGES.into_iter().filter(move |message| habit.fits(transport, *message));
            messages.map(move |message| Cell { habits: vec![at], transport, message })
        })
    };
    [Transport::Streamable, Transport::Modern, Transport::HttpSse].into_iter().flat_map(of).collect()
}

/// The cells without a habit.
fn plain(table: &[Habit]) -> Vec<Cell> {
    crossing(table).into_iter().filter(|cell| cell.habits == [0]).collect()
}

/// Random cells of two habits, always the same for one seed (SplitMix64).
fn pairs(table: &[Habit], seed: u64, count: usize) -> Vec<Cell> {
    let mut state = seed;
    let mut next = |below: usize| {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((mixed ^ (mixed >> 31)) % below as u64).expect("it is below a usize")
    };
    let mut cells = Vec::new();
    while cells.len() < count {
        let (first, second, message) = (next(table.len()), next(table.len()), next(MESSAGES.len()));
        let message = MESSAGES[message];
        let transport = match next(8) {
            0 => Transport::HttpSse,
            1 | 2 => Transport::Modern,
            _ => Transport::Streamable,
        };
        if first != second && [first, second].iter().all(|at| table[*at].fits(transport, message)) {
            cells.push(Cell { habits: vec![first, second], transport, message });
        }
    }
    cells
}

type Key = (String, String);

/// What the SDK's client gets of these cells.
async fn direct(table: &[Habit], cells: &[Cell], node: Node) -> Verdicts {
    let client = Direct::start(node);
    let client = &client;
    let one = |(number, cell): (usize, &Cell)| {
        let (cell, key) = (cell.clone(), cell.key(table));
        async move {
            let server = cell.server().await;
            let id = format!("{number}: {} at {}", key.0, key.1);
            (key, client.outcomes(&id, &server, &cell).await)
        }
    };
    let plain = plain(table);
    let tasks: Vec<_> = plain.iter().chain(cells).enumerate().map(one).collect();
    let outcomes: Vec<_> = stream::iter(tasks).buffer_unordered(AT_A_TIME).collect().await;
    against_plain(outcomes)
}

/// The cell without a habit that a cell is compared with.
fn plain_key((habit, message): &Key) -> Key {
    (format!("{}nothing", prefix(habit)), message.clone())
}

/// Says of each outcome whether it is the one with a plain server; that itself stays as it is.
fn against_plain(outcomes: Vec<(Key, Outcomes)>) -> Verdicts {
    let plain: Verdicts = outcomes.iter().filter(|(key, _)| plain_key(key) == *key).cloned().collect();
    let compared = outcomes.into_iter().map(|(key, outcomes)| {
        let plain_key = plain_key(&key);
        if plain_key == key {
            return (key, outcomes);
        }
        let mut plain = plain[&plain_key].iter();
        let compared = outcomes.map(|outcome| outcome.against(plain.next().expect("there are as many")));
        (key, compared)
    });
    compared.collect()
}

/// What the hub's client gets of these cells, and how often calls ran.
async fn hub(table: &[Habit], cells: &[Cell], direct: &Verdicts) -> (Verdicts, BTreeMap<Key, usize>) {
    let one = |cell: &Cell| {
        let (cell, key) = (cell.clone(), cell.key(table));
        let opens = matches!(&direct[&key][0], it if it.is_plain() || matches!(it, Outcome::Result { .. }));
        async move {
            let server = cell.server().await;
            let begun = std::time::Instant::now();
            let outcomes = through(&server, endpoint(cell.transport), cell.message, opens).await;
            if std::env::var_os("BRUMMER_HABITS_SHOW").is_some() && begun.elapsed().as_secs() > 3 {
                eprintln!("slow {:?}: {key:?} {outcomes:?}", begun.elapsed());
            }
            (key, outcomes, runs(&server))
        }
    };
    let plain = plain(table);
    let tasks: Vec<_> = plain.iter().chain(cells).map(one).collect();
    let all: Vec<_> = stream::iter(tasks).buffer_unordered(AT_A_TIME).collect().await;
    let counted = all.iter().map(|(key, _, runs)| (key.clone(), *runs)).collect();
    (all.into_iter().map(|(key, outcomes, _)| (key, outcomes)).collect(), counted)
}

/// What is worse through the hub: the cell, and each step with both outcomes.
struct Differing {
    key: Key,
    text: String,
}

fn compare(cells: &[Key], direct: &Verdicts, hub: &Verdicts, runs: &BTreeMap<Key, usize>) -> Vec<Differing> {
    let mut differing = Vec::new();
    let mut count = BTreeMap::<Standing, usize>::new();
    for key in cells {
        let mut text = Vec::new();
        for (at, step) in STEPS.into_iter().enumerate() {
            let (straight, through) = (&direct[key][at], &hub[key][at]);
            let stands = standing(straight, through, &hub[&plain_key(key)][at]);
            *count.entry(stands).or_default() += 1;
            if stands == Standing::Worse {
                text.push(format!("{step}: {through:?} instead of {straight:?}"));
            }
            if stands == Standing::BothFail && std::env::var_os("BRUMMER_HABITS_SHOW").is_some() {
                eprintln!("{key:?} {step}: {straight:?} -> {through:?}");
            }
        }
        if runs[key] > 1 {
            text.push(format!("a call ran {} times", runs[key]));
        }
        if !text.is_empty() {
            differing.push(Differing { key: key.clone(), text: text.join("; ") });
        }
    }
    eprintln!("{} cells; steps: {count:?}", cells.len());
    differing
}

/// Takes out what is explained, and complains about explanations of what does not differ any more.
fn explained(differing: Vec<Differing>, whole: bool) -> Vec<String> {
    let mut used = BTreeSet::new();
    let mut left: Vec<String> = Vec::new();
    for Differing { key: (habit, message), text } in differing {
        let known = EXCEPTIONS.iter().position(|it| it.fits(&habit, &message));
        match known {
            Some(at) => _ = used.insert(at),
            None => left.push(format!("{habit} at {message}: {text}")),
        }
    }
    if whole {
        let stale = EXCEPTIONS.iter().enumerate().filter(|(at, _)| !used.contains(at));
        left.extend(stale.map(|(_, it)| format!("{it:?} is no exception any more")));
    }
    left
}

fn recorded() -> std::path::PathBuf {
    repository().join("tests/habits/direct.jsonl")
}

fn keys(table: &[Habit], cells: &[Cell]) -> Vec<Key> {
    cells.iter().map(|cell| cell.key(table)).collect()
}

fn assert_none(left: &[String]) {
    assert!(left.is_empty(), "{} cells differ:\n{}", left.len(), left.join("\n"));
}

/// A part of the table against what is recorded; `cargo xtask habits` runs all of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_with_habits_work_as_they_do_directly() {
    let table = habits();
    let direct = verdict::read(&fs::read_to_string(recorded()).unwrap());
    let all = crossing(&table);
    let known: BTreeSet<_> = direct.keys().cloned().collect();
    let there: BTreeSet<_> = keys(&table, &all).into_iter().collect();
    assert_eq!(known, there, "`cargo xtask habits --update` records what the table has");
    // What differs takes longest, and the whole table looks at it.
    let is_explained = |cell: &Cell| {
        let (habit, message) = cell.key(&table);
        EXCEPTIONS.iter().any(|it| it.fits(&habit, &message))
    };
    let cells: Vec<_> = all.into_iter().step_by(SAMPLE).filter(|cell| !is_explained(cell)).collect();
    let (through, runs) = hub(&table, &cells, &direct).await;
    assert_none(&explained(compare(&keys(&table, &cells), &direct, &through, &runs), false));
}

/// The whole table and random pairs, with both clients: `cargo xtask habits`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes; `cargo xtask habits` runs it"]
async fn every_habit_with_every_message() {
    let Some(node) = Node::ready() else { return };
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let table = habits();
    let only = std::env::var("BRUMMER_HABITS_ONLY").unwrap_or_default();
    let mut cells = crossing(&table);
    let is_whole = only.is_empty();
    cells.retain(|cell| {
        only.is_empty() || format!("{} at {}", cell.name(&table), cell.message.name).contains(&only)
    });
    let straight = direct(&table, &cells, node).await;
    let sdk = fs::read_to_string(
        repository().join("tests/node/node_modules/@modelcontextprotocol/sdk/package.json"),
    );
    let sdk: serde_json::Value = serde_json::from_str(&sdk.unwrap()).unwrap();
    let sdk = sdk["version"].as_str().unwrap();
    let mut left = Vec::new();
    if std::env::var_os("BRUMMER_HABITS_UPDATE").is_some() {
        assert!(is_whole, "the whole table is recorded, or nothing");
        fs::create_dir_all(recorded().parent().unwrap()).unwrap();
        fs::write(recorded(), verdict::write(sdk, &keys(&table, &cells), &straight)).unwrap();
    } else {
        let before = verdict::read(&fs::read_to_string(recorded()).unwrap());
        let changed = keys(&table, &cells).into_iter().filter(|key| before.get(key) != straight.get(key));
        left.extend(changed.map(|key| {
            format!("{key:?} directly: {:?}, and {:?} is recorded", straight[&key], before.get(&key))
        }));
    }
    let (through, runs) = hub(&table, &cells, &straight).await;
    left.extend(explained(compare(&keys(&table, &cells), &straight, &through, &runs), is_whole));

    let seed = number("BRUMMER_HABITS_SEED").unwrap_or(1);
    let count = number("BRUMMER_HABITS_PAIRS").unwrap_or(if is_whole { 300 } else { 0 });
    let cells = pairs(&table, seed, usize::try_from(count).unwrap());
    eprintln!("{count} pairs with the seed {seed}");
    let straight = direct(&table, &cells, node).await;
    let (through, runs) = hub(&table, &cells, &straight).await;
    let mut known = keys(&table, &cells);
    known.sort();
    known.dedup();
    left.extend(explained(compare(&known, &straight, &through, &runs), false));
    assert_none(&left);
}
