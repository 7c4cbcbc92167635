//! Instances without a handshake (MCP from 2026-07-28 on).
//!
//! ```text
//!  owner ──UpstreamCommand──▶ UpstreamActor ──Manner::errand──▶ exchange (one per attempt) ──POST──▶ instance
//!    ▲                           │ ▲                                 │
//!    │                           │ └────────────── Turn ─────────────┤ input wanted, another revision, fields refused
//!    ├──────── questions ────── rounds ◀── answers                   │
//!    └────────── Frame ──────────┴── subscriptions ◀─────────────────┴── results, progress
//! ```
//!
//! The owner of a connection speaks one era on it, the instance another or the same one. Here is what lies between:
//! [`probe`] finds out the era, [`meta`] fits a request's introduction, [`field`] and [`mirror`] its header fields,
//! [`exchange`] carries one request and judges the answer, [`rounds`] asks an owner of the older kind for the input that
//! an instance wants, and [`subscriptions`] holds the stream of changes. The actor owns the [`conversation`], which decides;
//! the exchanges share [`Manner`] and decide nothing.

pub(super) mod conversation;
pub(super) mod exchange;
pub(super) mod field;
pub(super) mod meta;
pub(super) mod mirror;
pub(super) mod probe;
pub(super) mod rounds;
pub(super) mod subscriptions;

use std::{
    borrow::Cow,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::watch;

use self::{
    meta::{Additions, Declared, Introduction},
    mirror::Tools,
    rounds::Round,
};
use super::{Hello, body::Post, headers::Route};
use crate::{
    frame::{Frame, Object},
    protocol::{ModernVersion, method},
};

/// The first id of requests that no owner sent. Owners number theirs from 1 and get nowhere near it, and every JSON
/// reader takes it for the integer that it is.
const FIRST_OWN_ID: u64 = 1 << 52;

/// What the exchanges of a conversation know of it. They all run in the actor's task.
#[derive(Debug)]
pub(super) struct Manner {
    introduction: Introduction,
    /// The owner is of the older kind: what it could not read is done for it.
    adapts: bool,
    declared: Declared,
    pub(super) tools: watch::Sender<Tools>,
    next_id: AtomicU64,
    /// The user was told that the instance writes what it must not.
    warned: AtomicBool,
}

/// A request on its way: as it is sent, and what is needed to judge its answer or send it again.
#[derive(Debug)]
pub(super) struct Errand {
    request: Post,
    /// The id under which it is sent.
    wire_id: u64,
    kind: ErrandKind,
    /// As the owner sent it.
    body: Bytes,
    /// It was refused once for a reason that has been seen to.
    again: bool,
    round: Round,
}

/// What is to be done with the answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum ErrandKind {
    /// It is passed on.
    Plain,
    /// It may ask for input.
    Interactive,
    /// It is a page of the list of tools.
    ToolList,
    /// It was a `ping` of the owner's: any answer says that the instance is there.
    Check,
}

impl Manner {
    pub(super) fn new(hello: &Hello, version: ModernVersion) -> Self {
        Self {
            introduction: Introduction::new(hello, version),
            adapts: !hello.era.is_modern(),
            declared: Declared::by(hello),
            tools: watch::Sender::new(Tools::default()),
            next_id: AtomicU64::new(FIRST_OWN_ID),
            warned: AtomicBool::new(false),
        }
    }

    /// A fresh id for a request that is not the owner's, or not for the first time.
    fn mint(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    /// Fits the owner's request `id` to the instance. `None`: its `params` are no object.
    pub(super) fn errand(
        &self,
        route: &Route,
        id: u64,
        frame: &Frame,
        log_level: Option<&str>,
        again: bool,
    ) -> Option<Errand> {
        self.errand_of(
            route,
            id,
            frame,
            Additions { log_level, ..Additions::default() },
            again,
            Round::default(),
        )
    }

    /// The same request with the answers to the instance's questions.
    pub(super) fn next_errand(
        &self,
        route: &Route,
        frame: &Frame,
        log_level: Option<&str>,
        retry: &rounds::Retry,
    ) -> Option<Errand> {
        let additions = Additions {
            log_level,
            input_responses: retry.responses.as_deref(),
            request_state: retry.state.as_deref(),
        };
        self.errand_of(route, self.mint(), frame, additions, false, retry.round)
    }

    fn errand_of(
        &self,
        route: &Route,
        wire_id: u64,
        frame: &Frame,
        additions: Additions<'_>,
        again: bool,
        round: Round,
    ) -> Option<Errand> {
        let body = frame.bytes().clone();
        let name = frame.method().unwrap_or_default();
        if name == method::PING {
            let mut request = route.post(meta::discover(wire_id, self.introduction.members()));
            field::describe(request.headers_mut(), method::DISCOVER, None);
            return Some(Errand { request, wire_id, kind: ErrandKind::Check, body, again, round });
        }
        let kind = match name {
            method::TOOLS_LIST => ErrandKind::ToolList,
            method::TOOLS_CALL | method::PROMPTS_GET | method::RESOURCES_READ => ErrandKind::Interactive,
            _ => ErrandKind::Plain,
        };
        let renumbered;
        let frame = if frame.numeric_id() == Some(wire_id) {
            frame
        } else {
            renumbered = super::wire::renumbered(frame, wire_id);
            &renumbered
        };
        let text = meta::for_modern(frame, &self.introduction, additions)?;
        let mut request = route.post(text);
        let params = frame.params().and_then(Object::read);
        let headers = request.headers_mut();
        field::describe(headers, name, params.as_ref());
        if name == method::TOOLS_CALL
            && let Some(params) = &params
            && let Some(tool) = params.get_str("name")
        {
            self.tools.borrow().repeat(headers, &tool, params.get("arguments"));
        }
        Some(Errand { request, wire_id, kind, body, again, round })
    }

    /// A request of the hub's own. `params` (members as JSON text) come after the introduction.
    fn own_request(&self, route: &Route, method: &'static str, params: &str) -> (u64, Post) {
        let id = self.mint();
        let (members, comma) = (self.introduction.members(), if params.is_empty() { "" } else { "," });
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{"_meta":{{{members}}}{comma}{params}}}}}"#
        );
        let mut request = route.post(Bytes::from(body));
        field::describe(request.headers_mut(), method, None);
        (id, request)
    }

    /// Says once that the instance writes what no client of its era would read.
    fn warn_of_request(&self, port: u16, method: &str) {
        if !self.warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                port,
                method,
                "the instance sends requests, which its revision of MCP does not allow; they are ignored"
            );
        }
    }
}

/// The error of a JSON-RPC response.
#[derive(Debug, Deserialize)]
pub(super) struct ErrorObject<'a> {
    pub(super) code: i32,
    #[serde(borrow, default)]
    pub(super) message: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) data: Option<&'a RawValue>,
}

impl<'a> ErrorObject<'a> {
    pub(super) fn read(response: &'a Frame) -> Option<Self> {
        #[derive(Deserialize)]
        struct Answer<'a> {
            #[serde(borrow)]
            error: ErrorObject<'a>,
        }
        serde_json::from_slice::<Answer<'a>>(response.bytes()).ok().map(|answer| answer.error)
    }
}

/// A response of the hub's own to its owner's request.
pub(super) fn response(id: u64, member: &str, value: &str) -> Option<Frame> {
    Frame::parse(format!(r#"{{"jsonrpc":"2.0","id":{id},"{member}":{value}}}"#)).ok()
}

/// An error of the hub's own, as JSON text.
pub(super) fn error(code: i32, message: &str) -> String {
    serde_json::json!({"code": code, "message": message}).to_string()
}
