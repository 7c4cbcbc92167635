//! The ways out of each state.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    Active, Attempt, Death, Effect, Effects, Event, Handshake, IdentityVerdict, InstanceState, Machine,
    MachineState, Now, Ping, RetryStep, verdict,
};
use crate::{instance::backoff, upstream::LinkId};

/// What became of an attempt.
pub(super) enum AttemptOutcome {
    Pending(Attempt),
    Reached(LinkId),
    Failed(String),
    Lost(String),
    Gone(String),
}

/// When an instance is looked at again that took its doorbell back and answered: most take it back first and stop to
/// listen a moment later, and nothing else may tell.
const FAREWELLS: [Duration; 3] =
    [Duration::from_millis(100), Duration::from_millis(400), Duration::from_millis(1600)];

/// How late the hub may be by itself, on a machine that has much to do.
const SLEEP: Duration = Duration::from_secs(2);

impl Machine {
    pub(super) fn on_discovered(
        &mut self,
        event: &Event,
        now: Now<'_>,
        effects: &mut Effects,
    ) -> MachineState {
        if !matches!(event, Event::Start) {
            return MachineState::Discovered;
        }
        effects.push(Effect::Enter(InstanceState::Connecting, "its doorbell was found".to_owned()));
        MachineState::Connecting(self.attempt(now, effects))
    }

    fn attempt(&mut self, now: Now<'_>, effects: &mut Effects) -> Attempt {
        let link = LinkId(self.next_link);
        self.next_link += 1;
        self.identify(effects);
        Attempt { link, handshake: Handshake::Unopened, until: now.at + now.patience }
    }

    fn identify(&mut self, effects: &mut Effects) {
        self.checking = true;
        effects.push(Effect::Identify);
    }

    pub(super) fn on_attempt(
        &mut self,
        mut attempt: Attempt,
        event: Event,
        now: Now<'_>,
        effects: &mut Effects,
    ) -> AttemptOutcome {
        let is_open = attempt.handshake == Handshake::Pending;
        match event {
            Event::Ready { link, foreign: Some(id) } if is_open && link == attempt.link => {
                return AttemptOutcome::Failed(format!("its port is answered by another instance, `{id}`"));
            }
            Event::Ready { link, foreign: None } if is_open && link == attempt.link => {
                return AttemptOutcome::Reached(link);
            }
            Event::Failed { link, why } if is_open && link == attempt.link => {
                // The system's word tells a process that is gone from a slow one.
                attempt.handshake = Handshake::Failed(why);
                self.identify(effects);
            }
            Event::Identified(identity) => match (verdict(identity), &attempt.handshake) {
                (IdentityVerdict::Itself, Handshake::Unopened) => {
                    attempt.handshake = Handshake::Pending;
                    effects.push(Effect::Open(attempt.link));
                }
                (IdentityVerdict::Itself, Handshake::Pending) => {}
                (IdentityVerdict::Itself, Handshake::Failed(why)) => {
                    return AttemptOutcome::Failed(why.clone());
                }
                (IdentityVerdict::Unreachable(why), _) => return AttemptOutcome::Failed(why),
                (IdentityVerdict::Lost(why), _) => return AttemptOutcome::Lost(why),
                (IdentityVerdict::Gone(why), _) => return AttemptOutcome::Gone(why),
            },
            // A check that began before the process ended may still say that it lives.
            Event::Exited => self.identify(effects),
            Event::Tick if now.at >= attempt.until => {
                return AttemptOutcome::Failed("it did not answer the handshake in time".to_owned());
            }
            _ => {}
        }
        AttemptOutcome::Pending(attempt)
    }

    pub(super) fn activate(
        &mut self,
        link: LinkId,
        tries: u32,
        now: Now<'_>,
        effects: &mut Effects,
    ) -> MachineState {
        effects.push(Effect::Enter(InstanceState::Active, "it answered".to_owned()));
        // Spread over the interval: instances found together must not be pinged together for ever after.
        let first = now.at + now.health.ping_interval.mul_f64(now.jitter);
        let ping = Ping::Due(first);
        MachineState::Active(Active { link, since: now.at, ping, missed: 0, tries, farewells: 0 })
    }

    pub(super) fn on_active(
        &mut self,
        mut active: Active,
        event: Event,
        now: Now<'_>,
        effects: &mut Effects,
    ) -> MachineState {
        let interval = now.health.ping_interval;
        match event {
            Event::Ready { link, foreign: Some(id) } if link == active.link => {
                let why = format!("its port is answered by another instance, `{id}`");
                return self.lose(&active, why, now, effects);
            }
            Event::Failed { link, why } if link == active.link => {
                return self.lose(&active, why, now, effects);
            }
            Event::Pong { link, id } if link == active.link => {
                if let Ping::Sent { first, at } = active.ping
                    && self.is_awaited(first, id)
                {
                    self.forget(first, Some(id), effects);
                    active.missed = 0;
                    active.ping = Ping::Due(match active.farewells {
                        0 => at + interval,
                        left => now.at + FAREWELLS[FAREWELLS.len() - left],
                    });
                }
            }
            Event::PingFailed { link, id, why, refused } if link == active.link => {
                // One that was asked earlier may still be answered by the later ping.
                let Ping::Sent { first, .. } = active.ping else { return MachineState::Active(active) };
                if !self.is_awaited(first, id) || (id < self.latest_ping() && !refused) {
                    return MachineState::Active(active);
                }
                active.missed = active.missed.saturating_add(1);
                // A refusal is the kernel's word that nobody listens; nothing is to be gained by asking again.
                if refused || (active.missed >= now.health.max_missed_pings && now.calls == 0) {
                    return self.lose(&active, why, now, effects);
                }
                self.forget(first, Some(id), effects);
                active.ping = Ping::Due(now.at + interval);
            }
            Event::Identified(identity) => match verdict(identity) {
                IdentityVerdict::Itself => {}
                IdentityVerdict::Unreachable(why) => return self.lose(&active, why, now, effects),
                IdentityVerdict::Lost(why) => return die(Death::Silent, why, effects),
                IdentityVerdict::Gone(why) => return die(Death::Gone, why, effects),
            },
            Event::Exited => self.identify(effects),
            Event::Withdrawn(false) => active.farewells = 0,
            event @ (Event::Suspect | Event::Superseded | Event::Withdrawn(true)) => {
                if matches!(event, Event::Withdrawn(true)) {
                    active.farewells = FAREWELLS.len();
                }
                if !self.checking {
                    self.identify(effects);
                }
                if let Ping::Due(_) = active.ping {
                    active.ping = self.ping(now, effects);
                }
            }
            Event::Tick => match active.ping {
                Ping::Due(at) if now.at >= at => {
                    active.ping = if active.farewells > 0 {
                        active.farewells -= 1;
                        self.ping(now, effects)
                    } else if now.heard + interval > now.at {
                        active.missed = 0;
                        Ping::Due(now.heard + interval)
                    } else {
                        self.ping(now, effects)
                    };
                }
                Ping::Sent { first, at } if now.at >= at + interval => {
                    if now.heard > at {
                        // Busy with something else, and alive.
                        self.forget(first, None, effects);
                        active.missed = 0;
                        active.ping = Ping::Due(now.heard + interval);
                    } else {
                        active.ping = Ping::Sent { first, at: now.at };
                        if !was_asleep(at + interval, now) {
                            active.missed = active.missed.saturating_add(1);
                        }
                        if active.missed >= now.health.max_missed_pings && now.calls == 0 {
                            return self.fall_silent(&active, first, now, effects);
                        }
                        // What was asked stays asked. Each question waits in the queue of a process that is stopped, which
                        // is short; a second one is for a server that has lost the first.
                        if active.missed + 1 == now.health.max_missed_pings {
                            self.ping(now, effects);
                        }
                    }
                }
                _ => {}
            },
            _ => {}
        }
        MachineState::Active(active)
    }

    fn ping(&mut self, now: Now<'_>, effects: &mut Effects) -> Ping {
        let id = self.next_ping;
        self.next_ping += 1;
        effects.push(Effect::Ping(id));
        Ping::Sent { first: id, at: now.at }
    }

    const fn latest_ping(&self) -> u64 {
        self.next_ping - 1
    }

    /// Whether an answer to this ping is waited for, where those from `first` on are.
    const fn is_awaited(&self, first: u64, id: u64) -> bool {
        first <= id && id < self.next_ping
    }

    /// Gives up the pings from `first` on, but for one that is over.
    fn forget(&self, first: u64, over: Option<u64>, effects: &mut Effects) {
        effects.extend((first..self.next_ping).filter(|id| Some(*id) != over).map(Effect::Forget));
    }

    /// It takes what is sent, and answers nothing.
    fn fall_silent(
        &mut self,
        active: &Active,
        first: u64,
        now: Now<'_>,
        effects: &mut Effects,
    ) -> MachineState {
        let why = format!("it missed {} pings in a row", active.missed);
        if self.withdrawn || self.superseded {
            return die(self.kind_of_death(), why, effects);
        }
        effects.push(Effect::Enter(InstanceState::Retrying, why));
        self.identify(effects);
        // Another process may have taken its place, or the server may have lost what it was asked.
        let until = now.at + (3 * now.health.ping_interval).min(now.health.give_up_after / 2);
        let step = RetryStep::Silent { link: active.link, first, until };
        MachineState::Retrying { since: now.at, tries: 0, step }
    }

    pub(super) fn on_retrying(
        &mut self,
        since: Instant,
        tries: u32,
        step: RetryStep,
        event: Event,
        now: Now<'_>,
        effects: &mut Effects,
    ) -> MachineState {
        let mut since = since;
        if matches!(event, Event::Tick) && now.at >= since + now.health.give_up_after {
            // The time counts from the end of the last call, and while this process runs itself.
            if now.calls == 0 && !was_asleep(since + now.health.give_up_after, now) {
                let why = format!("it did not answer for {} s", now.health.give_up_after.as_secs());
                return die(self.kind_of_death(), why, effects);
            }
            since = now.at;
        }
        match step {
            RetryStep::Trying(attempt) => match self.on_attempt(attempt, event, now, effects) {
                AttemptOutcome::Pending(attempt) => {
                    MachineState::Retrying { since, tries, step: RetryStep::Trying(attempt) }
                }
                AttemptOutcome::Reached(link) => self.activate(link, tries, now, effects),
                AttemptOutcome::Failed(why) => self.fail(why, Some((since, tries)), now, effects),
                AttemptOutcome::Lost(why) => die(Death::Silent, why, effects),
                AttemptOutcome::Gone(why) => die(Death::Gone, why, effects),
            },
            RetryStep::Waiting { until } => {
                match event {
                    Event::Identified(identity) => match verdict(identity) {
                        IdentityVerdict::Gone(why) => return die(Death::Gone, why, effects),
                        IdentityVerdict::Lost(why) => return die(Death::Silent, why, effects),
                        IdentityVerdict::Itself | IdentityVerdict::Unreachable(_) => {}
                    },
                    Event::Exited => self.identify(effects),
                    Event::Suspect if !self.checking => self.identify(effects),
                    Event::Withdrawn(true) if now.calls == 0 => {
                        return die(Death::Withdrawn, "it took its doorbell back".to_owned(), effects);
                    }
                    // Both are tried at once: if it does not answer now, the later one takes its place.
                    Event::Superseded | Event::Listening => {
                        let step = RetryStep::Trying(self.attempt(now, effects));
                        return MachineState::Retrying { since, tries: tries + 1, step };
                    }
                    Event::Tick if now.at >= until => {
                        let step = RetryStep::Trying(self.attempt(now, effects));
                        return MachineState::Retrying { since, tries: tries + 1, step };
                    }
                    _ => {}
                }
                MachineState::Retrying { since, tries, step: RetryStep::Waiting { until } }
            }
            RetryStep::Silent { link, first, until } => {
                self.on_silent((since, tries), (link, first, until), event, now, effects)
            }
        }
    }

    fn on_silent(
        &mut self,
        (since, tries): (Instant, u32),
        (link, first, until): (LinkId, u64, Instant),
        event: Event,
        now: Now<'_>,
        effects: &mut Effects,
    ) -> MachineState {
        let before = Some((since, tries));
        match event {
            Event::Pong { link: from, id } if from == link && self.is_awaited(first, id) => {
                self.forget(first, Some(id), effects);
                return self.activate(link, tries, now, effects);
            }
            Event::Ready { link: from, foreign: None } if from == link => {
                self.forget(first, None, effects);
                return self.activate(link, tries, now, effects);
            }
            Event::Ready { link: from, foreign: Some(id) } if from == link => {
                return self.fail(
                    format!("its port is answered by another instance, `{id}`"),
                    before,
                    now,
                    effects,
                );
            }
            Event::Failed { link: from, why } if from == link => return self.fail(why, before, now, effects),
            Event::PingFailed { link: from, id, why, refused }
                if from == link && self.is_awaited(first, id) && (refused || id == self.latest_ping()) =>
            {
                return self.fail(why, before, now, effects);
            }
            Event::Identified(identity) => match verdict(identity) {
                IdentityVerdict::Gone(why) => return die(Death::Gone, why, effects),
                IdentityVerdict::Lost(why) => return die(Death::Silent, why, effects),
                IdentityVerdict::Unreachable(why) => return self.fail(why, before, now, effects),
                IdentityVerdict::Itself => {}
            },
            Event::Exited => self.identify(effects),
            Event::Suspect if !self.checking => self.identify(effects),
            Event::Withdrawn(true) if now.calls == 0 => {
                return die(Death::Withdrawn, "it took its doorbell back".to_owned(), effects);
            }
            Event::Superseded => {
                let why = "it does not answer, and a later one of its project is there".to_owned();
                return die(Death::Silent, why, effects);
            }
            Event::Tick if now.heard > since => {
                self.forget(first, None, effects);
                return self.activate(link, tries, now, effects);
            }
            Event::Tick if now.at >= until => {
                effects.push(Effect::Close);
                let step = RetryStep::Trying(self.attempt(now, effects));
                return MachineState::Retrying { since, tries: tries + 1, step };
            }
            _ => {}
        }
        MachineState::Retrying { since, tries, step: RetryStep::Silent { link, first, until } }
    }

    /// An active instance does not answer any more.
    fn lose(&mut self, active: &Active, why: String, now: Now<'_>, effects: &mut Effects) -> MachineState {
        // One that is lost again and again at once must not be reached for without a pause.
        let brief = now.at < active.since + now.health.ping_interval;
        let tries = if brief { active.tries } else { 0 };
        let state = self.fail(why, Some((now.at, tries)), now, effects);
        if let MachineState::Retrying { .. } = state {
            // Tells at once whether there is anything left to retry.
            self.identify(effects);
        }
        state
    }

    /// It could not be reached; `before` is since when and how often that was so.
    pub(super) fn fail(
        &mut self,
        why: String,
        before: Option<(Instant, u32)>,
        now: Now<'_>,
        effects: &mut Effects,
    ) -> MachineState {
        // One that takes its doorbell back may have a call to finish first.
        if self.superseded || (self.withdrawn && now.calls == 0) {
            return die(self.kind_of_death(), why, effects);
        }
        let (since, tries) = before.unwrap_or((now.at, 0));
        effects.extend([Effect::Close, Effect::Enter(InstanceState::Retrying, why)]);
        let until = now.at + backoff::pause(now.health, tries, now.jitter);
        MachineState::Retrying { since, tries, step: RetryStep::Waiting { until } }
    }

    const fn kind_of_death(&self) -> Death {
        if self.withdrawn { Death::Withdrawn } else { Death::Silent }
    }
}

/// Whether a time is over for so long that this process itself must have been stopped meanwhile, as with the machine it
/// runs on: what the instance did in that time is not known.
fn was_asleep(due: Instant, now: Now<'_>) -> bool {
    now.at > due + now.health.ping_interval + SLEEP
}

pub(super) fn die(death: Death, why: String, effects: &mut Effects) -> MachineState {
    effects.extend([Effect::Close, Effect::Enter(InstanceState::Dead, why)]);
    MachineState::Dead(death)
}
