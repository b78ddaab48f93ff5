//! What a playbook has to be told.

use super::super::decode::{Cursor, Decode};
use super::super::error::shown;
use super::super::node::Node;
use super::super::restore_spec::{AnyValue, KindName};
use super::envelope::{distinct, once};
use super::scope::Declared;
use super::values::{Variable, unknown};
use crate::playbook::{
    model::{Param, ParamKind},
    plain,
};
use regex::Regex;
use serde_json::Value;
use std::cell::RefCell;

/// More than anyone types at night.
const MOST: usize = 50;
/// A longer pattern is a program.
const LONGEST: usize = 512;

/// The types of parameters; `objectRef` and `enum` need a field more.
pub(super) const TYPES: [&str; 11] = [
    "string",
    "int",
    "bool",
    "duration",
    "enum",
    "objectRef",
    "labelSelector",
    "imageDigest",
    "cidrList",
    "secretRef",
    "pointRef",
];

pub(super) fn params(at: &Cursor<'_>) -> Option<Vec<Param>> {
    if at.items().len() > MOST {
        return at.fail(format!("has more than {MOST} parameters"));
    }
    let params = Vec::<Param>::decode(at);
    let names = RefCell::default();
    for item in at.items() {
        if let Some(at) = item.entry("name")
            && let Node::Text(name) = at.node
        {
            once(&names, &at, name, "another parameter has this name");
        }
    }
    params
}

/// The parameters as far as they can be known while some have mistakes.
pub(super) fn declared(at: &Cursor<'_>) -> Vec<Declared> {
    let text = |at: Option<Cursor<'_>>| match at.map(|at| at.node) {
        Some(Node::Text(text)) => Some(text.clone()),
        _ => None,
    };
    let one = |item: Cursor<'_>| {
        let kind = text(item.entry("type")).and_then(|name| simple(&name));
        Some(Declared { name: text(item.entry("name"))?, kind })
    };
    at.items().into_iter().filter_map(one).collect()
}

/// The types that need nothing more.
fn simple(name: &str) -> Option<ParamKind> {
    Some(match name {
        "string" => ParamKind::String,
        "int" => ParamKind::Int,
        "bool" => ParamKind::Bool,
        "duration" => ParamKind::Duration,
        "labelSelector" => ParamKind::LabelSelector,
        "imageDigest" => ParamKind::ImageDigest,
        "cidrList" => ParamKind::CidrList,
        "secretRef" => ParamKind::SecretRef,
        "pointRef" => ParamKind::PointRef,
        _ => return None,
    })
}

impl Decode for Param {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        let mut fields = at.fields()?;
        let name = fields.required::<Variable>("name", "write the parameter's name, such as `name: pod`");
        let kind = fields.required::<String>("type", "write what it may be, such as `type: string`");
        let (kind_at, values_at) = (fields.get("kind"), fields.get("values"));
        let required = fields.or("required", false);
        let default_at = fields.get("default");
        let pattern_at = fields.get("pattern");
        let description = fields.optional("description");
        fields.finish();

        let kind = kind.and_then(|kind| of_type(at, &kind, kind_at, values_at));
        let pattern = pattern_at.map_or(Some(None), |at| pattern(&at, kind.as_ref()).map(Some));
        let mut param = Param {
            name: name?.0,
            kind: kind?,
            required: required?,
            default: None,
            pattern: pattern?,
            description: description?,
        };
        if let Some(at) = default_at {
            if param.required {
                return at.fail("a parameter that must be given needs no default: remove one of the two");
            }
            // The value itself is kept: a plan reads it as it reads what is given.
            let given = AnyValue::decode(&at)?.0;
            match fits(&param, &given) {
                Ok(()) => param.default = Some(given),
                Err(e) => return at.fail(e),
            }
        }
        Some(param)
    }
}

/// Whether a value that is known fits a parameter, as far as that shows without a cluster and a store.
pub(super) fn fits(param: &Param, given: &Value) -> Result<(), String> {
    let text = given.as_str();
    match &param.kind {
        ParamKind::ObjectRef { kind } => {
            let name = |part: &str| !part.is_empty() && !part.contains(char::is_whitespace);
            match text.map(|text| text.split('/').collect::<Vec<_>>()) {
                Some(parts) if parts.len() <= 2 && parts.iter().all(|part| name(part)) => {}
                _ => return Err(format!("names no {kind}: write `NAMESPACE/NAME`, or `NAME`")),
            }
        }
        ParamKind::PointRef => match text {
            Some("latest" | "newest-verified") => {}
            Some(id) if id.starts_with(|c: char| c.is_ascii_digit()) => {}
            _ => {
                return Err(
                    "is no recovery point: write `latest`, `newest-verified`, or the beginning of an id"
                        .to_owned(),
                );
            }
        },
        ParamKind::Duration if given.is_number() => {
            return Err(format!("{given} has no unit: write `{given}s` for seconds, or use d, h, m or ms"));
        }
        kind => drop(plain(kind, given)?),
    }
    match (&param.pattern, text) {
        (Some(pattern), Some(text)) if !pattern.is_match(text) => {
            Err(format!("{} does not fit the pattern `{pattern}`", shown(text)))
        }
        _ => Ok(()),
    }
}

fn of_type(
    at: &Cursor<'_>,
    name: &str,
    kind: Option<Cursor<'_>>,
    values: Option<Cursor<'_>>,
) -> Option<ParamKind> {
    let at = at.entry("type").unwrap_or_else(|| at.clone());
    if name != "objectRef"
        && let Some(kind) = &kind
    {
        return kind.fail("belongs to `type: objectRef`");
    }
    if name != "enum"
        && let Some(values) = &values
    {
        return values.fail("belongs to `type: enum`");
    }
    match (name, kind, values) {
        ("objectRef", Some(kind), _) => Some(ParamKind::ObjectRef { kind: KindName::decode(&kind)?.0 }),
        ("objectRef", None, _) => at.fail("needs the `kind` of the object, such as `kind: Pod`"),
        ("enum", _, Some(values)) => {
            let words = distinct::<String>(&values, String::as_str)?;
            match words.is_empty() {
                true => values.fail("has no words in it"),
                false => Some(ParamKind::Enum(words)),
            }
        }
        ("enum", _, None) => at.fail("needs the words that it may be, such as `values: [fast, safe]`"),
        _ => simple(name).or_else(|| at.fail(unknown(name, &TYPES))),
    }
}

fn pattern(at: &Cursor<'_>, kind: Option<&ParamKind>) -> Option<Regex> {
    if kind.is_some_and(|kind| *kind != ParamKind::String) {
        return at.fail("belongs to `type: string`");
    }
    let text = at.text()?;
    if text.len() > LONGEST {
        return at.fail(format!("is longer than {LONGEST} bytes"));
    }
    match regex::RegexBuilder::new(text).size_limit(1 << 20).build() {
        Ok(pattern) => Some(pattern),
        Err(e) => {
            // The library draws the place over several lines; the last one says what is wrong.
            let said = e.to_string();
            let last = said.lines().last().unwrap_or_default().trim();
            at.fail(format!("is no regular expression: {}", last.trim_start_matches("error: ")))
        }
    }
}
