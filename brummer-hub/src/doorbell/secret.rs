//! What opens the door of an instance: a token, or other header fields. They are sent to that instance and nowhere else, and
//! nothing here prints them.

use std::{collections::BTreeMap, fmt, sync::Arc};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hyper::{
    HeaderMap,
    header::{AUTHORIZATION, HeaderName, HeaderValue},
};
use subtle::ConstantTimeEq as _;

/// Bytes of a random token: nobody guesses 256 bits.
const TOKEN_BYTES: usize = 32;

/// Longest secret. Servers refuse header fields beyond 8 to 16 KiB.
const MAX_SECRET_BYTES: usize = 4096;

/// Most header fields that a doorbell may ask for.
const MAX_HEADERS: usize = 16;

/// Header fields that are the hub's to write: they say what a request is, not who sends it.
const RESERVED: [&str; 16] = [
    "accept",
    "accept-encoding",
    "brummer-instance-id",
    "connection",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "last-event-id",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "proxy-authorization",
];

/// A value that is not shown: `Debug` prints a placeholder, and there is no `Display`.
#[derive(Clone, Eq, PartialEq)]
pub struct Secret(Arc<str>);

/// Why a text cannot be a secret. It does not repeat the text.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidSecret {
    /// Nothing there.
    #[error("it is empty")]
    Empty,
    /// More than 4096 bytes.
    #[error("it has more than {MAX_SECRET_BYTES} bytes")]
    TooLong,
    /// A header field cannot carry it.
    #[error("it has characters that a header field cannot carry; printable ASCII is allowed")]
    Character,
}

impl Secret {
    /// Checks a text.
    ///
    /// # Errors
    /// When it is empty, longer than 4096 bytes, or not printable ASCII.
    pub fn new(text: &str) -> Result<Self, InvalidSecret> {
        if text.is_empty() {
            return Err(InvalidSecret::Empty);
        }
        if text.len() > MAX_SECRET_BYTES {
            return Err(InvalidSecret::TooLong);
        }
        // A space at either end would be lost on the way.
        if !text.bytes().all(|byte| matches!(byte, b' '..=b'~')) || text.trim() != text {
            return Err(InvalidSecret::Character);
        }
        Ok(Self(text.into()))
    }

    /// 32 random bytes from the system, in the letters of a URL.
    ///
    /// # Panics
    /// When the system has no random numbers to give, which no supported one is without.
    #[must_use]
    pub fn random() -> Self {
        let mut bytes = [0; TOKEN_BYTES];
        getrandom::fill(&mut bytes).expect("the system gives random numbers");
        Self(URL_SAFE_NO_PAD.encode(bytes).into())
    }

    /// The value itself, for a person who is to type it or a program that is to send it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether it is the one given. Takes the same time whatever differs, so that it cannot be found out piece by piece.
    #[cfg_attr(not(feature = "instance"), allow(dead_code, reason = "only a server compares"))]
    pub(crate) fn is(&self, given: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(given).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// What a doorbell asks to be sent, as header fields marked as sensitive.
#[derive(Clone, Default)]
pub(crate) struct Credentials(Option<Arc<HeaderMap>>);

/// Whether header fields can carry this, and are not the hub's to write.
pub(crate) fn fits_headers(token: Option<&Secret>, headers: &BTreeMap<String, Secret>) -> bool {
    Credentials::of(token, headers).is_some()
}

impl Credentials {
    /// `None`: one of them fits no header field, or is the hub's to write.
    pub(super) fn of(token: Option<&Secret>, headers: &BTreeMap<String, Secret>) -> Option<Self> {
        if token.is_none() && headers.is_empty() {
            return Some(Self::default());
        }
        if headers.len() > MAX_HEADERS {
            return None;
        }
        let mut fields = HeaderMap::with_capacity(headers.len() + 1);
        let mut put = |name: HeaderName, value: &str| {
            let mut value = HeaderValue::from_str(value).ok()?;
            value.set_sensitive(true);
            fields.insert(name, value).is_none().then_some(())
        };
        for (name, value) in headers {
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            if RESERVED.contains(&name.as_str()) || name.as_str().starts_with("mcp-") {
                return None;
            }
            put(name, value.expose())?;
        }
        if let Some(token) = token {
            put(AUTHORIZATION, &format!("Bearer {}", token.expose()))?;
        }
        Some(Self(Some(Arc::new(fields))))
    }

    /// Adds them to the header fields of a request.
    pub(crate) fn add_to(&self, fields: &mut HeaderMap) {
        for (name, value) in self.0.iter().flat_map(|own| own.iter()) {
            fields.insert(name.clone(), value.clone());
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.0.iter().flat_map(|own| own.keys());
        f.debug_set().entries(names).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_tokens_differ_and_can_be_sent() {
        let (one, other) = (Secret::random(), Secret::random());
        assert_ne!(one, other);
        assert_eq!(one.expose().len(), 43);
        assert_eq!(Secret::new(one.expose()), Ok(one.clone()));
        assert!(one.is(one.expose().as_bytes()) && !one.is(other.expose().as_bytes()) && !one.is(b""));
    }

    #[test]
    fn nothing_prints_a_secret() {
        let secret = Secret::new("hunter2").unwrap();
        let headers = BTreeMap::from([("X-Api-Key".to_owned(), secret.clone())]);
        let credentials = Credentials::of(Some(&secret), &headers).unwrap();
        let printed = format!("{secret:?} {credentials:?} {headers:?} {:?}", {
            let mut fields = HeaderMap::new();
            credentials.add_to(&mut fields);
            fields
        });
        assert!(!printed.contains("hunter2"), "{printed}");
        assert!(printed.contains("x-api-key"), "{printed}");
    }

    #[test]
    fn what_no_header_can_carry_is_refused_without_being_repeated() {
        for (text, reason) in [
            ("", InvalidSecret::Empty),
            ("a\r\nHost: evil", InvalidSecret::Character),
            (" a", InvalidSecret::Character),
            ("schlüssel", InvalidSecret::Character),
        ] {
            assert_eq!(Secret::new(text), Err(reason));
        }
        assert_eq!(Secret::new(&"a".repeat(4097)), Err(InvalidSecret::TooLong));
    }

    #[test]
    fn fields_that_are_the_hubs_cannot_be_asked_for() {
        let one = |name: &str| {
            let headers = BTreeMap::from([(name.to_owned(), Secret::random())]);
            Credentials::of(None, &headers).is_some()
        };
        assert!(one("X-Api-Key") && one("Cookie") && one("authorization"));
        for name in ["Host", "content-length", "Mcp-Session-Id", "a b", "", "transfer-encoding"] {
            assert!(!one(name), "{name}");
        }
        let twice = BTreeMap::from([("Authorization".to_owned(), Secret::random())]);
        assert!(Credentials::of(Some(&Secret::random()), &twice).is_none(), "two ways of saying who asks");
    }
}
