//! The hub with real files, servers and processes.

use std::{future::Future, path::Path, sync::atomic::Ordering, time::Duration};

use notify::{RecursiveMode, Watcher as _};
use tempfile::TempDir;
use tokio::{
    sync::{Notify, watch},
    time::timeout,
};

use super::{
    server::{Behaviour, Server, child},
    *,
};
use crate::{
    config::HubConfig,
    discovery::Directories,
    hub::{Hub, HubEvent},
    instance::InstanceStatus,
    protocol::{Era, LegacyVersion, ModernVersion},
};

/// After this a test has failed. Nothing waits for it otherwise.
const PATIENCE: Duration = Duration::from_secs(30);

struct World {
    hub: Hub,
    list: watch::Receiver<Arc<Snapshot>>,
    data: TempDir,
}

impl World {
    fn start() -> Self {
        Self::with(|_| {})
    }
    fn with(change: impl FnOnce(&mut HubConfig)) -> Self {
        Self::on(TempDir::new().unwrap(), change)
    }
    fn on(data: TempDir, change: impl FnOnce(&mut HubConfig)) -> Self {
        let mut config = HubConfig { directories: Directories::only(data.path()), ..HubConfig::default() };
        change(&mut config);
        let hub = Hub::start(config);
        Self { list: hub.instances(), hub, data }
    }
    fn data(&self) -> &Path {
        self.data.path()
    }
    async fn until(&mut self, wanted: impl FnMut(&Arc<Snapshot>) -> bool) -> Arc<Snapshot> {
        let found = within(self.list.wait_for(wanted)).await.expect("a running hub");
        Arc::clone(&found)
    }
    /// Waits until the instance is in this state, and in the list.
    async fn until_is(&mut self, id: &str, state: InstanceState) -> Instance {
        let snapshot = self.until(|list| get(list, id).is_some_and(|it| it.state == state)).await;
        get(&snapshot, id).unwrap().clone()
    }
    async fn until_gone(&mut self, id: &str) {
        self.until(|list| get(list, id).is_none()).await;
    }
    /// Stops the hub and sees that nothing of it is left; the directory is removed with what is returned.
    async fn end(self) -> TempDir {
        let tasks = self.hub.tasks().0.clone();
        self.hub.shutdown().await;
        assert_eq!(tasks.len(), 0);
        self.data
    }
}

fn get<'a>(snapshot: &'a Snapshot, id: &str) -> Option<&'a Instance> {
    snapshot.instances.iter().find(|instance| instance.id().as_str() == id)
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.expect("it happens in time")
}

async fn until_status(
    instance: &Instance,
    wanted: impl FnMut(&Arc<InstanceStatus>) -> bool,
) -> Arc<InstanceStatus> {
    let mut status = instance.status.clone();
    let found = within(status.wait_for(wanted)).await.expect("a living instance");
    Arc::clone(&found)
}

#[tokio::test]
async fn an_empty_hub_settles_and_ends() {
    let world = World::start();
    let snapshot = within(world.hub.settled()).await;
    assert!(snapshot.settled && snapshot.instances.is_empty());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_doorbell_becomes_an_active_instance() {
    let mut world = World::start();
    let mut events = world.hub.events();
    let server = Server::start();
    let registration = server.announce(world.data(), "web-id", "Web");
    let web = world.until_is("web-id", InstanceState::Active).await;
    assert_eq!(&*web.alias, "web");
    let status = web.status();
    assert_eq!(status.state, InstanceState::Active);
    assert_eq!(status.era, Some(Era::Legacy(LegacyVersion::V2025_06_18)));
    assert!(status.connected_at.is_some() && status.last_success.is_some() && status.latency_ms.is_some());
    let states: Vec<_> = status.history.iter().map(|each| each.state).collect();
    assert_eq!(states, [InstanceState::Discovered, InstanceState::Connecting, InstanceState::Active]);
    assert!(
        matches!(within(events.recv()).await, Some(HubEvent::InstanceAppeared(it)) if it.id() == web.id())
    );
    // A doorbell that is taken back while the hub runs would be news, too.
    let _data = world.end().await;
    drop(registration);
    let mut rest = Vec::new();
    while let Some(event) = within(events.recv()).await {
        rest.push(event);
    }
    assert!(
        matches!(rest.last(), Some(HubEvent::StateChanged { instance, .. }) if instance.state == InstanceState::Active)
    );
    assert_eq!(web.status().state, InstanceState::Dead, "nobody vouches for it any more");
}

#[tokio::test(flavor = "current_thread")]
async fn instances_announced_before_the_start_are_there_when_settled() {
    let data = TempDir::new().unwrap();
    let names: Vec<_> = (0..40).map(|number| format!("app-{number}")).collect();
    // One listener is one instance.
    let servers: Vec<_> = names.iter().map(|_| Server::start()).collect();
    let announced: Vec<_> =
        servers.iter().zip(&names).map(|(server, name)| server.announce(data.path(), name, name)).collect();
    let mut world = World::on(data, |_| {});
    let snapshot = world.until(|list| list.settled && list.instances.len() == names.len()).await;
    let mut sorted = names.clone();
    sorted.sort();
    let aliases: Vec<_> = snapshot.instances.iter().map(|each| each.alias.to_string()).collect();
    assert_eq!(aliases, sorted);
    world.until(|list| list.active().count() == names.len()).await;
    world.end().await;
    for server in &servers {
        assert_eq!(server.behaviour.opened.load(Ordering::SeqCst), 1);
        assert_eq!(server.behaviour.deleted.load(Ordering::SeqCst), 1, "every session is closed");
    }
    drop(announced);
}

#[tokio::test]
async fn a_killed_process_is_gone_and_its_doorbell_removed() {
    let mut world = World::start();
    let mut process = child(world.data(), "child-1");
    let instance = world.until_is("child-1", InstanceState::Active).await;
    let file = instance.found.file.clone();
    assert!(file.exists());
    let changed = Arc::new(Notify::new());
    let changes = Arc::clone(&changed);
    let mut watcher = notify::recommended_watcher(move |_| changes.notify_one()).unwrap();
    watcher.watch(file.parent().unwrap(), RecursiveMode::NonRecursive).unwrap();
    // Not waited for yet: a zombie is as dead as any.
    process.kill().unwrap();
    world.until_gone("child-1").await;
    assert_eq!(instance.status().state, InstanceState::Dead);
    process.wait().unwrap();
    within(async {
        while file.exists() {
            changed.notified().await;
        }
    })
    .await;
    // Windows does not like to see a directory go that is watched.
    drop(watcher);
    world.end().await;
}

#[tokio::test]
async fn a_restart_inherits_the_alias() {
    let mut world = World::start();
    let mut first = child(world.data(), "first");
    let former = world.until_is("first", InstanceState::Active).await;
    let mut second = child(world.data(), "second");
    let both = world.until_is("second", InstanceState::Active).await;
    assert_eq!((&*former.alias, &*both.alias), ("child", "child-2"), "two that live are both kept");
    first.kill().unwrap();
    let snapshot = world
        .until(|list| {
            list.instances.len() == 1 && get(list, "second").is_some_and(|it| &*it.alias == "child")
        })
        .await;
    assert_eq!(snapshot.successor(&former).map(Instance::id), Some(both.id()));
    second.kill().unwrap();
    world.until(|list| list.instances.is_empty()).await;
    for mut process in [first, second] {
        process.wait().unwrap();
    }
    world.end().await;
}

#[tokio::test]
async fn a_server_that_restarts_in_its_process_is_found_again() {
    let mut world = World::start();
    let server = Server::start();
    let registration = server.announce(world.data(), "web", "web");
    let instance = world.until_is("web", InstanceState::Active).await;
    let port = server.kill();
    let lost = world.until_is("web", InstanceState::Retrying).await;
    assert_eq!(lost.generation, instance.generation);
    assert!(lost.status().last_error.is_some());
    let _server = Server::with(port, Behaviour::default());
    let back = world.until_is("web", InstanceState::Active).await;
    assert_eq!((back.generation, back.status().last_error.clone()), (instance.generation, None));
    drop(registration);
    world.end().await;
}

#[tokio::test]
async fn a_removed_doorbell_does_not_end_one_that_answers() {
    let mut world = World::start();
    let server = Server::start();
    let registration = server.announce(world.data(), "web", "web");
    let instance = world.until_is("web", InstanceState::Active).await;
    registration.remove().unwrap();
    // The check that the removal causes is seen by the server.
    let asked = until_status(&instance, |_| server.behaviour.pings.load(Ordering::SeqCst) > 0).await;
    assert_eq!(asked.state, InstanceState::Active);
    server.kill();
    world.until_gone("web").await;
    world.end().await;
}

#[tokio::test]
async fn one_that_answers_no_ping_is_retried() {
    let mut world = World::with(|config| {
        config.health.ping_interval = Duration::from_millis(50);
        config.limits.initialize_timeout = Duration::from_millis(500);
    });
    let server = Server::start();
    let registration = server.announce(world.data(), "web", "web");
    let instance = world.until_is("web", InstanceState::Active).await;
    server.behaviour.hangs.store(true, Ordering::SeqCst);
    until_status(&instance, |status| status.missed_pings > 0).await;
    let status = until_status(&instance, |status| status.state == InstanceState::Retrying).await;
    assert_eq!(status.last_error.as_deref(), Some("it missed 3 pings in a row"));
    server.behaviour.hangs.store(false, Ordering::SeqCst);
    until_status(&instance, |status| status.state == InstanceState::Active).await;
    drop(registration);
    world.end().await;
}

#[tokio::test]
async fn one_without_a_handshake_is_watched_as_well() {
    let mut world = World::with(|config| {
        config.health.ping_interval = Duration::from_millis(50);
        config.limits.initialize_timeout = Duration::from_millis(500);
    });
    let server = Server::with(0, Behaviour { modern: true.into(), ..Behaviour::default() });
    let registration = server.announce(world.data(), "web", "web");
    let instance = world.until_is("web", InstanceState::Active).await;
    let status = instance.status();
    assert_eq!(status.era, Some(Era::Modern(ModernVersion::V2026_07_28)));
    assert_eq!(status.extensions.as_deref(), Some(r#"{"a/b":{}}"#));
    server.behaviour.hangs.store(true, Ordering::SeqCst);
    let status = until_status(&instance, |status| status.state == InstanceState::Retrying).await;
    assert_eq!(status.last_error.as_deref(), Some("it missed 3 pings in a row"));
    server.behaviour.hangs.store(false, Ordering::SeqCst);
    until_status(&instance, |status| status.state == InstanceState::Active).await;
    assert_eq!(server.behaviour.opened.load(Ordering::SeqCst), 0);
    server.kill();
    until_status(&instance, |status| status.state == InstanceState::Retrying).await;
    registration.remove().unwrap();
    world.until_gone("web").await;
    world.end().await;
}

#[tokio::test]
async fn one_that_changes_its_era_is_asked_again() {
    let mut world = World::with(|config| config.health.ping_interval = Duration::from_millis(50));
    let server = Server::start();
    let registration = server.announce(world.data(), "web", "web");
    let instance = world.until_is("web", InstanceState::Active).await;
    for modern in [true, false, true] {
        server.behaviour.modern.store(modern, Ordering::SeqCst);
        until_status(&instance, |status| {
            status.state == InstanceState::Active && status.era.is_some_and(|era| era.is_modern() == modern)
        })
        .await;
    }
    drop(registration);
    world.end().await;
}

#[tokio::test]
async fn one_that_was_given_up_comes_back_when_it_answers() {
    let mut world = World::with(|config| {
        config.health.give_up_after = Duration::from_millis(100);
        config.health.probe_interval = Duration::from_millis(50);
    });
    let server = Server::start();
    let registration = server.announce(world.data(), "web", "web");
    let former = world.until_is("web", InstanceState::Active).await;
    let port = server.kill();
    world.until_gone("web").await;
    assert!(registration.file().exists(), "its process lives");
    let _server = Server::with(port, Behaviour::default());
    let back = world.until_is("web", InstanceState::Active).await;
    assert!(back.generation > former.generation);
    assert_eq!(back.alias, former.alias);
    drop(registration);
    world.end().await;
}

#[tokio::test]
async fn a_server_that_states_another_id_is_not_it() {
    let mut world = World::start();
    let behaviour = Behaviour { states: Some("other".to_owned()), ..Behaviour::default() };
    let server = Server::with(0, behaviour);
    let registration = server.announce(world.data(), "web", "web");
    let instance = world.until_is("web", InstanceState::Retrying).await;
    assert!(instance.status().last_error.as_deref().unwrap().contains("`other`"));
    drop(registration);
    world.until_gone("web").await;
    world.end().await;
}

#[tokio::test]
async fn a_doorbell_of_a_process_that_is_gone_is_never_active() {
    let data = TempDir::new().unwrap();
    let mut process = child(data.path(), "child");
    let mut world = World::on(data, |_| {});
    let instance = world.until_is("child", InstanceState::Active).await;
    let mut doorbell = instance.found.doorbell.clone();
    process.kill().unwrap();
    process.wait().unwrap();
    world.until_gone("child").await;
    // Somebody else gets the port, and a doorbell of the dead process turns up.
    let server = Server::with(doorbell.port, Behaviour::default());
    let mut events = world.hub.events();
    doorbell.id = InstanceId::parse("ghost").unwrap();
    let file = instance.found.file.with_file_name("ghost.json");
    std::fs::write(&file, doorbell.to_json()).unwrap();
    let mut seen = Vec::new();
    while let Some(event) = within(events.recv()).await {
        match event {
            HubEvent::InstanceGone(_) => break,
            HubEvent::StateChanged { instance, .. } => seen.push(instance.state),
            _ => {}
        }
    }
    assert!(!seen.contains(&InstanceState::Active), "{seen:?}");
    let _data = world.end().await;
    assert!(file.exists(), "its port answers: on doubt nothing is deleted");
    drop(server);
}

#[test]
fn dropping_the_hub_stops_it() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let world = World::start();
        within(world.hub.settled()).await;
        let World { hub, list, data } = world;
        let tasks = hub.tasks().0.clone();
        drop(hub);
        tasks.close();
        within(tasks.wait()).await;
        assert!(list.has_changed().is_err(), "the list has ended");
        // Only now, because Windows removes no directory that is watched.
        drop(data);
    });
}
