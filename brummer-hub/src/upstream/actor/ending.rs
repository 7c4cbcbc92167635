//! How a conversation ends.

use std::{sync::Arc, time::Duration};

use futures_util::StreamExt;
use tokio::time::timeout;

use super::{Actor, Chore, Outgoing, Phase};
use crate::upstream::{
    Command, ExchangeError, ExchangeReason, Sent, UpstreamEvent, UpstreamEventKind, headers::Transport,
    wire::Call,
};

/// How long the end may take: the last notifications, and the DELETE of the session.
const CLOSE_LIMIT: Duration = Duration::from_millis(500);

impl Actor {
    /// How far a call has come that ends with the connection.
    fn sent(&self, call: &Call) -> Sent {
        let is_it = |outgoing: &Outgoing| matches!(outgoing, Outgoing::Request { call: waiting, .. } if waiting.id == call.id);
        let unlisted = self.modern.as_ref().and_then(|modern| modern.unlisted.as_ref());
        let is_unsent = self.waiting.iter().chain(unlisted.into_iter().flatten()).any(is_it);
        if is_unsent { Sent::No } else { Sent::Unknown }
    }

    /// Ends the calls for an owner who may have stopped listening, delivers what is on its way, ends the session.
    pub(super) async fn close(mut self) {
        self.exchanges.clear();
        for call in self.calls.values().filter(|call| call.settle()) {
            let error = ExchangeError { sent: self.sent(call), reason: ExchangeReason::Closed };
            let kind = UpstreamEventKind::Ended { id: call.id, error };
            let _ = self.wire.events.try_send(UpstreamEvent { link: self.wire.link, kind });
        }
        if let Some(listener) = self.listener.take() {
            listener.abort();
        }
        if let Some(modern) = &mut self.modern {
            modern.subscriptions.close();
        }
        let Phase::Open(route) = &self.phase else { return };
        let ending = async {
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
            if route.has_session() && route.transport == Transport::Streamable {
                let _ = self.wire.send(self.pool.take(), route.delete()).await;
            }
        };
        if timeout(CLOSE_LIMIT, ending).await.is_err() {
            tracing::debug!(link = self.wire.link.0, "the instance did not let the session be ended in time");
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
