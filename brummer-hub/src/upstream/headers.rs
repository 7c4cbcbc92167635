//! Requests as the instance wants them: the header fields of a conversation are put together once and cloned.

use bytes::Bytes;
use hyper::{
    HeaderMap, Method, Request, Uri,
    header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, HOST, HeaderName, HeaderValue, USER_AGENT},
};

use super::body::{Payload, Post, Text};
use crate::{
    doorbell::Credentials,
    protocol::{Era, ModernVersion},
};

/// Session of the Streamable HTTP transport (2025-11-25, transports § Session Management).
pub(super) const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");

/// By which an instance built with this library says who it is.
pub(super) const INSTANCE_ID: HeaderName = HeaderName::from_static("brummer-instance-id");

const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");
/// SDK servers answer 406 unless both are there.
const BOTH: HeaderValue = HeaderValue::from_static("application/json, text/event-stream");

/// Compression costs more than it saves within one machine, and its bound is not that of what comes out.
const NOT_COMPRESSED: HeaderValue = HeaderValue::from_static("identity");
const OURS: HeaderValue = HeaderValue::from_static(concat!("brummer-hub/", env!("CARGO_PKG_VERSION")));

/// Where and with which header fields requests are sent.
#[derive(Clone, Debug)]
pub(super) struct Route {
    target: Uri,
    post: HeaderMap,
    /// Kind of conversation.
    pub(super) transport: Transport,
    /// Another one opened the session, and ends it.
    is_lent: bool,
}

/// How messages travel.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Transport {
    /// Answers come in the response of the POST (from 2025-03-26 on).
    Streamable,
    /// Answers come on one standing stream (2024-11-05, transports § HTTP with SSE).
    HttpSse,
    /// Every request stands for itself, and its response ends it (from 2026-07-28 on).
    Modern,
}

impl Route {
    /// How to reach an instance before anything is agreed.
    pub(super) fn new(port: u16, target: Uri, credentials: &Credentials) -> Self {
        let mut post = HeaderMap::with_capacity(12);
        // The name covers both loopback addresses, and passes the checks against DNS rebinding of the SDK servers.
        let host = HeaderValue::try_from(format!("localhost:{port}")).expect("a port is made of digits");
        post.insert(HOST, host);
        post.insert(CONTENT_TYPE, JSON);
        post.insert(ACCEPT, BOTH);
        post.insert(ACCEPT_ENCODING, NOT_COMPRESSED);
        post.insert(USER_AGENT, OURS);
        credentials.add_to(&mut post);
        Self { target, post, transport: Transport::Streamable, is_lent: false }
    }

    /// The same instance by the older transport, which has no session and no version header.
    pub(super) fn http_sse(&self, target: Uri) -> Self {
        let mut route = self.clone();
        route.target = target;
        route.transport = Transport::HttpSse;
        route
    }

    /// The same instance at another path.
    pub(super) fn at(&self, target: Uri) -> Self {
        let mut route = self.clone();
        route.target = target;
        route
    }

    /// The same instance in a session of which nothing else is known.
    pub(super) fn in_session(&self, session: HeaderValue) -> Self {
        let mut route = self.clone();
        route.post.insert(SESSION_ID, session);
        route
    }

    /// How to go on after the handshake.
    pub(super) fn agreed(&self, era: Era, session: Option<HeaderValue>) -> Self {
        let mut route = self.clone();
        route.post.insert(PROTOCOL_VERSION, HeaderValue::from_static(era.version()));
        if let Some(session) = session {
            route.post.insert(SESSION_ID, session);
        }
        route
    }

    /// The same instance, found to have no handshake: every request names its revision (2026-07-28, transports §
    /// Protocol Version Header).
    pub(super) fn modern(&self, version: ModernVersion) -> Self {
        let mut route = self.clone();
        route.post.insert(PROTOCOL_VERSION, HeaderValue::from_static(version.as_str()));
        route.transport = Transport::Modern;
        route
    }

    pub(super) fn target(&self) -> &Uri {
        &self.target
    }

    /// How to go along in a session that another one has opened.
    pub(super) fn lent(&self, era: Era, session: HeaderValue) -> Self {
        Self { is_lent: true, ..self.agreed(era, Some(session)) }
    }

    /// Whether the session ends with this conversation.
    pub(super) fn owns_session(&self) -> bool {
        self.has_session() && !self.is_lent
    }

    /// Whether the instance gave the conversation a session, which it can then forget or be asked to end.
    pub(super) fn has_session(&self) -> bool {
        self.post.contains_key(SESSION_ID)
    }

    /// Sends a message.
    pub(super) fn post(&self, body: impl Into<Text>) -> Post {
        self.request(Method::POST, self.post.clone(), body.into())
    }

    /// Opens a stream, or goes on with the one that broke after the event `after`. `None`: the id fits no header.
    pub(super) fn get(&self, after: Option<&[u8]>) -> Option<Post> {
        let mut headers = self.post.clone();
        headers.remove(CONTENT_TYPE);
        headers.insert(ACCEPT, EVENT_STREAM);
        if let Some(id) = after {
            headers.insert(LAST_EVENT_ID, HeaderValue::from_bytes(id).ok()?);
        }
        Some(self.request(Method::GET, headers, Bytes::new().into()))
    }

    /// Ends the session.
    pub(super) fn delete(&self) -> Post {
        let mut headers = self.post.clone();
        headers.remove(CONTENT_TYPE);
        self.request(Method::DELETE, headers, Bytes::new().into())
    }

    fn request(&self, method: Method, headers: HeaderMap, body: Text) -> Post {
        let mut request = Request::new(Payload::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = self.target.clone();
        *request.headers_mut() = headers;
        request
    }
}
