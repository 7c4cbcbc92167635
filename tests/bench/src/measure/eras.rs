//! Small calls in the four combinations of clients and instances with and without a handshake.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::{Plan, calls::PATIENCE, small};
use crate::{
    call::{Peer, Request},
    http::Direct,
    pin, stats,
    stdio::Stdio,
    table::{Row, ratio, time},
    world::{self, Servers, World},
};

/// Calls in flight for the second row of each combination.
const IN_FLIGHT: usize = 64;

/// What every request of a client without a handshake says of itself.
const META: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"bench","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}"#;

pub(super) fn measure(plan: &Plan) -> Result<Vec<Row>> {
    let Some(binary) = &plan.hub else { return Ok(Vec::new()) };
    let pinned = pin::to_core(plan.core);
    let place = if pinned.is_some() { "all on one core" } else { "any core" };
    let mut rows = Vec::new();
    // What all others are compared with: both with a handshake.
    let mut first = None;
    for modern in [false, true] {
        let world = World::new()?;
        let server = Servers::start_as(1, modern)?;
        let port = server.port()?;
        world.announce("bench", server.guard.pid(), port)?;
        let mut direct = Direct::new(port);
        let (mut hub, _) = world.hub(binary, &[])?;
        world::connect(&mut hub, "bench")?;
        let instance = if modern { "modern" } else { "legacy" };
        for (client, request) in [("legacy", small()), ("modern", claimed())] {
            let what = format!("{client} client, {instance} instance, {place}");
            rows.extend(compare(plan, &mut direct, &mut hub, (&request, &what), &mut first)?);
        }
    }
    Ok(rows)
}

/// The small call of a client without a handshake, which sees the tools of all instances.
fn claimed() -> Request {
    Request::new("tools/call", &format!(r#"{{"name":"bench__echo","arguments":{{"text":"hello"}},{META}}}"#))
}

fn compare(
    plan: &Plan,
    direct: &mut Direct,
    hub: &mut Stdio,
    (request, what): (&Request, &str),
    first: &mut Option<(Duration, Duration)>,
) -> Result<Vec<Row>> {
    let (mut direct_medians, mut hub_medians) = (Vec::new(), Vec::new());
    let (mut direct_many, mut hub_many) = (Vec::new(), Vec::new());
    direct.prepare(&small())?;
    hub.prepare(request)?;
    for round in 0..=plan.throughput_rounds {
        hub.deadline(PATIENCE);
        let one = [latency(plan, direct)?, latency(plan, hub)?];
        let many = [throughput(plan, direct)?, throughput(plan, hub)?];
        // The first round warms up.
        if round > 0 {
            direct_medians.push(one[0]);
            hub_medians.push(one[1]);
            direct_many.push(many[0]);
            hub_many.push(many[1]);
        }
    }
    let whole = stats::median(&mut direct_medians);
    let (one, many) = (stats::median(&mut hub_medians), stats::median(&mut hub_many));
    let target = if first.is_some() { "≤ 1.15 × legacy, legacy" } else { "" };
    let (first_one, first_many) = *first.get_or_insert((one, many));
    let mut median = Row::new(format!("small call, {what}: median"), target);
    median.direct = Some(time(whole));
    let median = median.hub(
        Some(one),
        |value| format!("{} ({:.1} ×)", time(value), ratio(value, whole)),
        |value| value <= first_one.mul_f64(1.15),
    );
    let whole = stats::median(&mut direct_many);
    let target = if target.is_empty() { "" } else { "≥ 0.87 × legacy, legacy" };
    let taken = many;
    let mut many = Row::new(format!("calls per second, {IN_FLIGHT} in flight, {what}"), target);
    #[allow(clippy::cast_precision_loss, reason = "some thousand calls")]
    let per_second = |taken: Duration| plan.throughput_calls as f64 / taken.as_secs_f64() / 1e3;
    many.direct = Some(format!("{:.1} k/s", per_second(whole)));
    let many = many.hub(
        Some(taken),
        |value| format!("{:.1} k/s ({:.2} ×)", per_second(value), ratio(whole, value)),
        |value| value <= first_many.mul_f64(1.15),
    );
    Ok(vec![median, many])
}

fn latency(plan: &Plan, peer: &mut dyn Peer) -> Result<Duration> {
    let mut samples = Vec::with_capacity(plan.latency_calls);
    for _ in 0..plan.latency_calls {
        let started = Instant::now();
        peer.call().context("a call of this combination failed")?;
        samples.push(started.elapsed());
    }
    Ok(stats::median(&mut samples))
}

fn throughput(plan: &Plan, peer: &mut dyn Peer) -> Result<Duration> {
    let started = Instant::now();
    peer.many(IN_FLIGHT, plan.throughput_calls)?;
    Ok(started.elapsed())
}
