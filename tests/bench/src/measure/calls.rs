//! Small calls: how long one takes, how many there can be, what they cost.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::{PerWay, Plan, Way, Ways, small};
use crate::{
    call::Request,
    pin, stats,
    table::{Row, ratio, time},
    usage,
};

/// Calls before the first that counts: connections open, caches fill.
const WARM_UP: usize = 200;

/// For one round of calls, which takes some seconds on a slow machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);

/// Latencies of one way: the median and the 99th percentile of each round.
#[derive(Default)]
struct Latency {
    medians: Vec<Duration>,
    p99s: Vec<Duration>,
    processor: Duration,
    calls: u32,
}

impl Latency {
    fn median(&mut self) -> Option<Duration> {
        (self.calls > 0).then(|| stats::median(&mut self.medians))
    }

    fn p99(&mut self) -> Option<Duration> {
        (self.calls > 0).then(|| stats::median(&mut self.p99s))
    }

    /// Processor time of a thousand calls.
    fn processor(&self) -> Option<Duration> {
        (self.calls > 0 && !self.processor.is_zero()).then(|| self.processor / self.calls * 1_000)
    }
}

pub(super) fn measure(plan: &Plan) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    if let Some(_pinned) = pin::to_core(plan.core) {
        let mut ways = Ways::open(plan)?;
        rows.extend(latency_rows(plan, &mut ways, "all on one core")?);
        rows.extend(throughput_rows(plan, &mut ways, "all on one core", &[8, 64])?);
    }
    let mut ways = Ways::open(plan)?;
    rows.extend(latency_rows(plan, &mut ways, "any core")?);
    rows.extend(throughput_rows(plan, &mut ways, "any core", &[1, 8, 64])?);
    Ok(rows)
}

fn latency_rows(plan: &Plan, ways: &mut Ways, place: &str) -> Result<Vec<Row>> {
    let mut found = latency(plan, ways, &small(), &Way::ALL)?;
    // The floor does not read event streams.
    let mut events = latency(plan, ways, &Request::tool("echo_sse"), &[Way::Direct, Way::Hub])?;
    let direct = found.direct.median().context("direct calls were made")?;
    let direct_p99 = found.direct.p99().context("direct calls were made")?;
    let times =
        |whole: Duration| move |value: Duration| format!("{} ({:.1} ×)", time(value), ratio(value, whole));

    let mut median = Row::new(format!("small call, one at a time, {place}: median"), "≤ 3 × direct");
    median.direct = Some(time(direct));
    median.floor = found.floor.median().map(times(direct));
    let median = median.hub(found.hub.median(), times(direct), |value| value <= direct * 3);

    let mut p99 = Row::new(format!("small call, one at a time, {place}: p99"), "≤ 3 × direct's");
    p99.direct = Some(time(direct_p99));
    p99.floor = found.floor.p99().map(times(direct_p99));
    let p99 = p99.hub(found.hub.p99(), times(direct_p99), |value| value <= direct_p99 * 3);

    let direct_event = events.direct.median().context("direct calls were made")?;
    let mut event =
        Row::new(format!("the same answered as an event stream, {place}: median"), "≤ 3 × direct");
    event.direct = Some(time(direct_event));
    let event = event.hub(events.hub.median(), times(direct_event), |value| value <= direct_event * 3);

    let mut processor = Row::new(format!("processor time of 1,000 small calls, {place}"), "≤ 50 ms");
    processor.floor = found.floor.processor().map(time);
    let processor = processor.hub(found.hub.processor(), time, |value| value <= Duration::from_millis(50));
    Ok(vec![median, p99, event, processor])
}

fn latency(plan: &Plan, ways: &mut Ways, request: &Request, which: &[Way]) -> Result<PerWay<Latency>> {
    let mut found = PerWay::<Latency>::default();
    for round in 0..=plan.latency_rounds {
        // The first round warms up.
        let calls = if round == 0 { WARM_UP.min(plan.latency_calls) } else { plan.latency_calls };
        for &way in which {
            ways.deadline(PATIENCE);
            let pid = ways.pid(way);
            let Some(peer) = ways.get(way) else { continue };
            peer.prepare(request)?;
            let mut samples = Vec::with_capacity(calls);
            let used = pid.and_then(usage::processor);
            for _ in 0..calls {
                let started = Instant::now();
                peer.call()?;
                samples.push(started.elapsed());
            }
            if round == 0 {
                continue;
            }
            let used =
                pid.and_then(usage::processor).zip(used).map(|(after, before)| after.saturating_sub(before));
            let latency = found.of(way);
            latency.processor += used.unwrap_or_default();
            latency.calls += u32::try_from(calls)?;
            latency.p99s.push(stats::percentile(&mut samples, 0.99));
            latency.medians.push(stats::median(&mut samples));
        }
    }
    Ok(found)
}

fn throughput_rows(plan: &Plan, ways: &mut Ways, place: &str, depths: &[usize]) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for &in_flight in depths {
        let mut found = PerWay::<Vec<Duration>>::default();
        for round in 0..=plan.throughput_rounds {
            for way in Way::ALL {
                ways.deadline(PATIENCE);
                let Some(peer) = ways.get(way) else { continue };
                peer.prepare(&small())?;
                let started = Instant::now();
                peer.many(in_flight, plan.throughput_calls)?;
                if round > 0 {
                    found.of(way).push(started.elapsed());
                }
            }
        }
        let mut per_second = |way| {
            let samples: &mut Vec<Duration> = found.of(way);
            #[allow(clippy::cast_precision_loss, reason = "some thousand calls")]
            (!samples.is_empty()).then(|| plan.throughput_calls as f64 / stats::median(samples).as_secs_f64())
        };
        let direct = per_second(Way::Direct).context("direct calls were made")?;
        let share = |value: f64| format!("{:.1} k/s ({:.2} ×)", value / 1e3, value / direct);
        // With one in flight it is the latency row seen from the other side, and has its target.
        let (target, least) =
            if in_flight == 1 { ("≥ 0.33 × direct", 1.0 / 3.0) } else { ("≥ 0.5 × direct", 0.5) };
        let mut row = Row::new(format!("calls per second, {in_flight} in flight, {place}"), target);
        row.direct = Some(format!("{:.1} k/s", direct / 1e3));
        row.floor = per_second(Way::Floor).map(share);
        rows.push(row.hub(per_second(Way::Hub), share, |value| value >= direct * least));
    }
    Ok(rows)
}
