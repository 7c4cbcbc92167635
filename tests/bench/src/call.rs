//! The calls that are measured, as text that is built once.

use anyhow::{Result, ensure};
use memchr::memmem;

/// Ids have a fixed number of digits, so that a request never changes its length.
pub(crate) const ID_DIGITS: usize = 8;

/// Where the ids of a path begin: the smallest number of that many digits.
pub(crate) const FIRST_ID: u32 = 10_000_000;

/// The id as text.
pub(crate) fn digits(mut id: u32) -> [u8; ID_DIGITS] {
    let mut text = [b'0'; ID_DIGITS];
    for digit in text.iter_mut().rev() {
        *digit += u8::try_from(id % 10).unwrap_or_default();
        id /= 10;
    }
    text
}

/// A way to the instance that calls are made over.
pub(crate) trait Peer {
    /// Sets the request that the calls make.
    fn prepare(&mut self, request: &Request) -> Result<()>;

    /// Makes one call and gives the length of its answer.
    fn call(&mut self) -> Result<usize>;

    /// Makes `total` calls with `in_flight` of them under way at any time.
    fn many(&mut self, in_flight: usize, total: usize) -> Result<()>;
}

/// A JSON-RPC request of one line, whose id is overwritten for each call.
#[derive(Clone)]
pub(crate) struct Request {
    line: Vec<u8>,
    id_at: usize,
}

impl Request {
    /// A request with these parameters (JSON text).
    pub(crate) fn new(method: &str, params: &str) -> Self {
        let start = r#"{"jsonrpc":"2.0","id":"#;
        let line = format!("{start}{FIRST_ID},\"method\":\"{method}\",\"params\":{params}}}\n").into_bytes();
        Self { line, id_at: start.len() }
    }

    /// A call of a tool with an argument of a few bytes, by the name that either server knows.
    pub(crate) fn tool(name: &str) -> Self {
        let arguments = r#"{"text":"hello","message":"hello"}"#;
        Self::new("tools/call", &format!(r#"{{"name":"{name}","arguments":{arguments}}}"#))
    }

    /// Overwrites the id.
    pub(crate) fn set_id(&mut self, id: [u8; ID_DIGITS]) {
        if let Some(place) = self.line.get_mut(self.id_at..self.id_at + ID_DIGITS) {
            place.copy_from_slice(&id);
        }
    }

    /// The text with its line break.
    pub(crate) fn line(&self) -> &[u8] {
        &self.line
    }

    /// Where the id stands in it.
    pub(crate) fn id_at(&self) -> usize {
        self.id_at
    }
}

/// What is looked at of each end of an answer.
const ENDS: usize = 160;

/// Makes sure that an answer is a result and belongs to the request. Large results are not searched: some servers write the id
/// first, others last.
pub(crate) fn check(answer: &[u8], id: [u8; ID_DIGITS]) -> Result<()> {
    let start = answer.get(..answer.len().min(ENDS)).unwrap_or_default();
    let end = answer.get(answer.len().saturating_sub(ENDS)..).unwrap_or_default();
    ensure!(
        [start, end].iter().any(|part| memmem::find(part, &id).is_some())
            && memmem::find(start, b"\"result\"").is_some(),
        "not the result of call {}: {}",
        String::from_utf8_lossy(&id),
        String::from_utf8_lossy(start)
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_eight_digits() {
        assert_eq!(&digits(10_000_000), b"10000000");
        assert_eq!(&digits(12_345_678), b"12345678");
    }

    #[test]
    fn an_error_is_no_result() {
        check(br#"{"id":12345678,"jsonrpc":"2.0","result":{}}"#, *b"12345678").unwrap();
        let long = format!(r#"{{"result":"{}","jsonrpc":"2.0","id":12345678}}"#, "x".repeat(1000));
        check(long.as_bytes(), *b"12345678").unwrap();
        check(br#"{"id":12345678,"jsonrpc":"2.0","error":{}}"#, *b"12345678").unwrap_err();
        check(br#"{"id":12345679,"jsonrpc":"2.0","result":{}}"#, *b"12345678").unwrap_err();
    }
}
