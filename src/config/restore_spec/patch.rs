//! Patches: values that are taken over as they are, and operations whose form can be checked before there is an object.

use super::super::decode::{Cursor, Decode, FromText};
use super::super::error::shown;
use super::super::node::Node;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use serde_json::{Map, Number, Value};
use std::borrow::Cow;

/// An operation of JSON Patch.
#[derive(Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Operation {
    /// What is done.
    op: Op,
    /// Where: names and positions, each behind a `/`. A `/` in a name is written `~1`, a `~` is written `~0`.
    path: Pointer,
    /// From where, for `move` and `copy`.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<Pointer>,
    /// The value, for `add`, `replace` and `test`.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Value>,
}

#[derive(Clone, Copy, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
enum Op {
    Add,
    Remove,
    Replace,
    Move,
    Copy,
    Test,
}

impl FromText for Op {
    fn from_text(text: &str) -> Result<Self, String> {
        Ok(match text {
            "add" => Self::Add,
            "remove" => Self::Remove,
            "replace" => Self::Replace,
            "move" => Self::Move,
            "copy" => Self::Copy,
            "test" => Self::Test,
            _ => {
                let all = "write `add`, `remove`, `replace`, `move`, `copy` or `test`";
                return Err(format!("{} is no operation: {all}", shown(text)));
            }
        })
    }
}

/// A JSON Pointer (RFC 6901).
#[derive(Serialize, JsonSchema)]
#[schemars(inline, extend("pattern" = "^/", "examples" = ["/spec/replicas"]))]
pub(in crate::config) struct Pointer(pub(in crate::config) String);

impl FromText for Pointer {
    fn from_text(text: &str) -> Result<Self, String> {
        if !text.starts_with('/') {
            let better = format!("/{}", text.replace('.', "/"));
            return Err(format!("begins with `/`; did you mean {}?", shown(&better)));
        }
        let escaped = text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
        match escaped {
            true => Ok(Self(text.to_owned())),
            false => {
                Err(format!("{} has a `~` in it: write it as `~0`, and a `/` in a name as `~1`", shown(text)))
            }
        }
    }
}

impl Decode for Operation {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        let mut fields = at.fields()?;
        let op: Option<Op> = fields.required("op", "write what is done, such as `op: replace`");
        let path = fields.required("path", "write where, such as `path: /spec/replicas`");
        let from: Option<Option<Pointer>> = fields.optional("from");
        fields.get("value");
        fields.finish();
        let given = at.given("value");
        let (op, path, from) = (op?, path?, from?);
        match (at.entry("from"), matches!(op, Op::Move | Op::Copy)) {
            (None, true) => return at.fail("needs a `from`: what is moved or copied"),
            (Some(from), false) => return from.fail("belongs to `move` and `copy`"),
            _ => {}
        }
        let value = match (given, matches!(op, Op::Add | Op::Replace | Op::Test)) {
            (None, true) => return at.fail("needs a `value`"),
            (Some(value), false) => return value.fail("belongs to `add`, `replace` and `test`"),
            (Some(value), true) => Some(json(&value)?),
            (None, false) => None,
        };
        Some(Self { op, path, from, value })
    }
}

/// A JSON Merge Patch of an object.
#[derive(Serialize)]
pub(super) struct Merge(pub(super) Value);

impl Decode for Merge {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        match at.node {
            Node::Map(_) => json(at).map(Self),
            _ => at.wrong_type("fields of the object, such as `metadata: {labels: {a: b}}`"),
        }
    }
}

impl JsonSchema for Merge {
    fn schema_name() -> Cow<'static, str> {
        "Merge".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "object", "additionalProperties": true})
    }
}

/// Any value that JSON has.
pub(in crate::config) struct AnyValue(pub(in crate::config) Value);

impl Decode for AnyValue {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        json(at).map(Self)
    }
}

impl JsonSchema for AnyValue {
    fn schema_name() -> Cow<'static, str> {
        "AnyValue".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({})
    }
}

/// Any value that JSON has.
fn json(at: &Cursor<'_>) -> Option<Value> {
    Some(match at.node {
        Node::Null => Value::Null,
        Node::Bool(value) => Value::from(*value),
        Node::Int(value) => match (i64::try_from(*value), u64::try_from(*value)) {
            (Ok(value), _) => Value::from(value),
            (_, Ok(value)) => Value::from(value),
            _ => return at.fail("is a number that is too large"),
        },
        Node::Float(value) => match Number::from_f64(*value) {
            Some(number) => Value::Number(number),
            None => return at.fail("is a number that JSON does not have"),
        },
        Node::Text(text) => Value::from(text.as_str()),
        Node::List(_) => {
            let items: Vec<Option<Value>> = at.items().iter().map(json).collect();
            Value::Array(items.into_iter().collect::<Option<_>>()?)
        }
        Node::Map(_) => {
            let fields = at.named("fields")?;
            let fields: Vec<Option<_>> =
                fields.iter().map(|it| Some((it.name.to_owned(), json(&it.value)?))).collect();
            Value::Object(fields.into_iter().collect::<Option<Map<_, _>>>()?)
        }
        Node::Tagged => return at.wrong_type("a value without a YAML tag"),
    })
}
