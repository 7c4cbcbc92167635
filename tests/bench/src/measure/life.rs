//! How soon an instance is there, and how soon it is gone.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::Plan;
use crate::{
    stats,
    stdio::Stdio,
    table::{Row, time},
    world::{self, Servers, World},
};

/// Between two questions to the hub: it decides how exact the times are.
const PAUSE: Duration = Duration::from_micros(200);

/// For one birth or death.
const PATIENCE: Duration = Duration::from_secs(10);

/// Until a call has reached the instance for certain.
const UNDER_WAY: Duration = Duration::from_millis(20);

pub(super) fn measure(plan: &Plan) -> Result<Vec<Row>> {
    let mut births = Vec::new();
    let (mut deaths, mut failures) = (Vec::new(), Vec::new());
    if let Some(binary) = &plan.hub {
        let world = World::new()?;
        let (mut hub, _) = world.hub(binary, &[])?;
        let servers = Servers::start(plan.lives)?;
        for (number, port) in servers.ports.iter().enumerate() {
            hub.deadline(PATIENCE);
            let id = format!("born-{number}");
            let doorbell = world.prepare(&id, servers.guard.pid(), *port)?;
            let started = Instant::now();
            doorbell.rename()?;
            let active = world::wait_for(&mut hub, PAUSE, |list| {
                list.iter().any(|entry| world::is_active(entry, &id))
            })
            .context("a doorbell did not make an active instance")?;
            births.push(active - started);
        }
        drop(servers);
        hub.kill();
        let world = World::new()?;
        let (mut hub, _) = world.hub(binary, &[])?;
        for number in 0..plan.lives {
            let (gone, failed) =
                kill(&world, &mut hub, &format!("killed-{number}")).context("a death was not noticed")?;
            deaths.push(gone);
            failures.push(failed);
        }
    }
    let median = |mut samples: Vec<Duration>| (!samples.is_empty()).then(|| stats::median(&mut samples));
    let within = |most: u64| move |value: Duration| value <= Duration::from_millis(most);
    Ok(vec![
        Row::new("doorbell renamed to active in the list", "≤ 5 ms").hub(median(births), time, within(5)),
        Row::new("instance killed to gone from the list", "≤ 20 ms").hub(median(deaths), time, within(20)),
        Row::new("instance killed to its call in flight failed", "≤ 20 ms").hub(
            median(failures),
            time,
            within(20),
        ),
    ])
}

/// Kills an instance that has a call in flight; says when it was gone from the list and when the call had failed.
fn kill(world: &World, hub: &mut Stdio, id: &str) -> Result<(Duration, Duration)> {
    hub.deadline(PATIENCE);
    let mut server = Servers::start(1)?;
    world.announce(id, server.guard.pid(), server.port()?)?;
    world::connect(hub, id)?;
    let call = hub.send("tools/call", &json!({"name": "never", "arguments": {}}))?;
    std::thread::sleep(UNDER_WAY);
    let started = Instant::now();
    server.guard.kill();
    let (mut gone, mut failed) = (None, None);
    let mut question = hub.send("tools/call", &json!({"name": "instances_list", "arguments": {}}))?;
    loop {
        let message: Value = serde_json::from_slice(hub.receive()?)?;
        let answers = |id: u32| message.get("id").and_then(Value::as_u64) == Some(u64::from(id));
        if answers(call) {
            failed = Some(started.elapsed());
        } else if answers(question) {
            let list = message.pointer("/result/structuredContent/instances").and_then(Value::as_array);
            let list = list.context("instances_list has no list")?;
            if gone.is_none() && !list.iter().any(|entry| entry.get("id").and_then(Value::as_str) == Some(id))
            {
                gone = Some(started.elapsed());
            }
            // It also wakes this loop for the call's failure.
            std::thread::sleep(PAUSE);
            question = hub.send("tools/call", &json!({"name": "instances_list", "arguments": {}}))?;
        }
        if let (Some(gone), Some(failed)) = (gone, failed) {
            // The last question is still open; its answer is passed over by the next reader.
            return Ok((gone, failed));
        }
    }
}
