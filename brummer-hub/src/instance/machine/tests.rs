use proptest::prelude::*;

use super::*;

const PATIENCE: Duration = Duration::from_secs(13);

/// A machine with a clock that the test moves.
struct World {
    machine: Machine,
    health: HealthConfig,
    at: Instant,
    heard: Instant,
    calls: usize,
    jitter: f64,
}

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
        State::Dead(death) => Some(death),
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
        effects = world.tick();
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
    assert!(matches!(&world.machine.state, State::Active(active) if active.missed == 2));
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
    assert!(matches!(&world.machine.state, State::Active(active) if active.missed == 0));
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
    assert!(matches!(&world.machine.state, State::Active(active) if active.missed == 0));
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
    let before = world.machine.clone();
    assert_eq!(world.on(Event::Failed { link: former, why: String::new() }), []);
    assert_eq!(world.machine, before);
}

fn event() -> impl Strategy<Value = Event> {
    let link = || (0_u64..4).prop_map(LinkId);
    prop_oneof![
        Just(Event::Start),
        (link(), any::<bool>())
            .prop_map(|(link, foreign)| Event::Ready { link, foreign: foreign.then(String::new) }),
        link().prop_map(|link| Event::Failed { link, why: String::new() }),
        (link(), 0_u64..6).prop_map(|(link, id)| Event::Pong { link, id }),
        (link(), 0_u64..6, any::<bool>()).prop_map(|(link, id, refused)| Event::PingFailed {
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
            (event(), 0_u64..20_000, any::<bool>(), 0_usize..2, 0.0..1.0), 0..200
        )
    ) {
        let mut world = World::new();
        let mut open = None;
        world.on(Event::Tick);
        prop_assert_eq!(world.told(), InstanceState::Discovered);
        let effects = world.on(Event::Start);
        for effect in effects {
            if let Effect::Open(link) = effect { open = Some(link) }
        }
        for (event, pass, heard, calls, jitter) in steps {
            world.calls = calls;
            world.at += Duration::from_millis(pass);
            world.jitter = jitter;
            if heard { world.heard = world.at }
            let before = world.machine.clone();
            let from = world.told();
            let effects = world.on(event.clone());
            prop_assert!(legal(from, world.told()), "{:?} to {:?}", from, world.told());
            if from == InstanceState::Dead {
                prop_assert!(effects.is_empty());
                prop_assert_eq!(&before.state, &world.machine.state);
            }
            let mut told = from;
            for effect in effects {
                match effect {
                    Effect::Open(link) => {
                        prop_assert!(open.is_none_or(|former| former != link));
                        open = Some(link);
                    }
                    Effect::Close => open = None,
                    Effect::Ping(_) => prop_assert!(open.is_some()),
                    Effect::Enter(state, _) => told = state,
                    Effect::Identify | Effect::Forget(_) => {}
                }
            }
            prop_assert_eq!(told, world.told(), "every change is told");
            prop_assert_eq!(open, world.machine.link(), "no connection is leaked or missing");
            let is_given_up = world.told() == InstanceState::Dead && matches!(event, Event::Tick);
            prop_assert!(
                calls == 0 || world.machine.superseded || !is_given_up || from == InstanceState::Dead,
                "nothing that works for a client is given up for silence"
            );
            if !matches!(world.machine.state, State::Dead(_)) {
                prop_assert!(world.machine.deadline(&world.health).is_some(), "no state waits for ever");
            }
        }
    }
}
