//! Calls that wait for their answer.

use std::ffi::c_char;

use bytes::Bytes;
use engine::{
    StatusCode,
    client::{ClientError, Request},
};
use tokio_util::sync::CancellationToken;

use super::{Conversation, bh_session};
use crate::{
    cancel::{self, bh_cancel},
    error::bh_error,
    ffi::{Failure, boundary, c_string, inside, optional_text, text, wait_time},
    status::bh_status,
    string::{bh_string, give_string},
};

/// Waits for an answer, or for whoever cancels.
async fn answered<T>(
    answer: impl Future<Output = Result<T, ClientError>>,
    cancel: Option<CancellationToken>,
) -> Result<T, Failure> {
    let answered = match cancel {
        None => Some(answer.await),
        Some(cancel) => cancel.run_until_cancelled(answer).await,
    };
    match answered {
        Some(answer) => answer.map_err(Failure::from),
        None => Err(Failure::new(StatusCode::Cancelled, "it was cancelled")),
    }
}

/// Gives an answer to C.
///
/// # Safety
///
/// `place` is NULL or a place for a pointer.
unsafe fn put(place: *mut *mut bh_string, answer: Bytes) {
    if !place.is_null() {
        // SAFETY: not null, and by the contract of this function a place for a pointer.
        unsafe { place.write(give_string(c_string(answer))) };
    }
}

impl Conversation {
    fn ask(
        &self,
        mut request: Request,
        timeout_ms: i32,
        cancel: Option<CancellationToken>,
    ) -> Result<Bytes, Failure> {
        if let Some(limit) = wait_time(timeout_ms) {
            request = request.timeout(limit);
        }
        let answer = answered(self.client.request(request), cancel);
        Ok(self.running.wait(None, answer)??.into_bytes())
    }
}

/// Calls a tool and waits for its result.
///
/// A tool that failed on its own terms has a result too, with `"isError":true`: that is BH_STATUS_OK. When the time is up,
/// or the call is cancelled, the instance is told; whether it had done what was asked is not known. A call is never
/// repeated by the library.
///
/// @param session         must not be NULL.
/// @param instance        which instance: id, alias, name, or a unique beginning of one. NULL: a tool that the session
///                        lists: one of the hub's own, or of the connected instance.
/// @param tool            must not be NULL.
/// @param arguments_json  a JSON object. NULL: {}.
/// @param timeout_ms      how long to wait at most; BH_FOREVER (or any negative number) for as long as it takes.
/// @param cancel          may be NULL; ends the call from another thread with bh_cancel_fire().
/// @param result_json     may be NULL; receives the `result` of tools/call as the instance wrote it, which the caller frees
///                        with bh_string_free().
/// @param error           may be NULL; on failure receives an error, which the caller frees.
/// @return BH_STATUS_OK, BH_STATUS_RPC for an error that was answered (an unknown tool, an instance that died),
///         BH_STATUS_TIMEOUT, BH_STATUS_CANCELLED, BH_STATUS_CLOSED, BH_STATUS_TOO_MANY, BH_STATUS_INVALID_ARGUMENT,
///         BH_STATUS_INVALID_UTF8, BH_STATUS_INVALID_JSON, BH_STATUS_WOULD_DEADLOCK in a log callback,
///         BH_STATUS_INVALID_HANDLE, BH_STATUS_FORKED.
///
/// Threads: any number at the same time, also callbacks; waits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_session_call_tool(
    session: *const bh_session,
    instance: *const c_char,
    tool: *const c_char,
    arguments_json: *const c_char,
    timeout_ms: i32,
    cancel: *const bh_cancel,
    result_json: *mut *mut bh_string,
    error: *mut *mut bh_error,
) -> bh_status {
    let call = || {
        // SAFETY: the header asks for a session, a cancel object and texts, or NULL.
        let (session, cancel) = unsafe { (inside(session)?, cancel::token(cancel)?) };
        // SAFETY: as above.
        let (instance, tool, arguments) = unsafe {
            (
                optional_text("instance", instance)?,
                text("tool", tool)?,
                optional_text("arguments_json", arguments_json)?,
            )
        };
        let request = Request::tool(instance, tool, arguments)?;
        let result = session.ask(request, timeout_ms, cancel)?;
        // SAFETY: the header asks for a place for a pointer, or NULL.
        unsafe { put(result_json, result) };
        Ok(())
    };
    // SAFETY: the contract of `error` is the same.
    unsafe { boundary(error, call) }
}

/// Sends a request of any method, such as "tools/list" or "resources/read", and waits for its result.
///
/// @param session      must not be NULL.
/// @param method       must not be NULL.
/// @param params_json  a JSON object. NULL: no params.
/// @param timeout_ms   as for bh_session_call_tool().
/// @param cancel       may be NULL.
/// @param result_json  may be NULL; receives the `result` as it was answered, which the caller frees with bh_string_free().
/// @param error        may be NULL; on failure receives an error, which the caller frees.
/// @return as bh_session_call_tool().
///
/// Threads: any number at the same time, also callbacks; waits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_session_request(
    session: *const bh_session,
    method: *const c_char,
    params_json: *const c_char,
    timeout_ms: i32,
    cancel: *const bh_cancel,
    result_json: *mut *mut bh_string,
    error: *mut *mut bh_error,
) -> bh_status {
    let request = || {
        // SAFETY: the header asks for a session, a cancel object and texts, or NULL.
        let (session, cancel) = unsafe { (inside(session)?, cancel::token(cancel)?) };
        // SAFETY: as above.
        let (method, params) =
            unsafe { (text("method", method)?, optional_text("params_json", params_json)?) };
        let result = session.ask(Request::new(method, params)?, timeout_ms, cancel)?;
        // SAFETY: the header asks for a place for a pointer, or NULL.
        unsafe { put(result_json, result) };
        Ok(())
    };
    // SAFETY: the contract of `error` is the same.
    unsafe { boundary(error, request) }
}

/// Connects the session to an instance: from then on its tools, resources and prompts are there under their own names. A
/// former connection is replaced. When the instance restarts, the session follows it.
///
/// @param session      must not be NULL.
/// @param instance     must not be NULL: id, alias, name, or a unique beginning of one.
/// @param timeout_ms   as for bh_session_call_tool().
/// @param cancel       may be NULL.
/// @param result_json  may be NULL; receives the result of the tool instances_connect, which the caller frees with
///                     bh_string_free().
/// @param error        may be NULL; on failure receives an error, which the caller frees.
/// @return BH_STATUS_OK, BH_STATUS_TOOL when there is no such instance, several could be meant, or it does not answer; else
///         as bh_session_call_tool().
///
/// Threads: any, also in callbacks; waits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_session_connect(
    session: *const bh_session,
    instance: *const c_char,
    timeout_ms: i32,
    cancel: *const bh_cancel,
    result_json: *mut *mut bh_string,
    error: *mut *mut bh_error,
) -> bh_status {
    let connect = || {
        // SAFETY: the header asks for a session, a cancel object and a text, or NULL.
        let (session, cancel) = unsafe { (inside(session)?, cancel::token(cancel)?) };
        // SAFETY: as above.
        let instance = unsafe { text("instance", instance) }?;
        let connected = answered(session.client.connect(instance, wait_time(timeout_ms)), cancel);
        let result = session.running.wait(None, connected)??;
        // SAFETY: the header asks for a place for a pointer, or NULL.
        unsafe { put(result_json, result.into_bytes()) };
        Ok(())
    };
    // SAFETY: the contract of `error` is the same.
    unsafe { boundary(error, connect) }
}

/// Ends the session's connection to its instance. Without one that is fine too.
///
/// @param session     must not be NULL.
/// @param timeout_ms  as for bh_session_call_tool().
/// @param error       may be NULL; on failure receives an error, which the caller frees.
/// @return as bh_session_call_tool().
///
/// Threads: any, also in callbacks; waits for the hub only.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_session_disconnect(
    session: *const bh_session,
    timeout_ms: i32,
    error: *mut *mut bh_error,
) -> bh_status {
    let disconnect = || {
        // SAFETY: the header asks for a session or NULL.
        let session = unsafe { inside(session) }?;
        session.running.wait(None, session.client.disconnect(wait_time(timeout_ms)))??;
        Ok(())
    };
    // SAFETY: the contract of `error` is the same.
    unsafe { boundary(error, disconnect) }
}
