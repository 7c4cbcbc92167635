//! What is found in the output besides lines: URLs and errors. Pure; the log's task owns what was found.

pub(crate) mod errors;
pub(crate) mod urls;
