//! Subscriptions that were asked for anew, since their instance or its session is another, and failed: they are asked for
//! again, with growing pauses.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use crate::upstream::LinkId;

/// Pause before a subscription that failed is asked for again; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// Longest such pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Attempts before only a change of the instance's resources is reason for another: about two minutes.
const MAX_ATTEMPTS: u32 = 8;

#[derive(Debug)]
struct Failed {
    attempts: u32,
    /// When it is asked for again; `None`: it is being asked for, or was so often enough.
    again: Option<Instant>,
}

/// What has failed, by the link and the URI as the instance knows it.
#[derive(Debug, Default)]
pub(super) struct Restored(BTreeMap<(LinkId, Box<str>), Failed>);

impl Restored {
    pub(super) fn failed(&mut self, link: LinkId, uri: Box<str>, now: Instant) {
        let failed = self.0.entry((link, uri)).or_insert(Failed { attempts: 0, again: None });
        failed.attempts += 1;
        let pause = FIRST_PAUSE.saturating_mul(1 << (failed.attempts - 1).min(10)).min(LONGEST_PAUSE);
        failed.again = (failed.attempts <= MAX_ATTEMPTS).then(|| now + pause);
    }

    /// It is subscribed to, or nobody wants it any more.
    pub(super) fn settled(&mut self, link: LinkId, uri: &str) {
        self.0.remove(&(link, Box::from(uri)));
    }

    /// The instance has other resources now.
    pub(super) fn changed(&mut self, link: LinkId, now: Instant) {
        for (_, failed) in self.0.iter_mut().filter(|((at, _), _)| *at == link) {
            *failed = Failed { attempts: 0, again: Some(now) };
        }
    }

    /// The link is closed, or all is asked for anew on it.
    pub(super) fn forget(&mut self, link: LinkId) {
        self.0.retain(|(at, _), _| *at != link);
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.0.values().filter_map(|failed| failed.again).min()
    }

    /// What is to be asked for again now.
    pub(super) fn due(&mut self, now: Instant) -> Vec<(LinkId, Box<str>)> {
        let due = self.0.iter_mut().filter(|(_, failed)| failed.again.is_some_and(|again| again <= now));
        due.map(|(key, failed)| {
            failed.again = None;
            key.clone()
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_is_asked_for_again_with_growing_pauses_and_not_for_ever() {
        let (mut restored, mut now) = (Restored::default(), Instant::now());
        let link = LinkId(1);
        let mut pauses = Vec::new();
        restored.failed(link, "a".into(), now);
        while let Some(again) = restored.deadline() {
            pauses.push((again - now).as_secs());
            now = again;
            assert_eq!(restored.due(now), [(link, "a".into())]);
            assert!(restored.due(now).is_empty(), "it is being asked for");
            restored.failed(link, "a".into(), now);
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30, 30]);
        restored.changed(LinkId(2), now);
        assert_eq!(restored.deadline(), None);
        restored.changed(link, now);
        assert_eq!(restored.due(now), [(link, "a".into())]);
        restored.settled(link, "a");
        restored.changed(link, now);
        assert!(restored.due(now).is_empty());
    }
}
