//! The rules of restarts, without tasks.

use std::time::{Duration, SystemTime};

use tokio::{
    sync::watch,
    task::{Id, JoinSet},
};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{
    hub::{
        HubEvent,
        roster::{Birth, DoorbellAction, Roster},
    },
    instance::{
        DoorbellStanding,
        actor::{Reins, Report},
    },
};

/// A roster whose instances have no tasks behind them.
struct World {
    roster: Roster,
    tasks: JoinSet<()>,
}

struct StartedLife {
    generation: Generation,
    standing: watch::Receiver<DoorbellStanding>,
    stop: CancellationToken,
    task: Id,
}

impl World {
    fn new() -> Self {
        Self { roster: Roster::default(), tasks: JoinSet::new() }
    }
    fn begin(&mut self, found: &Arc<Found>) -> StartedLife {
        assert_eq!(self.roster.consider(found), DoorbellAction::Begin);
        let generation = self.roster.next_generation();
        let detached = Instance::detached(generation, Arc::clone(found));
        let (standing, watched) = watch::channel(DoorbellStanding::default());
        let stop = CancellationToken::new();
        let task = self.tasks.spawn(std::future::pending()).id();
        self.roster.begin(Birth {
            generation,
            found: Arc::clone(found),
            reins: Reins { status: detached.status, handle: detached.link, standing },
            task,
            stop: stop.clone().drop_guard(),
        });
        StartedLife { generation, standing: watched, stop, task }
    }
    fn report(&mut self, found: &Found, life: &StartedLife, state: InstanceState) {
        let report = Report { id: found.doorbell.id.clone(), generation: life.generation, state };
        self.roster.report(&report);
    }
    fn list(&self) -> Vec<(String, String)> {
        let instances = self.roster.snapshot(true).instances;
        instances.iter().map(|each| (each.id().to_string(), each.alias.to_string())).collect()
    }
    fn news(&mut self) -> Vec<String> {
        let tell = |event| match event {
            HubEvent::InstanceAppeared(it) => format!("+{}", it.id()),
            HubEvent::InstanceGone(it) => format!("-{}", it.id()),
            HubEvent::AliasChanged(it) => format!("{}={}", it.id(), it.alias),
            HubEvent::StateChanged { instance, from } => {
                format!("{} {from:?}>{:?}", instance.id(), instance.state)
            }
            HubEvent::Lagged(_) => unreachable!("told by the receiver"),
        };
        self.roster.news.drain(..).map(tell).collect()
    }
}

fn later(found: Found) -> Arc<Found> {
    Arc::new(Found { modified: SystemTime::UNIX_EPOCH + Duration::from_secs(9), ..found })
}

fn listed(id: &str, alias: &str) -> (String, String) {
    (id.to_owned(), alias.to_owned())
}

#[tokio::test]
async fn the_same_doorbell_changes_nothing() {
    let mut world = World::new();
    let web = Arc::new(found("a", "/p", "web"));
    let life = world.begin(&web);
    assert_eq!(world.roster.consider(&web), DoorbellAction::Known);
    let mut elsewhere = found("a", "/p", "web");
    elsewhere.file = "/other/a.json".into();
    assert_eq!(world.roster.consider(&Arc::new(elsewhere)), DoorbellAction::Known);
    let mut described = found("a", "/p", "web");
    described.doorbell.version = Some("2".to_owned());
    assert_eq!(world.roster.consider(&Arc::new(described)), DoorbellAction::Known);
    let snapshot = world.roster.snapshot(true);
    assert_eq!(snapshot.instances[0].found.doorbell.version.as_deref(), Some("2"));
    assert!(!life.stop.is_cancelled());
}

#[tokio::test]
async fn a_changed_doorbell_begins_a_new_life() {
    let mut world = World::new();
    let life = world.begin(&Arc::new(found("a", "/p", "web")));
    let mut moved = found("a", "/p", "web");
    moved.doorbell.port = 4001;
    let moved = later(moved);
    let next = world.begin(&moved);
    assert!(life.stop.is_cancelled(), "the former life ends");
    assert_eq!(world.list(), [listed("a", "web")]);
    assert_eq!(world.news(), ["+a", "-a", "+a"]);
    world.report(&moved, &life, InstanceState::Dead);
    assert_eq!(world.list().len(), 1, "the word of the former life does not count");
    world.report(&moved, &next, InstanceState::Active);
    assert_eq!(world.news(), ["a Discovered>Active"]);
    let mut left_behind = found("a", "/p", "web");
    left_behind.file = "/other/a.json".into();
    assert_eq!(world.roster.consider(&Arc::new(left_behind)), DoorbellAction::Known);
}

#[tokio::test]
async fn a_successor_takes_over() {
    let mut world = World::new();
    let old = Arc::new(found("old", "/p", "web"));
    let new = later(found("new", "/p", "web"));
    let former = world.begin(&old);
    let successor = world.begin(&new);
    world.report(&new, &successor, InstanceState::Retrying);
    assert!(!former.standing.borrow().superseded, "what does not answer takes nobody's place");
    world.report(&new, &successor, InstanceState::Active);
    assert!(former.standing.borrow().superseded);
    assert!(!successor.standing.borrow().superseded);
    assert_eq!(
        world.list(),
        [listed("old", "web"), listed("new", "web-2")],
        "both live until one is known dead"
    );
    world.news();
    world.report(&old, &former, InstanceState::Dead);
    assert_eq!(world.list(), [listed("new", "web")]);
    assert_eq!(world.news(), ["-old", "new=web"]);
}

#[tokio::test]
async fn the_order_of_finding_does_not_matter() {
    let mut world = World::new();
    let new = later(found("new", "/p", "web"));
    let successor = world.begin(&new);
    world.report(&new, &successor, InstanceState::Active);
    let former = world.begin(&Arc::new(found("old", "/p", "web")));
    let other = world.begin(&Arc::new(found("other", "/q", "web")));
    assert!(former.standing.borrow().superseded);
    assert!(!successor.standing.borrow().superseded && !other.standing.borrow().superseded);
}

#[tokio::test]
async fn only_its_own_file_withdraws_an_instance() {
    let mut world = World::new();
    let web = Arc::new(found("a", "/p", "web"));
    let life = world.begin(&web);
    world.roster.withdraw(&web.doorbell.id, &"/other/a.json".into());
    assert!(!life.standing.borrow().withdrawn);
    world.roster.withdraw(&web.doorbell.id, &web.file);
    assert!(life.standing.borrow().withdrawn);
    assert_eq!(world.roster.consider(&web), DoorbellAction::Known);
    assert!(!life.standing.borrow().withdrawn, "the file is back");
}

#[tokio::test]
async fn the_dead_are_not_listed_and_may_come_back() {
    let mut world = World::new();
    let web = Arc::new(found("a", "/p", "web"));
    let life = world.begin(&web);
    world.report(&web, &life, InstanceState::Dead);
    world.report(&web, &life, InstanceState::Active);
    assert!(world.list().is_empty(), "dead is final");
    assert_eq!(world.news(), ["+a", "-a"]);
    let again = world.begin(&web);
    assert!(life.stop.is_cancelled());
    assert_eq!(world.list(), [listed("a", "web")]);
    assert!(world.roster.ended(life.task).is_none(), "the end of the former task is old news");
    assert!(world.roster.ended(again.task).is_some());
    assert_eq!(world.news(), ["+a", "-a"], "a task that breaks takes its instance with it");
    assert!(world.list().is_empty() && world.roster.listed() == 0);
}

#[tokio::test]
async fn everything_is_tried_when_placed_and_decided() {
    let mut world = World::new();
    let web = Arc::new(found("a", "/p", "web"));
    let life = world.begin(&web);
    world.report(&web, &life, InstanceState::Connecting);
    world.roster.place(&web.doorbell.id, life.generation, "/real".into());
    assert_eq!(world.roster.untried().count(), 1);
    world.report(&web, &life, InstanceState::Retrying);
    assert_eq!(world.roster.untried().count(), 0);
}

/// A doorbell with the listener of another, written later.
fn beside(found: &Found, id: &str, pid: u32) -> Arc<Found> {
    let mut other = super::found(id, "/elsewhere", "other");
    (other.doorbell.port, other.doorbell.pid) = (found.doorbell.port, pid);
    later(other)
}

#[tokio::test]
async fn one_listener_is_one_instance_and_the_newest_doorbell_counts() {
    let mut world = World::new();
    let old = Arc::new(found("old", "/p", "web"));
    let former = world.begin(&old);
    world.report(&old, &former, InstanceState::Active);
    // A worker names itself, its wrapper names its own process.
    for (id, pid) in [("new", 1), ("worker", 2)] {
        let new = beside(&old, id, pid);
        let life = world.begin(&new);
        assert_eq!(world.list().len(), 2, "both are looked at");
        world.report(&new, &life, InstanceState::Active);
        let ids: Vec<_> = world.list().into_iter().map(|(id, _)| id).collect();
        assert_eq!(ids, [id]);
        let outdated: Vec<_> = world.roster.outdated.drain(..).map(|found| found.doorbell.pid).collect();
        assert_eq!(outdated.len(), usize::from(pid == 1), "only its own process replaces a file");
        if pid == 1 {
            // Told once more, the older changes nothing; and it comes back with the newer one's end.
            assert_eq!(world.roster.consider(&old), DoorbellAction::Known);
            assert_eq!(world.roster.ended(life.task).unwrap().doorbell.id.as_str(), "new");
            let heirs: Vec<_> = world.roster.heirs.drain(..).map(|found| found.file.clone()).collect();
            assert!(heirs.iter().eq([&old.file]), "{heirs:?}");
            let again = world.begin(&old);
            world.report(&old, &again, InstanceState::Active);
        }
    }
    assert!(former.stop.is_cancelled());
    let mut elsewhere = found("elsewhere", "/p", "web");
    (elsewhere.doorbell.port, elsewhere.doorbell.endpoint) = (old.doorbell.port, "/other".to_owned());
    let elsewhere = later(elsewhere);
    let life = world.begin(&elsewhere);
    world.report(&elsewhere, &life, InstanceState::Active);
    assert_eq!(world.list().len(), 2, "another endpoint is another instance");
}

#[tokio::test]
async fn an_older_doorbell_that_is_found_later_yields() {
    let mut world = World::new();
    let old = Arc::new(found("old", "/p", "web"));
    let new = beside(&old, "new", 1);
    let life = world.begin(&new);
    world.report(&new, &life, InstanceState::Active);
    let late = world.begin(&old);
    world.report(&old, &late, InstanceState::Active);
    assert!(late.stop.is_cancelled() && !life.stop.is_cancelled());
    world.roster.withdraw(&old.doorbell.id, &old.file);
    drop(world.roster.ended(life.task));
    assert!(world.roster.heirs.is_empty(), "its file is gone");
}
