//! From before the start of the process to the answer to `initialize`.

use std::time::Duration;

use anyhow::Result;

use super::Plan;
use crate::{
    process, stats,
    stdio::Stdio,
    table::{Row, time},
    world::{Servers, World},
};

/// As in the design: a start must not be noticed.
const TARGET: Duration = Duration::from_millis(3);

pub(super) fn measure(plan: &Plan) -> Result<Vec<Row>> {
    let world = World::new()?;
    let server = Servers::start(1)?;
    let port = server.port()?.to_string();
    let mut floors = Vec::new();
    let mut hubs = Vec::new();
    for _ in 0..plan.starts {
        if cfg!(unix) {
            floors.push(Stdio::start(process::own(&["floor", "--port", &port])?)?.1);
        }
        if let Some(binary) = &plan.hub {
            hubs.push(world.hub(binary, &[])?.1);
        }
    }
    let median = |mut samples: Vec<Duration>| (!samples.is_empty()).then(|| stats::median(&mut samples));
    let mut row = Row::new("start to `initialize` answer", "≤ 3 ms");
    row.floor = median(floors).map(time);
    Ok(vec![row.hub(median(hubs), time, |value| value <= TARGET)])
}
