//! Finds the members of a message in one pass over its bytes.
//!
//! Most of what the hub does with a message is to read its outermost object. serde_json can do that too, and is asked
//! whenever this reader gives up; but it looks up each member through several layers and checks the encoding of each
//! value anew, which for a small message costs more than all the rest of its way through the session.
//!
//! It accepts nothing that serde_json refuses. It gives up on what it does not need to know: errors, escapes in the
//! names of members, members that stand twice, deep nesting.

/// Levels of nesting that fit into one machine word; deeper values are left to serde_json, which has no limit here.
const MAX_DEPTH: u32 = 64;

/// Bytes that are looked at together: what the compiler turns into a few vector instructions.
const STEP: usize = 32;

/// The members of a JSON-RPC message, as JSON text.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct Members<'a> {
    pub(super) jsonrpc: Option<&'a str>,
    pub(super) id: Option<&'a str>,
    pub(super) method: Option<&'a str>,
    pub(super) params: Option<&'a str>,
    pub(super) result: Option<&'a str>,
    pub(super) error: Option<&'a str>,
}

/// Reads an object. `None`: it is none, or not a simple one.
pub(super) fn members(bytes: &[u8]) -> Option<Members<'_>> {
    let text = std::str::from_utf8(bytes).ok()?;
    let mut reader = Reader { bytes, at: 0 };
    let mut members = Members::default();
    reader.space();
    reader.expect(b'{')?;
    reader.space();
    if reader.peek()? == b'}' {
        reader.at += 1;
    } else {
        loop {
            reader.expect(b'"')?;
            let start = reader.at;
            reader.string()?;
            let name = bytes.get(start..reader.at - 1)?;
            reader.space();
            reader.expect(b':')?;
            reader.space();
            let start = reader.at;
            reader.value()?;
            let value = text.get(start..reader.at)?;
            let member = match name {
                b"jsonrpc" => Some(&mut members.jsonrpc),
                b"id" => Some(&mut members.id),
                b"method" => Some(&mut members.method),
                b"params" => Some(&mut members.params),
                b"result" => Some(&mut members.result),
                b"error" => Some(&mut members.error),
                other if other.contains(&b'\\') => return None,
                _ => None,
            };
            if member.is_some_and(|member| member.replace(value).is_some()) {
                return None;
            }
            reader.space();
            match reader.next()? {
                b',' => reader.space(),
                b'}' => break,
                _ => return None,
            }
        }
    }
    reader.space();
    (reader.at == bytes.len()).then_some(members)
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.next()? == byte).then_some(())
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    /// Passes one value (RFC 8259 § 3), however it is nested.
    fn value(&mut self) -> Option<()> {
        // One bit for each level: whether it is an object.
        let (mut objects, mut depth) = (0_u64, 0);
        loop {
            match self.next()? {
                b'"' => self.string()?,
                b'-' => self.number(None)?,
                digit @ b'0'..=b'9' => self.number(Some(digit))?,
                b't' => self.literal(b"rue")?,
                b'f' => self.literal(b"alse")?,
                b'n' => self.literal(b"ull")?,
                open @ (b'{' | b'[') => {
                    self.space();
                    // The closing brackets stand two places after the opening ones.
                    if self.peek()? == open + 2 {
                        self.at += 1;
                    } else {
                        if depth == MAX_DEPTH {
                            return None;
                        }
                        depth += 1;
                        objects = objects << 1 | u64::from(open == b'{');
                        if open == b'{' {
                            self.name()?;
                        }
                        continue;
                    }
                }
                _ => return None,
            }
            loop {
                if depth == 0 {
                    return Some(());
                }
                self.space();
                match (self.next()?, objects & 1 == 1) {
                    (b',', true) => {
                        self.space();
                        self.name()?;
                        break;
                    }
                    (b',', false) => {
                        self.space();
                        break;
                    }
                    (b'}', true) | (b']', false) => {
                        objects >>= 1;
                        depth -= 1;
                    }
                    _ => return None,
                }
            }
        }
    }

    /// The name of a member and its colon.
    fn name(&mut self) -> Option<()> {
        self.expect(b'"')?;
        self.string()?;
        self.space();
        self.expect(b':')?;
        self.space();
        Some(())
    }

    /// The rest of a string (RFC 8259 § 7).
    fn string(&mut self) -> Option<()> {
        loop {
            self.plain();
            match self.next()? {
                b'"' => return Some(()),
                b'\\' => match self.next()? {
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {}
                    b'u' => {
                        let digits = self.bytes.get(self.at..self.at + 4)?;
                        if !digits.iter().all(u8::is_ascii_hexdigit) {
                            return None;
                        }
                        self.at += 4;
                    }
                    _ => return None,
                },
                _ => return None,
            }
        }
    }

    /// Passes what means nothing in a string.
    fn plain(&mut self) {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let any_special = |chunk: &[u8]| chunk.iter().fold(false, |found, byte| found | is_special(*byte));
        let whole = rest.chunks_exact(STEP).take_while(|chunk| !any_special(chunk)).count() * STEP;
        let mut rest = rest.get(whole..).unwrap_or_default();
        self.at += whole;
        while let Some((word, others)) = rest.split_first_chunk() {
            let found = specials(u64::from_le_bytes(*word));
            if found != 0 {
                self.at += found.trailing_zeros() as usize / 8;
                return;
            }
            self.at += word.len();
            rest = others;
        }
        self.at += rest.iter().take_while(|byte| !is_special(**byte)).count();
    }

    /// The rest of a number (RFC 8259 § 6) after its first digit, or after its sign.
    fn number(&mut self, first: Option<u8>) -> Option<()> {
        let first = match first {
            Some(digit) => digit,
            None => self.next().filter(u8::is_ascii_digit)?,
        };
        if first == b'0' {
            if self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
                return None;
            }
        } else {
            self.digits();
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.next().filter(u8::is_ascii_digit)?;
            self.digits();
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.next().filter(u8::is_ascii_digit)?;
            self.digits();
        }
        Some(())
    }

    fn digits(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
    }

    fn literal(&mut self, rest: &[u8]) -> Option<()> {
        let end = self.at + rest.len();
        let found = self.bytes.get(self.at..end)?;
        self.at = end;
        (found == rest).then_some(())
    }
}

/// Whether a byte has a meaning in a string, or may not stand there.
const fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// The special bytes among eight: the highest bit of each that is one is set. Only the lowest of them is certain, since
/// a borrow may run into the bytes above it.
const fn specials(word: u64) -> u64 {
    const ONES: u64 = u64::MAX / 0xFF;
    let quote = word ^ (ONES * b'"' as u64);
    let backslash = word ^ (ONES * b'\\' as u64);
    let is_quote = quote.wrapping_sub(ONES) & !quote;
    let is_backslash = backslash.wrapping_sub(ONES) & !backslash;
    let is_control = word.wrapping_sub(ONES * 0x20) & !word;
    (is_quote | is_backslash | is_control) & (ONES * 0x80)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::value::RawValue;

    use super::*;

    /// What serde_json says to the same text.
    fn is_json(text: &str) -> bool {
        serde_json::from_str::<&RawValue>(text).is_ok()
    }

    #[test]
    fn finds_members_whatever_surrounds_them() {
        let text = " {\"x\":[1,{\"id\":2}], \"id\" : -1.5e+3 ,\"result\":{\"a\":\"}\\\"\\u00e9\"},\"jsonrpc\":\"2.0\"} ";
        let found = members(text.as_bytes()).unwrap();
        let expected = Members {
            jsonrpc: Some("\"2.0\""),
            id: Some("-1.5e+3"),
            result: Some("{\"a\":\"}\\\"\\u00e9\"}"),
            ..Members::default()
        };
        assert_eq!(found, expected);
        assert_eq!(members(b"{}"), Some(Members::default()));
    }

    #[test]
    fn gives_up_on_what_serde_json_is_to_decide() {
        let deep = format!("{{\"id\":{}{}}}", "[".repeat(66), "]".repeat(66));
        for text in
            ["[]", "{\"id\":1,\"id\":2}", "{\"i\\u0064\":1}", "{\"id\":01}", "{\"id\":1}x", "{\"id\"", &deep]
        {
            assert_eq!(members(text.as_bytes()), None, "{text}");
        }
        assert_eq!(members(b"{\"id\":\"\xff\"}"), None);
    }

    #[test]
    fn long_strings_end_where_they_end() {
        for length in 0..200 {
            let text = format!("{{\"id\":\"{}\",\"x\":1}}", "a".repeat(length));
            let id = members(text.as_bytes()).unwrap().id.unwrap();
            assert_eq!(id.len(), length + 2);
            assert_eq!(members(text.replace("\",\"x", "\x01\",\"x").as_bytes()), None);
        }
    }

    proptest! {
        #[test]
        fn the_first_special_byte_is_found(text in proptest::collection::vec(any::<u8>(), 0..100)) {
            let expected = text.iter().position(|byte| is_special(*byte)).unwrap_or(text.len());
            let mut reader = Reader { bytes: &text, at: 0 };
            reader.plain();
            prop_assert_eq!(reader.at, expected);
        }

        #[test]
        fn accepts_nothing_that_serde_json_refuses(text in r#"[{}\[\]",:\\ 0-9a-fnrtulse.+\-E\x01é]{0,40}"#) {
            let text = format!("{{\"id\":{text}}}");
            if members(text.as_bytes()).is_some() {
                prop_assert!(is_json(&text), "{}", text);
            }
        }

        #[test]
        fn accepts_simple_messages(id in any::<f64>(), text in any::<String>(), key in "[a-z]{1,9}") {
            let value = serde_json::json!({ "id": id, "params": { key: [text, null, true, {}] } });
            for text in [value.to_string(), format!("{value:#}")] {
                let found = members(text.as_bytes()).unwrap();
                prop_assert_eq!(&serde_json::from_str::<serde_json::Value>(found.params.unwrap()).unwrap(), &value["params"]);
            }
        }
    }
}
