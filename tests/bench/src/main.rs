//! Measures the hub's release binary end to end, beside a direct connection and a bare proxy in the same run.
//!
//! `cargo xtask bench` builds it and starts it. The same program is also the instance (`server`) and the bare proxy
//! (`floor`), each in a process of its own.

mod call;
mod embedder;
mod floor;
mod http;
mod lines;
mod measure;
mod pin;
mod process;
mod server;
mod stats;
mod stdio;
mod table;
mod tool;
mod usage;
mod world;

use std::{io::Write, path::PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Parser;

use crate::{
    measure::{Part, Plan},
    world::World,
};

#[derive(Debug, Parser)]
#[command(about = "Measures the hub beside a direct connection and a bare proxy.")]
struct Options {
    #[command(subcommand)]
    role: Option<Role>,
    /// The hub's binary.
    #[arg(long, value_name = "FILE")]
    hub: Option<PathBuf>,
    /// The program that makes calls through the C interface (`c/call.c`).
    #[arg(long, value_name = "FILE")]
    embedder: Option<PathBuf>,
    /// A stdio server for Node with a tool `echo`, as people have them.
    #[arg(long, value_name = "FILE")]
    node_server: Option<PathBuf>,
    /// Everything once with small counts, only to see that it works.
    #[arg(long)]
    quick: bool,
    /// Write the table into this document, between its marks.
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// Only these parts.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Part>,
    /// The core for what is measured on one core; the last one unless given.
    #[arg(long)]
    core: Option<usize>,
}

#[derive(Debug, clap::Subcommand)]
enum Role {
    /// The instance that is measured against.
    #[command(hide = true)]
    Server {
        #[arg(long, default_value_t = 1)]
        ports: usize,
        /// Speak the revisions without a handshake.
        #[arg(long)]
        modern: bool,
    },
    /// The program in Rust that embeds the hub.
    #[command(hide = true)]
    Embedder {
        #[arg(long)]
        data_dir: PathBuf,
    },
    /// The script whose output is taken.
    #[command(hide = true)]
    Lines {
        #[arg(long)]
        count: u64,
        /// Write each line by itself.
        #[arg(long)]
        each: bool,
        #[arg(long)]
        report: PathBuf,
    },
    /// The server that speaks only stdio.
    #[command(hide = true)]
    Tool,
    /// The bare proxy.
    #[command(hide = true)]
    Floor {
        #[arg(long)]
        port: u16,
    },
}

fn main() -> Result<()> {
    let options = Options::parse();
    match options.role {
        Some(Role::Server { ports, modern }) => server::run(ports, modern),
        Some(Role::Embedder { data_dir }) => embedder::run(&data_dir),
        Some(Role::Lines { count, each, report }) => lines::run(count, each, &report),
        Some(Role::Tool) => tool::run(),
        Some(Role::Floor { port }) => floor::run(port),
        None => bench(options),
    }
}

fn bench(options: Options) -> Result<()> {
    let mut plan = if options.quick { Plan::quick() } else { Plan::full() };
    plan.core = options.core;
    plan.hub = options.hub;
    plan.embedder = options.embedder;
    plan.node_server = options.node_server;
    if let Some(binary) = &plan.hub
        && let Err(error) = World::new()?.hub(binary, &[]).context("the hub does not answer `initialize`")
    {
        if options.quick {
            return Err(error);
        }
        writeln!(std::io::stderr(), "{error:#}; its column stays empty")?;
        plan.hub = None;
    }
    let mut parts = options.only;
    if parts.is_empty() {
        parts = Part::ALL.to_vec();
    }
    let mut rows = Vec::new();
    for part in parts {
        rows.extend(measure::run(part, &plan).with_context(|| format!("while measuring {part:?}"))?);
    }
    let table = table::render(&rows, &about(options.quick));
    let mut output = std::io::stdout();
    output.write_all(table.as_bytes())?;
    if let Some(document) = options.write {
        ensure!(!options.quick, "a quick run measures too little to be written down");
        table::write(&document, &table)?;
    }
    Ok(())
}

/// What the numbers were taken on.
fn about(quick: bool) -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kind = if quick { "Quick run (the numbers mean nothing)" } else { "Medians of interleaved rounds" };
    format!("{kind}; {} {}, {cores} cores.", std::env::consts::OS, std::env::consts::ARCH)
}
