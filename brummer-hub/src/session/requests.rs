//! The one table of requests: what the client has asked, what was sent for it, under which number and progress token, and
//! who waits.
//!
//! A [`Ticket`] names a request of the client, a *number* a request on a link. Neither is ever used twice, so that what is
//! over can never be taken for what is not. What comes on a link touches only what was sent on that link.

use std::collections::{HashMap, VecDeque, hash_map::Entry};

use bytes::Bytes;
use serde::Deserialize;

use super::{
    catalog::ListKey,
    message::{Level, canonical},
    peer::{Caller, ReplyTo},
};
use crate::{
    frame::{Frame, Parts},
    upstream::LinkId,
};

/// Tasks whose progress is passed on at a time; the older ones go without.
const MAX_TASK_TOKENS: usize = 64;

/// A request of the client.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(super) struct Ticket(u64);

/// What works on a request of the client.
#[derive(Debug)]
pub(super) enum RequestWork {
    /// The core, right now.
    Routing,
    /// Nothing yet: it waits until the hub has looked around.
    Deferred(Frame),
    /// An instance, under this number.
    Sent(u64),
    /// An operation, which is known by the ticket.
    Operation,
    /// It is a listen, which is answered when it ends.
    Listening,
}

#[derive(Debug)]
struct ClientRequest {
    to: ReplyTo,
    work: RequestWork,
    /// Whether it has waited for an instance to come up. It does so once.
    has_waited: bool,
}

/// Who waits for a request on a link.
#[derive(Debug)]
pub(super) enum Waiter {
    /// The client.
    Client(Box<Forwarded>),
    /// A client that was asked something in an answer, and will come back with this state.
    Suspended(Box<str>),
    /// An operation.
    Operation(Ticket),
    /// The catalog.
    List(ListKey),
    /// Who is subscribed to this resource (as the instance knows it), and was so before.
    Subscribed(Box<str>),
    /// Nobody: it was sent for its effect.
    Nobody,
}

/// A request of the client that an instance works on.
#[derive(Debug)]
pub(super) struct Forwarded {
    pub(super) ticket: Ticket,
    /// How its result is fitted for the client.
    pub(super) shape: Shape,
    /// The progress token as the client wrote it.
    pub(super) token: Option<Box<str>>,
    /// The request as the client said it, kept when the instance may ask something that its client can only be asked in
    /// an answer.
    pub(super) said: Option<Frame>,
    /// What the instance asked that this request did not declare, by the name of the capability.
    pub(super) missing: Option<&'static str>,
}

/// How a result is edited before the client gets it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Shape {
    /// Not at all: the method is none of the protocol's.
    Raw,
    /// The answer to `completion/complete` or about a task: only what is null in it is looked for.
    Plain,
    /// The answer to `tools/call`.
    Tool,
    /// The same, where the client wants a task.
    Task,
    /// The answer to `prompts/get`.
    Prompt,
    /// The answer to `resources/read`.
    Resource,
    /// The answer to `resources/subscribe` or `unsubscribe`, for the URI as the client and as the instance knows it.
    Subscription { listed: Box<str>, original: Box<str>, on: bool },
}

impl Shape {
    /// Whether the request may be answered with questions (2026-07-28, multi round-trip requests § Supported Requests).
    pub(super) const fn may_ask(&self) -> bool {
        matches!(self, Self::Tool | Self::Task | Self::Prompt | Self::Resource)
    }

    /// Whether it is the answer to `tools/call`.
    pub(super) const fn is_call(&self) -> bool {
        matches!(self, Self::Tool | Self::Task)
    }
}

/// A request that an instance has still to answer.
#[derive(Debug)]
pub(super) struct SentRequest {
    pub(super) link: LinkId,
    pub(super) waiter: Waiter,
    /// The progress token that it was sent with, in canonical form.
    token: Option<Box<str>>,
}

/// What of a cancelled request is left to be cancelled elsewhere.
#[derive(Debug)]
pub(super) struct Dropped {
    pub(super) work: RequestWork,
    /// What is to be written now: a batch that waited only for this one.
    pub(super) batch: Option<Parts>,
}

#[derive(Debug, Default)]
pub(super) struct Requests {
    last: u64,
    asked: HashMap<Ticket, ClientRequest, foldhash::fast::RandomState>,
    by_id: HashMap<Box<str>, Ticket, foldhash::fast::RandomState>,
    sent: HashMap<u64, SentRequest, foldhash::fast::RandomState>,
    /// Progress tokens of what was sent, by what they mean.
    tokens: HashMap<(LinkId, Box<str>), u64, foldhash::fast::RandomState>,
    /// Progress tokens (as the client wrote them) that live on with the task that their request has created, oldest first.
    task_tokens: VecDeque<(LinkId, Box<str>)>,
    batches: HashMap<u64, Batch>,
}

/// Answers to a batch, collected until all are there (2025-03-26, basic § Batching).
#[derive(Debug)]
struct Batch {
    missing: usize,
    answers: Vec<Bytes>,
}

impl Requests {
    fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    // What the client has asked.

    /// Notes a request of the client. `Err` gives it back: one with this id is in flight.
    pub(super) fn ask(&mut self, to: ReplyTo) -> Result<Ticket, ReplyTo> {
        let ticket = Ticket(self.last + 1);
        match self.by_id.entry(canonical(&to.id).into()) {
            Entry::Occupied(_) => Err(to),
            Entry::Vacant(free) => {
                free.insert(ticket);
                self.last += 1;
                self.asked
                    .insert(ticket, ClientRequest { to, work: RequestWork::Routing, has_waited: false });
                Ok(ticket)
            }
        }
    }

    /// How many requests of the client are in flight.
    pub(super) fn len(&self) -> usize {
        self.asked.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.asked.is_empty()
    }

    pub(super) fn to(&self, ticket: Ticket) -> Option<&ReplyTo> {
        self.asked.get(&ticket).map(|asked| &asked.to)
    }

    /// Says of what the request is, and in whose name it speaks.
    pub(super) fn claim(&mut self, ticket: Ticket, claim: std::sync::Arc<super::peer::RequestClaim>) {
        if let Some(asked) = self.asked.get_mut(&ticket) {
            asked.to.claim = Some(claim);
        }
    }

    /// Whether a request has waited for an instance to come up.
    pub(super) fn has_waited(&self, ticket: Ticket) -> bool {
        self.asked.get(&ticket).is_some_and(|asked| asked.has_waited)
    }

    /// A request waits for an instance to come up.
    pub(super) fn waits(&mut self, ticket: Ticket) {
        if let Some(asked) = self.asked.get_mut(&ticket) {
            asked.has_waited = true;
        }
    }

    /// Notes what works on a request; it may change while the request is in flight.
    pub(super) fn set_work(&mut self, ticket: Ticket, work: RequestWork) {
        if let Some(asked) = self.asked.get_mut(&ticket) {
            asked.work = work;
        }
    }

    /// The requests that wait until the hub has looked around, in the order in which they came.
    pub(super) fn take_deferred(&mut self) -> Vec<(Ticket, Frame)> {
        let mut deferred = Vec::new();
        for (ticket, asked) in &mut self.asked {
            if let RequestWork::Deferred(_) = asked.work
                && let RequestWork::Deferred(frame) = std::mem::replace(&mut asked.work, RequestWork::Routing)
            {
                deferred.push((*ticket, frame));
            }
        }
        deferred.sort_by_key(|(ticket, _)| *ticket);
        deferred
    }

    /// How many listens are open.
    pub(super) fn listens(&self) -> usize {
        self.asked.values().filter(|asked| matches!(asked.work, RequestWork::Listening)).count()
    }

    /// Strikes a request off, since it is answered. What is to be written now: the answer, a whole batch, or nothing yet.
    pub(super) fn answer(&mut self, ticket: Ticket, answer: Parts) -> Option<Parts> {
        let asked = self.strike(ticket)?;
        match asked.to.batch {
            None => Some(answer),
            Some(batch) => self.settle_in_batch(batch, Some(answer)),
        }
    }

    /// Strikes a request off that its client cancels, by its id.
    pub(super) fn cancel(&mut self, id: &str) -> Option<(Ticket, Dropped)> {
        let ticket = *self.by_id.get(&*canonical(id))?;
        let asked = self.strike(ticket)?;
        let batch = asked.to.batch.and_then(|batch| self.settle_in_batch(batch, None));
        Some((ticket, Dropped { work: asked.work, batch }))
    }

    fn strike(&mut self, ticket: Ticket) -> Option<ClientRequest> {
        let asked = self.asked.remove(&ticket)?;
        self.by_id.remove(&*canonical(&asked.to.id));
        Some(asked)
    }

    // Batches.

    /// Opens a batch with this many requests.
    pub(super) fn open_batch(&mut self, requests: usize) -> u64 {
        let batch = self.next();
        self.batches.insert(batch, Batch { missing: requests, answers: Vec::new() });
        batch
    }

    /// The answer to one of a batch; `None` for the batch: to a message by itself. What is to be written now.
    pub(super) fn answer_in_batch(&mut self, batch: Option<u64>, answer: Parts) -> Option<Parts> {
        match batch {
            None => Some(answer),
            Some(batch) => self.settle_in_batch(batch, Some(answer)),
        }
    }

    fn settle_in_batch(&mut self, number: u64, answer: Option<Parts>) -> Option<Parts> {
        let batch = self.batches.get_mut(&number)?;
        batch.missing -= 1;
        batch.answers.extend(answer.map(Parts::join));
        if batch.missing > 0 {
            return None;
        }
        let answers = self.batches.remove(&number)?.answers;
        if answers.is_empty() {
            return None;
        }
        let mut text = vec![b'['];
        text.extend(answers.join(&b','));
        text.push(b']');
        Some(Parts::whole(text))
    }

    // What was sent.

    /// Notes a request on a link. Its number.
    pub(super) fn send(&mut self, link: LinkId, waiter: Waiter) -> u64 {
        let number = self.next();
        let token: Option<Box<str>> = match &waiter {
            Waiter::Client(forwarded) => {
                forwarded.token.as_deref().map(|token| Box::from(&*canonical(token)))
            }
            _ => None,
        };
        if let Some(token) = &token {
            self.tokens.insert((link, token.clone()), number);
        }
        if let Waiter::Client(forwarded) = &waiter {
            self.set_work(forwarded.ticket, RequestWork::Sent(number));
        }
        self.sent.insert(number, SentRequest { link, waiter, token });
        number
    }

    pub(super) fn sent(&self, number: u64) -> Option<&SentRequest> {
        self.sent.get(&number)
    }

    pub(super) fn sent_mut(&mut self, number: u64) -> Option<&mut SentRequest> {
        self.sent.get_mut(&number)
    }

    /// Everything that was sent and is not over, in no order.
    pub(super) fn all_sent(&self) -> impl Iterator<Item = (u64, &SentRequest)> {
        self.sent.iter().map(|(number, sent)| (*number, sent))
    }

    /// What was sent on a link, oldest first.
    pub(super) fn sent_on(&self, link: LinkId) -> Vec<u64> {
        let mut numbers: Vec<u64> =
            self.all_sent().filter(|(_, sent)| sent.link == link).map(|(number, _)| number).collect();
        numbers.sort_unstable();
        numbers
    }

    /// Strikes off what was answered on a link, or has failed there. `None`: nothing under that number was sent there.
    pub(super) fn over(&mut self, link: LinkId, number: u64) -> Option<SentRequest> {
        if self.sent.get(&number)?.link != link {
            return None;
        }
        self.take(number)
    }

    /// Strikes off what is no longer wanted.
    pub(super) fn take(&mut self, number: u64) -> Option<SentRequest> {
        let sent = self.sent.remove(&number)?;
        if let Some(token) = &sent.token
            && let Entry::Occupied(current) = self.tokens.entry((sent.link, token.clone()))
            && *current.get() == number
        {
            current.remove();
        }
        Some(sent)
    }

    /// A request was answered with a task, and its progress token lives as long (2025-11-25, tasks § Task Progress
    /// Notifications).
    pub(super) fn keep_token(&mut self, link: LinkId, token: Box<str>) {
        if self.task_tokens.len() >= MAX_TASK_TOKENS {
            self.task_tokens.pop_front();
        }
        self.task_tokens.push_back((link, token));
    }

    /// A link is gone, and the tasks there with it.
    pub(super) fn forget_link(&mut self, link: LinkId) {
        self.task_tokens.retain(|(at, _)| *at != link);
    }

    /// The client's own text for a progress token, if progress under it is wanted from this link.
    pub(super) fn token(&self, link: LinkId, token: &str) -> Option<&str> {
        let canonical_token = canonical(token);
        let Some(number) = self.tokens.get(&(link, Box::from(&*canonical_token))) else {
            let of_task =
                |(at, known): &&(LinkId, Box<str>)| *at == link && canonical(known) == canonical_token;
            return self.task_tokens.iter().rev().find(of_task).map(|(_, known)| &**known);
        };
        match &self.sent.get(number)?.waiter {
            Waiter::Client(forwarded) => forwarded.token.as_deref(),
            _ => None,
        }
    }

    /// Puts somebody else in the place of who waits; the token is theirs from now on.
    pub(super) fn hand_over(&mut self, number: u64, waiter: Waiter) {
        let Some(mut sent) = self.take(number) else { return };
        if let Waiter::Client(forwarded) = &waiter {
            self.set_work(forwarded.ticket, RequestWork::Sent(number));
            sent.token = forwarded.token.as_deref().map(|token| Box::from(&*canonical(token)));
            if let Some(token) = &sent.token {
                self.tokens.insert((sent.link, token.clone()), number);
            }
        }
        sent.waiter = waiter;
        self.sent.insert(number, sent);
    }

    /// The request of the client that an instance works on under this number.
    pub(super) fn forwarded(&self, number: u64) -> Option<(&Forwarded, &ReplyTo)> {
        match &self.sent.get(&number)?.waiter {
            Waiter::Client(forwarded) => Some((forwarded, self.to(forwarded.ticket)?)),
            _ => None,
        }
    }

    /// Whether a log message is wanted: by the request on whose stream it came, or, on the standing stream, where some
    /// servers write all of theirs, by any that is in flight there.
    pub(super) fn want_log(&self, link: LinkId, carrier: Option<u64>, frame: &Frame) -> bool {
        #[derive(Deserialize)]
        struct Said {
            level: Level,
        }
        let said = frame.peek::<Said>().map(|said| said.level);
        let wants = |to: &ReplyTo| {
            let wanted = to.claim.as_ref().and_then(|claim| claim.log_level);
            // A level that nobody knows is the instance's business.
            wanted.is_some_and(|wanted| said.is_none_or(|said| said >= wanted))
        };
        match carrier {
            Some(number) => self.forwarded(number).is_some_and(|(_, to)| wants(to)),
            None => self.sent.values().any(|sent| {
                let ticket = match &sent.waiter {
                    Waiter::Client(forwarded) if sent.link == link => forwarded.ticket,
                    _ => return false,
                };
                self.to(ticket).is_some_and(wants)
            }),
        }
    }

    /// How much there is in each table but for what the client has asked.
    #[cfg(test)]
    pub(super) fn left(&self) -> usize {
        let ids = self.by_id.len() - self.asked.len();
        ids + self.sent.len() + self.tokens.len() + self.batches.len()
    }

    /// Whether a request of this caller is in flight.
    pub(super) fn has(&self, caller: Caller) -> bool {
        self.asked.values().any(|asked| asked.to.caller() == caller)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        session::peer::{Caller, RequestClaim},
        upstream::Declared,
    };

    fn to(id: &str, batch: Option<u64>) -> ReplyTo {
        ReplyTo { id: id.into(), batch, claim: None }
    }

    fn forwarded(ticket: Ticket, token: Option<&str>) -> Waiter {
        let token = token.map(Into::into);
        Waiter::Client(Forwarded { ticket, shape: Shape::Raw, token, said: None, missing: None }.into())
    }

    #[test]
    fn a_batch_is_answered_as_one_array_in_the_order_of_the_answers() {
        let mut requests = Requests::default();
        let batch = requests.open_batch(3);
        let [one, _, three] = ["1", "2", "3"].map(|id| requests.ask(to(id, Some(batch))).unwrap());
        assert!(requests.answer(three, Parts::whole("c")).is_none());
        let (_, dropped) = requests.cancel("2").unwrap();
        assert!(dropped.batch.is_none());
        assert_eq!(requests.answer(one, Parts::whole("a")).unwrap().join(), "[c,a]");
        let batch = requests.open_batch(1);
        requests.ask(to("4", Some(batch))).unwrap();
        assert!(requests.cancel("4").unwrap().1.batch.is_none(), "nothing to say, nothing said");
        assert!(requests.is_empty() && requests.batches.is_empty());
    }

    #[test]
    fn an_id_is_in_flight_until_it_is_answered_however_it_is_written() {
        let mut requests = Requests::default();
        let ticket = requests.ask(to("1", None)).unwrap();
        assert!(requests.ask(to("1.0", None)).is_err() && requests.ask(to("\"1\"", None)).is_ok());
        assert!(requests.answer(ticket, Parts::whole("x")).is_some());
        assert!(requests.answer(ticket, Parts::whole("x")).is_none(), "once");
        assert!(requests.ask(to("1.0", None)).is_ok());
    }

    #[test]
    fn a_link_touches_only_what_was_sent_on_it() {
        let mut requests = Requests::default();
        let [here, there] = ["1", "2"].map(|id| requests.ask(to(id, None)).unwrap());
        let one = requests.send(LinkId(1), forwarded(here, Some("7")));
        let two = requests.send(LinkId(2), forwarded(there, Some("7.0")));
        assert_eq!(
            (requests.token(LinkId(1), "7.0"), requests.token(LinkId(2), "7")),
            (Some("7"), Some("7.0"))
        );
        assert!(requests.over(LinkId(2), one).is_none() && requests.over(LinkId(1), two).is_none());
        assert!(requests.over(LinkId(1), one).is_some() && requests.token(LinkId(1), "7").is_none());
        assert_eq!(requests.token(LinkId(2), "7"), Some("7.0"));
        requests.hand_over(two, Waiter::Nobody);
        assert!(requests.token(LinkId(2), "7").is_none() && requests.sent_on(LinkId(2)) == [two]);
    }

    #[test]
    fn a_log_message_is_wanted_by_requests_on_its_link_that_asked_for_its_level() {
        let mut requests = Requests::default();
        let mut claimed = |id: &str, link, log_level| {
            let claim = RequestClaim {
                caller: Caller::Claimed(1),
                declared: Declared::default(),
                log_level,
                cacheable: false,
            };
            let ticket = requests.ask(ReplyTo { claim: Some(claim.into()), ..to(id, None) }).unwrap();
            requests.send(link, forwarded(ticket, None))
        };
        let warned = claimed("1", LinkId(1), Some(Level::Warning));
        let silent = claimed("2", LinkId(1), None);
        claimed("3", LinkId(2), Some(Level::Debug));
        let says = |level: &str| {
            let params = format!(r#"{{"level":"{level}","data":1}}"#);
            let text = format!(r#"{{"jsonrpc":"2.0","method":"notifications/message","params":{params}}}"#);
            Frame::parse(text).unwrap()
        };
        for (level, by_one, on_other) in
            [("info", false, true), ("warning", true, true), ("error", true, true), ("odd", true, true)]
        {
            let message = says(level);
            assert_eq!(requests.want_log(LinkId(1), Some(warned), &message), by_one, "{level}");
            assert!(!requests.want_log(LinkId(1), Some(silent), &message), "{level}");
            assert_eq!(requests.want_log(LinkId(1), None, &message), by_one, "{level}");
            assert_eq!(requests.want_log(LinkId(2), None, &message), on_other, "{level}");
            assert!(!requests.want_log(LinkId(3), None, &message), "{level}");
        }
    }

    #[test]
    fn the_token_of_a_task_lives_on_its_link_until_there_are_too_many() {
        let mut requests = Requests::default();
        requests.keep_token(LinkId(1), "7".into());
        assert_eq!(requests.token(LinkId(1), "7.0"), Some("7"), "as the client wrote it");
        assert_eq!((requests.token(LinkId(2), "7"), requests.token(LinkId(1), "8")), (None, None));
        for token in 8..8 + MAX_TASK_TOKENS {
            assert_eq!(requests.token(LinkId(1), "7"), Some("7"));
            requests.keep_token(LinkId(1), token.to_string().into());
        }
        assert_eq!((requests.token(LinkId(1), "7"), requests.token(LinkId(1), "8")), (None, Some("8")));
        requests.forget_link(LinkId(2));
        assert_eq!(requests.token(LinkId(1), "8"), Some("8"));
        requests.forget_link(LinkId(1));
        assert_eq!(requests.token(LinkId(1), "8"), None);
    }
}
