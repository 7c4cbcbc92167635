//! The whole connection against servers on real sockets, of which most are scripted byte by byte.

mod calls;
mod ends;
mod health;
mod older;
mod patience;
mod script;
mod sessions;
mod streams;
