//! The `brummer-hub` command: one MCP server for every dev process on a machine.
//!
//! Everything it does is in the library `brummer_hub`; here are only words, signals and exit codes. Data goes to
//! standard output, everything else to standard error; with `--mcp`, standard output carries MCP and nothing else.

#![forbid(unsafe_code)]

mod args;
mod clean;
mod colour;
mod columns;
mod complete;
mod config;
mod deep;
mod descriptors;
mod doctor;
mod env;
mod exit;
mod install;
mod instances;
mod list;
mod logging;
mod manual;
mod mcp;
mod output;
mod project;
mod register;
mod run;
mod servers;
mod signals;
mod typed;
mod watch;

fn main() -> std::process::ExitCode {
    run::run(std::env::args_os()).end()
}
