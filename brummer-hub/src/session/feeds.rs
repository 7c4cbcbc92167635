//! All that the client wants to hear something of: subscriptions, listens, the list of instances.
//!
//! What it wants of an instance is kept by the instance's alias, so that it outlives restarts: whenever an instance has
//! answered the handshake it is asked for that again ([`Feeds::on_welcome`]), and what nobody wants any more is taken back.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    time::Instant,
};

use serde_json::{Value, json};

use super::{
    catalog::Catalog,
    list_kind::ListKind,
    message::{self, Updated, canonical, error_code, quoted},
    operations::{OpeningListen, Operations},
    own::INSTANCES_URI,
    peer::{Caller, SERVER_INFO, fit::subscribed},
    requests::{RequestWork, Ticket, Waiter},
    restored::Restored,
    talk::Talk,
    watched::{Filter, Watched},
};
use crate::{
    frame::{Frame, Parts},
    hub::Snapshot,
    instance::Instance,
    protocol::{code, meta, method},
    upstream::{ExchangeError, LinkId},
};

/// Listens of one client at a time, those that are being opened among them.
pub(super) const MAX_LISTENS: usize = 64;

/// Resources of one listen, and subscriptions of a client with a handshake.
pub(super) const MAX_URIS: usize = 1024;

/// A `subscriptions/listen` that was acknowledged (2026-07-28, subscriptions).
#[derive(Debug)]
struct Listen {
    /// The client's id for it, as JSON text: that is also the id of the subscription, with its type.
    id: Box<str>,
    caller: Caller,
    /// What is honoured.
    filter: Filter,
    watched: Vec<Watched>,
}

/// A subscription of the client with a handshake: the URI as the instance knows it, and as the client does.
type LegacySubscriptions = BTreeMap<Box<str>, Box<str>>;

#[derive(Debug, Default)]
pub(super) struct Feeds {
    /// By the alias of the instance.
    subscriptions: BTreeMap<Box<str>, LegacySubscriptions>,
    listens: BTreeMap<Box<str>, Listen>,
    restored: Restored,
    /// Whether the client with a handshake is subscribed to `brummer://instances`.
    pub(super) instances: bool,
}

impl Feeds {
    /// The resources that a caller wants to hear of at an instance, as the instance knows them.
    pub(super) fn wanted<'a>(&'a self, caller: Caller, alias: &str) -> BTreeSet<&'a str> {
        match caller {
            Caller::Greeted => {
                self.subscriptions.get(alias).into_iter().flatten().map(|(original, _)| &**original).collect()
            }
            Caller::Claimed(_) => self.watched(caller, alias).map(|it| &*it.original).collect(),
        }
    }

    fn watched(&self, caller: Caller, alias: &str) -> impl Iterator<Item = &Watched> {
        let listens = self.listens.values().filter(move |listen| listen.caller == caller);
        listens.flat_map(|listen| &listen.watched).filter(move |it| *it.alias == *alias)
    }

    /// The callers that want to hear of a resource at an instance.
    pub(super) fn callers_at(&self, alias: &str) -> BTreeSet<Caller> {
        let greeted = self.subscriptions.contains_key(alias).then_some(Caller::Greeted);
        let listening =
            self.listens.values().filter(|listen| listen.watched.iter().any(|it| *it.alias == *alias));
        greeted.into_iter().chain(listening.map(|listen| listen.caller)).collect()
    }

    // The client with a handshake.

    /// Notes that the client is subscribed to a resource of an instance, or no longer.
    pub(super) fn subscribe(&mut self, alias: &str, original: &str, listed: &str, on: bool) {
        let count: usize = self.subscriptions.values().map(BTreeMap::len).sum();
        if on && count < MAX_URIS {
            self.subscriptions.entry(alias.into()).or_default().insert(original.into(), listed.into());
        } else if let Some(uris) = self.subscriptions.get_mut(alias) {
            uris.remove(original);
            if uris.is_empty() {
                self.subscriptions.remove(alias);
            }
        }
    }

    /// The alias of the instance at which the client is subscribed to what it knows by this URI, and how that is called
    /// there.
    pub(super) fn holder(&self, listed: &str) -> Option<(Box<str>, Box<str>)> {
        self.subscriptions.iter().find_map(|(alias, uris)| {
            let (original, _) = uris.iter().find(|(_, known)| ***known == *listed)?;
            Some((alias.clone(), original.clone()))
        })
    }

    /// The client does not want to hear of a resource any more, whosever it is.
    pub(super) fn forget(&mut self, listed: &str) {
        self.subscriptions.values_mut().for_each(|uris| uris.retain(|_, known| **known != *listed));
        self.subscriptions.retain(|_, uris| !uris.is_empty());
    }

    /// The URI as the client knows it, if it wants to hear of this resource.
    fn subscribed(&self, alias: &str, original: &str) -> Option<&str> {
        self.subscriptions.get(alias)?.get(original).map(|listed| &**listed)
    }

    /// The client has left an instance for good, and with it all that it was subscribed to there.
    pub(super) fn leave(
        &mut self,
        talk: &mut Talk,
        (snapshot, operations): (&Snapshot, &Operations),
        alias: &str,
    ) {
        for (original, listed) in self.subscriptions.remove(alias).unwrap_or_default() {
            let watched = Watched { listed: listed.into(), alias: alias.into(), original };
            self.give_up(talk, (snapshot, operations), &watched, Caller::Greeted);
        }
    }

    // Listens.

    /// Whether this caller listens.
    pub(super) fn has_listen(&self, caller: Caller) -> bool {
        self.listens.values().any(|listen| listen.caller == caller)
    }

    /// The callers whose listens watch a list of this kind.
    pub(super) fn list_watchers(&self, kind: ListKind) -> HashSet<Caller> {
        let watching = self.listens.values().filter(|listen| listen.filter.has(kind));
        watching.map(|listen| listen.caller).collect()
    }

    /// Whether a listen of this caller watches a list of this kind.
    pub(super) fn watches_list(&self, caller: Caller, kind: ListKind) -> bool {
        self.listens.values().any(|listen| listen.caller == caller && listen.filter.has(kind))
    }

    fn add(&mut self, listen: Listen) {
        self.listens.insert(canonical(&listen.id).into(), listen);
    }

    /// Ends a listen. Gives back the resources that no other listen of its caller watches.
    fn remove(&mut self, id: &str) -> Option<(Caller, Vec<Watched>)> {
        let gone = self.listens.remove(&*canonical(id))?;
        let still =
            |it: &Watched| self.watched(gone.caller, &it.alias).any(|other| other.original == it.original);
        let orphans = gone.watched.iter().filter(|it| !still(it)).cloned().collect();
        Some((gone.caller, orphans))
    }

    /// A listen stands: what is honoured is told first (2026-07-28, subscriptions § Acknowledgment). Whose it is.
    pub(super) fn acknowledge(
        &mut self,
        talk: &mut Talk,
        snapshot: &Snapshot,
        ticket: Ticket,
        opening: OpeningListen,
    ) -> Option<Caller> {
        let OpeningListen { mut filter, mut watched, shared } = opening;
        let to = talk.requests.to(ticket)?.clone();
        let caller = to.caller();
        for it in &shared {
            // The other listen may have ended in the meantime.
            if !self.wanted(caller, &it.alias).contains(&*it.original) {
                tell(talk, snapshot, method::RESOURCES_SUBSCRIBE, it, caller);
            }
        }
        watched.extend(shared);
        if let Some(uris) = &mut filter.resource_subscriptions {
            uris.retain(|uri| uri == INSTANCES_URI || watched.iter().any(|it| it.listed == *uri));
        }
        let params = json!({
            "_meta": {meta::SUBSCRIPTION_ID: serde_json::from_str::<Value>(&to.id).unwrap_or_default()},
            "notifications": filter,
        });
        talk.emit(message::notification(method::LISTEN_ACKNOWLEDGED, Some(&params.to_string())));
        talk.requests.set_work(ticket, RequestWork::Listening);
        self.add(Listen { id: to.id, caller, filter, watched });
        Some(caller)
    }

    /// The client has cancelled a listen, which needs no answer.
    pub(super) fn stop_listening(
        &mut self,
        talk: &mut Talk,
        (snapshot, operations): (&Snapshot, &Operations),
        id: &str,
    ) {
        let Some((caller, orphans)) = self.remove(id) else { return };
        for orphan in &orphans {
            self.give_up(talk, (snapshot, operations), orphan, caller);
        }
    }

    /// The session ends: every listen is closed with a result (2026-07-28, subscriptions § Graceful Closure) and, as
    /// standard output demands, a cancellation.
    pub(super) fn end_listens(&mut self, talk: &mut Talk) {
        for Listen { id, .. } in std::mem::take(&mut self.listens).into_values() {
            let result = format!(
                r#"{{"resultType":"complete","_meta":{{"{}":{id},"{}":{SERVER_INFO}}}}}"#,
                meta::SUBSCRIPTION_ID,
                meta::SERVER_INFO,
            );
            if let Some((_, dropped)) = talk.requests.cancel(&id) {
                debug_assert!(matches!(dropped.work, RequestWork::Listening));
                talk.emit(message::result(&id, &result));
                talk.emit(message::cancelled(&id, "the hub ends"));
            }
        }
    }

    // What instances are asked for.

    /// The resources of an instance that a caller is subscribed to, or is about to be.
    fn watched_at(&self, operations: &Operations, alias: &str, caller: Caller) -> BTreeSet<Box<str>> {
        let wanted = self.wanted(caller, alias);
        let opening = operations.opening(caller).filter(|it| *it.alias == *alias);
        wanted.into_iter().chain(opening.map(|it| &*it.original)).map(Into::into).collect()
    }

    /// An instance is there, or there again: it must know what the caller wants of it.
    pub(super) fn on_welcome(
        &mut self,
        talk: &mut Talk,
        operations: &Operations,
        link: LinkId,
        (instance, caller): (&Instance, Caller),
    ) {
        self.restored.forget(link);
        for uri in self.watched_at(operations, &instance.alias, caller) {
            restore(talk, instance, caller, uri);
        }
    }

    /// What came of that. An instance that has the resource again only later is asked again, one that knows no
    /// subscriptions is not.
    pub(super) fn on_restored(
        &mut self,
        talk: &Talk,
        link: LinkId,
        uri: Box<str>,
        answer: Result<&Frame, &ExchangeError>,
        now: Instant,
    ) {
        let is_open = talk.links.get(link).is_some();
        let is_over = answer
            .is_ok_and(|frame| frame.result().is_some() || error_code(frame) == Some(code::METHOD_NOT_FOUND));
        if is_open && !is_over {
            self.restored.failed(link, uri, now);
        } else {
            self.restored.settled(link, &uri);
        }
    }

    /// When [`Feeds::on_time`] is due next.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.restored.deadline()
    }

    /// Asks again for what could not be restored.
    pub(super) fn on_time(&mut self, talk: &mut Talk, operations: &Operations, now: Instant) {
        for (link, uri) in self.restored.due(now) {
            let Some(open) = talk.links.get(link) else { continue };
            let (instance, caller) = (open.instance.clone(), open.caller);
            if self.watched_at(operations, &instance.alias, caller).contains(&uri) {
                restore(talk, &instance, caller, uri);
            } else {
                self.restored.settled(link, &uri);
            }
        }
    }

    /// The instance at the end of a link has other resources now.
    pub(super) fn on_resources_changed(&mut self, link: LinkId, now: Instant) {
        self.restored.changed(link, now);
    }

    pub(super) fn on_closed(&mut self, link: LinkId) {
        self.restored.forget(link);
    }

    /// The caller does not want to hear of a resource any more, unless for another reason.
    pub(super) fn give_up(
        &self,
        talk: &mut Talk,
        (snapshot, operations): (&Snapshot, &Operations),
        watched: &Watched,
        caller: Caller,
    ) {
        let is_same = |it: &Watched| it.alias == watched.alias && it.original == watched.original;
        if !self.wanted(caller, &watched.alias).contains(&*watched.original)
            && !operations.opening(caller).any(is_same)
        {
            tell(talk, snapshot, method::RESOURCES_UNSUBSCRIBE, watched, caller);
        }
    }

    // What instances tell.

    /// A list has changed: the notification for each listen of this caller that asked for it.
    pub(super) fn list_changed(&self, caller: Caller, kind: ListKind, frame: &Frame) -> Vec<Parts> {
        let asked = |listen: &&Listen| listen.caller == caller && listen.filter.has(kind);
        self.listens.values().filter(asked).map(|listen| subscribed(frame, &listen.id)).collect()
    }

    /// A resource of an instance has changed; `view`: the instances that the caller is shown.
    pub(super) fn on_updated(
        &self,
        talk: &mut Talk,
        (catalog, view): (&mut Catalog, &[&Instance]),
        (instance, caller): (&Instance, Caller),
        frame: &Frame,
    ) {
        let alias = &*instance.alias;
        let Some(Updated { uri }) = frame.peek() else { return };
        let Some(original) = message::text_of(Some(uri)) else { return };
        let listed = match caller {
            Caller::Greeted => match self.subscribed(alias, &original) {
                Some(listed) => Some(listed.to_owned()),
                // It says something of what is below a resource that the client is subscribed to.
                None if self.subscriptions.contains_key(alias) => None,
                None => return,
            },
            Caller::Claimed(_) => None,
        };
        let listed = listed.or_else(|| catalog.spelled(view, caller, instance, &original));
        catalog.note_mention(&original, instance.generation);
        let told = match listed.filter(|listed| **listed != *original) {
            Some(listed) => frame.edited(vec![(frame.span_of(uri.get()), quoted(&listed))]),
            None => frame.whole(),
        };
        if caller == Caller::Greeted {
            return talk.emit(told);
        }
        let Ok(told) = Frame::parse(told.join()) else { return };
        let watches = |listen: &&Listen| {
            listen.caller == caller
                && listen.watched.iter().any(|it| *it.alias == *alias && *it.original == *original)
        };
        for listen in self.listens.values().filter(watches) {
            talk.emit(subscribed(&told, &listen.id));
        }
    }

    /// Another instance is connected, or none. Only a client with a handshake has such a thing.
    pub(super) fn on_connection(&self, talk: &mut Talk) {
        if self.instances && talk.peer.is_ready() {
            talk.emit(instances_updated());
        }
    }

    /// The list of instances is another.
    pub(super) fn on_instances(&self, talk: &mut Talk) {
        self.on_connection(talk);
        let watches = |listen: &&Listen| {
            listen.filter.resource_subscriptions.iter().flatten().any(|uri| uri == INSTANCES_URI)
        };
        if let Ok(told) = Frame::parse(instances_updated().join()) {
            for listen in self.listens.values().filter(watches) {
                talk.emit(subscribed(&told, &listen.id));
            }
        }
    }
}

/// Subscribes anew to what the client was subscribed to before.
fn restore(talk: &mut Talk, instance: &Instance, caller: Caller, uri: Box<str>) {
    let params = json!({ "uri": &*uri }).to_string();
    talk.ask(instance, caller, method::RESOURCES_SUBSCRIBE, params, Waiter::Subscribed(uri));
}

/// Subscribes or unsubscribes at an instance that is connected; whatever it answers.
fn tell(talk: &mut Talk, snapshot: &Snapshot, method: &str, watched: &Watched, caller: Caller) {
    let instance = snapshot.instances.iter().find(|it| *it.alias == *watched.alias);
    if let Some(instance) = instance
        && talk.links.id_of(instance.generation, caller).is_some()
    {
        let params = json!({ "uri": &*watched.original }).to_string();
        talk.ask(instance, caller, method, params, Waiter::Nobody);
    }
}

/// The notification that the list of instances is another.
fn instances_updated() -> Parts {
    let params = format!(r#"{{"uri":"{INSTANCES_URI}"}}"#);
    message::notification(method::RESOURCES_UPDATED, Some(&params))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listen(id: &str, caller: u32, uris: &[&str]) -> Listen {
        let watched = uris.iter().map(|uri| Watched {
            listed: (*uri).to_owned(),
            alias: "web".into(),
            original: (*uri).into(),
        });
        let (caller, filter) = (Caller::Claimed(caller), Filter::default());
        Listen { id: id.into(), caller, filter, watched: watched.collect() }
    }

    #[test]
    fn what_another_listen_watches_is_not_given_up() {
        let mut feeds = Feeds::default();
        feeds.add(listen("1", 1, &["a", "b"]));
        feeds.add(listen("2", 1, &["b"]));
        feeds.add(listen("3", 2, &["a"]));
        let (_, orphans) = feeds.remove("1.0").unwrap();
        assert_eq!(orphans.iter().map(|it| &*it.original).collect::<Vec<_>>(), ["a"]);
        assert_eq!(feeds.wanted(Caller::Claimed(1), "web"), BTreeSet::from(["b"]));
        assert_eq!(feeds.callers_at("web"), BTreeSet::from([Caller::Claimed(1), Caller::Claimed(2)]));
    }

    #[test]
    fn subscriptions_are_kept_by_alias() {
        let mut feeds = Feeds::default();
        feeds.subscribe("web", "a", "brummer+web:a", true);
        assert_eq!(feeds.subscribed("web", "a"), Some("brummer+web:a"));
        assert_eq!(feeds.subscribed("api", "a"), None);
        assert_eq!(feeds.callers_at("web"), BTreeSet::from([Caller::Greeted]));
        feeds.subscribe("web", "a", "a", false);
        assert!(feeds.subscriptions.is_empty());
    }
}
