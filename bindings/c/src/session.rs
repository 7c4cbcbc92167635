//! Sessions: the program as an MCP client of the hub.

pub mod calls;
pub mod messages;
pub mod options;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use engine::client::{Client, Incoming, Received};

use self::options::client_config;
pub(crate) use self::options::{bh_session_options, stdio_session};
use crate::{
    error::bh_error,
    ffi::{Failure, Opaque, boundary, boundary_void, get, give, inside, retire},
    hub::bh_hub,
    mailbox::{Mailbox, Supply},
    running::{Running, let_go},
    status::bh_status,
};

/// The program's own conversation with the hub, as an MCP client. It has its own connection to an instance. Any number of
/// threads may use it at the same time.
#[derive(Debug)]
pub struct bh_session {
    _private: (),
}

/// What is behind a [`bh_session`].
#[derive(Debug)]
pub(crate) struct Conversation {
    running: Arc<Running>,
    client: Client,
    mailbox: Mailbox<bytes::Bytes>,
    missed: Arc<AtomicU64>,
}

impl Opaque for bh_session {
    type Object = Conversation;
    const NAME: &'static str = "session";
}

/// Messages for the program; what it missed is counted.
struct Messages {
    incoming: Incoming,
    missed: Arc<AtomicU64>,
}

impl Supply for Messages {
    type Item = bytes::Bytes;

    async fn next(&mut self) -> Option<bytes::Bytes> {
        loop {
            match self.incoming.recv().await? {
                Received::Message(frame) => return Some(frame.bytes().clone()),
                Received::Missed(many) => {
                    self.missed.fetch_add(many, Ordering::Relaxed);
                }
                // Something that only a later engine hands out.
                _ => {}
            }
        }
    }
}

/// Opens a session. The library makes the MCP handshake, unless the options say otherwise.
///
/// @param hub      must not be NULL.
/// @param options  may be NULL: as BH_SESSION_OPTIONS_INIT.
/// @param session  must not be NULL; receives the session, which the caller frees with bh_session_free().
/// @param error    may be NULL; on failure receives an error, which the caller frees.
/// @return BH_STATUS_OK, BH_STATUS_INVALID_ARGUMENT, BH_STATUS_INVALID_UTF8, BH_STATUS_INVALID_JSON, BH_STATUS_CLOSED
///         after bh_hub_stop(), BH_STATUS_UNSUPPORTED for options that this version does not know,
///         BH_STATUS_INVALID_HANDLE, BH_STATUS_FORKED.
///
/// Threads: any; never waits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_session_open(
    hub: *const bh_hub,
    options: *const bh_session_options,
    session: *mut *mut bh_session,
    error: *mut *mut bh_error,
) -> bh_status {
    let open = || {
        // SAFETY: the header asks for a hub or NULL.
        let running = unsafe { inside(hub) }?;
        running.check_open()?;
        if session.is_null() {
            return Err(Failure::argument("`session` must not be NULL"));
        }
        // SAFETY: the header asks for options that are as they should be, or NULL.
        let config = unsafe { client_config(options) }?;
        let (client, incoming) = {
            let _context = running.runtime().enter();
            running.hub.client(config)?
        };
        let missed = Arc::new(AtomicU64::new(0));
        let mailbox = Mailbox::fill(&running, Messages { incoming, missed: Arc::clone(&missed) });
        let conversation = Conversation { running, client, mailbox, missed };
        // SAFETY: not null, and the header asks for a place for a pointer.
        unsafe { session.write(give(Arc::new(conversation))) };
        Ok(())
    };
    // SAFETY: the contract of `error` is the same.
    unsafe { boundary(error, open) }
}

/// How many messages were dropped so far because nobody took them: notifications only, and questions of instances, which
/// were refused for the program. 0 if `session` is NULL or was freed.
///
/// Threads: any; never waits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_session_missed(session: *const bh_session) -> u64 {
    // SAFETY: the header asks for a session or NULL.
    unsafe { get(session, 0, |session| session.missed.load(Ordering::Relaxed)) }
}

/// Ends a session and waits until its connections are closed. Calls that wait on other threads return BH_STATUS_CLOSED, and
/// so does everything that is asked of it from then on. The handle stays valid until it is freed. Closing twice is fine.
///
/// @param session  must not be NULL.
/// @param error    may be NULL; on failure receives an error, which the caller frees.
/// @return BH_STATUS_OK, BH_STATUS_WOULD_DEADLOCK in a log callback, BH_STATUS_INVALID_ARGUMENT, BH_STATUS_INVALID_HANDLE,
///         BH_STATUS_FORKED.
///
/// Threads: any, also in callbacks; waits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_session_close(
    session: *const bh_session,
    error: *mut *mut bh_error,
) -> bh_status {
    let close = || {
        // SAFETY: the header asks for a session or NULL.
        let session = unsafe { inside(session) }?;
        session.running.wait(None, session.client.close())?;
        session.mailbox.close();
        Ok(())
    };
    // SAFETY: the contract of `error` is the same.
    unsafe { boundary(error, close) }
}

/// Ends a session, if it was not, and frees it. NULL is fine. In the child of a fork() it only lets go of the handle. In a
/// log callback and in a `drop_user_data` it does not wait.
///
/// Threads: any, also in callbacks; waits as bh_session_close() does, and, if it was the last handle of its hub, for the
/// hub's threads to end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_session_free(session: *mut bh_session) {
    boundary_void(|| {
        // SAFETY: the header asks for a session or NULL.
        let Some(session) = (unsafe { retire(session) })? else { return Ok(()) };
        session.running.end(session.client.close());
        session.mailbox.close();
        let_go(session, |session| session.running.is_here());
        Ok(())
    });
}
