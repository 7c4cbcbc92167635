//! The messages of the protocol that habits are crossed with.

use crate::support::script::{Asked, DELETE, GET, POST, Transport};

/// A message that a client sends, or a stream that it opens.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct Message {
    /// Its name in the table, which is its method where it has one.
    pub(crate) name: &'static str,
    verb: &'static str,
    pub(crate) kind: Kind,
}

#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) enum Kind {
    Request,
    /// A notification or response: nobody waits for an answer.
    Notice,
    Stream,
    End,
}

const fn message(name: &'static str, verb: &'static str, kind: Kind) -> Message {
    Message { name, verb, kind }
}

/// A response of the client to a question of the server.
const RESPONSE: &str = "a response";

/// A stream of changes (2026-07-28).
const LISTEN: &str = "subscriptions/listen";

/// What clients say without a handshake (2026-07-28).
const MODERN: [&str; 10] = [
    "server/discover",
    "tools/list",
    "tools/call",
    "resources/list",
    "resources/templates/list",
    "resources/read",
    "prompts/list",
    "prompts/get",
    "completion/complete",
    LISTEN,
];

/// What the older transport is crossed with: its stream, and each kind of what is posted.
const HTTP_SSE: [&str; 5] = ["GET", "initialize", "notifications/initialized", "tools/list", "tools/call"];

pub(crate) const MESSAGES: [Message; 21] = [
    message("server/discover", POST, Kind::Request),
    message("initialize", POST, Kind::Request),
    message("notifications/initialized", POST, Kind::Notice),
    message("GET", GET, Kind::Stream),
    message("ping", POST, Kind::Request),
    message("tools/list", POST, Kind::Request),
    message("tools/call", POST, Kind::Request),
    message("resources/list", POST, Kind::Request),
    message("resources/templates/list", POST, Kind::Request),
    message("resources/read", POST, Kind::Request),
    message("resources/subscribe", POST, Kind::Request),
    message("resources/unsubscribe", POST, Kind::Request),
    message("prompts/list", POST, Kind::Request),
    message("prompts/get", POST, Kind::Request),
    message("completion/complete", POST, Kind::Request),
    message("logging/setLevel", POST, Kind::Request),
    message("notifications/roots/list_changed", POST, Kind::Notice),
    message("notifications/cancelled", POST, Kind::Notice),
    message(RESPONSE, POST, Kind::Notice),
    message("DELETE", DELETE, Kind::End),
    message(LISTEN, POST, Kind::Stream),
];

impl Message {
    /// Whether habits on this transport are crossed with it.
    pub(crate) fn is_of(self, transport: Transport) -> bool {
        match transport {
            Transport::Streamable => self.name != LISTEN,
            Transport::Modern => MODERN.contains(&self.name),
            Transport::HttpSse => HTTP_SSE.contains(&self.name),
        }
    }

    /// Whether this is what a client asked. Of calls, only the one that is looked at: whether others still work is
    /// another question.
    pub(crate) fn is(self, asked: &Asked) -> bool {
        if asked.verb != self.verb {
            return false;
        }
        match self.name {
            "GET" | "DELETE" => true,
            RESPONSE => asked.method().is_empty() && asked.message.is_object(),
            "tools/call" => {
                asked.method() == self.name && asked.message["params"]["arguments"]["text"] == "step"
            }
            name => asked.method() == name,
        }
    }
}
