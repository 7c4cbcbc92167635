//! The addon of the npm package `brummer-hub`: the library, behind Node-API.
//!
//! ```text
//!  npm/brummer-hub/lib/*.js ──JSON texts──▶ classes of this crate ──▶ brummer_hub
//!                           ◀──Emitter────  tasks on one runtime  ◀──
//! ```
//!
//! It holds no logic and is no API: `npm/brummer-hub/lib` makes the public one of it. Options, messages and answers cross
//! as JSON texts. What takes time answers through a callback ([`Emitter`](emit::Emitter)) that never keeps Node's event
//! loop alive; what is to keep it alive is decided in JavaScript. Errors cross as a stable code and a message, and
//! become `Error` objects there.
//!
//! All environments of a process (the main thread, its workers) share one runtime with one thread. Each object stops what
//! it started when it is collected, also when its environment ends.

#![cfg(not(all(windows, target_env = "gnu")))]
#![expect(clippy::needless_pass_by_value, reason = "Node-API gives values away")]
#![expect(missing_debug_implementations, reason = "no Rust program uses this crate")]

mod emit;
mod hub;
mod instance;
mod instance_call;
mod log;
mod options;
mod registration;
mod runtime;
mod serving;
mod session;
mod stdio_instance;
