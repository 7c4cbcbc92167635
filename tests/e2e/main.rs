//! End-to-end tests: the built binary on its stdio, with real files, sockets and processes around it.

#![expect(clippy::unwrap_used, reason = "a test stops where something is not as it must be")]

#[macro_use]
mod support;

mod agents;
mod auto_connect;
mod bad_frames;
#[cfg(target_os = "linux")]
mod buffers;
mod changes;
mod cli;
mod coming;
mod concurrency;
mod conformance;
mod crash;
mod discovery;
mod doorbells;
mod examples;
mod fidelity;
mod forgotten;
mod go_program;
mod habits;
mod hub_tools;
mod initialize;
mod legacy_sse;
mod misbehaving;
mod modern;
mod modes;
mod pairs;
mod proxy;
mod questions;
mod rmcp_client;
mod run;
mod same_uris;
mod sdk;
mod security;
mod seeds;
mod shutdown;
mod single_session;
mod skills;
mod sources;
mod stress;
mod trust;
mod vectors;
