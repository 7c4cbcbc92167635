//! Small calls of programs that embed the hub: one in Rust, and one that does the same through the C interface.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{ChildStdin, ChildStdout, Command},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};

use super::{Plan, calls::PATIENCE, small};
use crate::{
    call::Peer,
    http::Direct,
    pin,
    process::{self, Guard},
    stats,
    table::{Row, ratio, time},
    world::{Servers, World},
};

/// A program that makes as many calls as it is told, and tells their median and 99th percentile.
struct Embedder {
    guard: Guard,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

/// Median and 99th percentile of each round.
#[derive(Default)]
struct Rounds {
    medians: Vec<Duration>,
    p99s: Vec<Duration>,
}

impl Embedder {
    fn start(command: Command) -> Result<Self> {
        let child = process::start(command)?;
        Ok(Self { guard: child.guard, stdin: child.stdin, stdout: BufReader::new(child.stdout) })
    }

    fn round(&mut self, calls: usize) -> Result<(Duration, Duration)> {
        self.guard.deadline(Some(PATIENCE));
        writeln!(self.stdin, "{calls}")?;
        let mut line = String::new();
        self.stdout.read_line(&mut line)?;
        let mut numbers =
            line.split_ascii_whitespace().map(str::parse).map(|it| it.map(Duration::from_nanos));
        let mut next = || numbers.next().context("an embedding program ended, or its call failed");
        Ok((next()??, next()??))
    }
}

pub(super) fn measure(plan: &Plan) -> Result<Vec<Row>> {
    let pinned = pin::to_core(plan.core);
    let place = if pinned.is_some() { "all on one core" } else { "any core" };
    let world = World::new()?;
    let server = Servers::start(1)?;
    let port = server.port()?;
    world.announce("bench", server.guard.pid(), port)?;
    let mut direct = Direct::new(port);
    direct.prepare(&small())?;
    let data = world.path().to_str().context("the directory is UTF-8")?;
    let mut rust = Embedder::start(process::own(&["embedder", "--data-dir", data])?)?;
    let mut c = plan.embedder.as_deref().map(|program| Embedder::start(with(program, data))).transpose()?;

    let (mut directs, mut rusts, mut cs) = (Rounds::default(), Rounds::default(), Rounds::default());
    for round in 0..=plan.latency_rounds {
        let calls = plan.latency_calls;
        let mut samples = Vec::with_capacity(calls);
        for _ in 0..calls {
            let started = Instant::now();
            direct.call()?;
            samples.push(started.elapsed());
        }
        let p99 = stats::percentile(&mut samples, 0.99);
        let taken = [
            Some((stats::median(&mut samples), p99)),
            Some(rust.round(calls)?),
            c.as_mut().map(|c| c.round(calls)).transpose()?,
        ];
        // The first round warms up.
        if round == 0 {
            continue;
        }
        for (rounds, taken) in [&mut directs, &mut rusts, &mut cs].into_iter().zip(taken) {
            if let Some((median, p99)) = taken {
                rounds.medians.push(median);
                rounds.p99s.push(p99);
            }
        }
    }
    Ok([
        row("median", place, &mut directs.medians, &mut rusts.medians, &mut cs.medians),
        row("p99", place, &mut directs.p99s, &mut rusts.p99s, &mut cs.p99s),
    ]
    .concat())
}

fn with(program: &Path, data: &str) -> Command {
    let mut command = Command::new(program);
    command.arg(data);
    command
}

fn row(
    what: &str,
    place: &str,
    direct: &mut [Duration],
    rust: &mut [Duration],
    c: &mut [Duration],
) -> Vec<Row> {
    let (direct, whole) = (stats::median(direct), stats::median(rust));
    let mut in_rust = Row::new(format!("small call of an embedding program in Rust, {place}: {what}"), "");
    in_rust.direct = Some(time(direct));
    in_rust.hub = Some(format!("{} ({:.1} ×)", time(whole), ratio(whole, direct)));
    let mut in_c = Row::new(format!("the same through the C interface, {place}: {what}"), "≤ 1.1 × Rust");
    in_c.direct = Some(time(direct));
    let in_c = in_c.hub(
        (!c.is_empty()).then(|| stats::median(c)),
        |value| format!("{} ({:.2} × Rust)", time(value), ratio(value, whole)),
        |value| value.as_secs_f64() <= whole.as_secs_f64() * 1.1,
    );
    vec![in_rust, in_c]
}
