//! The hub engine, piece by piece.

#![forbid(unsafe_code)]

pub mod config;
pub mod discovery;
pub mod doorbell;
pub mod frame;
pub mod hub;
pub mod instance;
pub mod process;
pub mod protocol;
pub mod registration;
pub(crate) mod upstream;

pub use config::HubConfig;
pub use hub::Hub;
#[doc(hidden)]
pub use upstream::sse;
