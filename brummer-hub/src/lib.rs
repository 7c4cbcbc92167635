//! The engine of brummer-hub: it finds the MCP servers that run on this machine, keeps a connection to each, and serves
//! MCP clients with the tools, resources and prompts of all of them.
//!
//! ```text
//!  MCP client ──▶ Session ──▶ upstream connection ──HTTP──▶ instance
//!                    ▲
//!                   Hub ◀── watcher ◀── doorbell files ◀── Registration
//! ```
//!
//! - [`Hub`] owns the instances: [`Hub::instances`] is the list, now and whenever it changes; [`Hub::events`] tells each
//!   change.
//! - [`Hub::session`] opens a [`Session`](session::Session) for one client within the process; [`stdio::serve`] serves one
//!   on stdin and stdout.
//! - [`Hub::client`] opens one for the program itself, with a [`Client`](client::Client) that asks and awaits answers.
//! - [`Registration`] announces a server, so that every hub of this user finds it.
//! - `InstanceServer`, with the cargo feature `instance`, is such a server for programs that have none: tools, resources
//!   and prompts from closures.
//! - `StdioInstance`, with the same feature, makes an instance of a server that speaks only stdio.
//! - With the feature `sdk` it also takes what the official SDK and axum have: definitions, results, handlers, routes. That part
//!   changes with their versions; the rest does not, and names none of their types.
//!
//! The library takes nothing of the process for itself: no signals, no logger (it writes `tracing` events), no standard
//! streams but in [`stdio`] on request, and any tokio runtime with I/O and time will do. Any number of hubs may run in one
//! process.
//!
//! # Examples
//!
//! What runs on this machine:
//!
//! ```no_run
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! use brummer_hub::{Hub, HubConfig};
//!
//! let hub = Hub::start(HubConfig::default());
//! for instance in &hub.settled().await.instances {
//!     println!("{} on port {}", instance.alias, instance.found.doorbell.port);
//! }
//! hub.shutdown().await;
//! # }
//! ```
//!
//! Announce a server of one's own:
//!
//! ```
//! use std::net::TcpListener;
//!
//! use brummer_hub::{Registration, discovery::Directories, registration::RegistrationOptions};
//!
//! # let home = tempfile::tempdir()?;
//! let listener = TcpListener::bind("127.0.0.1:0")?;
//! let mut options = RegistrationOptions::new(listener.local_addr()?.port());
//! # options.directories = Directories::only(home.path());
//! let registration = Registration::announce(options)?;
//! // … serve MCP on the listener, and at the end:
//! registration.remove()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub(crate) mod budget;
pub mod client;
pub mod config;
pub mod declared;
pub mod discovery;
pub mod doorbell;
pub mod frame;
pub mod hub;
pub mod instance;
pub mod labels;
pub mod log;
pub mod policy;
pub mod process;
pub mod protocol;
pub mod registration;
#[cfg(feature = "instance")]
pub mod serve;
pub mod session;
pub mod sources;
pub mod status;
pub mod stdio;
#[cfg(feature = "instance")]
pub mod stdio_instance;
pub mod terminal;
pub(crate) mod upstream;

pub use config::HubConfig;
pub use hub::Hub;
pub use registration::Registration;
#[cfg(feature = "instance")]
pub use serve::InstanceServer;
pub use status::StatusCode;
#[cfg(feature = "instance")]
pub use stdio_instance::StdioInstance;
/// The README's examples, which are to compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// For the fuzz target; no part of the API.
#[doc(hidden)]
pub use upstream::sse;
