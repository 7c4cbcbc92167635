//! A panic in what runs for a connection: noticed, logged, and told to those who would wait for ever.

use std::{any::Any, panic::AssertUnwindSafe, sync::Arc};

use futures_util::{FutureExt, future::BoxFuture};

use super::{
    ExchangeError, ExchangeReason, Sent, UpstreamEventKind,
    exchange::{Fate, Finished},
    headers::Route,
    wire::{Call, Wire},
};

pub(super) fn fault() -> ExchangeError {
    ExchangeError { sent: Sent::Unknown, reason: ExchangeReason::Fault }
}

fn log(wire: &Wire, what: &'static str, panic: &(dyn Any + Send)) {
    let message = panic.downcast_ref::<&str>().copied();
    let message = message.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or_default();
    tracing::error!(link = wire.link.0, port = wire.dialer.port(), "a fault in {what}: {message}");
}

/// Runs the task of a connection. If it panics, the owner is told as of any connection that failed.
pub(super) async fn watched(wire: Arc<Wire>, task: impl Future<Output = ()>) {
    if let Err(panic) = AssertUnwindSafe(task).catch_unwind().await {
        log(&wire, "a connection", &*panic);
        wire.tell(UpstreamEventKind::Failed(fault())).await;
    }
}

/// Runs an exchange. If it panics, its call ends, and the others go on. It is boxed already: it is large, and would be
/// moved about once more.
pub(super) async fn exchange(
    wire: Arc<Wire>,
    route: Arc<Route>,
    call: Arc<Call>,
    exchange: BoxFuture<'static, Finished>,
) -> Finished {
    match AssertUnwindSafe(exchange).catch_unwind().await {
        Ok(finished) => finished,
        Err(panic) => {
            log(&wire, "a call", &*panic);
            wire.end(&call, fault()).await;
            Finished { call, route, connection: None, fate: Fate::Over }
        }
    }
}

/// Runs what else a connection does. `None`: it panicked, and the connection cannot go on.
pub(super) async fn chore<T>(wire: &Wire, chore: impl Future<Output = T>) -> Option<T> {
    let done = AssertUnwindSafe(chore).catch_unwind().await;
    done.inspect_err(|panic| log(wire, "what keeps a connection", &**panic)).ok()
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;
    use crate::upstream::tests::wire;

    fn broken() -> bool {
        panic!("as the test wants")
    }

    #[tokio::test]
    async fn a_connection_that_panics_has_failed() {
        let (events, mut told) = mpsc::channel(1);
        watched(Arc::new(wire(events)), async { assert!(broken()) }).await;
        let event = told.recv().await.unwrap().kind;
        let UpstreamEventKind::Failed(error) = event else { panic!("{event:?}") };
        assert!(matches!(error.reason, ExchangeReason::Fault) && error.sent == Sent::Unknown);
        assert!(told.recv().await.is_none());
    }

    #[tokio::test]
    async fn a_call_that_panics_ends() {
        let (events, mut told) = mpsc::channel(1);
        let (wire, call) = (Arc::new(wire(events)), Call::new(7));
        let route =
            Arc::new(Route::new(1, hyper::Uri::from_static("/"), &crate::doorbell::Credentials::default()));
        let breaks = async {
            assert!(broken());
            unreachable!()
        };
        let finished = exchange(wire, route, Arc::clone(&call), breaks.boxed()).await;
        assert!(matches!(finished.fate, Fate::Over) && !call.is_open());
        let event = told.recv().await.unwrap().kind;
        assert!(matches!(event, UpstreamEventKind::Ended { id: 7, .. }), "{event:?}");
    }

    #[tokio::test]
    async fn a_chore_that_panics_is_noticed() {
        let wire = wire(mpsc::channel(1).0);
        assert_eq!(chore(&wire, async { broken() }).await, None);
        assert_eq!(chore(&wire, async { 7 }).await, Some(7));
    }
}
