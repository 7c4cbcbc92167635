//! From the runtime's thread to JavaScript.

use std::sync::Arc;

use bytes::Bytes;
use napi::{
    Status,
    bindgen_prelude::{FnArgs, Function},
    threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What JavaScript calls back with: what it is, and a text.
pub(crate) type Callback<'a> = Function<'a, FnArgs<(String, String)>, ()>;

/// Messages that may wait for JavaScript. While its thread is busy with something else, the rest waits where it came
/// from.
const WAITING: usize = 256;

/// One call of the callback.
struct Event {
    kind: &'static str,
    text: Bytes,
    /// Given back when JavaScript has got it.
    _room: Option<OwnedSemaphorePermit>,
}

type WeakFunction = ThreadsafeFunction<Event, (), FnArgs<(String, String)>, Status, false, true>;

/// Calls a JavaScript function, from any thread and in order. A cheap clone. It does not keep the event loop alive.
#[derive(Clone)]
pub(crate) struct Emitter {
    function: Arc<WeakFunction>,
    room: Arc<Semaphore>,
}

/// The environment has ended.
pub(crate) struct Gone;

impl Emitter {
    pub(crate) fn new(callback: &Callback<'_>) -> napi::Result<Self> {
        let function =
            callback.build_threadsafe_function::<Event>().weak::<true>().build_callback(|context| {
                let text = String::from_utf8_lossy(&context.value.text).into_owned();
                Ok(FnArgs::from((context.value.kind.to_owned(), text)))
            })?;
        Ok(Self { function: Arc::new(function), room: Arc::new(Semaphore::new(WAITING)) })
    }

    /// For what happens once: needs no room.
    pub(crate) fn call(&self, kind: &'static str, text: impl Into<Bytes>) {
        // Nobody is left to be told when the environment has ended.
        let _ = self.emit(Event { kind, text: text.into(), _room: None });
    }

    /// For what may happen often: waits while too much waits for JavaScript.
    pub(crate) async fn send(&self, kind: &'static str, text: impl Into<Bytes>) -> Result<(), Gone> {
        let room = Arc::clone(&self.room).acquire_owned().await.map_err(|_| Gone)?;
        self.emit(Event { kind, text: text.into(), _room: Some(room) })
    }

    fn emit(&self, event: Event) -> Result<(), Gone> {
        match self.function.call(event, ThreadsafeFunctionCallMode::NonBlocking) {
            Status::Ok => Ok(()),
            _ => Err(Gone),
        }
    }
}

/// An error with a code of the package's table, to be thrown.
pub(crate) fn thrown(code: &'static str, message: impl std::fmt::Display) -> napi::Error<String> {
    napi::Error::new(code.to_owned(), message.to_string())
}

/// The same as a text, for a callback.
pub(crate) fn failure(code: &'static str, message: impl std::fmt::Display) -> String {
    serde_json::json!({ "code": code, "message": message.to_string() }).to_string()
}

/// Codes that cross; the full table is in `npm/brummer-hub/lib/errors.js`.
pub(crate) mod code {
    pub(crate) const CLOSED: &str = "ERR_BH_CLOSED";
    pub(crate) const INVALID_ARGUMENT: &str = "ERR_BH_INVALID_ARGUMENT";
    pub(crate) const IO: &str = "ERR_BH_IO";
    pub(crate) const UNSUPPORTED: &str = "ERR_BH_UNSUPPORTED";
}
