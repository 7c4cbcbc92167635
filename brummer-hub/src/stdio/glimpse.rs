//! What a line is that is too long to be read, or that is no JSON: a request or an answer, and its id.
//!
//! Only as much of it is looked at as it takes to find the members of the outermost object, byte by byte as it comes in. An
//! SDK writes the id first, another one last.

/// Longest id that is given back; a longer one is a mistake.
const MAX_ID: usize = 256;

/// Longest name of a member that matters.
const MAX_NAME: usize = 8;

/// Where in the text the next byte stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum At {
    /// Before the object.
    Start,
    /// Before the name of a member.
    Name,
    /// Before the colon.
    Colon,
    /// Before or in the value of a member.
    Value,
    /// The object is over.
    Closed,
    /// It is no object, or something stands behind it.
    Lost,
}

/// Looks for the id of one message.
#[derive(Clone, Debug)]
pub(crate) struct Glimpse {
    at: At,
    /// Brackets that are open within the value.
    depth: usize,
    in_string: bool,
    escaped: bool,
    name: Vec<u8>,
    value: Vec<u8>,
    id: Option<Vec<u8>>,
    has_method: bool,
    has_outcome: bool,
    has_version: bool,
}

impl Glimpse {
    pub(crate) const fn new() -> Self {
        Self {
            at: At::Start,
            depth: 0,
            in_string: false,
            escaped: false,
            name: Vec::new(),
            value: Vec::new(),
            id: None,
            has_method: false,
            has_outcome: false,
            has_version: false,
        }
    }

    /// Looks at the next piece.
    pub(crate) fn read(&mut self, piece: &[u8]) {
        for &byte in piece {
            match self.at {
                At::Lost => return,
                _ if self.in_string => self.read_in_string(byte),
                _ => self.read_outside(byte),
            }
        }
    }

    fn read_in_string(&mut self, byte: u8) {
        self.keep(byte);
        match byte {
            _ if self.escaped => self.escaped = false,
            b'\\' => self.escaped = true,
            b'"' => {
                self.in_string = false;
                if self.at == At::Name {
                    self.at = At::Colon;
                }
            }
            _ => {}
        }
    }

    fn read_outside(&mut self, byte: u8) {
        match (self.at, byte) {
            // Shells of Windows put a mark in front of what they pipe.
            (_, b' ' | b'\t' | b'\r' | b'\n') | (At::Start, 0xef | 0xbb | 0xbf) => {}
            (At::Start, b'{') => self.at = At::Name,
            (At::Name, b'"') => {
                self.name.clear();
                self.in_string = true;
            }
            (At::Colon, b':') => {
                self.at = At::Value;
                self.value.clear();
                match &*self.name {
                    b"method\"" => self.has_method = true,
                    b"result\"" | b"error\"" => self.has_outcome = true,
                    b"jsonrpc\"" => self.has_version = true,
                    _ => {}
                }
            }
            (At::Value, b',' | b'}') if self.depth == 0 => {
                self.end_value();
                self.at = if byte == b',' { At::Name } else { At::Closed };
            }
            (At::Value, _) => {
                self.keep(byte);
                match byte {
                    b'"' => self.in_string = true,
                    b'{' | b'[' => self.depth += 1,
                    b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                    _ => {}
                }
            }
            (At::Start | At::Name | At::Colon | At::Closed | At::Lost, _) => self.at = At::Lost,
        }
    }

    /// Remembers what may matter, up to a byte more than that.
    fn keep(&mut self, byte: u8) {
        let (text, most) = match self.at {
            At::Name => (&mut self.name, MAX_NAME),
            _ => (&mut self.value, MAX_ID),
        };
        if text.len() <= most {
            text.push(byte);
        }
    }

    fn end_value(&mut self) {
        if *self.name == *b"id\"" && self.value.len() <= MAX_ID {
            self.id = Some(std::mem::take(&mut self.value));
        }
    }

    /// Whether it has a result or an error, and asks and tells nothing.
    pub(crate) const fn is_answer(&self) -> bool {
        self.has_outcome && !self.has_method
    }

    /// Whether the object has ended, and nothing stands behind it.
    #[cfg(feature = "instance")]
    pub(crate) fn is_whole(&self) -> bool {
        self.at == At::Closed
    }

    /// Whether it says that it is JSON-RPC: programs log much that has an id and an error.
    #[cfg(any(feature = "instance", test))]
    pub(crate) const fn is_json_rpc(&self) -> bool {
        self.has_version
    }

    /// The id, as JSON text, if the message has one.
    pub(crate) fn id(self) -> Option<Box<str>> {
        let text = String::from_utf8(self.id?).ok()?;
        let is_id = matches!(
            serde_json::from_str(&text),
            Ok(serde_json::Value::String(_) | serde_json::Value::Number(_))
        );
        is_id.then(|| text.into())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The id of a request.
    fn id(text: &str, cut: usize) -> Option<String> {
        let glimpse = cut_at(text, cut);
        (!glimpse.is_answer()).then(|| glimpse.id().map(Into::into)).flatten()
    }

    fn cut_at(text: &str, cut: usize) -> Glimpse {
        let mut glimpse = Glimpse::new();
        let (first, second) = text.as_bytes().split_at(cut.min(text.len()));
        glimpse.read(first);
        glimpse.read(second);
        glimpse
    }

    #[test]
    fn the_id_of_a_request_is_found_wherever_it_stands() {
        for (text, expected) in [
            (r#"{"jsonrpc":"2.0","id":7,"method":"m","params":{"a":[1,{"id":8}]}}"#, Some("7")),
            (
                r#"{"method":"m","params":{"x":"}\",\"id\":9,"},"jsonrpc":"2.0","id":"a\"b"}"#,
                Some(r#""a\"b""#),
            ),
            ("\u{feff} { \"id\" : 1.50 , \"method\" : \"m\" }", Some("1.50")),
            (r#"{"method":"m","params":{"id":8}}"#, None),
            (r#"{"id":7,"result":{"method":"m"}}"#, None),
            (r#"{"id":null,"method":"m"}"#, None),
            (r#"{"id":{"a":1},"method":"m"}"#, None),
            (r#"[{"id":7,"method":"m"}]"#, None),
            (r#"{"id":7,"method":"m"} {"id":8}"#, Some("7")),
            (r#"{"id":7,,"method":"m"}"#, Some("7")),
            ("no message", None),
        ] {
            for cut in 0..text.len() {
                assert_eq!(id(text, cut).as_deref(), expected, "{text} {cut}");
            }
        }
        let long = format!(r#"{{"id":"{}","method":"m"}}"#, "x".repeat(MAX_ID));
        assert_eq!(id(&long, 9), None);
    }

    #[test]
    fn an_answer_is_told_from_a_request() {
        let broken = r#"{"jsonrpc":"2.0","id":7,"result":{"a": oops"#;
        for text in [
            r#"{"jsonrpc":"2.0","id":7,"result":{"method":"m"}}"#,
            r#"{"error":{},"id":7,"jsonrpc":"2.0"}"#,
            broken,
        ] {
            for cut in 0..text.len() {
                let glimpse = cut_at(text, cut);
                assert!(glimpse.is_answer(), "{text} {cut}");
                assert_eq!(glimpse.id().as_deref(), Some("7"), "{text} {cut}");
            }
        }
        // What it was to become nobody knows; and a line of a log.
        assert!(!cut_at(r#"{"jsonrpc":"2.0","id":7,"res"#, 3).is_answer());
        assert!(!cut_at(r#"{"level":"error","id":7,"error":{"code":"ECONN"}}"#, 3).is_json_rpc());
    }

    proptest! {
        #[test]
        fn what_a_message_says_within_its_members_does_not_matter(inner in ".{0,40}", number in 0_u32.., last: bool) {
            let params = serde_json::json!({ "id": inner, inner.clone(): [inner] });
            let text = if last {
                format!(r#"{{"method":"m","params":{params},"id":{number}}}"#)
            } else {
                format!(r#"{{"id":{number},"params":{params},"method":"m"}}"#)
            };
            prop_assert_eq!(id(&text, text.len() / 2), Some(number.to_string()));
        }
    }
}
