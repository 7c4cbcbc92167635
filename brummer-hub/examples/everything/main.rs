//! An instance with everything that MCP has for a server. The official conformance suite is run against it.
//!
//! ```sh
//! cargo run -p brummer-hub --features instance --example everything -- --no-token
//! npx @modelcontextprotocol/conformance server --url http://127.0.0.1:PORT/mcp
//! ```
//!
//! `tools.rs` has tools that answer by themselves, `questions.rs` those that ask the client back, `contents.rs` resources and
//! prompts. The suite sends no token, so none is wanted with `--no-token`. When it is ready it prints one line of JSON: `{"port":40123,"id":"5a0c…"}`.
#![expect(clippy::print_stdout, reason = "it tells where it is")]

mod contents;
mod questions;
mod tools;

use brummer_hub::{InstanceServer, serve::Offer};
use serde_json::json;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut offer = Offer::default();
    contents::add(&mut offer);
    tools::add(&mut offer);
    questions::add(&mut offer);
    let mut builder = InstanceServer::builder().name("everything").version(env!("CARGO_PKG_VERSION"));
    if std::env::args().any(|argument| argument == "--no-token") {
        builder = builder.without_token();
    }
    let changes = builder.changes();
    tools::add_changing(&mut offer, &changes);
    let server = builder.offer(offer).start().await?;
    println!("{}", json!({ "port": server.port(), "id": server.id().as_str() }));
    tokio::signal::ctrl_c().await?;
    server.shutdown().await;
    Ok(())
}
