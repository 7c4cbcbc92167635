//! The hub engine, piece by piece.

#![forbid(unsafe_code)]

pub mod frame;
pub mod protocol;
