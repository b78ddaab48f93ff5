use super::*;
use proptest::prelude::*;
use serde_json::json;

fn shown(old: &Value, new: &Value) -> Vec<String> {
    let text = |value: &Option<Value>| value.as_ref().map_or("absent".to_owned(), Value::to_string);
    diff(old, new).iter().map(|c| format!("{}: {} -> {}", c.path, text(&c.old), text(&c.new))).collect()
}

#[test]
fn elements_are_found_again_by_their_merge_key() {
    let pod = |containers: Value| json!({"spec": {"containers": containers}});
    let old =
        pod(json!([{"name": "web", "image": "a:1", "env": [{"name": "A", "value": "1"}]}, {"name": "log"}]));
    let new = pod(
        json!([{"name": "init"}, {"name": "web", "image": "a:2", "env": [{"name": "A", "value": "1"}, {"name": "B"}]}]),
    );
    let wanted = [
        "spec.containers[name=web].env[name=B]: absent -> {\"name\":\"B\"}",
        "spec.containers[name=web].image: \"a:1\" -> \"a:2\"",
        "spec.containers[name=log]: {\"name\":\"log\"} -> absent",
        "spec.containers[name=init]: absent -> {\"name\":\"init\"}",
        "spec.containers[order]: [\"web\",\"log\"] -> [\"init\",\"web\"]",
    ];
    assert_eq!(shown(&old, &new), wanted);
}

#[test]
fn lists_without_a_key_are_compared_by_place_and_plain_lists_as_a_whole() {
    let old = json!({"rules": [{"verbs": ["get"]}, {"verbs": ["list"]}], "p": [{"port": 1, "name": "x"}, {"port": 2, "name": "x"}]});
    let new = json!({"rules": [{"verbs": ["get", "list"]}], "p": [{"port": 2, "name": "x"}, {"port": 3, "name": "x"}]});
    let wanted = [
        "p[port=1]: {\"name\":\"x\",\"port\":1} -> absent",
        "p[port=3]: absent -> {\"name\":\"x\",\"port\":3}",
        "rules[0].verbs: [\"get\"] -> [\"get\",\"list\"]",
        "rules[1]: {\"verbs\":[\"list\"]} -> absent",
    ];
    let normal = |lines: Vec<String>| {
        lines
            .into_iter()
            .map(|l| {
                l.replace("{\"port\":1,\"name\":\"x\"}", "{\"name\":\"x\",\"port\":1}")
                    .replace("{\"port\":3,\"name\":\"x\"}", "{\"name\":\"x\",\"port\":3}")
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(normal(shown(&old, &new)), wanted);
}

#[test]
fn names_that_are_no_words_are_quoted() {
    let of = |value: &str| json!({"metadata": {"labels": {"app.kubernetes.io/name": value}, "x\"y": 1}});
    assert_eq!(shown(&of("a"), &of("b")), ["metadata.labels[\"app.kubernetes.io/name\"]: \"a\" -> \"b\""]);
    assert_eq!(shown(&json!(null), &json!({})), [": null -> {}"]);
    assert_eq!(shown(&json!({"a": null}), &json!({})), ["a: null -> absent"]);
}

/// Applies changes to a value, as their paths say, in their order but for removals from lists, which come last.
fn replay(value: &mut Value, changes: &[FieldChange]) {
    let shortens = |c: &&FieldChange| c.new.is_none() && matches!(c.path.0.last(), Some(Step::Index(_)));
    for change in changes.iter().filter(|c| !shortens(c)) {
        put(value, &change.path.0, change);
    }
    for change in changes.iter().filter(shortens).rev() {
        put(value, &change.path.0, change);
    }
}

fn put(value: &mut Value, steps: &[Step], change: &FieldChange) {
    let Some((step, rest)) = steps.split_first() else {
        *value = change.new.clone().unwrap();
        return;
    };
    let at = match step {
        Step::Field(name) => {
            let map = value.as_object_mut().unwrap();
            if !rest.is_empty() {
                put(&mut map[name], rest, change);
            } else if let Some(new) = &change.new {
                map.insert(name.clone(), new.clone());
            } else {
                map.shift_remove(name);
            }
            return;
        }
        Step::Order => {
            let list = value.as_array_mut().unwrap();
            let keys = change.new.as_ref().unwrap().as_array().unwrap();
            let place = |element: &Value| {
                keys.iter().position(|key| MERGE_KEYS.iter().any(|k| element.get(*k) == Some(key)))
            };
            list.sort_by_key(place);
            return;
        }
        Step::Index(at) => *at,
        Step::Item { key, value: wanted } => {
            let list = value.as_array().unwrap();
            list.iter()
                .position(|e| e.get(*key).map(ToString::to_string).as_ref() == Some(wanted))
                .unwrap_or(list.len())
        }
    };
    let list = value.as_array_mut().unwrap();
    if !rest.is_empty() {
        put(&mut list[at], rest, change);
    } else if let Some(new) = &change.new {
        if at < list.len() { list[at] = new.clone() } else { list.push(new.clone()) }
    } else {
        list.remove(at);
    }
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0i64..3).prop_map(Value::from),
        "[ab.\"]{0,2}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 4, |inner| {
        let map = prop::collection::vec(("[a-c./]{1,2}", inner.clone()), 0..4)
            .prop_map(|fields| Value::Object(fields.into_iter().collect()));
        let named = prop::collection::vec((0i64..4, inner.clone()), 0..4).prop_map(|items| {
            let item = |(name, value)| json!({"name": name, "value": value});
            Value::Array(items.into_iter().map(item).collect())
        });
        prop_oneof![
            map.clone(),
            named,
            prop::collection::vec(map, 0..3).prop_map(Value::Array),
            prop::collection::vec(inner, 0..3).prop_map(Value::Array)
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]
    #[test]
    fn an_object_does_not_differ_from_itself(value in values()) {
        prop_assert_eq!(diff(&value, &value), vec![]);
    }

    #[test]
    fn the_changes_lead_from_the_one_to_the_other(old in values(), new in values()) {
        let changes = diff(&old, &new);
        let mut value = old.clone();
        replay(&mut value, &changes);
        prop_assert_eq!(&value, &new);
        prop_assert_eq!(changes.is_empty(), old == new);
        for change in &changes {
            prop_assert!(change.old != change.new, "{}", change.path);
        }
    }
}
