//! The headless process manager behind `brummer-hub run`: it runs the scripts of a project and gives MCP clients tools for
//! them and for what they print.
//!
//! ```text
//!  scripts ──output──▶ log ◀──questions──┐
//!     ▲                                  ├── tools, resources, prompts ◀── InstanceServer ◀── hub, clients
//!     └──orders── supervisor ◀─requests──┘
//! ```
//!
//! - [`run()`] is all of it: it starts everything, and ends everything when it is told to.
//! - `project` reads `package.json`, `script` starts and ends processes, `log` keeps what they print, `detect` finds URLs and
//!   errors in it, `tools`, `resources` and `prompts` are what a client sees, `console` what a person sees.
//! - `ports` asks the system who listens where.
//! - `terminal` is a pseudo terminal for a script; what is drawn on it is folded into lines by `log`.
//! - [`piped`] is a server that speaks over stdio, for `brummer_hub::StdioInstance`.
//! - [`attached`] is a command that has the streams and the terminal of this program.
//! - [`guard`] is what this program becomes between `run` and a script, so that no script outlives `run`.
//!
//! State has one owner each: the supervisor has the list of processes, the log's task has the log, each script's task has its
//! child. They talk over bounded channels; there is no lock. Everything ends on two tokens, one for an orderly end and one
//! for an end at once.

#![forbid(unsafe_code)]

pub mod attached;
mod console;
mod detect;
pub mod guard;
mod joining;
mod log;
mod outcome;
pub mod piped;
mod ports;
#[cfg(any(windows, test))]
pub mod program;
mod project;
mod prompts;
mod resources;
mod run;
mod script;
mod serving;
#[cfg(unix)]
mod terminal;
mod tools;
mod typing;

pub use self::{
    console::ConsoleOptions,
    log::{
        LogDirError,
        mask::{mask, mask_setting, mask_words},
    },
    run::{DEFAULT_PORT, RunError, RunOptions, run},
};
