//! How a conversation begins, and begins anew.

use std::{
    collections::VecDeque,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use futures_util::future::abortable;
use tokio::time::timeout;

use super::{Actor, Chore, Conversation, End, Outgoing, Phase};
use crate::protocol::Era;
use crate::upstream::{
    ExchangeError, ExchangeReason, Purpose, Sent, UpstreamEventKind, Welcome,
    handshake::{Opened, open},
    headers::Route,
    listen::Listener,
};

/// How long requests wait for the standing stream: servers on the official SDK lose what they ask there while nobody
/// listens. They open it within milliseconds; one that leaves a GET unanswered is not waited for longer.
pub(super) const LISTEN_FIRST: Duration = Duration::from_millis(250);

/// How long a handshake waits for its turn. The turn is there to spare memory; healthy instances take milliseconds.
const AT_THE_GATE: Duration = Duration::from_millis(250);

impl Actor {
    /// The instance answered 404 (2025-11-25, transports § Session Management): it has not run what was sent.
    pub(super) fn on_forgotten(&mut self, route: &Arc<Route>) {
        if matches!(&self.phase, Phase::Open(current) if Arc::ptr_eq(current, route)) {
            self.renew();
        }
    }

    /// Opens a new session. All that is to be sent waits for it, and all that was refused for want of it.
    pub(super) fn renew(&mut self) {
        tracing::debug!(link = self.wire.link.0, "the conversation is opened anew");
        self.phase = Phase::Opening;
        self.wire.closes.store(false, Ordering::Relaxed);
        self.wire.standing.send_replace(false);
        if let Some(listener) = self.listener.take() {
            listener.abort();
        }
        self.shake_hands(UpstreamEventKind::Renewed);
    }

    pub(super) fn shake_hands(&mut self, told: fn(Box<Welcome>) -> UpstreamEventKind) {
        let (wire, base, hello) = (Arc::clone(&self.wire), self.base.clone(), self.hello.clone());
        let (known, gate) = (self.known, self.gate.clone());
        self.chore(async move {
            // Held over the handshake. What holds it up must not hold up the others for long.
            let _permit = match gate {
                Some(gate) => timeout(AT_THE_GATE, gate.acquire_owned()).await.ok(),
                None => None,
            };
            let Opened { route, welcome, early, connection, stream } =
                match open(&wire, &base, &hello, known).await {
                    Ok(opened) => opened,
                    Err(error) => return Chore::Opened(Err(error)),
                };
            let era = welcome.era;
            wire.tell(told(Box::new(welcome))).await;
            for frame in early {
                wire.deliver_early(frame).await;
            }
            Chore::Opened(Ok(Box::new(Conversation { route, era, connection, stream })))
        });
    }

    pub(super) fn on_opened(&mut self, conversation: Conversation) -> Option<End> {
        let Conversation { route, era, connection, stream } = conversation;
        if self.modern.is_some() && !era.is_modern() {
            // What is in flight and subscribed to means something else there; the owner begins anew.
            return Some(End::Failed(ExchangeError { sent: Sent::No, reason: ExchangeReason::Replaced }));
        }
        self.known = Some(era);
        self.rest(connection);
        let route = Arc::new(route);
        self.phase = Phase::Open(Arc::clone(&route));
        if let Era::Modern(version) = era {
            self.on_opened_modern(version);
            return None;
        }
        let listener = match stream {
            Some(stream) => Some(Listener::with(route, stream)),
            None if self.wire.purpose == Purpose::Health => None,
            None => Some(Listener::new(route, self.wire.limits.max_message_bytes)),
        };
        self.send_messages_first();
        let Some(listener) = listener else {
            self.start_waiting();
            return None;
        };
        let settled = listener.settled();
        self.held = !settled.is_cancelled();
        self.listen(Box::new(listener), None);
        if self.held {
            self.chore(async move {
                let _ = timeout(LISTEN_FIRST, settled.cancelled()).await;
                Chore::Settled
            });
        } else {
            self.start_waiting();
        }
        None
    }

    /// Messages never wait for a place, and what they answer may be what holds the places.
    pub(super) fn send_messages_first(&mut self) {
        let (messages, requests) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(|outgoing| matches!(outgoing, Outgoing::Message { .. }));
        self.waiting = requests;
        let messages: VecDeque<_> = messages;
        messages.into_iter().for_each(|message| self.dispatch(message));
    }

    pub(super) fn listen(&mut self, mut listener: Box<Listener>, event: Option<UpstreamEventKind>) {
        let wire = Arc::clone(&self.wire);
        let (heard, handle) = abortable(async move {
            let heard = listener.hear(&wire, event).await;
            Chore::Heard(listener, heard)
        });
        self.listener = Some(handle);
        self.chore(async move { heard.await.unwrap_or(Chore::Done) });
    }
}
