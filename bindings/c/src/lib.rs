//! The C interface of brummer-hub. Its documentation is `include/brummer_hub.h`, which is made from this crate.
//!
//! ```text
//!  C ──▶ functions (one file per object) ──▶ ffi: handles, texts, errors, panics
//!              │                                    ▲
//!              ▼                                    │ nothing of the hub is there
//!           running: the hub, its runtime's thread, the thread of callbacks
//!              ▲
//!              └─ mailbox (C takes) and subscription (C is called): what comes of its own accord
//! ```
//!
//! There is no logic of the hub here: convert, call, convert back. A function that waits does so on the caller's
//! thread, for tasks on the runtime's thread; neither of its threads ever waits for C, but for callbacks.

#![allow(non_camel_case_types, reason = "the names are those of the C header")]
#![allow(clippy::missing_safety_doc, reason = "the text is that of the C header, and says what is allowed")]

pub mod bell;
pub mod cancel;
pub mod error;
pub mod events;
mod ffi;
pub mod hub;
pub mod instances;
pub mod log;
mod mailbox;
pub mod registration;
mod running;
pub mod session;
mod signals;
pub mod status;
pub mod stdio;
pub mod stdio_instance;
pub mod string;
pub mod subscription;
pub mod version;
