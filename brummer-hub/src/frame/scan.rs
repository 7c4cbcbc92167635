//! Finds the members of a message in one pass over its bytes.
//!
//! Most of what the hub does with a message is to read its outermost object. serde_json can do that too, and is asked
//! whenever this reader gives up; but it looks up each member through several layers and checks the encoding of each
//! value anew, which for a small message costs more than all the rest of its way through the session.
//!
//! [`members`] reads a message that is there as a whole; a [`Scanner`] one that is still coming in, so that a large one
//! has been read when its last byte is there, piece by piece while each was at hand.
//!
//! They accept nothing that serde_json refuses. They give up on what they need not know: errors, escapes in the
//! names of members, members that stand twice, deep nesting.

use std::ops::Range;

use super::surrogates;

/// Levels of nesting that fit into one machine word; deeper values are left to serde_json, which has no limit here.
const MAX_DEPTH: u32 = 64;

/// Bytes that are looked at together: what the compiler turns into a few vector instructions.
const STEP: usize = 32;

/// The members of a JSON-RPC message, as JSON text.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct MessageMembers<'a> {
    pub(super) jsonrpc: Option<&'a str>,
    pub(super) id: Option<&'a str>,
    pub(super) method: Option<&'a str>,
    pub(super) params: Option<&'a str>,
    pub(super) result: Option<&'a str>,
    pub(super) error: Option<&'a str>,
    /// There are others.
    pub(super) others: bool,
    /// Halves of surrogate pairs are written as escapes, in pairs or not.
    pub(super) surrogates: bool,
    /// There is a null within a member.
    pub(super) nulls: bool,
}

/// Reads an object. `None`: it is none, or not a simple one.
pub(super) fn members(text: &str) -> Option<MessageMembers<'_>> {
    let bytes = text.as_bytes();
    let mut reader = Reader { bytes, at: 0, surrogates: false, nulls: false };
    let mut members = MessageMembers::default();
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
                _ => {
                    members.others = true;
                    None
                }
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
    members.surrogates = reader.surrogates;
    members.nulls = reader.nulls;
    (reader.at == bytes.len()).then_some(members)
}

/// Where the members of a message stand.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Spans {
    jsonrpc: Option<Range<usize>>,
    id: Option<Range<usize>>,
    method: Option<Range<usize>>,
    params: Option<Range<usize>>,
    result: Option<Range<usize>>,
    error: Option<Range<usize>>,
    others: bool,
    surrogates: bool,
    nulls: bool,
}

impl Spans {
    /// The members in the text that was scanned.
    pub(super) fn members<'a>(&self, text: &'a str) -> Option<MessageMembers<'a>> {
        let part = |span: &Option<Range<usize>>| match span {
            Some(span) => text.get(span.clone()).map(Some),
            None => Some(None),
        };
        Some(MessageMembers {
            jsonrpc: part(&self.jsonrpc)?,
            id: part(&self.id)?,
            method: part(&self.method)?,
            params: part(&self.params)?,
            result: part(&self.result)?,
            error: part(&self.error)?,
            others: self.others,
            surrogates: self.surrogates,
            nulls: self.nulls,
        })
    }

    /// Notes a member; `None`: it stood there already.
    fn set(&mut self, member: MemberKind, value: Range<usize>) -> Option<()> {
        let member = match member {
            MemberKind::JsonRpc => &mut self.jsonrpc,
            MemberKind::Id => &mut self.id,
            MemberKind::Method => &mut self.method,
            MemberKind::Params => &mut self.params,
            MemberKind::Result => &mut self.result,
            MemberKind::Error => &mut self.error,
            MemberKind::Other => {
                self.others = true;
                return Some(());
            }
        };
        member.replace(value).is_none().then_some(())
    }
}

/// What a member of the outermost object is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum MemberKind {
    JsonRpc,
    Id,
    Method,
    Params,
    Result,
    Error,
    #[default]
    Other,
}

impl MemberKind {
    /// `None`: the name is written with escapes, and may be any.
    fn named(name: &[u8]) -> Option<Self> {
        match name {
            b"jsonrpc" => Some(Self::JsonRpc),
            b"id" => Some(Self::Id),
            b"method" => Some(Self::Method),
            b"params" => Some(Self::Params),
            b"result" => Some(Self::Result),
            b"error" => Some(Self::Error),
            other => (!other.contains(&b'\\')).then_some(Self::Other),
        }
    }
}

/// Reads a message of which more and more is there. It looks at no byte twice, and makes spaces of the line breaks between
/// tokens. Whether the text is UTF-8 is not its business.
#[derive(Debug)]
pub struct Scanner {
    at: usize,
    token: Token,
    expected: Expected,
    /// One bit for each open level: whether it is an object. The lowest is the innermost.
    objects: u64,
    depth: u32,
    /// Of the member of the outermost object that is being read.
    name_start: usize,
    member: MemberKind,
    value_start: usize,
    spans: Spans,
    /// It is none, or not a simple one.
    given_up: bool,
}

/// What is allowed next between tokens.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Expected {
    /// The object that the message is.
    Object,
    Value,
    ValueOrEnd,
    Name,
    NameOrEnd,
    Colon,
    CommaOrEnd,
    /// White space only.
    Nothing,
}

/// What the next byte is in the middle of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Token {
    None,
    /// The name of a member if `is_name`.
    String {
        is_name: bool,
        escape: Escape,
    },
    Number(Number),
    /// These bytes are left of it.
    Literal(&'static [u8]),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Escape {
    No,
    Begun,
    /// Hexadecimal digits that are left.
    Digits(u8),
}

/// How far a number has come (RFC 8259 § 6).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Number {
    Sign,
    Zero,
    Integer,
    Point,
    Fraction,
    E,
    ESign,
    Exponent,
}

impl Default for Scanner {
    fn default() -> Self {
        Self {
            at: 0,
            token: Token::None,
            expected: Expected::Object,
            objects: 0,
            depth: 0,
            name_start: 0,
            member: MemberKind::Other,
            value_start: 0,
            spans: Spans::default(),
            given_up: false,
        }
    }
}

impl Scanner {
    /// Reads on. `text` is the message as far as it is there, from its beginning.
    pub fn read(&mut self, text: &mut [u8]) {
        while !self.given_up && self.at < text.len() {
            if self.step(text).is_none() {
                self.given_up = true;
            }
        }
    }

    /// Whether a message was read to its end.
    #[must_use]
    pub fn is_done(&self) -> bool {
        !self.given_up && self.expected == Expected::Nothing
    }

    /// Where the members stand, now that the message is whole; `None`: serde_json has to look at it.
    pub(super) fn finish(mut self, text: &mut [u8]) -> Option<Spans> {
        if self.given_up || self.expected != Expected::Nothing || self.token != Token::None {
            return None;
        }
        if std::mem::take(&mut self.spans.surrogates) {
            surrogates::mend(text);
        }
        Some(self.spans)
    }

    /// Passes some bytes; there is at least one.
    fn step(&mut self, text: &mut [u8]) -> Option<()> {
        match self.token {
            Token::String { is_name, escape } => self.string(text, is_name, escape),
            Token::Number(number) => self.number(text, number),
            Token::Literal(rest) => {
                let (first, rest) = rest.split_first()?;
                if text[self.at] != *first {
                    return None;
                }
                self.at += 1;
                self.token = Token::Literal(rest);
                if rest.is_empty() { self.end_value() } else { Some(()) }
            }
            Token::None => self.between(text),
        }
    }

    fn between(&mut self, text: &mut [u8]) -> Option<()> {
        let at = self.at;
        let byte = text[at];
        self.at += 1;
        match (self.expected, byte) {
            (_, b' ' | b'\t') => {}
            (_, b'\n' | b'\r') => text[at] = b' ',
            (Expected::Object, b'{') => self.open(true)?,
            (Expected::Name | Expected::NameOrEnd, b'"') => {
                self.name_start = self.at;
                self.token = Token::String { is_name: true, escape: Escape::No };
            }
            (Expected::Colon, b':') => self.expected = Expected::Value,
            (Expected::CommaOrEnd, b',') => {
                self.expected = if self.objects & 1 == 1 { Expected::Name } else { Expected::Value };
            }
            (Expected::NameOrEnd, b'}') | (Expected::ValueOrEnd, b']') => self.close()?,
            (Expected::CommaOrEnd, b'}' | b']') if (self.objects & 1 == 1) == (byte == b'}') => {
                self.close()?;
            }
            (Expected::Value | Expected::ValueOrEnd, byte) => self.begin_value(at, byte)?,
            _ => return None,
        }
        Some(())
    }

    fn begin_value(&mut self, at: usize, byte: u8) -> Option<()> {
        if self.depth == 1 {
            self.value_start = at;
        }
        match byte {
            b'"' => self.token = Token::String { is_name: false, escape: Escape::No },
            b'{' => self.open(true)?,
            b'[' => self.open(false)?,
            b'-' => self.token = Token::Number(Number::Sign),
            b'0' => self.token = Token::Number(Number::Zero),
            b'1'..=b'9' => self.token = Token::Number(Number::Integer),
            b't' => self.token = Token::Literal(b"rue"),
            b'f' => self.token = Token::Literal(b"alse"),
            b'n' => {
                self.spans.nulls |= self.depth > 1;
                self.token = Token::Literal(b"ull");
            }
            _ => return None,
        }
        Some(())
    }

    fn open(&mut self, is_object: bool) -> Option<()> {
        if self.depth == MAX_DEPTH {
            return None;
        }
        self.depth += 1;
        self.objects = self.objects << 1 | u64::from(is_object);
        self.expected = if is_object { Expected::NameOrEnd } else { Expected::ValueOrEnd };
        Some(())
    }

    fn close(&mut self) -> Option<()> {
        self.depth -= 1;
        self.objects >>= 1;
        if self.depth == 0 {
            self.expected = Expected::Nothing;
            return Some(());
        }
        self.end_value()
    }

    /// A value has ended before `at`.
    fn end_value(&mut self) -> Option<()> {
        self.token = Token::None;
        self.expected = Expected::CommaOrEnd;
        if self.depth == 1 { self.spans.set(self.member, self.value_start..self.at) } else { Some(()) }
    }

    fn string(&mut self, text: &[u8], is_name: bool, escape: Escape) -> Option<()> {
        let next;
        match escape {
            Escape::No => {
                self.at += plain(&text[self.at..]);
                match text.get(self.at) {
                    None => return Some(()),
                    Some(b'"') => {
                        let end = self.at;
                        self.at += 1;
                        return if is_name { self.end_name(text, end) } else { self.end_value() };
                    }
                    Some(b'\\') => next = Escape::Begun,
                    Some(_) => return None,
                }
            }
            Escape::Begun => match text[self.at] {
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => next = Escape::No,
                b'u' => next = Escape::Digits(4),
                _ => return None,
            },
            Escape::Digits(left) => {
                let digit = text[self.at];
                if !digit.is_ascii_hexdigit() {
                    return None;
                }
                // The first is `d` and the second tells of a surrogate. Few others have these two.
                self.spans.surrogates |= left == 3 && is_surrogate(text[self.at - 1], digit);
                next = if left == 1 { Escape::No } else { Escape::Digits(left - 1) };
            }
        }
        self.at += 1;
        self.token = Token::String { is_name, escape: next };
        Some(())
    }

    fn end_name(&mut self, text: &[u8], end: usize) -> Option<()> {
        self.token = Token::None;
        self.expected = Expected::Colon;
        if self.depth == 1 {
            self.member = MemberKind::named(&text[self.name_start..end])?;
        }
        Some(())
    }

    fn number(&mut self, text: &[u8], number: Number) -> Option<()> {
        let next = match (number, text[self.at]) {
            (Number::Sign, b'0') => Number::Zero,
            (Number::Sign, b'1'..=b'9') | (Number::Integer, b'0'..=b'9') => Number::Integer,
            (Number::Zero | Number::Integer, b'.') => Number::Point,
            (Number::Point | Number::Fraction, b'0'..=b'9') => Number::Fraction,
            (Number::Zero | Number::Integer | Number::Fraction, b'e' | b'E') => Number::E,
            (Number::E, b'+' | b'-') => Number::ESign,
            (Number::E | Number::ESign | Number::Exponent, b'0'..=b'9') => Number::Exponent,
            (Number::Zero, b'0'..=b'9') => return None,
            (Number::Zero | Number::Integer | Number::Fraction | Number::Exponent, _) => {
                return self.end_value();
            }
            _ => return None,
        };
        self.at += 1;
        self.token = Token::Number(next);
        Some(())
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    surrogates: bool,
    nulls: bool,
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
                b'n' => {
                    self.nulls |= depth > 0;
                    self.literal(b"ull")?;
                }
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
            self.at += plain(self.bytes.get(self.at..).unwrap_or_default());
            match self.next()? {
                b'"' => return Some(()),
                b'\\' => match self.next()? {
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {}
                    b'u' => {
                        let digits = self.bytes.get(self.at..self.at + 4)?;
                        if !digits.iter().all(u8::is_ascii_hexdigit) {
                            return None;
                        }
                        self.surrogates |= is_surrogate(digits[0], digits[1]);
                        self.at += 4;
                    }
                    _ => return None,
                },
                _ => return None,
            }
        }
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

/// Whether the digits of an escape that begin so are those of half a surrogate pair.
const fn is_surrogate(first: u8, second: u8) -> bool {
    matches!(first, b'd' | b'D') && matches!(second, b'8' | b'9' | b'a'..=b'f' | b'A'..=b'F')
}

/// How many bytes come before the first that has a meaning in a string.
fn plain(text: &[u8]) -> usize {
    let any_special = |chunk: &[u8]| chunk.iter().fold(false, |found, byte| found | is_special(*byte));
    let mut at = text.chunks_exact(STEP).take_while(|chunk| !any_special(chunk)).count() * STEP;
    let mut rest = text.get(at..).unwrap_or_default();
    while let Some((word, others)) = rest.split_first_chunk() {
        let found = specials(u64::from_le_bytes(*word));
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += word.len();
        rest = others;
    }
    at + rest.iter().take_while(|byte| !is_special(**byte)).count()
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
        let found = members(text).unwrap();
        let expected = MessageMembers {
            jsonrpc: Some("\"2.0\""),
            id: Some("-1.5e+3"),
            result: Some("{\"a\":\"}\\\"\\u00e9\"}"),
            others: true,
            ..MessageMembers::default()
        };
        assert_eq!(found, expected);
        assert_eq!(members("{}"), Some(MessageMembers::default()));
    }

    #[test]
    fn gives_up_on_what_serde_json_is_to_decide() {
        let deep = format!("{{\"id\":{}{}}}", "[".repeat(66), "]".repeat(66));
        for text in
            ["[]", "{\"id\":1,\"id\":2}", "{\"i\\u0064\":1}", "{\"id\":01}", "{\"id\":1}x", "{\"id\"", &deep]
        {
            assert_eq!(members(text), None, "{text}");
        }
    }

    #[test]
    fn long_strings_end_where_they_end() {
        for length in 0..200 {
            let text = format!("{{\"id\":\"{}\",\"x\":1}}", "a".repeat(length));
            let id = members(&text).unwrap().id.unwrap();
            assert_eq!(id.len(), length + 2);
            assert_eq!(members(&text.replace("\",\"x", "\x01\",\"x")), None);
        }
    }

    /// What the scanner says to a text that comes in pieces which end at these places.
    fn scanned(text: &str, cuts: &[usize]) -> Option<Spans> {
        let mut scanner = Scanner::default();
        let mut there = Vec::new();
        for (at, byte) in text.bytes().enumerate() {
            if cuts.contains(&at) {
                scanner.read(&mut there);
            }
            there.push(byte);
        }
        scanner.read(&mut there);
        scanner.finish(&mut there)
    }

    /// However a text is cut, the scanner finds what the reader of whole texts finds.
    fn agree(text: &str, cuts: &[usize]) {
        // The scanner has mended what the reader tells of.
        let whole = members(text).map(|whole| MessageMembers { surrogates: false, ..whole });
        let in_pieces = scanned(text, cuts);
        // It counts the outermost object as a level.
        if in_pieces.is_some() || !text.contains(&"[".repeat(63)) {
            assert_eq!(in_pieces.as_ref().map(|spans| spans.members(text).unwrap()), whole, "{text}");
        }
    }

    #[test]
    fn a_text_in_pieces_is_read_like_a_whole_one() {
        for text in [
            "{}",
            " { } ",
            r#"{"jsonrpc":"2.0","id":17,"result":{"a":[1,-0,2.5e+3,0.1E-7,true,false,null,{},[],"\"\u00e9\\é"]}}"#,
            r#"{"id":1,"id":2}"#,
            r#"{"i\u0064":1}"#,
            r#"{"x\u0064":{"i\u0064":1},"id":1}"#,
            r#"{"a":01}"#,
            r#"{"a":-}"#,
            r#"{"a":1.}"#,
            r#"{"a":1e}"#,
            r#"{"a":tru}"#,
            r#"{"a":[1,]}"#,
            r#"{"a":1,}"#,
            r#"{"a":[}]"#,
            r#"{"a" 1}"#,
            r#"{"a":1}}"#,
            r#"{"a":1"#,
            r#"{"a":"\x"}"#,
            r#"{"a":"\u00g0"}"#,
            "[]",
            "",
            "1",
            "{\"a\":\"\u{1}\"}",
        ] {
            for at in 0..=text.len() {
                agree(text, &[at]);
            }
            agree(text, &(0..text.len()).collect::<Vec<_>>());
        }
    }

    #[test]
    fn line_breaks_between_tokens_become_spaces() {
        let mut text = b"{\r\n\t\"id\" :\n1 ,\"a\":[\n]\r}\n".to_vec();
        let mut scanner = Scanner::default();
        scanner.read(&mut text);
        assert_eq!(scanner.finish(&mut text).unwrap().id, Some(11..12));
        assert_eq!(String::from_utf8(text).unwrap(), "{  \t\"id\" : 1 ,\"a\":[ ] } ");
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(
            text in r#"[{}\[\]",:\\ 0-9a-fnrtulse.+\-E\x01é]{0,40}"#,
            cuts in proptest::collection::vec(0_usize..50, 0..6),
        ) {
            agree(&format!("{{\"id\":{text}}}"), &cuts);
            agree(&text, &cuts);
        }

        #[test]
        fn messages_in_pieces_are_read(
            id in any::<f64>(),
            text in any::<String>(),
            key in "[a-z]{1,9}",
            cuts in proptest::collection::vec(0_usize..200, 0..6),
        ) {
            let value = serde_json::json!({ "jsonrpc": "2.0", "id": id, "params": { key: [text, null, true, {}] } });
            for text in [value.to_string(), format!("{value:#}")] {
                prop_assert!(scanned(&text, &cuts).is_some());
                agree(&text, &cuts);
            }
        }

        #[test]
        fn the_first_special_byte_is_found(text in proptest::collection::vec(any::<u8>(), 0..100)) {
            let expected = text.iter().position(|byte| is_special(*byte)).unwrap_or(text.len());
            prop_assert_eq!(plain(&text), expected);
        }

        #[test]
        fn accepts_nothing_that_serde_json_refuses(text in r#"[{}\[\]",:\\ 0-9a-fnrtulse.+\-E\x01é]{0,40}"#) {
            let text = format!("{{\"id\":{text}}}");
            if members(&text).is_some() {
                prop_assert!(is_json(&text), "{}", text);
            }
        }

        #[test]
        fn accepts_simple_messages(id in any::<f64>(), text in any::<String>(), key in "[a-z]{1,9}") {
            let value = serde_json::json!({ "id": id, "params": { key: [text, null, true, {}] } });
            for text in [value.to_string(), format!("{value:#}")] {
                let found = members(&text).unwrap();
                prop_assert_eq!(&serde_json::from_str::<serde_json::Value>(found.params.unwrap()).unwrap(), &value["params"]);
            }
        }
    }
}
