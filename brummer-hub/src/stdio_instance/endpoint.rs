//! Streamable HTTP in front of the desk (2025-11-25, transports § Streamable HTTP): a `POST` brings a message, a `GET` opens
//! the stream for what belongs to no request, a `DELETE` ends the session.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header},
    routing::post,
};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::Frame as BodyFrame;
use tokio::sync::{mpsc, oneshot};

use super::desk::{DeskCommand, STREAM, SessionId, ToClient};
use crate::{
    budget::{Account, Budget},
    doorbell::DEFAULT_ENDPOINT,
    frame::{Frame, FrameError, Kind, Parts},
    protocol::{code, method},
    session::message,
};

/// The largest message that is taken from a client, as hubs take them from theirs.
pub(super) const MAX_BODY: usize = 64 * 1024 * 1024;

/// Most bytes that bodies hold that are being read.
const MAX_READING: usize = 64 * 1024 * 1024;

const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream");

#[derive(Clone, Debug)]
pub(super) struct Endpoint {
    asks: mpsc::Sender<DeskCommand>,
    max_body: usize,
    budget: Budget,
}

type HttpResponse = Response<Body>;

impl Endpoint {
    pub(super) fn new(asks: mpsc::Sender<DeskCommand>, max_body: usize) -> Self {
        Self { asks, max_body, budget: Budget::new(MAX_READING) }
    }

    pub(super) fn router(self) -> Router {
        Router::new()
            .route(DEFAULT_ENDPOINT, post(Self::post).get(Self::get).delete(Self::delete))
            .with_state(Arc::new(self))
    }

    async fn post(State(endpoint): State<Arc<Self>>, request: Request) -> HttpResponse {
        endpoint.take(request).await.unwrap_or_else(|refusal| refusal)
    }

    async fn take(&self, request: Request) -> Result<HttpResponse, HttpResponse> {
        let (head, body) = request.into_parts();
        let text = self.read(body).await?;
        let frame = Frame::parse(text).map_err(|error| {
            let (code, id) = match &error {
                FrameError::NotJson(_) => (code::PARSE_ERROR, None),
                FrameError::NotJsonRpc { id, .. } => (code::INVALID_REQUEST, id.as_deref()),
                FrameError::Batch => (code::INVALID_REQUEST, None),
            };
            refusal(StatusCode::BAD_REQUEST, id, code, &error.to_string())
        })?;
        let session = session(&head.headers);
        match (frame.kind(), frame.method()) {
            (Kind::Request { .. }, Some(method::INITIALIZE)) if session.is_none() => {}
            (Kind::Request { .. }, Some(method::DISCOVER)) if session.is_none() => {
                let text = "this server opens with `initialize`";
                return Err(refusal(StatusCode::BAD_REQUEST, frame.id(), code::METHOD_NOT_FOUND, text));
            }
            _ if session.is_none() => {
                let text = "Mcp-Session-Id is missing: open a session with `initialize` first";
                return Err(refusal(StatusCode::BAD_REQUEST, frame.id(), code::INVALID_REQUEST, text));
            }
            (Kind::Request { .. }, _) => {}
            (Kind::Notification { .. } | Kind::Response { .. }, _) => {
                let Some(session) = session else { return Err(unknown(None)) };
                let (is_known, known) = oneshot::channel();
                self.ask(DeskCommand::Message { session, frame, is_known }).await?;
                return if known.await.unwrap_or(false) {
                    Ok(plain(StatusCode::ACCEPTED))
                } else {
                    Err(unknown(None))
                };
            }
        }
        let id: Option<Box<str>> = frame.id().map(Box::from);
        let (stream, said) = mpsc::channel(STREAM);
        self.ask(DeskCommand::Request { session, frame, stream }).await?;
        Ok(respond(id.as_deref(), said).await)
    }

    /// Reads a body, and pays for it while it comes.
    async fn read(&self, mut body: Body) -> Result<Bytes, HttpResponse> {
        let bad = |status, text: &str| refusal(status, None, code::INVALID_REQUEST, text);
        let mut account = Account::with(Some(&self.budget));
        let mut text = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let frame =
                frame.map_err(|_| bad(StatusCode::BAD_REQUEST, "the body of the request ended early"))?;
            let Ok(data) = frame.into_data() else { continue };
            let length = text.len() + data.len();
            if length > self.max_body {
                return Err(bad(StatusCode::PAYLOAD_TOO_LARGE, "the message is too large"));
            }
            account.cover(length, None).await;
            text.extend_from_slice(&data);
        }
        Ok(account.seal(text.freeze()))
    }

    async fn ask(&self, ask: DeskCommand) -> Result<(), HttpResponse> {
        self.asks.send(ask).await.map_err(|_| plain(StatusCode::SERVICE_UNAVAILABLE))
    }

    async fn get(State(endpoint): State<Arc<Self>>, headers: HeaderMap) -> HttpResponse {
        let Some(session) = session(&headers) else {
            let text = "Mcp-Session-Id is missing: open a session with `initialize` first";
            return refusal(StatusCode::BAD_REQUEST, None, code::INVALID_REQUEST, text);
        };
        let (stream, said) = mpsc::channel(STREAM);
        let (is_known, known) = oneshot::channel();
        if let Err(answer) = endpoint.ask(DeskCommand::Listen { session, stream, is_known }).await {
            return answer;
        }
        if known.await.unwrap_or(false) { events(None, said) } else { unknown(None) }
    }

    async fn delete(State(endpoint): State<Arc<Self>>, headers: HeaderMap) -> HttpResponse {
        let Some(session) = session(&headers) else { return plain(StatusCode::BAD_REQUEST) };
        let (is_known, known) = oneshot::channel();
        if let Err(answer) = endpoint.ask(DeskCommand::Close { session, is_known }).await {
            return answer;
        }
        if known.await.unwrap_or(false) { plain(StatusCode::NO_CONTENT) } else { unknown(None) }
    }
}

/// The answer as one text if it comes first, else as the last event of a stream.
async fn respond(id: Option<&str>, mut said: mpsc::Receiver<ToClient>) -> HttpResponse {
    let mut session = None;
    loop {
        let mut response = match said.recv().await {
            Some(ToClient::Opened(id)) => {
                session = Some(id);
                continue;
            }
            Some(ToClient::Answer(parts)) => {
                let mut response = Response::new(Body::new(PiecesBody(parts.pieces().cloned().collect())));
                response.headers_mut().insert(header::CONTENT_TYPE, JSON);
                response
            }
            Some(ToClient::Message(parts)) => events(Some(parts), said),
            Some(ToClient::Unknown) => unknown(id),
            Some(ToClient::TooMany) => {
                let text = "there are too many sessions; end one first";
                refusal(StatusCode::SERVICE_UNAVAILABLE, id, code::INTERNAL_ERROR, text)
            }
            // Cancelled: nothing is to be said.
            None => events(None, said),
        };
        if let Some(value) = session.and_then(|id: SessionId| HeaderValue::from_str(&id).ok()) {
            response.headers_mut().insert(SESSION, value);
        }
        return response;
    }
}

fn session(headers: &HeaderMap) -> Option<SessionId> {
    Some(headers.get(SESSION)?.to_str().ok()?.into())
}

fn plain(status: StatusCode) -> HttpResponse {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

fn unknown(id: Option<&str>) -> HttpResponse {
    refusal(StatusCode::NOT_FOUND, id, code::INVALID_REQUEST, "there is no such session; send `initialize`")
}

fn refusal(status: StatusCode, id: Option<&str>, code: i32, text: &str) -> HttpResponse {
    let mut response = Response::new(Body::from(message::error(id, code, text, None).join()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, JSON);
    response
}

fn events(first: Option<Parts>, said: mpsc::Receiver<ToClient>) -> HttpResponse {
    let mut events = Events { ready: Vec::new(), said, is_last: false };
    if let Some(parts) = first {
        events.take(&parts);
    }
    let mut response = Response::new(Body::new(events));
    response.headers_mut().insert(header::CONTENT_TYPE, EVENTS);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A text in pieces. It says how long it is, so that it is sent without chunks.
struct PiecesBody(std::collections::VecDeque<Bytes>);

impl hyper::body::Body for PiecesBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<BodyFrame<Bytes>, Infallible>>> {
        while let Some(piece) = self.0.pop_front() {
            if !piece.is_empty() {
                return Poll::Ready(Some(Ok(BodyFrame::data(piece))));
            }
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.0.iter().all(Bytes::is_empty)
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        hyper::body::SizeHint::with_exact(self.0.iter().map(|piece| piece.len() as u64).sum())
    }
}

/// A stream of events. What a client does not read stays in the channel, and is counted by the desk.
struct Events {
    /// Pieces of the event that is being written, the next one last.
    ready: Vec<Bytes>,
    said: mpsc::Receiver<ToClient>,
    is_last: bool,
}

impl Events {
    fn take(&mut self, parts: &Parts) {
        self.ready.push(Bytes::from_static(b"\n\n"));
        let pieces: Vec<Bytes> = parts.pieces().filter(|piece| !piece.is_empty()).cloned().collect();
        self.ready.extend(pieces.into_iter().rev());
        self.ready.push(Bytes::from_static(b"event: message\ndata: "));
    }
}

impl hyper::body::Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<BodyFrame<Bytes>, Infallible>>> {
        loop {
            if let Some(piece) = self.ready.pop() {
                return Poll::Ready(Some(Ok(BodyFrame::data(piece))));
            }
            if self.is_last {
                return Poll::Ready(None);
            }
            match self.said.poll_recv(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(ToClient::Message(parts))) => self.take(&parts),
                Poll::Ready(Some(ToClient::Answer(parts))) => {
                    self.take(&parts);
                    self.is_last = true;
                }
                Poll::Ready(Some(ToClient::Opened(_) | ToClient::Unknown | ToClient::TooMany)) => {}
                Poll::Ready(None) => return Poll::Ready(None),
            }
        }
    }
}
