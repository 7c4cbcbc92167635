//! A program in Rust that embeds the hub as the C library does: the hub's runtime has a thread, the calls are made on
//! another. `c/call.c` is its twin.

use std::{
    io::{BufRead, Write},
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use brummer_hub::{
    Hub, HubConfig,
    client::{ClientConfig, Request},
    discovery::Directories,
};
use tokio_util::sync::CancellationToken;

use crate::stats;

/// Nothing that is measured takes longer.
const TIMEOUT: Duration = Duration::from_secs(30);

pub(crate) fn run(data: &Path) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (handle, end) = (runtime.handle().clone(), CancellationToken::new());
    let ended = end.clone();
    let thread = std::thread::spawn(move || runtime.block_on(ended.cancelled()));
    let mut config = HubConfig::default();
    config.directories = Directories::only(data);
    let (hub, (client, _incoming)) = {
        let _context = handle.enter();
        let hub = Hub::start(config);
        let client = hub.client(ClientConfig::default())?;
        (hub, client)
    };
    handle.block_on(client.connect("bench", Some(TIMEOUT)))?;
    for line in std::io::stdin().lock().lines() {
        let calls: usize = line?.trim().parse()?;
        let mut samples = Vec::with_capacity(calls);
        for _ in 0..calls {
            let started = Instant::now();
            let request = Request::tool(None, "echo", Some(r#"{"text":"hello"}"#))?.timeout(TIMEOUT);
            let answer = handle.block_on(client.request(request))?;
            drop(answer);
            samples.push(started.elapsed());
        }
        let p99 = stats::percentile(&mut samples, 0.99);
        let median = stats::median(&mut samples);
        let mut output = std::io::stdout().lock();
        writeln!(output, "{} {}", median.as_nanos(), p99.as_nanos())?;
        output.flush()?;
    }
    handle.block_on(hub.shutdown());
    end.cancel();
    thread.join().ok().context("the runtime's thread panicked")
}
