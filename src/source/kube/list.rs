//! Cutting a page of a list into its objects, without parsing or copying what is in them.

use super::{ResourceType, trouble::Failure};
use bytes::Bytes;
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, Visitor},
};
use serde_json::value::RawValue;
use std::{borrow::Cow, fmt};

/// One page.
#[derive(Debug)]
pub(super) struct Page {
    /// The revision that the list is of.
    pub(super) revision: String,
    /// The token of the next page.
    pub(super) next: Option<String>,
    /// How many objects there are behind this page, if the server says so.
    pub(super) remaining: Option<u64>,
    pub(super) items: Vec<Item>,
    /// Objects that have no name and therefore no place: not among the items.
    pub(super) nameless: u64,
}

/// One object of a page.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) name: String,
    pub(super) namespace: Option<String>,
    pub(super) uid: String,
    pub(super) resource_version: String,
    pub(super) json: [Bytes; 3],
}

/// What is put before an object that lacks its type, opening brace included.
#[derive(Debug, Clone)]
pub(super) struct Head {
    both: Bytes,
    api_version: Bytes,
    kind: Bytes,
}

impl Head {
    pub(super) fn new(kind: &ResourceType) -> Self {
        let text = |text: &str| serde_json::Value::from(text).to_string();
        let (version, kind) = (text(&kind.api_version()), text(&kind.kind));
        Head {
            both: Bytes::from(format!("{{\"apiVersion\":{version},\"kind\":{kind},")),
            api_version: Bytes::from(format!("{{\"apiVersion\":{version},")),
            kind: Bytes::from(format!("{{\"kind\":{kind},")),
        }
    }
}

#[derive(Deserialize)]
struct ListBody<'a> {
    #[serde(borrow, default)]
    metadata: ListMeta<'a>,
    // Go writes an empty list as `null`, but a list always has the field.
    #[serde(borrow, deserialize_with = "null_is_empty")]
    items: Vec<&'a RawValue>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct ListMeta<'a> {
    #[serde(borrow)]
    resource_version: Text<'a>,
    #[serde(borrow, rename = "continue")]
    next: Text<'a>,
    remaining_item_count: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Object<'a> {
    #[serde(default, rename = "apiVersion", deserialize_with = "present")]
    has_version: bool,
    #[serde(default, rename = "kind", deserialize_with = "present")]
    has_kind: bool,
    #[serde(borrow, default)]
    metadata: Metadata<'a>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Metadata<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    namespace: Text<'a>,
    #[serde(borrow)]
    uid: Text<'a>,
    #[serde(borrow)]
    resource_version: Text<'a>,
    #[serde(borrow)]
    managed_fields: Option<&'a RawValue>,
}

/// A string, borrowed where it has no escapes; `null` is the empty one.
#[derive(Default)]
struct Text<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
            fn visit_unit<E>(self) -> Result<Text<'de>, E> {
                Ok(Text::default())
            }
        }
        deserializer.deserialize_any(TextVisitor)
    }
}

fn null_is_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<&'de RawValue>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| true)
}

/// Cuts a page. The items' JSON are slices of `page`.
pub(super) fn slice(page: &Bytes, head: &Head, drop_managed_fields: bool) -> Result<Page, Failure> {
    let text = std::str::from_utf8(page).map_err(|_| Failure::Malformed("it is not UTF-8".to_owned()))?;
    let list: ListBody<'_> = serde_json::from_str(text).map_err(|error| Failure::from_json(&error))?;
    let mut items = Vec::with_capacity(list.items.len());
    let mut nameless = 0;
    for raw in list.items {
        let raw = raw.get();
        // An array would pass for an object by the order of its elements.
        if !raw.starts_with('{') {
            return Err(Failure::Malformed("an item of the list is not an object".to_owned()));
        }
        let object: Object<'_> = serde_json::from_str(raw).map_err(|error| Failure::from_json(&error))?;
        if object.metadata.name.0.is_empty() {
            nameless += 1;
            continue;
        }
        let head = match (object.has_version, object.has_kind) {
            (true, true) => None,
            (false, false) => Some(&head.both),
            (false, true) => Some(&head.api_version),
            (true, false) => Some(&head.kind),
        };
        let (start, first) = match head {
            None => (0, Bytes::new()),
            Some(head) => (1, head.clone()),
        };
        let managed = object.metadata.managed_fields.filter(|_| drop_managed_fields);
        let json = match managed.and_then(|managed| field_around(raw, managed.get())) {
            None => [first, page.slice_ref(&raw.as_bytes()[start..]), Bytes::new()],
            Some((from, to)) => {
                [first, page.slice_ref(&raw.as_bytes()[start..from]), page.slice_ref(&raw.as_bytes()[to..])]
            }
        };
        let metadata = object.metadata;
        items.push(Item {
            name: metadata.name.0.into_owned(),
            namespace: Some(metadata.namespace.0.into_owned()).filter(|namespace| !namespace.is_empty()),
            uid: metadata.uid.0.into_owned(),
            resource_version: metadata.resource_version.0.into_owned(),
            json,
        });
    }
    Ok(Page {
        revision: list.metadata.resource_version.0.into_owned(),
        next: Some(list.metadata.next.0.into_owned()).filter(|token| !token.is_empty()),
        remaining: list.metadata.remaining_item_count,
        items,
        nameless,
    })
}

/// The revision of a list, whatever else is in it.
pub(super) fn revision(page: &[u8]) -> Result<String, Failure> {
    #[derive(Deserialize)]
    struct Only<'a> {
        #[serde(borrow)]
        metadata: ListMeta<'a>,
    }
    let list: Only<'_> = serde_json::from_slice(page).map_err(|error| Failure::from_json(&error))?;
    Ok(list.metadata.resource_version.0.into_owned())
}

/// Where the field `managedFields` with this value (a slice of `raw`) begins and ends, one of its commas included.
/// Nothing if its name is written in an unusual way (`"managed\u0046ields"`), which no API server does.
fn field_around(raw: &str, value: &str) -> Option<(usize, usize)> {
    let space = [' ', '\t', '\r', '\n'];
    let start = (value.as_ptr() as usize).checked_sub(raw.as_ptr() as usize)?;
    let end = start + value.len();
    let before = raw.get(..start)?.trim_end_matches(space).strip_suffix(':')?.trim_end_matches(space);
    let before = before.strip_suffix("\"managedFields\"")?.trim_end_matches(space);
    if let Some(before) = before.strip_suffix(',') {
        return Some((before.len(), end));
    }
    let after = raw.get(end..)?.trim_start_matches(space);
    let after = after.strip_prefix(',').unwrap_or(after);
    before.ends_with('{').then_some((before.len(), raw.len() - after.len()))
}

#[cfg(test)]
#[path = "list_tests.rs"]
mod tests;
