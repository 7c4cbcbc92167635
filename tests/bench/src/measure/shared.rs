//! Small calls of a server that speaks only stdio: shared by `register --stdio` and reached through a hub, beside the same
//! server started by the client itself. Also what five agents with ten servers need of memory, shared and not.

use std::{
    path::PathBuf,
    process::{Command, Stdio as Pipe},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};

use super::{Plan, calls::PATIENCE, small};
use crate::{
    call::Peer,
    pin, process, stats,
    stdio::Stdio,
    table::{Row, ratio, time},
    usage,
    world::{self, World},
};

pub(super) fn measure(plan: &Plan) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let least = || process::own(&["tool"]);
    let node = |file: &PathBuf| {
        let mut command = Command::new("node");
        command.arg(file).stderr(Pipe::null());
        command
    };
    let mut both = |place: &str| -> Result<()> {
        rows.push(latency(plan, "that does nothing", place, &least)?);
        if let Some(file) = &plan.node_server {
            rows.push(latency(plan, "for Node", place, &|| Ok(node(file)))?);
        }
        Ok(())
    };
    if let Some(_pinned) = pin::to_core(plan.core) {
        both("all on one core")?;
    }
    both("any core")?;
    rows.extend(memory(plan)?);
    Ok(rows)
}

/// Calls of one server, which the client starts itself, and which is shared.
fn latency(plan: &Plan, what: &str, place: &str, server: &dyn Fn() -> Result<Command>) -> Result<Row> {
    let (mut direct, _) = Stdio::start(server()?)?;
    let world = World::new()?;
    let mut hub = None;
    let _sharing = match &plan.hub {
        None => None,
        Some(binary) => {
            let sharing = world.share(binary, "tool", &server()?)?;
            let (mut started, _) = world.hub(binary, &[])?;
            world::connect(&mut started, "tool")?;
            hub = Some(started);
            Some(sharing)
        }
    };
    let mut medians: [Vec<Duration>; 2] = Default::default();
    for round in 0..=plan.latency_rounds {
        for (peer, medians) in [Some(&mut direct), hub.as_mut()].into_iter().zip(&mut medians) {
            let Some(peer) = peer else { continue };
            peer.deadline(PATIENCE);
            peer.prepare(&small())?;
            let mut samples = Vec::with_capacity(plan.latency_calls);
            for _ in 0..plan.latency_calls {
                let started = Instant::now();
                peer.call()?;
                samples.push(started.elapsed());
            }
            // The first round warms up.
            if round > 0 {
                medians.push(stats::median(&mut samples));
            }
        }
    }
    let [mut direct, mut through] = medians;
    let direct = stats::median(&mut direct);
    let through = (!through.is_empty()).then(|| stats::median(&mut through));
    let mut row =
        Row::new(format!("small call of a shared stdio server {what}, {place}: median"), "≤ 2.5 × direct");
    row.direct = Some(format!("{} over stdio", time(direct)));
    let times = |value: Duration| format!("{} ({:.1} ×)", time(value), ratio(value, direct));
    Ok(row.hub(through, times, |value| value <= direct.mul_f64(2.5)))
}

/// Without a hub each agent starts each server; with it the servers are there once, and each agent has a hub.
fn memory(plan: &Plan) -> Result<Option<Row>> {
    let Some(binary) = &plan.hub else { return Ok(None) };
    let (agents, servers) = (plan.agents, plan.servers);
    let mut alone = Vec::new();
    for _ in 0..agents * servers {
        alone.push(Stdio::start(process::own(&["tool"])?)?.0);
    }
    let own: Option<u64> = alone.iter().map(|server| usage::resident_kib(server.pid())).sum();
    drop(alone);
    let world = World::new()?;
    let names: Vec<String> = (0..servers).map(|number| format!("tool-{number}")).collect();
    let sharing = names
        .iter()
        .map(|name| world.share(binary, name, &process::own(&["tool"])?))
        .collect::<Result<Vec<_>>>()?;
    let mut hubs = Vec::new();
    for _ in 0..agents {
        let (mut hub, _) = world.hub(binary, &[])?;
        for name in &names {
            world::connect(&mut hub, name)?;
            hub.prepare(&small())?;
            hub.call()?;
        }
        hubs.push(hub);
    }
    let sharers = sharing.iter().map(process::Guard::pid);
    let both: Option<u64> = hubs.iter().map(Stdio::pid).chain(sharers).map(usage::resident_kib).sum();
    let (Some(own), Some(both)) = (own, both) else { return Ok(None) };
    let copies = u64::try_from(agents * servers).context("few servers")?;
    let kept = copies - u64::try_from(servers).context("few servers")?;
    // The servers of this benchmark are as small as can be. What sharing costs is the hubs and those who share; what it
    // saves is the copies.
    let per_copy = both / kept;
    let mut row = Row::new(
        format!(
            "resident, {agents} hubs and {servers} `register --stdio`, for each of the {kept} copies of servers that they save"
        ),
        "≤ 5 MiB",
    );
    row.direct = Some(format!("{} for the least of servers; Node's have 60 MiB", mib(own / copies)));
    Ok(Some(row.hub(Some(per_copy), mib, |value| value <= 5 * 1024)))
}

fn mib(kib: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "some megabytes")]
    let mib = kib as f64 / 1024.0;
    format!("{mib:.1} MiB")
}
