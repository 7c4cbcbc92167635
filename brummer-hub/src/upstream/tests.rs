//! The whole connection against servers on real sockets, of which most are scripted byte by byte.

mod answers;
mod calls;
mod changes;
mod detection;
mod ends;
mod fitting;
mod habits;
mod health;
mod mirrored;
mod modern;
mod older;
mod patience;
mod rounds;
mod script;
mod sessions;
mod streams;

use std::sync::atomic::{AtomicBool, AtomicU64};

use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};

use super::{LinkId, Purpose, UpstreamEvent, connection::Dialer, wire::Wire};
use crate::config::Limits;

/// What a connection shares, without a connection.
pub(super) fn wire(events: mpsc::Sender<UpstreamEvent>) -> Wire {
    let limits = Limits::default();
    Wire {
        link: LinkId(1),
        events,
        commands: mpsc::channel(1).0.downgrade(),
        dialer: Dialer::new(1, None, limits.connect_timeout),
        purpose: Purpose::Conversation,
        limits,
        budget: None,
        closes: AtomicBool::new(false),
        refuses_pings: AtomicBool::new(false),
        answers_elsewhere: AtomicBool::new(false),
        standing: watch::Sender::new(false),
        since: Instant::now(),
        last_heard: AtomicU64::new(0),
    }
}
