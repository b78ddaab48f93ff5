//! Fields that are set, with what they held before: that is what a change is, and what takes it back.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fmt;

/// One field that is set, added or removed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FieldSet {
    /// The names of the fields that lead to it. A list is one value, or `{"name":"x"}` is the entry that holds this.
    pub path: Vec<String>,
    /// What it holds before; none when it is not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// What it holds afterwards; none when it is not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

/// How an object stands to fields that are to be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Every field holds what it held before.
    Before,
    /// Every field holds what it holds afterwards.
    After,
    /// Some field holds something else.
    Other,
}

impl FieldSet {
    /// A field of this object that is to hold `after`; none when it does already.
    pub fn of(object: &Value, path: &[&str], after: Option<Value>) -> Option<Self> {
        let path: Vec<String> = path.iter().map(|name| (*name).to_owned()).collect();
        let before = get(object, &path).cloned();
        (before != after).then_some(FieldSet { path, before, after })
    }

    /// The entry of a list that holds these fields: a part of a path.
    pub fn entry(fields: &Value) -> String {
        fields.to_string()
    }

    /// The same the other way.
    pub fn reversed(&self) -> Self {
        FieldSet { path: self.path.clone(), before: self.after.clone(), after: self.before.clone() }
    }

    /// As a path with dots, for people.
    pub fn name(&self) -> String {
        let plain = |name: &String| {
            name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        };
        let each = self.path.iter().enumerate().map(|(at, name)| match (plain(name), at) {
            (true, 0) => name.clone(),
            (true, _) => format!(".{name}"),
            (false, _) => format!("[{name:?}]"),
        });
        each.collect()
    }
}

impl fmt::Display for FieldSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |value: &Option<Value>| value.as_ref().map_or("(absent)".to_owned(), Value::to_string);
        write!(f, "{}: {} -> {}", self.name(), text(&self.before), text(&self.after))
    }
}

fn get<'a>(object: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter().try_fold(object, |value, name| match (value, entry(name)) {
        (Value::Array(items), Some(keys)) => items.iter().find(|item| holds(item, &keys)),
        (value, _) => value.get(name),
    })
}

/// The fields by which a part of a path names an entry of a list. No name of a field begins so.
fn entry(name: &str) -> Option<Map<String, Value>> {
    name.starts_with('{').then(|| serde_json::from_str(name).ok()).flatten()
}

fn holds(item: &Value, keys: &Map<String, Value>) -> bool {
    keys.iter().all(|(name, value)| item.get(name) == Some(value))
}

/// Sets an entry of a list as a whole: it is put in its place, or at the end.
fn set_entry(list: &mut Value, keys: &Map<String, Value>, value: Option<&Value>) {
    if list.is_null() {
        *list = Value::Array(Vec::new());
    }
    let Some(items) = list.as_array_mut() else { return };
    match (items.iter().position(|item| holds(item, keys)), value) {
        (Some(at), Some(value)) => items[at] = value.clone(),
        (Some(at), None) => drop(items.remove(at)),
        (None, Some(value)) => items.push(value.clone()),
        (None, None) => {}
    }
}

/// Sets a field; mappings that lead to it are made, and those that were left empty by a removal go.
fn set(object: &mut Value, path: &[String], value: Option<&Value>) {
    let Some((name, rest)) = path.split_first() else { return };
    if let (Some(keys), true) = (entry(name), rest.is_empty()) {
        return set_entry(object, &keys, value);
    }
    if !object.is_object() {
        if value.is_none() {
            return;
        }
        *object = Value::Object(Map::new());
    }
    let Some(fields) = object.as_object_mut() else { return };
    if !rest.is_empty() {
        if value.is_none() && !fields.contains_key(name) {
            return;
        }
        set(fields.entry(name.clone()).or_insert(Value::Null), rest, value);
        let empty = |it: &Value| {
            it.as_object().is_some_and(Map::is_empty) || it.as_array().is_some_and(Vec::is_empty)
        };
        if value.is_none() && fields.get(name).is_some_and(empty) {
            fields.shift_remove(name);
        }
        return;
    }
    match value {
        Some(value) => drop(fields.insert(name.clone(), value.clone())),
        None => drop(fields.shift_remove(name)),
    }
}

/// Sets all of them.
pub fn set_all(object: &mut Value, fields: &[FieldSet]) {
    for field in fields {
        set(object, &field.path, field.after.as_ref());
    }
}

/// How an object stands to them. One for which before and after are the same says nothing.
pub fn standing(object: &Value, fields: &[FieldSet]) -> Standing {
    let all = |wanted: fn(&FieldSet) -> Option<&Value>| {
        fields.iter().all(|field| get(object, &field.path) == wanted(field))
    };
    if all(|field| field.after.as_ref()) {
        Standing::After
    } else if all(|field| field.before.as_ref()) {
        Standing::Before
    } else {
        Standing::Other
    }
}

/// The fields that do not hold what they should, in words.
pub fn differing(object: &Value, fields: &[FieldSet]) -> String {
    let text = |value: Option<&Value>| value.map_or("nothing".to_owned(), Value::to_string);
    let wrong = fields.iter().filter(|field| get(object, &field.path) != field.before.as_ref());
    let each = wrong.map(|field| {
        let (held, now) = (text(field.before.as_ref()), text(get(object, &field.path)));
        format!("{} held {held} and holds {now}", field.name())
    });
    each.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn fields_are_set_removed_and_told() {
        let object = json!({"metadata": {"name": "a", "labels": {"app": "web"}}, "spec": {"replicas": 2}});
        let app = FieldSet::of(&object, &["metadata", "labels", "app"], None).unwrap();
        let note = FieldSet::of(&object, &["metadata", "annotations", "a.b/c"], Some(json!("x"))).unwrap();
        assert!(FieldSet::of(&object, &["spec", "replicas"], Some(json!(2))).is_none());
        let mut changed = object.clone();
        set_all(&mut changed, &[app.clone(), note.clone()]);
        assert_eq!(
            changed,
            json!({"metadata": {"name": "a", "annotations": {"a.b/c": "x"}}, "spec": {"replicas": 2}})
        );
        let fields = [app, note];
        assert_eq!(standing(&object, &fields), Standing::Before);
        assert_eq!(standing(&changed, &fields), Standing::After);
        let mut other = changed.clone();
        other["metadata"]["annotations"]["a.b/c"] = json!("y");
        assert_eq!(standing(&other, &fields), Standing::Other);
        assert_eq!(fields[1].to_string(), "metadata.annotations[\"a.b/c\"]: (absent) -> \"x\"");
        let back: Vec<FieldSet> = fields.iter().map(FieldSet::reversed).collect();
        assert_eq!(differing(&other, &back), "metadata.annotations[\"a.b/c\"] held \"x\" and holds \"y\"");
    }

    #[test]
    fn entries_of_lists_are_set_by_what_they_are_called() {
        let object = json!({"spec": {"taints": [{"key": "a", "effect": "NoSchedule"}]}});
        let entry = FieldSet::entry(&json!({"key": "b"}));
        let path = ["spec", "taints", entry.as_str()];
        let field = FieldSet::of(&object, &path, Some(json!({"key": "b", "effect": "NoExecute"}))).unwrap();
        let mut changed = object.clone();
        set_all(&mut changed, std::slice::from_ref(&field));
        assert_eq!(changed["spec"]["taints"][1]["effect"], "NoExecute");
        // Somebody else adds one meanwhile: that stays.
        changed["spec"]["taints"].as_array_mut().unwrap().insert(0, json!({"key": "c"}));
        assert_eq!(standing(&changed, std::slice::from_ref(&field)), Standing::After);
        set_all(&mut changed, &[field.reversed()]);
        assert_eq!(
            changed,
            json!({"spec": {"taints": [{"key": "c"}, {"key": "a", "effect": "NoSchedule"}]}})
        );
        // The first makes the list, and takes it along.
        let mut bare = json!({"spec": {"x": 1}});
        let first = FieldSet::of(&bare, &path, Some(json!({"key": "b"}))).unwrap();
        set_all(&mut bare, std::slice::from_ref(&first));
        assert_eq!(bare, json!({"spec": {"x": 1, "taints": [{"key": "b"}]}}));
        set_all(&mut bare, &[first.reversed()]);
        assert_eq!(bare, json!({"spec": {"x": 1}}));
    }

    fn tree() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![any::<bool>().prop_map(Value::from), "[a-c]{1,2}".prop_map(Value::from)];
        leaf.prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                prop::collection::btree_map("[a-c]", inner.clone(), 1..3)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
                prop::collection::vec(inner, 1..3).prop_map(Value::from),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_set_is_set_back(
            object in prop::collection::btree_map("[a-c]", tree(), 1..3),
            path in prop::collection::vec("[a-c]", 1..4),
            after in prop::option::of(tree()),
        ) {
            let object = Value::Object(object.into_iter().collect());
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            // A field below a text or a list is refused by the API server; nothing is planned there.
            let leads = path.iter().take(path.len() - 1).try_fold(&object, |value, name| {
                if value.is_object() { Some(value.get(name).unwrap_or(&Value::Null)) } else { None }
            });
            prop_assume!(leads.is_some_and(|parent| parent.is_object() || (parent.is_null() && after.is_some())));
            if let Some(field) = FieldSet::of(&object, &path, after) {
                let mut changed = object.clone();
                set_all(&mut changed, std::slice::from_ref(&field));
                prop_assert_eq!(standing(&changed, std::slice::from_ref(&field)), Standing::After);
                set_all(&mut changed, &[field.reversed()]);
                let plain = |value: &Value| serde_json::from_str::<std::collections::BTreeMap<String, Value>>(&value.to_string()).unwrap();
                prop_assert_eq!(plain(&changed), plain(&object));
            }
        }
    }
}
