//! All that the client wants to hear something of: subscriptions, listens, the list of instances.
//!
//! What it wants of an instance is kept by the instance's alias, so that it outlives restarts: whenever an instance has
//! answered the handshake, [`Feeds::wanted`] says what it must be asked for.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde::{Deserialize, Serialize};

use super::{
    list_kind::ListKind,
    message::canonical,
    own::INSTANCES_URI,
    peer::{Caller, fit::subscribed},
};
use crate::{
    frame::{Frame, Parts},
    protocol::method,
};

/// Listens of one client at a time, those that are being opened among them.
pub(super) const MAX_LISTENS: usize = 64;

/// Resources of one listen, and subscriptions of a client with a handshake.
pub(super) const MAX_URIS: usize = 1024;

/// What a listen asks for; of the members only those that are there.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Filter {
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) tools_list_changed: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) prompts_list_changed: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) resources_list_changed: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) resource_subscriptions: Option<Vec<String>>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

impl Filter {
    /// Whether changes of this list are to be told.
    pub(super) const fn has(&self, kind: ListKind) -> bool {
        match kind {
            ListKind::Tools => self.tools_list_changed,
            ListKind::Prompts => self.prompts_list_changed,
            ListKind::Resources | ListKind::Templates => self.resources_list_changed,
            ListKind::Skills | ListKind::Tasks => false,
        }
    }
}

/// A resource of an instance that a listen is subscribed to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Watched {
    /// The URI as the client knows it.
    pub(super) listed: String,
    /// The instance, by its alias: a subscription outlives its restarts.
    pub(super) alias: Box<str>,
    /// The URI as the instance knows it.
    pub(super) original: Box<str>,
}

/// A `subscriptions/listen` that was acknowledged (2026-07-28, subscriptions).
#[derive(Debug)]
pub(super) struct Listen {
    /// The client's id for it, as JSON text: that is also the id of the subscription, with its type.
    pub(super) id: Box<str>,
    pub(super) caller: Caller,
    /// What is honoured.
    pub(super) filter: Filter,
    pub(super) watched: Vec<Watched>,
}

/// A subscription of the client with a handshake: the URI as the instance knows it, and as the client does.
type Subscriptions = BTreeMap<Box<str>, Box<str>>;

#[derive(Debug, Default)]
pub(super) struct Feeds {
    /// By the alias of the instance.
    subscriptions: BTreeMap<Box<str>, Subscriptions>,
    listens: BTreeMap<Box<str>, Listen>,
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
    pub(super) fn subscribed(&self, alias: &str, original: &str) -> Option<&str> {
        self.subscriptions.get(alias)?.get(original).map(|listed| &**listed)
    }

    /// Whether it wants to hear of any resource there.
    pub(super) fn has_subscriptions(&self, alias: &str) -> bool {
        self.subscriptions.contains_key(alias)
    }

    /// The client has left an instance for good. The resources that it was subscribed to.
    pub(super) fn leave(&mut self, alias: &str) -> Vec<Box<str>> {
        self.subscriptions.remove(alias).unwrap_or_default().into_keys().collect()
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

    pub(super) fn add(&mut self, listen: Listen) {
        self.listens.insert(canonical(&listen.id).into(), listen);
    }

    /// Ends a listen. Gives back the resources that no other listen of its caller watches.
    pub(super) fn remove(&mut self, id: &str) -> Option<(Caller, Vec<Watched>)> {
        let gone = self.listens.remove(&*canonical(id))?;
        let still =
            |it: &Watched| self.watched(gone.caller, &it.alias).any(|other| other.original == it.original);
        let orphans = gone.watched.iter().filter(|it| !still(it)).cloned().collect();
        Some((gone.caller, orphans))
    }

    /// Takes all listens out, as the session ends. Their ids, as JSON text.
    pub(super) fn drain(&mut self) -> Vec<Box<str>> {
        std::mem::take(&mut self.listens).into_values().map(|listen| listen.id).collect()
    }

    /// A list has changed: the notification for each listen of this caller that asked for it.
    pub(super) fn list_changed(&self, caller: Caller, kind: ListKind, frame: &Frame) -> Vec<Parts> {
        let asked = |listen: &&Listen| listen.caller == caller && listen.filter.has(kind);
        self.listens.values().filter(asked).map(|listen| subscribed(frame, &listen.id)).collect()
    }

    /// A resource of an instance has changed (`frame` names it as the client knows it): the notification for each listen
    /// that watches it.
    pub(super) fn updated(&self, caller: Caller, alias: &str, original: &str, frame: &Frame) -> Vec<Parts> {
        let watches = |listen: &&Listen| {
            listen.caller == caller
                && listen.watched.iter().any(|it| *it.alias == *alias && *it.original == *original)
        };
        self.listens.values().filter(watches).map(|listen| subscribed(frame, &listen.id)).collect()
    }

    /// The list of instances has changed: the notification for each listen that watches it.
    pub(super) fn instances_changed(&self, frame: &Frame) -> Vec<Parts> {
        let watches = |listen: &&Listen| {
            listen.filter.resource_subscriptions.iter().flatten().any(|uri| uri == INSTANCES_URI)
        };
        self.listens.values().filter(watches).map(|listen| subscribed(frame, &listen.id)).collect()
    }
}

/// The notification that the list of instances is another.
pub(super) fn instances_updated() -> Parts {
    let params = format!(r#"{{"uri":"{INSTANCES_URI}"}}"#);
    super::message::notification(method::RESOURCES_UPDATED, Some(&params))
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
        assert_eq!((feeds.subscribed("api", "a"), feeds.has_subscriptions("web")), (None, true));
        feeds.subscribe("web", "a", "a", false);
        assert!(!feeds.has_subscriptions("web") && feeds.leave("web").is_empty());
    }
}
