//! What comes in from the client: lines taken apart, requests checked and sent on their way.

use super::{
    Input,
    client::{self, ReplyTo, Running},
    task::SessionTask,
};
use crate::{
    frame::{Frame, FrameError, Kind, Parts, split_batch},
    protocol::{LegacyVersion, ModernVersion, code, meta, method},
};

/// Requests of one client that may be in flight at once; further ones are refused. Far above what any client does,
/// and low enough that a runaway client cannot exhaust memory.
const MAX_IN_FLIGHT: usize = 1024;

/// Messages in one batch.
const MAX_BATCH: usize = 1024;

impl SessionTask {
    pub(super) fn on_input(&mut self, input: Input) {
        match input {
            Input::Message(bytes) => match Frame::parse(bytes.clone()) {
                Ok(frame) => self.on_frame(frame, None),
                Err(FrameError::Batch) => self.on_batch(&bytes),
                Err(error) => {
                    let answer = unreadable(&error);
                    self.emit(answer);
                }
            },
            Input::TooLong { limit } => {
                let message = format!("the message is over the limit of {limit} bytes and was not read");
                self.emit(client::error(None, code::INVALID_REQUEST, &message, None));
            }
        }
    }

    /// Takes a batch apart (2025-03-26 only: basic § Batching; a client that has not said its revision may be of it).
    fn on_batch(&mut self, bytes: &bytes::Bytes) {
        let version = self.phase.identity().map_or(LegacyVersion::V2025_03_26, |identity| identity.version);
        if !version.has_batches() {
            let message = format!("batches are not part of MCP {version}; send each message by itself");
            return self.emit(client::error(None, code::INVALID_REQUEST, &message, None));
        }
        let messages = match split_batch(bytes, MAX_BATCH) {
            Ok(messages) => messages,
            Err(error) => return self.emit(unreadable(&error)),
        };
        let frames: Vec<_> = messages.into_iter().map(Frame::parse).collect();
        let due = frames
            .iter()
            .filter(|frame| frame.as_ref().map_or(true, |frame| matches!(frame.kind(), Kind::Request { .. })))
            .count();
        let batch = (due > 0).then(|| self.owed.open_batch(due));
        for frame in frames {
            match frame {
                Ok(frame) => self.on_frame(frame, batch),
                Err(error) => {
                    if let Some(parts) = self.owed.answer(batch, unreadable(&error)) {
                        self.emit(parts);
                    }
                }
            }
        }
    }

    fn on_frame(&mut self, frame: Frame, batch: Option<u64>) {
        match frame.kind() {
            Kind::Request { .. } => {
                let to = ReplyTo { id: frame.id().unwrap_or_default().into(), batch, claim: None };
                self.on_request(frame, to);
            }
            Kind::Notification { .. } => self.on_client_notification(&frame),
            Kind::Response { .. } => self.on_client_response(&frame),
        }
    }

    fn on_request(&mut self, frame: Frame, to: ReplyTo) {
        if self.owed.contains(&to.id) {
            // The first one keeps its claim to the id, so this one is answered past the books.
            let text = "a request with this id is still in flight";
            let answer = client::error(Some(&to.id), code::INVALID_REQUEST, text, None);
            if let Some(parts) = self.owed.answer(to.batch, answer) {
                self.emit(parts);
            }
            return;
        }
        if self.owed.len() >= MAX_IN_FLIGHT {
            let text = format!("{MAX_IN_FLIGHT} requests are in flight; wait until one of them is answered");
            return self.answer_error(&to, code::INTERNAL_ERROR, &text);
        }
        if frame.method() == Some(method::INITIALIZE) {
            return self.initialize(&frame, &to);
        }
        if let Some(claim) = self.claim(&frame) {
            return self.on_modern_request(frame, to, claim);
        }
        if frame.method() == Some(method::PING) {
            return self.answer_result(&to, "{}");
        }
        if self.phase.identity().is_none() && !self.is_own_tool_call(&frame) {
            let text = format!(
                "nothing says which revision of MCP this is: send `initialize` first (up to {}), or give every request \
                 its `_meta` with `{}` (from {} on)",
                LegacyVersion::LATEST,
                meta::PROTOCOL_VERSION,
                ModernVersion::ALL[0].as_str(),
            );
            return self.answer_error(&to, code::INVALID_PARAMS, &text);
        }
        self.route_when_settled(frame, to);
    }

    pub(super) fn route_when_settled(&mut self, frame: Frame, to: ReplyTo) {
        if self.settled {
            return self.route(&frame, &to);
        }
        // What the hub lists must be true from the first answer on, so it has to look around first.
        self.owed.set(&to, Running::Deferred);
        self.deferred.push((frame, to));
    }

    /// The hub has looked around: what waited for that goes on.
    pub(super) fn settle(&mut self) {
        if !self.settled {
            self.settled = true;
            for (frame, to) in std::mem::take(&mut self.deferred) {
                // One that was cancelled in the meantime is no longer owed.
                if self.owed.contains(&to.id) {
                    self.route(&frame, &to);
                }
            }
        }
    }

    /// Whether the request is a call of one of the hub's own tools: these need no handshake, so that a single line
    /// piped into the program gets its answer.
    fn is_own_tool_call(&self, frame: &Frame) -> bool {
        frame.method() == Some(method::TOOLS_CALL)
            && super::route::tool_name(frame)
                .is_some_and(|name| super::hub_tools::Tool::named(&name).is_some())
    }
}

/// The answer to what is no message.
fn unreadable(error: &FrameError) -> Parts {
    match error {
        FrameError::NotJson(_) => client::error(None, code::PARSE_ERROR, &error.to_string(), None),
        FrameError::NotJsonRpc { id, .. } => {
            client::error(id.as_deref(), code::INVALID_REQUEST, &error.to_string(), None)
        }
        FrameError::Batch => client::error(None, code::INVALID_REQUEST, "a batch inside a batch", None),
    }
}
