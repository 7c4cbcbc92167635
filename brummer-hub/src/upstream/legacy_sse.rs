//! The transport of revision 2024-11-05 (transports § HTTP with SSE): one stream for all that the instance says, and
//! an address, named by its first event, that takes all that the client says.
//!
//! Plugins of dev servers have one MCP server for all such streams, and end, together with the dev server, when a second one is
//! opened. So the hub's own health gives its stream up as soon as the instance has proved to be an MCP server, and looks only
//! whether somebody takes connections from then on.

use std::{net::IpAddr, time::Duration};

use bytes::Bytes;
use hyper::{Uri, http::uri::PathAndQuery};
use tokio::time::timeout;

use super::{
    ExchangeError, ExchangeReason, Hello,
    handshake::{InitializeReply, Opened, initialize, read_answer, welcome},
    headers::{Route, Transport},
    reply::{Reply, ResponseKind, excerpt, holds_messages, open as open_reply},
    sse::Name,
    wire::{Wire, invalid},
};

/// Until the first event. A server of the newer transport would keep an empty stream open for ever.
const ENDPOINT_LIMIT: Duration = Duration::from_secs(3);

/// Where servers of this transport have their stream when they serve both.
const USUAL_STREAM: &str = "/sse";

/// Why a conversation could not be opened by this transport.
#[derive(Debug)]
pub(super) enum Missed {
    /// There is no such stream.
    NoStream(ExchangeError),
    /// The stream is there, or what stands before it; this is what the user is to be told.
    Refused(ExchangeError),
}

/// Opens a conversation by this transport: at the instance's endpoint, or where the SDKs' examples put it.
pub(super) async fn open(wire: &Wire, base: &Route, hello: &Hello) -> Result<Opened, Missed> {
    let missed = match open_at(wire, base, hello).await {
        Err(missed) if base.target().path() == "/mcp" => missed,
        decided => return decided,
    };
    match (missed, open_at(wire, &base.at(Uri::from_static(USUAL_STREAM)), hello).await) {
        (Missed::NoStream(_), decided) | (_, decided @ Ok(_)) => decided,
        (missed, _) => Err(missed),
    }
}

async fn open_at(wire: &Wire, base: &Route, hello: &Hello) -> Result<Opened, Missed> {
    let found = timeout(ENDPOINT_LIMIT, find_endpoint(wire, base))
        .await
        .unwrap_or_else(|_| Err(invalid("no endpoint event came".into())));
    let (stream, base, address) = found.map_err(|error| match error.reason {
        ExchangeReason::Status { status: 401 | 403 | 429 | 500.., .. } => Missed::Refused(error),
        _ => Missed::NoStream(error),
    })?;
    open_on(wire, &base, hello, stream, &address).await.map_err(Missed::Refused)
}

/// Opens a conversation on a stream whose first event named this address.
pub(super) async fn open_on(
    wire: &Wire,
    base: &Route,
    hello: &Hello,
    mut stream: Reply,
    address: &Bytes,
) -> Result<Opened, ExchangeError> {
    let route = base.http_sse(resolve(base.target(), address, wire.dialer.port())?);
    let (connection, response) = wire.send(None, route.post(initialize(hello))).await?;
    // Whatever it says, the answer comes on the stream. Held, as some servers stop what they do for a closed connection.
    let (mut reused, mut held) = (None, None);
    if response.status().is_success() && !holds_messages(response.headers()) {
        held = Some((connection, response));
    } else {
        match open_reply(wire, connection, response).await? {
            ResponseKind::Refused(refusal) => return Err(refusal.error()),
            ResponseKind::Empty(connection) => reused = Some(connection),
            ResponseKind::Messages(_) => {}
        }
    }
    let (answer, early) = loop {
        // Some name their address twice.
        if let InitializeReply::Answer(answer, early) = read_answer(&mut stream).await? {
            break (answer, early);
        }
    };
    drop(held);
    let welcome = welcome(&answer, None)?;
    let mut route = route.agreed(welcome.era, None);
    route.transport = Transport::HttpSse;
    Ok(Opened { route, welcome, early, connection: reused, stream: Some(stream) })
}

async fn find_endpoint(wire: &Wire, base: &Route) -> Result<(Reply, Route, Bytes), ExchangeError> {
    let mut base = base.clone();
    let get = |route: &Route| route.get(None).ok_or_else(|| invalid("no request".into()));
    let (connection, response) = wire.send_on_the_way(None, &mut base, get).await?;
    let mut stream = match open_reply(wire, connection, response).await? {
        ResponseKind::Messages(reply) if reply.is_stream() => reply,
        ResponseKind::Refused(refusal) => return Err(refusal.error()),
        ResponseKind::Messages(_) | ResponseKind::Empty(_) => return Err(invalid("it is no stream".into())),
    };
    while let Some((name, document)) = stream.next_event().await? {
        if name == Name::Endpoint {
            return Ok((stream, base, document.text));
        }
    }
    Err(invalid("the stream has no endpoint event".into()))
}

/// Where an address points to that an instance names, seen from one of its own. It must not lead away from the instance.
pub(super) fn resolve(base: &Uri, address: &[u8], port: u16) -> Result<Uri, ExchangeError> {
    let refuse = |why: &str| {
        let shown = excerpt(address).unwrap_or_default();
        invalid(format!("it names the address `{shown}`, {why}"))
    };
    let text = std::str::from_utf8(address).map_err(|_| refuse("which is not text"))?.trim();
    let with_scheme = text.starts_with("//").then(|| format!("http:{text}"));
    let text = with_scheme.as_deref().unwrap_or(text);
    let path =
        if let Some((scheme, rest)) = text.split_once("://").filter(|(scheme, _)| !scheme.contains('/')) {
            let (authority, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
            let elsewhere = "which is not on the instance";
            let (host, named) = match authority.rsplit_once(':') {
                Some((host, named)) if !named.ends_with(']') => (host, named),
                _ => (authority, "80"),
            };
            if !scheme.eq_ignore_ascii_case("http") || !is_this_host(host) || named.parse() != Ok(port) {
                return Err(refuse(elsewhere));
            }
            path.to_owned()
        } else if text.starts_with('/') {
            text.to_owned()
        } else if text.starts_with('?') {
            format!("{}{text}", base.path())
        } else {
            let directory = base.path().rsplit_once('/').map_or("", |(directory, _)| directory);
            format!("{directory}/{text}")
        };
    let path = as_sent(path.split('#').next().unwrap_or_default());
    let path = PathAndQuery::try_from(path).map_err(|_| refuse("which is no address"))?;
    Ok(Uri::from(path))
}

/// An absolute path, and what follows it, as URLs are written: without `.` and `..` (RFC 3986 § 5.2.4), and what is no part of
/// a URL in percents.
fn as_sent(address: &str) -> String {
    let (path, query) = address.split_at(address.find('?').unwrap_or(address.len()));
    let mut segments = Vec::new();
    for segment in path.split('/').skip(1) {
        match segment {
            ".." => _ = segments.pop(),
            "." => {}
            segment => segments.push(segment),
        }
    }
    if path.ends_with("/.") || path.ends_with("/..") {
        segments.push("");
    }
    let plain = format!("/{}{query}", segments.join("/"));
    let is_safe = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>');
    let mut sent = String::with_capacity(plain.len());
    for byte in plain.bytes() {
        match byte {
            safe if is_safe(safe) => sent.push(char::from(safe)),
            other => sent.push_str(&format!("%{other:02X}")),
        }
    }
    sent
}

/// Whether a host is this one, however it is spelled. A server that listens everywhere may name that.
fn is_this_host(host: &str) -> bool {
    let literal = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    match literal.parse::<IpAddr>() {
        Ok(address) => {
            let address = address.to_canonical();
            address.is_loopback() || address.is_unspecified()
        }
        Err(_) => host.strip_suffix('.').unwrap_or(host).eq_ignore_ascii_case("localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_resolved_and_stay_on_the_instance() {
        let resolved = |address: &'static str| {
            resolve(&Uri::from_static("/a/sse?x=1"), &Bytes::from_static(address.as_bytes()), 3000)
                .map(|uri| uri.to_string())
                .map_err(|error| error.to_string())
        };
        for (address, expected) in [
            ("/messages?sessionId=1", "/messages?sessionId=1"),
            ("messages", "/a/messages"),
            ("../messages?to=../x", "/messages?to=../x"),
            ("/x/./../../m/", "/m/"),
            ("/x/..", "/"),
            ("//127.0.0.1:3000/m", "/m"),
            ("/a b?name=Ren\u{e9}", "/a%20b?name=Ren%C3%A9"),
            ("/a%20b", "/a%20b"),
            ("./messages", "/a/messages"),
            ("?session=2", "/a/sse?session=2"),
            (" http://localhost:3000/m?next=http://x/ ", "/m?next=http://x/"),
            ("HTTP://127.0.0.1:3000", "/"),
            ("http://[::1]:3000/m#part", "/m"),
            ("http://0.0.0.0:3000/m", "/m"),
            ("http://[::]:3000/m", "/m"),
            ("http://127.1.2.3:3000/m", "/m"),
            ("http://LocalHost.:3000/m", "/m"),
            ("http://[::ffff:127.0.0.1]:3000/m", "/m"),
            ("/m?to=http://other/", "/m?to=http://other/"),
        ] {
            assert_eq!(resolved(address).as_deref(), Ok(expected), "{address}");
        }
        for address in [
            "http://example.com/m",
            "http://192.168.1.2:3000/m",
            "http://127.0.0.1.example.com:3000/m",
            "http://[::1]/m",
            "http://localhost/m",
            "http://localhost:3001/m",
            "http://localhost:3000@example.com/m",
            "http://example.com:3000/m",
            "https://localhost:3000/m",
            "//example.com/m",
            "//localhost/m",
        ] {
            assert!(resolved(address).unwrap_err().contains("it names the address"), "{address}");
        }
    }
}
