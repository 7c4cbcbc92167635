//! A running hub: the hub, the thread of its runtime, and the thread of its callbacks.
//!
//! Every handle that needs the hub (sessions, event queues, subscriptions) holds a reference to it, so the threads live
//! until the last of them is freed. Stopping the hub ends what runs on them; dropping the last reference ends the
//! threads and waits for them.

use std::{
    io,
    pin::pin,
    process,
    sync::Arc,
    task::{Context, Waker},
    thread::{self, JoinHandle, ThreadId},
    time::Duration,
};

use engine::{Hub, HubConfig, StatusCode};
use tokio::{
    runtime::{Builder, Handle, Runtime},
    sync::{mpsc, oneshot},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::{
    ffi::{Failure, must_not_wait},
    signals,
    subscription::Job,
};

/// Callbacks that wait for the thread of callbacks. When it is full, events wait in queues of their own, which count
/// what they lose.
const JOBS: usize = 64;

/// How long the end of the runtime waits for files that are being read or written.
pub(crate) const LAST_FILES: Duration = Duration::from_secs(1);

/// What tasks run on: one thread, and those that files are read and written on.
pub(crate) fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread()
        .enable_all()
        .thread_name("brummer-files")
        .on_thread_start(signals::leave_to_program)
        .build()
}

/// Whether this thread may wait for the hub.
pub(crate) fn may_wait() -> Result<(), Failure> {
    if must_not_wait() || Handle::try_current().is_ok() {
        let text = "this would wait for its own caller; do it on another thread";
        return Err(Failure::new(StatusCode::WouldDeadlock, text));
    }
    Ok(())
}

/// The hub and its threads.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) hub: Hub,
    runtime: Handle,
    /// Ends the runtime's thread.
    end: CancellationToken,
    /// `None` once it is being dropped.
    jobs: Option<mpsc::Sender<Job>>,
    threads: Vec<JoinHandle<()>>,
    callbacks: ThreadId,
    /// The process that has the threads: a fork of it has only this structure.
    process: u32,
}

impl Running {
    /// Starts the threads and the hub.
    pub(crate) fn start(config: HubConfig) -> Result<Arc<Self>, Failure> {
        may_wait()?;
        let runtime = runtime()?;
        let (handle, end) = (runtime.handle().clone(), CancellationToken::new());
        // Until everything has started.
        let undo = end.clone().drop_guard();
        let ended = end.clone();
        let main = thread::Builder::new().name("brummer-hub".to_owned()).spawn(move || {
            signals::leave_to_program();
            runtime.block_on(ended.cancelled());
            runtime.shutdown_timeout(LAST_FILES);
        })?;
        let (jobs, mut queue) = mpsc::channel::<Job>(JOBS);
        let callbacks = thread::Builder::new().name("brummer-callbacks".to_owned()).spawn(move || {
            while let Some(job) = queue.blocking_recv() {
                job.run();
            }
        })?;
        let hub = {
            let _context = handle.enter();
            Hub::start(config)
        };
        undo.disarm();
        Ok(Arc::new(Self {
            hub,
            runtime: handle,
            end,
            jobs: Some(jobs),
            callbacks: callbacks.thread().id(),
            threads: vec![main, callbacks],
            process: process::id(),
        }))
    }

    /// Whether the threads are in this process.
    pub(crate) fn is_here(&self) -> bool {
        self.process == process::id()
    }

    pub(crate) fn check(&self) -> Result<(), Failure> {
        if self.is_here() {
            return Ok(());
        }
        let text = "this handle is from before a fork; the hub runs in the other process";
        Err(Failure::new(StatusCode::Forked, text))
    }

    /// Fails when the hub was stopped.
    pub(crate) fn check_open(&self) -> Result<(), Failure> {
        self.check()?;
        if self.hub.is_stopped() { Err(Failure::closed("hub")) } else { Ok(()) }
    }

    /// Waits on this thread for something that happens on the runtime's.
    pub(crate) fn wait<T>(
        &self,
        limit: Option<Duration>,
        future: impl Future<Output = T>,
    ) -> Result<T, Failure> {
        self.check()?;
        may_wait()?;
        self.runtime.block_on(async {
            match limit {
                None => Ok(future.await),
                Some(limit) => timeout(limit, future).await.map_err(|_| Failure::timeout()),
            }
        })
    }

    /// Ends something and waits for that; where this thread must not wait, it only begins. In a fork it does nothing.
    pub(crate) fn end(&self, ending: impl Future<Output = ()>) {
        if !self.is_here() {
            return;
        }
        if may_wait().is_ok() {
            return self.runtime.block_on(ending);
        }
        let _context = self.runtime.enter();
        // Both `Hub::stop` and `Client::close` say that it is over before they first wait.
        let _ = pin!(ending).poll(&mut Context::from_waker(Waker::noop()));
    }

    /// Where tasks are started.
    pub(crate) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// Where callbacks are ordered.
    pub(crate) fn jobs(&self) -> Option<&mpsc::Sender<Job>> {
        self.jobs.as_ref()
    }

    /// Whether this is the thread of callbacks.
    pub(crate) fn in_callback(&self) -> bool {
        thread::current().id() == self.callbacks
    }

    /// Waits until the callbacks that were ordered before have returned.
    pub(crate) async fn callbacks_done(&self) {
        let (done, ended) = oneshot::channel();
        if let Some(jobs) = &self.jobs
            && jobs.send(Job::Fence(done)).await.is_ok()
        {
            // An error says that the thread has ended, which is as good.
            let _ = ended.await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end.cancel();
        self.jobs = None;
        let own = thread::current().id();
        for thread in self.threads.drain(..) {
            // The thread of callbacks frees the last handle when a callback does: it ends after that. And a callback that
            // must not wait may be what the threads wait for.
            if thread.thread().id() != own && !must_not_wait() {
                let _ = thread.join();
            }
        }
    }
}

/// Lets go of something that holds a hub. In a fork it is left as it is: its threads, which it would talk to, are in the
/// other process, and may have been in the middle of something.
pub(crate) fn let_go<T>(object: T, is_here: impl FnOnce(&T) -> bool) {
    if is_here(&object) {
        drop(object);
    } else {
        std::mem::forget(object);
    }
}
