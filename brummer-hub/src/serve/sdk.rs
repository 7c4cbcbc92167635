//! The official SDK and axum, for programs that use them beside or in place of an [`Offer`](super::Offer).
//!
//! Everything that has their types needs the feature `sdk`, and changes with them: a version of this crate that comes with
//! another major version of `rmcp`, or another minor one of `axum` below 1.0, breaks those who have switched the feature on, and
//! nobody else. What that is:
//!
//! - `From` of definitions and results of the SDK for those of this crate, and answers of handlers in content blocks, messages
//!   and results of the SDK;
//! - `request` and `context` of what handlers are called with;
//! - [`handler`](super::InstanceServerBuilder::handler), [`Follower::tell_session`](super::Follower::tell_session) and
//!   [`Follower::tell_listener`](super::Follower::tell_listener);
//! - [`router`](super::InstanceServerBuilder::router) and [`only_router`](super::InstanceServerBuilder::only_router).

pub use axum;
pub use rmcp;
