//! What is found in the output besides lines: URLs, errors and builds. Pure; the log's task owns what was found.
//!
//! ```text
//!  lines of a stream ──▶ engine ──findings──▶ errors: each once, with its life
//!                         ▲ rules (data), prefix, place, structured
//! ```

#[cfg(test)]
mod corpus;
pub(crate) mod engine;
pub(crate) mod errors;
pub(crate) mod page;
mod place;
mod prefix;
pub(crate) mod record;
mod rules;
mod structured;
pub(crate) mod urls;
