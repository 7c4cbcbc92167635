//! What has changed, for the clients that want to know.
//!
//! One ledger says when each list and each resource last changed, by a number that only grows. Whoever tells a client, a
//! [`Follower`], remembers up to which number it has told. So a slow client is told once of what changed often, nothing is
//! queued, and nothing that changes between two looks is missed.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use rmcp::{
    Peer, RoleServer,
    model::ResourceUpdatedNotificationParam,
    service::{SubscriptionContext, SubscriptionSendError},
};
use tokio::sync::watch;

/// Resources whose last change is known one by one. Beyond it the older half is forgotten, and followers that have not
/// told of these tell of all that their clients subscribed to.
const MAX_UPDATES: usize = 4096;

/// Least time between two rounds of notifications to one client. A log may change a thousand times a second.
const PACE: Duration = Duration::from_millis(50);

/// Tells clients that lists or resources have changed. A cheap clone of a handle.
///
/// A server with an [`Offer`](super::Offer) tells its clients by itself. A handler of the SDK gets
/// [`InstanceServerBuilder::changes`](super::InstanceServerBuilder::changes) and follows them: `Follower::tell_session` from
/// `on_initialized`, `Follower::tell_listener` from `listen`.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    ledger: Arc<watch::Sender<Ledger>>,
}

/// The URIs that a session has subscribed to.
pub type Subscribed = BTreeSet<String>;

#[derive(Debug, Default)]
struct Ledger {
    now: u64,
    tools: u64,
    prompts: u64,
    resources: u64,
    updated: HashMap<String, u64>,
    /// Up to here `updated` may lack some.
    forgotten: u64,
}

impl Changes {
    /// The list of tools has changed.
    pub fn tools(&self) {
        self.note(|ledger| ledger.tools = ledger.now);
    }

    /// The list of prompts has changed.
    pub fn prompts(&self) {
        self.note(|ledger| ledger.prompts = ledger.now);
    }

    /// The list of resources, or that of their templates, has changed.
    pub fn resources(&self) {
        self.note(|ledger| ledger.resources = ledger.now);
    }

    /// This resource has changed.
    pub fn resource(&self, uri: impl Into<String>) {
        let uri = uri.into();
        self.note(|ledger| {
            ledger.updated.insert(uri, ledger.now);
            ledger.forget();
        });
    }

    fn note(&self, change: impl FnOnce(&mut Ledger)) {
        self.ledger.send_modify(|ledger| {
            ledger.now += 1;
            change(ledger);
        });
    }

    /// Follows what changes from now on.
    #[must_use]
    pub fn follow(&self) -> Follower {
        let ledger = self.ledger.subscribe();
        let told = ledger.borrow().now;
        Follower { ledger, told }
    }
}

impl Ledger {
    fn forget(&mut self) {
        if self.updated.len() > MAX_UPDATES {
            let mut times: Vec<u64> = self.updated.values().copied().collect();
            times.sort_unstable();
            let middle = times[times.len() / 2];
            self.updated.retain(|_, time| *time > middle);
            self.forgotten = middle;
        }
    }

    /// What has changed after `told`, as far as it concerns a client with these subscriptions.
    fn since(&self, told: u64, subscribed: &Subscribed) -> UnsentChanges {
        let updated = |uri: &&String| {
            self.forgotten > told || self.updated.get(uri.as_str()).is_some_and(|time| *time > told)
        };
        UnsentChanges {
            tools: self.tools > told,
            prompts: self.prompts > told,
            resources: self.resources > told,
            updated: subscribed.iter().filter(updated).cloned().collect(),
        }
    }
}

#[derive(Debug, Default, PartialEq)]
struct UnsentChanges {
    tools: bool,
    prompts: bool,
    resources: bool,
    updated: Vec<String>,
}

/// Follows [`Changes`] for one client.
#[derive(Clone, Debug)]
pub struct Follower {
    ledger: watch::Receiver<Ledger>,
    told: u64,
}

#[cfg(feature = "sdk")]
impl Follower {
    /// Tells the client of a session, until the session's transport is closed or nothing can change any more. Run it in a
    /// task that ends with the session.
    pub async fn tell_session(self, peer: Peer<RoleServer>, subscribed: watch::Receiver<Subscribed>) {
        self.follow_for_session(peer, subscribed).await;
    }

    /// Tells one who listens (2026-07-28, subscriptions) what the listener asked for, until it goes away.
    pub async fn tell_listener(self, listener: &SubscriptionContext) {
        self.follow_for_listener(listener).await;
    }
}

impl Follower {
    pub(super) async fn follow_for_session(
        mut self,
        peer: Peer<RoleServer>,
        subscribed: watch::Receiver<Subscribed>,
    ) {
        while let Some(news) = self.next(|| subscribed.borrow().clone()).await {
            if tell(&peer, news).await.is_err() {
                return;
            }
            tokio::time::sleep(PACE).await;
        }
    }

    pub(super) async fn follow_for_listener(mut self, listener: &SubscriptionContext) {
        let uris = listener.accepted().resource_subscriptions.iter().flatten().cloned();
        let uris: Subscribed = uris.collect();
        loop {
            let news = tokio::select! {
                biased;
                () = listener.cancelled() => return,
                news = self.next(|| uris.clone()) => news,
            };
            let Some(news) = news else { return };
            if tell_one_who_listens(listener, news).await.is_err() {
                return;
            }
            tokio::time::sleep(PACE).await;
        }
    }

    /// Waits for the next news. The subscriptions are read after the ledger, so that whoever subscribed before a change is
    /// told of it. Cancel-safe.
    async fn next(&mut self, subscribed: impl Fn() -> Subscribed) -> Option<UnsentChanges> {
        loop {
            {
                let ledger = self.ledger.borrow_and_update();
                let news = ledger.since(self.told, &subscribed());
                self.told = ledger.now;
                if news != UnsentChanges::default() {
                    return Some(news);
                }
            }
            self.ledger.changed().await.ok()?;
        }
    }
}

async fn tell(peer: &Peer<RoleServer>, news: UnsentChanges) -> Result<(), rmcp::ServiceError> {
    if news.tools {
        peer.notify_tool_list_changed().await?;
    }
    if news.prompts {
        peer.notify_prompt_list_changed().await?;
    }
    if news.resources {
        peer.notify_resource_list_changed().await?;
    }
    for uri in news.updated {
        peer.notify_resource_updated(ResourceUpdatedNotificationParam::new(uri)).await?;
    }
    Ok(())
}

async fn tell_one_who_listens(
    listener: &SubscriptionContext,
    news: UnsentChanges,
) -> Result<(), SubscriptionSendError> {
    let (sink, accepted) = (listener.sink(), listener.accepted());
    if news.tools && accepted.tools_list_changed == Some(true) {
        sink.notify_tool_list_changed().await?;
    }
    if news.prompts && accepted.prompts_list_changed == Some(true) {
        sink.notify_prompt_list_changed().await?;
    }
    if news.resources && accepted.resources_list_changed == Some(true) {
        sink.notify_resource_list_changed().await?;
    }
    for uri in news.updated {
        sink.notify_resource_updated(uri).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn now(follower: &mut Follower, subscribed: &[&str]) -> Option<UnsentChanges> {
        let subscribed: Subscribed = subscribed.iter().map(ToString::to_string).collect();
        follower.next(|| subscribed.clone()).now_or_never().flatten()
    }

    #[test]
    fn what_changed_often_is_told_once() {
        let changes = Changes::default();
        changes.tools();
        let mut follower = changes.follow();
        assert_eq!(now(&mut follower, &[]), None, "before it followed");
        for _ in 0..3 {
            changes.tools();
            changes.resource("log://a");
            changes.resource("log://b");
        }
        let wanted =
            UnsentChanges { tools: true, updated: vec!["log://a".to_owned()], ..UnsentChanges::default() };
        assert_eq!(now(&mut follower, &["log://a", "log://c"]), Some(wanted));
        assert_eq!(now(&mut follower, &["log://a", "log://b"]), None, "it was told, or had not subscribed");
    }

    #[test]
    fn whoever_lags_behind_what_is_remembered_reads_all_again() {
        let changes = Changes::default();
        let (mut lagging, mut current) = (changes.follow(), changes.follow());
        changes.resource("log://early");
        assert!(now(&mut current, &["log://early"]).is_some());
        for number in 0..2 * MAX_UPDATES {
            changes.resource(format!("log://{number}"));
            now(&mut current, &[]);
        }
        assert!(changes.ledger.borrow().updated.len() <= MAX_UPDATES);
        let news = now(&mut lagging, &["log://early", "log://never"]).unwrap();
        assert_eq!(news.updated, ["log://early", "log://never"]);
        changes.resource("log://again");
        assert_eq!(now(&mut current, &["log://early"]), None);
    }
}
