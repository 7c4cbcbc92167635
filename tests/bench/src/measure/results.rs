//! Large results, and the memory that is left in use after them.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::{PerWay, Plan, Way, Ways};
use crate::{
    call::Request,
    server, stats,
    table::{Row, ratio, time},
    usage,
};

const PATIENCE: Duration = Duration::from_secs(60);

/// Until memory that is given back late is given back.
const SETTLE: Duration = Duration::from_secs(2);

pub(super) fn measure(plan: &Plan) -> Result<Vec<Row>> {
    let mut ways = Ways::open(plan)?;
    let mut rows = Vec::new();
    for (tool, bytes) in server::BIG {
        let mut found = PerWay::<Vec<Duration>>::default();
        for round in 0..=plan.results {
            for way in Way::ALL {
                ways.deadline(PATIENCE);
                let Some(peer) = ways.get(way) else { continue };
                peer.prepare(&Request::tool(tool))?;
                let started = Instant::now();
                let length = peer.call()?;
                let taken = started.elapsed();
                anyhow::ensure!(
                    length.abs_diff(bytes) < 1_000,
                    "a result of {length} instead of {bytes} bytes"
                );
                if round > 0 {
                    found.of(way).push(taken);
                }
            }
        }
        let mut median = |way| {
            let samples = found.of(way);
            (!samples.is_empty()).then(|| stats::median(samples))
        };
        let direct = median(Way::Direct).context("direct calls were made")?;
        let times = |value: Duration| format!("{} ({:.1} ×)", time(value), ratio(value, direct));
        let floor = median(Way::Floor);
        let (target, factor) =
            if bytes == 1 << 20 { ("≤ 1.25 × floor", 1.25) } else { ("≤ 1.2 × floor", 1.2) };
        let mut row = Row::new(format!("result of {} MiB", bytes >> 20), target);
        row.direct = Some(time(direct));
        row.floor = floor.map(times);
        let is_met = |value| floor.is_none_or(|floor| value <= floor.mul_f64(factor));
        rows.push(row.hub(median(Way::Hub), times, is_met));
    }
    std::thread::sleep(SETTLE);
    let mut row = Row::new("resident memory after results of 10 MiB", "≤ 40 MiB");
    let resident = |way| ways.pid(way).and_then(usage::resident_kib);
    row.floor = resident(Way::Floor).map(super::fleet::mib);
    rows.push(row.hub(resident(Way::Hub), super::fleet::mib, |kib| kib <= 40 * 1024));
    Ok(rows)
}
