//! What a step brings for the expressions after it.

use super::actions::Live;
use serde_json::Value;
use std::sync::Arc;

/// What a step brings.
#[derive(Debug, Clone)]
pub enum Brought {
    /// A value.
    Value(Value),
    /// Objects of the cluster. Thousands of them are not written out for whoever asks only which they are.
    Objects(Arc<[Live]>),
}

impl Brought {
    /// All of it.
    pub fn value(&self) -> Value {
        match self {
            Brought::Value(value) => value.clone(),
            Brought::Objects(objects) => objects.iter().map(Live::to_value).collect(),
        }
    }

    /// What of it can be written down.
    pub fn slim(&self) -> Value {
        match self {
            Brought::Value(value) => slim(value),
            Brought::Objects(objects) => objects.iter().map(|live| slim(&live.object.to_value())).collect(),
        }
    }
}

impl From<Value> for Brought {
    fn from(value: Value) -> Self {
        Brought::Value(value)
    }
}

/// What of a value can be written down: an object of the cluster is cut down to what names it, the rest of it may be anything.
pub fn slim(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let text = |name: &str| fields.get(name).is_some_and(Value::is_string);
            if text("kind") && text("name") && text("uid") {
                let names = ["apiVersion", "kind", "namespace", "name", "uid"];
                let kept =
                    names.iter().filter_map(|name| Some(((*name).to_owned(), fields.get(*name)?.clone())));
                return Value::Object(kept.collect());
            }
            Value::Object(fields.iter().map(|(name, field)| (name.clone(), slim(field))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(slim).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::playbook::op::ObjectRef;
    use serde_json::json;

    #[test]
    fn objects_are_cut_down_to_what_names_them() {
        let pod = json!({"kind": "Pod", "name": "a", "namespace": "n", "uid": "u", "spec": {"secret": 1}});
        let slimmed = json!({"kind": "Pod", "namespace": "n", "name": "a", "uid": "u"});
        assert_eq!(slim(&json!({"pods": [pod], "n": 1})), json!({"pods": [slimmed], "n": 1}));
    }

    #[test]
    fn objects_are_cut_down_as_their_values_are() {
        let object: ObjectRef = serde_json::from_value(json!({
            "group": "", "version": "v1", "resource": "pods", "kind": "Pod", "namespace": "n", "name": "a", "uid": "u",
        }))
        .unwrap();
        let json = Arc::new(json!({"metadata": {"labels": {"a": "b"}}, "spec": {"nodeName": "x"}}));
        let brought = Brought::Objects([Live { object, json }].into());
        assert_eq!(brought.value()[0]["spec"]["nodeName"], "x");
        assert_eq!(brought.slim(), slim(&brought.value()));
    }
}
