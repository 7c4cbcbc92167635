//! Messages as they are: out, and in.

use std::{
    ffi::{c_char, c_void},
    sync::Arc,
};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::bh_session;
use crate::{
    bell::bh_descriptor,
    error::bh_error,
    events::bh_drop_callback,
    ffi::{Failure, UserData, boundary, c_string, give, inside, text, wait_time},
    status::bh_status,
    string::{bh_string, give_string},
    subscription::{Call, Source, Subscription, bh_subscription},
};

/// Sends one JSON-RPC message as it is: a notification, the answer to an instance's question, or a request with an id of
/// the program's own, whose answer comes as a message. Ids that begin with "bh-" are the library's.
///
/// @param session  must not be NULL.
/// @param message  must not be NULL: JSON of one message; no batch.
/// @param error    may be NULL; on failure receives an error, which the caller frees.
/// @return BH_STATUS_OK, BH_STATUS_INVALID_JSON, BH_STATUS_INVALID_ARGUMENT for JSON that is no JSON-RPC message,
///         BH_STATUS_INVALID_UTF8, BH_STATUS_CLOSED, BH_STATUS_WOULD_DEADLOCK in a log callback,
///         BH_STATUS_INVALID_HANDLE, BH_STATUS_FORKED.
///
/// Threads: any, also in callbacks; waits only while the session is busy.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_session_send(
    session: *const bh_session,
    message: *const c_char,
    error: *mut *mut bh_error,
) -> bh_status {
    let send = || {
        // SAFETY: the header asks for a session and a text, or NULL.
        let (session, message) = unsafe { (inside(session)?, text("message", message)?) };
        let sent = session.client.send(Bytes::copy_from_slice(message.as_bytes()));
        Ok(session.running.wait(None, sent)??)
    };
    // SAFETY: the contract of `error` is the same.
    unsafe { boundary(error, send) }
}

/// Takes the next message: a notification, a question of an instance, or the answer to a request that was sent with
/// bh_session_send(). Answers to bh_session_call_tool() and its like never come here. Messages that nobody takes wait in a
/// queue; what does not fit into it is counted (bh_session_missed()), but answers are never dropped.
///
/// @param session     must not be NULL.
/// @param timeout_ms  how long to wait; 0 does not wait, BH_FOREVER (or any negative number) waits until something comes.
/// @param message     must not be NULL; receives the message, which the caller frees with bh_string_free().
/// @param error       may be NULL; on failure receives an error, which the caller frees.
/// @return BH_STATUS_OK, BH_STATUS_TIMEOUT, BH_STATUS_CLOSED, BH_STATUS_BUSY when another thread is waiting here or the
///         messages go to a callback, BH_STATUS_WOULD_DEADLOCK in a log callback, BH_STATUS_INVALID_ARGUMENT,
///         BH_STATUS_INVALID_HANDLE, BH_STATUS_FORKED.
///
/// Threads: any, one at a time; waits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_session_receive(
    session: *const bh_session,
    timeout_ms: i32,
    message: *mut *mut bh_string,
    error: *mut *mut bh_error,
) -> bh_status {
    let receive = || {
        // SAFETY: the header asks for a session or NULL.
        let session = unsafe { inside(session) }?;
        if message.is_null() {
            return Err(Failure::argument("`message` must not be NULL"));
        }
        let received = session.mailbox.next("session", wait_time(timeout_ms))?;
        // SAFETY: not null, and the header asks for a place for a pointer.
        unsafe { message.write(give_string(c_string(received))) };
        Ok(())
    };
    // SAFETY: the contract of `error` is the same.
    unsafe { boundary(error, receive) }
}

/// A descriptor that is ready when there may be a message, or the session has ended; as bh_events_descriptor(), with
/// bh_session_receive(). It belongs to the session.
///
/// @param session     must not be NULL.
/// @param descriptor  must not be NULL; receives the descriptor, the same each time.
/// @param error       may be NULL; on failure receives an error, which the caller frees.
/// @return BH_STATUS_OK, BH_STATUS_IO, BH_STATUS_INVALID_ARGUMENT, BH_STATUS_INVALID_HANDLE, BH_STATUS_FORKED.
///
/// Threads: any; never waits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_session_descriptor(
    session: *const bh_session,
    descriptor: *mut bh_descriptor,
    error: *mut *mut bh_error,
) -> bh_status {
    let get = || {
        // SAFETY: the header asks for a session or NULL.
        let session = unsafe { inside(session) }?;
        if descriptor.is_null() {
            return Err(Failure::argument("`descriptor` must not be NULL"));
        }
        let found = session.mailbox.descriptor()?;
        // SAFETY: not null, and the header asks for a place for a descriptor.
        unsafe { descriptor.write(found) };
        Ok(())
    };
    // SAFETY: the contract of `error` is the same.
    unsafe { boundary(error, get) }
}

/// Called with each message: NUL-terminated UTF-8, and its length without the NUL. It is valid only during the call.
pub type bh_message_callback =
    Option<unsafe extern "C" fn(user_data: *mut c_void, message: *const c_char, length: usize)>;

type MessageFn = unsafe extern "C" fn(user_data: *mut c_void, message: *const c_char, length: usize);

/// Messages, as calls of the program.
struct Told {
    messages: mpsc::Receiver<Bytes>,
    callback: MessageFn,
}

impl Source for Told {
    async fn next(&mut self) -> Option<Call> {
        let callback = self.callback;
        let message = self.messages.recv().await?;
        Some(Call::new(move |user_data| {
            let message = c_string(message);
            // SAFETY: the program gave this function to be called with this pointer and a text.
            unsafe { callback(user_data, message.as_ptr(), message.count_bytes()) };
        }))
    }
}

/// Calls `callback` for every message of the session from now on, instead of bh_session_receive(). The rules for callbacks
/// are those of bh_hub_on_event(). A session has one such callback for its whole life: after bh_subscription_free()
/// notifications are dropped and questions refused.
///
/// @param session         must not be NULL.
/// @param callback        must not be NULL.
/// @param user_data       may be NULL; given to the callback as it is.
/// @param drop_user_data  may be NULL; called once with `user_data` when the callback will not be called any more.
/// @param subscription    must not be NULL; receives what ends the calls: bh_subscription_free().
/// @param error           may be NULL; on failure receives an error, which the caller frees.
/// @return BH_STATUS_OK, BH_STATUS_BUSY when there is a callback already or a thread is receiving, BH_STATUS_CLOSED,
///         BH_STATUS_INVALID_ARGUMENT, BH_STATUS_INVALID_HANDLE, BH_STATUS_FORKED.
///
/// Threads: any; never waits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_session_on_message(
    session: *const bh_session,
    callback: bh_message_callback,
    user_data: *mut c_void,
    drop_user_data: bh_drop_callback,
    subscription: *mut *mut bh_subscription,
    error: *mut *mut bh_error,
) -> bh_status {
    let user_data = UserData::new(user_data, drop_user_data);
    let subscribe = || {
        // SAFETY: the header asks for a session or NULL.
        let session = unsafe { inside(session) }?;
        session.running.check_open()?;
        if session.mailbox.is_closed() {
            return Err(Failure::closed("session"));
        }
        let callback = callback.ok_or_else(|| Failure::argument("`callback` must not be NULL"))?;
        if subscription.is_null() {
            return Err(Failure::argument("`subscription` must not be NULL"));
        }
        let messages = session.mailbox.divert()?;
        let started = Subscription::start(&session.running, user_data, Told { messages, callback });
        // SAFETY: not null, and the header asks for a place for a pointer.
        unsafe { subscription.write(give(Arc::new(started))) };
        Ok(())
    };
    // SAFETY: the contract of `error` is the same.
    unsafe { boundary(error, subscribe) }
}
