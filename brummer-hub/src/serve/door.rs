//! What every request passes: who may come in, how many at a time, and the id that every response states.
//!
//! Every user of this machine can reach a loopback port. So a request must carry the token that stands in the announcement,
//! which only this user can read.
//!
//! A web page can make a browser send requests to any port of this machine. Such a request names the page in `Origin`, or,
//! when the page's own name was pointed at 127.0.0.1, that name in `Host`. Only loopback names pass (2025-11-25,
//! transports § Security Warning).

use std::{
    convert::Infallible,
    net::IpAddr,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{Router, body::Body};
use bytes::Bytes;
use futures_util::FutureExt as _;
use hyper::{
    HeaderMap, Request, Response, StatusCode, Uri,
    body::{Frame, Incoming, SizeHint},
    header::{
        AUTHORIZATION, CONTENT_TYPE, HOST, HeaderName, HeaderValue, ORIGIN, RETRY_AFTER, WWW_AUTHENTICATE,
    },
    http::uri::{Authority, Scheme},
    service::Service,
};
use hyper_util::service::TowerToHyperService;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    doorbell::{InstanceId, Secret},
    protocol::code,
};

/// By which an instance says who it is. A hub compares it with the doorbell that led it here.
const INSTANCE_ID: HeaderName = HeaderName::from_static("brummer-instance-id");

/// The service of every connection.
#[derive(Clone)]
pub(super) struct Door {
    behind: TowerToHyperService<Router>,
    id: HeaderValue,
    /// What every request must carry; none for a server that everybody may use.
    token: Option<Secret>,
    /// One permit for each request, kept until its response has been sent.
    requests: Arc<Semaphore>,
}

impl Door {
    pub(super) fn new(behind: Router, id: &InstanceId, token: Option<Secret>, max_requests: usize) -> Self {
        let id =
            HeaderValue::from_str(id.as_str()).expect("an id has only letters, digits, `.`, `_` and `-`");
        let requests = Arc::new(Semaphore::new(max_requests.min(Semaphore::MAX_PERMITS)));
        Self { behind: TowerToHyperService::new(behind), id, token, requests }
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        if let Err(stranger) = admit(request.uri(), request.headers()) {
            return refuse(StatusCode::FORBIDDEN, stranger);
        }
        if let Some(token) = &self.token
            && !is_authorized(request.headers(), token)
        {
            return challenge(request.headers().contains_key(AUTHORIZATION));
        }
        let Ok(permit) = Arc::clone(&self.requests).try_acquire_owned() else {
            let mut response = refuse(StatusCode::SERVICE_UNAVAILABLE, "too many requests at a time");
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
            return response;
        };
        // What a program adds may panic. That ends its request, not the connection.
        match AssertUnwindSafe(self.behind.call(request)).catch_unwind().await {
            Ok(Ok(response)) => response.map(|body| Body::new(PermitBody { body, _permit: permit })),
            Ok(Err(never)) => match never {},
            Err(_) => {
                tracing::error!("the handler of a request panicked");
                refuse(StatusCode::INTERNAL_SERVER_ERROR, "the handler of this request panicked")
            }
        }
    }
}

impl Service<Request<Incoming>> for Door {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let door = self.clone();
        Box::pin(async move {
            let mut response = door.answer(request).await;
            response.headers_mut().insert(INSTANCE_ID, door.id);
            Ok(response)
        })
    }
}

/// Whether a request comes from this machine and means it.
fn admit(target: &Uri, headers: &HeaderMap) -> Result<(), &'static str> {
    let mut hosts = headers.get_all(HOST).iter();
    let host = hosts.next().ok_or("the request names no host")?;
    if hosts.next().is_some() || !Authority::try_from(host.as_bytes()).is_ok_and(|host| is_loopback(&host)) {
        return Err("this server answers on localhost only; the Host of the request is another");
    }
    // A target with a host of its own takes the place of `Host` (RFC 9112 § 3.2.2).
    if !target.authority().is_none_or(is_loopback) {
        return Err("this server answers on localhost only; the target of the request is another");
    }
    if !headers.get_all(ORIGIN).iter().all(is_local_origin) {
        return Err("this server answers pages on localhost only; the Origin of the request is another");
    }
    Ok(())
}

/// Whether a request carries the token (RFC 6750 § 2.1). It does so once: of two fields nobody knows which is meant.
fn is_authorized(headers: &HeaderMap, token: &Secret) -> bool {
    let mut fields = headers.get_all(AUTHORIZATION).iter();
    let (Some(field), None) = (fields.next(), fields.next()) else { return false };
    let Some((scheme, credentials)) = field.as_bytes().split_at_checked(BEARER.len()) else { return false };
    scheme.eq_ignore_ascii_case(BEARER) && token.is(credentials.trim_ascii())
}

const BEARER: &[u8] = b"bearer ";

/// Says what is missing (RFC 6750 § 3): a hub knows the token from the doorbell, a person from where the server was started.
fn challenge(was_given: bool) -> Response<Body> {
    let message = "this server wants `Authorization: Bearer TOKEN`; a hub finds the token in the server's doorbell file";
    let mut response = refuse(StatusCode::UNAUTHORIZED, message);
    let challenge = if was_given {
        r#"Bearer realm="brummer-hub", error="invalid_token""#
    } else {
        r#"Bearer realm="brummer-hub""#
    };
    response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    response
}

fn is_local_origin(origin: &HeaderValue) -> bool {
    let Ok(origin) = Uri::try_from(origin.as_bytes()) else { return false };
    let web = matches!(origin.scheme(), Some(scheme) if *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS);
    web && origin.authority().is_some_and(is_loopback)
}

fn is_loopback(authority: &Authority) -> bool {
    let host = authority.host();
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

/// A refusal that a client of MCP can read: an error without an id (2025-11-25, transports § Sending Messages).
fn refuse(status: StatusCode, message: &str) -> Response<Body> {
    let code = code::INVALID_REQUEST;
    let body = format!(r#"{{"jsonrpc":"2.0","id":null,"error":{{"code":{code},"message":"{message}"}}}}"#);
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// A response's body, with the permit of its request.
struct PermitBody {
    body: Body,
    _permit: OwnedSemaphorePermit,
}

impl hyper::body::Body for PermitBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(host: &str, origin: Option<&str>) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_str(host).unwrap());
        if let Some(origin) = origin {
            headers.insert(ORIGIN, HeaderValue::from_str(origin).unwrap());
        }
        admit(&Uri::from_static("/mcp"), &headers).is_ok()
    }

    #[test]
    fn loopback_hosts_are_admitted() {
        for host in ["localhost", "LocalHost:3000", "127.0.0.1:1", "127.8.8.8", "[::1]:80"] {
            assert!(admitted(host, None), "{host}");
        }
    }

    #[test]
    fn other_hosts_are_refused() {
        let hosts =
            ["example.com", "localhost.example.com", "127.0.0.1.nip.io", "192.168.0.1", "[::2]", "0.0.0.0"];
        for host in hosts.into_iter().chain(["", "a b", "localhost@example.com", "::1"]) {
            assert!(!admitted(host, None), "{host}");
        }
    }

    #[test]
    fn only_the_token_opens() {
        let token = Secret::new("abc.DEF-123").unwrap();
        let opens = |fields: &[&str]| {
            let mut headers = HeaderMap::new();
            for field in fields {
                headers.append(AUTHORIZATION, HeaderValue::from_str(field).unwrap());
            }
            is_authorized(&headers, &token)
        };
        for field in ["Bearer abc.DEF-123", "bearer abc.DEF-123", "BEARER  abc.DEF-123 "] {
            assert!(opens(&[field]), "{field}");
        }
        for field in [
            "",
            "Bearer",
            "Bearer ",
            "abc.DEF-123",
            "Basic abc.DEF-123",
            "Bearer abc.DEF-1234",
            "Bearer abc.def-123",
        ] {
            assert!(!opens(&[field]), "{field}");
        }
        assert!(!opens(&[]));
        assert!(!opens(&["Bearer abc.DEF-123", "Bearer abc.DEF-123"]), "twice");
    }

    #[test]
    fn pages_of_other_origins_are_refused() {
        for origin in ["http://localhost:5173", "https://127.0.0.1", "http://[::1]:9"] {
            assert!(admitted("localhost", Some(origin)), "{origin}");
        }
        for origin in
            ["null", "http://example.com", "file://localhost", "localhost", "http://localhost.evil", ""]
        {
            assert!(!admitted("localhost", Some(origin)), "{origin}");
        }
    }

    #[test]
    fn every_name_in_a_request_counts() {
        let mut headers = HeaderMap::new();
        let evil = Uri::from_static("http://example.com/mcp");
        assert!(admit(&Uri::from_static("/mcp"), &headers).is_err(), "no host");
        headers.append(HOST, HeaderValue::from_static("localhost"));
        assert!(admit(&evil, &headers).is_err(), "the target's host");
        headers.append(HOST, HeaderValue::from_static("localhost"));
        assert!(admit(&Uri::from_static("/mcp"), &headers).is_err(), "two hosts");
    }
}
