use proptest::prelude::*;

use super::*;

const PATIENCE: Duration = Duration::from_secs(13);

/// A machine with a clock that the test moves.
#[derive(Clone)]
struct World {
    machine: Machine,
    health: HealthConfig,
    at: Instant,
    heard: Instant,
    calls: usize,
    jitter: f64,
    ticks: usize,
}

/// More than any test takes: a machine that comes to no end fails it.
const MAX_TICKS: usize = 5000;

impl World {
    fn new() -> Self {
        let at = Instant::now();
        Self {
            machine: Machine::new(),
            health: HealthConfig::default(),
            at,
            heard: at,
            calls: 0,
            jitter: 1.0,
            ticks: 0,
        }
    }
    fn active() -> Self {
        let mut world = Self::new();
        world.on(Event::Start);
        world.on(Event::Identified(Identity::Confirmed { address: None }));
        world.on(world.ready());
        assert_eq!(world.told(), InstanceState::Active);
        world
    }
    fn on(&mut self, event: Event) -> Vec<Effect> {
        let now = Now {
            at: self.at,
            heard: self.heard,
            calls: self.calls,
            jitter: self.jitter,
            health: &self.health,
            patience: PATIENCE,
        };
        let (machine, effects) = self.machine.clone().on(event, now);
        self.machine = machine;
        effects
    }
    /// Lets time pass until the machine wants to be woken.
    fn tick(&mut self) -> Vec<Effect> {
        self.ticks += 1;
        assert!(self.ticks < MAX_TICKS, "it comes to no end: {:?}", self.machine);
        self.at = self.machine.deadline(&self.health).expect("a state that waits");
        self.on(Event::Tick)
    }
    fn told(&self) -> InstanceState {
        self.machine.told()
    }
    fn link(&self) -> LinkId {
        self.machine.link().unwrap_or(LinkId(u64::MAX))
    }
    fn ready(&self) -> Event {
        Event::Ready { link: self.link(), foreign: None }
    }
    fn failed(&self) -> Event {
        Event::Failed { link: self.link(), why: "nothing listens".to_owned() }
    }
    fn answer(&mut self, effects: &[Effect]) {
        let id = sent(effects).expect("a ping");
        self.on(Event::Pong { link: self.link(), id });
    }
}

fn sent(effects: &[Effect]) -> Option<u64> {
    effects.iter().find_map(|effect| match effect {
        Effect::Ping(id) => Some(*id),
        _ => None,
    })
}

fn death(world: &World) -> Option<Death> {
    match world.machine.state {
        MachineState::Dead(death) => Some(death),
        _ => None,
    }
}

#[test]
fn one_that_took_its_doorbell_back_and_still_answers_is_looked_at_again_soon() {
    let mut world = World::active();
    let began = world.at;
    let mut effects = world.on(Event::Withdrawn(true));
    for _ in 0..3 {
        world.answer(&effects);
        // However much else it answers in the meantime.
        world.heard = world.at;
        let before = world.at;
        effects = world.tick();
        assert!(world.at > before, "one looks back, not at once");
        assert!(sent(&effects).is_some());
    }
    assert!(world.at - began < world.health.ping_interval);
    world.answer(&effects);
    let last = world.at;
    world.tick();
    assert_eq!(world.at, last + world.health.ping_interval, "then as ever");
    assert_eq!(world.told(), InstanceState::Active);
}

#[test]
fn nothing_is_opened_before_the_system_says_whose_port_it_is() {
    let mut world = World::new();
    let effects = world.on(Event::Start);
    assert!(matches!(effects[..], [Effect::Enter(InstanceState::Connecting, _), Effect::Identify]));
    assert_eq!(world.machine.link(), None);
    let effects = world.on(Event::Identified(Identity::Plausible { address: None }));
    assert!(matches!(effects[..], [Effect::Open(_)]));
    assert_eq!(world.told(), InstanceState::Connecting);
    world.on(world.ready());
    assert_eq!(world.told(), InstanceState::Active);
}

#[test]
fn a_port_of_another_user_is_never_opened() {
    for user in [User::Number(1234), User::OfProcess(7)] {
        let mut world = World::new();
        world.on(Event::Start);
        for _ in 0..3 {
            let effects = world.on(Event::Identified(Identity::OtherUser(user)));
            assert!(!effects.iter().any(|effect| matches!(effect, Effect::Open(_))), "{effects:?}");
            assert!(
                effects
                    .iter()
                    .any(|effect| matches!(effect, Effect::Enter(_, why) if why.contains("refused"))),
                "{effects:?}"
            );
            world.tick();
        }
        let mut active = World::active();
        let effects = active.on(Event::Identified(Identity::OtherUser(user)));
        assert!(effects.contains(&Effect::Close), "{effects:?}");
    }
}

#[test]
fn another_process_on_the_port_is_not_it() {
    for identity in [Identity::PortTaken { owner: 7 }, Identity::NotListening] {
        let mut world = World::new();
        world.on(Event::Start);
        world.on(Event::Identified(identity));
        assert_eq!(world.told(), InstanceState::Retrying);
        assert_eq!(world.machine.link(), None);
    }
    let mut world = World::new();
    world.on(Event::Start);
    world.on(Event::Identified(Identity::Confirmed { address: None }));
    world.on(Event::Ready { link: world.link(), foreign: Some("other".to_owned()) });
    assert_eq!(world.told(), InstanceState::Retrying);
}

#[test]
fn a_gone_process_is_dead_at_once() {
    // A number that was reused may be a clock that jumped: nothing is deleted then.
    for (identity, expected) in [(Identity::Gone, Death::Gone), (Identity::Reused, Death::Silent)] {
        let mut connecting = World::new();
        connecting.on(Event::Start);
        connecting.on(Event::Identified(Identity::Plausible { address: None }));
        let effects = connecting.on(connecting.failed());
        assert_eq!(effects, [Effect::Identify]);
        assert_eq!(connecting.told(), InstanceState::Connecting, "the system's word is awaited");
        let mut active = World::active();
        assert_eq!(active.on(Event::Exited), [Effect::Identify]);
        let mut retrying = World::active();
        assert!(retrying.on(retrying.failed()).contains(&Effect::Identify));
        for world in [&mut connecting, &mut active, &mut retrying] {
            let effects = world.on(Event::Identified(identity));
            assert!(effects.contains(&Effect::Close), "{effects:?}");
            assert_eq!(death(world), Some(expected));
        }
    }
}

#[test]
fn three_missed_pings_make_it_retry() {
    let mut world = World::active();
    assert_eq!(sent(&world.tick()), Some(1));
    assert_eq!(sent(&world.tick()), None, "what was asked is still asked");
    assert_eq!(sent(&world.tick()), Some(2));
    assert!(matches!(&world.machine.state, MachineState::Active(active) if active.missed == 2));
    let effects = world.tick();
    assert_eq!(world.told(), InstanceState::Retrying);
    assert!(!effects.contains(&Effect::Close), "what was asked is still asked: {effects:?}");
}

/// One that has missed its pings and is waited for.
fn silent() -> World {
    let mut world = World::active();
    for _ in 0..4 {
        world.tick();
    }
    assert_eq!(world.told(), InstanceState::Retrying);
    world
}

#[test]
fn one_that_was_stopped_is_back_with_the_answer_to_what_it_was_asked() {
    for id in [1, 2] {
        let mut world = silent();
        let link = world.link();
        let effects = world.on(Event::Pong { link, id });
        assert_eq!(world.told(), InstanceState::Active);
        assert_eq!(world.link(), link);
        assert_eq!(effects[0], Effect::Forget(3 - id), "the other one is of no use any more");
    }
    // A session may be the one that hears of it.
    let mut world = silent();
    world.heard = world.at + Duration::from_secs(1);
    world.tick();
    assert_eq!(world.told(), InstanceState::Active);
}

#[test]
fn one_that_stays_silent_is_tried_anew_and_given_up_at_last() {
    let mut world = silent();
    let lost = world.at;
    let effects = world.tick();
    assert_eq!(effects, [Effect::Close, Effect::Identify]);
    assert_eq!(world.at - lost, 3 * world.health.ping_interval);
    world.on(Event::Identified(Identity::Confirmed { address: None }));
    while death(&world).is_none() {
        world.tick();
        world.on(Event::Identified(Identity::Confirmed { address: None }));
    }
    assert_eq!(death(&world), Some(Death::Silent));
    assert_eq!(world.at - lost, world.health.give_up_after);
}

#[test]
fn silence_is_no_sign_while_a_call_runs() {
    let mut world = World::active();
    world.calls = 1;
    for _ in 0..1000 {
        let effects = world.tick();
        assert!(sent(&effects).is_none_or(|id| id <= 2), "no more than two questions wait: {effects:?}");
        assert_eq!(world.told(), InstanceState::Active);
    }
    world.calls = 0;
    world.tick();
    assert_eq!(world.told(), InstanceState::Retrying);
    // Nor does a lost connection kill what runs on another one.
    let mut world = World::active();
    world.calls = 1;
    world.on(Event::Withdrawn(true));
    world.on(world.failed());
    for _ in 0..200 {
        assert_eq!(world.told(), InstanceState::Retrying);
        world.tick();
        world.on(Event::Identified(Identity::NotListening));
    }
    world.on(Event::Identified(Identity::Gone));
    let mut gone = World::active();
    gone.calls = 1;
    gone.on(Event::Exited);
    gone.on(Event::Identified(Identity::Gone));
    for world in [world, gone] {
        assert_eq!(death(&world), Some(Death::Gone), "one that is gone does not work on anything");
    }
}

#[test]
fn time_in_which_the_hub_did_not_run_counts_for_nothing() {
    let mut world = World::active();
    world.tick();
    for _ in 0..10 {
        world.at += Duration::from_secs(3600);
        world.on(Event::Tick);
        assert_eq!(world.told(), InstanceState::Active);
    }
    let mut world = silent();
    world.at += Duration::from_secs(3600);
    world.on(Event::Tick);
    assert_eq!(world.told(), InstanceState::Retrying);
}

#[test]
fn an_answered_ping_forgives_missed_ones() {
    let mut world = World::active();
    world.tick();
    world.tick();
    let effects = world.tick();
    world.answer(&effects);
    assert!(matches!(&world.machine.state, MachineState::Active(active) if active.missed == 0));
}

#[test]
fn traffic_replaces_pings() {
    let mut world = World::active();
    for _ in 0..10 {
        world.heard = world.machine.deadline(&world.health).unwrap() - Duration::from_secs(1);
        assert_eq!(world.tick(), []);
    }
    assert!(sent(&world.tick()).is_some(), "silence for a whole interval");
    world.heard = world.at + Duration::from_secs(1);
    let effects = world.tick();
    assert_eq!(sent(&effects), None, "it was busy: {effects:?}");
    assert!(matches!(&world.machine.state, MachineState::Active(active) if active.missed == 0));
}

#[test]
fn a_refused_ping_needs_no_second() {
    let mut world = World::active();
    let id = sent(&world.on(Event::Suspect)).unwrap();
    world.on(Event::PingFailed { link: world.link(), id, why: "refused".to_owned(), refused: true });
    assert_eq!(world.told(), InstanceState::Retrying);
}

#[test]
fn suspicion_checks_once() {
    let mut world = World::active();
    assert_eq!(world.on(Event::Suspect), [Effect::Identify, Effect::Ping(1)]);
    assert_eq!(world.on(Event::Suspect), []);
    world.on(Event::Identified(Identity::Confirmed { address: None }));
    world.on(Event::Pong { link: world.link(), id: 1 });
    assert_eq!(world.told(), InstanceState::Active);
}

#[test]
fn pauses_grow_and_end_in_death() {
    let mut world = World::active();
    world.at += Duration::from_secs(60);
    let lost = world.at;
    world.on(world.failed());
    let mut pauses = Vec::new();
    while death(&world).is_none() {
        let before = world.at;
        world.tick();
        if death(&world).is_none() {
            pauses.push((world.at - before).as_millis());
            world.on(Event::Identified(Identity::Confirmed { address: None }));
            world.on(world.failed());
            world.on(Event::Identified(Identity::Confirmed { address: None }));
        }
    }
    assert_eq!(pauses[..8], [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
    assert_eq!(world.at - lost, world.health.give_up_after);
    assert_eq!(death(&world), Some(Death::Silent));
}

#[test]
fn one_that_flaps_is_reached_for_ever_more_slowly() {
    let mut world = World::active();
    let mut pauses = Vec::new();
    for _ in 0..6 {
        world.on(world.failed());
        let before = world.at;
        world.tick();
        pauses.push((world.at - before).as_millis());
        world.on(Event::Identified(Identity::Confirmed { address: None }));
        world.on(world.ready());
    }
    assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200]);
}

#[test]
fn one_whose_port_is_opened_is_tried_at_once() {
    let mut world = World::active();
    world.on(world.failed());
    world.on(Event::Identified(Identity::NotListening));
    assert_eq!(world.told(), InstanceState::Retrying);
    assert!(matches!(world.on(Event::Listening)[..], [Effect::Identify]), "and not after a pause");
    let mut living = World::active();
    assert!(living.on(Event::Listening).is_empty(), "one that answers is left alone");
}

#[test]
fn a_removed_doorbell_asks_the_connection() {
    let mut world = World::active();
    let effects = world.on(Event::Withdrawn(true));
    world.answer(&effects);
    world.on(Event::Identified(Identity::Confirmed { address: None }));
    assert_eq!(world.told(), InstanceState::Active, "it still answers");
    world.on(world.failed());
    assert_eq!(death(&world), Some(Death::Withdrawn));
}

#[test]
fn one_that_came_later_replaces_only_one_that_does_not_answer() {
    let mut living = World::active();
    let effects = living.on(Event::Superseded);
    living.answer(&effects);
    assert_eq!(living.told(), InstanceState::Active);
    let mut lost = World::active();
    lost.on(lost.failed());
    assert!(matches!(lost.on(Event::Superseded)[..], [Effect::Identify]));
    lost.on(Event::Identified(Identity::NotListening));
    assert_eq!(death(&lost), Some(Death::Silent));
}

#[test]
fn news_of_a_former_connection_is_ignored() {
    let mut world = World::active();
    let former = world.link();
    world.on(world.failed());
    world.tick();
    let trying = world.clone();
    world.on(Event::Identified(Identity::Confirmed { address: None }));
    world.on(world.ready());
    let id = sent(&world.on(Event::Suspect)).expect("a ping");
    world.on(Event::Identified(Identity::Confirmed { address: None }));
    let active = world.clone();
    while world.told() == InstanceState::Active {
        world.tick();
    }
    for mut world in [trying, active, world] {
        let before = world.machine.clone();
        for event in [
            Event::Ready { link: former, foreign: None },
            Event::Ready { link: former, foreign: Some("other".to_owned()) },
            Event::Failed { link: former, why: String::new() },
            Event::Pong { link: former, id },
            Event::PingFailed { link: former, id, why: String::new(), refused: true },
            // Nor is an answer to what nobody has asked.
            Event::Pong { link: world.link(), id: 99 },
            Event::PingFailed { link: world.link(), id: 99, why: String::new(), refused: true },
        ] {
            assert_eq!(world.on(event), []);
            assert_eq!(world.machine, before);
        }
    }
}

/// One that waits for the next attempt.
fn waiting() -> World {
    let mut world = World::active();
    world.on(world.failed());
    world.on(Event::Identified(Identity::Plausible { address: None }));
    assert_eq!(world.told(), InstanceState::Retrying);
    world
}

#[test]
fn one_that_does_not_answer_is_asked_for_whenever_something_speaks_for_its_end() {
    let mut connecting = World::new();
    connecting.on(Event::Start);
    connecting.on(Event::Identified(Identity::Confirmed { address: None }));
    assert_eq!(connecting.on(Event::Exited), [Effect::Identify]);
    for lost in [waiting, silent] {
        let mut world = lost();
        // The answer to what was asked as it fell silent.
        world.on(Event::Identified(Identity::Confirmed { address: None }));
        assert_eq!(world.on(Event::Suspect), [Effect::Identify]);
        assert_eq!(world.on(Event::Suspect), [], "once is enough");
        assert_eq!(world.on(Event::Exited), [Effect::Identify], "what was asked before may be an old answer");
        assert_eq!(world.told(), InstanceState::Retrying);
        for (identity, expected) in [(Identity::Gone, Death::Gone), (Identity::Reused, Death::Silent)] {
            let mut world = lost();
            world.on(Event::Identified(identity));
            assert_eq!(death(&world), Some(expected));
        }
    }
    let mut world = silent();
    let effects = world.on(Event::Identified(Identity::PortTaken { owner: 7 }));
    assert!(effects.contains(&Effect::Close), "nothing more is to be said to a stranger: {effects:?}");
    assert_eq!((world.told(), world.machine.link()), (InstanceState::Retrying, None));
}

#[test]
fn one_that_does_not_answer_and_takes_its_doorbell_back_is_let_go_when_its_calls_are_done() {
    for lost in [waiting, silent] {
        let mut world = lost();
        world.calls = 1;
        assert_eq!(world.on(Event::Withdrawn(true)), []);
        assert_eq!(world.told(), InstanceState::Retrying);
        world.calls = 0;
        world.on(Event::Withdrawn(true));
        assert_eq!(death(&world), Some(Death::Withdrawn));
    }
    let mut replaced = silent();
    replaced.on(Event::Superseded);
    assert_eq!(death(&replaced), Some(Death::Silent));
    // The same when it is asked no more than afterwards.
    for (event, expected) in [(Event::Withdrawn(true), Death::Withdrawn), (Event::Superseded, Death::Silent)]
    {
        let mut world = World::active();
        world.on(event);
        while world.told() == InstanceState::Active {
            world.tick();
        }
        assert_eq!(death(&world), Some(expected), "nothing is left to wait for");
    }
}

#[test]
fn a_doorbell_that_is_back_needs_no_farewell() {
    let mut world = World::active();
    let effects = world.on(Event::Withdrawn(true));
    world.on(Event::Withdrawn(false));
    world.answer(&effects);
    assert_eq!(world.machine.deadline(&world.health), Some(world.at + world.health.ping_interval));
}

#[test]
fn another_instance_on_the_connection_is_not_it_in_whatever_state() {
    for known in [World::active, silent] {
        let mut world = known();
        let effects = world.on(Event::Ready { link: world.link(), foreign: Some("other".to_owned()) });
        assert!(effects.contains(&Effect::Close), "{effects:?}");
        let why = |effect: &Effect| matches!(effect, Effect::Enter(InstanceState::Retrying, why) if why.contains("`other`"));
        assert!(effects.iter().any(why), "{effects:?}");
    }
}

#[test]
fn one_that_was_silent_is_what_its_connection_says_next() {
    let mut world = silent();
    let effects = world.on(world.ready());
    assert_eq!(world.told(), InstanceState::Active);
    assert_eq!(effects[..2], [Effect::Forget(1), Effect::Forget(2)], "it has answered something else");
    let mut world = silent();
    let effects = world.on(world.failed());
    assert_eq!((world.told(), world.machine.link()), (InstanceState::Retrying, None), "{effects:?}");
    let failed = |link, id, refused| Event::PingFailed { link, id, why: String::new(), refused };
    let mut world = silent();
    assert_eq!(world.on(failed(world.link(), 1, false)), [], "the later one may be answered");
    assert!(world.on(failed(world.link(), 2, false)).contains(&Effect::Close));
    let mut world = silent();
    assert!(world.on(failed(world.link(), 1, true)).contains(&Effect::Close), "nobody listens");
    // What was heard before it fell silent says nothing.
    let mut world = silent();
    world.heard = world.at;
    world.at += Duration::from_secs(1);
    assert_eq!(world.on(Event::Tick), []);
    assert_eq!(world.told(), InstanceState::Retrying);
}

#[test]
fn one_that_stays_silent_is_tried_anew_before_it_is_given_up_however_soon_that_is() {
    let mut world = World::active();
    world.health.give_up_after = 2 * world.health.ping_interval;
    while world.told() == InstanceState::Active {
        world.tick();
    }
    let lost = world.at;
    assert_eq!(world.tick(), [Effect::Close, Effect::Identify]);
    assert_eq!(world.at - lost, world.health.ping_interval);
}

/// Fails the attempt that is under way: how long until the next.
fn pause(world: &mut World) -> Duration {
    world.on(Event::Identified(Identity::NotListening));
    world.machine.deadline(&world.health).unwrap() - world.at
}

#[test]
fn each_attempt_makes_the_next_pause_longer_whatever_led_to_it() {
    let mut opened = waiting();
    let mut replaced = silent();
    let mut pauses = [Duration::ZERO; 2];
    for attempt in 0..4 {
        opened.on(Event::Listening);
        if attempt == 0 {
            replaced.tick()
        } else {
            replaced.on(Event::Listening)
        };
        for (world, former) in [&mut opened, &mut replaced].into_iter().zip(&mut pauses) {
            let next = pause(world);
            assert!(next > *former && next > world.health.retry_first, "{next:?} after {former:?}");
            *former = next;
        }
    }
}

#[test]
fn one_that_held_for_an_interval_starts_anew() {
    let mut world = World::active();
    for (held, expected) in
        [(Duration::ZERO, 100), (Duration::from_secs(4), 200), (Duration::from_secs(5), 100)]
    {
        world.at += held;
        world.on(world.failed());
        let before = world.at;
        world.tick();
        assert_eq!((world.at - before).as_millis(), expected, "after {held:?}");
        world.on(Event::Identified(Identity::Confirmed { address: None }));
        world.on(world.ready());
    }
}

#[test]
fn pings_that_fail_count_as_missed_ones() {
    let failed = |world: &World, id| Event::PingFailed {
        link: world.link(),
        id,
        why: "it said nothing in time".to_owned(),
        refused: false,
    };
    for calls in [0, 1] {
        let mut world = World::active();
        world.calls = calls;
        for missed in 1..=2 {
            let id = sent(&world.tick()).expect("a ping");
            assert_eq!(world.on(failed(&world, id)), []);
            assert!(matches!(&world.machine.state, MachineState::Active(active) if active.missed == missed));
            assert_eq!(world.machine.deadline(&world.health), Some(world.at + world.health.ping_interval));
        }
        let id = sent(&world.tick()).expect("a ping");
        world.on(failed(&world, id));
        let expected = if calls == 0 { InstanceState::Retrying } else { InstanceState::Active };
        assert_eq!(world.told(), expected, "with {calls} calls");
    }
    // The second question is for a server that lost the first.
    let mut world = World::active();
    for _ in 0..3 {
        world.tick();
    }
    let before = world.machine.clone();
    assert_eq!(world.on(failed(&world, 1)), []);
    assert_eq!(world.machine, before);
    let refused = Event::PingFailed { link: world.link(), id: 1, why: String::new(), refused: true };
    world.on(refused);
    assert_eq!(world.told(), InstanceState::Retrying);
}

#[test]
fn only_what_is_heard_after_a_question_is_a_sign_of_life() {
    let mut world = World::active();
    world.tick();
    world.heard = world.at;
    world.tick();
    assert!(matches!(&world.machine.state, MachineState::Active(active) if active.missed == 1));
    world.heard = world.at + Duration::from_secs(1);
    world.tick();
    assert_eq!(world.machine.deadline(&world.health), Some(world.heard + world.health.ping_interval));
}

#[test]
fn a_hub_that_is_a_little_late_still_counts_what_was_missed() {
    for (late, expected) in [(7_000, 1), (7_001, 0)] {
        let mut world = World::active();
        world.tick();
        world.at = world.machine.deadline(&world.health).unwrap() + Duration::from_millis(late);
        world.on(Event::Tick);
        assert!(
            matches!(&world.machine.state, MachineState::Active(active) if active.missed == expected),
            "{late} ms late"
        );
    }
}

/// News may be of the connection that is open, or of a former one (by how many).
fn event() -> impl Strategy<Value = Event> {
    let link = || prop_oneof![3 => Just(0_u64), 1 => 1_u64..4].prop_map(LinkId);
    prop_oneof![
        Just(Event::Start),
        (link(), any::<bool>())
            .prop_map(|(link, foreign)| Event::Ready { link, foreign: foreign.then(String::new) }),
        link().prop_map(|link| Event::Failed { link, why: String::new() }),
        (link(), 0_u64..4).prop_map(|(link, id)| Event::Pong { link, id }),
        (link(), 0_u64..4, any::<bool>()).prop_map(|(link, id, refused)| Event::PingFailed {
            link,
            id,
            why: String::new(),
            refused
        }),
        Just(Event::Suspect),
        Just(Event::Exited),
        prop_oneof![
            4 => Just(Identity::Confirmed { address: None }),
            2 => Just(Identity::Plausible { address: None }),
            1 => Just(Identity::Gone),
            1 => Just(Identity::Reused),
            1 => Just(Identity::NotListening),
            1 => Just(Identity::PortTaken { owner: 1 }),
            1 => Just(Identity::OtherUser(User::Number(1)))
        ]
        .prop_map(Event::Identified),
        any::<bool>().prop_map(Event::Withdrawn),
        Just(Event::Superseded),
        Just(Event::Listening),
        Just(Event::Tick),
    ]
}

/// Milliseconds until it happens: most comes in quick succession.
fn pass() -> impl Strategy<Value = u64> {
    prop_oneof![3 => 0_u64..300, 1 => 0_u64..20_000]
}

/// The same with the numbers that the machine gave: counted back from the latest connection, and from the ping after the latest.
fn of(machine: &Machine, event: Event) -> Event {
    let number = |back: LinkId| LinkId((machine.next_link.wrapping_sub(1)).wrapping_sub(back.0));
    let asked = |back: u64| machine.next_ping.wrapping_sub(back);
    match event {
        Event::Ready { link, foreign } => Event::Ready { link: number(link), foreign },
        Event::Failed { link, why } => Event::Failed { link: number(link), why },
        Event::Pong { link, id } => Event::Pong { link: number(link), id: asked(id) },
        Event::PingFailed { link, id, why, refused } => {
            Event::PingFailed { link: number(link), id: asked(id), why, refused }
        }
        event => event,
    }
}

/// Whether it says nothing about what is the case now.
fn is_stale(world: &World, asked: &[u64], event: &Event) -> bool {
    let machine = &world.machine;
    match event {
        Event::Ready { link, .. } | Event::Failed { link, .. } => machine.link() != Some(*link),
        Event::Pong { link, id } | Event::PingFailed { link, id, .. } => {
            machine.link() != Some(*link) || !asked.contains(id)
        }
        // One that is silent may have answered somebody else.
        Event::Tick
            if matches!(machine.state, MachineState::Retrying { step: RetryStep::Silent { .. }, .. }) =>
        {
            false
        }
        Event::Tick => machine.deadline(&world.health).is_none_or(|due| world.at < due),
        _ => false,
    }
}

fn legal(from: InstanceState, to: InstanceState) -> bool {
    use InstanceState::{Active, Connecting, Dead, Discovered, Retrying};
    from == to
        || matches!(
            (from, to),
            (Discovered, Connecting)
                | (Connecting, Active | Retrying | Dead)
                | (Active, Retrying | Dead)
                | (Retrying, Active | Dead)
        )
}

proptest! {
    #[test]
    fn every_way_is_legal(
        steps in proptest::collection::vec(
            (event(), pass(), any::<bool>(), 0_usize..2, 0.0..1.0), 0..200
        ),
        is_reached: bool,
    ) {
        let mut world = World::new();
        let (mut open, mut latest) = (None, None);
        // Pings that nobody has given up, nor answered.
        let mut asked = Vec::new();
        world.on(Event::Tick);
        prop_assert_eq!(world.told(), InstanceState::Discovered);
        let effects = world.on(Event::Start);
        prop_assert!(matches!(effects[..], [Effect::Enter(..), Effect::Identify]));
        let reached = [Event::Identified(Identity::Confirmed { address: None }), Event::Ready { link: LinkId(0), foreign: None }];
        let reached = reached.into_iter().filter(|_| is_reached).map(|event| (event, 0, true, 0, 0.5));
        for (event, pass, heard, calls, jitter) in reached.chain(steps) {
            world.calls = calls;
            world.at += Duration::from_millis(pass);
            world.jitter = jitter;
            if heard { world.heard = world.at }
            let event = of(&world.machine, event);
            let is_stale = is_stale(&world, &asked, &event);
            let before = world.machine.clone();
            let from = world.told();
            let effects = world.on(event.clone());
            prop_assert!(legal(from, world.told()), "{:?} to {:?}", from, world.told());
            if from == InstanceState::Dead {
                prop_assert!(effects.is_empty());
                prop_assert_eq!(&before.state, &world.machine.state);
            }
            if is_stale {
                prop_assert!(effects.is_empty(), "{event:?} means nothing: {effects:?}");
                prop_assert_eq!(&before, &world.machine);
            }
            if let Event::Pong { id, .. } | Event::PingFailed { id, .. } = &event && !is_stale {
                asked.retain(|asked| asked != id);
            }
            let mut told = from;
            for effect in effects {
                match effect {
                    Effect::Open(link) => {
                        prop_assert!(latest < Some(link), "each connection has a number of its own");
                        (open, latest) = (Some(link), Some(link));
                    }
                    Effect::Close => {
                        open = None;
                        asked.clear();
                    }
                    Effect::Ping(id) => {
                        prop_assert!(open.is_some() && !asked.contains(&id));
                        asked.push(id);
                    }
                    Effect::Forget(id) => asked.retain(|asked| *asked != id),
                    Effect::Enter(state, _) => told = state,
                    Effect::Identify => {}
                }
            }
            prop_assert_eq!(told, world.told(), "every change is told");
            prop_assert_eq!(open, world.machine.link(), "no connection is leaked or missing");
            let is_awaited = |id| match &world.machine.state {
                MachineState::Active(Active { ping: Ping::Sent { first, .. }, .. })
                | MachineState::Retrying { step: RetryStep::Silent { first, .. }, .. } => *first <= id,
                _ => false,
            };
            prop_assert!(asked.iter().all(|id| is_awaited(*id)), "no ping is left behind: {asked:?}");
            let is_given_up = world.told() == InstanceState::Dead && matches!(event, Event::Tick);
            prop_assert!(
                calls == 0 || world.machine.superseded || !is_given_up || from == InstanceState::Dead,
                "nothing that works for a client is given up for silence"
            );
            if !matches!(world.machine.state, MachineState::Dead(_)) {
                prop_assert!(world.machine.deadline(&world.health).is_some(), "no state waits for ever");
            }
        }
    }
}
