//! The hub engine, piece by piece.

#![forbid(unsafe_code)]

pub mod config;
pub mod discovery;
pub mod doorbell;
pub mod frame;
pub mod process;
pub mod protocol;
pub mod registration;
pub(crate) mod upstream;

#[doc(hidden)]
pub use upstream::sse;
