//! Every environment variable that the command itself reads, but for those that say where clients keep their
//! configurations (`install/clients.rs`), and whether colours are wanted (`colour.rs`). The directories of doorbell files,
//! `BRUMMER_DATA_DIR` among them, are the library's matter (`brummer_hub::discovery::Directories`).

use std::ffi::OsString;

/// The directory of doorbell files; here only to be written into the configurations of clients.
pub(crate) const DATA_DIR: &str = "BRUMMER_DATA_DIR";

/// Where configurations are kept (XDG base directories), if not where they usually are.
pub(crate) const CONFIG_HOME: &str = "XDG_CONFIG_HOME";

/// The value, unless it is unset or empty.
pub(crate) fn get(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}
