//! Settings of a session.

use std::{ffi::c_char, mem::offset_of, path::PathBuf};

use engine::{
    client::{ClientConfig, Opening},
    session::{SessionConfig, ToolsMode},
};

use crate::ffi::{Failure, Options, optional_text, read_options};

/// What `tools/list` shows in a session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(i32)]
pub enum bh_tools_mode {
    /// The hub's tools, then those of the connected instance under their own names.
    Connected = 0,
    /// The hub's tools, then those of every active instance as <alias>__<tool>.
    All = 1,
    /// The hub's tools only.
    Hub = 2,
}

/// Settings of a session. Begin with BH_SESSION_OPTIONS_INIT and set what is to differ. Texts are borrowed for the call.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bh_session_options {
    /// Set by BH_SESSION_OPTIONS_INIT.
    pub size: usize,
    /// The directory that the program works in: the instance of that project is connected by itself. NULL: none is.
    pub working_directory: *const c_char,
    /// Name of the client, as instances see it. NULL: "brummer-hub-client".
    pub client_name: *const c_char,
    /// Version of the client, as instances see it. NULL: the library's.
    pub client_version: *const c_char,
    /// What the program can do for instances, as a JSON object such as {"sampling":{}}: it must then answer their questions,
    /// which come as messages. NULL: {}.
    pub capabilities_json: *const c_char,
    /// What tools/list shows: one of bh_tools_mode.
    pub tools: i32,
    /// Longest tool name in the mode BH_TOOLS_MODE_ALL, in characters. 0: 46.
    pub name_budget: u32,
    /// 1: the program makes the handshake itself, or sends requests that need none. 0: the library does.
    pub manual_handshake: i32,
    /// For later versions: 0.
    pub reserved: u32,
}

// SAFETY: it is `repr(C)`, begins with `size`, and zero is a number and NULL.
unsafe impl Options for bh_session_options {
    const NAME: &'static str = "session options";
    const END: usize = offset_of!(Self, reserved) + size_of::<u32>();
}

/// Reads the settings of a session.
///
/// # Safety
///
/// As for [`read_options`], and its texts are texts.
pub(super) unsafe fn client_config(options: *const bh_session_options) -> Result<ClientConfig, Failure> {
    let mut config = ClientConfig::default();
    // SAFETY: the contract is the same.
    let options = unsafe { read_options(options) }?;
    config.session = match &options {
        // SAFETY: the contract is the same.
        Some(options) => unsafe { session_config(options) }?,
        None => without_directory(),
    };
    let Some(options) = options else { return Ok(config) };
    if options.manual_handshake != 0 {
        config.opening = Opening::Manual;
    }
    if let Opening::Initialize { name, version, capabilities } = &mut config.opening {
        for (place, what, pointer) in [
            (name, "client_name", options.client_name),
            (version, "client_version", options.client_version),
            (capabilities, "capabilities_json", options.capabilities_json),
        ] {
            // SAFETY: the contract is the same.
            if let Some(text) = unsafe { optional_text(what, pointer) }? {
                text.clone_into(place);
            }
        }
    }
    Ok(config)
}

/// Reads what concerns the session itself.
///
/// # Safety
///
/// The texts of the options are texts.
unsafe fn session_config(options: &bh_session_options) -> Result<SessionConfig, Failure> {
    if options.reserved != 0 {
        return Err(Failure::reserved());
    }
    let mut config = without_directory();
    // SAFETY: the contract is the same.
    if let Some(directory) = unsafe { optional_text("working_directory", options.working_directory) }? {
        config.working_directory = Some(PathBuf::from(directory));
        config.auto_connect = true;
    }
    config.tools = Some(match options.tools {
        0 => ToolsMode::Connected,
        1 => ToolsMode::All,
        2 => ToolsMode::Hub,
        other => {
            return Err(Failure::argument(format_args!("`tools` is {other}, which is not a bh_tools_mode")));
        }
    });
    let budget = usize::try_from(options.name_budget).unwrap_or(usize::MAX);
    config.name_budget = Some(budget).filter(|budget| *budget > 0);
    Ok(config)
}

/// A program that embeds the hub connects on purpose, unless it says where it works.
fn without_directory() -> SessionConfig {
    let mut config = SessionConfig::default();
    config.auto_connect = false;
    config
}

/// Reads the settings of a session that is served on the standard streams: as the command does.
///
/// # Safety
///
/// As for [`read_options`], and its texts are texts.
pub(crate) unsafe fn stdio_session(options: *const bh_session_options) -> Result<SessionConfig, Failure> {
    // SAFETY: the contract is the same.
    let mut config = match unsafe { read_options(options) }? {
        // SAFETY: the contract is the same.
        Some(options) => unsafe { session_config(&options) }?,
        None => SessionConfig::default(),
    };
    if config.working_directory.is_none() {
        config.working_directory = std::env::current_dir().ok();
        config.auto_connect = true;
    }
    Ok(config)
}
