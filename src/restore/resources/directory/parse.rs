//! The documents of a file as JSON values, read more strictly than either format asks for: a field that is given twice, or a
//! number that JSON does not have, is an error and not whatever the parser makes of it.
//!
//! YAML is read in version 1.2: a plain `yes` or `0644` is text.

use super::Limits;
use serde::de::{DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::{cell::Cell, fmt};

/// What a value takes in memory beside its text, about.
const VALUE: u64 = 64;
const TOO_MUCH: &str = "it unfolds into more than can be kept: are there aliases that name each other?";

/// What is wrong with a text, and where.
#[derive(Debug, PartialEq)]
pub(super) struct Fault {
    pub(super) document: usize,
    pub(super) line: Option<usize>,
    pub(super) reason: String,
}

/// The one document of a JSON text.
pub(super) fn json(text: &str, limits: &Limits) -> Result<Value, Fault> {
    let left = Cell::new(limits.unfolded);
    let mut parser = serde_json::Deserializer::from_str(text);
    let value = Build { left: &left }.deserialize(&mut parser);
    let fault = |e: serde_json::Error, more: &str| {
        let said = e.to_string();
        let reason = said.split(" at line ").next().unwrap_or(&said);
        let line = Some(e.line()).filter(|line| *line > 0);
        Fault { document: 1, line, reason: format!("cannot be read as JSON: {reason}{more}") }
    };
    let value = value.map_err(|e| fault(e, ""))?;
    let more = "; a file has one JSON document, which may be a List";
    parser.end().map_err(|e| fault(e, more)).map(|()| value)
}

/// Calls `visit` for every document of a YAML text that is not empty.
pub(super) fn yaml<E>(
    text: &str,
    limits: &Limits,
    mut visit: impl FnMut(usize, Value) -> Result<(), E>,
    fault: impl Fn(Fault) -> E,
) -> Result<(), E> {
    let left = Cell::new(limits.unfolded);
    for (at, parser) in serde_yaml::Deserializer::from_str(text).enumerate() {
        let value = Build { left: &left }.deserialize(parser).map_err(|e| fault(yaml_fault(at + 1, &e)))?;
        if !value.is_null() {
            visit(at + 1, value)?;
        }
    }
    Ok(())
}

/// The line in which a document of a YAML text begins.
pub(super) fn line_of(text: &str, document: usize) -> Option<usize> {
    let parser = serde_yaml::Deserializer::from_str(text).nth(document.checked_sub(1)?)?;
    let stopped = Here.deserialize(parser).err()?;
    stopped.location().map(|at| at.line())
}

fn yaml_fault(document: usize, e: &serde_yaml::Error) -> Fault {
    let said = e.to_string();
    let what = said.split(" at line ").next().unwrap_or(&said);
    // What does not come from the scanner may repeat a value.
    let reason = match ["invalid value", "invalid type"].iter().any(|mark| said.contains(mark)) {
        true => "a value does not fit its YAML tag: remove the tag".to_owned(),
        false => format!("cannot be read as YAML: {what}"),
    };
    Fault { document, line: e.location().map(|at| at.line()), reason }
}

#[derive(Clone, Copy)]
struct Build<'a> {
    left: &'a Cell<u64>,
}

impl Build<'_> {
    fn take<E: Error>(self, text: usize) -> Result<(), E> {
        let cost = VALUE + text as u64;
        self.left.set(self.left.get().checked_sub(cost).ok_or_else(|| E::custom(TOO_MUCH))?);
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Build<'_> {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Build<'_> {
    type Value = Value;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }
    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        self.take(0).map(|()| Value::Null)
    }
    fn visit_none<E: Error>(self) -> Result<Value, E> {
        self.visit_unit()
    }
    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        self.take(0).map(|()| Value::from(value))
    }
    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        self.take(0).map(|()| Value::from(value))
    }
    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        self.take(0).map(|()| Value::from(value))
    }
    fn visit_u128<E: Error>(self, _: u128) -> Result<Value, E> {
        Err(E::custom("a number is too large"))
    }
    fn visit_i128<E: Error>(self, _: i128) -> Result<Value, E> {
        Err(E::custom("a number is too large"))
    }
    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        self.take(0)?;
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("a number is one that JSON does not have"))
    }
    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        self.take(value.len()).map(|()| Value::from(value))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        self.take(0)?;
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(self)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        self.take(0)?;
        let mut fields = Map::new();
        while let Some(name) = map.next_key_seed(self)? {
            let Value::String(name) = name else {
                return Err(A::Error::custom("the name of a field is no text: put it in quotes"));
            };
            if name == "<<" {
                return Err(A::Error::custom("merge keys (`<<`) are not supported: write the fields out"));
            }
            if fields.contains_key(&name) {
                return Err(A::Error::custom(format!("the field `{name}` is given twice: keep one")));
            }
            fields.insert(name, map.next_value_seed(self)?);
        }
        Ok(Value::Object(fields))
    }
    fn visit_enum<A: EnumAccess<'de>>(self, _: A) -> Result<Value, A::Error> {
        Err(A::Error::custom("YAML tags are not used in objects: remove the tag"))
    }
}

/// Stops where a document begins. Every visit method fails by default, and so marks the place.
struct Here;

impl<'de> DeserializeSeed<'de> for Here {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for Here {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this place")
    }
}
