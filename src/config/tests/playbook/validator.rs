//! As much of a validator of JSON Schema as the schema of a playbook asks for. What it does not know makes the test fail.

use regex::Regex;
use serde_json::Value;

/// Words that say nothing of what is valid.
const SILENT: [&str; 9] =
    ["$schema", "$defs", "$comment", "title", "description", "default", "examples", "format", "then"];

/// What a schema has against a value: the first thing.
pub(super) fn valid(root: &Value, schema: &Value, value: &Value, path: &str) -> Result<(), String> {
    let Value::Object(words) = schema else {
        return if schema == false { Err(format!("{path}: nothing may stand here")) } else { Ok(()) };
    };
    for (word, rule) in words {
        let holds = match word.as_str() {
            word if SILENT.contains(&word) => true,
            "$ref" => {
                let target = root.pointer(rule.as_str().unwrap().trim_start_matches('#'));
                valid(root, target.unwrap_or_else(|| panic!("no {rule}")), value, path)?;
                true
            }
            "type" => match rule {
                Value::Array(names) => names.iter().any(|name| is(value, name.as_str().unwrap())),
                name => is(value, name.as_str().unwrap()),
            },
            "const" => value == rule,
            "enum" => rule.as_array().unwrap().contains(value),
            "properties" => {
                for (name, property) in rule.as_object().unwrap() {
                    if let Some(value) = value.get(name) {
                        valid(root, property, value, &format!("{path}.{name}"))?;
                    }
                }
                true
            }
            "additionalProperties" => {
                for (name, value) in value.as_object().into_iter().flatten() {
                    if words.get("properties").and_then(|known| known.get(name)).is_none() {
                        valid(root, rule, value, &format!("{path}.{name}"))?;
                    }
                }
                true
            }
            "required" => {
                let lacks = |name: &&Value| value.is_object() && value.get(name.as_str().unwrap()).is_none();
                !rule.as_array().unwrap().iter().any(|name| lacks(&name))
            }
            "dependentRequired" => rule.as_object().unwrap().iter().all(|(name, needed)| {
                value.get(name).is_none()
                    || needed
                        .as_array()
                        .unwrap()
                        .iter()
                        .all(|name| value.get(name.as_str().unwrap()).is_some())
            }),
            "items" => {
                for (at, item) in value.as_array().into_iter().flatten().enumerate() {
                    valid(root, rule, item, &format!("{path}[{at}]"))?;
                }
                true
            }
            "allOf" => {
                for part in rule.as_array().unwrap() {
                    valid(root, part, value, path)?;
                }
                true
            }
            "anyOf" => rule.as_array().unwrap().iter().any(|way| valid(root, way, value, path).is_ok()),
            "oneOf" => {
                rule.as_array().unwrap().iter().filter(|way| valid(root, way, value, path).is_ok()).count()
                    == 1
            }
            "not" => valid(root, rule, value, path).is_err(),
            "if" => {
                if valid(root, rule, value, path).is_ok() {
                    valid(root, &words["then"], value, path)?;
                }
                true
            }
            "pattern" => {
                value.as_str().is_none_or(|text| Regex::new(rule.as_str().unwrap()).unwrap().is_match(text))
            }
            "minLength" => {
                value.as_str().is_none_or(|text| text.chars().count() as u64 >= rule.as_u64().unwrap())
            }
            "maxLength" => {
                value.as_str().is_none_or(|text| text.chars().count() as u64 <= rule.as_u64().unwrap())
            }
            "minItems" => value.as_array().is_none_or(|items| items.len() as u64 >= rule.as_u64().unwrap()),
            "maxItems" => value.as_array().is_none_or(|items| items.len() as u64 <= rule.as_u64().unwrap()),
            "uniqueItems" => value
                .as_array()
                .is_none_or(|items| items.iter().enumerate().all(|(at, item)| !items[..at].contains(item))),
            "minimum" => value.as_f64().is_none_or(|number| number >= rule.as_f64().unwrap()),
            "maximum" => value.as_f64().is_none_or(|number| number <= rule.as_f64().unwrap()),
            other => panic!("{path}: nobody knows `{other}`"),
        };
        if !holds {
            return Err(format!("{path}: {value} is against {word}: {rule}"));
        }
    }
    Ok(())
}

fn is(value: &Value, name: &str) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("no type is called `{other}`"),
    }
}
