//! How many bytes may be held in one direction of a session, beside the one message in transit.
//!
//! A [`Budget`] is what all readers of one direction share. Each message that is being read has an [`Account`], pays with
//! it before more is read, and takes what it paid along: [`Account::seal`] makes one piece of memory of text and payment,
//! so that every slice of it that waits somewhere keeps it paid for, and the last one to be dropped gives the room back.
//!
//! When partial messages have used everything up, none of them could become whole. So one message at a time may go beyond
//! the budget: whoever holds that right keeps it until its text is dropped.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What is counted: a semaphore's permits are too few to count bytes, and too dear to be counted out one by one.
const UNIT: usize = 1024;

/// Messages up to this size are not counted. The queues that they wait in have bounds of their own, and a small call
/// should cost nothing more.
pub(crate) const FREE: usize = 16 * 1024;

/// What a message pays ahead at least, so that it need not pay for each piece that comes.
const AHEAD: usize = 256 * 1024;

/// Most that a message of unknown length pays ahead.
const MAX_AHEAD: usize = 4 * 1024 * 1024;

/// Room for the bytes of one direction. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Budget(Arc<BudgetRoom>);

#[derive(Debug)]
struct BudgetRoom {
    room: Arc<Semaphore>,
    /// The right to go beyond it. Who waits first gets it first.
    beyond: Arc<Semaphore>,
    /// How many messages wait for room.
    waiting: AtomicUsize,
}

/// A message that waits for room, until this is dropped.
struct WaitingMessage<'a>(&'a AtomicUsize);

impl<'a> WaitingMessage<'a> {
    fn among(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, Ordering::Relaxed);
        Self(waiting)
    }
}

impl Drop for WaitingMessage<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Budget {
    /// Room for `bytes` bytes.
    pub(crate) fn new(bytes: usize) -> Self {
        let units = (bytes / UNIT).min(Semaphore::MAX_PERMITS);
        let room = Arc::new(Semaphore::new(units));
        Self(Arc::new(BudgetRoom { room, beyond: Arc::new(Semaphore::new(1)), waiting: AtomicUsize::new(0) }))
    }

    /// How many messages wait for room.
    pub(crate) fn waiting(&self) -> usize {
        self.0.waiting.load(Ordering::Relaxed)
    }

    #[cfg(test)]
    pub(crate) fn left(&self) -> usize {
        self.0.room.available_permits() * UNIT
    }
}

/// What one message has paid.
#[derive(Debug, Default)]
pub(crate) struct Account {
    budget: Option<Budget>,
    paid: Paid,
}

#[derive(Debug, Default)]
struct Paid {
    room: Option<OwnedSemaphorePermit>,
    beyond: Option<OwnedSemaphorePermit>,
}

impl Paid {
    fn bytes(&self) -> usize {
        self.room.as_ref().map_or(0, |permit| permit.num_permits() * UNIT)
    }

    fn add(&mut self, more: OwnedSemaphorePermit) {
        match &mut self.room {
            Some(room) => room.merge(more),
            none @ None => *none = Some(more),
        }
    }
}

impl Account {
    /// For messages that count towards `budget`; `None`: they count nowhere.
    pub(crate) fn with(budget: Option<&Budget>) -> Self {
        Self { budget: budget.cloned(), paid: Paid::default() }
    }

    /// How long the message may become as it is paid now.
    pub(crate) fn covered(&self) -> usize {
        if self.budget.is_none() || self.paid.beyond.is_some() {
            return usize::MAX;
        }
        self.paid.bytes().max(FREE)
    }

    /// Whether it holds room at all.
    pub(crate) fn holds_room(&self) -> bool {
        self.paid.room.is_some() || self.paid.beyond.is_some()
    }

    /// Whether it holds room that others wait for.
    pub(crate) fn is_in_the_way(&self) -> bool {
        self.holds_room() && self.budget.as_ref().is_some_and(|budget| budget.waiting() > 0)
    }

    /// Waits until a message of `bytes` bytes may be held, and pays for it, and ahead for one of `wish` bytes (or, when
    /// its length is not known, for some more) if there is room. Cancel-safe: what was paid stays paid.
    pub(crate) async fn cover(&mut self, bytes: usize, wish: Option<usize>) {
        if bytes <= self.covered() {
            return;
        }
        let Some(budget) = &self.budget else { return };
        let paid = self.paid.bytes();
        let ahead = wish.unwrap_or_else(|| paid.clamp(AHEAD, MAX_AHEAD) + paid).max(bytes);
        if let Ok(permit) = Arc::clone(&budget.0.room).try_acquire_many_owned(units(ahead - paid)) {
            return self.paid.add(permit);
        }
        let _waiting = WaitingMessage::among(&budget.0.waiting);
        let room = Arc::clone(&budget.0.room).acquire_many_owned(units(bytes - paid));
        let beyond = Arc::clone(&budget.0.beyond).acquire_owned();
        // Neither is ever closed.
        tokio::select! {
            biased;
            Ok(permit) = room => self.paid.add(permit),
            Ok(permit) = beyond => self.paid.beyond = Some(permit),
            else => {}
        }
    }

    /// The text of the message, which is whole now, with what was paid for it. What was paid ahead is given back; the
    /// account is empty again.
    pub(crate) fn seal(&mut self, text: Bytes) -> Bytes {
        let mut paid = std::mem::take(&mut self.paid);
        if let Some(room) = &mut paid.room {
            let over = room.num_permits().saturating_sub(text.len().div_ceil(UNIT));
            drop(room.split(over));
        }
        if paid.room.is_none() && paid.beyond.is_none() {
            return text;
        }
        Bytes::from_owner(Sealed { text, _paid: paid })
    }
}

fn units(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX)
}

struct Sealed {
    text: Bytes,
    _paid: Paid,
}

impl AsRef<[u8]> for Sealed {
    fn as_ref(&self) -> &[u8] {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    const MIB: usize = 1024 * 1024;

    fn text(length: usize) -> Bytes {
        vec![b'x'; length].into()
    }

    #[test]
    fn small_messages_and_those_without_a_budget_cost_nothing() {
        let budget = Budget::new(0);
        let mut account = Account::with(Some(&budget));
        account.cover(FREE, None).now_or_never().unwrap();
        account.seal(text(FREE));
        let mut account = Account::with(None);
        account.cover(usize::MAX, None).now_or_never().unwrap();
    }

    #[test]
    fn room_comes_back_with_the_last_slice() {
        let budget = Budget::new(4 * MIB);
        let mut account = Account::with(Some(&budget));
        account.cover(FREE + 1, None).now_or_never().unwrap();
        assert_eq!(budget.left(), 4 * MIB - AHEAD);
        account.cover(MIB, Some(3 * MIB)).now_or_never().unwrap();
        assert_eq!(budget.left(), MIB);
        let whole = account.seal(text(2 * MIB));
        assert_eq!(budget.left(), 2 * MIB, "what was paid ahead");
        let slice = whole.slice(7..8);
        drop((whole, account));
        assert_eq!(budget.left(), 2 * MIB);
        drop(slice);
        assert_eq!(budget.left(), 4 * MIB);
    }

    #[test]
    fn one_message_at_a_time_goes_beyond() {
        let budget = Budget::new(MIB);
        let accounts = || Account::with(Some(&budget));
        let (mut first, mut second, mut third) = (accounts(), accounts(), accounts());
        first.cover(MIB / 2, Some(MIB / 2)).now_or_never().unwrap();
        second.cover(MIB / 2, Some(MIB / 2)).now_or_never().unwrap();
        first.cover(MIB, None).now_or_never().unwrap();
        first.cover(50 * MIB, None).now_or_never().unwrap();
        assert!(second.cover(MIB, None).now_or_never().is_none(), "only one may");
        assert!(third.cover(FREE + 1, None).now_or_never().is_none());
        let whole = first.seal(text(50 * MIB));
        assert!(second.cover(MIB, None).now_or_never().is_none(), "it is still held");
        drop(whole);
        second.cover(MIB, None).now_or_never().unwrap();
        drop(second);
        third.cover(MIB, None).now_or_never().unwrap();
        drop(third);
        assert_eq!(budget.left(), MIB);
    }

    #[tokio::test]
    async fn who_waits_gets_what_becomes_free() {
        let budget = Budget::new(MIB);
        let mut beyond = Account::with(Some(&budget));
        beyond.cover(MIB, Some(MIB)).await;
        beyond.cover(2 * MIB, None).await;
        let waiting: Vec<_> = (0..4)
            .map(|_| {
                let mut account = Account::with(Some(&budget));
                tokio::spawn(async move {
                    account.cover(MIB / 2, Some(MIB)).await;
                    drop(account.seal(text(MIB / 2)));
                })
            })
            .collect();
        tokio::task::yield_now().await;
        drop(beyond.seal(text(2 * MIB)));
        for waiting in waiting {
            waiting.await.unwrap();
        }
        assert_eq!(budget.left(), MIB);
    }
}
