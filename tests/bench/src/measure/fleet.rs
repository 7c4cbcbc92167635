//! Memory and idle processor use without instances and with many.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::{Plan, floor};
use crate::{
    stats,
    table::{Row, time},
    usage,
    world::{self, Servers, World},
};

/// Between two questions to the hub. The list of a thousand is long: asking more often would disturb what is measured.
const PAUSE: Duration = Duration::from_millis(20);

/// Until all are active, at most.
const PATIENCE: Duration = Duration::from_secs(60);

/// Until memory and processor use are at rest.
const SETTLE: Duration = Duration::from_secs(2);

/// Shows KiB as MiB.
pub(super) fn mib(kib: u64) -> String {
    #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
    let mib = kib as f64 / 1024.0;
    format!("{mib:.1} MiB")
}

/// What one fleet showed.
struct Found {
    all_active: Duration,
    resident_kib: Option<u64>,
    /// Share of one core, in per cent.
    idle: Option<f64>,
    threads: Option<usize>,
}

pub(super) fn measure(plan: &Plan) -> Result<Vec<Row>> {
    let server = Servers::start(1)?;
    let resting_floor = floor(server.port()?)?;
    let world = World::new()?;
    let resting_hub = plan.hub.as_ref().map(|binary| world.hub(binary, &[])).transpose()?;
    std::thread::sleep(SETTLE);
    let idle = resting_hub.as_ref().and_then(|(hub, _)| usage::resident_kib(hub.pid()));
    let mut row = Row::new("resident memory, no instances", "≤ 6 MiB");
    row.floor = resting_floor.as_ref().and_then(|floor| usage::resident_kib(floor.pid())).map(mib);
    let mut rows = vec![row.hub(idle, mib, |kib| kib <= 6 * 1024)];
    drop((resting_floor, resting_hub));

    for &size in &plan.fleets {
        let mut found = Vec::new();
        if plan.hub.is_some() {
            for _ in 0..plan.fleet_rounds {
                found.push(fleet(plan, size)?);
            }
        }
        let mut all_active: Vec<_> = found.iter().map(|found| found.all_active).collect();
        let all_active = (!found.is_empty()).then(|| stats::median(&mut all_active));
        let middle = |values: Vec<f64>| (!values.is_empty()).then(|| stats::median_of(&mut { values }));
        #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
        let each = middle(
            found
                .iter()
                .filter_map(|found| Some((found.resident_kib?.saturating_sub(idle?)) as f64 / size as f64))
                .collect(),
        );
        let total = found.iter().filter_map(|found| found.resident_kib).max();
        rows.push(Row::new(format!("{size} instances announced to all active"), "≤ 2 s").hub(
            all_active,
            time,
            |value| value <= Duration::from_secs(2),
        ));
        let threads = found.iter().filter_map(|found| found.threads).max().unwrap_or_default();
        let show =
            |each: f64| format!("{each:.1} KiB each, {} in all, {threads} threads", mib(total.unwrap_or(0)));
        let memory = Row::new(format!("resident memory, {size} instances"), "< 30 KiB each");
        rows.push(memory.hub(each, show, |each| each < 30.0));
        let share = middle(found.iter().filter_map(|found| found.idle).collect());
        let idle_row = Row::new(format!("idle processor use, {size} instances"), "< 1 % of a core");
        rows.push(idle_row.hub(share, |share| format!("{share:.2} %"), |share| share < 1.0));
    }
    Ok(rows)
}

/// Starts a hub, announces `size` instances that run already, and lets it rest.
fn fleet(plan: &Plan, size: usize) -> Result<Found> {
    let world = World::new()?;
    let servers = Servers::start(size)?;
    let binary = plan.hub.as_ref().context("only called with a hub")?;
    let (mut hub, _) = world.hub(binary, &[])?;
    hub.deadline(PATIENCE);
    let mut doorbells = Vec::with_capacity(size);
    for (number, port) in servers.ports.iter().enumerate() {
        doorbells.push(world.prepare(&format!("fleet-{number}"), servers.guard.pid(), *port)?);
    }
    let started = Instant::now();
    for doorbell in &doorbells {
        doorbell.rename()?;
    }
    let active =
        |list: &[serde_json::Value]| list.iter().filter(|entry| world::state(entry) == "active").count();
    let all = world::wait_for(&mut hub, PAUSE, |list| active(list) == size)
        .with_context(|| format!("{size} instances did not all become active"))?;
    hub.deadline(plan.idle + PATIENCE);
    std::thread::sleep(SETTLE.min(plan.idle));
    let resident_kib = usage::resident_kib(hub.pid());
    let before = usage::processor(hub.pid());
    std::thread::sleep(plan.idle);
    let used = usage::processor(hub.pid()).zip(before).map(|(after, before)| after.saturating_sub(before));
    Ok(Found {
        all_active: all - started,
        resident_kib,
        idle: used.map(|used| used.as_secs_f64() / plan.idle.as_secs_f64() * 100.0),
        threads: usage::threads(hub.pid()),
    })
}
