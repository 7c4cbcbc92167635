//! Announcing an instance.

use std::{
    collections::BTreeMap,
    ffi::{CString, c_char},
    mem::offset_of,
    path::PathBuf,
    ptr,
    sync::Arc,
};

use engine::{
    Registration, StatusCode,
    doorbell::{InstanceId, Secret},
    registration::RegistrationOptions,
};

use crate::{
    error::bh_error,
    ffi::{
        Exclusive, Failure, Opaque, Options, boundary, c_string, get, give, optional_text, read_options,
        retire,
    },
    hub::directories,
    status::bh_status,
};

/// An announcement that stands, until bh_unregister().
#[derive(Debug)]
pub struct bh_registration {
    _private: (),
}

/// What is behind a [`bh_registration`].
#[derive(Debug)]
pub(crate) struct Announced {
    id: CString,
    file: CString,
    registration: Exclusive<Option<Registration>>,
}

impl Opaque for bh_registration {
    type Object = Announced;
    const NAME: &'static str = "registration";
}

/// What to announce. Begin with BH_REGISTER_OPTIONS_INIT and set the port; the rest may stay 0 or NULL. Texts are borrowed
/// for the call.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bh_register_options {
    /// Set by BH_REGISTER_OPTIONS_INIT.
    pub size: usize,
    /// Announce in this directory. NULL: the user's, or $BRUMMER_DATA_DIR.
    pub data_dir: *const c_char,
    /// What people call it. NULL: `name` of package.json, else the directory's name.
    pub name: *const c_char,
    /// Directory of its project. NULL: the working directory.
    pub path: *const c_char,
    /// Where on the server MCP is spoken. NULL: "/mcp".
    pub endpoint: *const c_char,
    /// Id. NULL: a random UUID.
    pub id: *const c_char,
    /// Version of the program that serves. NULL: not told.
    pub version: *const c_char,
    /// Labels, as a JSON object of texts. NULL: none.
    pub labels_json: *const c_char,
    /// Process that serves. 0: this one.
    pub pid: u32,
    /// Loopback port of the MCP server, read from the bound listener. Must be set.
    pub port: u16,
    /// For later versions: 0.
    pub reserved: u16,
    /// What hubs are to send to the server as `Authorization: Bearer`. NULL: nothing.
    pub token: *const c_char,
    /// Other header fields that hubs are to send, as a JSON object of texts by name. NULL: none.
    pub headers_json: *const c_char,
}

// SAFETY: it is `repr(C)`, begins with `size`, and zero is a number and NULL.
unsafe impl Options for bh_register_options {
    const NAME: &'static str = "registration options";
    const END: usize = offset_of!(Self, headers_json) + size_of::<*const c_char>();
}

/// Reads what to announce.
///
/// # Safety
///
/// As for [`read_options`], and its texts are texts.
unsafe fn registration_options(options: *const bh_register_options) -> Result<RegistrationOptions, Failure> {
    // SAFETY: the contract is the same.
    let given = unsafe { read_options(options) }?;
    let given = given.ok_or_else(|| Failure::argument("`options` must not be NULL"))?;
    if given.reserved != 0 {
        return Err(Failure::reserved());
    }
    if given.port == 0 {
        return Err(Failure::argument("`port` must be set"));
    }
    // SAFETY: as above; this holds for all texts of the options.
    let text = |name, pointer| unsafe { optional_text(name, pointer) }.map(|text| text.map(str::to_owned));
    let mut options = RegistrationOptions::new(given.port);
    // SAFETY: as above.
    options.directories = unsafe { directories(given.data_dir) }?;
    options.name = text("name", given.name)?;
    options.path = text("path", given.path)?.map(PathBuf::from);
    options.endpoint = text("endpoint", given.endpoint)?;
    options.version = text("version", given.version)?;
    options.pid = Some(given.pid).filter(|pid| *pid != 0);
    if let Some(id) = text("id", given.id)? {
        let parsed = id.parse::<InstanceId>();
        options.id = Some(parsed.map_err(|error| Failure::argument(format_args!("`id`: {error}")))?);
    }
    if let Some(labels) = text("labels_json", given.labels_json)? {
        options.labels = serde_json::from_str::<BTreeMap<String, String>>(&labels).map_err(|error| {
            Failure::new(
                StatusCode::InvalidJson,
                format_args!("`labels_json` is not a JSON object of strings: {error}"),
            )
        })?;
    }
    let secret = |name: &str, text: &str| {
        Secret::new(text).map_err(|error| Failure::argument(format_args!("`{name}`: {error}")))
    };
    if let Some(token) = text("token", given.token)? {
        options.token = Some(secret("token", &token)?);
    }
    if let Some(headers) = text("headers_json", given.headers_json)? {
        let headers: BTreeMap<String, String> = serde_json::from_str(&headers).map_err(|error| {
            Failure::new(
                StatusCode::InvalidJson,
                format_args!("`headers_json` is not a JSON object of strings: {error}"),
            )
        })?;
        for (name, value) in headers {
            options.headers.insert(name.to_ascii_lowercase(), secret("headers_json", &value)?);
        }
    }
    Ok(options)
}

/// Announces an MCP server, so that every hub of this user finds it. Call it after the server listens: hubs connect within
/// milliseconds. Needs no hub.
///
/// @param options       must not be NULL.
/// @param registration  must not be NULL; receives the announcement, which bh_unregister() ends.
/// @param error         may be NULL; on failure receives an error, which the caller frees.
/// @return BH_STATUS_OK, BH_STATUS_INVALID_ARGUMENT for what no hub would accept, BH_STATUS_INVALID_UTF8,
///         BH_STATUS_INVALID_JSON, BH_STATUS_UNSUPPORTED for options that this version does not know, BH_STATUS_IO when
///         the file cannot be written. A server works without being announced: report the error and go on.
///
/// Threads: any; waits for a few file operations.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_register(
    options: *const bh_register_options,
    registration: *mut *mut bh_registration,
    error: *mut *mut bh_error,
) -> bh_status {
    let register = || {
        if registration.is_null() {
            return Err(Failure::argument("`registration` must not be NULL"));
        }
        // SAFETY: the header asks for options that are as they should be.
        let announced = Registration::announce(unsafe { registration_options(options) }?)?;
        let object = Announced {
            id: c_string(announced.id().as_str()),
            file: c_string(announced.file().to_string_lossy().into_owned()),
            registration: Exclusive::new(Some(announced)),
        };
        // SAFETY: not null, and the header asks for a place for a pointer.
        unsafe { registration.write(give(Arc::new(object))) };
        Ok(())
    };
    // SAFETY: the contract of `error` is the same.
    unsafe { boundary(error, register) }
}

/// The instance's id. It lives as long as the registration. NULL if `registration` is NULL or was ended.
///
/// Threads: any; never waits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_registration_id(registration: *const bh_registration) -> *const c_char {
    // SAFETY: the header asks for a registration or NULL.
    unsafe { get(registration, ptr::null(), |announced| announced.id.as_ptr()) }
}

/// The file that announces it. It lives as long as the registration. NULL if `registration` is NULL or was ended.
///
/// Threads: any; never waits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_registration_file(registration: *const bh_registration) -> *const c_char {
    // SAFETY: the header asks for a registration or NULL.
    unsafe { get(registration, ptr::null(), |announced| announced.file.as_ptr()) }
}

/// Ends an announcement and frees it, whatever it returns. NULL is fine. A file that somebody else has written since is
/// left alone, and so is that of the parent in the child of a fork(). If the process ends without it, hubs notice.
///
/// @param registration  may be NULL.
/// @param error         may be NULL; on failure receives an error, which the caller frees.
/// @return BH_STATUS_OK, BH_STATUS_IO when the file is there and cannot be removed, BH_STATUS_INVALID_HANDLE.
///
/// Threads: any; waits for a few file operations.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_unregister(
    registration: *mut bh_registration,
    error: *mut *mut bh_error,
) -> bh_status {
    let unregister = || {
        // SAFETY: the header asks for a registration or NULL.
        let Some(announced) = (unsafe { retire(registration) })? else { return Ok(()) };
        // Freeing happens once, so nobody else has it.
        let taken = announced.registration.take().and_then(|mut registration| registration.take());
        taken.map_or(Ok(()), Registration::remove).map_err(Failure::from)
    };
    // SAFETY: the contract of `error` is the same.
    unsafe { boundary(error, unregister) }
}
