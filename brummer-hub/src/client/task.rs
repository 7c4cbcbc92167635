//! The task that owns a client's ids and its requests that are unanswered.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::{Answer, ClientError, Received, Request, RpcError};
use crate::{
    frame::{Frame, Kind, Parts},
    protocol::{code, method},
    session::Input,
};

/// What the client's own ids begin with. Texts, so that the numbers that programs count with are left to them.
pub(super) const OWN_ID: &str = "bh-";

/// Requests of one client that may be unanswered at a time: far more than any program has threads, and a bound to what
/// an instance that hangs can cost.
pub(super) const PENDING: usize = 1024;

/// Answers to the embedder's own messages that wait for it to read them. They are not dropped: when so many wait, the
/// session is not read any more.
const HELD: usize = 1024;

/// Messages to the session that wait because it is busy. Above it nothing is taken from the callers.
const OUTBOX: usize = 64;

/// What the handles ask of the task.
#[derive(Debug)]
pub(super) enum ClientCommand {
    /// A request, and where its answer goes.
    Ask { request: Request, reply: AnswerSender },
    /// A message as it is.
    Send(Bytes),
}

type AnswerSender = oneshot::Sender<Result<Answer, ClientError>>;

/// What the task is connected to.
pub(super) struct Ends {
    pub(super) commands: mpsc::Receiver<ClientCommand>,
    pub(super) abandoned: Arc<Notify>,
    pub(super) stop: CancellationToken,
    /// The session: what goes in, what comes out, what ends it.
    pub(super) input: mpsc::Sender<Input>,
    pub(super) output: mpsc::Receiver<Parts>,
    pub(super) session: CancellationToken,
    pub(super) incoming: mpsc::Sender<Received>,
}

pub(super) struct ClientTask {
    ends: Ends,
    /// To the session.
    outbox: VecDeque<Bytes>,
    /// To the embedder: answers that did not fit into its queue.
    held: VecDeque<Frame>,
    /// Messages that the embedder missed and has not been told of.
    missed: u64,
    pending: HashMap<u64, PendingAnswer>,
    last: u64,
}

struct PendingAnswer {
    reply: AnswerSender,
    progress: Option<mpsc::Sender<Frame>>,
}

impl ClientTask {
    /// A task that begins with these messages.
    pub(super) fn new(ends: Ends, opening: Vec<Bytes>) -> Self {
        let (held, pending) = (VecDeque::new(), HashMap::new());
        Self { ends, outbox: opening.into(), held, missed: 0, pending, last: 0 }
    }

    pub(super) async fn run(mut self) {
        let abandoned = Arc::clone(&self.ends.abandoned);
        let (input, incoming, stop) =
            (self.ends.input.clone(), self.ends.incoming.clone(), self.ends.stop.clone());
        loop {
            let waiting = !self.outbox.is_empty();
            let unread = (self.missed > 0 || !self.held.is_empty()) && !incoming.is_closed();
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                permit = input.reserve(), if waiting => match permit {
                    Ok(permit) => if let Some(message) = self.outbox.pop_front() {
                        permit.send(Input::Message(message));
                    },
                    Err(_) => break,
                },
                permit = incoming.reserve(), if unread => match permit {
                    Ok(permit) => self.catch_up(permit),
                    // Nobody will read them.
                    Err(_) => self.held.clear(),
                },
                () = abandoned.notified() => self.forget_abandoned(),
                // While this one waits for the embedder, so does the session.
                parts = self.ends.output.recv(), if self.held.len() < HELD => match parts {
                    Some(parts) => self.on_message(parts.join()),
                    None => break,
                },
                command = self.ends.commands.recv(), if self.outbox.len() < OUTBOX => match command {
                    Some(command) => self.on_command(command),
                    None => break,
                },
            }
        }
        self.ends.session.cancel();
        // Whoever waits is told at once, not only when the session has closed its connections.
        self.pending.clear();
        while self.ends.output.recv().await.is_some() {}
    }

    fn on_command(&mut self, command: ClientCommand) {
        match command {
            ClientCommand::Send(message) => self.outbox.push_back(message),
            // Given up before it was looked at.
            ClientCommand::Ask { reply, .. } if reply.is_closed() => {}
            ClientCommand::Ask { reply, .. } if self.pending.len() >= PENDING => {
                let _ = reply.send(Err(ClientError::TooMany));
            }
            ClientCommand::Ask { request, reply } => {
                self.last += 1;
                self.outbox.push_back(request.message(&own_id(self.last)));
                self.pending.insert(self.last, PendingAnswer { reply, progress: request.progress });
            }
        }
    }

    /// Cancels the requests that nobody waits for any more.
    fn forget_abandoned(&mut self) {
        let outbox = &mut self.outbox;
        self.pending.retain(|number, pending| {
            if !pending.reply.is_closed() {
                return true;
            }
            let id = own_id(*number);
            let reason = "the caller has given up";
            outbox.push_back(Bytes::from(format!(
                r#"{{"jsonrpc":"2.0","method":"{}","params":{{"requestId":{id},"reason":"{reason}"}}}}"#,
                method::CANCELLED
            )));
            false
        });
    }

    fn on_message(&mut self, message: Bytes) {
        let frame = match Frame::parse(message) {
            Ok(frame) => frame,
            Err(error) => return tracing::debug!(%error, "the session said what is no message"),
        };
        match frame.kind() {
            Kind::Response { .. } => match frame.id().and_then(own_number) {
                Some(number) => self.on_answer(number, &frame),
                None => self.hold(frame),
            },
            Kind::Notification { method } if **method == *method::PROGRESS => {
                if let Some(frame) = self.without_own_progress(frame) {
                    self.offer(frame);
                }
            }
            Kind::Notification { .. } | Kind::Request { .. } => self.offer(frame),
        }
    }

    fn on_answer(&mut self, number: u64, frame: &Frame) {
        // Absent when it was cancelled meanwhile, and for the handshake.
        let Some(pending) = self.pending.remove(&number) else { return };
        let answer = Answer::of(frame).ok_or_else(|| ClientError::Rpc(RpcError::of(frame.bytes())));
        // An error says that the caller went away in this moment.
        let _ = pending.reply.send(answer);
    }

    /// Hands progress to the request that asked for it; gives back what belongs to nobody here.
    fn without_own_progress(&self, frame: Frame) -> Option<Frame> {
        #[derive(Deserialize)]
        struct Progress<'a> {
            #[serde(rename = "progressToken", borrow)]
            token: &'a RawValue,
        }
        let number = frame.peek::<Progress<'_>>().and_then(|progress| own_number(progress.token.get()));
        let Some(number) = number else { return Some(frame) };
        if let Some(queue) = self.pending.get(&number).and_then(|pending| pending.progress.as_ref()) {
            // A queue that is full loses some of it, as its owner was told.
            let _ = queue.try_send(frame);
        }
        None
    }

    /// For answers to messages of the embedder's own: none is lost.
    fn hold(&mut self, frame: Frame) {
        if self.held.is_empty() {
            if let Err(mpsc::error::TrySendError::Full(Received::Message(frame))) =
                self.ends.incoming.try_send(Received::Message(frame))
            {
                self.held.push_back(frame);
            }
        } else {
            self.held.push_back(frame);
        }
    }

    /// For everything else: what does not fit is counted, and a question is answered for the embedder.
    fn offer(&mut self, frame: Frame) {
        let id = frame.id().map(str::to_owned);
        if self.held.is_empty() && self.missed == 0 {
            match self.ends.incoming.try_send(Received::Message(frame)) {
                Ok(()) => return,
                Err(mpsc::error::TrySendError::Full(_)) => self.missed += 1,
                Err(mpsc::error::TrySendError::Closed(_)) => {}
            }
        } else {
            self.missed += 1;
        }
        // Above the bound the question stays unanswered, and its instance's own bound ends it.
        if let Some(id) = id
            && self.outbox.len() < PENDING
        {
            let code = code::INTERNAL_ERROR;
            let message = "the program that embeds the hub does not read its messages";
            self.outbox.push_back(Bytes::from(format!(
                r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"message":"{message}"}}}}"#
            )));
        }
    }

    /// There is room in the embedder's queue: it is told what it missed before anything that comes after that.
    fn catch_up(&mut self, permit: mpsc::Permit<'_, Received>) {
        if self.missed > 0 {
            permit.send(Received::Missed(std::mem::take(&mut self.missed)));
        } else if let Some(frame) = self.held.pop_front() {
            permit.send(Received::Message(frame));
        }
    }
}

/// The id of the client's request of this number, as JSON text.
fn own_id(number: u64) -> String {
    format!(r#""{OWN_ID}{number}""#)
}

/// Whether an id (JSON text) is one of those that the client keeps for itself.
pub(super) fn is_own(id: &str) -> bool {
    crate::frame::string(id).is_some_and(|id| id.starts_with(OWN_ID))
}

fn own_number(id: &str) -> Option<u64> {
    id.strip_prefix('"')?.strip_suffix('"')?.strip_prefix(OWN_ID)?.parse().ok()
}
