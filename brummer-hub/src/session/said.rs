//! What the client says that is no request: notifications, and answers to what it was asked.

use super::{
    client::{self, Caller, Running},
    notify::{Cancelled, Progress},
    questions::Answered,
    task::SessionTask,
};
use crate::{
    frame::{Frame, Parts, splice},
    protocol::method,
};

impl SessionTask {
    pub(super) fn on_client_notification(&mut self, frame: &Frame) {
        match frame.method().unwrap_or_default() {
            method::INITIALIZED => self.initialized(),
            method::CANCELLED => self.on_client_cancelled(frame),
            method::PROGRESS => self.on_client_progress(frame),
            method::ROOTS_LIST_CHANGED => {
                let theirs = self.links.iter().filter(|(_, link)| link.caller == Caller::Greeted);
                let links: Vec<_> = theirs.map(|(id, _)| id).collect();
                for link in links {
                    self.send_to(link, Parts::whole(frame.bytes().clone()));
                }
                self.roots_changed();
            }
            // Without a handshake there is nothing that a client could say to the hub unasked and that means an instance.
            _ if self.phase.identity().is_none() => {}
            _ => {
                if let Some(target) = self.target.instance().cloned() {
                    let link = self.link_to(&target, Caller::Greeted);
                    self.send_to(link, Parts::whole(frame.bytes().clone()));
                }
            }
        }
    }

    /// Requests that are unknown or answered already are ignored (cancellation § Behavior Requirements).
    fn on_client_cancelled(&mut self, frame: &Frame) {
        let Some(Cancelled { request }) = frame.peek() else { return };
        let Some((running, batch)) = self.owed.take(request.get()) else { return };
        match running {
            Running::Upstream(id) => self.cancel_upstream(id, Some((frame, request.get()))),
            Running::Job { handle, .. } | Running::Subscribing { handle, .. } => handle.abort(),
            Running::Listening => self.stop_listening(request.get()),
            Running::Deferred => {}
        }
        if let Some(parts) = batch.and_then(|batch| self.owed.skip_in_batch(batch)) {
            self.emit(parts);
        }
    }

    /// Tells the instance in the client's words, or in the hub's when the client is gone.
    pub(super) fn cancel_upstream(&mut self, request: u64, said: Option<(&Frame, &str)>) {
        self.suspensions.forget(request);
        let Some(pending) = self.links.finish(request) else { return };
        let Some(open) = self.links.get(pending.link) else { return };
        let id = request.to_string();
        let text = match said {
            Some((frame, raw)) => splice(frame.bytes(), [(frame.span_of(raw), id.into())]),
            None => {
                let params = format!(r#"{{"requestId":{id},"reason":"the client is gone"}}"#);
                client::notification(method::CANCELLED, Some(&params)).join()
            }
        };
        open.upstream.cancel(request, text);
    }

    fn on_client_progress(&mut self, frame: &Frame) {
        let Some(Progress { token }) = frame.peek() else { return };
        let Some((link, original)) = self.questions.progress(token.get()) else { return };
        let text = splice(frame.bytes(), [(frame.span_of(token.get()), original.into())]);
        self.send_to(link, Parts::whole(text));
    }

    pub(super) fn on_client_response(&mut self, frame: &Frame) {
        match self.questions.answered(frame) {
            Answered::Instance(link, parts) => self.send_to(link, parts),
            Answered::Roots => self.on_roots(frame),
            Answered::Nobody => {}
        }
    }
}
