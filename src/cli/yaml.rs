//! Objects as YAML that every reader takes for the same: those of YAML 1.1, such as kubectl, read a plain `yes` or `012` as no
//! text. So only text that begins with a letter and is like no other value stays plain.

use serde_json::{Map, Value};

/// Words that some reader takes for something else than text, in any case of their letters.
const WORDS: &[&str] = &["y", "yes", "n", "no", "on", "off", "true", "false", "null", "nan", "inf"];
/// A longer key has to be announced.
const KEY: usize = 1000;

/// The value as a YAML document.
pub(super) fn yaml(value: &Value) -> String {
    let mut out = String::new();
    match value {
        Value::Object(fields) if !fields.is_empty() => map(&mut out, fields, 0),
        Value::Array(items) if !items.is_empty() => list(&mut out, items, 0),
        other => out.push_str(&format!("{}\n", scalar(other))),
    }
    out
}

fn map(out: &mut String, fields: &Map<String, Value>, indent: usize) {
    for (at, (name, value)) in fields.iter().enumerate() {
        if at > 0 {
            pad(out, indent);
        }
        let name = text(name);
        if name.len() > KEY {
            out.push_str(&format!("? {name}\n"));
            pad(out, indent);
        } else {
            out.push_str(&name);
        }
        out.push(':');
        match value {
            Value::Object(fields) if !fields.is_empty() => {
                out.push('\n');
                pad(out, indent + 2);
                map(out, fields, indent + 2);
            }
            Value::Array(items) if !items.is_empty() => {
                out.push('\n');
                pad(out, indent);
                list(out, items, indent);
            }
            other => {
                out.push(' ');
                leaf(out, other, indent + 2);
            }
        }
    }
}

/// The first item stands where the cursor is.
fn list(out: &mut String, items: &[Value], indent: usize) {
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            pad(out, indent);
        }
        out.push_str("- ");
        match item {
            Value::Object(fields) if !fields.is_empty() => map(out, fields, indent + 2),
            Value::Array(items) if !items.is_empty() => list(out, items, indent + 2),
            other => leaf(out, other, indent + 2),
        }
    }
}

fn pad(out: &mut String, indent: usize) {
    out.extend(std::iter::repeat_n(' ', indent));
}

/// A value that is one line, or text of several.
fn leaf(out: &mut String, value: &Value, indent: usize) {
    let lines = value.as_str().filter(|text| is_block(text));
    let Some(text) = lines else {
        out.push_str(&scalar(value));
        out.push('\n');
        return;
    };
    let body = text.trim_end_matches('\n');
    out.push_str(match text.len() - body.len() {
        0 => "|-\n",
        1 => "|\n",
        _ => "|+\n",
    });
    for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
        if !line.is_empty() {
            pad(out, indent);
        }
        out.push_str(line);
        out.push('\n');
    }
}

/// Several lines, the first of which tells how far all are indented.
fn is_block(text: &str) -> bool {
    text.contains('\n')
        && !text.starts_with(char::is_whitespace)
        && text.chars().all(|c| c == '\n' || c == '\t' || is_printable(c))
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(it) => text(it),
        other => other.to_string(),
    }
}

fn text(text: &str) -> String {
    let inner = |c: char| c.is_ascii_alphanumeric() || "-_./:@+=,;()$* ".contains(c);
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && !text.ends_with([':', ' '])
        && !text.contains(": ")
        && text.chars().all(inner)
        && !WORDS.iter().any(|word| word.eq_ignore_ascii_case(text));
    if plain {
        return text.to_owned();
    }
    let mut quoted = String::new();
    for c in Value::from(text).to_string().chars() {
        match is_printable(c) {
            true => quoted.push(c),
            // Beyond the first plane there is nothing that may not stand there.
            false => quoted.push_str(&format!("\\u{:04X}", u32::from(c))),
        }
    }
    quoted
}

fn is_printable(c: char) -> bool {
    !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn it_looks_as_people_write_it() {
        let object = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "settings", "labels": {}, "annotations": {"example.com/on": "yes"}},
            "data": {"port": "8080", "config.yaml": "a: 1\n\n  b: 2\n", "no end": "a\nb", "on": "image:1.2@sha256:0a"},
            "list": [{"a": 1, "b": [true, null, -0.5]}, [], [["x"]], "# no comment"],
        });
        let wanted = "\
apiVersion: v1
kind: ConfigMap
metadata:
  name: settings
  labels: {}
  annotations:
    example.com/on: \"yes\"
data:
  port: \"8080\"
  config.yaml: |
    a: 1

      b: 2
  no end: |-
    a
    b
  \"on\": image:1.2@sha256:0a
list:
- a: 1
  b:
  - true
  - null
  - -0.5
- []
- - - x
- \"# no comment\"
";
        assert_eq!(yaml(&object), wanted);
    }

    fn any_text() -> impl Strategy<Value = String> {
        let odd = proptest::sample::select(vec![
            " ",
            "\n",
            "\t",
            "\r",
            ":",
            "#",
            "-",
            "a",
            "yes",
            "0",
            "1e3",
            "'",
            "\"",
            "\\",
            "|",
            "&",
            "\u{85}",
            "\u{2028}",
            "\u{feff}",
            "\u{7f}",
            "\0",
            "🚢",
            "\u{10ffff}",
            "---",
            "...",
            "? ",
            "!!int ",
        ]);
        prop_oneof!["\\PC{0,6}", proptest::collection::vec(odd, 0..8).prop_map(|parts| parts.concat())]
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<i32>().prop_map(|n| Value::from(f64::from(n) / 64.0)),
            any_text().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                proptest::collection::vec((any_text(), inner), 0..5)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    #[test]
    fn a_long_key_is_read() {
        let value = json!({"a": {"k".repeat(2000): {"b": ["c"]}, "d": "e"}});
        assert_eq!(serde_yaml::from_str::<Value>(&yaml(&value)).unwrap(), value);
    }

    proptest! {
        #[test]
        fn it_is_read_back_the_same(value in any_value()) {
            let text = yaml(&value);
            prop_assert_eq!(serde_yaml::from_str::<Value>(&text).unwrap(), value, "\n{}", text);
        }
    }
}
