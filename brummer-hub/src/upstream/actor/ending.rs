//! How a conversation ends.

use std::{sync::Arc, time::Duration};

use futures_util::StreamExt;
use tokio::time::timeout;

use super::{Actor, Chore, Outgoing, Phase, cancelled};
use crate::upstream::{
    Command, ExchangeError, ExchangeReason, Purpose, Sent, UpstreamEvent, UpstreamEventKind,
    headers::Transport, wire::Call,
};

/// How long the end may take: half of it for the last notifications, the other half for the DELETE of the session.
const CLOSE_LIMIT: Duration = Duration::from_millis(500);

impl Actor {
    /// How far a call has come that ends with the connection.
    fn sent(&self, call: &Call) -> Sent {
        let is_it = |outgoing: &Outgoing| matches!(outgoing, Outgoing::Request { call: waiting, .. } if waiting.id == call.id);
        let unlisted = self.modern.as_ref().and_then(|modern| modern.unlisted.as_ref());
        let is_unsent = self.waiting.iter().chain(unlisted.into_iter().flatten()).any(is_it);
        if is_unsent { Sent::No } else { Sent::Unknown }
    }

    /// Ends the calls for an owner who may have stopped listening, tells the instance that they are cancelled, delivers
    /// what is on its way, ends the session. Connections are closed after that.
    pub(super) async fn close(mut self) {
        self.take_last_commands().await;
        let calls: Vec<_> = self.calls.values().cloned().collect();
        for call in calls {
            let sent = self.sent(&call);
            if !call.settle() {
                continue;
            }
            let error = ExchangeError { sent, reason: ExchangeReason::Closed };
            let kind = UpstreamEventKind::Ended { id: call.id, error };
            let _ = self.wire.events.try_send(UpstreamEvent { link: self.wire.link, kind });
            if sent != Sent::No && self.wire.purpose == Purpose::Conversation {
                self.dispatch(Outgoing::Message {
                    body: cancelled(call.id, "its client is gone"),
                    again: false,
                });
            }
        }
        let Phase::Open(route) = &self.phase else { return };
        if route.transport == Transport::Modern {
            // To stop listening is to cancel.
            self.exchanges.clear();
        }
        let last_words = async {
            while self.posts > 0 {
                match self.chores.next().await {
                    Some(Chore::Posted(posted)) => {
                        self.posts -= 1;
                        if let Some(connection) = posted.connection {
                            self.pool.put(connection);
                        }
                    }
                    Some(_) => {}
                    None => break,
                }
            }
        };
        let mut in_time = timeout(CLOSE_LIMIT / 2, last_words).await.is_ok();
        if route.has_session() && route.transport == Transport::Streamable {
            let ended = self.wire.send(self.pool.take(&self.wire.closes), route.delete());
            in_time &= timeout(CLOSE_LIMIT / 2, ended).await.is_ok();
        }
        if !in_time {
            tracing::debug!(link = self.wire.link.0, "the instance did not let the session be ended in time");
        }
    }

    /// What the owner said before it ended the connection: messages are still sent, and requests are not.
    async fn take_last_commands(&mut self) {
        self.commands.close();
        while let Some(command) = self.commands.recv().await {
            match command {
                Command::Request { id, body } => {
                    let call = Call::new(id);
                    self.calls.insert(id, Arc::clone(&call));
                    self.waiting.push_back(Outgoing::Request { call, body, again: false });
                }
                command => self.on_command(command),
            }
        }
    }

    /// Tells the end of every call, and then that of the connection.
    pub(super) async fn fail(mut self, error: ExchangeError) {
        self.exchanges.clear();
        self.chores.clear();
        self.commands.close();
        while let Some(command) = self.commands.recv().await {
            match command {
                Command::Request { id, body } => {
                    let call = Call::new(id);
                    self.calls.insert(id, Arc::clone(&call));
                    self.waiting.push_back(Outgoing::Request { call, body, again: false });
                }
                Command::Cancel { id, .. } => {
                    self.calls.remove(&id);
                }
                Command::Send(_) => {}
            }
        }
        let ends: Vec<_> = self.calls.values().map(|call| (Arc::clone(call), self.sent(call))).collect();
        let Self { wire, stop, .. } = self;
        let last_words = async {
            for (call, sent) in ends {
                wire.end(&call, ExchangeError { sent, reason: error.reason.clone() }).await;
            }
            wire.tell(UpstreamEventKind::Failed(error)).await;
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = last_words => {}
        }
    }
}
