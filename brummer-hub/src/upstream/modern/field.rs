//! What a request says in its HTTP header fields beside its body (2026-07-28, transports § Standard Headers, § Value
//! Encoding).

use base64::{Engine as _, prelude::BASE64_STANDARD};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};

use crate::{frame::Object, protocol::method};

const METHOD: HeaderName = HeaderName::from_static("mcp-method");
const NAME: HeaderName = HeaderName::from_static("mcp-name");

/// The member of `params` that a method is about, if it has one that a header field repeats.
fn subject(method: &str) -> Option<&'static str> {
    match method {
        method::TOOLS_CALL | method::PROMPTS_GET => Some("name"),
        method::RESOURCES_READ => Some("uri"),
        method::TASKS_GET | method::TASKS_UPDATE | method::TASKS_CANCEL => Some("taskId"),
        _ => None,
    }
}

/// Adds the fields that every request has.
pub(super) fn describe(headers: &mut HeaderMap, method: &str, params: Option<&Object<'_>>) {
    headers.insert(METHOD, encode(method));
    if let Some(subject) = subject(method)
        && let Some(value) = params.and_then(|params| params.get_str(subject))
    {
        headers.insert(NAME, encode(&value));
    }
}

const PREFIX: &str = "=?base64?";
const SUFFIX: &str = "?=";

/// A text as the value of a header field: as it is when that is safe, else in Base64 between marks.
pub(super) fn encode(text: &str) -> HeaderValue {
    let is_marked = text.starts_with(PREFIX) && text.ends_with(SUFFIX);
    let is_plain = !text.is_empty()
        && text.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~'))
        && text.trim() == text
        && !is_marked;
    let value = if is_plain {
        HeaderValue::from_str(text)
    } else {
        HeaderValue::try_from(format!("{PREFIX}{}{SUFFIX}", BASE64_STANDARD.encode(text)))
    };
    value.expect("visible ASCII with spaces and tabs inside is a valid header value")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_what_is_safe_goes_as_it_is() {
        for plain in ["a", "us west 1", "=?base64?", "x=?base64?eA==?=", "~!\"\\", "a\tb"] {
            assert_eq!(encode(plain), plain);
        }
        for (text, encoded) in [
            ("", "=?base64??="),
            (" a", "=?base64?IGE=?="),
            ("a ", "=?base64?YSA=?="),
            ("\ta", "=?base64?CWE=?="),
            ("a\r\nb", "=?base64?YQ0KYg==?="),
            ("Hello, 世界", "=?base64?SGVsbG8sIOS4lueVjA==?="),
            ("=?base64?eA==?=", "=?base64?PT9iYXNlNjQ/ZUE9PT89?="),
        ] {
            assert_eq!(encode(text), encoded, "{text:?}");
        }
    }

    /// The reading side, as the specification has it.
    fn decode(value: &str) -> Vec<u8> {
        let Some(inner) = value.strip_prefix(PREFIX).and_then(|rest| rest.strip_suffix(SUFFIX)) else {
            return value.into();
        };
        BASE64_STANDARD.decode(inner).unwrap()
    }

    proptest! {
        #[test]
        fn every_text_comes_back(text in any::<String>()) {
            let value = encode(&text);
            let value = value.to_str().unwrap();
            prop_assert!(value.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~')));
            prop_assert_eq!(value.trim(), value);
            prop_assert_eq!(decode(value), text.into_bytes());
        }

        #[test]
        fn plain_texts_are_left_alone(text in "[!-~]([ -~]{0,20}[!-~])?") {
            prop_assume!(!text.starts_with(PREFIX));
            prop_assert_eq!(encode(&text), text);
        }
    }
}
