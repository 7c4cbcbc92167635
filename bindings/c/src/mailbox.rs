//! What the program takes when it is ready: a bounded queue, with a descriptor for its own event loop.
//!
//! ```text
//!  source ──▶ task on the runtime ──queue──▶ bh_…_next / bh_…_receive
//!                                  └─bell──▶ poll() of the program
//! ```
//!
//! The task rings the bell after what it has queued; the program's thread empties it when it finds the queue empty, and
//! then looks once more. So the descriptor is ready whenever something is queued, and at times when nothing is.

use std::{sync::Arc, time::Duration};

use engine::StatusCode;
use tokio::{sync::mpsc, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    bell::{Bell, bh_descriptor},
    ffi::{Exclusive, Failure},
    running::Running,
};

/// Items that wait in the queue itself; the rest waits in its source, which counts what it loses.
const QUEUE: usize = 64;

/// What fills a mailbox.
pub(crate) trait Supply: Send + 'static {
    /// What comes out.
    type Item: Send + 'static;

    /// The next item; `None` at the end. Cancel-safe.
    fn next(&mut self) -> impl Future<Output = Option<Self::Item>> + Send;
}

/// A queue that one thread at a time takes from.
#[derive(Debug)]
pub(crate) struct Mailbox<T> {
    running: Arc<Running>,
    /// `None` once its items go elsewhere.
    queue: Exclusive<Option<mpsc::Receiver<T>>>,
    bell: Arc<Bell>,
    closed: CancellationToken,
}

impl<T: Send + 'static> Mailbox<T> {
    /// Fills a queue from now on.
    pub(crate) fn fill(running: &Arc<Running>, mut supply: impl Supply<Item = T>) -> Self {
        let (sender, queue) = mpsc::channel(QUEUE);
        let (bell, closed) = (Arc::new(Bell::default()), CancellationToken::new());
        let (ringing, ended, stop) = (Arc::clone(&bell), Arc::clone(&bell), closed.clone());
        let fill = async move {
            while let Some(item) = supply.next().await {
                if sender.send(item).await.is_err() {
                    break;
                }
                ringing.ring();
            }
            drop(sender);
        };
        // It ends with the mailbox, with its source, which is the hub's, or at the latest with the runtime.
        drop(running.runtime().spawn(async move {
            stop.run_until_cancelled(fill).await;
            // Who polls is told of the end.
            ended.ring();
        }));
        Self { running: Arc::clone(running), queue: Exclusive::new(Some(queue)), bell, closed }
    }

    /// The next item. Waits for as long as `limit` says.
    pub(crate) fn next(&self, what: &str, limit: Option<Duration>) -> Result<T, Failure> {
        self.running.check()?;
        let busy = |text| Failure::new(StatusCode::Busy, text);
        let mut queue = self.queue.take().ok_or_else(|| busy("another thread is receiving"))?;
        let queue = queue.as_mut().ok_or_else(|| busy("the messages go to a callback"))?;
        // What waits already costs no look at the runtime.
        if let Some(item) = take(queue, what)? {
            return Ok(item);
        }
        if limit != Some(Duration::ZERO) {
            let next = async {
                tokio::select! {
                    biased;
                    () = self.closed.cancelled() => None,
                    item = queue.recv() => item,
                }
            };
            match self.running.wait(None, within(limit, next))? {
                Some(Some(item)) => return Ok(item),
                Some(None) => return Err(self.ended(what)),
                None => {}
            }
        }
        self.bell.empty();
        match take(queue, what) {
            Ok(Some(item)) => Ok(item),
            Ok(None) => Err(Failure::timeout()),
            Err(_) => Err(self.ended(what)),
        }
    }

    /// Nothing will come: the descriptor says so for ever.
    fn ended(&self, what: &str) -> Failure {
        self.bell.ring();
        Failure::closed(what)
    }

    /// Whether it was ended.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.is_cancelled()
    }

    /// Takes the queue for good.
    pub(crate) fn divert(&self) -> Result<mpsc::Receiver<T>, Failure> {
        let mut queue = self.queue.take();
        let queue = queue.as_mut().and_then(|queue| queue.take());
        queue.ok_or_else(|| Failure::new(StatusCode::Busy, "somebody is receiving already"))
    }

    /// What is ready when [`next`](Self::next) would not wait.
    pub(crate) fn descriptor(&self) -> Result<bh_descriptor, Failure> {
        self.running.check()?;
        Ok(self.bell.descriptor()?)
    }

    /// Ends it; who waits is told.
    pub(crate) fn close(&self) {
        if self.running.is_here() {
            self.closed.cancel();
        }
    }

    pub(crate) fn running(&self) -> &Arc<Running> {
        &self.running
    }
}

/// What waits; an error when nothing will come.
fn take<T>(queue: &mut mpsc::Receiver<T>, what: &str) -> Result<Option<T>, Failure> {
    match queue.try_recv() {
        Ok(item) => Ok(Some(item)),
        Err(mpsc::error::TryRecvError::Empty) => Ok(None),
        Err(mpsc::error::TryRecvError::Disconnected) => Err(Failure::closed(what)),
    }
}

async fn within<T>(limit: Option<Duration>, future: impl Future<Output = T>) -> Option<T> {
    match limit {
        None => Some(future.await),
        Some(limit) => timeout(limit, future).await.ok(),
    }
}
