//! An MCP server on the official Rust SDK that announces itself to the hub.
//!
//! ```sh
//! cargo run --example rmcp-server -- --name shop --path ~/shop
//! brummer-hub list        # in another terminal: `shop` is there
//! ```
//!
//! Three steps make a server an instance: bind the listener, announce the port that the listener got, take the announcement
//! back at the end. They are in [`main`]; `server.rs` is an ordinary rmcp server that shows each feature of MCP once.
//!
//! When it is ready it prints one line of JSON: `{"port":40123,"id":"5a0c…","pid":4711}`.

mod arguments;
mod asking;
mod listening;
mod server;
mod shared;

use std::{io::Write as _, path::PathBuf, sync::Arc};

use anyhow::Context as _;
use axum::{http::HeaderValue, middleware::map_response, response::Response, serve::ListenerExt as _};
use brummer_hub::{
    discovery::Directories,
    registration::{Registration, RegistrationOptions},
};
use clap::Parser;
use rmcp::transport::streamable_http_server::{
    StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager,
};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::{
    server::Server,
    shared::{Era, Shared},
};

/// An MCP server that announces itself to brummer-hub.
#[derive(Parser)]
struct Arguments {
    /// Port to listen on; 0 lets the system choose.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// What people call this instance.
    #[arg(long)]
    name: Option<String>,
    /// The project it belongs to; the working directory unless given.
    #[arg(long)]
    path: Option<PathBuf>,
    /// The `brummer` directory to announce in; the user's own unless given.
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// Which clients to serve.
    #[arg(long, value_enum, default_value_t)]
    era: Era,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();

    // 1. Listen. From here on connections queue, so whoever reads the announcement finds an open door.
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", arguments.port))
        .await
        .with_context(|| format!("cannot listen on port {}", arguments.port))?;
    let port = listener.local_addr()?.port();

    // 2. Announce the port that the listener really has.
    let mut options = RegistrationOptions::new(port);
    options.name = arguments.name;
    options.path = arguments.path;
    if let Some(data) = arguments.data_dir {
        options.directories = Directories::only(data);
    }
    let registration = Registration::announce(options)?;

    let line = json!({ "port": port, "id": registration.id().as_str(), "pid": std::process::id() });
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{line}")?;
    stdout.flush()?;

    // 3. Serve, and take the announcement back at the end.
    let stop = CancellationToken::new();
    let shared = Shared { era: arguments.era, ..Shared::default() };
    let service = StreamableHttpService::new(
        move || Ok(Server::new(shared.clone())),
        Arc::new(LocalSessionManager::default()),
        StreamableHttpServerConfig::default().with_cancellation_token(stop.clone()),
    );
    // With its id in every answer the hub need not ask the system whose port this is.
    let id = HeaderValue::from_str(registration.id().as_str())?;
    let router = axum::Router::new().nest_service("/mcp", service).layer(map_response(
        move |mut response: Response| {
            response.headers_mut().insert("brummer-instance-id", id.clone());
            std::future::ready(response)
        },
    ));
    // Small messages go out at once instead of waiting for more.
    let listener = listener.tap_io(|connection| {
        let _ = connection.set_nodelay(true);
    });
    let served = axum::serve(listener, router).with_graceful_shutdown(async move {
        interrupted().await;
        stop.cancel();
    });
    served.await?;
    registration.remove()?;
    Ok(())
}

/// Waits until someone asks the process to end.
async fn interrupted() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    // Without a handler the process ends by the signal itself; there is nothing to wait for then.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
