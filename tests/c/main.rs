//! Tests of the C interface as programs get it: installed below a prefix, found by pkg-config and CMake, compiled by the
//! compilers of this machine, and run.
//!
//! A C compiler must be there. Everything else (a second compiler, valgrind, CMake, pkg-config, a C++ compiler, Python) is
//! used if it is, and named if it is not; with `BRUMMER_ALL_TOOLS` in the environment it must be there too. What needs a
//! library that was built in another way (for the thread sanitizer, for Windows) is told where it is, or left out by name.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test stops where something is not as it must be")]

mod build;
mod examples;
mod programs;
mod support;
mod vectors;
mod windows;
