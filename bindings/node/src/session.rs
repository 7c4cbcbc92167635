//! A session of a hub: messages in and messages out, as they are.

use brummer_hub::session::{Session, SessionReceiver, SessionSender};
use napi_derive::napi;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    emit::{Callback, Emitter, code, thrown},
    hub::emitter,
    runtime::runtime,
};

type Result<T> = std::result::Result<T, napi::Error<String>>;

/// A session. It ends when it is collected.
#[napi]
pub struct NativeSession {
    sender: SessionSender,
    stop: CancellationToken,
    _ends: DropGuard,
}

#[napi]
impl NativeSession {
    /// Sends one message if the session can take it now; says whether it could.
    ///
    /// # Errors
    /// When the session has ended.
    #[napi(catch_unwind)]
    pub fn send(&self, message: String) -> Result<bool> {
        self.sender.try_send(message).map_err(ended)
    }

    /// Sends one message as soon as the session can take it, and calls back then.
    ///
    /// # Errors
    /// When the callback cannot be called.
    #[napi(catch_unwind)]
    pub fn send_later(&self, message: String, callback: Callback<'_>) -> Result<()> {
        let (sender, emitter) = (self.sender.clone(), emitter(&callback)?);
        runtime().spawn(async move {
            match sender.send(message).await {
                Ok(()) => emitter.call("done", ""),
                Err(_) => emitter.call("ended", ""),
            }
        });
        Ok(())
    }

    /// Ends it; the callback of its messages is told at the end of all.
    #[napi]
    pub fn close(&self) {
        self.stop.cancel();
    }
}

impl NativeSession {
    /// Carries what the session says to JavaScript, until it ends.
    pub(crate) fn carry(session: Session, emitter: Emitter) -> Self {
        let (sender, receiver) = session.split();
        let stop = CancellationToken::new();
        runtime().spawn(carry(receiver, emitter, stop.clone()));
        Self { sender, _ends: stop.clone().drop_guard(), stop }
    }
}

async fn carry(mut receiver: SessionReceiver, emitter: Emitter, stop: CancellationToken) {
    let carried = async {
        while let Some(message) = receiver.recv().await {
            if emitter.send("message", message).await.is_err() {
                return;
            }
        }
    };
    stop.run_until_cancelled(carried).await;
    receiver.close().await;
    emitter.call("end", "");
}

fn ended(error: impl std::fmt::Display) -> napi::Error<String> {
    thrown(code::CLOSED, error)
}
