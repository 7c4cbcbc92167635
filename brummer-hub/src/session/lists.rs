//! The lists that callers are shown: asked for where they are wanted, shown when they are asked for, announced when they
//! change.

use std::{collections::BTreeSet, time::Instant};

use super::{
    catalog::{Catalog, ListFailure, ListKey, ListStatus, ListingEntry, Naming, split, views_in},
    feeds::Feeds,
    list_kind::ListKind,
    message::{self, error_of, quoted, without},
    own::{self, Tool},
    peer::Caller,
    requests::{Shape, Ticket, Waiter},
    shown::Shown,
    stage::Stage,
    talk::{Talk, failure_text},
};
use crate::{
    frame::{Edit, Frame},
    instance::{Generation, Instance},
    protocol::{Era, code, extension},
};

#[derive(Debug, Default)]
pub(super) struct Lists {
    pub(super) catalog: Catalog,
    /// What each caller was shown, or told to have changed.
    shown: Shown,
    /// Lists that have changed on the word of their instance, and are being asked for.
    said_changed: BTreeSet<ListKey>,
}

/// The callers that are told of changes, and of which.
fn watchers(talk: &Talk, feeds: &Feeds) -> BTreeSet<Caller> {
    let listening = ListKind::WATCHED.into_iter().flat_map(|kind| feeds.list_watchers(kind));
    listening.chain(talk.peer.is_ready().then_some(Caller::Greeted)).collect()
}

/// Whether a caller is told of changes of a list of this kind, so that it is asked for again when it fails.
pub(super) fn watches(talk: &Talk, feeds: &Feeds, caller: Caller, kind: ListKind) -> bool {
    match caller {
        Caller::Greeted => {
            !matches!(kind, ListKind::Skills | ListKind::Tasks) && talk.peer.identity().is_some()
        }
        Caller::Claimed(_) => feeds.watches_list(caller, kind),
    }
}

impl Lists {
    /// `name_budget`: characters that a name may have which is not an instance's own.
    pub(super) fn with(name_budget: usize) -> Self {
        let mut lists = Self::default();
        lists.catalog.name_budget = name_budget;
        lists
    }

    /// Asks for a list, unless it is being asked for.
    pub(super) fn want(&mut self, talk: &mut Talk, key: ListKey, instance: &Instance, now: Instant) {
        let lost = self.catalog.want(key, instance, now, || {
            talk.ask(instance, key.caller, key.kind.method(), "{}".to_owned(), Waiter::List(key))
        });
        if let Some(lost) = lost {
            talk.cancel(lost, None);
        }
    }

    /// Answers with a list.
    pub(super) fn show(&mut self, talk: &mut Talk, stage: Stage<'_>, ticket: Ticket, kind: ListKind) {
        let caller = talk.caller(ticket);
        let is_modern = caller != Caller::Greeted;
        let own = own::items(kind, is_modern);
        let (view, naming) = (stage.listed(caller, kind), stage.naming(caller));
        let only = match (naming, view.as_slice()) {
            (Naming::Own, [only]) => Some(ListKey { generation: only.generation, caller, kind }),
            _ => None,
        };
        // What is connected alone speaks for itself, but what has no skills is not to be blamed for how it says so.
        let lacks = |it: &&Instance| kind == ListKind::Skills && lacks_skills(talk, it, caller);
        if let Some(key) = only
            && kind != ListKind::Tools
            && !view.first().is_some_and(lacks)
            && self.catalog.items(key).next().is_none()
            && let Some(failure) = self.catalog.failure(key).cloned()
        {
            let instance = view.first().map(|it| (*it).clone());
            return match (failure, instance) {
                (ListFailure::Exchange(error), Some(instance)) => {
                    talk.answer_failure(ticket, &Shape::Raw, &instance, &error);
                }
                (ListFailure::Answer(frame), _) if frame.result().is_none() => {
                    talk.answer_with(ticket, &frame, Vec::new());
                }
                _ => talk.answer_error(
                    ticket,
                    code::INTERNAL_ERROR,
                    "the instance answered without a list",
                    None,
                ),
            };
        }
        let foreign: Vec<Generation> = if is_modern && kind == ListKind::Tools {
            let legacy = view.iter().filter(|it| !speaks_modern(talk, it, caller));
            legacy.map(|it| it.generation).collect()
        } else {
            Vec::new()
        };
        let listing = self.catalog.listing(&view, naming, caller, kind);
        let mut items = own.into_owned();
        // What does not fit is reached by `instances_tools` and `instances_call`; the client's own project comes first.
        let room = stage.max_tools.filter(|_| kind == ListKind::Tools && !is_modern);
        let room = room.map_or(usize::MAX, |most| most.saturating_sub(Tool::ALL.len()));
        let nearest: Vec<Generation> = if listing.entries.len() > room {
            stage.target.suggested(stage.snapshot).into_iter().map(|it| it.generation).collect()
        } else {
            Vec::new()
        };
        let mut with_views = Vec::new();
        let is_near = |entry: &&ListingEntry| nearest.contains(&entry.generation);
        let (near, far): (Vec<_>, Vec<_>) = listing.entries.iter().partition(is_near);
        for entry in near.into_iter().chain(far).take(room) {
            if !items.is_empty() {
                items.push(',');
            }
            let start = items.len();
            // Tasks of 2025-11-25 are not for clients without a handshake, which would take the hint for theirs.
            if foreign.contains(&entry.generation) {
                items.push_str(&without(&entry.text(kind), &["execution"]));
            } else {
                items.push_str(&entry.text(kind));
            }
            if kind == ListKind::Tools && !views_in(&items[start..]).is_empty() {
                with_views.push((start..items.len(), entry.generation));
            }
        }
        // What is connected alone is asked for its views under their own names.
        let all = stage.instances(caller);
        for (span, generation) in with_views.into_iter().rev() {
            let instance = all.iter().find(|it| it.generation == generation);
            let told =
                instance.and_then(|it| self.catalog.with_views(&all, caller, it, &items[span.clone()]));
            if let Some(told) = told {
                items.replace_range(span, &told);
            }
        }
        self.shown.show(caller, kind, self.catalog.digests(&view, caller, kind, true));
        match only.and_then(|key| self.catalog.only_page(key)) {
            Some(page) => {
                let (frame, array) = (page.frame.clone(), page.array.clone());
                talk.answer_with(ticket, &frame, vec![(array, format!("[{items}]"))]);
            }
            None => talk.answer_result(ticket, &format!(r#"{{"{}":[{items}]}}"#, kind.member())),
        }
    }

    /// Asks for the lists that a caller is told of, where they are not known or not true any more.
    pub(super) fn tend(&mut self, talk: &mut Talk, stage: Stage<'_>, feeds: &Feeds, now: Instant) {
        let mut wanted = Vec::new();
        for caller in watchers(talk, feeds) {
            for instance in stage.instances(caller) {
                let manners =
                    talk.links.of(instance.generation, caller).and_then(|link| link.manners.as_ref());
                for kind in ListKind::WATCHED {
                    let key = ListKey { generation: instance.generation, caller, kind };
                    let is_due = match self.catalog.standing(key) {
                        ListStatus::Stale => !self.catalog.is_asking(key) && !self.catalog.rests(key, now),
                        // What a client has never asked for is asked for only where the instance says that it is there.
                        ListStatus::Missing => {
                            !self.catalog.is_asking(key)
                                && (self.shown.was_listed(caller, kind)
                                    || caller != Caller::Greeted
                                    || stage.naming(caller) == Naming::Own
                                        && manners.is_some_and(|manners| manners.has(kind)))
                        }
                        ListStatus::Partial | ListStatus::Complete | ListStatus::Failed => false,
                    };
                    if is_due && watches(talk, feeds, caller, kind) {
                        wanted.push((key, instance.clone()));
                    }
                }
            }
        }
        for (key, instance) in wanted {
            if !talk.links.rests(key.generation, key.caller) {
                self.want(talk, key, &instance, now);
            }
        }
    }

    /// From here on a caller can be told of changes; what is there is none.
    pub(super) fn begin_to_tell(&mut self, stage: Stage<'_>, caller: Caller) {
        let view = stage.instances(caller);
        for kind in ListKind::WATCHED {
            self.shown.begin(caller, kind, view.iter().map(|instance| instance.generation));
        }
    }

    /// Tells each caller which lists have changed since it was shown or told them.
    pub(super) fn announce(&mut self, talk: &mut Talk, stage: Stage<'_>, feeds: &Feeds) {
        for caller in watchers(talk, feeds) {
            let mut changed: Vec<ListKind> = Vec::new();
            // Of what it does not watch it may still have to be told when it does.
            for kind in ListKind::WATCHED.into_iter().filter(|kind| watches(talk, feeds, caller, *kind)) {
                let view = stage.listed(caller, kind);
                let digests = self.catalog.digests(&view, caller, kind, false);
                let is_news = self.shown.changed(caller, kind, digests);
                if is_news && !changed.iter().any(|other| other.changed() == kind.changed()) {
                    changed.push(kind);
                }
            }
            for kind in changed {
                // Whoever comes for it now gets what is the latest.
                self.said_changed.retain(|key| key.caller != caller || key.kind.changed() != kind.changed());
                let told = message::notification(kind.changed(), None);
                if caller == Caller::Greeted {
                    talk.emit(told);
                } else if let Ok(frame) = Frame::parse(told.join()) {
                    for message in feeds.list_changed(caller, kind, &frame) {
                        talk.emit(message);
                    }
                }
            }
        }
    }

    /// Whether the client with a handshake was told that its tools have changed, and may be on its way to come for them. It
    /// is said once.
    pub(super) fn take_due_tools(&mut self) -> bool {
        self.shown.take_due(Caller::Greeted, ListKind::Tools)
    }

    /// Whoever waited for the client to come for its tools has given up.
    pub(super) fn tools_are_still_due(&mut self) {
        self.shown.is_still_due(Caller::Greeted, ListKind::Tools);
    }

    /// An instance says that a list has changed.
    pub(super) fn on_said_changed(&mut self, key: ListKey, now: Instant) {
        self.catalog.doubt(key, now);
        self.said_changed.insert(key);
    }

    /// A list has been asked for.
    pub(super) fn on_asked(&mut self, key: ListKey) {
        if self.said_changed.remove(&key) {
            self.shown.take_its_word(key.caller, key.kind, key.generation);
        }
    }

    /// The edit that gives a tool its own name, where the call names it with the alias of its instance in front.
    pub(super) fn own_name(&self, caller: Caller, instance: &Instance, call: &Frame) -> Vec<Edit> {
        let raw = message::Key::of(call).name;
        let (Some(raw), Some(name)) = (raw, message::text_of(raw)) else { return Vec::new() };
        let key = ListKey { generation: instance.generation, caller, kind: ListKind::Tools };
        let Some((alias, rest)) = split(&name).filter(|(alias, _)| **alias == *instance.alias) else {
            return Vec::new();
        };
        if self.catalog.has(key, &name) {
            return Vec::new();
        }
        let original = self.catalog.original(key, alias, rest, self.catalog.name_budget);
        vec![(call.span_of(raw.get()), quoted(original.as_deref().unwrap_or(rest)))]
    }

    /// Why the tools of these instances could not be had, of those of which they could not.
    pub(super) fn tool_failures(&self, caller: Caller, instances: &[Instance]) -> Vec<String> {
        let mut failures = Vec::new();
        for (key, instance) in tool_lists(caller, instances) {
            match self.catalog.failure(key) {
                _ if self.catalog.items(key).next().is_some() => {}
                Some(ListFailure::Exchange(error)) => failures.push(failure_text(&instance, error)),
                Some(ListFailure::Answer(frame)) => {
                    let said = error_of(frame).and_then(|error| error.message).unwrap_or_default();
                    failures.push(format!("instance `{}`: {said}", instance.alias));
                }
                None if self.catalog.is_asking(key) => {
                    failures.push(format!("instance `{}` has not told its tools yet", instance.alias));
                }
                None => {}
            }
        }
        failures
    }

    /// The lists are forgotten for which `keep` does not hold.
    pub(super) fn retain(&mut self, keep: impl Fn(&ListKey) -> bool) {
        self.said_changed.retain(&keep);
        self.catalog.retain(keep);
    }

    /// A caller is forgotten, and what it was shown.
    pub(super) fn forget(&mut self, caller: Caller) {
        self.said_changed.retain(|key| key.caller != caller);
        self.catalog.forget(caller);
        self.shown.forget(caller);
    }
}

/// The lists of tools of these instances.
pub(super) fn tool_lists(caller: Caller, instances: &[Instance]) -> Vec<(ListKey, Instance)> {
    let key = |it: &Instance| ListKey { generation: it.generation, caller, kind: ListKind::Tools };
    instances.iter().map(|it| (key(it), it.clone())).collect()
}

/// Whether an instance is known to have no skills.
pub(super) fn lacks_skills(talk: &Talk, instance: &Instance, caller: Caller) -> bool {
    match talk.links.of(instance.generation, caller).and_then(|link| link.manners.as_ref()) {
        Some(manners) => !manners.has(ListKind::Skills),
        None => instance.lacks_extension(extension::SKILLS),
    }
}

/// Whether an instance is known to speak a revision without a handshake to this caller.
pub(super) fn speaks_modern(talk: &Talk, instance: &Instance, caller: Caller) -> bool {
    match talk.links.of(instance.generation, caller) {
        Some(link) => link.is_modern(),
        None => instance.status().era.is_some_and(Era::is_modern),
    }
}
