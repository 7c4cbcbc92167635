//! Work on a request of the client that takes several steps: lists that are waited for, a resource that nobody listed, a
//! task whose owner is unknown, a level, a listen.
//!
//! Each is a small machine that owns the requests it has sent, by their numbers. It hears their answers and its deadline,
//! and says what it has come to. Dropping one gives back what it still waits for, to be cancelled.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use super::{
    catalog::ListKey,
    list_kind::ListKind,
    message::{Level, error_code},
    peer::Caller,
    requests::{Shape, Ticket},
    watched::{Filter, Watched},
};
use crate::{
    frame::Frame,
    instance::{Generation, Instance},
    protocol::code,
    upstream::{ExchangeError, LinkId},
};

/// How long instances may take to take a log level before the client is answered all the same.
const LEVEL_LIMIT: Duration = Duration::from_secs(2);

/// How long an instance may take to accept a subscription before the listen begins without it.
const SUBSCRIBE_LIMIT: Duration = Duration::from_secs(5);

/// How long instances may take to say whether they have a resource, once one has said that it does not.
const READ_LIMIT: Duration = Duration::from_secs(30);

/// How long an instance may take to say whether it knows a method before the next is asked as well.
const METHOD_PATIENCE: Duration = Duration::from_secs(5);

/// How long instances may take to say whether they know a task.
const TASK_LIMIT: Duration = Duration::from_secs(10);

/// How long a request waits for its instance to come up, or back. A handshake takes milliseconds; a server that compiles first
/// may need some seconds, and a client waits for a minute at least.
pub(super) const COMING_LIMIT: Duration = Duration::from_secs(5);

/// How long a client may take to come for its new list of tools before it is told that it is connected.
pub(super) const REFRESH_LIMIT: Duration = Duration::from_millis(500);

/// An answer to a request of an operation, and on which link it came.
pub(super) type LinkAnswer = (LinkId, Result<Frame, ExchangeError>);

#[derive(Debug)]
pub(super) struct Operation {
    kind: OperationKind,
    /// The requests that have no answer yet.
    waiting: BTreeMap<u64, Instance>,
    until: Option<Instant>,
}

#[derive(Debug)]
enum OperationKind {
    /// Lists come, each within its patience.
    Lists { missing: BTreeMap<ListKey, Instant>, then: Then },
    /// All are asked for a resource; the first that has it counts.
    /// `is_read`: it is to be read, and not a skill or directory to be described.
    Read { uri: String, is_read: bool, last: Option<(Instance, LinkAnswer)> },
    /// One after the other is asked, until one knows the method. One that says nothing does not hold up the others, unless
    /// it shows that it is at work.
    Method { frame: Frame, rest: VecDeque<Instance> },
    /// All are asked for a task; the one that knows it is its owner.
    Task { frame: Frame, task: String },
    /// All take a level.
    Level,
    /// One takes a level, and then the request that wants it goes on.
    Raise { link: LinkId, frame: Frame, said: Frame, instance: Instance, shape: Shape, level: Level },
    /// All are subscribed to; what is accepted is honoured.
    Listen { caller: Caller, opening: Box<OpeningListen>, asked: BTreeMap<u64, Watched> },
    /// The client is about to come for its new list of tools.
    Refresh { result: String, has_come: bool },
    /// The instance that the request needs does not answer at the moment.
    Coming { frame: Frame, generation: Generation },
}

/// What lists are waited for.
#[derive(Debug)]
pub(super) enum Then {
    /// They are shown.
    Show(ListKind),
    /// The tools are shown; how the views that they name are called is known now, or has been waited for.
    ShowTools,
    /// They may tell where this request goes.
    Route(Frame),
    /// The client has connected to these instances, and is told their tools.
    Connect(Vec<Instance>),
    /// The client is told the tools of these instances that fit the query.
    Tools { instances: Vec<Instance>, query: String },
}

/// A listen that is about to be acknowledged.
#[derive(Debug)]
pub(super) struct OpeningListen {
    pub(super) filter: Filter,
    /// What the instances have accepted.
    pub(super) watched: Vec<Watched>,
    /// What another listen of the same caller has subscribed to already.
    pub(super) shared: Vec<Watched>,
}

/// How an operation goes on.
#[derive(Debug)]
pub(super) enum OperationProgress {
    /// It waits for more.
    Waits,
    /// Another instance is to be asked the same.
    Ask(Box<(Instance, Frame)>),
    /// It is over: what it has come to, and what is left of it.
    Over(Box<(OperationOutcome, Leftover)>),
}

/// What an operation has come to.
#[derive(Debug)]
pub(super) enum OperationOutcome {
    Lists(Then),
    /// An instance has answered.
    Answered {
        from: Instance,
        answer: LinkAnswer,
        shape: Shape,
    },
    /// Nobody has the resource.
    NoResource {
        uri: String,
        is_read: bool,
    },
    /// Whose task the request is about; `None`: nobody knows it.
    Task {
        frame: Frame,
        task: String,
        owner: Option<Instance>,
    },
    /// The result, as JSON text.
    Result(String),
    /// An instance has come up, or not: where the request goes is decided anew.
    Route(Frame),
    /// The level is set on the link; the request goes on.
    Raised {
        link: LinkId,
        frame: Frame,
        said: Frame,
        instance: Instance,
        shape: Shape,
        level: Level,
    },
    Listening(Box<OpeningListen>),
}

/// What a dropped operation leaves: requests that nobody waits for any more, and lists.
#[derive(Debug, Default)]
pub(super) struct Leftover {
    pub(super) numbers: Vec<u64>,
    pub(super) lists: Vec<ListKey>,
    /// What was subscribed to, or was to be, for a listen that does without it.
    pub(super) accepted: Option<(Caller, Vec<Watched>)>,
}

impl Operation {
    fn new(kind: OperationKind, until: Option<Instant>) -> Self {
        Self { kind, waiting: BTreeMap::new(), until }
    }

    /// Waits for these lists, for each until then.
    pub(super) fn lists(missing: BTreeMap<ListKey, Instant>, then: Then) -> Self {
        Self::new(OperationKind::Lists { missing, then }, None)
    }

    pub(super) fn read(uri: String, is_read: bool, now: Instant) -> Self {
        Self::new(OperationKind::Read { uri, is_read, last: None }, Some(now + READ_LIMIT))
    }

    pub(super) fn method(frame: Frame, rest: VecDeque<Instance>, now: Instant) -> Self {
        let until = (!rest.is_empty()).then(|| now + METHOD_PATIENCE);
        Self::new(OperationKind::Method { frame, rest }, until)
    }

    pub(super) fn task(frame: Frame, task: String, now: Instant) -> Self {
        Self::new(OperationKind::Task { frame, task }, Some(now + TASK_LIMIT))
    }

    pub(super) fn level(now: Instant) -> Self {
        Self::new(OperationKind::Level, Some(now + LEVEL_LIMIT))
    }

    /// The request `frame`, which the client said as `said`, goes on when the level is set on the link.
    pub(super) fn raise(
        link: LinkId,
        (frame, said): (Frame, Frame),
        instance: Instance,
        shape: Shape,
        level: Level,
        now: Instant,
    ) -> Self {
        Self::new(OperationKind::Raise { link, frame, said, instance, shape, level }, Some(now + LEVEL_LIMIT))
    }

    pub(super) fn listen(caller: Caller, opening: OpeningListen, now: Instant) -> Self {
        let kind = OperationKind::Listen { caller, opening: opening.into(), asked: BTreeMap::new() };
        Self::new(kind, Some(now + SUBSCRIBE_LIMIT))
    }

    pub(super) fn refresh(result: String, now: Instant) -> Self {
        Self::new(OperationKind::Refresh { result, has_come: false }, Some(now + REFRESH_LIMIT))
    }

    /// The request goes on when the instance is there, or has been waited for.
    pub(super) fn coming(frame: Frame, generation: Generation, now: Instant) -> Self {
        Self::new(OperationKind::Coming { frame, generation }, Some(now + COMING_LIMIT))
    }

    /// An instance was asked, under this number.
    pub(super) fn asked(&mut self, number: u64, instance: Instance) {
        self.waiting.insert(number, instance);
    }

    /// An instance was asked for this subscription.
    pub(super) fn subscribing(&mut self, number: u64, instance: Instance, watched: Watched) {
        self.asked(number, instance);
        if let OperationKind::Listen { asked, .. } = &mut self.kind {
            asked.insert(number, watched);
        }
    }

    /// Whether there is nothing to wait for at all.
    pub(super) fn is_idle(&self) -> bool {
        match &self.kind {
            OperationKind::Lists { missing, .. } => missing.is_empty(),
            OperationKind::Refresh { .. } | OperationKind::Coming { .. } => false,
            _ => self.waiting.is_empty(),
        }
    }

    /// What it has come to, or who is to be asked next, if that is decided now.
    fn on_answer(
        &mut self,
        number: u64,
        answer: LinkAnswer,
        now: Instant,
    ) -> Option<Result<OperationOutcome, (Instance, Frame)>> {
        let from = self.waiting.remove(&number)?;
        let is_over = self.waiting.is_empty();
        let is_good = answer.1.as_ref().is_ok_and(|frame| frame.result().is_some());
        // One that does not know the method says nothing about what was asked.
        let is_deaf = !is_good
            && answer.1.as_ref().is_ok_and(|frame| error_code(frame) == Some(code::METHOD_NOT_FOUND));
        let over = match &mut self.kind {
            OperationKind::Read { .. } if is_good => {
                OperationOutcome::Answered { from, answer, shape: Shape::Resource }
            }
            OperationKind::Read { last, .. } => {
                if !is_deaf {
                    *last = Some((from, answer));
                }
                if !is_over {
                    return None;
                }
                self.give_up()
            }
            OperationKind::Method { frame, rest } if is_deaf && !rest.is_empty() => {
                let next = rest.pop_front()?;
                self.until = (!rest.is_empty()).then(|| now + METHOD_PATIENCE);
                return Some(Err((next, frame.clone())));
            }
            // Another one has been asked as well, and may know it.
            OperationKind::Method { .. } if !is_over && (is_deaf || answer.1.is_err()) => return None,
            OperationKind::Method { .. } => OperationOutcome::Answered { from, answer, shape: Shape::Raw },
            OperationKind::Task { frame, task } if is_good => {
                OperationOutcome::Task { frame: frame.clone(), task: std::mem::take(task), owner: Some(from) }
            }
            OperationKind::Listen { opening, asked, .. } => {
                let watched = asked.remove(&number).filter(|_| is_good);
                opening.watched.extend(watched);
                if !is_over {
                    return None;
                }
                self.give_up()
            }
            // An instance without log messages refuses, and there is nothing to be done about it.
            OperationKind::Lists { .. }
            | OperationKind::Level
            | OperationKind::Task { .. }
            | OperationKind::Refresh { .. }
            | OperationKind::Coming { .. }
                if !is_over =>
            {
                return None;
            }
            OperationKind::Lists { .. }
            | OperationKind::Level
            | OperationKind::Raise { .. }
            | OperationKind::Task { .. }
            | OperationKind::Refresh { .. }
            | OperationKind::Coming { .. } => self.give_up(),
        };
        Some(Ok(over))
    }

    /// What it comes to with what it has.
    fn give_up(&mut self) -> OperationOutcome {
        match &mut self.kind {
            OperationKind::Lists { then, .. } => {
                OperationOutcome::Lists(std::mem::replace(then, Then::Show(ListKind::Tools)))
            }
            OperationKind::Read { uri, is_read, last } => match last.take() {
                Some((from, answer)) => OperationOutcome::Answered { from, answer, shape: Shape::Resource },
                None => OperationOutcome::NoResource { uri: std::mem::take(uri), is_read: *is_read },
            },
            OperationKind::Task { frame, task } => {
                OperationOutcome::Task { frame: frame.clone(), task: std::mem::take(task), owner: None }
            }
            OperationKind::Listen { opening, .. } => OperationOutcome::Listening(std::mem::replace(
                opening,
                OpeningListen { filter: Filter::default(), watched: Vec::new(), shared: Vec::new() }.into(),
            )),
            OperationKind::Refresh { result, .. } => OperationOutcome::Result(std::mem::take(result)),
            OperationKind::Coming { frame, .. } => OperationOutcome::Route(frame.clone()),
            OperationKind::Raise { link, frame, said, instance, shape, level } => OperationOutcome::Raised {
                link: *link,
                frame: frame.clone(),
                said: said.clone(),
                instance: instance.clone(),
                shape: shape.clone(),
                level: *level,
            },
            OperationKind::Level | OperationKind::Method { .. } => OperationOutcome::Result("{}".to_owned()),
        }
    }

    fn leftover(self) -> Leftover {
        let (lists, accepted) = match self.kind {
            OperationKind::Lists { missing, .. } => (missing.into_keys().collect(), None),
            // What is cancelled may have been accepted, and the listen that shared it may have ended.
            OperationKind::Listen { caller, opening, asked } => {
                let OpeningListen { watched, shared, .. } = *opening;
                (
                    Vec::new(),
                    Some((caller, watched.into_iter().chain(shared).chain(asked.into_values()).collect())),
                )
            }
            _ => (Vec::new(), None),
        };
        Leftover { numbers: self.waiting.into_keys().collect(), lists, accepted }
    }

    fn deadline(&self) -> Option<Instant> {
        match &self.kind {
            OperationKind::Lists { missing, .. } => missing.values().min().copied(),
            _ => self.until,
        }
    }
}

/// Every operation, by the request of the client that it works on.
#[derive(Debug, Default)]
pub(super) struct Operations {
    running: BTreeMap<Ticket, Operation>,
}

impl Operations {
    pub(super) fn begin(&mut self, ticket: Ticket, operation: Operation) {
        self.running.insert(ticket, operation);
    }

    /// Ends an operation with what it has, and gives back what it still waits for.
    pub(super) fn finish(&mut self, ticket: Ticket) -> Option<(OperationOutcome, Leftover)> {
        let mut operation = self.running.remove(&ticket)?;
        let outcome = operation.give_up();
        Some((outcome, operation.leftover()))
    }

    /// Drops an operation.
    pub(super) fn drop(&mut self, ticket: Ticket) -> Leftover {
        self.running.remove(&ticket).map(Operation::leftover).unwrap_or_default()
    }

    /// A request of an operation is over.
    pub(super) fn on_answer(
        &mut self,
        ticket: Ticket,
        number: u64,
        answer: LinkAnswer,
        now: Instant,
    ) -> OperationProgress {
        let running = self.running.get_mut(&ticket);
        let decided = running.and_then(|operation| operation.on_answer(number, answer, now));
        match decided {
            None => OperationProgress::Waits,
            Some(Err(next)) => OperationProgress::Ask(next.into()),
            Some(Ok(outcome)) => OperationProgress::Over((outcome, self.drop(ticket)).into()),
        }
    }

    /// An operation has waited long enough for whom it asked last. `Some`: who is to be asked as well.
    pub(super) fn ask_next(&mut self, ticket: Ticket, now: Instant) -> Option<(Instance, Frame)> {
        let operation = self.running.get_mut(&ticket)?;
        let OperationKind::Method { frame, rest } = &mut operation.kind else { return None };
        let next = rest.pop_front()?;
        operation.until = (!rest.is_empty()).then(|| now + METHOD_PATIENCE);
        Some((next, frame.clone()))
    }

    /// An instance has said something about what it was asked on behalf of an operation: it is at work.
    pub(super) fn on_sign_of_work(&mut self, ticket: Ticket) {
        if let Some(operation) = self.running.get_mut(&ticket)
            && let OperationKind::Method { rest, .. } = &mut operation.kind
        {
            rest.clear();
            operation.until = None;
        }
    }

    /// Another instance was asked on behalf of an operation.
    pub(super) fn asked(&mut self, ticket: Ticket, number: u64, instance: Instance) {
        if let Some(operation) = self.running.get_mut(&ticket) {
            operation.asked(number, instance);
        }
    }

    /// A list has come, or is not waited for any more. The operations that have all of theirs now, and those that may be
    /// able to tell already where their request goes.
    pub(super) fn on_list(&mut self, key: ListKey) -> (Vec<Ticket>, Vec<(Ticket, Frame)>) {
        let (mut over, mut hopeful) = (Vec::new(), Vec::new());
        for (ticket, operation) in &mut self.running {
            if let OperationKind::Lists { missing, then } = &mut operation.kind
                && missing.remove(&key).is_some()
            {
                match then {
                    _ if missing.is_empty() => over.push(*ticket),
                    Then::Route(frame) => hopeful.push((*ticket, frame.clone())),
                    _ => {}
                }
            }
        }
        (over, hopeful)
    }

    /// The resources that the listens of a caller watch that are being opened.
    pub(super) fn opening(&self, caller: Caller) -> impl Iterator<Item = &Watched> {
        let listens = self.running.values().filter_map(move |operation| match &operation.kind {
            OperationKind::Listen { caller: by, opening, asked } if *by == caller => Some((opening, asked)),
            _ => None,
        });
        listens
            .flat_map(|(opening, asked)| opening.watched.iter().chain(&opening.shared).chain(asked.values()))
    }

    /// An instance is gone: it is not asked any more.
    pub(super) fn forget(&mut self, generation: Generation) {
        for operation in self.running.values_mut() {
            if let OperationKind::Method { rest, .. } = &mut operation.kind {
                rest.retain(|it| it.generation != generation);
                if rest.is_empty() {
                    operation.until = None;
                }
            }
        }
    }

    /// Whether the client is waited for to come for its tools, and has not come.
    pub(super) fn waits_for_client(&self, ticket: Ticket) -> bool {
        let operation = self.running.get(&ticket);
        operation.is_some_and(|it| matches!(it.kind, OperationKind::Refresh { has_come: false, .. }))
    }

    /// The client has been shown its tools, and takes so long to take them in. What waited only for that.
    pub(super) fn on_refreshed(&mut self, takes_in: Option<Duration>, now: Instant) -> Vec<Ticket> {
        let mut over = Vec::new();
        for (ticket, operation) in &mut self.running {
            let OperationKind::Refresh { has_come, .. } = &mut operation.kind else { continue };
            match takes_in {
                None => over.push(*ticket),
                Some(pause) if !std::mem::replace(has_come, true) => operation.until = Some(now + pause),
                Some(_) => {}
            }
        }
        over
    }

    /// The list of instances is another. The requests whose instance has answered, or is not expected to any more.
    pub(super) fn on_snapshot(&self, is_coming: impl Fn(Generation) -> bool) -> Vec<Ticket> {
        let is_over = |(ticket, operation): (&Ticket, &Operation)| match operation.kind {
            OperationKind::Coming { generation, .. } if !is_coming(generation) => Some(*ticket),
            _ => None,
        };
        self.running.iter().filter_map(is_over).collect()
    }

    /// When something is due next.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.running.values().filter_map(Operation::deadline).min()
    }

    /// The operations that have waited long enough.
    pub(super) fn due(&mut self, now: Instant) -> Vec<Ticket> {
        let mut due = Vec::new();
        for (ticket, operation) in &mut self.running {
            if let OperationKind::Lists { missing, .. } = &mut operation.kind {
                let before = missing.len();
                missing.retain(|_, until| *until > now);
                if missing.is_empty() && before > 0 {
                    due.push(*ticket);
                }
            } else if operation.until.is_some_and(|until| until <= now) {
                // While nobody has said anything of a resource, whoever is slow may have it.
                if let OperationKind::Read { last: None, .. } = operation.kind {
                    operation.until = Some(now + READ_LIMIT);
                } else {
                    due.push(*ticket);
                }
            }
        }
        due
    }

    /// Whether an operation waits for this list.
    pub(super) fn waits_for(&self, key: ListKey) -> bool {
        self.running.values().any(|operation| match &operation.kind {
            OperationKind::Lists { missing, .. } => missing.contains_key(&key),
            _ => false,
        })
    }

    /// Whether the operation for a request of the client waits for this number.
    #[cfg(test)]
    pub(super) fn waits(&self, ticket: Ticket, number: u64) -> bool {
        self.running.get(&ticket).is_some_and(|operation| operation.waiting.contains_key(&number))
    }

    /// How many run.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.running.len()
    }

    /// How many listens are being opened.
    pub(super) fn opening_listens(&self) -> usize {
        self.running
            .values()
            .filter(|operation| matches!(operation.kind, OperationKind::Listen { .. }))
            .count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{hub::tests::instance, session::peer::ReplyTo, session::requests::Requests};

    /// A method that three instances are asked for, the first of them under number 1.
    fn begun(now: Instant) -> (Operations, Ticket, Vec<Instance>) {
        let all: Vec<_> =
            (1..=3).map(|at| instance(at, &format!("i-{at}"), &format!("a{at}"), "/p", "n")).collect();
        let frame = Frame::parse(r#"{"jsonrpc":"2.0","id":1,"method":"x/y"}"#).unwrap();
        let ticket = Requests::default().ask(ReplyTo { id: "1".into(), batch: None, claim: None }).unwrap();
        let mut operations = Operations::default();
        operations.begin(ticket, Operation::method(frame, all[1..].to_vec().into(), now));
        operations.asked(ticket, 1, all[0].clone());
        (operations, ticket, all)
    }

    fn answer(member: &str) -> LinkAnswer {
        (LinkId(1), Ok(Frame::parse(format!(r#"{{"jsonrpc":"2.0","id":1,{member}}}"#)).unwrap()))
    }

    const UNKNOWN: &str = r#""error":{"code":-32601,"message":"no"}"#;

    #[test]
    fn who_says_nothing_of_a_method_does_not_hold_up_the_others() {
        let now = Instant::now();
        let (mut operations, ticket, all) = begun(now);
        assert!(operations.due(now + METHOD_PATIENCE / 2).is_empty());
        for (number, expected) in (2..).zip(&all[1..]) {
            let later = operations.deadline().unwrap();
            assert_eq!(operations.due(later), [ticket]);
            let (next, _) = operations.ask_next(ticket, later).unwrap();
            assert_eq!(next.generation, expected.generation);
            operations.asked(ticket, number, next);
        }
        assert_eq!(operations.deadline(), None, "all are asked");
        // One that does not know it says nothing about those that are slow.
        assert!(matches!(operations.on_answer(ticket, 2, answer(UNKNOWN), now), OperationProgress::Waits));
        let OperationProgress::Over(over) = operations.on_answer(ticket, 3, answer(r#""result":{}"#), now)
        else {
            panic!("it is answered");
        };
        assert!(
            matches!(&over.0, OperationOutcome::Answered { from, .. } if from.generation == all[2].generation)
        );
        assert_eq!(over.1.numbers, [1], "the first is not waited for any more");
    }

    #[test]
    fn who_is_at_work_on_a_method_is_waited_for() {
        let now = Instant::now();
        let (mut operations, ticket, _) = begun(now);
        operations.on_sign_of_work(ticket);
        assert_eq!(operations.deadline(), None);
        let over = operations.on_answer(ticket, 1, answer(r#""result":{}"#), now);
        assert!(matches!(over, OperationProgress::Over(_)));
    }

    #[test]
    fn the_last_that_does_not_know_a_method_answers_for_all() {
        let now = Instant::now();
        let (mut operations, ticket, _) = begun(now);
        for number in 1..=2 {
            let OperationProgress::Ask(next) = operations.on_answer(ticket, number, answer(UNKNOWN), now)
            else {
                panic!("the next is asked");
            };
            operations.asked(ticket, number + 1, next.0);
        }
        assert!(matches!(operations.on_answer(ticket, 3, answer(UNKNOWN), now), OperationProgress::Over(_)));
    }

    #[test]
    fn a_client_that_takes_its_tools_in_slowly_is_given_the_time_once() {
        let to = ReplyTo { id: "1".into(), batch: None, claim: None };
        let ticket = Requests::default().ask(to).unwrap();
        let (began, pause) = (Instant::now(), Duration::from_millis(250));
        let mut operations = Operations::default();
        operations.begin(ticket, Operation::refresh("{}".to_owned(), began));
        assert!(operations.waits_for_client(ticket));
        assert_eq!(operations.deadline(), Some(began + REFRESH_LIMIT));
        // It comes late, and once more: what counts is when it first came.
        let came = began + REFRESH_LIMIT / 2;
        assert!(operations.on_refreshed(Some(pause), came).is_empty());
        assert!(operations.on_refreshed(Some(pause), came + pause / 2).is_empty());
        assert!(!operations.waits_for_client(ticket));
        assert_eq!(operations.deadline(), Some(came + pause));
        assert!(operations.due(came + pause / 2).is_empty());
        assert_eq!(operations.due(came + pause), [ticket]);
        assert_eq!(operations.on_refreshed(None, came), [ticket]);
    }
}
