//! Clients without a handshake (from 2026-07-28 on): every request says which revision it is of and what its client can
//! do (basic § `_meta`). Nothing that such a client sends changes what it is listed.

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json, value::RawValue};

use super::{Caller, RequestRefusal, legacy};
use crate::{
    frame::Frame,
    protocol::{Era, ModernVersion, code, meta, method},
    session::message::{Level, has_meta, in_order, separator},
    upstream::{Declared, Hello},
};

/// Different capabilities that one client may claim at a time. One set is the rule; each has connections of its own.
const MAX_CALLERS: usize = 8;

/// How long the answer to `server/discover` may be kept, in milliseconds. All that can change in it are the extensions of
/// instances.
const TTL: u64 = 60_000;

/// What a request claims.
#[derive(Clone, Debug)]
pub(in crate::session) struct RequestClaim {
    pub(in crate::session) caller: Caller,
    pub(in crate::session) declared: Declared,
    /// Log messages from this level on are wanted for this request; none at all without it.
    pub(in crate::session) log_level: Option<Level>,
    /// Whether its result is to say how long it may be kept (2026-07-28, caching § Cacheable Results).
    pub(in crate::session) cacheable: bool,
}

/// What these revisions have no more (2026-07-28, changelog).
pub(super) fn is_gone(name: &str) -> bool {
    matches!(
        name,
        method::INITIALIZE
            | method::PING
            | method::LOGGING_SET_LEVEL
            | method::RESOURCES_SUBSCRIBE
            | method::RESOURCES_UNSUBSCRIBE
            | method::TASKS_LIST
            | method::TASKS_RESULT
    )
}

/// The members of `_meta` that a request must or may have.
#[derive(Deserialize)]
struct RequestMeta<'a> {
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

fn missing(what: &str) -> RequestRefusal {
    RequestRefusal::new(code::INVALID_PARAMS, format!("`params._meta` needs {what}"))
}

/// Whether results of this method are given `ttlMs` and `cacheScope`.
fn is_cacheable(name: &str) -> bool {
    // `server/discover` is answered by the hub itself, which knows better how long.
    matches!(
        name,
        method::TOOLS_LIST
            | method::PROMPTS_LIST
            | method::RESOURCES_LIST
            | method::RESOURCES_TEMPLATES_LIST
            | method::RESOURCES_READ
            | method::SKILLS_LIST
            | method::SKILLS_GET
            | method::DIRECTORY_READ
    )
}

/// The clients that requests have claimed to be of, least recently heard first.
#[derive(Debug, Default)]
pub(super) struct Callers {
    known: Vec<KnownCaller>,
    next: u32,
    /// The metadata that was read last, and what it said: most requests say the same as the one before.
    recent: Option<(Box<str>, RequestClaim)>,
}

#[derive(Debug)]
struct KnownCaller {
    caller: Caller,
    declared: Declared,
    /// The same capabilities with their members in order, for comparison.
    canonical: String,
    hello: Hello,
}

impl Callers {
    /// Reads what a request claims. `None`: it does not say by itself which revision it is of.
    pub(super) fn claim(
        &mut self,
        frame: &Frame,
        in_use: impl Fn(Caller) -> bool,
        forget: &mut Option<Caller>,
    ) -> Option<Result<RequestClaim, RequestRefusal>> {
        let text = metadata(frame);
        let cacheable = is_cacheable(frame.method().unwrap_or_default());
        if let Some((known, claim)) = &self.recent
            && text == Some(known)
        {
            return Some(Ok(RequestClaim { cacheable, ..claim.clone() }));
        }
        let is_of_these = matches!(frame.method(), Some(method::DISCOVER | method::LISTEN));
        let Some(text) = text else { return is_of_these.then(|| Err(missing("to be an object"))) };
        let Ok(said) = serde_json::from_str::<RequestMeta<'_>>(text) else {
            return Some(Err(missing("to have each of its members once")));
        };
        if said.version.is_none() && !is_of_these {
            return None;
        }
        let claim = self.check(&said, cacheable, in_use, forget);
        if let Ok(claim) = &claim {
            self.recent = Some((text.into(), claim.clone()));
        }
        Some(claim)
    }

    /// In the order of the specification's errors: metadata there, revision known, level known (2026-07-28, basic §
    /// `_meta` and versioning § Protocol Version Negotiation).
    fn check(
        &mut self,
        said: &RequestMeta<'_>,
        cacheable: bool,
        in_use: impl Fn(Caller) -> bool,
        forget: &mut Option<Caller>,
    ) -> Result<RequestClaim, RequestRefusal> {
        let version = said.version.and_then(|raw| serde_json::from_str::<String>(raw.get()).ok());
        let version = version.ok_or_else(|| missing(&format!("the string `{}`", meta::PROTOCOL_VERSION)))?;
        let capabilities = said.capabilities.map(RawValue::get).filter(|text| text.starts_with('{'));
        let capabilities =
            capabilities.ok_or_else(|| missing(&format!("the object `{}`", meta::CLIENT_CAPABILITIES)))?;
        let Some(known) = ModernVersion::parse(&version) else {
            let supported = ModernVersion::ALL.map(ModernVersion::as_str);
            let data = json!({"supported": supported, "requested": version}).to_string();
            let text = "this revision of MCP is not spoken here without a handshake".to_owned();
            return Err(RequestRefusal { code: code::UNSUPPORTED_VERSION, text, data: Some(data) });
        };
        let log_level = match said.log_level {
            None => None,
            Some(raw) => Some(serde_json::from_str(raw.get()).map_err(|_| {
                let text = format!("`{}` {}", meta::LOG_LEVEL, Level::CHOICES);
                RequestRefusal::new(code::INVALID_PARAMS, text)
            })?),
        };
        let info = said.client_info.map(RawValue::get).filter(|text| text.starts_with('{'));
        let (caller, declared) = match self.find(known, capabilities, info) {
            Some(found) => found,
            None => {
                if self.known.len() >= MAX_CALLERS {
                    self.make_room(in_use, forget)?;
                }
                self.add(known, capabilities, info)
            }
        };
        Ok(RequestClaim { caller, declared, log_level, cacheable })
    }

    fn make_room(
        &mut self,
        in_use: impl Fn(Caller) -> bool,
        forget: &mut Option<Caller>,
    ) -> Result<(), RequestRefusal> {
        let idle = self.known.iter().position(|known| !in_use(known.caller)).ok_or_else(|| {
            let text = format!(
                "requests with {MAX_CALLERS} different `clientCapabilities` are in use; finish some of them first"
            );
            RequestRefusal::new(code::INTERNAL_ERROR, text)
        })?;
        *forget = Some(self.known.remove(idle).caller);
        self.recent = None;
        Ok(())
    }

    fn find(
        &mut self,
        version: ModernVersion,
        capabilities: &str,
        info: Option<&str>,
    ) -> Option<(Caller, Declared)> {
        let info = info.unwrap_or(UNNAMED);
        let same = |known: &KnownCaller| {
            known.hello.era == Era::Modern(version) && *known.hello.client_info == *info
        };
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
            level: None,
        };
        let declared = Declared::by(&hello);
        self.known.push(KnownCaller { caller, declared, canonical: in_order(capabilities), hello });
        (caller, declared)
    }

    /// As whom to open connections for this caller.
    pub(super) fn hello(&self, caller: Caller) -> Option<&Hello> {
        self.known.iter().find(|known| known.caller == caller).map(|known| &known.hello)
    }
}

/// A client may leave out its name; a legacy instance must be told one.
const UNNAMED: &str = r#"{"name":"unknown","version":""}"#;

/// `params` (JSON text of an object) of a request of the hub's own on behalf of a caller: with what its client says of
/// itself.
pub(in crate::session) fn with_meta(params: &str, hello: &Hello) -> String {
    let Hello { era, capabilities, client_info, .. } = hello;
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

/// The result of `server/discover`.
pub(super) fn discovered(extensions: Map<String, Value>) -> String {
    let mut capabilities = legacy::capabilities();
    // What the hub has itself is not overruled by an instance that has less of it.
    for (name, settings) in extensions {
        let known = &mut capabilities["extensions"][name];
        if known.is_null() {
            *known = settings;
        }
    }
    let result = json!({
        "supportedVersions": ModernVersion::ALL.map(ModernVersion::as_str),
        "capabilities": capabilities,
        "instructions": legacy::INSTRUCTIONS_ALL,
        "ttlMs": TTL,
        "cacheScope": "private",
    });
    result.to_string()
}
