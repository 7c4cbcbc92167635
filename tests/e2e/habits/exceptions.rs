//! Where the hub differs from the official client, and why that is so. What is listed here must differ: an entry that explains
//! nothing any more fails as well.

/// Cells that differ for one reason.
#[derive(Debug)]
pub(crate) struct Exception {
    /// A habit, or one of a pair, on every transport.
    habit: &'static str,
    /// The messages; all if there are none.
    messages: &'static [&'static str],
    /// The reason, for who reads this.
    #[expect(dead_code, reason = "it is printed with the exception that is none any more")]
    why: &'static str,
}

impl Exception {
    pub(crate) fn fits(&self, habit: &str, message: &str) -> bool {
        let names = &habit[super::prefix(habit).len()..];
        names.split(" + ").any(|it| it == self.habit)
            && (self.messages.is_empty() || self.messages.contains(&message))
    }
}

const fn exception(habit: &'static str, messages: &'static [&'static str], why: &'static str) -> Exception {
    Exception { habit, messages, why }
}

const STREAM: &str =
    "a GET that gets another type mostly gets a page; what is no event stream is not read as one";
const OF_A_PAGE: &str = "what a page of a list says of itself (`ttlMs`, `cacheScope`) is not said of all pages to a client that does not know it";
const OWN_ANSWER: &str = "the hub answers this itself, with an empty result";

pub(crate) const EXCEPTIONS: &[Exception] = &[
    exception(
        "gzip unasked",
        &[],
        "the request says `Accept-Encoding: identity`; the error names what came instead",
    ),
    exception(
        "300 headers",
        &[],
        "256 are as many as any framework writes; each exchange holds room for them",
    ),
    exception(
        "the id twice",
        &[],
        "nobody can say which of two counts, and the hub replaces it in the text; the error says so",
    ),
    exception(
        "an empty nextCursor in the result",
        &["tools/list", "prompts/list", "resources/list", "resources/templates/list"],
        OF_A_PAGE,
    ),
    exception("events as `application/json`", &["GET"], STREAM),
    exception("events as `text/plain`", &["GET"], STREAM),
    exception("events as `application/x-ndjson`", &["GET"], STREAM),
    exception("events as `no type`", &["GET"], STREAM),
    exception("`{\"_meta\":{}}` as result", &["ping", "logging/setLevel"], OWN_ANSWER),
    exception("_meta in the result", &["ping", "logging/setLevel"], OWN_ANSWER),
    exception(
        "null as structuredContent in the result",
        &["tools/call"],
        "a client with a handshake takes an object there or nothing, whatever the server may say to others",
    ),
];
