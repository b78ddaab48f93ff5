//! Values at the end of a way through an object, such as `spec.containers.*.image`: fields are parted by dots, `*` is every
//! element of a list, and the empty way ends where it began.

use serde_json::{Map, Value};

/// Calls `visit` with every value at the end of the way.
pub(super) fn each(value: &mut Value, way: &str, visit: &mut dyn FnMut(&mut Value)) {
    if way.is_empty() {
        return visit(value);
    }
    let (step, rest) = way.split_once('.').unwrap_or((way, ""));
    match value {
        Value::Array(list) if step == "*" => list.iter_mut().for_each(|element| each(element, rest, visit)),
        Value::Object(map) => map.get_mut(step).into_iter().for_each(|field| each(field, rest, visit)),
        _ => {}
    }
}

/// The same for the maps among them.
pub(super) fn each_map(value: &mut Value, way: &str, visit: &mut dyn FnMut(&mut Map<String, Value>)) {
    each(value, way, &mut |found| found.as_object_mut().into_iter().for_each(&mut *visit));
}

/// The text in this field of a value, if there is one.
pub(super) fn text<'a>(value: &'a Value, way: &[&str]) -> Option<&'a str> {
    way.iter().try_fold(value, |at, field| at.get(field))?.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_value_at_the_end_of_a_way_is_visited() {
        let mut object = json!({"a": [{"b": "x"}, {"c": 1}, {"b": "y"}], "d": {"b": "z"}});
        let mut seen = Vec::new();
        for way in ["a.*.b", "d.b", "a.b", "d.*", "nowhere.b"] {
            each(&mut object, way, &mut |value| seen.push(value.as_str().unwrap().to_owned()));
        }
        assert_eq!(seen, ["x", "y", "z"]);
        each(&mut object, "", &mut |value| *value = json!(null));
        assert_eq!(object, json!(null));
    }
}
