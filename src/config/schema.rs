//! The JSON Schema of each file, for editors.

use super::drill_spec::DrillSpec;
use super::model::Config;
use super::playbook_file;
use super::restore_spec::RestoreSpec;
use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Value, json};

/// The JSON Schema (draft 2020-12) of the configuration file.
///
/// It is looser than the parser in what a schema cannot say, such as rules between fields.
pub fn schema() -> Value {
    of::<Config>()
}

/// The same of the restore specification.
pub fn restore_schema() -> Value {
    of::<RestoreSpec>()
}

/// The same of a drill.
pub fn drill_schema() -> Value {
    of::<DrillSpec>()
}

/// The same of a playbook, with the arguments of every action.
pub fn playbook_schema() -> Value {
    playbook_file::playbook_schema(crate::playbook::actions::all())
}

fn of<T: JsonSchema>() -> Value {
    let mut schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>().to_value();
    allow_empty(&mut schema);
    if let Some(definitions) = schema.get_mut("$defs").and_then(Value::as_object_mut) {
        definitions.values_mut().for_each(allow_empty);
    }
    schema
}

/// The parser takes an optional field without a value (`etcd:` and nothing more) as absent, and so must the schema.
pub(super) fn allow_empty(section: &mut Value) {
    let required = section.get("required").cloned().unwrap_or_default();
    let is_required =
        |name: &str| required.as_array().is_some_and(|names| names.iter().any(|other| other == name));
    let Some(properties) = section.get_mut("properties").and_then(Value::as_object_mut) else { return };
    for (_, property) in properties.iter_mut().filter(|(name, _)| !is_required(name)) {
        let Some(property) = property.as_object_mut() else { continue };
        if let Some(reference) = property.shift_remove("$ref") {
            property.shift_insert(0, "anyOf".to_owned(), json!([{"$ref": reference}, {"type": "null"}]));
        }
        if let Some(kind) = property.get_mut("type").filter(|kind| kind.is_string()) {
            *kind = json!([kind.clone(), "null"]);
        }
        if let Some(words) = property.get_mut("enum").and_then(Value::as_array_mut) {
            words.push(Value::Null);
        }
        if let Some(only) = property.shift_remove("const") {
            property.insert("enum".to_owned(), json!([only, null]));
        }
    }
}
