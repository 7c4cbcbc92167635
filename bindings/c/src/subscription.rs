//! Callbacks: a task that waits for what is to be told, and the thread that calls the program.

use std::{
    ffi::c_void,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::sync::{mpsc, oneshot};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    ffi::{Failure, Opaque, UserData, boundary_void, retire},
    running::{Running, let_go, may_wait},
};

/// A callback that is being called, until this is freed with bh_subscription_free().
#[derive(Debug)]
pub struct bh_subscription {
    _private: (),
}

impl Opaque for bh_subscription {
    type Object = Subscription;
    const NAME: &'static str = "subscription";
}

/// What the thread of callbacks is to do.
#[derive(Debug)]
pub(crate) enum Job {
    /// Call the program.
    Call(Arc<Target>, Call),
    /// Say that everything before this has been done.
    Fence(oneshot::Sender<()>),
}

/// One call, with the program's pointer as its argument.
pub(crate) struct Call(Box<dyn FnOnce(*mut c_void) + Send>);

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Call")
    }
}

impl Call {
    pub(crate) fn new(call: impl FnOnce(*mut c_void) + Send + 'static) -> Self {
        Self(Box::new(call))
    }
}

/// Who is called.
#[derive(Debug)]
pub(crate) struct Target {
    active: AtomicBool,
    user_data: UserData,
}

impl Job {
    pub(crate) fn run(self) {
        boundary_void(|| {
            match self {
                Self::Call(target, call) if target.active.load(Ordering::SeqCst) => {
                    call.0(target.user_data.pointer());
                }
                Self::Call(..) => {}
                Self::Fence(done) => drop(done.send(())),
            }
            Ok(())
        });
    }
}

/// A task that orders calls, and what ends it.
#[derive(Debug)]
pub(crate) struct Subscription {
    running: Arc<Running>,
    target: Arc<Target>,
    stop: CancellationToken,
    task: TaskTracker,
}

/// Where calls come from.
pub(crate) trait Source: Send + 'static {
    /// The next call; `None` at the end. Cancel-safe.
    fn next(&mut self) -> impl Future<Output = Option<Call>> + Send;
}

impl Subscription {
    /// Calls the program for everything that the source gives.
    pub(crate) fn start(running: &Arc<Running>, user_data: UserData, source: impl Source) -> Self {
        let target = Arc::new(Target { active: AtomicBool::new(true), user_data });
        let (stop, task) = (CancellationToken::new(), TaskTracker::new());
        if let Some(jobs) = running.jobs() {
            let order = order(source, Arc::clone(&target), jobs.clone());
            let stop = stop.clone();
            task.spawn_on(async move { stop.run_until_cancelled(order).await }, running.runtime());
        }
        task.close();
        Self { running: Arc::clone(running), target, stop, task }
    }

    /// Ends the calls. Afterwards none is running and none will come, but when this is called by one of them.
    fn end(&self) -> Result<(), Failure> {
        self.target.active.store(false, Ordering::SeqCst);
        if !self.running.is_here() {
            return Ok(());
        }
        self.stop.cancel();
        if self.running.in_callback() || may_wait().is_err() {
            return Ok(());
        }
        self.running.wait(None, async {
            self.task.wait().await;
            self.running.callbacks_done().await;
        })
    }
}

async fn order(mut source: impl Source, target: Arc<Target>, jobs: mpsc::Sender<Job>) {
    while let Some(call) = source.next().await {
        if jobs.send(Job::Call(Arc::clone(&target), call)).await.is_err() {
            return;
        }
    }
}

/// Ends a subscription and frees it. NULL is fine. When this returns, its callback is not running and will not be called
/// again, and `drop_user_data` has been called. If it is called by a callback of the same hub, it does not wait for
/// itself: no further call begins, and `drop_user_data` is called soon after that callback returns. In a log callback and
/// in a `drop_user_data` it does not wait either.
///
/// Threads: any; waits for a callback that is running, so do not hold a lock that it takes; if it was the last handle of its
/// hub, waits for the hub's threads to end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_subscription_free(subscription: *mut bh_subscription) {
    boundary_void(|| {
        // SAFETY: the header asks for a subscription or NULL.
        let Some(subscription) = (unsafe { retire(subscription) })? else { return Ok(()) };
        let ended = subscription.end();
        let_go(subscription, |subscription| subscription.running.is_here());
        ended
    });
}
