//! What each instance listed, per caller: lists that are state, not answers.
//!
//! A list is asked for when somebody wants it, page by page, and kept: complete, partial while its pages come in, stale
//! once its instance has said that it changed, or failed, and then it is asked for again with growing pauses. A late
//! answer is used. What is listed under which name or URI, and what it leads back to, is in a [`Listing`], made when it
//! is needed.
//!
//! The catalog owns its requests: it is told of their answers by number, and says what to ask next.

mod names;
mod page;
mod uris;

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque},
    hash::{BuildHasher as _, Hash as _, Hasher as _},
    time::{Duration, Instant},
};

pub(super) use self::{
    names::split,
    page::{Described, Item, Page},
    uris::{unprefixed, uris_in, views_in, with_files},
};
use super::{list_kind::ListKind, message, own::Tool, peer::Caller, shown::Digest};
use crate::{
    frame::{Edit, Frame},
    instance::{Generation, Instance},
    protocol::code,
    upstream::ExchangeError,
};

/// How long a list is waited for before others are shown without it. It is shown as soon as it comes.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// Pause before a list that failed is asked for again; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// Longest such pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How long after a list was asked for its next change is one of its own, and not of the same storm.
const CALM: Duration = Duration::from_secs(1);

/// First pause in a storm of changes.
const DOUBT_PAUSE: Duration = Duration::from_millis(100);

/// Longest such pause.
const LONGEST_DOUBT: Duration = Duration::from_secs(5);

/// After this an answer to a list is taken to be lost, and it is asked for again.
const LOST: Duration = Duration::from_secs(15);

/// Pages of one list; an instance that has more is in a loop.
const MAX_PAGES: usize = 1000;

/// Bytes that the pages of one list may have before no further one is asked for.
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// Resources that are remembered because a result mentioned them, of all instances together.
const MAX_MENTIONS: usize = 1024;

/// Results above this are not looked through for what they mention.
const MAX_MENTIONING: usize = 256 * 1024;

/// One list of one life of an instance, as one caller gets it.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(super) struct ListKey {
    pub(super) generation: Generation,
    pub(super) caller: Caller,
    pub(super) kind: ListKind,
}

/// What is known of a list.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum ListStatus {
    /// It was never asked for.
    Missing,
    /// Some pages of it are here, the others are being asked for.
    Partial,
    Complete,
    /// It has changed since, or is being asked for again.
    Stale,
    /// The last attempt failed.
    Failed,
}

#[derive(Debug)]
struct InstanceList {
    instance: Instance,
    /// What it was when it was last complete.
    pages: Option<Vec<Page>>,
    state: ListState,
    /// When it was last complete, and how often it was said to have changed right after.
    calm: Option<Instant>,
    doubts: u32,
}

#[derive(Debug)]
enum ListState {
    /// What is known is what it is.
    Complete,
    /// It has changed; nobody has wanted it since.
    Stale,
    /// It has changed, and so often lately that it is asked for again only then.
    Doubted {
        again: Instant,
    },
    Asking(ListFetch),
    Failed {
        attempts: u32,
        again: Instant,
        failure: ListFailure,
    },
}

#[derive(Debug)]
struct ListFetch {
    number: u64,
    since: Instant,
    got: Vec<Page>,
    /// Cursors that were followed.
    seen: HashSet<Box<str>>,
    /// Attempts that failed before this one.
    attempts: u32,
    /// The instance has said meanwhile that the list changed.
    doubted: bool,
}

/// Why a list could not be had.
#[derive(Clone, Debug)]
pub(super) enum ListFailure {
    /// The instance answered with an error.
    Answer(Frame),
    Exchange(ExchangeError),
}

/// What follows from an answer to a request of the catalog.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum FetchStep {
    /// The next page is to be asked for, with these parameters.
    Ask(String),
    /// It is over, for now.
    Over,
}

impl ListFetch {
    /// How much the pages take that are here.
    fn bytes(&self) -> usize {
        self.got.iter().map(|page| page.frame.bytes().len()).sum()
    }
}

impl InstanceList {
    /// What of it can be shown.
    fn visible(&self) -> &[Page] {
        match (&self.pages, &self.state) {
            (Some(pages), _) => pages,
            (None, ListState::Asking(asking)) => &asking.got,
            (None, _) => &[],
        }
    }

    /// How its items are cut into pages makes no difference.
    fn digest(&self) -> Digest {
        let mut items = self.visible().iter().flat_map(|page| &page.items).peekable();
        if items.peek().is_none() {
            return 0;
        }
        let mut hasher = foldhash::fast::FixedState::default().build_hasher();
        items.for_each(|item| item.digest.hash(&mut hasher));
        hasher.finish().max(1)
    }

    /// It is said to have changed: it is asked for again at once, or after a pause that grows with each time that this
    /// happens right after it was asked for.
    fn doubt(&mut self, now: Instant) {
        let pause = |doubts: u32| match doubts {
            0 => Duration::ZERO,
            more => DOUBT_PAUSE.saturating_mul(1 << (more - 1).min(10)).min(LONGEST_DOUBT),
        };
        let is_calm = self.calm.is_none_or(|calm| now >= calm + CALM + 2 * pause(self.doubts));
        self.doubts = if is_calm { 0 } else { self.doubts + 1 };
        self.state = ListState::Doubted { again: now + pause(self.doubts) };
    }

    /// When it is to be asked for again.
    fn again(&self) -> Option<Instant> {
        match &self.state {
            ListState::Failed { again, .. } | ListState::Doubted { again } => Some(*again),
            // An answer may have been lost. One that only takes its time is waited for twice as long with each attempt.
            ListState::Asking(asking) => {
                Some(asking.since + LOST.saturating_mul(1 << asking.attempts.min(10)))
            }
            ListState::Complete | ListState::Stale => None,
        }
    }

    fn standing(&self) -> ListStatus {
        match (&self.state, &self.pages) {
            (ListState::Complete, _) => ListStatus::Complete,
            (ListState::Failed { .. }, _) => ListStatus::Failed,
            (ListState::Stale | ListState::Doubted { .. }, _) | (ListState::Asking(_), Some(_)) => {
                ListStatus::Stale
            }
            (ListState::Asking(asking), None) if asking.got.is_empty() => ListStatus::Missing,
            (ListState::Asking(_), None) => ListStatus::Partial,
        }
    }
}

/// The lists of all instances, and what leads back from them.
#[derive(Debug, Default)]
pub(super) struct Catalog {
    lists: BTreeMap<ListKey, InstanceList>,
    /// The lists that are to be asked for again at some time, so that the next is found without looking at all.
    pending: BTreeSet<ListKey>,
    /// Goes up with each change, so that listings are made again.
    version: u64,
    /// Characters that a name may have which is not an instance's own.
    pub(super) name_budget: usize,
    listings: HashMap<(Caller, ListKind), (u64, Listing)>,
    /// Resources that results mentioned, and by whom, latest last.
    mentions: VecDeque<(Box<str>, Generation)>,
    /// Resources that nobody lists, and that are called by the prefixed spelling all the same, latest last.
    prefixed: VecDeque<(Box<str>, Generation)>,
}

impl Catalog {
    pub(super) fn standing(&self, key: ListKey) -> ListStatus {
        self.lists.get(&key).map_or(ListStatus::Missing, InstanceList::standing)
    }

    /// Whether it is being asked for.
    pub(super) fn is_asking(&self, key: ListKey) -> bool {
        matches!(self.lists.get(&key), Some(InstanceList { state: ListState::Asking(_), .. }))
    }

    /// Until when others wait for this list; `None`: they need not.
    pub(super) fn patience(&self, key: ListKey) -> Option<Instant> {
        match &self.lists.get(&key)?.state {
            ListState::Asking(asking) => Some(asking.since + PATIENCE),
            _ => None,
        }
    }

    /// Why it could not be had, if it could not.
    pub(super) fn failure(&self, key: ListKey) -> Option<&ListFailure> {
        match &self.lists.get(&key)?.state {
            ListState::Failed { failure, .. } => Some(failure),
            _ => None,
        }
    }

    /// The items of one list, with the frame that each stands in.
    pub(super) fn items(&self, key: ListKey) -> impl Iterator<Item = (&Frame, &Item)> {
        let pages = self.lists.get(&key).map(InstanceList::visible).unwrap_or_default();
        pages.iter().flat_map(|page| page.items.iter().map(move |item| (&page.frame, item)))
    }

    /// Begins to ask for a list, unless it is being asked for: `send` sends the first request and gives its number. The
    /// number of a request whose answer is taken to be lost, and which is to be cancelled.
    pub(super) fn want(
        &mut self,
        key: ListKey,
        instance: &Instance,
        now: Instant,
        send: impl FnOnce() -> u64,
    ) -> Option<u64> {
        let list = self.lists.entry(key).or_insert_with(|| InstanceList {
            instance: instance.clone(),
            pages: None,
            state: ListState::Stale,
            calm: None,
            doubts: 0,
        });
        let (attempts, lost) = match &list.state {
            ListState::Asking(_) if list.again().is_none_or(|again| again > now) => return None,
            ListState::Asking(asking) => (asking.attempts + 1, Some(asking.number)),
            ListState::Failed { attempts, .. } => (*attempts, None),
            ListState::Complete | ListState::Stale | ListState::Doubted { .. } => (0, None),
        };
        let number = send();
        let (got, seen) = (Vec::new(), HashSet::new());
        list.state = ListState::Asking(ListFetch { number, since: now, got, seen, attempts, doubted: false });
        self.pending.insert(key);
        lost
    }

    /// The next page was asked for under this number.
    pub(super) fn asked(&mut self, key: ListKey, number: u64, now: Instant) {
        if let Some(InstanceList { state: ListState::Asking(asking), .. }) = self.lists.get_mut(&key) {
            asking.number = number;
            asking.since = asking.since.max(now);
        }
    }

    /// What is being asked for may be older than what is wanted: it is asked for once more afterwards.
    pub(super) fn outdate(&mut self, key: ListKey) {
        if let Some(InstanceList { state: ListState::Asking(asking), .. }) = self.lists.get_mut(&key) {
            asking.doubted = true;
        }
    }

    /// Whether it is left alone until its time has come.
    pub(super) fn rests(&self, key: ListKey, now: Instant) -> bool {
        self.lists.get(&key).and_then(InstanceList::again).is_some_and(|again| again > now)
    }

    /// A request of the catalog is over. `None`: it is none that is still waited for.
    pub(super) fn on_answer(
        &mut self,
        key: ListKey,
        number: u64,
        answer: Result<Frame, ExchangeError>,
        now: Instant,
    ) -> Option<FetchStep> {
        let list = self.lists.get_mut(&key)?;
        let ListState::Asking(asking) = &mut list.state else { return None };
        if asking.number != number {
            return None;
        }
        self.version += 1;
        let alias = list.instance.alias.clone();
        let failure = match answer {
            Ok(frame) if frame.result().is_some() => {
                let before = list.pages.as_ref().and_then(|pages| pages.get(asking.got.len()));
                match before
                    .filter(|page| page.is_same(&frame))
                    .cloned()
                    .or_else(|| Page::read(frame.clone(), key.kind))
                    .map(|page| page.without_hidden(key.kind, &list.instance))
                {
                    Some(page) => {
                        if before.is_none_or(|before| before.faults != page.faults) {
                            for fault in &page.faults {
                                tracing::warn!(%alias, "{}: {fault}", key.kind.method());
                            }
                        }
                        let next = page.next.clone();
                        let page = page.without_those_of(&asking.got);
                        asking.got.push(page);
                        match next {
                            Some(_) if asking.got.len() >= MAX_PAGES || asking.bytes() >= MAX_BYTES => {
                                tracing::warn!(
                                    %alias,
                                    "{} has over {MAX_PAGES} pages or {MAX_BYTES} bytes; the rest is left out",
                                    key.kind.method(),
                                );
                            }
                            Some(cursor) if asking.seen.insert(cursor.clone()) => {
                                return Some(FetchStep::Ask(
                                    serde_json::json!({ "cursor": cursor }).to_string(),
                                ));
                            }
                            Some(_) | None => {}
                        }
                        None
                    }
                    None => {
                        tracing::warn!(%alias, "{}: the result has no list `{}`", key.kind.method(), key.kind.member());
                        Some(ListFailure::Answer(frame))
                    }
                }
            }
            // An instance without this kind of thing has an empty list.
            Ok(frame) if message::error_code(&frame) == Some(code::METHOD_NOT_FOUND) => None,
            Ok(frame) => Some(ListFailure::Answer(frame)),
            Err(error) => Some(ListFailure::Exchange(error)),
        };
        let (attempts, again) = (asking.attempts, asking.doubted);
        match failure {
            None => {
                list.pages = Some(std::mem::take(&mut asking.got));
                list.calm = Some(now);
                if again {
                    list.doubt(now);
                } else {
                    list.state = ListState::Complete;
                    self.pending.remove(&key);
                }
                Some(FetchStep::Over)
            }
            Some(failure) => {
                let pause = FIRST_PAUSE.saturating_mul(1 << attempts.min(10)).min(LONGEST_PAUSE);
                list.state = ListState::Failed { attempts: attempts + 1, again: now + pause, failure };
                Some(FetchStep::Over)
            }
        }
    }

    /// The instance says that a list has changed.
    pub(super) fn doubt(&mut self, key: ListKey, now: Instant) {
        let Some(list) = self.lists.get_mut(&key) else { return };
        match &mut list.state {
            ListState::Asking(asking) => asking.doubted = true,
            ListState::Failed { .. } | ListState::Doubted { .. } => {}
            ListState::Complete | ListState::Stale => {
                list.doubt(now);
                self.pending.insert(key);
            }
        }
    }

    /// The lists that are `wanted` and are to be asked for again, and when.
    fn pending(
        &self,
        wanted: impl Fn(ListKey) -> bool,
    ) -> impl Iterator<Item = (ListKey, &InstanceList, Instant)> {
        let pending = self.pending.iter().filter(move |key| wanted(**key));
        pending.filter_map(|key| {
            let list = self.lists.get(key)?;
            Some((*key, list, list.again()?))
        })
    }

    /// When the next list is to be asked for again, of those that are `wanted`.
    pub(super) fn deadline(&self, wanted: impl Fn(ListKey) -> bool) -> Option<Instant> {
        self.pending(wanted).map(|(_, _, again)| again).min()
    }

    /// The lists that are to be asked for again now.
    pub(super) fn due(&self, now: Instant, wanted: impl Fn(ListKey) -> bool) -> Vec<(ListKey, Instance)> {
        let due = self.pending(wanted).filter(|(_, _, again)| *again <= now);
        due.map(|(key, list, _)| (key, list.instance.clone())).collect()
    }

    /// Nobody wants a list that is being asked for. The number of the request that is to be cancelled.
    pub(super) fn give_up(&mut self, key: ListKey) -> Option<u64> {
        let list = self.lists.get_mut(&key)?;
        let ListState::Asking(asking) = &list.state else { return None };
        let number = asking.number;
        self.version += 1;
        self.pending.remove(&key);
        if list.pages.is_some() {
            list.state = ListState::Stale;
        } else {
            self.lists.remove(&key);
        }
        Some(number)
    }

    /// Forgets the lists for which `keep` does not hold: their instance is gone, or their caller.
    pub(super) fn retain(&mut self, keep: impl Fn(&ListKey) -> bool) {
        let before = self.lists.len();
        self.pending.retain(&keep);
        self.lists.retain(|key, _| keep(key));
        if self.lists.len() != before {
            self.version += 1;
        }
        for remembered in [&mut self.mentions, &mut self.prefixed] {
            remembered.retain(|(_, generation)| self.lists.keys().any(|key| key.generation == *generation));
        }
    }

    /// How many lists are known.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.lists.len()
    }

    /// A caller is forgotten.
    pub(super) fn forget(&mut self, caller: Caller) {
        self.retain(|key| key.caller != caller);
        self.listings.retain(|(at, _), _| *at != caller);
    }

    /// The instances whose lists are shown are others.
    pub(super) fn view_changed(&mut self) {
        self.version += 1;
    }

    /// What each of these instances has of this kind; `None`: that is unknown. What is there of a list whose pages are
    /// still coming in counts only if it is `shown`, for what is about to change once more is no news.
    pub(super) fn digests(
        &self,
        view: &[&Instance],
        caller: Caller,
        kind: ListKind,
        shown: bool,
    ) -> impl Iterator<Item = (Generation, Option<Digest>)> {
        view.iter().map(move |instance| {
            let generation = instance.generation;
            let list = self.lists.get(&ListKey { generation, caller, kind });
            (generation, list.filter(|list| shown || list.pages.is_some()).map(InstanceList::digest))
        })
    }

    /// The only page of a list, if that is all there is to it.
    pub(super) fn only_page(&self, key: ListKey) -> Option<&Page> {
        match self.lists.get(&key)?.visible() {
            [page] if page.next.is_none() => Some(page),
            _ => None,
        }
    }

    /// What is listed to a caller of this kind.
    pub(super) fn listing(
        &mut self,
        view: &[&Instance],
        naming: Naming,
        caller: Caller,
        kind: ListKind,
    ) -> &Listing {
        let version = self.version;
        let generations = || view.iter().map(|instance| instance.generation);
        let made = self.listings.get(&(caller, kind));
        let is_current = made.is_some_and(|(at, made)| {
            *at == version && made.naming == Some(naming) && generations().eq(made.view.iter().copied())
        });
        if !is_current {
            // A name that was listed stays with whom it was listed for.
            let before = self.listings.remove(&(caller, kind)).map(|(_, before)| before).unwrap_or_default();
            let mut listing =
                Listing { view: generations().collect(), naming: Some(naming), ..Listing::default() };
            for instance in view {
                let key = ListKey { generation: instance.generation, caller, kind };
                for page in self.lists.get(&key).map(InstanceList::visible).unwrap_or_default() {
                    for item in &page.items {
                        listing.add(instance, page, item, (naming, self.name_budget), kind, &before);
                    }
                }
            }
            self.listings.insert((caller, kind), (version, listing));
        }
        &self.listings.entry((caller, kind)).or_default().1
    }

    /// The original name that a spelling with the alias taken off means in one list.
    pub(super) fn original(&self, key: ListKey, alias: &str, rest: &str, budget: usize) -> Option<Box<str>> {
        let exact = self.items(key).find(|(_, item)| *item.key == *rest);
        let found =
            exact.or_else(|| self.items(key).find(|(_, item)| names::means(alias, rest, &item.key, budget)));
        found.map(|(_, item)| item.key.clone())
    }

    /// Whether a list has an item of this key.
    pub(super) fn has(&self, key: ListKey, item: &str) -> bool {
        self.items(key).any(|(_, it)| *it.key == *item)
    }

    /// Whose resource this URI is among the instances of the view, and what its instance calls it: by what is listed, by the
    /// alias in front of it, by template, then by who last mentioned it.
    pub(super) fn locate(&mut self, view: &[&Instance], caller: Caller, uri: &str) -> Option<Owner> {
        if let Some(owner) = self.listed_as(view, caller, uri) {
            return Some(owner);
        }
        if let Some((alias, original)) = unprefixed(uri)
            && let Some(instance) = view.iter().find(|instance| *instance.alias == *alias)
        {
            self.spell_prefixed(instance.generation, original);
            return Some(Owner { generation: instance.generation, original: original.into() });
        }
        if let Some(owner) = self.part_of(view, caller, uri) {
            return Some(owner);
        }
        let (_, generation) = self.mentions.iter().rev().find(|(mentioned, _)| **mentioned == *uri)?;
        let there = view.iter().any(|instance| instance.generation == *generation);
        there.then(|| Owner { generation: *generation, original: uri.into() })
    }

    /// Whose the resource, template or skill is that is listed as this.
    fn listed_as(&mut self, view: &[&Instance], caller: Caller, uri: &str) -> Option<Owner> {
        let kinds = [ListKind::Resources, ListKind::Templates, ListKind::Skills].into_iter();
        let mut found =
            kinds.filter_map(|kind| Some(self.listing(view, Naming::Own, caller, kind).get(uri)?.owner()));
        found.next()
    }

    /// Whose the template is that a URI can be made from.
    fn made_from(&mut self, view: &[&Instance], caller: Caller, uri: &str) -> Option<Owner> {
        let templates = self.listing(view, Naming::Own, caller, ListKind::Templates);
        let entry = templates.entries.iter().find(|entry| uris::matches(&entry.listed, uri))?;
        // The prefix of a renamed template is also on the URIs made from it.
        let prefix = entry.listed.len() - entry.original.len();
        Some(Owner { generation: entry.generation, original: uri[prefix..].into() })
    }

    /// Whose the skill is that a URI leads into: the innermost, since one may lie in another.
    fn within_skill(&mut self, view: &[&Instance], caller: Caller, uri: &str) -> Option<Owner> {
        let skills = self.listing(view, Naming::Own, caller, ListKind::Skills);
        let holding = skills.entries.iter().filter(|entry| uris::is_within(&entry.listed, uri));
        let entry = holding.max_by_key(|entry| entry.listed.len())?;
        let prefix = entry.listed.len() - entry.original.len();
        Some(Owner { generation: entry.generation, original: uri[prefix..].into() })
    }

    /// Whose a URI is that nobody lists, by what is listed.
    fn part_of(&mut self, view: &[&Instance], caller: Caller, uri: &str) -> Option<Owner> {
        self.within_skill(view, caller, uri).or_else(|| self.made_from(view, caller, uri))
    }

    /// Whose a URI is that an instance says.
    fn listed_at(&mut self, view: &[&Instance], caller: Caller, uri: &str) -> Option<Owner> {
        self.listed_as(view, caller, uri).or_else(|| self.part_of(view, caller, uri))
    }

    /// From now on this resource of an instance is called by its prefixed spelling, unless it is listed under another.
    fn spell_prefixed(&mut self, generation: Generation, original: &str) {
        remember(&mut self.prefixed, original, generation);
    }

    /// Remembers the resources that a result of an instance mentions.
    pub(super) fn note_mentions(&mut self, frame: &Frame, generation: Generation) {
        let Some(result) = frame.result().filter(|text| text.len() <= MAX_MENTIONING) else { return };
        if memchr::memmem::find(result.as_bytes(), b"\"uri\"").is_none() {
            return;
        }
        for uri in uris_in(frame).into_iter().filter_map(crate::frame::string) {
            self.note_mention(&uri, generation);
        }
    }

    /// Who mentioned a resource last that none of these instances lists.
    pub(super) fn mentioned(&mut self, view: &[&Instance], caller: Caller, uri: &str) -> Option<Generation> {
        let (_, generation) = self.mentions.iter().rev().find(|(mentioned, _)| **mentioned == *uri)?;
        let generation = *generation;
        self.listed_at(view, caller, uri).is_none().then_some(generation)
    }

    /// Whether anything was mentioned.
    pub(super) fn has_mentions(&self) -> bool {
        !self.mentions.is_empty()
    }

    /// Remembers that an instance mentioned a resource.
    pub(super) fn note_mention(&mut self, uri: &str, generation: Generation) {
        self.mentions.retain(|(known, _)| **known != *uri);
        remember(&mut self.mentions, uri, generation);
    }

    /// How a URI that an instance says is called towards a caller, when that differs from what the instance calls it: so
    /// that it leads back to this instance, and is the same in all places.
    pub(super) fn spelled(
        &mut self,
        view: &[&Instance],
        caller: Caller,
        instance: &Instance,
        uri: &str,
    ) -> Option<String> {
        let generation = instance.generation;
        let prefixed = || Some(uris::prefixed(&instance.alias, uri));
        if matches!(view, [only] if only.generation == generation) {
            return None;
        }
        for kind in [ListKind::Resources, ListKind::Templates, ListKind::Skills] {
            let listing = self.listing(view, Naming::Own, caller, kind);
            if let Some(listed) = listing.renamed(generation, uri) {
                return Some(listed.to_owned());
            }
        }
        match self.listed_at(view, caller, uri) {
            Some(owner) if owner.generation == generation && *owner.original == *uri => None,
            Some(_) => prefixed(),
            None => {
                let is_known = self.prefixed.iter().any(|(known, at)| *at == generation && **known == *uri);
                is_known.then(prefixed).flatten()
            }
        }
    }

    /// A tool (JSON text) of an instance, with the URIs of its views as they are called towards a caller. A view that nobody
    /// lists is called by its prefix: that tools of several instances name it is no use of it.
    pub(super) fn with_views(
        &mut self,
        view: &[&Instance],
        caller: Caller,
        instance: &Instance,
        tool: &str,
    ) -> Option<String> {
        if matches!(view, [only] if only.generation == instance.generation) {
            return None;
        }
        let spans = views_in(tool);
        let mut told = None;
        for span in spans.into_iter().rev() {
            let Some(uri) = crate::frame::string(&tool[span.clone()]) else { continue };
            if self.listed_at(view, caller, &uri).is_none() {
                self.spell_prefixed(instance.generation, &uri);
            }
            if let Some(spelled) = self.spelled(view, caller, instance, &uri) {
                told.get_or_insert_with(|| tool.to_owned()).replace_range(span, &message::quoted(&spelled));
            }
        }
        told
    }

    /// The edits that make a result name its resources as they are listed.
    pub(super) fn uri_edits(
        &mut self,
        view: &[&Instance],
        caller: Caller,
        instance: &Instance,
        frame: &Frame,
    ) -> Vec<Edit> {
        // Few results name any, and large ones are not read for nothing.
        if frame.result().is_none_or(|text| memchr::memmem::find(text.as_bytes(), b"\"uri\"").is_none()) {
            return Vec::new();
        }
        let edit = |raw: &str| {
            let spelled = self.spelled(view, caller, instance, &crate::frame::string(raw)?)?;
            Some((frame.span_of(raw), message::quoted(&spelled)))
        };
        let mut edits: Vec<Edit> = uris_in(frame).into_iter().filter_map(edit).collect();
        edits.sort_by_key(|(span, _)| span.start);
        edits
    }
}

/// Under which names tools and prompts are listed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Naming {
    /// Their own, but for those that clash.
    Own,
    /// With the alias of their instance in front, in at most so many characters.
    Prefixed { budget: usize },
}

/// Where something that is listed leads.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Owner {
    pub(super) generation: Generation,
    /// What the instance calls it.
    pub(super) original: Box<str>,
}

/// One entry of a listing.
#[derive(Debug)]
pub(super) struct ListingEntry {
    pub(super) listed: Box<str>,
    pub(super) original: Box<str>,
    pub(super) generation: Generation,
    frame: Frame,
    item: Item,
}

impl ListingEntry {
    pub(super) fn owner(&self) -> Owner {
        Owner { generation: self.generation, original: self.original.clone() }
    }

    /// The item as it is listed, as JSON text. A skill that is listed under a prefix has its files under the same.
    pub(super) fn text(&self, kind: ListKind) -> Cow<'_, str> {
        let text = self.item.listed_as(&self.frame, &self.listed);
        match self.listed.strip_suffix(&*self.original) {
            Some(prefix) if kind == ListKind::Skills && !prefix.is_empty() => {
                with_files(&text, prefix).into()
            }
            _ => text,
        }
    }
}

/// All that is listed to a caller of one kind, in order.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// The instances that it is made of.
    view: Vec<Generation>,
    /// How its names were made, once it was.
    naming: Option<Naming>,
    pub(super) entries: Vec<ListingEntry>,
    index: HashMap<Box<str>, usize, foldhash::fast::RandomState>,
    renamed: HashMap<(Generation, Box<str>), usize>,
}

impl Listing {
    fn add(
        &mut self,
        instance: &Instance,
        page: &Page,
        item: &Item,
        (naming, budget): (Naming, usize),
        kind: ListKind,
        before: &Self,
    ) {
        let (alias, original) = (&*instance.alias, &*item.key);
        let is_free = |name: &String| {
            let was_anothers = before.get(name).is_some_and(|entry| {
                (entry.generation != instance.generation || *entry.original != *original)
                    && self.view.contains(&entry.generation)
            });
            !was_anothers && !self.index.contains_key(name.as_str())
        };
        let made = match (kind, naming) {
            (ListKind::Tools | ListKind::Prompts, Naming::Prefixed { budget }) => {
                let names = [names::listed(alias, original, budget), names::hashed(alias, original, budget)];
                names.into_iter().find(is_free)
            }
            (ListKind::Tools | ListKind::Prompts, Naming::Own) => {
                let is_own = kind == ListKind::Tools && Tool::named(original).is_some();
                let own = Some(original.to_owned()).filter(|name| !is_own && is_free(name));
                let others =
                    || [names::listed(alias, original, budget), names::hashed(alias, original, budget)];
                own.or_else(|| others().into_iter().find(is_free))
            }
            (ListKind::Resources | ListKind::Templates | ListKind::Skills, _) => {
                let own = Some(original.to_owned()).filter(is_free);
                own.or_else(|| Some(uris::prefixed(alias, original)).filter(is_free))
            }
            (ListKind::Tasks, _) => Some(original.to_owned()).filter(is_free),
        };
        // What had to give way once keeps its name when the other is gone: a name never moves from one to another.
        let is_made_alike =
            before.naming == Some(naming) || !matches!(kind, ListKind::Tools | ListKind::Prompts);
        let former = before.renamed(instance.generation, original).filter(|_| is_made_alike);
        let former = former.map(str::to_owned).filter(is_free);
        let Some(listed) = former.or(made) else {
            tracing::debug!(alias, original, "no name is free for what is listed");
            return;
        };
        let at = self.entries.len();
        if listed != original {
            self.renamed.insert((instance.generation, original.into()), at);
        }
        self.index.insert(listed.as_str().into(), at);
        self.entries.push(ListingEntry {
            listed: listed.into(),
            original: original.into(),
            generation: instance.generation,
            frame: page.frame.clone(),
            item: item.clone(),
        });
    }

    /// What is listed under this name or URI.
    pub(super) fn get(&self, listed: &str) -> Option<&ListingEntry> {
        self.index.get(listed).map(|at| &self.entries[*at])
    }

    /// How something of an instance is listed, when that differs from what the instance calls it.
    fn renamed(&self, generation: Generation, original: &str) -> Option<&str> {
        if self.renamed.is_empty() {
            return None;
        }
        self.renamed.get(&(generation, original.into())).map(|at| &*self.entries[*at].listed)
    }
}

/// Remembers a resource of an instance, as the latest of a bounded number.
fn remember(among: &mut VecDeque<(Box<str>, Generation)>, uri: &str, generation: Generation) {
    among.retain(|(known, at)| *at != generation || **known != *uri);
    if among.len() >= MAX_MENTIONS {
        among.pop_front();
    }
    among.push_back((uri.into(), generation));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::tests::instance;

    const BUDGET: usize = 46;

    fn key(generation: u64) -> ListKey {
        ListKey { generation: Generation(generation), caller: Caller::Greeted, kind: ListKind::Tools }
    }

    fn list(names: &[&str]) -> Frame {
        let tools =
            names.iter().map(|name| format!(r#"{{"name":"{name}","inputSchema":{{"type":"object"}}}}"#));
        let tools = tools.collect::<Vec<_>>().join(",");
        Frame::parse(format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"tools":[{tools}]}}}}"#)).unwrap()
    }

    fn catalog() -> Catalog {
        Catalog { name_budget: BUDGET, ..Catalog::default() }
    }

    #[test]
    fn a_storm_of_changes_is_followed_in_pauses_that_grow() {
        let (mut catalog, it, mut now) = (catalog(), instance(1, "it", "it", "/it", "it"), Instant::now());
        let mut pauses = Vec::new();
        for number in 0..12 {
            assert_eq!(catalog.want(key(1), &it, now, || number), None);
            catalog.doubt(key(1), now);
            assert_eq!(catalog.on_answer(key(1), number, Ok(list(&["a"])), now), Some(FetchStep::Over));
            let again = catalog.deadline(|_| true).unwrap();
            pauses.push(again - now);
            assert!(catalog.rests(key(1), now) || again == now);
            now = again;
            assert_eq!(catalog.due(now, |_| true).len(), 1);
        }
        assert!(pauses.is_sorted() && pauses[0] == DOUBT_PAUSE && pauses[11] == LONGEST_DOUBT, "{pauses:?}");
        catalog.want(key(1), &it, now, || 99);
        catalog.on_answer(key(1), 99, Ok(list(&["a"])), now);
        assert_eq!((catalog.standing(key(1)), catalog.deadline(|_| true)), (ListStatus::Complete, None));
        catalog.doubt(key(1), now + Duration::from_secs(60));
        assert_eq!(catalog.deadline(|_| true), Some(now + Duration::from_secs(60)), "it is calm again");
    }

    #[test]
    fn an_answer_that_is_lost_is_asked_for_again_each_time_more_patiently() {
        let (mut catalog, it, now) = (catalog(), instance(1, "it", "it", "/it", "it"), Instant::now());
        assert_eq!(catalog.want(key(1), &it, now, || 1), None);
        assert_eq!(catalog.want(key(1), &it, now + LOST / 2, || unreachable!("it is being asked for")), None);
        let first = catalog.deadline(|_| true).unwrap();
        assert_eq!(first, now + LOST);
        assert_eq!(catalog.want(key(1), &it, first, || 2), Some(1), "the first request is to be cancelled");
        assert_eq!(catalog.deadline(|_| true), Some(first + 2 * LOST));
        assert_eq!(catalog.on_answer(key(1), 1, Ok(list(&["a"])), first), None);
        assert_eq!(catalog.on_answer(key(1), 2, Ok(list(&["a"])), first), Some(FetchStep::Over));
    }

    #[test]
    fn a_list_without_end_is_cut() {
        let (mut catalog, it, now) = (catalog(), instance(1, "it", "it", "/it", "it"), Instant::now());
        let page = |number: u64, text: &str| {
            let tools = format!(r#"[{{"name":"t{number}","description":"{text}","inputSchema":{{}}}}]"#);
            let result = format!(r#"{{"tools":{tools},"nextCursor":"{number}"}}"#);
            Ok(Frame::parse(format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#)).unwrap())
        };
        for (text, most) in [(String::new(), MAX_PAGES as u64), ("x".repeat(MAX_BYTES / 4), 4)] {
            catalog.want(key(1), &it, now, || 1);
            for number in 1..most {
                let step = catalog.on_answer(key(1), number, page(number, &text), now);
                assert!(matches!(step, Some(FetchStep::Ask(_))), "page {number}: {step:?}");
                catalog.asked(key(1), number + 1, now);
            }
            assert_eq!(catalog.on_answer(key(1), most, page(most, &text), now), Some(FetchStep::Over));
            assert_eq!(catalog.items(key(1)).count() as u64, most);
        }
    }

    /// So does a server that says `"nextCursor": ""` and does not look at the cursor that it is sent.
    #[test]
    fn what_an_earlier_page_had_is_listed_once() {
        let (mut catalog, it, now) = (catalog(), instance(1, "it", "it", "/it", "it"), Instant::now());
        let page = |names: &[&str], next: &str| {
            let tools: Vec<_> =
                names.iter().map(|name| serde_json::json!({"name": name, "inputSchema": {}})).collect();
            let result = serde_json::json!({"tools": tools, "nextCursor": next});
            let answer = serde_json::json!({"jsonrpc": "2.0", "id": 1, "result": result}).to_string();
            Ok(Frame::parse(answer).unwrap())
        };
        let names = |catalog: &Catalog| {
            catalog.items(key(1)).map(|(_, item)| item.key.to_string()).collect::<Vec<_>>()
        };
        catalog.want(key(1), &it, now, || 1);
        let step = catalog.on_answer(key(1), 1, page(&["a", "b"], ""), now);
        assert!(matches!(step, Some(FetchStep::Ask(_))), "{step:?}");
        catalog.asked(key(1), 2, now);
        assert_eq!(catalog.on_answer(key(1), 2, page(&["b", "a", "c"], ""), now), Some(FetchStep::Over));
        assert_eq!(names(&catalog), ["a", "b", "c"]);
        // What is left out of a page is not forgotten with it.
        catalog.doubt(key(1), now);
        catalog.want(key(1), &it, now + LOST, || 3);
        catalog.on_answer(key(1), 3, page(&["a"], ""), now + LOST);
        catalog.asked(key(1), 4, now + LOST);
        assert_eq!(
            catalog.on_answer(key(1), 4, page(&["b", "a", "c"], ""), now + LOST),
            Some(FetchStep::Over)
        );
        assert_eq!(names(&catalog), ["a", "b", "c"]);
    }

    #[test]
    fn a_name_stays_with_whom_it_was_listed_for_and_none_is_lost() {
        let (mut catalog, now) = (catalog(), Instant::now());
        let [one, two] = [instance(1, "one", "one", "/p", "one"), instance(2, "two", "two", "/p", "two")];
        let listed = |catalog: &mut Catalog| {
            let listing = catalog.listing(&[&one, &two], Naming::Own, Caller::Greeted, ListKind::Tools);
            let entry = |entry: &ListingEntry| format!("{} of {}", entry.listed, entry.generation.0);
            listing.entries.iter().map(entry).collect::<Vec<_>>()
        };
        catalog.want(key(2), &two, now, || 1);
        catalog.on_answer(key(2), 1, Ok(list(&["echo", "a/b", "a.b"])), now);
        assert_eq!(listed(&mut catalog), ["echo of 2", "a/b of 2", "a.b of 2"]);
        catalog.want(key(1), &one, now, || 2);
        catalog.on_answer(key(1), 2, Ok(list(&["echo", "a/b", "a.b"])), now);
        let all = listed(&mut catalog);
        assert!(
            all.contains(&"one__echo of 1".to_owned()) && all.contains(&"echo of 2".to_owned()),
            "{all:?}"
        );
        assert_eq!(all.len(), 6, "{all:?}");
        // What had to take another name keeps it when the first is gone.
        catalog.doubt(key(2), now);
        catalog.want(key(2), &two, now + LOST, || 3);
        catalog.on_answer(key(2), 3, Ok(list(&["other"])), now + LOST);
        let left = listed(&mut catalog);
        assert!(left.contains(&"one__echo of 1".to_owned()) && left.len() == 4, "{left:?}");
        // It is the only one, and named otherwise.
        let prefixed = Naming::Prefixed { budget: BUDGET };
        let listing = catalog.listing(&[&one, &two], prefixed, Caller::Greeted, ListKind::Tools);
        assert!(listing.get("two__other").is_some());
        assert_eq!(catalog.listing(&[&one], Naming::Own, Caller::Greeted, ListKind::Tools).entries.len(), 3);
        assert!(listed(&mut catalog).contains(&"echo of 1".to_owned()));
    }
}
