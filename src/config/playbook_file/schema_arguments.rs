//! The arguments of each action in the schema of a playbook: as the action has them, but that any value may be an expression.

use crate::playbook::actions::{Action, Class};
use serde_json::{Map, Value, json};

/// The definition of a text that has an expression in it.
const EXPRESSION: &str = "Expression";

/// What `args` is for every `action`, and the definitions that it needs.
pub(super) fn arguments(actions: &[&dyn Action]) -> (Vec<Value>, Map<String, Value>) {
    let mut definitions = Map::new();
    if actions.is_empty() {
        return (Vec::new(), definitions);
    }
    let expression = json!({"type": "string", "pattern": r"\$\{", "description": "A text with `${…}` in it, an expression in CEL."});
    definitions.insert(EXPRESSION.to_owned(), expression);
    let names: Vec<Value> = actions.iter().map(|action| named(*action)).collect();
    let mut choices = vec![json!({"properties": {"action": {"oneOf": names}}})];
    for action in actions {
        let mut schema = action.arguments().to_value();
        let own = schema.as_object_mut().and_then(|schema| schema.shift_remove("$defs"));
        for (name, mut definition) in own.and_then(object).unwrap_or_default() {
            open(&mut definition, action.name());
            definitions.insert(full(action.name(), &name), definition);
        }
        if let Some(schema) = schema.as_object_mut() {
            schema.shift_remove("$schema");
            schema.shift_remove("title");
        }
        parts(&mut schema, action.name());
        let needs = schema["required"].as_array().is_some_and(|names| !names.is_empty());
        let mut then = json!({"properties": {"args": {"$ref": format!("#/$defs/{}", action.name())}}});
        if needs {
            then["required"] = json!(["args"]);
        }
        choices.push(json!({
            "if": {"required": ["action"], "properties": {"action": {"const": action.name()}}},
            "then": then,
        }));
        definitions.insert(action.name().to_owned(), schema);
    }
    (choices, definitions)
}

fn named(action: &dyn Action) -> Value {
    let class = match action.class() {
        Class::Read => "It changes nothing.",
        Class::Undoable => "It can be taken back.",
        Class::HardToUndo => "It can be taken back in part, or with luck.",
        Class::Irreversible => "It stays.",
    };
    json!({"const": action.name(), "description": format!("{} {class}", action.about())})
}

fn full(action: &str, name: &str) -> String {
    format!("{action}.{name}")
}

fn object(value: Value) -> Option<Map<String, Value>> {
    match value {
        Value::Object(fields) => Some(fields),
        _ => None,
    }
}

/// Lets a text with an expression stand in the place of what the schema wants, and does so with its parts.
fn open(schema: &mut Value, action: &str) {
    parts(schema, action);
    let any_text = schema["type"] == "string" && schema["pattern"].is_null() && schema["enum"].is_null();
    let anything = schema.as_object().is_some_and(|fields| !fields.contains_key("type") && fields.len() <= 1)
        && schema["$ref"].is_null();
    if any_text || anything || schema.is_boolean() {
        return;
    }
    let mut inner = schema.take();
    let mut outer = Map::new();
    for kept in ["description", "default"] {
        if let Some(value) = inner.as_object_mut().and_then(|fields| fields.shift_remove(kept)) {
            outer.insert(kept.to_owned(), value);
        }
    }
    outer.insert("anyOf".to_owned(), json!([inner, {"$ref": format!("#/$defs/{EXPRESSION}")}]));
    *schema = outer.into();
}

/// The schemas that stand in a schema.
fn parts(schema: &mut Value, action: &str) {
    let Some(fields) = schema.as_object_mut() else { return };
    for (name, value) in fields.iter_mut() {
        match (name.as_str(), value) {
            ("$ref", Value::String(reference)) => {
                if let Some(name) = reference.strip_prefix("#/$defs/") {
                    *reference = format!("#/$defs/{}", full(action, name));
                }
            }
            ("properties", Value::Object(properties)) => {
                properties.values_mut().for_each(|property| open(property, action));
            }
            ("items" | "additionalProperties", value @ Value::Object(_)) => open(value, action),
            // The ways are those of the value around them, which may be an expression as a whole.
            ("anyOf" | "oneOf" | "allOf", Value::Array(ways)) => {
                ways.iter_mut().for_each(|way| parts(way, action));
            }
            _ => {}
        }
    }
}
