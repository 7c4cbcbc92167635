//! Every environment variable that the command itself reads, but for those that say where clients keep their
//! configurations (`install/clients.rs`). The directories of doorbell files, `BRUMMER_DATA_DIR` among them, are the
//! library's matter (`brummer_hub::discovery::Directories`).

use std::ffi::OsString;

/// Set and not empty: no colour (<https://no-color.org>).
pub(crate) const NO_COLOR: &str = "NO_COLOR";
/// `dumb` means a terminal without colour; on Windows, any other value means one that has it.
pub(crate) const TERM: &str = "TERM";
/// Set by Windows Terminal, which understands colour sequences as the old console does not.
pub(crate) const WT_SESSION: &str = "WT_SESSION";

/// The directory of doorbell files; here only to be written into the configurations of clients.
pub(crate) const DATA_DIR: &str = "BRUMMER_DATA_DIR";

/// Where configurations are kept (XDG base directories), if not where they usually are.
pub(crate) const CONFIG_HOME: &str = "XDG_CONFIG_HOME";

/// The value, unless it is unset or empty.
pub(crate) fn get(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}
