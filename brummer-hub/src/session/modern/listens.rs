//! The `subscriptions/listen` requests that are open (2026-07-28, subscriptions), and what each asked for.

use std::collections::{BTreeMap, HashSet};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::fit::subscribed;
use crate::{
    frame::Frame,
    protocol::method,
    session::client::{Caller, canonical},
};

/// Listens of one client at a time, those that are being opened among them.
pub(super) const MAX_LISTENS: usize = 64;

/// Resources of one listen.
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
    /// Whether any list is to be watched.
    pub(super) const fn has_lists(&self) -> bool {
        self.tools_list_changed || self.prompts_list_changed || self.resources_list_changed
    }
}

/// A resource of an instance that a listen is subscribed to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::session) struct Watched {
    /// The URI as the client knows it.
    pub(in crate::session) listed: String,
    /// The instance, by its alias: a subscription outlives its restarts.
    pub(in crate::session) alias: Box<str>,
    /// The URI as the instance knows it.
    pub(in crate::session) original: Box<str>,
}

#[derive(Debug)]
pub(super) struct Listen {
    /// The client's id for it, as JSON text: that is also the id of the subscription, with its type.
    pub(super) id: Box<str>,
    pub(super) caller: Caller,
    /// What is honoured.
    pub(super) filter: Filter,
    pub(super) watched: Vec<Watched>,
}

/// Every listen that has been acknowledged.
#[derive(Debug, Default)]
pub(in crate::session) struct Listens {
    open: BTreeMap<Box<str>, Listen>,
}

impl Listens {
    /// Whether this caller listens.
    pub(super) fn has(&self, caller: Caller) -> bool {
        self.open.values().any(|listen| listen.caller == caller)
    }

    /// The callers whose listens watch lists.
    pub(super) fn list_watchers(&self) -> HashSet<Caller> {
        let watching = self.open.values().filter(|listen| listen.filter.has_lists());
        watching.map(|listen| listen.caller).collect()
    }

    pub(super) fn add(&mut self, listen: Listen) {
        self.open.insert(canonical(&listen.id).into(), listen);
    }

    /// Ends a listen. Gives back the resources that no other listen of its caller watches.
    pub(super) fn remove(&mut self, id: &str) -> Option<(Caller, Vec<Watched>)> {
        let gone = self.open.remove(&*canonical(id))?;
        let still = |it: &Watched| self.uris(gone.caller, &it.alias).any(|uri| *uri == *it.original);
        let orphans = gone.watched.iter().filter(|it| !still(it)).cloned().collect();
        Some((gone.caller, orphans))
    }

    /// Takes all out, as the session ends. Their ids, as JSON text.
    pub(super) fn drain(&mut self) -> Vec<Box<str>> {
        std::mem::take(&mut self.open).into_values().map(|listen| listen.id).collect()
    }

    /// What a caller watches at an instance.
    pub(in crate::session) fn uris(&self, caller: Caller, alias: &str) -> impl Iterator<Item = &str> {
        let listens = self.open.values().filter(move |listen| listen.caller == caller);
        let watched = listens.flat_map(|listen| &listen.watched).filter(move |it| *it.alias == *alias);
        watched.map(|it| &*it.original)
    }

    /// A list has changed: the notification for each listen that asked for it. `caller`: only for its listens.
    pub(in crate::session) fn list_changed(&self, caller: Option<Caller>, frame: &Frame) -> Vec<Bytes> {
        let asked = |filter: &Filter| match frame.method() {
            Some(method::TOOLS_LIST_CHANGED) => filter.tools_list_changed,
            Some(method::PROMPTS_LIST_CHANGED) => filter.prompts_list_changed,
            Some(method::RESOURCES_LIST_CHANGED) => filter.resources_list_changed,
            _ => false,
        };
        let listens = self.open.values().filter(|listen| caller.is_none_or(|caller| caller == listen.caller));
        listens.filter(|listen| asked(&listen.filter)).map(|listen| subscribed(frame, &listen.id)).collect()
    }

    /// A resource has changed (`frame` names it as the client knows it): the notification for each listen that watches
    /// it. `at`: the caller and the alias of the instance; `None`: a resource of the hub.
    pub(in crate::session) fn updated(
        &self,
        at: Option<(Caller, &str)>,
        uri: &str,
        frame: &Frame,
    ) -> Vec<Bytes> {
        let watches = |listen: &&Listen| match at {
            None => listen.filter.resource_subscriptions.iter().flatten().any(|it| it == uri),
            Some((caller, alias)) => {
                listen.caller == caller
                    && listen.watched.iter().any(|it| *it.alias == *alias && *it.original == *uri)
            }
        };
        self.open.values().filter(watches).map(|listen| subscribed(frame, &listen.id)).collect()
    }
}
