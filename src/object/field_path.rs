//! The way to a field: `spec.template.spec.containers[name=web].image`.

use serde::{Serialize, Serializer};
use std::fmt;

/// One step on the way to a field.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// A field of a map.
    Field(String),
    /// The element of a list whose field `key` has this value.
    Item {
        /// The field that tells the elements apart.
        key: &'static str,
        /// Its value, as JSON.
        value: String,
    },
    /// The element of a list at this place.
    Index(usize),
    /// Not an element, but the order of a list's elements.
    Order,
}

/// The steps to a field, from the object down.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct FieldPath(pub Vec<Step>);

impl FieldPath {
    pub(super) fn push(&mut self, step: Step) {
        self.0.push(step);
    }

    pub(super) fn pop(&mut self) {
        self.0.pop();
    }

    /// Does the way begin with these fields?
    pub fn starts_with(&self, fields: &[&str]) -> bool {
        fields.len() <= self.0.len()
            && self
                .0
                .iter()
                .zip(fields)
                .all(|(step, field)| matches!(step, Step::Field(name) if name == field))
    }
}

fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.0.iter().enumerate() {
            match step {
                Step::Field(name) if is_plain(name) => {
                    write!(f, "{}{name}", if at == 0 { "" } else { "." })?;
                }
                Step::Field(name) => write!(f, "[{}]", serde_json::Value::from(name.as_str()))?,
                Step::Item { key, value } => match value.trim_matches('"') {
                    plain if is_plain(plain) => write!(f, "[{key}={plain}]")?,
                    _ => write!(f, "[{key}={value}]")?,
                },
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Order => f.write_str("[order]")?,
            }
        }
        Ok(())
    }
}

impl Serialize for FieldPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
