//! Clients of the revisions without a handshake (from 2026-07-28 on), in the same session as those with one.
//!
//! Every request says of itself which revision it is of and what its client can do; a [`Claim`] holds that, and travels
//! with the request to its answer. Nothing that such a client sends changes what it is listed: it sees the tools,
//! resources and prompts of all active instances at all times.
//!
//! ```text
//!  request ──▶ Claim ──▶ route ──▶ link of this Caller ──▶ instance
//!     ▲                                │ asks (legacy instance)
//!     └── input_required ◀── Suspensions ◀──┘          notifications ──▶ Listens ──▶ client
//! ```
//!
//! - [`Callers`]: the capabilities that requests have claimed, each with links of its own, so that an instance with a
//!   session sees exactly those of the client that calls.
//! - [`Listens`]: the `subscriptions/listen` requests that are open, and what each asked for.
//! - [`Suspensions`]: calls of instances that asked something. An instance with a session asks by a request and waits; a
//!   client without one must be answered, and comes back with a new request. Between the two the hub holds the call.

use super::{client::ReplyTo, task::SessionTask};
use crate::{
    frame::Frame,
    protocol::{code, method},
};

mod claim;
mod discover;
mod fit;
mod hear;
mod listen;
mod listens;
mod suspend;
mod suspended;
#[cfg(test)]
mod tests;

pub(super) use self::{
    claim::{Callers, Claim, Refusal, with_meta},
    fit::{error_code, fitted, own_result, without},
    listen::Listening,
    listens::Listens,
    suspend::Resumed,
    suspended::{Outcome, Suspensions},
};

impl SessionTask {
    /// A request of a revision without a handshake: checked, and then answered or routed like any other.
    pub(super) fn on_modern_request(&mut self, frame: Frame, mut to: ReplyTo, claim: Result<Claim, Refusal>) {
        if to.batch.is_some() {
            let text = "batches are not part of this revision; send each message by itself";
            return self.answer_error(&to, code::INVALID_REQUEST, text);
        }
        match claim {
            Ok(claim) => to.claim = Some(claim.into()),
            Err(refusal) => return self.answer(&to, refusal.answer(&to.id)),
        }
        match frame.method().unwrap_or_default() {
            method::DISCOVER => self.answer_discover(&to),
            // What these revisions have no more (2026-07-28, changelog).
            gone @ (method::PING
            | method::LOGGING_SET_LEVEL
            | method::RESOURCES_SUBSCRIBE
            | method::RESOURCES_UNSUBSCRIBE
            | method::TASKS_LIST
            | method::TASKS_RESULT) => {
                let text = format!("there is no method `{gone}` in this revision of MCP");
                self.answer_error(&to, code::METHOD_NOT_FOUND, &text);
            }
            _ => self.route_when_settled(frame, to),
        }
    }
}
