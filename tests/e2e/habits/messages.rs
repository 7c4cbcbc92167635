//! The messages of the protocol that habits are crossed with.

use crate::support::script::{Asked, DELETE, GET, POST};

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

pub(crate) const MESSAGES: [Message; 20] = [
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
];

impl Message {
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
