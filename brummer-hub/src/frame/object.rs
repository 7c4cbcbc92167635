//! The members of a JSON object within a message, and the edits that take some out and put others in.
//!
//! An [`Object`] is a view of text that stays where it is: what is not edited keeps its bytes, its order and its spaces.

use std::{borrow::Cow, fmt, ops::Range};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{Edit, span_in};

/// One member: its name, unescaped, and its value as JSON text.
#[derive(Debug)]
pub(crate) struct Member<'a> {
    pub(crate) name: Cow<'a, str>,
    pub(crate) value: &'a str,
}

/// An object and where its members stand.
#[derive(Debug)]
pub(crate) struct Object<'a> {
    text: &'a str,
    members: Vec<Member<'a>>,
}

impl<'a> Object<'a> {
    /// Reads an object's own members; `None` when the text is something else.
    pub(crate) fn read(text: &'a str) -> Option<Self> {
        let Members(members) = serde_json::from_str(text).ok()?;
        Some(Self { text, members })
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Member<'a>> {
        self.members.iter()
    }

    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    /// The value of a member as JSON text. Of several with that name the last counts, as for most readers.
    pub(crate) fn get(&self, name: &str) -> Option<&'a str> {
        self.members.iter().rev().find(|member| member.name == name).map(|member| member.value)
    }

    /// The value of a member that is a string, unescaped.
    pub(crate) fn get_str(&self, name: &str) -> Option<Cow<'a, str>> {
        string(self.get(name)?)
    }

    /// The edits that take out the members that `drop` names and put `added` (members as JSON text, without a comma
    /// at either end; may be empty) in front of the others. `whole` is the text that this object is a part of.
    pub(crate) fn edits(&self, whole: &[u8], added: &str, drop: impl Fn(&str) -> bool) -> Vec<Edit> {
        let dropped: Vec<bool> = self.members.iter().map(|member| drop(&member.name)).collect();
        let open = span_in(whole, self.text).start + self.text.find('{').map_or(0, |at| at + 1);
        let mut edits = Vec::new();
        if !added.is_empty() {
            let comma = if dropped.iter().all(|dropped| *dropped) { "" } else { "," };
            edits.push((open..open, format!("{added}{comma}")));
        }
        let spans: Vec<Range<usize>> =
            self.members.iter().map(|member| span_in(whole, member.value)).collect();
        let mut kept_before = false;
        for (at, dropped) in dropped.into_iter().enumerate() {
            if !dropped {
                kept_before = true;
                continue;
            }
            let end_before = if at == 0 { open } else { spans[at - 1].end };
            // After one that stays, the comma goes with this one; else the comma behind it does.
            let span = if kept_before {
                end_before..spans[at].end
            } else {
                let comma = whole[spans[at].end..].iter().position(|byte| *byte == b',');
                match comma.filter(|_| at + 1 < self.members.len()) {
                    Some(comma) => begin(whole, end_before)..spans[at].end + comma + 1,
                    None => begin(whole, end_before)..spans[at].end,
                }
            };
            edits.push((span, String::new()));
        }
        edits
    }
}

/// Where an edit may begin that follows what ended at `end`: behind the comma there, if one is left.
fn begin(whole: &[u8], end: usize) -> usize {
    let comma = whole[end..].iter().position(|byte| !byte.is_ascii_whitespace());
    comma.filter(|at| whole[end + at] == b',').map_or(end, |at| end + at + 1)
}

/// A JSON string, unescaped; `None` when the text is something else, or no Unicode.
pub(crate) fn string(text: &str) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
    serde_json::from_str::<Text<'_>>(text).ok().map(|text| text.0)
}

struct Members<'a>(Vec<Member<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        #[derive(Deserialize)]
        struct Name<'a>(#[serde(borrow)] Cow<'a, str>);
        let mut members = Vec::new();
        while let Some((Name(name), value)) = map.next_entry::<Name<'de>, &'de RawValue>()? {
            members.push(Member { name, value: value.get() });
        }
        Ok(Members(members))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::frame::splice;

    fn edited(text: &str, added: &str, drop: &[&str]) -> String {
        let edits = Object::read(text).unwrap().edits(text.as_bytes(), added, |name| drop.contains(&name));
        let edits = edits.into_iter().map(|(span, with)| (span, with.into()));
        String::from_utf8(splice(text.as_bytes(), edits).to_vec()).unwrap()
    }

    #[test]
    fn members_are_taken_out_and_put_in() {
        for (text, drop, expected) in [
            ("{}", &["a"][..], "{}"),
            (r#"{"a":1}"#, &["a"], "{}"),
            (r#"{ "a" : 1 , "b" : 2 }"#, &["a"], r#"{ "b" : 2 }"#),
            (r#"{"a":1, "b":2}"#, &["b"], r#"{"a":1}"#),
            (r#"{"a":1,"b":2,"c":[3]}"#, &["a", "b"], r#"{"c":[3]}"#),
            (r#"{"a":1,"b":2,"c":[3]}"#, &["b", "c"], r#"{"a":1}"#),
            (r#"{"a":1,"b":2,"c":[3]}"#, &["a", "c"], r#"{"b":2}"#),
            (r#"{"\u0061":1,"b":2,"a":3}"#, &["a"], r#"{"b":2}"#),
        ] {
            assert_eq!(edited(text, "", drop), expected, "{text}");
        }
        assert_eq!(edited(r#"{"a":1}"#, r#""x":0"#, &["a"]), r#"{"x":0}"#);
        assert_eq!(edited(r#"{ "a":1}"#, r#""x":0"#, &[]), r#"{"x":0, "a":1}"#);
    }

    #[test]
    fn only_objects_are_read() {
        assert!(Object::read("[1]").is_none() && Object::read("null").is_none());
        let object = Object::read(r#"{"a":"\u00e9","a":"x","n":1.0}"#).unwrap();
        assert_eq!((object.get_str("a").as_deref(), object.get("n")), (Some("x"), Some("1.0")));
        assert_eq!(object.get_str("n"), None);
    }

    proptest! {
        #[test]
        fn what_stays_is_an_object_without_the_dropped(
            members in proptest::collection::vec(("[a-d]", any::<bool>(), " {0,2}"), 0..8),
            drop in "[a-d]{0,3}",
            added in any::<bool>(),
        ) {
            let text = members.iter().map(|(name, value, space)| format!("{space}\"{name}\"{space}:{space}{value}{space}"));
            let text = format!("{{{}}}", text.collect::<Vec<_>>().join(","));
            let dropped: Vec<_> = drop.split("").filter(|name| !name.is_empty()).collect();
            let out = edited(&text, if added { r#""z":7"# } else { "" }, &dropped);
            let left = Object::read(&out).unwrap();
            let expected: Vec<_> = members.iter().filter(|(name, ..)| !dropped.contains(&name.as_str()))
                .map(|(name, value, _)| (name.clone(), value.to_string()))
                .collect();
            let found: Vec<_> = left.iter().filter(|member| member.name != "z")
                .map(|member| (member.name.to_string(), member.value.to_owned())).collect();
            prop_assert_eq!(found, expected);
            prop_assert_eq!(left.get("z").is_some(), added);
            prop_assert!(serde_json::from_str::<Value>(&out).is_ok());
        }
    }
}
