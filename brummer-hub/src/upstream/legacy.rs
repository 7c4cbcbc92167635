//! A conversation that began with a handshake (MCP up to 2025-11-25), as the actor has it.

use std::sync::{Arc, atomic::Ordering};

use futures_util::future::AbortHandle;

use super::{
    Purpose, UpstreamEventKind, exchange,
    headers::{Route, Transport},
    modern::meta::for_legacy,
    reply::Reply,
    standing_stream::StreamListener,
    wire::{flaw, invalid, renumbered},
    work::{Chore, Outgoing, Work},
};
use crate::{
    frame::{Frame, Kind, meant},
    protocol::Era,
};

pub(super) struct Legacy {
    pub(super) route: Arc<Route>,
    /// What the owner speaks: its requests are fitted.
    owner: Era,
    listener: Option<AbortHandle>,
}

impl Legacy {
    pub(super) fn new(route: Route, owner: Era) -> Self {
        Self { route: Arc::new(route), owner, listener: None }
    }

    pub(super) fn start(&self, work: &mut Work, outgoing: Outgoing) {
        let route = Arc::clone(&self.route);
        if route.transport == Transport::HttpSse && work.wire.purpose == Purpose::Health {
            // The conversation was its stream, which is given up.
            if let Outgoing::Request { call, .. } = outgoing {
                let wire = Arc::clone(&work.wire);
                let (at, of) = (Arc::clone(&route), Arc::clone(&call));
                work.exchange(at, of, exchange::knock(wire, route, call));
            }
            return;
        }
        match outgoing {
            Outgoing::Message { body, again } => work.post(route, body, again),
            Outgoing::Request { call, mut body, again } => {
                if self.owner.is_modern() {
                    let text = body.into_bytes();
                    let frame = Frame::parse(text.clone()).ok();
                    body = frame.and_then(|frame| for_legacy(&frame)).unwrap_or(text).into();
                }
                let (wire, connection) = (Arc::clone(&work.wire), work.connection());
                let (at, of) = (Arc::clone(&route), Arc::clone(&call));
                work.exchange(at, of, exchange::request(wire, route, call, body, connection, again));
            }
        }
    }

    /// Listens to what belongs to no request: on `stream`, where the transport has it open already.
    /// Whoever only watches over the instance listens if that tells of the program behind it.
    pub(super) fn begin_to_listen(&mut self, work: &mut Work, stream: Option<Reply>, tells_program: bool) {
        let route = Arc::clone(&self.route);
        let listener = match stream {
            Some(stream) => StreamListener::with(route, stream),
            None if work.wire.purpose == Purpose::Health && !tells_program => return,
            None => StreamListener::new(route, work.wire.limits.max_message_bytes),
        };
        let settled = listener.settled();
        self.listen(work, Box::new(listener), None);
        if !settled.is_cancelled() {
            work.hold(settled.cancelled_owned());
        }
    }

    fn listen(
        &mut self,
        work: &mut Work,
        mut listener: Box<StreamListener>,
        event: Option<UpstreamEventKind>,
    ) {
        let wire = Arc::clone(&work.wire);
        self.listener = Some(work.abortable(async move {
            let heard = listener.hear(&wire, event).await;
            Chore::Heard(listener, heard)
        }));
    }

    /// A response came on the standing stream: the call that it answers is over.
    pub(super) fn on_response(&mut self, work: &mut Work, listener: Box<StreamListener>, frame: Frame) {
        let call = meant(frame.id()).and_then(|id| work.calls.get(&id)).filter(|call| call.settle());
        let event = call.map(|call| {
            call.wake();
            work.wire.answers_elsewhere.store(true, Ordering::Relaxed);
            if matches!(frame.kind(), Kind::Response { ok: false, .. })
                && let Some(why) = flaw(&frame)
            {
                return UpstreamEventKind::Ended { id: call.id, error: invalid(why) };
            }
            let frame = if frame.numeric_id() == Some(call.id) { frame } else { renumbered(&frame, call.id) };
            UpstreamEventKind::Frame { frame, carrier: Some(call.id) }
        });
        self.listen(work, listener, event);
    }
}

impl Drop for Legacy {
    fn drop(&mut self) {
        if let Some(listener) = &self.listener {
            listener.abort();
        }
    }
}
