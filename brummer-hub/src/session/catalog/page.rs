//! One page of a list as an instance sent it, and its items.

use std::{borrow::Cow, collections::HashSet, hash::BuildHasher as _, ops::Range};

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    frame::{Frame, Object},
    instance::Instance,
    session::{list_kind::ListKind, nulls::left_out_of_item},
};

/// A page, with what was found in it.
#[derive(Clone, Debug)]
pub(in crate::session) struct Page {
    pub(in crate::session) frame: Frame,
    /// Where the array of items stands in the frame.
    pub(in crate::session) array: Range<usize>,
    pub(in crate::session) items: Vec<Item>,
    /// Present unless this is the last page; an empty string is a cursor too (pagination § Guidelines).
    pub(in crate::session) next: Option<Box<str>>,
    /// What is wrong with items that were left out or mended, in words.
    pub(in crate::session) faults: Vec<String>,
    /// Whether items were left out because another page has them.
    shortened: bool,
}

/// One item of a list.
#[derive(Clone, Debug)]
pub(in crate::session) struct Item {
    /// Its name, URI, template or id: what tells it apart.
    pub(in crate::session) key: Box<str>,
    /// Where it stands in the frame.
    span: Range<usize>,
    /// Where its key stands within the item.
    key_span: Range<usize>,
    /// The item without what clients refuse, where it has such.
    mended: Option<Box<str>>,
    /// Items that are shown alike have the same.
    pub(in crate::session) digest: u64,
}

impl Item {
    /// The item as JSON text.
    pub(in crate::session) fn text<'a>(&'a self, frame: &'a Frame) -> &'a str {
        match &self.mended {
            Some(text) => text,
            None => frame.part(&self.span),
        }
    }

    /// The item under another key, as JSON text.
    pub(in crate::session) fn listed_as<'a>(&'a self, frame: &'a Frame, key: &str) -> Cow<'a, str> {
        let text = self.text(frame);
        if key == &*self.key {
            return Cow::Borrowed(text);
        }
        let Range { start, end } = self.key_span;
        format!("{}{}{}", &text[..start], super::super::message::quoted(key), &text[end..]).into()
    }
}

impl Page {
    /// Reads a page; `None` when the frame is no result with such a list.
    pub(in crate::session) fn read(frame: Frame, kind: ListKind) -> Option<Self> {
        let result = frame.result()?;
        let members = Object::read(result)?;
        let array = members.get(kind.member())?;
        let next = members.get("nextCursor").and_then(crate::frame::string).map(Into::into);
        let raw: Vec<&RawValue> = serde_json::from_str(array).ok()?;
        let (mut items, mut faults, mut seen) = (Vec::with_capacity(raw.len()), Vec::new(), HashSet::new());
        for (at, raw) in raw.into_iter().enumerate() {
            match item(&frame, raw.get(), kind) {
                Ok((item, fault)) => {
                    faults.extend(fault);
                    // Of two items of one name the first counts, as it does for most clients.
                    if seen.insert(item.key.clone()) {
                        items.push(item);
                    } else {
                        faults.push(format!(
                            "there are two of the name `{}`; the second is left out",
                            item.key
                        ));
                    }
                }
                Err(why) => faults.push(format!("item {at} is left out: {why}")),
            }
        }
        let array = frame.span_of(array);
        Some(Self { array, items, next, faults, frame: frame.kept(), shortened: false })
    }

    /// Without the tools that clients are not to see.
    pub(in crate::session) fn without_hidden(mut self, kind: ListKind, instance: &Instance) -> Self {
        if kind == ListKind::Tools {
            self.items.retain(|item| instance.found.shows(&item.key));
        }
        self
    }

    /// Whether it says the same as another one, whatever the other pages say.
    pub(in crate::session) fn is_same(&self, frame: &Frame) -> bool {
        !self.shortened && self.frame.result() == frame.result()
    }

    /// Leaves out what pages before have: some servers answer a cursor that they do not know with the first page.
    pub(in crate::session) fn without_those_of(mut self, before: &[Self]) -> Self {
        if !before.is_empty() {
            let known: HashSet<_> =
                before.iter().flat_map(|page| &page.items).map(|item| &item.key).collect();
            let count = self.items.len();
            self.items.retain(|item| !known.contains(&item.key));
            self.shortened = self.items.len() < count;
        }
        self
    }
}

/// The member that tells an item apart.
const fn key_name(kind: ListKind) -> &'static str {
    match kind {
        ListKind::Tools | ListKind::Prompts => "name",
        ListKind::Resources | ListKind::Skills => "uri",
        ListKind::Templates => "uriTemplate",
        ListKind::Tasks => "taskId",
    }
}

/// What the official clients refuse in an item, and with it the whole list: members that are null where a value is
/// expected are left out, an item that lacks what it must have is.
fn item(frame: &Frame, text: &str, kind: ListKind) -> Result<(Item, Option<String>), String> {
    let members = Object::read(text).ok_or("it is not an object")?;
    let name = key_name(kind);
    let raw = members.get(name).ok_or_else(|| format!("it has no `{name}`"))?;
    let key = crate::frame::string(raw).ok_or_else(|| format!("its `{name}` is not a string"))?;
    if key.is_empty() {
        return Err(format!("its `{name}` is empty"));
    }
    if kind == ListKind::Tools {
        let schema = members.get("inputSchema").ok_or_else(|| format!("`{key}` has no `inputSchema`"))?;
        match sound_schema(schema) {
            None => return Err(format!("the `inputSchema` of `{key}` is not one of an object")),
            Some(Cow::Borrowed(_)) => {}
            Some(Cow::Owned(sound)) => {
                let at = schema.as_ptr() as usize - text.as_ptr() as usize;
                let whole = format!("{}{sound}{}", &text[..at], &text[at + schema.len()..]);
                let (mut item, fault) = without_nulls(frame.span_of(text), &whole, &key, name)?;
                item.mended.get_or_insert_with(|| whole.into());
                let told = format!(
                    "the `inputSchema` of `{key}` lacks its type, or has null where it may have nothing"
                );
                return Ok((item, Some(fault.map_or(told.clone(), |fault| format!("{told}; {fault}")))));
            }
        }
    }
    if kind == ListKind::Skills {
        let frontmatter = members.get("frontmatter").and_then(Object::read);
        let says = |name| {
            frontmatter.as_ref().is_some_and(|it| it.get(name).and_then(crate::frame::string).is_some())
        };
        if let Some(missing) = ["name", "description"].into_iter().find(|name| !says(name)) {
            return Err(format!("the `frontmatter` of `{key}` has no `{missing}`"));
        }
    }
    if matches!(kind, ListKind::Resources | ListKind::Templates)
        && members.get("name").and_then(crate::frame::string).is_none()
    {
        return Err(format!("`{key}` has no `name`"));
    }
    without_nulls(frame.span_of(text), text, &key, name)
}

/// The item without members that are null where a value is expected. `text` is what it says, `span` where it stands.
fn without_nulls(
    span: Range<usize>,
    text: &str,
    key: &str,
    name: &str,
) -> Result<(Item, Option<String>), String> {
    let digest = |text: &str| foldhash::fast::FixedState::default().hash_one(text);
    let key_span = |text: &str| {
        let raw = Object::read(text)?.get(name)?.as_ptr() as usize - text.as_ptr() as usize;
        Some(raw..raw + Object::read(text)?.get(name)?.len())
    };
    let item = |text: &str, mended| {
        let key_span = key_span(text).ok_or("it cannot be mended")?;
        Ok::<_, String>(Item { key: key.into(), span: span.clone(), key_span, mended, digest: digest(text) })
    };
    let Some((mended, nulls)) = left_out_of_item(text) else { return Ok((item(text, None)?, None)) };
    let fault = format!("`{key}` has members that are null, which are left out: {}", nulls.join(", "));
    Ok((item(&mended, Some(mended.as_str().into()))?, Some(fault)))
}

/// A schema that clients take for one of an object: as it is, or with its type and without what is null. `None`: it is none.
fn sound_schema(schema: &str) -> Option<Cow<'_, str>> {
    let members = Object::read(schema)?;
    let nulls: Vec<&str> =
        ["properties", "required"].into_iter().filter(|name| members.get(name) == Some("null")).collect();
    let kind = members.get("type");
    if kind.is_some_and(|kind| crate::frame::string(kind).as_deref() != Some("object")) {
        return None;
    }
    if kind.is_some() && nulls.is_empty() {
        return Some(schema.into());
    }
    let bare = super::super::message::without(schema, &nulls);
    if kind.is_some() {
        return Some(bare.into());
    }
    let rest = bare.strip_prefix('{')?;
    Some(format!(r#"{{"type":"object"{}{rest}"#, super::super::message::separator(rest)).into())
}

/// The description and title of a tool, for a search.
#[derive(Deserialize)]
pub(in crate::session) struct Described<'a> {
    #[serde(borrow, default)]
    pub(in crate::session) description: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(in crate::session) title: Option<Cow<'a, str>>,
    #[serde(borrow, default, rename = "inputSchema")]
    pub(in crate::session) schema: Option<&'a RawValue>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(kind: ListKind, result: &str) -> Page {
        let frame = Frame::parse(format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#)).unwrap();
        Page::read(frame, kind).unwrap()
    }

    fn texts(page: &Page) -> Vec<&str> {
        page.items.iter().map(|item| item.text(&page.frame)).collect()
    }

    #[test]
    fn items_stay_as_they_were_written() {
        let one = r#"{ "name" : "a\u0062", "inputSchema":{"type":"object"}, "x":1.0 }"#;
        let page = page(ListKind::Tools, &format!(r#"{{"tools":[{one}],"nextCursor":""}}"#));
        assert_eq!(texts(&page), [one]);
        assert_eq!((&*page.items[0].key, page.next.as_deref()), ("ab", Some("")));
        assert_eq!(
            page.items[0].listed_as(&page.frame, "web__ab"),
            r#"{ "name" : "web__ab", "inputSchema":{"type":"object"}, "x":1.0 }"#
        );
    }

    #[test]
    fn schemas_are_mended_or_their_tools_left_out() {
        let schema = |schema: &str| {
            let page = page(
                ListKind::Tools,
                &format!(r#"{{"tools":[{{"name":"a","inputSchema":{schema},"title":null}}]}}"#),
            );
            page.items.first().map(|item| item.listed_as(&page.frame, "b").into_owned())
        };
        let sound = |schema: &str| Some(format!(r#"{{"name":"b","inputSchema":{schema}}}"#));
        assert_eq!(schema("{}"), sound(r#"{"type":"object"}"#));
        assert_eq!(schema(r#"{"x":1.0}"#), sound(r#"{"type":"object","x":1.0}"#));
        assert_eq!(schema(r#"{"type":"object","required":null}"#), sound(r#"{"type":"object"}"#));
        assert_eq!(
            schema(r#"{"type":"object","properties":null,"x":1}"#),
            sound(r#"{"type":"object","x":1}"#)
        );
        assert_eq!(schema(r#"{"type":"string"}"#), None);
        assert_eq!(schema("7"), None);
    }

    #[test]
    fn a_bad_item_spoils_nothing() {
        let page = page(
            ListKind::Tools,
            r#"{"tools":[1,{"name":"a","inputSchema":{"type":"object"},"title":null},{"name":""},{"inputSchema":{"type":"object"}},{"name":"b"},{"name":"c","inputSchema":[]},{"name":"a","inputSchema":{"type":"object"}},{"name":"d","description":null,"inputSchema":{"type":"object"}}]}"#,
        );
        assert_eq!(
            texts(&page),
            [
                r#"{"name":"a","inputSchema":{"type":"object"}}"#,
                r#"{"name":"d","inputSchema":{"type":"object"}}"#
            ]
        );
        assert_eq!(page.faults.len(), 8, "{:?}", page.faults);
        assert_eq!(
            page.items[1].listed_as(&page.frame, "x"),
            r#"{"name":"x","inputSchema":{"type":"object"}}"#
        );
    }
}
