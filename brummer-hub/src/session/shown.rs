//! What each caller was shown of the lists of each instance, or told to have changed: so that a change is told once, and
//! nothing is told that is no change.

use std::collections::{BTreeMap, HashMap};

use super::{list_kind::ListKind, peer::Caller};
use crate::instance::Generation;

/// Items of one instance, as a number that changes with them; 0: none.
pub(super) type Digest = u64;

/// What no list has: a caller that is taken to know this is told of whatever there is.
const UNLIKE_ANY: Digest = Digest::MAX;

#[derive(Debug, Default)]
struct ShownList {
    /// Whether the caller has asked for the list itself.
    listed: bool,
    /// It was told of a change, and has neither come for the list since nor been waited for.
    due: bool,
    /// By instance; `None`: whatever it comes to have is no news.
    digests: BTreeMap<Generation, Option<Digest>>,
}

#[derive(Debug, Default)]
pub(super) struct Shown {
    lists: HashMap<(Caller, ListKind), ShownList>,
}

impl Shown {
    /// Whether the caller has ever asked for a list of this kind.
    pub(super) fn was_listed(&self, caller: Caller, kind: ListKind) -> bool {
        self.lists.get(&(caller, kind)).is_some_and(|told| told.listed)
    }

    /// From here on the caller is told of changes; what these instances have is none.
    pub(super) fn begin(&mut self, caller: Caller, kind: ListKind, there: impl Iterator<Item = Generation>) {
        let fresh = || ShownList {
            listed: false,
            due: false,
            digests: there.map(|generation| (generation, None)).collect(),
        };
        self.lists.entry((caller, kind)).or_insert_with(fresh);
    }

    /// The caller is shown this; what is unknown is shown as nothing.
    pub(super) fn show(
        &mut self,
        caller: Caller,
        kind: ListKind,
        now: impl Iterator<Item = (Generation, Option<Digest>)>,
    ) {
        let digests = now.map(|(generation, digest)| (generation, Some(digest.unwrap_or(0)))).collect();
        self.lists.insert((caller, kind), ShownList { listed: true, due: false, digests });
    }

    /// Whether what is there now differs from what the caller knows; if so, it is taken as told. What is unknown yet is no
    /// difference.
    pub(super) fn changed(
        &mut self,
        caller: Caller,
        kind: ListKind,
        now: impl Iterator<Item = (Generation, Option<Digest>)>,
    ) -> bool {
        let Some(told) = self.lists.get_mut(&(caller, kind)) else { return false };
        let mut before = std::mem::take(&mut told.digests);
        let mut changed = false;
        for (generation, digest) in now {
            let known = before.remove(&generation).unwrap_or(Some(0));
            changed |= matches!((known, digest), (Some(known), Some(digest)) if known != digest);
            told.digests.insert(generation, digest.or(known));
        }
        changed |= before.into_values().flatten().any(|digest| digest != 0);
        told.due |= changed;
        changed
    }

    /// Whether the caller has been told of a change and has not come for the list since. It is said once.
    pub(super) fn take_due(&mut self, caller: Caller, kind: ListKind) -> bool {
        self.lists.get_mut(&(caller, kind)).is_some_and(|told| std::mem::take(&mut told.due))
    }

    /// Nobody waits for the caller any more, which has not come for the list.
    pub(super) fn is_still_due(&mut self, caller: Caller, kind: ListKind) {
        if let Some(told) = self.lists.get_mut(&(caller, kind)) {
            told.due = true;
        }
    }

    /// An instance said that its list had changed, and it has been asked for since. Who was never shown it is told so on the
    /// instance's word, for there is nothing that it could be compared with; and so is who listens, because it has asked for
    /// just that (2026-07-28, subscriptions).
    pub(super) fn take_its_word(&mut self, caller: Caller, kind: ListKind, generation: Generation) {
        if let Some(told) = self.lists.get_mut(&(caller, kind))
            && (!told.listed || caller != Caller::Greeted)
        {
            told.digests.insert(generation, Some(UNLIKE_ANY));
        }
    }

    pub(super) fn forget(&mut self, caller: Caller) {
        self.lists.retain(|(at, _), _| *at != caller);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOOLS: ListKind = ListKind::Tools;

    fn changed(shown: &mut Shown, now: &[(u64, Option<Digest>)]) -> bool {
        let now = now.iter().map(|(generation, digest)| (Generation(*generation), *digest));
        shown.changed(Caller::Greeted, TOOLS, now)
    }

    #[test]
    fn a_change_is_told_once() {
        let mut shown = Shown::default();
        assert!(!changed(&mut shown, &[(1, Some(7))]), "nobody is to be told");
        shown.show(Caller::Greeted, TOOLS, [(Generation(1), Some(7)), (Generation(2), None)].into_iter());
        assert!(!changed(&mut shown, &[(1, Some(7)), (2, None)]));
        assert!(changed(&mut shown, &[(1, Some(7)), (2, Some(5))]), "the late one has come");
        assert!(!changed(&mut shown, &[(1, Some(7)), (2, Some(5))]));
        assert!(!changed(&mut shown, &[(1, None), (2, Some(5))]), "it is asked for again");
        assert!(changed(&mut shown, &[(1, Some(8)), (2, Some(5)), (3, Some(0))]));
        assert!(!changed(&mut shown, &[(1, Some(8)), (2, Some(5))]), "an empty one has gone");
        assert!(changed(&mut shown, &[(1, Some(8))]));
        assert!(changed(&mut shown, &[(1, Some(8)), (4, Some(1))]));
    }

    #[test]
    fn who_was_told_is_due_until_it_comes_or_was_waited_for() {
        let mut shown = Shown::default();
        shown.show(Caller::Greeted, TOOLS, std::iter::empty());
        assert!(!shown.take_due(Caller::Greeted, TOOLS), "nothing was told");
        assert!(changed(&mut shown, &[(1, Some(7))]) && !changed(&mut shown, &[(1, Some(7))]));
        assert!(shown.take_due(Caller::Greeted, TOOLS) && !shown.take_due(Caller::Greeted, TOOLS));
        shown.is_still_due(Caller::Greeted, TOOLS);
        assert!(shown.take_due(Caller::Greeted, TOOLS), "who waited for it has given up");
        assert!(changed(&mut shown, &[(1, Some(8))]));
        shown.show(Caller::Greeted, TOOLS, [(Generation(1), Some(8))].into_iter());
        assert!(!shown.take_due(Caller::Greeted, TOOLS), "it has come for it");
    }

    #[test]
    fn what_was_there_at_the_beginning_is_no_news() {
        let mut shown = Shown::default();
        shown.begin(Caller::Greeted, TOOLS, [Generation(1)].into_iter());
        assert!(!changed(&mut shown, &[(1, None)]));
        assert!(!changed(&mut shown, &[(1, Some(7))]));
        assert!(changed(&mut shown, &[(1, Some(8))]));
        assert!(changed(&mut shown, &[(1, Some(8)), (2, Some(1))]), "it came later");
        assert!(!shown.was_listed(Caller::Greeted, TOOLS));
    }

    #[test]
    fn who_was_never_shown_a_list_is_told_on_the_instances_word() {
        let mut shown = Shown::default();
        shown.begin(Caller::Greeted, TOOLS, [Generation(1)].into_iter());
        assert!(!changed(&mut shown, &[(1, Some(7))]));
        shown.take_its_word(Caller::Greeted, TOOLS, Generation(1));
        assert!(changed(&mut shown, &[(1, Some(7))]) && !changed(&mut shown, &[(1, Some(7))]));
        shown.show(Caller::Greeted, TOOLS, [(Generation(1), Some(7))].into_iter());
        shown.take_its_word(Caller::Greeted, TOOLS, Generation(1));
        assert!(!changed(&mut shown, &[(1, Some(7))]), "it can be compared");
    }
}
