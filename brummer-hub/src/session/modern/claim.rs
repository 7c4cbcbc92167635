//! What a request says of itself and its client (2026-07-28, basic § `_meta`).

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::fit::separator;
use crate::{
    frame::{Frame, Parts},
    protocol::{Era, ModernVersion, code, meta, method},
    session::{
        client::{self, Caller, has_meta, in_order},
        level::Level,
        links::Links,
        task::SessionTask,
    },
    upstream::{Declared, Hello},
};

/// Different capabilities that one client may claim at a time. One set is the rule; each has connections of its own.
const MAX_CALLERS: usize = 8;

/// What a request claims.
#[derive(Clone, Debug)]
pub(in crate::session) struct Claim {
    pub(in crate::session) caller: Caller,
    pub(in crate::session) declared: Declared,
    /// Log messages from this level on are wanted for this request; none at all without it.
    pub(in crate::session) log_level: Option<Level>,
    /// Whether its result is to say how long it may be kept (2026-07-28, caching § Cacheable Results).
    pub(in crate::session) cacheable: bool,
}

/// Why a request is not even looked at.
#[derive(Debug)]
pub(in crate::session) enum Refusal {
    Params(String),
    Version { requested: String },
    Crowded,
}

impl Refusal {
    pub(super) fn answer(&self, id: &str) -> Parts {
        match self {
            Self::Params(text) => client::error(Some(id), code::INVALID_PARAMS, text, None),
            Self::Version { requested } => {
                let supported = ModernVersion::ALL.map(ModernVersion::as_str);
                let data = serde_json::json!({"supported": supported, "requested": requested}).to_string();
                let text = "this revision of MCP is not spoken here without a handshake";
                client::error(Some(id), code::UNSUPPORTED_VERSION, text, Some(&data))
            }
            Self::Crowded => {
                let text = format!(
                    "requests with {MAX_CALLERS} different `clientCapabilities` are in use; finish some of them first"
                );
                client::error(Some(id), code::INTERNAL_ERROR, &text, None)
            }
        }
    }
}

/// The members of `_meta` that a request must or may have.
#[derive(Deserialize)]
struct Said<'a> {
    #[serde(
        rename = "io.modelcontextprotocol/protocolVersion",
        borrow,
        default,
        deserialize_with = "present"
    )]
    version: Option<&'a RawValue>,
    #[serde(rename = "io.modelcontextprotocol/clientCapabilities", borrow, default)]
    capabilities: Option<&'a RawValue>,
    #[serde(rename = "io.modelcontextprotocol/clientInfo", borrow, default)]
    client_info: Option<&'a RawValue>,
    #[serde(rename = "io.modelcontextprotocol/logLevel", borrow, default)]
    log_level: Option<&'a RawValue>,
}

/// A revision that is `null` is a wrong one, and not none.
fn present<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'a RawValue>, D::Error> {
    Deserialize::deserialize(deserializer).map(Some)
}

/// The metadata of a request, if it is an object (as JSON text).
fn metadata(frame: &Frame) -> Option<&str> {
    #[derive(Deserialize)]
    struct Params<'a> {
        #[serde(rename = "_meta", borrow)]
        meta: &'a RawValue,
    }
    if !has_meta(frame) {
        return None;
    }
    frame.peek::<Params<'_>>().map(|params| params.meta.get()).filter(|text| text.starts_with('{'))
}

fn missing(what: &str) -> Refusal {
    Refusal::Params(format!("`params._meta` needs {what}"))
}

impl SessionTask {
    /// Reads what a request claims. `None`: it does not say by itself which revision it is of.
    pub(in crate::session) fn claim(&mut self, frame: &Frame) -> Option<Result<Claim, Refusal>> {
        let text = metadata(frame);
        let cacheable = fit_for_keeping(frame.method().unwrap_or_default());
        if let Some((known, claim)) = &self.callers.recent
            && text == Some(known)
        {
            return Some(Ok(Claim { cacheable, ..claim.clone() }));
        }
        let is_of_these = matches!(frame.method(), Some(method::DISCOVER | method::LISTEN));
        let Some(text) = text else { return is_of_these.then(|| Err(missing("to be an object"))) };
        let Ok(said) = serde_json::from_str::<Said<'_>>(text) else {
            return Some(Err(missing("to have each of its members once")));
        };
        if said.version.is_none() && !is_of_these {
            return None;
        }
        let claim = self.check(&said, cacheable);
        if let Ok(claim) = &claim {
            self.callers.recent = Some((text.into(), claim.clone()));
        }
        Some(claim)
    }

    /// In the order of the specification's errors: metadata there, revision known, level known (2026-07-28, basic §
    /// `_meta` and versioning § Protocol Version Negotiation).
    fn check(&mut self, said: &Said<'_>, cacheable: bool) -> Result<Claim, Refusal> {
        let version = said.version.and_then(|raw| serde_json::from_str::<String>(raw.get()).ok());
        let version = version.ok_or_else(|| missing(&format!("the string `{}`", meta::PROTOCOL_VERSION)))?;
        let capabilities = said.capabilities.map(RawValue::get).filter(|text| text.starts_with('{'));
        let capabilities =
            capabilities.ok_or_else(|| missing(&format!("the object `{}`", meta::CLIENT_CAPABILITIES)))?;
        let Some(known) = ModernVersion::parse(&version) else {
            return Err(Refusal::Version { requested: version });
        };
        let log_level = match said.log_level {
            None => None,
            Some(raw) => Some(
                serde_json::from_str(raw.get())
                    .map_err(|_| Refusal::Params(format!("`{}` {}", meta::LOG_LEVEL, Level::CHOICES)))?,
            ),
        };
        let info = said.client_info.map(RawValue::get).filter(|text| text.starts_with('{'));
        let (caller, declared) = self.caller(known, capabilities, info).ok_or(Refusal::Crowded)?;
        Ok(Claim { caller, declared, log_level, cacheable })
    }

    /// Whose request this is, by what it claims. `None`: too many are in use.
    fn caller(
        &mut self,
        version: ModernVersion,
        capabilities: &str,
        info: Option<&str>,
    ) -> Option<(Caller, Declared)> {
        if let Some(found) = self.callers.find(version, capabilities, info) {
            return Some(found);
        }
        if self.callers.known.len() >= MAX_CALLERS {
            let idle = self.callers.known.iter().map(|known| known.caller).find(|caller| {
                !self.links.is_busy(*caller) && !self.listens.has(*caller) && !self.suspensions.has(*caller)
            })?;
            self.callers.known.retain(|known| known.caller != idle);
            self.callers.recent = None;
            self.close_links_of(idle);
        }
        Some(self.callers.add(version, capabilities, info))
    }
}

/// Whether results of this method are given `ttlMs` and `cacheScope`.
fn fit_for_keeping(name: &str) -> bool {
    // `server/discover` is answered by the hub itself, which knows better how long.
    matches!(
        name,
        method::TOOLS_LIST
            | method::PROMPTS_LIST
            | method::RESOURCES_LIST
            | method::RESOURCES_TEMPLATES_LIST
            | method::RESOURCES_READ
    )
}

/// The clients that requests have claimed to be of, least recently heard first.
#[derive(Debug, Default)]
pub(in crate::session) struct Callers {
    known: Vec<Known>,
    next: u32,
    /// The metadata that was read last, and what it said: most requests say the same as the one before.
    recent: Option<(Box<str>, Claim)>,
}

#[derive(Debug)]
struct Known {
    caller: Caller,
    declared: Declared,
    /// The same capabilities with their members in order, for comparison.
    canonical: String,
    hello: Hello,
}

impl Callers {
    fn find(
        &mut self,
        version: ModernVersion,
        capabilities: &str,
        info: Option<&str>,
    ) -> Option<(Caller, Declared)> {
        let info = info.unwrap_or(UNNAMED);
        let same =
            |known: &Known| known.hello.era == Era::Modern(version) && *known.hello.client_info == *info;
        let at = self
            .known
            .iter()
            .position(|known| same(known) && *known.hello.capabilities == *capabilities)
            .or_else(|| {
                let canonical = in_order(capabilities);
                self.known.iter().position(|known| same(known) && known.canonical == canonical)
            })?;
        if at + 1 < self.known.len() {
            let known = self.known.remove(at);
            self.known.push(known);
        }
        self.known.last().map(|known| (known.caller, known.declared))
    }

    fn add(&mut self, version: ModernVersion, capabilities: &str, info: Option<&str>) -> (Caller, Declared) {
        self.next += 1;
        let caller = Caller::Claimed(self.next);
        let hello = Hello {
            era: Era::Modern(version),
            capabilities: capabilities.into(),
            client_info: info.unwrap_or(UNNAMED).into(),
        };
        let declared = Declared::by(&hello);
        self.known.push(Known { caller, declared, canonical: in_order(capabilities), hello });
        (caller, declared)
    }

    /// As whom to open connections for this caller.
    pub(in crate::session) fn hello(&self, caller: Caller) -> Option<&Hello> {
        self.known.iter().find(|known| known.caller == caller).map(|known| &known.hello)
    }
}

/// A client may leave out its name; a legacy instance must be told one.
const UNNAMED: &str = r#"{"name":"unknown","version":""}"#;

impl Links {
    /// Whether requests of this caller are in flight.
    fn is_busy(&self, caller: Caller) -> bool {
        self.pending().any(|(link, _)| self.get(link).is_some_and(|open| open.caller == caller))
    }
}

/// `params` (JSON text of an object) of a request of the hub's own on behalf of a caller: with what its client says of
/// itself.
pub(in crate::session) fn with_meta(params: &str, hello: &Hello) -> String {
    let Hello { era, capabilities, client_info } = hello;
    let rest = params.strip_prefix('{').unwrap_or("}");
    format!(
        r#"{{"_meta":{{"{}":"{}","{}":{client_info},"{}":{capabilities}}}{}{rest}"#,
        meta::PROTOCOL_VERSION,
        era.version(),
        meta::CLIENT_INFO,
        meta::CLIENT_CAPABILITIES,
        separator(rest),
    )
}
