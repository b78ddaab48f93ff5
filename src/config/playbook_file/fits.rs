//! Do arguments fit the JSON Schema of an action? What an expression will bring is not known yet, and fits.

use super::super::decode::Cursor;
use super::super::error::shown;
use super::super::fields::nearest;
use super::super::node::{Node, Step};
use super::values::{either, unknown};
use crate::playbook::model::Template;
use regex::Regex;
use serde_json::Value;

/// Schemas in schemas.
const DEEPEST: usize = 64;

/// What does not fit.
pub(super) struct Misfit {
    pub(super) steps: Vec<Step>,
    pub(super) path: String,
    pub(super) message: String,
}

/// What was found so far.
#[derive(Default)]
pub(super) struct Fitting {
    pub(super) found: Vec<Misfit>,
}

/// A schema that stands in another one.
#[derive(Clone, Copy)]
struct Within<'s> {
    root: &'s Value,
    /// Whose arguments they are, as long as it is about the arguments themselves.
    of: Option<&'s str>,
    depth: usize,
}

/// What a place in the file holds.
enum Held {
    /// This value.
    Value(Value),
    /// Text, some of which is not known yet.
    Text,
    /// Anything.
    Anything,
}

impl Fitting {
    /// Arguments of an action.
    pub(super) fn arguments(&mut self, at: &Cursor<'_>, schema: &Value, of: &str) {
        self.check(at, schema, Within { root: schema, of: Some(of), depth: 0 });
    }

    /// Arguments of an action among which some belong to another one.
    pub(super) fn arguments_but(&mut self, at: &Cursor<'_>, schema: &Value, of: &str, others: &[&str]) {
        let mut own = Fitting::default();
        own.arguments(at, schema, of);
        let others: Vec<String> = others.iter().map(|name| at.child_path(name)).collect();
        self.found.extend(own.found.into_iter().filter(|wrong| !others.contains(&wrong.path)));
    }

    /// No arguments at all.
    pub(super) fn nothing(&mut self, step: &Cursor<'_>, schema: &Value, of: &str) {
        let needed: Vec<&str> = required(schema).collect();
        if !needed.is_empty() {
            let (steps, path) = (step.steps.clone(), step.child_path("args"));
            let message = format!("missing; `{of}` needs {}", all(&needed));
            self.found.push(Misfit { steps, path, message });
        }
    }

    pub(super) fn wrong(&mut self, at: &Cursor<'_>, message: String) {
        self.found.push(Misfit { steps: at.steps.clone(), path: at.path().to_owned(), message });
    }

    fn check(&mut self, at: &Cursor<'_>, schema: &Value, within: Within<'_>) {
        let within = Within { depth: within.depth + 1, ..within };
        if within.depth > DEEPEST || schema == &Value::Bool(true) {
            return;
        }
        if schema == &Value::Bool(false) {
            return self.wrong(at, "does not belong here".to_owned());
        }
        if let Some(reference) = schema["$ref"].as_str() {
            let target = within.root.pointer(reference.trim_start_matches('#'));
            return target.into_iter().for_each(|target| self.check(at, target, within));
        }
        let held = held(at);
        if matches!(held, Held::Anything) {
            return;
        }
        if let Some(words) = constants(schema) {
            return self.among(at, &held, &words);
        }
        if !self.typed(at, &held, schema) {
            return;
        }
        for part in schema["allOf"].as_array().into_iter().flatten() {
            self.check(at, part, within);
        }
        for ways in ["anyOf", "oneOf"].iter().filter_map(|name| schema[*name].as_array()) {
            self.one_of(at, ways, within);
        }
        match &held {
            Held::Value(Value::String(text)) => self.text(at, text, schema),
            Held::Value(Value::Number(number)) => self.number(at, number.as_f64(), schema),
            Held::Value(Value::Array(_)) => self.list(at, schema, within),
            Held::Value(Value::Object(_)) => self.map(at, schema, within),
            _ => {}
        }
    }

    /// One of several schemas: when none fits, what is wrong by the one that comes nearest.
    fn one_of(&mut self, at: &Cursor<'_>, ways: &[Value], within: Within<'_>) {
        let mut nearest: Option<Vec<Misfit>> = None;
        let mut wanted = Vec::new();
        for way in ways {
            let mut tried = Fitting::default();
            tried.check(at, way, within);
            if tried.found.is_empty() {
                return;
            }
            let resolved = resolve(way, within.root);
            wanted.extend(types(resolved).filter(|name| *name != "null").map(named));
            let deep = tried.found.iter().any(|wrong| wrong.steps.len() > at.steps.len());
            let better = nearest.as_ref().is_none_or(|found| tried.found.len() < found.len() || deep);
            if accepts(resolved, at) && better {
                nearest = Some(tried.found);
            }
        }
        match nearest {
            Some(found) => self.found.extend(found),
            None => {
                wanted.dedup();
                self.wrong(at, format!("expected {}, found {}", wanted.join(" or "), at.node.describe()));
            }
        }
    }

    fn among(&mut self, at: &Cursor<'_>, held: &Held, words: &[&Value]) {
        let Held::Value(value) = held else { return };
        if words.contains(&value) {
            return;
        }
        let names: Vec<String> =
            words.iter().map(|word| word.as_str().map_or_else(|| word.to_string(), str::to_owned)).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        match value {
            Value::String(text) => self.wrong(at, unknown(text, &names)),
            _ => self.wrong(at, format!("expected {}, found {}", either(&names), at.node.describe())),
        }
    }

    /// Notes a value of another type.
    fn typed(&mut self, at: &Cursor<'_>, held: &Held, schema: &Value) -> bool {
        let mut wanted: Vec<&str> = types(schema).collect();
        let fits = wanted.is_empty()
            || wanted.iter().any(|name| match held {
                Held::Value(value) => is(value, name),
                _ => *name == "string",
            });
        if !fits {
            wanted.retain(|name| *name != "null");
            let names: Vec<&str> = wanted.iter().map(|name| named(name)).collect();
            let scalar = matches!(held, Held::Value(Value::Number(_) | Value::Bool(_)));
            let hint =
                if scalar && wanted == ["string"] { ": put it in quotes if it is meant as text" } else { "" };
            let found = at.node.describe();
            self.wrong(at, format!("expected {}, found {found}{hint}", names.join(" or ")));
        }
        fits
    }

    fn text(&mut self, at: &Cursor<'_>, text: &str, schema: &Value) {
        let length = text.chars().count() as u64;
        if schema["minLength"].as_u64().is_some_and(|least| length < least) {
            self.wrong(at, if length == 0 { "must not be empty" } else { "is too short" }.to_owned());
        }
        if let Some(most) = schema["maxLength"].as_u64().filter(|most| length > *most) {
            self.wrong(at, format!("is longer than {most} characters"));
        }
        if let Some(pattern) = schema["pattern"].as_str()
            && Regex::new(pattern).is_ok_and(|pattern| !pattern.is_match(text))
        {
            self.wrong(at, format!("{} does not fit `{pattern}`", shown(text)));
        }
    }

    fn number(&mut self, at: &Cursor<'_>, number: Option<f64>, schema: &Value) {
        let Some(number) = number else { return };
        if let Some(least) = schema["minimum"].as_f64().filter(|least| number < *least) {
            self.wrong(at, format!("expected {least} or more, found {number}"));
        }
        if let Some(most) = schema["maximum"].as_f64().filter(|most| number > *most) {
            self.wrong(at, format!("expected {most} or less, found {number}"));
        }
    }

    fn list(&mut self, at: &Cursor<'_>, schema: &Value, within: Within<'_>) {
        let items = at.items();
        if schema["minItems"].as_u64().is_some_and(|least| (items.len() as u64) < least) {
            self.wrong(
                at,
                if items.is_empty() { "must not be empty" } else { "has too few entries" }.to_owned(),
            );
        }
        if let Some(most) = schema["maxItems"].as_u64().filter(|most| items.len() as u64 > *most) {
            self.wrong(at, format!("has more than {most} entries"));
        }
        if let Some(each) = schema.get("items") {
            items.iter().for_each(|item| self.check(item, each, Within { of: None, ..within }));
        }
    }

    fn map(&mut self, at: &Cursor<'_>, schema: &Value, within: Within<'_>) {
        let empty = serde_json::Map::new();
        let known = schema["properties"].as_object().unwrap_or(&empty);
        let below = Within { of: None, ..within };
        let mut missing: Vec<&str> = required(schema).filter(|name| at.given(name).is_none()).collect();
        for entry in at.named("fields").unwrap_or_default() {
            match (known.get(entry.name), schema.get("additionalProperties")) {
                (Some(property), _) => self.check(&entry.value, property, below),
                (None, Some(Value::Bool(false))) => {
                    let names: Vec<&str> = known.keys().map(String::as_str).collect();
                    let what = if within.of.is_some() { "argument" } else { "field" };
                    let message = match (nearest(entry.name, &names), within.of) {
                        (Some(near), _) => {
                            missing.retain(|name| *name != near);
                            format!("unknown {what}; did you mean `{near}`?")
                        }
                        (None, Some(of)) if names.is_empty() => format!("unknown {what}: `{of}` takes none"),
                        (None, Some(of)) => format!("unknown {what}; `{of}` takes {}", all(&names)),
                        (None, None) => format!("unknown {what}; allowed here: {}", all(&names)),
                    };
                    self.wrong(&entry.key, message);
                }
                (None, Some(other)) => self.check(&entry.value, other, below),
                (None, None) => {}
            }
        }
        for name in missing {
            let of = within.of.map_or(String::new(), |of| format!("; `{of}` needs it"));
            let (steps, path) = (at.steps.clone(), at.child_path(name));
            self.found.push(Misfit { steps, path, message: format!("missing{of}") });
        }
    }
}

fn held(at: &Cursor<'_>) -> Held {
    Held::Value(match at.node {
        Node::Text(text) => match Template::text(text) {
            Ok(Template::Value(value)) => value,
            Ok(Template::Text(_)) => return Held::Text,
            // What is no template is noted already.
            _ => return Held::Anything,
        },
        Node::Null => Value::Null,
        Node::Bool(value) => (*value).into(),
        Node::Int(value) => i64::try_from(*value).map_or_else(|_| (*value as f64).into(), Value::from),
        Node::Float(value) => (*value).into(),
        // Their parts are looked at one by one.
        Node::List(_) => Value::Array(Vec::new()),
        Node::Map(_) => Value::Object(serde_json::Map::new()),
        Node::Tagged => return Held::Anything,
    })
}

/// The values of a schema that is nothing but a choice of values.
fn constants(schema: &Value) -> Option<Vec<&Value>> {
    if let Some(only) = schema.get("const") {
        return Some(vec![only]);
    }
    if let Some(words) = schema["enum"].as_array() {
        return Some(words.iter().collect());
    }
    let ways = schema["oneOf"].as_array().or(schema["anyOf"].as_array())?;
    let each: Option<Vec<Vec<&Value>>> = ways.iter().map(constants).collect();
    each.map(|each| each.concat()).filter(|words| !words.is_empty())
}

fn resolve<'s>(schema: &'s Value, root: &'s Value) -> &'s Value {
    let target =
        schema["$ref"].as_str().and_then(|reference| root.pointer(reference.trim_start_matches('#')));
    target.unwrap_or(schema)
}

fn types(schema: &Value) -> impl Iterator<Item = &str> {
    let one = schema["type"].as_str();
    one.into_iter().chain(schema["type"].as_array().into_iter().flatten().filter_map(Value::as_str))
}

/// Is a value of this type there?
fn accepts(schema: &Value, at: &Cursor<'_>) -> bool {
    let kind = match held(at) {
        Held::Value(value) => value,
        _ => Value::String(String::new()),
    };
    constants(schema).map_or_else(
        || types(schema).next().is_none() || types(schema).any(|name| is(&kind, name)),
        |words| words.iter().any(|word| std::mem::discriminant(*word) == std::mem::discriminant(&kind)),
    )
}

fn is(value: &Value, name: &str) -> bool {
    match (value, name) {
        (Value::Null, "null") | (Value::Bool(_), "boolean") | (Value::String(_), "string") => true,
        (Value::Number(number), "integer") => number.is_i64() || number.is_u64(),
        (Value::Number(_), "number") | (Value::Array(_), "array") | (Value::Object(_), "object") => true,
        _ => false,
    }
}

fn named(name: &str) -> &str {
    match name {
        "string" => "text",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "true or false",
        "array" => "a list",
        "object" => "a mapping",
        other => other,
    }
}

fn required(schema: &Value) -> impl Iterator<Item = &str> {
    schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str)
}

fn all(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
