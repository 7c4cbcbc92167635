//! How a `subscriptions/listen` begins and ends; what each asked for is in [`listens`](super::listens).

use std::time::Duration;

use futures_util::future::join_all;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::listens::{Filter, Listen, MAX_LISTENS, MAX_URIS, Watched};
use crate::{
    frame::{Frame, Parts},
    instance::Instance,
    protocol::{code, meta, method},
    session::{
        client::{self, Caller, ReplyTo, Running},
        handshake::SERVER_INFO,
        jobs::{Done, request_frame},
        links::Asker,
        lists::{INSTANCES_URI, LISTS_CHANGED, ListKind},
        task::SessionTask,
    },
};

/// How long an instance may take to accept a subscription before the listen begins without it.
const SUBSCRIBE_LIMIT: Duration = Duration::from_secs(5);

/// A listen that is about to be acknowledged.
#[derive(Debug)]
pub(in crate::session) struct Listening {
    pub(in crate::session) to: ReplyTo,
    filter: Filter,
    watched: Vec<Watched>,
    /// What another listen of the same caller has subscribed to already.
    shared: Vec<Watched>,
}

impl SessionTask {
    /// Opens a listen: the instances are subscribed to first, because only what they accept is acknowledged.
    pub(in crate::session) fn listen(&mut self, frame: &Frame, to: &ReplyTo) {
        #[derive(Deserialize)]
        struct Params {
            notifications: Filter,
        }
        let Some(Params { notifications: filter }) = frame.peek() else {
            let text =
                "`subscriptions/listen` needs `notifications`, an object that says which ones are wanted";
            return self.answer_error(to, code::INVALID_PARAMS, text);
        };
        if self.owed.listens() >= MAX_LISTENS {
            let text = format!("{MAX_LISTENS} listens are open; cancel one of them first");
            return self.answer_error(to, code::INTERNAL_ERROR, &text);
        }
        let uris = filter.resource_subscriptions.clone().unwrap_or_default();
        if uris.len() > MAX_URIS {
            let text = format!("a listen takes {MAX_URIS} resources at most");
            return self.answer_error(to, code::INVALID_PARAMS, &text);
        }
        let theirs: Vec<_> = uris.into_iter().filter(|uri| uri != INSTANCES_URI).collect();
        if !theirs.is_empty()
            && let Some(missing) = self.unknown_resources(to)
        {
            return self.resolve(missing, frame, to);
        }
        if filter.has_lists() {
            self.open_links_for(to.caller());
        }
        let (mut wanted, mut shared) = (Vec::new(), Vec::new());
        for listed in theirs {
            let Some((instance, original)) = self.owner_of(&listed, to) else { continue };
            // One subscription is enough for all listens of a caller.
            if self.listens.uris(to.caller(), &instance.alias).any(|uri| *uri == *original) {
                shared.push(Watched { listed, alias: (*instance.alias).into(), original });
            } else {
                wanted.push((instance, listed, original));
            }
        }
        self.subscribe(filter, wanted, shared, to);
    }

    fn subscribe(
        &mut self,
        filter: Filter,
        wanted: Vec<(Instance, String, Box<str>)>,
        shared: Vec<Watched>,
        to: &ReplyTo,
    ) {
        let (asking, reply) = (self.asking(to.caller()), to.clone());
        let (number, handle) = self.start_task(async move {
            let subscribed = wanted.into_iter().map(async |(instance, listed, original)| {
                let params = json!({ "uri": &*original }).to_string();
                let asked = asking.request(&instance, method::RESOURCES_SUBSCRIBE, params);
                let accepted = matches!(timeout(SUBSCRIBE_LIMIT, asked).await, Ok(Ok(answer)) if answer.result().is_some());
                accepted.then(|| Watched { listed, alias: (*instance.alias).into(), original })
            });
            let watched = join_all(subscribed).await.into_iter().flatten().collect();
            Done::Listening(Box::new(Listening { to: reply, filter, watched, shared }))
        });
        self.owed.set(to, Running::Subscribing { number, handle });
    }

    /// The listen stands: what is honoured is told first (2026-07-28, subscriptions § Acknowledgment).
    pub(in crate::session) fn acknowledge(&mut self, listening: Listening) {
        let Listening { to, mut filter, mut watched, shared } = listening;
        for it in &shared {
            // The other listen may have ended in the meantime.
            if !self.listens.uris(to.caller(), &it.alias).any(|uri| *uri == *it.original) {
                self.send_subscription(method::RESOURCES_SUBSCRIBE, it, to.caller());
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
        self.emit(client::notification(method::LISTEN_ACKNOWLEDGED, Some(&params.to_string())));
        self.owed.set(&to, Running::Listening);
        self.listens.add(Listen { id: to.id.clone(), caller: to.caller(), filter, watched });
    }

    /// The client has cancelled a listen, which needs no answer.
    pub(in crate::session) fn stop_listening(&mut self, id: &str) {
        let Some((caller, orphans)) = self.listens.remove(id) else { return };
        for orphan in &orphans {
            self.send_subscription(method::RESOURCES_UNSUBSCRIBE, orphan, caller);
        }
    }

    /// Subscribes or unsubscribes at an instance that is connected; whatever it answers.
    fn send_subscription(&mut self, name: &'static str, watched: &Watched, caller: Caller) {
        let Some(instance) = self.by_alias(&watched.alias) else { return };
        let Some(link) = self.links.id_of(instance.generation, caller) else { return };
        let frame = request_frame(name, &json!({ "uri": &*watched.original }).to_string());
        let _ = self.links.request(link, &frame, Asker::Nobody);
    }

    /// The session ends: every listen is closed with a result (2026-07-28, subscriptions § Graceful Closure) and, as
    /// standard output demands, a cancellation.
    pub(in crate::session) fn end_listens(&mut self) {
        for id in self.listens.drain() {
            let result = format!(
                r#"{{"resultType":"complete","_meta":{{"{}":{id},"{}":{SERVER_INFO}}}}}"#,
                meta::SUBSCRIPTION_ID,
                meta::SERVER_INFO,
            );
            let to = ReplyTo { id, batch: None, claim: None };
            self.answer(&to, client::result(&to.id, &result));
            let params = format!(r#"{{"requestId":{},"reason":"the hub ends"}}"#, to.id);
            self.emit(client::notification(method::CANCELLED, Some(&params)));
        }
    }

    /// Connects a caller whose listens watch lists to everything that may tell of a change.
    fn open_links_for(&mut self, caller: Caller) {
        let active: Vec<Instance> = self.snapshot.active().cloned().collect();
        for instance in &active {
            self.link_to(instance, caller);
        }
    }

    /// Instances have come or gone, and with them what the lists show.
    pub(in crate::session) fn tell_listens(&mut self) {
        for caller in self.listens.list_watchers() {
            self.open_links_for(caller);
        }
        for name in LISTS_CHANGED {
            self.tell_listens_of(name, None);
        }
    }

    /// One list has changed, for all listens or for those of one caller.
    pub(in crate::session) fn tell_listens_of(&mut self, name: &str, caller: Option<Caller>) {
        let frame = Frame::parse(client::notification(name, None).join()).expect("the method is a constant");
        self.emit_all(self.listens.list_changed(caller, &frame));
    }

    pub(in crate::session) fn emit_all(&mut self, messages: Vec<bytes::Bytes>) {
        for message in messages {
            self.emit(Parts::whole(message));
        }
    }

    /// A list of resources that has to be made before their owners are known.
    fn unknown_resources(&self, to: &ReplyTo) -> Option<ListKind> {
        let kinds = [ListKind::Resources, ListKind::Templates];
        kinds.into_iter().find(|kind| self.shows_all_to(to) && !self.merged.knows(*kind))
    }

    /// Whose resource a URI is, and what its instance calls it.
    fn owner_of(&self, uri: &str, to: &ReplyTo) -> Option<(Instance, Box<str>)> {
        if !self.shows_all_to(to) {
            return Some((self.target.instance()?.clone(), uri.into()));
        }
        if let Some(owner) = self.merged.located(uri) {
            return Some((self.by_alias(&owner.alias)?, owner.original));
        }
        // What nobody lists can only be meant when there is no choice.
        let mut active = self.snapshot.active();
        let only = active.next().filter(|_| active.next().is_none())?;
        Some((only.clone(), uri.into()))
    }
}
