//! The client's end: what it is, and in whose name each request speaks.
//!
//! What is particular to an era is here: [`Peer::accept`] takes requests in, [`fit`] makes results fit for going out.
//! Nothing between the two asks for the era of the client.

pub(super) mod fit;
mod legacy;
mod modern;

use std::sync::Arc;

use serde_json::{Map, Value};

use self::{legacy::HandshakePhase, modern::Callers};
pub(super) use self::{
    legacy::{ClientIdentity, SERVER_INFO},
    modern::{RequestClaim, with_meta},
};
use crate::{
    frame::Frame,
    protocol::{LegacyVersion, ModernVersion, code, meta, method},
    session::message,
    upstream::{Declared, Hello},
};

/// On whose behalf something is sent to an instance. Each has links of its own.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(super) enum Caller {
    /// The client that opens with `initialize`.
    Greeted,
    /// A client without a handshake, by what its requests claim of it.
    Claimed(u32),
}

/// Where an answer goes: the id as the client wrote it, and the batch that it came in.
#[derive(Clone, Debug)]
pub(super) struct ReplyTo {
    pub(super) id: Box<str>,
    pub(super) batch: Option<u64>,
    /// What the request says of itself, when it is of a revision without a handshake.
    pub(super) claim: Option<Arc<RequestClaim>>,
}

impl ReplyTo {
    pub(super) fn caller(&self) -> Caller {
        self.claim.as_ref().map_or(Caller::Greeted, |claim| claim.caller)
    }
}

/// Why a request is not even looked at.
#[derive(Debug)]
pub(super) struct RequestRefusal {
    pub(super) code: i32,
    pub(super) text: String,
    /// JSON text.
    pub(super) data: Option<String>,
}

impl RequestRefusal {
    fn new(code: i32, text: impl Into<String>) -> Self {
        Self { code, text: text.into(), data: None }
    }
}

/// What becomes of a request at the client's end.
#[derive(Debug)]
pub(super) enum Accepted {
    /// It is to be routed; with a claim if it is of a revision without a handshake.
    Request(Option<Arc<RequestClaim>>),
    /// It opens the conversation; the result (JSON text) that it is answered with.
    Greeting(String),
    /// It asks what the hub is, without a handshake.
    Discover(Arc<RequestClaim>),
    /// It only asks whether the hub is there.
    Ping,
    Refused(RequestRefusal),
}

/// The client, as far as it has said what it is.
#[derive(Debug, Default)]
pub(super) struct Peer {
    phase: HandshakePhase,
    callers: Callers,
}

impl Peer {
    /// Looks at a request of the client: what it is of, and whether it may come now.
    ///
    /// `shows_all`: a client with a handshake is shown what all instances have. `in_use`: whether something of this
    /// caller is in flight or listened for, so that it must not be forgotten. `forget` is told of a caller that is.
    pub(super) fn accept(
        &mut self,
        frame: &Frame,
        in_batch: bool,
        shows_all: bool,
        in_use: impl Fn(Caller) -> bool,
        forget: &mut Option<Caller>,
    ) -> Accepted {
        let name = frame.method().unwrap_or_default();
        if let Some(claim) = self.callers.claim(frame, in_use, forget) {
            if in_batch {
                let text = "batches are not part of this revision; send each message by itself";
                return Accepted::Refused(RequestRefusal::new(code::INVALID_REQUEST, text));
            }
            return match claim {
                Err(refusal) => Accepted::Refused(refusal),
                Ok(_) if modern::is_gone(name) => {
                    let text = format!("there is no method `{name}` in this revision of MCP");
                    Accepted::Refused(RequestRefusal::new(code::METHOD_NOT_FOUND, text))
                }
                Ok(claim) if name == method::DISCOVER => Accepted::Discover(claim.into()),
                Ok(claim) => Accepted::Request(Some(claim.into())),
            };
        }
        match name {
            method::INITIALIZE => self
                .phase
                .initialize(frame, in_batch, shows_all)
                .map_or_else(Accepted::Refused, Accepted::Greeting),
            method::PING => Accepted::Ping,
            _ if self.phase.identity().is_none() && !is_own_tool_call(frame) => {
                let text = format!(
                    "nothing says which revision of MCP this is: send `initialize` first (up to {}), or give every \
                     request its `_meta` with `{}` (from {} on)",
                    LegacyVersion::LATEST,
                    meta::PROTOCOL_VERSION,
                    ModernVersion::ALL[0].as_str(),
                );
                Accepted::Refused(RequestRefusal::new(code::INVALID_PARAMS, text))
            }
            _ => Accepted::Request(None),
        }
    }

    /// `notifications/initialized`: from here on the hub may speak of its own accord. Whether that is news.
    pub(super) fn initialized(&mut self) -> bool {
        self.phase.initialized()
    }

    /// What the client said of itself in `initialize`.
    pub(super) fn identity(&self) -> Option<&ClientIdentity> {
        self.phase.identity()
    }

    /// Whether the client takes requests and notifications of the server's own accord.
    pub(super) fn is_ready(&self) -> bool {
        self.phase.is_ready()
    }

    /// Whether the client may send batches (2025-03-26, basic § Batching; one that has not said its revision may be of it).
    pub(super) fn batches(&self) -> Result<(), RequestRefusal> {
        let version = self.identity().map_or(LegacyVersion::V2025_03_26, |identity| identity.version);
        if version.has_batches() {
            return Ok(());
        }
        let text = format!("batches are not part of MCP {version}; send each message by itself");
        Err(RequestRefusal::new(code::INVALID_REQUEST, text))
    }

    /// As whom to open connections for this caller: instances see the client's own capabilities and no others.
    pub(super) fn hello(&self, caller: Caller) -> Hello {
        self.callers.hello(caller).cloned().unwrap_or_else(|| self.phase.hello())
    }

    /// What a caller has declared that an instance may ask of it.
    pub(super) fn declared(&self, caller: Caller) -> Declared {
        Declared::by(&self.hello(caller))
    }

    /// `params` (JSON text) of a request of the hub's own on behalf of a caller, with what its client says of itself.
    pub(super) fn signed(&self, caller: Caller, params: String) -> String {
        match self.callers.hello(caller) {
            Some(hello) => with_meta(&params, hello),
            None => params,
        }
    }

    /// The result (JSON text) of `server/discover`, which says what the hub is and can do, whatever runs. Extensions are
    /// those that some instance has.
    pub(super) fn discovered(extensions: Map<String, Value>) -> String {
        modern::discovered(extensions)
    }
}

/// Whether the request is a call of one of the hub's own tools: these need no handshake, so that a single line piped into
/// the program gets its answer.
fn is_own_tool_call(frame: &Frame) -> bool {
    frame.method() == Some(method::TOOLS_CALL)
        && message::text_of(message::Key::of(frame).name)
            .is_some_and(|name| super::own::Tool::named(&name).is_some())
}
