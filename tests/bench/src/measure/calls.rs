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

/// Where the processes run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Place {
    OneCore,
    AnyCore,
}

impl Place {
    const fn name(self) -> &'static str {
        match self {
            Self::OneCore => "all on one core",
            Self::AnyCore => "any core",
        }
    }

    /// The target of a latency, and the most that it allows: where processes wake on other cores, most of the time is the
    /// scheduler's, for the floor as for the hub.
    fn most(self, direct: Duration, floor: Option<Duration>) -> (&'static str, Option<Duration>) {
        match self {
            Self::OneCore => ("≤ 2.4 × direct", Some(direct.mul_f64(2.4))),
            Self::AnyCore => ("≤ 1.2 × floor", floor.map(|floor| floor.mul_f64(1.2))),
        }
    }

    /// The target of a throughput, and the least that it allows.
    fn least(self, in_flight: usize, direct: f64, floor: Option<f64>) -> (&'static str, Option<f64>) {
        match (self, in_flight) {
            (Self::OneCore, ..64) => ("≥ 0.55 × direct", Some(direct * 0.55)),
            (Self::OneCore, _) => ("≥ 0.65 × direct", Some(direct * 0.65)),
            (Self::AnyCore, _) => ("≥ 0.83 × floor", floor.map(|floor| floor / 1.2)),
        }
    }
}

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
        rows.extend(latency_rows(plan, &mut ways, Place::OneCore)?);
        rows.extend(throughput_rows(plan, &mut ways, Place::OneCore, &[8, 64])?);
    }
    let mut ways = Ways::open(plan)?;
    rows.extend(latency_rows(plan, &mut ways, Place::AnyCore)?);
    rows.extend(throughput_rows(plan, &mut ways, Place::AnyCore, &[1, 8, 64])?);
    Ok(rows)
}

fn latency_rows(plan: &Plan, ways: &mut Ways, place: Place) -> Result<Vec<Row>> {
    let mut found = latency(plan, ways, &small(), &Way::ALL)?;
    // The floor does not read event streams.
    let mut events = latency(plan, ways, &Request::tool("echo_sse"), &[Way::Direct, Way::Hub])?;
    let direct = found.direct.median().context("direct calls were made")?;
    let direct_p99 = found.direct.p99().context("direct calls were made")?;
    let times =
        |whole: Duration| move |value: Duration| format!("{} ({:.1} ×)", time(value), ratio(value, whole));

    let name = place.name();
    let floor = found.floor.median();
    let (target, most) = place.most(direct, floor);
    let mut median = Row::new(format!("small call, one at a time, {name}: median"), target);
    median.direct = Some(time(direct));
    median.floor = floor.map(times(direct));
    let median = median.hub(found.hub.median(), times(direct), |value| most.is_none_or(|most| value <= most));

    let mut p99 = Row::new(format!("small call, one at a time, {name}: p99"), "≤ 3 × direct's");
    p99.direct = Some(time(direct_p99));
    p99.floor = found.floor.p99().map(times(direct_p99));
    let p99 = p99.hub(found.hub.p99(), times(direct_p99), |value| value <= direct_p99 * 3);

    let direct_event = events.direct.median().context("direct calls were made")?;
    let (target, most) = place.most(direct_event, floor);
    let mut event = Row::new(format!("the same answered as an event stream, {name}: median"), target);
    event.direct = Some(time(direct_event));
    let event =
        event.hub(events.hub.median(), times(direct_event), |value| most.is_none_or(|most| value <= most));

    let mut processor = Row::new(format!("processor time of 1,000 small calls, {name}"), "≤ 50 ms");
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

fn throughput_rows(plan: &Plan, ways: &mut Ways, place: Place, depths: &[usize]) -> Result<Vec<Row>> {
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
        let floor = per_second(Way::Floor);
        let (target, least) = place.least(in_flight, direct, floor);
        let mut row = Row::new(format!("calls per second, {in_flight} in flight, {}", place.name()), target);
        row.direct = Some(format!("{:.1} k/s", direct / 1e3));
        row.floor = floor.map(share);
        rows.push(row.hub(per_second(Way::Hub), share, |value| least.is_none_or(|least| value >= least)));
    }
    Ok(rows)
}
