use super::super::super::restore_schema;
use super::{FULL, errors, parse};
use serde_json::{Value, json};

/// Fields that the parser knows in a section: it names them when it meets one that is like none of them.
fn known_to_the_parser(text: &str) -> Vec<String> {
    let error = errors(&text.replace('_', "{qqqqqqqqqqqqqqqqqqqqqqqq: 1}"));
    let list = error.lines().find_map(|line| line.split_once("allowed here: ")).unwrap().1;
    let mut names: Vec<_> = list.split(", ").map(|name| name.trim_matches('`').to_owned()).collect();
    names.sort();
    names
}

#[test]
fn the_schema_has_the_fields_of_the_parser() {
    let schema = restore_schema();
    for (text, name) in [
        ("_", ""),
        ("select: _", "Select"),
        ("rename: _", "Rename"),
        ("keep: _", "Keep"),
        ("modifiers: [_]", "Modifier"),
        ("modifiers: [{jsonPatch: [_]}]", "Operation"),
    ] {
        let section = if name.is_empty() { &schema } else { &schema["$defs"][name] };
        let fields = section["properties"].as_object().unwrap();
        let mut names: Vec<_> = fields.keys().cloned().collect();
        names.sort();
        assert_eq!(names, known_to_the_parser(text), "{name}");
        assert_eq!(section["additionalProperties"], false, "{name}");
        assert!(fields.values().all(|field| field["description"].is_string()), "{name}: {fields:#?}");
    }
    assert_eq!(schema["$defs"]["Operation"]["required"], json!(["op", "path"]));
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert!(schema.get("required").is_none());
    assert_eq!(schema["properties"]["fieldManager"]["default"], "lifeboat");
}

/// Checks what can be checked without a validator: fields, and types.
fn fits(root: &Value, schema: &Value, value: &Value, path: &str) {
    let schema = match schema["$ref"].as_str() {
        Some(reference) => &root["$defs"][reference.trim_start_matches("#/$defs/")],
        None => schema,
    };
    let kind = match value {
        Value::Object(_) => "object",
        Value::Array(_) => "array",
        Value::String(_) => "string",
        Value::Bool(_) => "boolean",
        Value::Null => "null",
        Value::Number(_) => "integer",
    };
    if let Some(ways) = schema["anyOf"].as_array() {
        let typed = ways.iter().find(|way| way["type"] == kind);
        let other = ways.iter().find(|way| way["type"].is_null());
        return fits(root, typed.or(other).unwrap_or_else(|| panic!("{path}: {schema}")), value, path);
    }
    if let Some(ways) = schema["oneOf"].as_array() {
        return assert!(ways.iter().any(|way| &way["const"] == value), "{path}: {value} in {schema}");
    }
    if schema["type"].is_null() {
        return;
    }
    assert!(schema["type"].to_string().contains(kind), "{path}: {value} in {schema}");
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let property = &schema["properties"][name];
                let property = if property.is_null() { &schema["additionalProperties"] } else { property };
                assert!(property.is_object() || property == true, "{path}.{name} is not in the schema");
                fits(root, property, value, &format!("{path}.{name}"));
            }
        }
        Value::Array(items) => items.iter().for_each(|item| fits(root, &schema["items"], item, path)),
        _ => {}
    }
}

#[test]
fn the_schema_fits_what_the_parser_reads() {
    let schema = restore_schema();
    for text in [FULL, "{}", "onConflict: skip", "select:\nkeep:\nonConflict:\nmodifiers: [{jsonPatch: []}]"]
    {
        parse(text).unwrap();
        fits(&schema, &schema, &serde_yaml::from_str(text).unwrap(), "");
    }
}
