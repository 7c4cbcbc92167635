//! A program that is an instance: its tools are there for every client of a hub.
//!
//! ```sh
//! cargo run -p brummer-hub --features instance --example instance
//! brummer-hub list        # in another terminal: `counter` is there
//! ```
#![expect(clippy::print_stdout, reason = "it tells a person what it does")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use brummer_hub::{
    InstanceServer,
    serve::{CallError, ResourceDefinition, ToolCall},
};
use serde_json::json;
use tokio::sync::watch;

/// What the model may ask for.
#[derive(serde::Deserialize)]
struct Add {
    number: i64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let total = Arc::new(AtomicI64::new(0));
    let (changed, mut changes) = watch::channel(());

    let (adds, reads) = (Arc::clone(&total), Arc::clone(&total));
    let schema = json!({ "properties": { "number": { "type": "integer" } }, "required": ["number"] });
    let total_resource = ResourceDefinition::from_json(json!({ "uri": "counter://total", "name": "total" }))?;
    let server = InstanceServer::builder()
        .name("counter")
        .version(env!("CARGO_PKG_VERSION"))
        // A tool answers with a text or a JSON value, or fails with a message for the model.
        .tool("add", "Adds a number to the total", schema, move |call: ToolCall| {
            let (total, changed) = (Arc::clone(&adds), changed.clone());
            async move {
                let Add { number } = call.parse()?;
                if number == 0 {
                    return Err(CallError::new("adding 0 changes nothing"));
                }
                let total = total.fetch_add(number, Ordering::Relaxed) + number;
                changed.send_replace(());
                Ok(json!({ "total": total }))
            }
        })
        // One that takes its time says how far it is, and ends when nobody waits for it.
        .tool("count", "Counts to ten", json!({}), |call: ToolCall| async move {
            for number in 1..=10 {
                call.progress(f64::from(number), Some(10.0), None).await;
                if call
                    .cancelled()
                    .run_until_cancelled(tokio::time::sleep(Duration::from_millis(50)))
                    .await
                    .is_none()
                {
                    return Err(CallError::new(format!("stopped at {number}")));
                }
            }
            Ok("counted to 10")
        })
        .add_resource(total_resource, move |_read| {
            let total = reads.load(Ordering::Relaxed);
            async move { Ok(total.to_string()) }
        })
        .start()
        .await?;
    println!("{} serves at {}", server.id(), server.url());

    let handle = server.handle();
    let telling = async {
        while changes.changed().await.is_ok() {
            handle.resource_updated("counter://total");
        }
    };
    tokio::select! {
        () = telling => {}
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    server.shutdown().await;
    println!("ended");
    Ok(())
}
