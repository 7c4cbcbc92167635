//! The states of an instance and every way from one to another, without a clock, a socket or a task.
//!
//! ```text
//! discovered ──▶ connecting ──▶ active ◀──▶ retrying ──▶ dead
//!                    │            │  (fails)    ▲          ▲
//!                    ├────────────┼─────────────┘          │
//!                    └────────────┴──── (process gone) ────┘
//! ```
//!
//! An instance that only falls silent keeps the connection on which it was asked last: one that was stopped answers there
//! as soon as it goes on. While a call of a client runs on a process that lives, silence is no sign of anything.
//!
//! [`Machine::on`] takes what happened and says what to do. The task in [`super::actor`] does it. An instance becomes
//! active when two things are known: it answered the handshake, and the system confirms that it wrote its doorbell.

use std::time::Duration;

use tokio::time::Instant;

use self::transitions::{AttemptOutcome, die};
use super::InstanceState;
use crate::{
    config::HealthConfig,
    process::{Identity, User},
    upstream::LinkId,
};

#[cfg(test)]
mod tests;
mod transitions;

/// Where the instance stands, with what belongs to that state only.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum MachineState {
    Discovered,
    Connecting(Attempt),
    Active(Active),
    Retrying { since: Instant, tries: u32, step: RetryStep },
    Dead(Death),
}

/// An attempt to reach the instance: first the identity check, so that nothing is sent to a stranger, then the handshake.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Attempt {
    pub(super) link: LinkId,
    handshake: Handshake,
    until: Instant,
}

#[derive(Clone, Debug, PartialEq)]
enum Handshake {
    /// The system has yet to say whose port it is.
    Unopened,
    Pending,
    /// The system has yet to say whether the process is still there.
    Failed(String),
}

/// What is watched while the instance answers.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Active {
    pub(super) link: LinkId,
    since: Instant,
    ping: Ping,
    pub(super) missed: u32,
    /// Attempts that led here; they count on when the instance is lost again at once.
    tries: u32,
    /// Looks that are still to be taken soon because the instance took its doorbell back and answered all the same.
    farewells: usize,
}

#[derive(Clone, Debug, PartialEq)]
enum Ping {
    Due(Instant),
    /// Asked, and not answered by any of the pings from `first` on; `at`: when the interval began that is waited for now.
    Sent {
        first: u64,
        at: Instant,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum RetryStep {
    Waiting {
        until: Instant,
    },
    Trying(Attempt),
    /// It takes connections and does not answer: what it was asked last is still waited for. `until`: when it is tried anew.
    Silent {
        link: LinkId,
        first: u64,
        until: Instant,
    },
}

/// Why it is dead, which decides what becomes of its doorbell.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Death {
    /// The process is gone: the doorbell is stale.
    Gone,
    /// It took its doorbell back and does not answer: nothing is left to watch.
    Withdrawn,
    /// The process lives and does not answer. It may be stopped in a debugger, so its doorbell is kept in mind.
    Silent,
}

/// What happened.
#[derive(Clone, Debug)]
pub(super) enum Event {
    Start,
    /// The handshake was answered; `foreign` is the id that the server states when it is another instance's.
    Ready {
        link: LinkId,
        foreign: Option<String>,
    },
    /// The connection is lost or could not be opened.
    Failed {
        link: LinkId,
        why: String,
    },
    /// The ping was answered, in whatever way.
    Pong {
        link: LinkId,
        id: u64,
    },
    /// The ping came to nothing before its time was over.
    PingFailed {
        link: LinkId,
        id: u64,
        why: String,
        refused: bool,
    },
    /// Something that a dead instance would show.
    Suspect,
    /// The process ended, as the system tells.
    Exited,
    Identified(Identity),
    /// Its doorbell was removed (or, `false`, is back).
    Withdrawn(bool),
    /// A later instance of the same project answers.
    Superseded,
    /// Somebody has begun to listen on its port.
    Listening,
    /// The time given by [`Machine::deadline`] has come.
    Tick,
}

/// What to do about it, in this order.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Effect {
    /// Opens a connection with this number; any other is closed.
    Open(LinkId),
    Close,
    /// Asks the system about the process; an answer that is still awaited is of no use any more.
    Identify,
    Ping(u64),
    /// The ping with this number is no longer waited for.
    Forget(u64),
    /// The state to be told, and why. Entering the state it is in already means that another attempt failed.
    Enter(InstanceState, String),
}

/// The world as a transition sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now<'a> {
    pub(super) at: Instant,
    /// When the instance last answered anyone.
    pub(super) heard: Instant,
    /// Requests of clients that it works on.
    pub(super) calls: usize,
    /// A random number in `[0, 1)`.
    pub(super) jitter: f64,
    pub(super) health: &'a HealthConfig,
    /// How long an attempt may take.
    pub(super) patience: Duration,
}

/// A state, and the facts that hold in every state.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Machine {
    pub(super) state: MachineState,
    /// An identity check is under way.
    checking: bool,
    withdrawn: bool,
    superseded: bool,
    next_link: u64,
    next_ping: u64,
}

type Effects = Vec<Effect>;

impl Machine {
    pub(super) const fn new() -> Self {
        Self {
            state: MachineState::Discovered,
            checking: false,
            withdrawn: false,
            superseded: false,
            next_link: 0,
            next_ping: 1,
        }
    }

    /// The state as it is told. Attempts made while retrying are part of retrying.
    pub(super) const fn told(&self) -> InstanceState {
        match self.state {
            MachineState::Discovered => InstanceState::Discovered,
            MachineState::Connecting(_) => InstanceState::Connecting,
            MachineState::Active(_) => InstanceState::Active,
            MachineState::Retrying { .. } => InstanceState::Retrying,
            MachineState::Dead(_) => InstanceState::Dead,
        }
    }

    /// The connection that is open.
    #[cfg(test)]
    pub(super) fn link(&self) -> Option<LinkId> {
        match &self.state {
            MachineState::Connecting(attempt)
            | MachineState::Retrying { step: RetryStep::Trying(attempt), .. } => {
                (attempt.handshake != Handshake::Unopened).then_some(attempt.link)
            }
            MachineState::Active(Active { link, .. })
            | MachineState::Retrying { step: RetryStep::Silent { link, .. }, .. } => Some(*link),
            MachineState::Discovered | MachineState::Retrying { .. } | MachineState::Dead(_) => None,
        }
    }

    /// When [`Event::Tick`] is due.
    pub(super) fn deadline(&self, health: &HealthConfig) -> Option<Instant> {
        match &self.state {
            MachineState::Discovered | MachineState::Dead(_) => None,
            MachineState::Connecting(attempt) => Some(attempt.until),
            MachineState::Active(Active { ping: Ping::Due(at), .. }) => Some(*at),
            MachineState::Active(Active { ping: Ping::Sent { at, .. }, .. }) => {
                Some(*at + health.ping_interval)
            }
            MachineState::Retrying { since, step, .. } => {
                let (RetryStep::Waiting { until }
                | RetryStep::Trying(Attempt { until, .. })
                | RetryStep::Silent { until, .. }) = step;
                Some((*until).min(*since + health.give_up_after))
            }
        }
    }

    /// The machine after `event`, and what is to be done.
    pub(super) fn on(mut self, event: Event, now: Now<'_>) -> (Self, Effects) {
        let mut effects = Effects::new();
        match event {
            Event::Withdrawn(gone) => self.withdrawn = gone,
            Event::Superseded => self.superseded = true,
            Event::Identified(_) => self.checking = false,
            _ => {}
        }
        let state = std::mem::replace(&mut self.state, MachineState::Discovered);
        self.state = match state {
            MachineState::Discovered => self.on_discovered(&event, now, &mut effects),
            MachineState::Connecting(attempt) => match self.on_attempt(attempt, event, now, &mut effects) {
                AttemptOutcome::Pending(attempt) => MachineState::Connecting(attempt),
                AttemptOutcome::Reached(link) => self.activate(link, 0, now, &mut effects),
                AttemptOutcome::Failed(why) => self.fail(why, None, now, &mut effects),
                AttemptOutcome::Lost(why) => die(Death::Silent, why, &mut effects),
                AttemptOutcome::Gone(why) => die(Death::Gone, why, &mut effects),
            },
            MachineState::Active(active) => self.on_active(active, event, now, &mut effects),
            MachineState::Retrying { since, tries, step } => {
                self.on_retrying(since, tries, step, event, now, &mut effects)
            }
            MachineState::Dead(death) => MachineState::Dead(death),
        };
        (self, effects)
    }
}

/// What the system's word means for the instance.
pub(super) enum IdentityVerdict {
    Itself,
    Unreachable(String),
    /// Most likely gone; on doubt its doorbell stays.
    Lost(String),
    Gone(String),
}

pub(super) fn verdict(identity: Identity) -> IdentityVerdict {
    match identity {
        // Not every system tells who listens on a port; the handshake must do there.
        Identity::Confirmed { .. } | Identity::Plausible { .. } => IdentityVerdict::Itself,
        Identity::NotListening => {
            IdentityVerdict::Unreachable("its process does not listen on its port".to_owned())
        }
        Identity::PortTaken { owner } => {
            IdentityVerdict::Unreachable(format!("process {owner} has its port"))
        }
        Identity::OtherUser(User::Number(user)) => IdentityVerdict::Unreachable(format!(
            "refused: its port is held by another user (uid {user}); nothing is sent there"
        )),
        Identity::OtherUser(User::OfProcess(owner)) => IdentityVerdict::Unreachable(format!(
            "refused: its port is held by process {owner}, which is not known to be this user's; nothing is sent there"
        )),
        Identity::Gone => IdentityVerdict::Gone("its process is gone".to_owned()),
        Identity::Reused => {
            IdentityVerdict::Lost("its process is gone, and another one has its number".to_owned())
        }
    }
}
