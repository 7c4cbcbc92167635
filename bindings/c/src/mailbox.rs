//! What the program takes when it is ready: a bounded queue, with a descriptor for its own event loop.
//!
//! ```text
//!  source ──▶ task on the runtime ──queue──▶ bh_…_next / bh_…_receive
//!                                  └─bell──▶ poll() of the program
//! ```
//!
//! The bell is a pair of sockets, made when it is first asked for. The task writes a byte after what it has queued; the
//! program's thread empties it when it finds the queue empty, and then looks once more. So the descriptor is readable
//! whenever something is queued, and at times when nothing is.

use std::{sync::Arc, time::Duration};

use engine::Status;
use tokio::{sync::mpsc, time::timeout};
use tokio_util::sync::CancellationToken;

use self::bell::Bell;
use crate::{
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
        let (ringing, stop) = (Arc::clone(&bell), closed.clone());
        let fill = async move {
            while let Some(item) = supply.next().await {
                if sender.send(item).await.is_err() {
                    break;
                }
                ringing.ring();
            }
            drop(sender);
            ringing.ring();
        };
        // It ends with the mailbox, with its source, which is the hub's, or at the latest with the runtime.
        drop(running.runtime().spawn(async move { stop.run_until_cancelled(fill).await }));
        Self { running: Arc::clone(running), queue: Exclusive::new(Some(queue)), bell, closed }
    }

    /// The next item. Waits for as long as `limit` says.
    pub(crate) fn next(&self, what: &str, limit: Option<Duration>) -> Result<T, Failure> {
        self.running.check()?;
        let busy = |text| Failure::new(Status::Busy, text);
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

    /// Takes the queue for good.
    pub(crate) fn divert(&self) -> Result<mpsc::Receiver<T>, Failure> {
        let mut queue = self.queue.take();
        let queue = queue.as_mut().and_then(|queue| queue.take());
        queue.ok_or_else(|| Failure::new(Status::Busy, "somebody is receiving already"))
    }

    /// A descriptor that is readable when [`next`](Self::next) would not wait.
    pub(crate) fn descriptor(&self) -> Result<i32, Failure> {
        self.running.check()?;
        self.bell.descriptor()
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

#[cfg(unix)]
mod bell {
    use std::{
        io::{Read, Write},
        os::{fd::AsRawFd, unix::net::UnixStream},
        sync::OnceLock,
    };

    use crate::ffi::Failure;

    /// Two ends of a socket, once somebody wants to know.
    #[derive(Debug, Default)]
    pub(super) struct Bell(OnceLock<(UnixStream, UnixStream)>);

    impl Bell {
        pub(super) fn ring(&self) {
            if let Some((_, inner)) = self.0.get() {
                // A full socket is readable already.
                let _ = (&*inner).write(&[1]);
            }
        }

        pub(super) fn empty(&self) {
            let mut bytes = [0; 256];
            if let Some((outer, _)) = self.0.get() {
                while matches!((&*outer).read(&mut bytes), Ok(read) if read > 0) {}
            }
        }

        pub(super) fn descriptor(&self) -> Result<i32, Failure> {
            if self.0.get().is_none() {
                let (outer, inner) = UnixStream::pair()?;
                outer.set_nonblocking(true)?;
                inner.set_nonblocking(true)?;
                // Another thread may have been faster; then its pair is used.
                let _ = self.0.set((outer, inner));
                // Something may have been queued before there was a bell.
                self.ring();
            }
            self.0.get().map(|(outer, _)| outer.as_raw_fd()).ok_or_else(Failure::timeout)
        }
    }
}

#[cfg(not(unix))]
mod bell {
    use engine::Status;

    use crate::ffi::Failure;

    /// Windows waits for handles, not for descriptors. The calls are those of a bell.
    #[derive(Debug, Default)]
    pub(super) struct Bell;

    impl Bell {
        pub(super) fn ring(&self) {}

        pub(super) fn empty(&self) {}

        pub(super) fn descriptor(&self) -> Result<i32, Failure> {
            let text = "this system has no descriptors to poll; wait with a time-out, or use a callback";
            Err(Failure::new(Status::Unsupported, text))
        }
    }
}
