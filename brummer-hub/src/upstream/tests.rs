//! The whole connection against servers on real sockets, of which most are scripted byte by byte.

mod answers;
mod calls;
mod changes;
mod detection;
mod ends;
mod fitting;
mod health;
mod mirrored;
mod modern;
mod older;
mod patience;
mod rounds;
mod script;
mod sessions;
mod streams;
