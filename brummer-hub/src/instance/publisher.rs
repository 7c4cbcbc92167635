//! What is told about an instance: the writing side of its [`InstanceStatus`].

use std::{net::IpAddr, sync::Arc, time::Duration};

use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::watch;

use super::{InstanceState, InstanceStatus, Transition};
use crate::upstream::{Agreed, Welcome};

/// Changes of state that are remembered: enough to see a day's trouble, little enough to send to a model.
const HISTORY: usize = 100;

/// Publishes the status of one instance. The status is changed in place unless a reader holds it.
#[derive(Debug)]
pub(super) struct StatusPublisher {
    status: watch::Sender<Arc<InstanceStatus>>,
}

impl StatusPublisher {
    pub(super) fn new() -> Self {
        let now = Timestamp::now();
        let first = Transition {
            state: InstanceState::Discovered,
            at: now,
            reason: "its doorbell was found".to_owned(),
        };
        let status = InstanceStatus {
            state: InstanceState::Discovered,
            since: now,
            connected_at: None,
            last_success: None,
            latency_ms: None,
            missed_pings: 0,
            retries: 0,
            address: None,
            era: None,
            has_agreed: false,
            has_one_session: false,
            session: None,
            extensions: None,
            last_error: None,
            program: None,
            history: vec![first],
        };
        Self { status: watch::Sender::new(Arc::new(status)) }
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Arc<InstanceStatus>> {
        self.status.subscribe()
    }

    fn change(&self, change: impl FnOnce(&mut InstanceStatus)) {
        self.status.send_modify(|status| change(Arc::make_mut(status)));
    }

    /// Tells the state. The state it is in already is only told again when the reason has changed.
    pub(super) fn enter(&self, state: InstanceState, reason: String) {
        self.change(|status| {
            if matches!(state, InstanceState::Retrying | InstanceState::Dead) {
                status.last_error = Some(reason.clone());
            }
            if status.state == state {
                return;
            }
            let at = Timestamp::now();
            if state == InstanceState::Active {
                status.connected_at = Some(at);
                status.last_error = None;
            }
            (status.state, status.since) = (state, at);
            if status.history.len() == HISTORY {
                status.history.remove(0);
            }
            status.history.push(Transition { state, at, reason });
        });
    }

    /// Where it listens, as the system tells.
    pub(super) fn locate(&self, address: Option<IpAddr>) {
        self.status.send_if_modified(|status| {
            let is_news = address.is_some() && status.address != address;
            if is_news {
                Arc::make_mut(status).address = address;
            }
            is_news
        });
    }

    /// Where it was last found to listen.
    pub(super) fn address(&self) -> Option<IpAddr> {
        self.status.borrow().address
    }

    /// The handshake was answered.
    pub(super) fn welcome(&self, welcome: &Welcome, latency: Option<Duration>) {
        self.change(|status| {
            status.era = Some(welcome.era);
            status.has_agreed = welcome.agreed == Agreed::Revision;
            status.has_one_session = welcome.agreed == Agreed::OneSession;
            status.session.clone_from(&welcome.session);
            status.extensions = welcome.extensions();
            if let Some(latency) = latency {
                status.latency_ms = Some(milliseconds(latency));
            }
        });
    }

    /// The instance told of the program behind it.
    pub(super) fn tell_program(&self, report: Value) {
        self.change(|status| status.program = Some(Arc::new(report)));
    }

    /// A ping was answered.
    pub(super) fn pong(&self, latency: Duration) {
        self.change(|status| status.latency_ms = Some(milliseconds(latency)));
    }

    /// Counts, and the time of the last answer; published only when one of them has changed.
    pub(super) fn count(&self, missed_pings: u32, retries: u32, last_success: Option<Timestamp>) {
        self.status.send_if_modified(|status| {
            let now = (missed_pings, retries, last_success);
            if (status.missed_pings, status.retries, status.last_success) == now {
                return false;
            }
            let status = Arc::make_mut(status);
            (status.missed_pings, status.retries, status.last_success) = now;
            true
        });
    }
}

/// To the microsecond, which is what a loopback round trip is told in.
fn milliseconds(latency: Duration) -> f64 {
    (latency.as_secs_f64() * 1e6).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_a_hundred_changes() {
        let publisher = StatusPublisher::new();
        for turn in 0..HISTORY {
            publisher.enter(InstanceState::Retrying, format!("loss {turn}"));
            publisher.enter(InstanceState::Retrying, format!("attempt after loss {turn}"));
            publisher.enter(InstanceState::Active, "it answered".to_owned());
        }
        let status = Arc::clone(&publisher.subscribe().borrow());
        assert_eq!(status.history.len(), HISTORY);
        assert_eq!(status.history[HISTORY - 2].reason, format!("loss {}", HISTORY - 1));
        assert_eq!((status.state, &status.last_error), (InstanceState::Active, &None));
        assert_eq!(status.connected_at, Some(status.since));
    }

    #[test]
    fn tells_the_latest_error() {
        let publisher = StatusPublisher::new();
        publisher.enter(InstanceState::Retrying, "one".to_owned());
        publisher.enter(InstanceState::Retrying, "two".to_owned());
        let status = Arc::clone(&publisher.subscribe().borrow());
        assert_eq!(status.last_error.as_deref(), Some("two"));
        assert_eq!(status.history.len(), 2);
    }

    #[test]
    fn tells_counts_only_when_they_change() {
        let publisher = StatusPublisher::new();
        let mut told = publisher.subscribe();
        publisher.count(0, 0, None);
        assert!(!told.has_changed().unwrap());
        publisher.count(1, 0, None);
        assert!(told.has_changed().unwrap());
        assert_eq!(told.borrow_and_update().missed_pings, 1);
    }
}
