//! A server that speaks only stdio, as an instance for all hubs.

use std::{
    collections::BTreeMap,
    ffi::{CString, c_char},
    mem::offset_of,
    path::{Path, PathBuf},
    process, ptr,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use engine::{
    InstanceServer, StatusCode, StdioInstance,
    doorbell::{InstanceId, Secret},
    serve::{InstanceServerBuilder, ServeError},
    stdio_instance::{PlainCommand, ProgramReport, Sharing, StdioOptions},
};
use serde::de::DeserializeOwned;
use tokio::{runtime::Runtime, sync::watch};
use tokio_util::sync::CancellationToken;

use crate::{
    error::bh_error,
    ffi::{
        Failure, Opaque, Options, boundary, c_string, get, give, inside, optional_text, read_options, retire,
        text,
    },
    hub::directories,
    running::{LAST_FILES, may_wait, runtime},
    signals,
    status::bh_status,
    string::{bh_string, give_string},
};

/// As `idle_ms`: a process is kept for ever.
const FOR_EVER: i64 = -1;

/// A stdio server that is an instance, until bh_stdio_instance_stop().
#[derive(Debug)]
pub struct bh_stdio_instance {
    _private: (),
}

/// What is behind a [`bh_stdio_instance`].
#[derive(Debug)]
pub(crate) struct Shared {
    id: CString,
    url: CString,
    token: CString,
    report: watch::Receiver<Arc<ProgramReport>>,
    /// Ends it in order.
    end: CancellationToken,
    thread: JoinHandle<()>,
    /// The process that has the thread: a fork of it has only this structure.
    process: u32,
}

impl Opaque for bh_stdio_instance {
    type Object = Shared;
    const NAME: &'static str = "stdio instance";
}

/// A stdio server and how it is announced. Begin with BH_STDIO_OPTIONS_INIT and set the program; the rest may stay 0 or NULL.
/// Texts are borrowed for the call.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bh_stdio_options {
    /// Set by BH_STDIO_OPTIONS_INIT.
    pub size: usize,
    /// The program, looked for in PATH unless it has a path in it. It has the environment of this process. Must be set.
    pub program: *const c_char,
    /// What it is given, as a JSON array of texts. NULL: nothing.
    pub arguments_json: *const c_char,
    /// Announce in this directory. NULL: the user's, or $BRUMMER_DATA_DIR.
    pub data_dir: *const c_char,
    /// What people call it. NULL: the program's name.
    pub name: *const c_char,
    /// Where it is started, and the project that it belongs to. NULL: the working directory.
    pub path: *const c_char,
    /// Id. NULL: a random UUID.
    pub id: *const c_char,
    /// Version. NULL: not told.
    pub version: *const c_char,
    /// Labels, as a JSON object of texts. NULL: none.
    pub labels_json: *const c_char,
    /// The file in which it is kept what the server offers, so that it is listed before the server runs. NULL: nowhere.
    pub inventory: *const c_char,
    /// How long a process is kept that nobody needs. 0: ten minutes; -1: for ever.
    pub idle_ms: i64,
    /// Loopback port. 0: any free one.
    pub port: u16,
    /// Not 0: each session of a client has a process of its own. 0: all share one.
    pub per_session: u16,
    /// For later versions: 0.
    pub reserved: u32,
}

// SAFETY: it is `repr(C)`, begins with `size`, and zero is a number and NULL.
unsafe impl Options for bh_stdio_options {
    const NAME: &'static str = "stdio options";
    const END: usize = offset_of!(Self, reserved) + size_of::<u32>();
}

fn json<T: DeserializeOwned>(name: &str, what: &str, text: &str) -> Result<T, Failure> {
    serde_json::from_str(text).map_err(|error| {
        Failure::new(StatusCode::InvalidJson, format_args!("`{name}` is not {what}: {error}"))
    })
}

/// Reads what to serve.
///
/// # Safety
///
/// As for [`read_options`], and its texts are texts.
unsafe fn served(
    options: *const bh_stdio_options,
) -> Result<(PlainCommand, StdioOptions, InstanceServerBuilder), Failure> {
    // SAFETY: the contract is the same.
    let given = unsafe { read_options(options) }?;
    let given = given.ok_or_else(|| Failure::argument("`options` must not be NULL"))?;
    if given.reserved != 0 {
        return Err(Failure::reserved());
    }
    // SAFETY: as above; this holds for all texts of the options.
    let optional = |name, pointer| unsafe { optional_text(name, pointer) };
    // SAFETY: as above.
    let program = unsafe { text("program", given.program) }?;
    if program.is_empty() {
        return Err(Failure::argument("`program` must not be empty"));
    }
    let mut command = PlainCommand::new(program);
    if let Some(arguments) = optional("arguments_json", given.arguments_json)? {
        command = command.args(json::<Vec<String>>("arguments_json", "a JSON array of strings", arguments)?);
    }
    let stem = Path::new(program).file_stem().and_then(|stem| stem.to_str()).unwrap_or(program);
    let name = optional("name", given.name)?.unwrap_or(stem);
    let mut options = StdioOptions::new(name);
    options.inventory = optional("inventory", given.inventory)?.map(PathBuf::from);
    options.sharing = if given.per_session == 0 { Sharing::Shared } else { Sharing::PerSession };
    match given.idle_ms {
        0 => {}
        FOR_EVER => options.idle = None,
        idle => {
            let idle = u64::try_from(idle).map_err(|_| Failure::argument("`idle_ms` must be -1 or more"))?;
            options.idle = Some(Duration::from_millis(idle));
        }
    }
    // SAFETY: as above.
    let directories = unsafe { directories(given.data_dir) }?;
    let mut announced = InstanceServer::builder().name(name).port(given.port).directories(directories);
    if let Some(path) = optional("path", given.path)? {
        command = command.directory(path);
        announced = announced.path(path);
    }
    if let Some(id) = optional("id", given.id)? {
        let parsed = id.parse::<InstanceId>();
        announced = announced.id(parsed.map_err(|error| Failure::argument(format_args!("`id`: {error}")))?);
    }
    if let Some(version) = optional("version", given.version)? {
        announced = announced.version(version);
    }
    if let Some(labels) = optional("labels_json", given.labels_json)? {
        let what = "a JSON object of strings";
        announced = announced.labels(json::<BTreeMap<String, String>>("labels_json", what, labels)?);
    }
    Ok((command, options, announced))
}

impl Shared {
    fn start(
        command: PlainCommand,
        options: StdioOptions,
        announced: InstanceServerBuilder,
    ) -> Result<Self, Failure> {
        may_wait()?;
        let runtime = runtime()?;
        let instance = runtime.block_on(StdioInstance::start(command, options, announced));
        let instance = instance.map_err(|error| told(&error))?;
        let (server, end) = (instance.server(), CancellationToken::new());
        let token = server.token().map(Secret::expose).unwrap_or_default();
        let (id, url, token) = (c_string(server.id().as_str()), c_string(server.url()), c_string(token));
        let (report, ended) = (instance.report(), end.clone());
        let thread = thread::Builder::new().name("brummer-stdio".to_owned());
        let thread = thread.spawn(move || serve(runtime, instance, &ended))?;
        Ok(Self { id, url, token, report, end, thread, process: process::id() })
    }
}

fn serve(runtime: Runtime, instance: StdioInstance, end: &CancellationToken) {
    signals::leave_to_program();
    runtime.block_on(async {
        end.cancelled().await;
        instance.shutdown().await;
    });
    runtime.shutdown_timeout(LAST_FILES);
}

fn told(error: &ServeError) -> Failure {
    match error {
        ServeError::Announce(_) => Failure::argument(error),
        _ => Failure::new(StatusCode::Io, error),
    }
}

/// Makes an instance of an MCP server that speaks only stdio, and announces it: one process that all hubs and clients share,
/// started when a call needs it, ended when nobody does, started anew after a crash. docs/STDIO.md says what its clients share.
/// A program that cannot be started is no failure here: bh_stdio_instance_report() and the calls that need it say why.
///
/// @param options   must not be NULL.
/// @param instance  must not be NULL; receives the instance, which bh_stdio_instance_stop() ends.
/// @param error     may be NULL; on failure receives an error, which the caller frees.
/// @return BH_STATUS_OK, BH_STATUS_INVALID_ARGUMENT, BH_STATUS_INVALID_UTF8, BH_STATUS_INVALID_JSON, BH_STATUS_UNSUPPORTED for
///         options that this version does not know, BH_STATUS_IO when the port cannot be listened on or the system gives no
///         thread, BH_STATUS_WOULD_DEADLOCK in a log callback.
///
/// Threads: any; waits for a few file operations. It has a thread of its own, which takes no signals.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_stdio_instance_start(
    options: *const bh_stdio_options,
    instance: *mut *mut bh_stdio_instance,
    error: *mut *mut bh_error,
) -> bh_status {
    let start = || {
        if instance.is_null() {
            return Err(Failure::argument("`instance` must not be NULL"));
        }
        // SAFETY: the header asks for options that are as they should be.
        let (command, options, announced) = unsafe { served(options) }?;
        let shared = Shared::start(command, options, announced)?;
        // SAFETY: not null, and the header asks for a place for a pointer.
        unsafe { instance.write(give(Arc::new(shared))) };
        Ok(())
    };
    // SAFETY: the contract of `error` is the same.
    unsafe { boundary(error, start) }
}

/// The instance's id. It lives as long as the instance. NULL if `instance` is NULL or was ended.
///
/// Threads: any; never waits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_stdio_instance_id(instance: *const bh_stdio_instance) -> *const c_char {
    // SAFETY: the header asks for an instance or NULL.
    unsafe { get(instance, ptr::null(), |shared| shared.id.as_ptr()) }
}

/// The URL of its MCP endpoint. It lives as long as the instance. NULL if `instance` is NULL or was ended.
///
/// Threads: any; never waits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_stdio_instance_url(instance: *const bh_stdio_instance) -> *const c_char {
    // SAFETY: the header asks for an instance or NULL.
    unsafe { get(instance, ptr::null(), |shared| shared.url.as_ptr()) }
}

/// What a client without a hub sends as `Authorization: Bearer`. It lives as long as the instance. NULL if `instance` is NULL or
/// was ended.
///
/// Threads: any; never waits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_stdio_instance_token(instance: *const bh_stdio_instance) -> *const c_char {
    // SAFETY: the header asks for an instance or NULL.
    unsafe { get(instance, ptr::null(), |shared| shared.token.as_ptr()) }
}

/// What is known of the server's processes now, as a JSON object: `sharing`, `processes` (`pid`, `state`), `sessions`, `tools`,
/// `is_stale`, `starts`, `last_end`, `garbage`, and `stderr`, the end of what it wrote to standard error.
///
/// @param instance  must not be NULL.
/// @param report    must not be NULL; receives the object, which the caller frees with bh_string_free().
/// @param error     may be NULL; on failure receives an error, which the caller frees.
/// @return BH_STATUS_OK, BH_STATUS_INVALID_ARGUMENT, BH_STATUS_INVALID_HANDLE.
///
/// Threads: any; never waits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_stdio_instance_report(
    instance: *const bh_stdio_instance,
    report: *mut *mut bh_string,
    error: *mut *mut bh_error,
) -> bh_status {
    let tell = || {
        if report.is_null() {
            return Err(Failure::argument("`report` must not be NULL"));
        }
        // SAFETY: the header asks for an instance or NULL.
        let shared = unsafe { inside(instance) }?;
        let known = serde_json::json!(**shared.report.borrow()).to_string();
        // SAFETY: not null, and the header asks for a place for a pointer.
        unsafe { report.write(give_string(c_string(known))) };
        Ok(())
    };
    // SAFETY: the contract of `error` is the same.
    unsafe { boundary(error, tell) }
}

/// Ends an instance and frees it, whatever it returns: takes the announcement back, gives requests in flight two seconds, and ends
/// the server's processes. NULL is fine. In the child of a fork() it only lets go of the handle.
///
/// @param instance  may be NULL.
/// @param error     may be NULL; on failure receives an error, which the caller frees.
/// @return BH_STATUS_OK, BH_STATUS_INVALID_HANDLE.
///
/// Threads: any; waits until the processes have ended, for some seconds at most, but not in a log callback and a `drop_user_data`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_stdio_instance_stop(
    instance: *mut bh_stdio_instance,
    error: *mut *mut bh_error,
) -> bh_status {
    let stop = || {
        // SAFETY: the header asks for an instance or NULL.
        let Some(shared) = (unsafe { retire(instance) })? else { return Ok(()) };
        if shared.process != process::id() {
            // Its thread is in the other process.
            std::mem::forget(shared);
            return Ok(());
        }
        shared.end.cancel();
        // Whoever else looks at it at this moment lets go of it soon; the thread ends by itself then.
        if let Ok(Shared { thread, .. }) = Arc::try_unwrap(shared)
            && may_wait().is_ok()
        {
            // It has nothing to say at its end.
            let _ = thread.join();
        }
        Ok(())
    };
    // SAFETY: the contract of `error` is the same.
    unsafe { boundary(error, stop) }
}
