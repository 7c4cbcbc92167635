//! What is measured. In every part the ways to the instance take turns, so that whatever else the machine does hits all
//! of them alike, and the medians of the rounds are compared.

mod calls;
mod embedded;
mod eras;
mod fleet;
mod life;
mod output;
mod results;
mod shared;
mod start;

use std::{path::PathBuf, time::Duration};

use anyhow::Result;

use crate::{
    call::{Peer, Request},
    http::Direct,
    process,
    stdio::Stdio,
    table::Row,
    world::{self, Servers, World},
};

/// How much is measured.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// The hub's binary; without it its column stays empty.
    pub(crate) hub: Option<PathBuf>,
    /// The program that calls through the C interface; without it its rows stay empty.
    pub(crate) embedder: Option<PathBuf>,
    /// A stdio server for Node; without it its rows stay away.
    pub(crate) node_server: Option<PathBuf>,
    /// The core that pinned measurements run on; the last one unless given.
    pub(crate) core: Option<usize>,
    pub(crate) starts: usize,
    pub(crate) latency_rounds: usize,
    pub(crate) latency_calls: usize,
    pub(crate) throughput_rounds: usize,
    pub(crate) throughput_calls: usize,
    pub(crate) results: usize,
    pub(crate) lives: usize,
    /// Agents on a machine, and the shared servers that each of them wants.
    pub(crate) agents: usize,
    pub(crate) servers: usize,
    pub(crate) fleets: Vec<usize>,
    pub(crate) fleet_rounds: usize,
    pub(crate) idle: Duration,
    pub(crate) lines: u64,
    pub(crate) line_rounds: usize,
}

impl Plan {
    /// Enough for medians that repeat.
    pub(crate) fn full() -> Self {
        Self {
            hub: None,
            embedder: None,
            node_server: None,
            core: None,
            starts: 41,
            latency_rounds: 21,
            latency_calls: 500,
            throughput_rounds: 9,
            throughput_calls: 5_000,
            results: 21,
            lives: 21,
            agents: 5,
            servers: 10,
            fleets: vec![100, 1_000],
            fleet_rounds: 3,
            idle: Duration::from_secs(15),
            lines: 1_000_000,
            line_rounds: 9,
        }
    }

    /// Everything once, only to see that it works.
    pub(crate) fn quick() -> Self {
        Self {
            starts: 2,
            latency_rounds: 1,
            latency_calls: 20,
            throughput_rounds: 1,
            throughput_calls: 200,
            results: 1,
            lives: 1,
            agents: 2,
            servers: 2,
            fleets: vec![20],
            fleet_rounds: 1,
            idle: Duration::from_millis(500),
            lines: 20_000,
            line_rounds: 1,
            ..Self::full()
        }
    }
}

/// A part of the benchmark.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub(crate) enum Part {
    /// Start to the answer to `initialize`.
    Start,
    /// Small calls: latency, throughput, processor time.
    Calls,
    /// Small calls of clients and instances with and without a handshake.
    Eras,
    /// Small calls of programs that embed the hub, in Rust and in C.
    Embedded,
    /// Small calls of a stdio server that is shared, and the memory that sharing takes.
    Shared,
    /// Large results, and memory after them.
    Results,
    /// Doorbell to active, kill to gone.
    Life,
    /// Memory and idle processor use with many instances.
    Fleet,
    /// A script under `run` that prints a million lines.
    Output,
}

impl Part {
    /// All of them, in the order of the table.
    pub(crate) const ALL: [Self; 9] = [
        Self::Start,
        Self::Calls,
        Self::Eras,
        Self::Embedded,
        Self::Shared,
        Self::Results,
        Self::Life,
        Self::Fleet,
        Self::Output,
    ];
}

/// Measures one part.
pub(crate) fn run(part: Part, plan: &Plan) -> Result<Vec<Row>> {
    match part {
        Part::Start => start::measure(plan),
        Part::Calls => calls::measure(plan),
        Part::Eras => eras::measure(plan),
        Part::Embedded => embedded::measure(plan),
        Part::Shared => shared::measure(plan),
        Part::Results => results::measure(plan),
        Part::Life => life::measure(plan),
        Part::Fleet => fleet::measure(plan),
        Part::Output => output::measure(plan),
    }
}

/// The three ways to one instance.
struct Ways {
    _world: World,
    _server: Servers,
    direct: Direct,
    floor: Option<Stdio>,
    hub: Option<Stdio>,
}

/// One of the three ways.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Way {
    Direct,
    Floor,
    Hub,
}

impl Way {
    const ALL: [Self; 3] = [Self::Direct, Self::Floor, Self::Hub];
}

impl Ways {
    /// Starts an instance, a floor and a hub that is connected to it.
    fn open(plan: &Plan) -> Result<Self> {
        let world = World::new()?;
        let server = Servers::start(1)?;
        let port = server.port()?;
        world.announce("bench", server.guard.pid(), port)?;
        let hub = match &plan.hub {
            None => None,
            Some(binary) => {
                let (mut hub, _) = world.hub(binary, &[])?;
                world::connect(&mut hub, "bench")?;
                Some(hub)
            }
        };
        Ok(Self { direct: Direct::new(port), floor: floor(port)?, hub, _world: world, _server: server })
    }

    fn get(&mut self, way: Way) -> Option<&mut dyn Peer> {
        match way {
            Way::Direct => Some(&mut self.direct),
            Way::Floor => self.floor.as_mut().map(|floor| floor as &mut dyn Peer),
            Way::Hub => self.hub.as_mut().map(|hub| hub as &mut dyn Peer),
        }
    }

    /// Allows the children this long for what comes next.
    fn deadline(&self, after: Duration) {
        for child in [&self.floor, &self.hub].into_iter().flatten() {
            child.deadline(after);
        }
    }

    fn pid(&self, way: Way) -> Option<u32> {
        match way {
            Way::Direct => None,
            Way::Floor => self.floor.as_ref().map(Stdio::pid),
            Way::Hub => self.hub.as_ref().map(Stdio::pid),
        }
    }
}

/// Starts a floor, where there is one.
fn floor(port: u16) -> Result<Option<Stdio>> {
    if cfg!(not(unix)) {
        return Ok(None);
    }
    Ok(Some(Stdio::start(process::own(&["floor", "--port", &port.to_string()])?)?.0))
}

/// Samples of the three ways.
#[derive(Default)]
struct PerWay<T> {
    direct: T,
    floor: T,
    hub: T,
}

impl<T> PerWay<T> {
    fn of(&mut self, way: Way) -> &mut T {
        match way {
            Way::Direct => &mut self.direct,
            Way::Floor => &mut self.floor,
            Way::Hub => &mut self.hub,
        }
    }
}

/// A call of the tool that answers with a few bytes.
fn small() -> Request {
    Request::tool("echo")
}
