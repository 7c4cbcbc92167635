//! A program with a hub in it: it prints what happens to the instances of this machine.
//!
//! ```sh
//! cargo run -p brummer-hub --example embed
//! ```
#![expect(clippy::print_stdout, reason = "it tells a person what it sees")]

use brummer_hub::{Hub, HubConfig, hub::HubEvent};

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let hub = Hub::start(HubConfig::default());
    let mut events = hub.events();
    println!("watching");
    loop {
        let event = tokio::select! {
            event = events.recv() => event,
            interrupted = tokio::signal::ctrl_c() => {
                interrupted?;
                break;
            }
        };
        let line = match event {
            Some(HubEvent::InstanceAppeared(it)) => {
                format!("{}: appeared, port {}", it.alias, it.found.doorbell.port)
            }
            Some(HubEvent::StateChanged { instance, from }) => {
                format!("{}: {from} → {}", instance.alias, instance.state)
            }
            Some(HubEvent::InstanceGone(it)) => format!("{}: gone", it.alias),
            Some(HubEvent::Lagged(missed)) => format!("missed {missed} events"),
            Some(_) => continue,
            None => break,
        };
        println!("{line}");
    }
    hub.shutdown().await;
    Ok(())
}
