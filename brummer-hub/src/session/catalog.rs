//! What each instance listed, per caller: lists that are state, not answers.
//!
//! A list is asked for when somebody wants it, page by page, and kept: complete, partial while its pages come in, stale
//! once its instance has said that it changed, or failed, and then it is asked for again with growing pauses. A late
//! answer is used. What is listed under which name or URI, and what it leads back to, is in a [`Directory`], made when it
//! is needed.
//!
//! The catalog owns its requests: it is told of their answers by number, and says what to ask next.

mod names;
mod page;
mod uris;

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    hash::{BuildHasher as _, Hash as _, Hasher as _},
    time::{Duration, Instant},
};

pub(super) use self::{
    names::split,
    page::{Described, Item, Page},
    uris::uris_in,
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

/// Pages of one list; an instance that has more is in a loop.
const MAX_PAGES: usize = 1000;

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
pub(super) enum Standing {
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
struct List {
    instance: Instance,
    /// What it was when it was last complete.
    pages: Option<Vec<Page>>,
    state: State,
}

#[derive(Debug)]
enum State {
    /// What is known is what it is.
    Complete,
    /// It has changed; nobody has wanted it since.
    Stale,
    Asking(Asking),
    Failed {
        attempts: u32,
        again: Instant,
        failure: Failure,
    },
}

#[derive(Debug)]
struct Asking {
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
pub(super) enum Failure {
    /// The instance answered with an error.
    Answer(Frame),
    Exchange(ExchangeError),
}

/// What follows from an answer to a request of the catalog.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Step {
    /// The next page is to be asked for, with these parameters.
    Ask(String),
    /// It is over; whether it is to be asked for again at once.
    Over { again: bool },
}

impl List {
    /// What of it can be shown.
    fn visible(&self) -> &[Page] {
        match (&self.pages, &self.state) {
            (Some(pages), _) => pages,
            (None, State::Asking(asking)) => &asking.got,
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

    fn standing(&self) -> Standing {
        match (&self.state, &self.pages) {
            (State::Complete, _) => Standing::Complete,
            (State::Failed { .. }, _) => Standing::Failed,
            (State::Stale, _) | (State::Asking(_), Some(_)) => Standing::Stale,
            (State::Asking(asking), None) if asking.got.is_empty() => Standing::Missing,
            (State::Asking(_), None) => Standing::Partial,
        }
    }
}

/// The lists of all instances, and what leads back from them.
#[derive(Debug, Default)]
pub(super) struct Catalog {
    lists: BTreeMap<ListKey, List>,
    /// Goes up with each change, so that directories are made again.
    version: u64,
    directories: HashMap<(Caller, ListKind), (u64, Directory)>,
    /// Resources that results mentioned, and by whom, latest last.
    mentions: VecDeque<(Box<str>, Generation)>,
}

impl Catalog {
    pub(super) fn standing(&self, key: ListKey) -> Standing {
        self.lists.get(&key).map_or(Standing::Missing, List::standing)
    }

    /// Whether it is being asked for.
    pub(super) fn is_asking(&self, key: ListKey) -> bool {
        matches!(self.lists.get(&key), Some(List { state: State::Asking(_), .. }))
    }

    /// Until when others wait for this list; `None`: they need not.
    pub(super) fn patience(&self, key: ListKey) -> Option<Instant> {
        match &self.lists.get(&key)?.state {
            State::Asking(asking) => Some(asking.since + PATIENCE),
            _ => None,
        }
    }

    /// Why it could not be had, if it could not.
    pub(super) fn failure(&self, key: ListKey) -> Option<&Failure> {
        match &self.lists.get(&key)?.state {
            State::Failed { failure, .. } => Some(failure),
            _ => None,
        }
    }

    /// The items of one list, with the frame that each stands in.
    pub(super) fn items(&self, key: ListKey) -> impl Iterator<Item = (&Frame, &Item)> {
        let pages = self.lists.get(&key).map(List::visible).unwrap_or_default();
        pages.iter().flat_map(|page| page.items.iter().map(move |item| (&page.frame, item)))
    }

    /// Begins to ask for a list, unless it is being asked for: `send` sends the first request and gives its number.
    pub(super) fn want(
        &mut self,
        key: ListKey,
        instance: &Instance,
        now: Instant,
        send: impl FnOnce() -> u64,
    ) {
        let list = self.lists.entry(key).or_insert_with(|| List {
            instance: instance.clone(),
            pages: None,
            state: State::Stale,
        });
        let attempts = match &list.state {
            State::Asking(_) => return,
            State::Failed { attempts, .. } => *attempts,
            State::Complete | State::Stale => 0,
        };
        let number = send();
        let (got, seen) = (Vec::new(), HashSet::new());
        list.state = State::Asking(Asking { number, since: now, got, seen, attempts, doubted: false });
    }

    /// The next page was asked for under this number.
    pub(super) fn asked(&mut self, key: ListKey, number: u64) {
        if let Some(List { state: State::Asking(asking), .. }) = self.lists.get_mut(&key) {
            asking.number = number;
        }
    }

    /// A request of the catalog is over. `None`: it is none that is still waited for.
    pub(super) fn on_answer(
        &mut self,
        key: ListKey,
        number: u64,
        answer: Result<Frame, ExchangeError>,
        now: Instant,
    ) -> Option<Step> {
        let list = self.lists.get_mut(&key)?;
        let State::Asking(asking) = &mut list.state else { return None };
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
                {
                    Some(page) => {
                        if before.is_none_or(|before| before.faults != page.faults) {
                            for fault in &page.faults {
                                tracing::warn!(%alias, "{}: {fault}", key.kind.method());
                            }
                        }
                        let next = page.next.clone();
                        asking.got.push(page);
                        match next {
                            Some(cursor) if asking.got.len() >= MAX_PAGES => {
                                tracing::warn!(
                                    %alias,
                                    "{} has over {MAX_PAGES} pages; the rest is left out (cursor of {} bytes)",
                                    key.kind.method(),
                                    cursor.len(),
                                );
                            }
                            Some(cursor) if asking.seen.insert(cursor.clone()) => {
                                return Some(Step::Ask(serde_json::json!({ "cursor": cursor }).to_string()));
                            }
                            Some(_) | None => {}
                        }
                        None
                    }
                    None => {
                        tracing::warn!(%alias, "{}: the result has no list `{}`", key.kind.method(), key.kind.member());
                        Some(Failure::Answer(frame))
                    }
                }
            }
            // An instance without this kind of thing has an empty list.
            Ok(frame) if message::error_code(&frame) == Some(code::METHOD_NOT_FOUND) => None,
            Ok(frame) => Some(Failure::Answer(frame)),
            Err(error) => Some(Failure::Exchange(error)),
        };
        let (attempts, again) = (asking.attempts, asking.doubted);
        match failure {
            None => {
                list.pages = Some(std::mem::take(&mut asking.got));
                list.state = if again { State::Stale } else { State::Complete };
                Some(Step::Over { again })
            }
            Some(failure) => {
                let pause = FIRST_PAUSE.saturating_mul(1 << attempts.min(10)).min(LONGEST_PAUSE);
                list.state = State::Failed { attempts: attempts + 1, again: now + pause, failure };
                Some(Step::Over { again: false })
            }
        }
    }

    /// The instance says that a list has changed. Whether it was known at all, and is not being asked for.
    pub(super) fn doubt(&mut self, key: ListKey) -> bool {
        let Some(list) = self.lists.get_mut(&key) else { return false };
        match &mut list.state {
            State::Asking(asking) => {
                asking.doubted = true;
                false
            }
            state => {
                *state = State::Stale;
                true
            }
        }
    }

    /// When the next list that failed is to be asked for again, of those that are `wanted`.
    pub(super) fn deadline(&self, wanted: impl Fn(ListKey) -> bool) -> Option<Instant> {
        let again = |(key, list): (&ListKey, &List)| match list.state {
            State::Failed { again, .. } if wanted(*key) => Some(again),
            _ => None,
        };
        self.lists.iter().filter_map(again).min()
    }

    /// The lists that failed and are to be asked for again now.
    pub(super) fn due(&self, now: Instant, wanted: impl Fn(ListKey) -> bool) -> Vec<(ListKey, Instance)> {
        let due = |(key, list): (&ListKey, &List)| match list.state {
            State::Failed { again, .. } if again <= now && wanted(*key) => {
                Some((*key, list.instance.clone()))
            }
            _ => None,
        };
        self.lists.iter().filter_map(due).collect()
    }

    /// Nobody wants a list that is being asked for. The number of the request that is to be cancelled.
    pub(super) fn give_up(&mut self, key: ListKey) -> Option<u64> {
        let list = self.lists.get_mut(&key)?;
        let State::Asking(asking) = &list.state else { return None };
        let number = asking.number;
        self.version += 1;
        if list.pages.is_some() {
            list.state = State::Stale;
        } else {
            self.lists.remove(&key);
        }
        Some(number)
    }

    /// Forgets the lists for which `keep` does not hold: their instance is gone, or their caller.
    pub(super) fn retain(&mut self, keep: impl Fn(&ListKey) -> bool) {
        let before = self.lists.len();
        self.lists.retain(|key, _| keep(key));
        if self.lists.len() != before {
            self.version += 1;
        }
        self.mentions.retain(|(_, generation)| self.lists.keys().any(|key| key.generation == *generation));
    }

    /// How many lists are known.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.lists.len()
    }

    /// A caller is forgotten.
    pub(super) fn forget(&mut self, caller: Caller) {
        self.retain(|key| key.caller != caller);
        self.directories.retain(|(at, _), _| *at != caller);
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
            (generation, list.filter(|list| shown || list.pages.is_some()).map(List::digest))
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
    pub(super) fn directory(
        &mut self,
        view: &[&Instance],
        naming: Naming,
        caller: Caller,
        kind: ListKind,
    ) -> &Directory {
        let version = self.version;
        let generations = || view.iter().map(|instance| instance.generation);
        let made = self.directories.get(&(caller, kind));
        let is_current =
            made.is_some_and(|(at, made)| *at == version && generations().eq(made.view.iter().copied()));
        if !is_current {
            let mut directory = Directory { view: generations().collect(), ..Directory::default() };
            for instance in view {
                let key = ListKey { generation: instance.generation, caller, kind };
                for page in self.lists.get(&key).map(List::visible).unwrap_or_default() {
                    for item in &page.items {
                        directory.add(instance, page, item, naming, kind);
                    }
                }
            }
            self.directories.insert((caller, kind), (version, directory));
        }
        &self.directories.entry((caller, kind)).or_default().1
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

    /// Whose resource this URI is among the instances of the view, and what its instance calls it: by what is listed, then
    /// by template, then by who last mentioned it.
    pub(super) fn locate(&mut self, view: &[&Instance], caller: Caller, uri: &str) -> Option<Owner> {
        for kind in [ListKind::Resources, ListKind::Templates] {
            if let Some(entry) = self.directory(view, Naming::Own, caller, kind).get(uri) {
                return Some(entry.owner());
            }
        }
        let templates = self.directory(view, Naming::Own, caller, ListKind::Templates);
        if let Some(entry) = templates.entries.iter().find(|entry| uris::matches(&entry.listed, uri)) {
            // The prefix of a renamed template is also on the URIs made from it.
            let prefix = entry.listed.len() - entry.original.len();
            return Some(Owner { generation: entry.generation, original: uri[prefix..].into() });
        }
        if let Some((alias, original)) = uris::unprefixed(uri)
            && let Some(instance) = view.iter().find(|instance| *instance.alias == *alias)
        {
            return Some(Owner { generation: instance.generation, original: original.into() });
        }
        let (_, generation) = self.mentions.iter().rev().find(|(mentioned, _)| **mentioned == *uri)?;
        let there = view.iter().any(|instance| instance.generation == *generation);
        there.then(|| Owner { generation: *generation, original: uri.into() })
    }

    /// Remembers the resources that a result of an instance mentions.
    pub(super) fn note_mentions(&mut self, frame: &Frame, generation: Generation) {
        let Some(result) = frame.result().filter(|text| text.len() <= MAX_MENTIONING) else { return };
        if memchr::memmem::find(result.as_bytes(), b"\"uri\"").is_none() {
            return;
        }
        for uri in uris_in(frame).into_iter().filter_map(crate::frame::string) {
            self.mentions.retain(|(known, _)| **known != *uri);
            if self.mentions.len() >= MAX_MENTIONS {
                self.mentions.pop_front();
            }
            self.mentions.push_back((uri.into(), generation));
        }
    }

    /// How a URI of an instance is listed to a caller, when that differs from what the instance calls it.
    pub(super) fn renamed(
        &mut self,
        view: &[&Instance],
        caller: Caller,
        generation: Generation,
        uri: &str,
    ) -> Option<Box<str>> {
        let directory = self.directory(view, Naming::Own, caller, ListKind::Resources);
        directory.renamed(generation, uri).map(Into::into)
    }

    /// The edits that make a result name its resources as they are listed.
    pub(super) fn uri_edits(
        &mut self,
        view: &[&Instance],
        caller: Caller,
        generation: Generation,
        frame: &Frame,
    ) -> Vec<Edit> {
        let directory = self.directory(view, Naming::Own, caller, ListKind::Resources);
        if !directory.renames(generation) {
            return Vec::new();
        }
        let edit = |raw: &str| {
            let listed = directory.renamed(generation, &crate::frame::string(raw)?)?;
            Some((frame.span_of(raw), message::quoted(listed)))
        };
        uris_in(frame).into_iter().filter_map(edit).collect()
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

/// One entry of a directory.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) listed: Box<str>,
    pub(super) original: Box<str>,
    pub(super) generation: Generation,
    frame: Frame,
    item: Item,
}

impl Entry {
    pub(super) fn owner(&self) -> Owner {
        Owner { generation: self.generation, original: self.original.clone() }
    }

    /// The item as it is listed, as JSON text.
    pub(super) fn text(&self) -> Cow<'_, str> {
        self.item.listed_as(&self.frame, &self.listed)
    }
}

/// All that is listed to a caller of one kind, in order.
#[derive(Debug, Default)]
pub(super) struct Directory {
    /// The instances that it is made of.
    view: Vec<Generation>,
    pub(super) entries: Vec<Entry>,
    index: HashMap<Box<str>, usize, foldhash::fast::RandomState>,
    renamed: HashMap<(Generation, Box<str>), usize>,
}

impl Directory {
    fn add(&mut self, instance: &Instance, page: &Page, item: &Item, naming: Naming, kind: ListKind) {
        let (alias, original) = (&*instance.alias, &*item.key);
        let is_free = |name: &String| !self.index.contains_key(name.as_str());
        let listed = match (kind, naming) {
            (ListKind::Tools | ListKind::Prompts, Naming::Prefixed { budget }) => {
                let names = [names::listed(alias, original, budget), names::hashed(alias, original, budget)];
                names.into_iter().find(is_free)
            }
            (ListKind::Tools | ListKind::Prompts, Naming::Own) => {
                let is_own = kind == ListKind::Tools && Tool::named(original).is_some();
                let own = Some(original.to_owned()).filter(|name| !is_own && is_free(name));
                own.or_else(|| Some(names::whole(alias, original)).filter(is_free))
            }
            (ListKind::Resources | ListKind::Templates, _) => {
                let own = Some(original.to_owned()).filter(is_free);
                own.or_else(|| Some(uris::prefixed(alias, original)).filter(is_free))
            }
            (ListKind::Tasks, _) => Some(original.to_owned()).filter(is_free),
        };
        let Some(listed) = listed else {
            tracing::debug!(alias, original, "no name is free for what is listed");
            return;
        };
        let at = self.entries.len();
        if listed != original {
            self.renamed.insert((instance.generation, original.into()), at);
        }
        self.index.insert(listed.as_str().into(), at);
        self.entries.push(Entry {
            listed: listed.into(),
            original: original.into(),
            generation: instance.generation,
            frame: page.frame.clone(),
            item: item.clone(),
        });
    }

    /// What is listed under this name or URI.
    pub(super) fn get(&self, listed: &str) -> Option<&Entry> {
        self.index.get(listed).map(|at| &self.entries[*at])
    }

    /// How something of an instance is listed, when that differs from what the instance calls it.
    fn renamed(&self, generation: Generation, original: &str) -> Option<&str> {
        if self.renamed.is_empty() {
            return None;
        }
        self.renamed.get(&(generation, original.into())).map(|at| &*self.entries[*at].listed)
    }

    /// Whether anything of an instance is.
    fn renames(&self, generation: Generation) -> bool {
        self.renamed.keys().any(|(at, _)| *at == generation)
    }
}
