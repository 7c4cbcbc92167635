//! The boundary: handles, texts and options from C, errors to C, and the catch of panics. Nothing of the hub is here.

mod boundary;
mod callback;
mod exclusive;
mod handle;
mod options;
mod text;
mod waiting;

pub(crate) use self::{
    boundary::{Failure, boundary, boundary_void, get},
    callback::{DropFn, UserData},
    exclusive::Exclusive,
    handle::{Borrowed, Opaque, give, inside, retire},
    options::{Options, read_options},
    text::{c_string, optional_text, text, wait_time},
    waiting::{must_not_wait, without_waiting},
};
