//! `cargo xtask instructions`: how many instructions the hub takes for its start, for a small call and for 1 MiB, counted by
//! callgrind and compared with the figures that are written down. Time depends on the machine and on what else runs there; the
//! number of instructions hardly does, so a few percent more are seen.

use std::{
    collections::BTreeMap,
    env, fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::root;

/// The figures, with what they were counted with.
const FIGURES: &str = "tests/instructions.json";

/// How much more or less is no news, in percent.
const SLACK: f64 = 2.0;

/// Rounds, of which the least counts: what a run has beyond it, it has waited for. After the first only what seems to have become
/// more is counted again.
const ROUNDS: usize = 4;

/// Rounds of all for figures that are written down.
const WRITTEN: usize = 2;

/// Starts in a round, the median of which counts: sometimes a thread has less to do before the end.
const STARTS: usize = 5;

/// The small call, in each combination of a client and an instance with and without a handshake; then 1 MiB.
const CASES: [Case; 6] = [
    Case {
        name: "call: client and instance with a handshake",
        modern: (false, false),
        tool: "echo",
        calls: 200,
    },
    Case { name: "call: only the client with a handshake", modern: (false, true), tool: "echo", calls: 200 },
    Case {
        name: "call: only the instance with a handshake",
        modern: (true, false),
        tool: "echo",
        calls: 200,
    },
    Case { name: "call: neither with a handshake", modern: (true, true), tool: "echo", calls: 200 },
    Case { name: "1 MiB, both with a handshake", modern: (false, false), tool: "big_1_mib", calls: 10 },
    Case { name: "1 MiB, neither with a handshake", modern: (true, true), tool: "big_1_mib", calls: 10 },
];

/// All that is counted: the start, up to the first list of instances, and the cases.
const NAMES: [&str; CASES.len() + 1] = {
    let mut names = ["start"; CASES.len() + 1];
    let mut index = 0;
    while index < CASES.len() {
        names[index + 1] = CASES[index].name;
        index += 1;
    }
    names
};

struct Case {
    name: &'static str,
    /// Client and instance: whether they speak 2026-07-28.
    modern: (bool, bool),
    tool: &'static str,
    /// Calls that are counted; what start and end take is taken off.
    calls: u64,
}

/// Counts and compares. `--update` writes the figures down.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    let update = match arguments {
        [] => false,
        [flag] if flag == "--update" => true,
        _ => bail!("`cargo xtask instructions` takes no argument but `--update`"),
    };
    if !is_there("valgrind") {
        eprintln!("left out: valgrind is not installed");
        return Ok(ExitCode::SUCCESS);
    }
    let toolchain = toolchain()?;
    let file = root().join(FIGURES);
    let written: Value = match fs::read_to_string(&file) {
        Ok(text) => serde_json::from_str(&text).with_context(|| format!("{FIGURES} is no JSON"))?,
        Err(_) => Value::Null,
    };
    if !update && written["toolchain"] != toolchain.as_str() {
        eprintln!(
            "left out: the figures were counted with {}, and this is {toolchain}",
            written["toolchain"]
        );
        return Ok(ExitCode::SUCCESS);
    }
    let programs = Programs::build()?;
    let mut counts = Counts::new();
    let mut counted = BTreeMap::new();
    for round in 0..ROUNDS {
        let is_more = |name: &str, now: Option<&u64>| {
            let before = written["instructions"][name].as_u64();
            before.zip(now).is_none_or(|(before, now)| percent(before, *now) > SLACK)
        };
        let is_wanted =
            |name: &&str| if update { round < WRITTEN } else { is_more(name, counted.get(*name)) };
        let names = NAMES.into_iter().filter(is_wanted);
        let runs: Vec<Run> = names.flat_map(runs_of).collect();
        programs.count(&runs, &mut counts)?;
        counted = NAMES.into_iter().map(|name| (name, figure(name, &counts))).collect();
    }
    if update {
        let text = serde_json::to_string_pretty(&json!({ "toolchain": toolchain, "instructions": counted }))?;
        fs::write(&file, text + "\n").with_context(|| format!("cannot write {FIGURES}"))?;
    }
    let mut too_far = 0;
    for name in NAMES {
        let now = counted[name];
        let Some(before) = written["instructions"][name].as_u64() else {
            eprintln!("{now:>12}  {name} (not written down yet)");
            too_far += usize::from(!update);
            continue;
        };
        let percent = percent(before, now);
        let verdict = if percent.abs() > SLACK { "  ← more than 2 % away" } else { "" };
        eprintln!("{now:>12}  {percent:+6.2} %  {name}{verdict}");
        too_far += usize::from(percent.abs() > SLACK);
    }
    if too_far == 0 || update {
        return Ok(ExitCode::SUCCESS);
    }
    bail!(
        "{too_far} of the figures differ; if that is meant, `cargo xtask instructions --update` writes them down"
    )
}

fn is_there(program: &str) -> bool {
    let paths = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&paths).any(|directory| directory.join(program).is_file())
}

/// What the figures depend on beside the sources: the compiler, the system's library, and what valgrind makes of the processor.
fn toolchain() -> Result<String> {
    let first_line = |program: &str, argument: &str| -> Result<String> {
        let output = Command::new(program).arg(argument).output();
        let output = output.with_context(|| format!("cannot run {program}"))?;
        Ok(String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_owned())
    };
    let parts =
        [first_line("rustc", "-V")?, first_line("ldd", "--version")?, first_line("valgrind", "--version")?];
    Ok(format!("{} ({})", parts.join(", "), env::consts::ARCH))
}

/// By how much a figure has become more.
fn percent(before: u64, now: u64) -> f64 {
    (now as f64 / before as f64 - 1.0) * 100.0
}

/// One life of a hub.
#[derive(Clone, Copy, Eq, Ord, PartialEq, PartialOrd)]
enum Run {
    Start,
    /// A client and an instance, as in [`Case::modern`], and so many calls of a tool.
    Calls((bool, bool), &'static str, u64),
}

/// What each run has taken: with calls the least, for the start the median.
type Counts = BTreeMap<Run, u64>;

impl Case {
    fn with(&self, calls: u64) -> Run {
        // Without any call the tool does not matter.
        Run::Calls(self.modern, if calls == 0 { "echo" } else { self.tool }, calls)
    }
}

/// What a figure is made of: that which takes long comes first.
fn runs_of(name: &str) -> Vec<Run> {
    let case = CASES.iter().find(|case| case.name == name);
    case.map_or_else(|| vec![Run::Start], |case| vec![case.with(case.calls), case.with(0)])
}

/// The start, or one call: a hub that makes many, less one that makes none.
fn figure(name: &str, counts: &Counts) -> u64 {
    match CASES.iter().find(|case| case.name == name) {
        Some(case) => counts[&case.with(case.calls)].saturating_sub(counts[&case.with(0)]) / case.calls,
        None => counts[&Run::Start],
    }
}

/// The hub, and the server of the benchmark.
struct Programs {
    hub: PathBuf,
    bench: PathBuf,
}

impl Programs {
    fn build() -> Result<Self> {
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        build.args(["build", "--quiet", "--release", "--locked", "-p", "brummer-cli", "-p", "brummer-bench"]);
        ensure!(
            build.current_dir(root()).status().context("cannot run cargo")?.success(),
            "the build failed"
        );
        let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
        let binary = |name: &str| target.join("release").join(name);
        Ok(Self { hub: binary("brummer-hub"), bench: binary("brummer-bench") })
    }

    /// Counts each of these runs, as many at a time as there are cores; the start by itself, for what else runs decides how often its
    /// threads wait for each other.
    fn count(&self, runs: &[Run], counts: &mut Counts) -> Result<()> {
        let mut runs = runs.to_vec();
        runs.sort_unstable();
        runs.dedup();
        // Those with calls take longest.
        runs.reverse();
        if runs.pop_if(|run| *run == Run::Start).is_some() {
            let mut starts = (0..STARTS).map(|_| self.count_start()).collect::<Result<Vec<u64>>>()?;
            starts.sort_unstable();
            counts.insert(Run::Start, starts[STARTS / 2]);
        }
        let next = AtomicUsize::new(0);
        let work = || -> Result<Vec<(Run, u64)>> {
            let mut counted = Vec::new();
            while let Some(run) = runs.get(next.fetch_add(1, Ordering::Relaxed)) {
                if let Run::Calls(modern, tool, calls) = *run {
                    counted.push((*run, self.count_calls(modern, tool, calls)?));
                }
            }
            Ok(counted)
        };
        let counted = thread::scope(|scope| {
            let cores = thread::available_parallelism().map_or(1, usize::from);
            let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
            let ended = workers.into_iter().map(|worker| worker.join().expect("no worker panics"));
            ended.collect::<Result<Vec<_>>>()
        })?;
        for (run, count) in counted.into_iter().flatten() {
            counts.entry(run).and_modify(|least| *least = count.min(*least)).or_insert(count);
        }
        Ok(())
    }

    fn count_start(&self) -> Result<u64> {
        let place = tempfile::tempdir()?;
        let mut hub = Hub::start(&self.hub, place.path())?;
        // Answered when it has looked for instances once: before that, how far it has come is a matter of chance.
        hub.call("tools/call", &json!({ "name": "instances_list", "arguments": {} }))?;
        hub.end()
    }

    fn count_calls(&self, (client, instance): (bool, bool), tool: &str, calls: u64) -> Result<u64> {
        let server = Server::start(&self.bench, instance)?;
        let place = tempfile::tempdir()?;
        server.announce(place.path())?;
        let mut hub = Hub::start(&self.hub, place.path())?;
        let mut params = json!({ "name": format!("bench__{tool}"), "arguments": {} });
        if client {
            params["_meta"] = json!({
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientInfo": { "name": "count", "version": "1" },
                "io.modelcontextprotocol/clientCapabilities": {},
            });
        }
        hub.wait_for_instance()?;
        // The first one has the lists fetched.
        for _ in 0..=calls {
            let answer = hub.call("tools/call", &params)?;
            ensure!(
                answer.contains("\"result\"") && !answer.contains("\"isError\":true"),
                "no result: {answer:.300}"
            );
        }
        hub.end()
    }
}

/// An instance that does as little as it can.
struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start(bench: &Path, modern: bool) -> Result<Self> {
        let mut command = Command::new(bench);
        command.arg("server").args(modern.then_some("--modern"));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        let output = child.stdout.take().context("its output is a pipe")?;
        BufReader::new(output).read_line(&mut line)?;
        let port = line.trim().parse().with_context(|| format!("no port: {line}"))?;
        Ok(Self { child, port })
    }

    fn announce(&self, place: &Path) -> Result<()> {
        let doorbell = json!({
            "id": "bench", "name": "bench", "pid": self.child.id(), "port": self.port,
            "path": place.join("project"), "started": "2025-01-01T00:00:00Z", "last_seen": "2025-01-01T00:00:00Z",
            "has_package_json": false,
        });
        let instances = place.join("instances");
        fs::create_dir(&instances)?;
        Ok(fs::write(instances.join("bench.json"), doorbell.to_string())?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has ended, or does now.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The hub, with callgrind below it.
struct Hub {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    counts: PathBuf,
    next_id: u64,
    /// The instances have changed since they were last asked for.
    has_news: bool,
}

impl Hub {
    /// Starts it, and has it answer `initialize`.
    fn start(hub: &Path, place: &Path) -> Result<Self> {
        let counts = place.join("counts");
        let mut command = Command::new("valgrind");
        command.arg("--tool=callgrind").arg(format!("--callgrind-out-file={}", counts.display()));
        // It knows no pidfd, and says so; the hub then does without.
        command.arg(format!("--log-file={}", place.join("log").display()));
        // Without other tools' servers: how long they are looked for depends on how many processes the machine has.
        command
            .arg(hub)
            .args(["--mcp", "--tools", "all", "--quiet", "--sources", "none", "--data-dir"])
            .arg(place);
        // Nothing else of the machine may be found, and nothing may depend on how long a name is.
        command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", "/nonexistent").current_dir("/");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let input = child.stdin.take().context("its input is a pipe")?;
        let output = BufReader::new(child.stdout.take().context("its output is a pipe")?);
        let mut hub = Self { child, input, output, counts, next_id: 1, has_news: false };
        let client = json!({ "name": "count", "version": "1" });
        hub.call(
            "initialize",
            &json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client }),
        )?;
        hub.say(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }))?;
        Ok(hub)
    }

    fn say(&mut self, message: &Value) -> Result<()> {
        Ok(self.input.write_all(format!("{message}\n").as_bytes())?)
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        ensure!(self.output.read_line(&mut line)? > 0, "the hub ended before it answered");
        self.has_news |= line.contains("notifications/resources/updated");
        Ok(line)
    }

    /// Asks, and passes over everything but the answer.
    fn call(&mut self, method: &str, params: &Value) -> Result<String> {
        let id = self.next_id;
        self.next_id += 1;
        self.say(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }))?;
        loop {
            let line = self.line()?;
            // Ids are numbers here, and only answers have no method.
            if line.contains(&format!("\"id\":{id}")) && !line.contains("\"method\":") {
                return Ok(line);
            }
        }
    }

    /// Waits until the instance is active: on a machine that is busy the hub does not wait for it so long.
    fn wait_for_instance(&mut self) -> Result<()> {
        self.call("resources/subscribe", &json!({ "uri": "brummer://instances" }))?;
        loop {
            self.has_news = false;
            let answer = self.call("tools/call", &json!({ "name": "instances_list", "arguments": {} }))?;
            let answer: Value = serde_json::from_str(&answer).context("an answer is JSON")?;
            if answer["result"]["structuredContent"]["instances"][0]["state"] == "active" {
                return Ok(());
            }
            while !self.has_news {
                self.line()?;
            }
        }
    }

    /// Lets it end, and says how many instructions it took.
    fn end(self) -> Result<u64> {
        let Self { mut child, input, output, counts, .. } = self;
        drop(input);
        let status = child.wait()?;
        drop(output);
        ensure!(status.success(), "the hub failed: {status}");
        let text = fs::read_to_string(&counts).context("callgrind wrote nothing")?;
        let total = text.lines().rev().find_map(|line| line.strip_prefix("totals: "));
        total.and_then(|total| total.trim().parse().ok()).context("callgrind wrote no total")
    }
}
