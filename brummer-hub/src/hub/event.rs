//! What happens to instances, for programs that embed the hub.

use tokio::sync::broadcast;

use crate::instance::{Instance, InstanceState};

/// Events kept for a receiver that is slow; older ones are counted and dropped.
pub(super) const EVENTS: usize = 256;

/// Something happened to an instance. It is told after the list shows it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum HubEvent {
    /// An instance was announced and is in the list now.
    InstanceAppeared(Instance),
    /// An instance is in another state.
    StateChanged {
        /// The instance as it is now.
        instance: Instance,
        /// The state it was in.
        from: InstanceState,
    },
    /// An instance got the alias of its predecessor.
    AliasChanged(Instance),
    /// An instance left the list.
    InstanceGone(Instance),
    /// The receiver was too slow and missed this many events: read the list again.
    Lagged(u64),
}

impl HubEvent {
    /// Writes it to the log. At `info` one reads there what came and went.
    pub(super) fn log(&self) {
        match self {
            Self::InstanceAppeared(instance) => {
                let (alias, id, port) = (&instance.alias, instance.id(), instance.found.doorbell.port);
                tracing::info!(%alias, %id, port, "an instance was announced");
            }
            Self::StateChanged { instance, from } => {
                let (alias, from, state) = (&instance.alias, from.name(), instance.state.name());
                tracing::info!(%alias, from, state, "an instance is in another state");
            }
            Self::AliasChanged(instance) => {
                tracing::info!(alias = %instance.alias, id = %instance.id(), "an instance has the alias of its predecessor");
            }
            Self::InstanceGone(instance) => {
                tracing::info!(alias = %instance.alias, id = %instance.id(), "an instance is gone");
            }
            // Said by the receiver of events, never by the hub.
            Self::Lagged(_) => {}
        }
    }
}

/// Receives [`HubEvent`]s.
#[derive(Debug)]
pub struct HubEvents {
    pub(super) events: broadcast::Receiver<HubEvent>,
}

impl HubEvents {
    /// The next event; `None` when the hub has ended. Cancel-safe.
    pub async fn recv(&mut self) -> Option<HubEvent> {
        match self.events.recv().await {
            Ok(event) => Some(event),
            Err(broadcast::error::RecvError::Lagged(missed)) => Some(HubEvent::Lagged(missed)),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}
