//! Which objects by their labels, in the syntax of `kubectl get -l`: `app=web,tier!=cache,env in (prod,test),!canary`.

use super::reach::text;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value;
use std::{collections::BTreeSet, fmt, str::FromStr};

/// A label selector: every one of its terms must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelSelector(Vec<Term>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Term {
    key: String,
    test: Test,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    Exists,
    Absent,
    In(BTreeSet<String>),
    /// It holds for objects without the label as well.
    NotIn(BTreeSet<String>),
}

/// Why a text is no label selector.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{selector}` is not a label selector: column {column}: {reason}; write it as for `kubectl get -l`, such as \
     `app=web,tier!=cache`"
)]
pub struct BadSelector {
    selector: String,
    column: usize,
    reason: &'static str,
}

impl LabelSelector {
    /// The selector that a field of an object holds: `matchLabels` and `matchExpressions`. An empty one fits everything.
    pub fn of(field: &Value) -> Self {
        let texts = |list: &Value| -> BTreeSet<String> {
            list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let labels = field.get("matchLabels").and_then(Value::as_object).into_iter().flatten();
        let mut terms: Vec<Term> = labels
            .filter_map(|(key, value)| {
                Some(Term { key: key.clone(), test: Test::In(BTreeSet::from([value.as_str()?.to_owned()])) })
            })
            .collect();
        let expressions = field.get("matchExpressions").and_then(Value::as_array);
        terms.extend(expressions.into_iter().flatten().filter_map(|it| {
            let key = it.get("key")?.as_str()?.to_owned();
            let values = || it.get("values").map(texts).unwrap_or_default();
            let test = match it.get("operator")?.as_str()? {
                "In" => Test::In(values()),
                "NotIn" => Test::NotIn(values()),
                "Exists" => Test::Exists,
                "DoesNotExist" => Test::Absent,
                _ => return None,
            };
            Some(Term { key, test })
        }));
        LabelSelector(terms)
    }

    /// Does it fit everything?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Does the object have such labels?
    pub fn matches(&self, object: &Value) -> bool {
        object.pointer("/metadata/labels").map_or_else(|| self.fits(&Value::Null), |labels| self.fits(labels))
    }

    /// Are these labels, a mapping, such ones?
    pub fn fits(&self, labels: &Value) -> bool {
        self.0.iter().all(|term| {
            let value = text(labels, &[&term.key]);
            match &term.test {
                Test::Exists => value.is_some(),
                Test::Absent => value.is_none(),
                Test::In(values) => value.is_some_and(|value| values.contains(value)),
                Test::NotIn(values) => value.is_none_or(|value| !values.contains(value)),
            }
        })
    }
}

impl FromStr for LabelSelector {
    type Err = BadSelector;

    fn from_str(text: &str) -> Result<Self, BadSelector> {
        let mut reader = Reader { text, rest: text.trim_start() };
        let mut terms = vec![reader.term()?];
        while !reader.rest.is_empty() {
            if !reader.take(",") {
                return Err(reader.wrong("a comma should stand between two terms"));
            }
            terms.push(reader.term()?);
        }
        Ok(LabelSelector(terms))
    }
}

/// What is still to be read. It never begins with a space.
struct Reader<'a> {
    text: &'a str,
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn term(&mut self) -> Result<Term, BadSelector> {
        if self.take("!") {
            return Ok(Term { key: self.key()?, test: Test::Absent });
        }
        let key = self.key()?;
        let test = if self.take("!=") {
            Test::NotIn(BTreeSet::from([self.value()?]))
        } else if self.take("==") || self.take("=") {
            Test::In(BTreeSet::from([self.value()?]))
        } else {
            let before = self.rest;
            match self.word() {
                "in" => Test::In(self.values()?),
                "notin" => Test::NotIn(self.values()?),
                "" => Test::Exists,
                _ => {
                    self.rest = before;
                    return Err(self.wrong("behind a key comes `=`, `!=`, `in`, `notin`, or a comma"));
                }
            }
        };
        Ok(Term { key, test })
    }

    fn key(&mut self) -> Result<String, BadSelector> {
        let before = self.rest;
        let key = self.word();
        let (prefix, name) = key.split_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
        let reason = if key.is_empty() {
            "the key of a label should stand here"
        } else if !is_name(name) {
            "the key of a label has at most 63 letters, digits, `-`, `_` and `.`, with a letter or digit at both ends"
        } else if !prefix.is_none_or(is_domain) {
            "what stands before the `/` of a key is a domain in lower case, such as `app.kubernetes.io`"
        } else {
            return Ok(key.to_owned());
        };
        self.rest = before;
        Err(self.wrong(reason))
    }

    fn value(&mut self) -> Result<String, BadSelector> {
        let before = self.rest;
        let value = self.word();
        if value.is_empty() || is_name(value) {
            return Ok(value.to_owned());
        }
        self.rest = before;
        Err(self.wrong(
            "a value has at most 63 letters, digits, `-`, `_` and `.`, with a letter or digit at both ends",
        ))
    }

    fn values(&mut self) -> Result<BTreeSet<String>, BadSelector> {
        if !self.take("(") {
            return Err(self.wrong("values should stand here, such as `(a,b)`"));
        }
        if self.rest.starts_with(')') {
            return Err(self.wrong("there is no value between the brackets"));
        }
        let mut values = BTreeSet::from([self.value()?]);
        while self.take(",") {
            values.insert(self.value()?);
        }
        match self.take(")") {
            true => Ok(values),
            false => Err(self.wrong("a comma or a `)` should stand here")),
        }
    }

    fn word(&mut self) -> &'a str {
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
        let rest = self.rest.trim_start_matches(is_part);
        let word = self.rest.strip_suffix(rest).unwrap_or_default();
        self.rest = rest.trim_start();
        word
    }

    fn take(&mut self, mark: &str) -> bool {
        let found = self.rest.strip_prefix(mark);
        self.rest = found.map_or(self.rest, str::trim_start);
        found.is_some()
    }

    fn wrong(&self, reason: &'static str) -> BadSelector {
        let column = self.text.chars().count() - self.rest.chars().count() + 1;
        BadSelector { selector: self.text.to_owned(), column, reason }
    }
}

fn is_name(text: &str) -> bool {
    let ends = |c: char| c.is_ascii_alphanumeric();
    text.len() <= 63 && text.starts_with(ends) && text.ends_with(ends) && !text.contains('/')
}

fn is_domain(text: &str) -> bool {
    let is_label =
        |label: &str| is_name(label) && !label.contains(|c: char| c.is_ascii_uppercase() || c == '_');
    text.len() <= 253 && text.split('.').all(is_label)
}

impl fmt::Display for LabelSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, Term { key, test }) in self.0.iter().enumerate() {
            f.write_str(if at == 0 { "" } else { "," })?;
            let list = |values: &BTreeSet<String>| values.iter().cloned().collect::<Vec<_>>().join(",");
            match test {
                Test::Exists => f.write_str(key)?,
                Test::Absent => write!(f, "!{key}")?,
                Test::In(values) if values.len() == 1 => write!(f, "{key}={}", list(values))?,
                Test::NotIn(values) if values.len() == 1 => write!(f, "{key}!={}", list(values))?,
                Test::In(values) => write!(f, "{key} in ({})", list(values))?,
                Test::NotIn(values) => write!(f, "{key} notin ({})", list(values))?,
            }
        }
        Ok(())
    }
}

impl Serialize for LabelSelector {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for LabelSelector {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn objects_are_chosen_as_kubectl_does_it() {
        let object = json!({"metadata": {"labels": {"app": "web", "env": "prod", "a.b/c": "", "in": "x"}}});
        for (selector, expected) in [
            ("app=web", true),
            ("app==web", true),
            ("app = web , env != test", true),
            ("app=web,env=test", false),
            ("app!=web", false),
            ("tier!=cache", true),
            ("env in (prod,test)", true),
            ("env in ( test )", false),
            ("env notin (test)", true),
            ("tier notin (cache, db)", true),
            ("env notin (prod)", false),
            ("app", true),
            ("tier", false),
            ("!tier", true),
            ("! app", false),
            ("a.b/c=", true),
            ("a.b/c", true),
            ("a.b/c in (,x)", true),
            ("app=", false),
            ("in in (x)", true),
            ("env in(prod),app", true),
        ] {
            let parsed: LabelSelector = selector.parse().unwrap();
            assert_eq!(parsed.matches(&object), expected, "{selector}");
        }
        assert!(!"app".parse::<LabelSelector>().unwrap().matches(&json!({})));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_column() {
        for (selector, column, reason) in [
            ("", 1, "the key"),
            ("  ", 3, "the key"),
            ("app=web,", 9, "the key"),
            ("app=web env=prod", 9, "a comma"),
            ("app web", 5, "behind a key"),
            ("app=wéb", 6, "a comma"),
            ("app=-web", 5, "a value"),
            ("app=a/b", 5, "a value"),
            ("-app", 1, "the key of a label has"),
            ("A.b/c=d", 1, "what stands before"),
            ("a/b/c", 1, "the key of a label has"),
            ("env in prod", 8, "values should"),
            ("env in (prod", 13, "a comma or"),
            ("env in ()", 9, "there is no value"),
            ("é=x", 1, "the key"),
            ("replicas>1", 9, "a comma"),
        ] {
            let wrong = selector.parse::<LabelSelector>().unwrap_err();
            assert_eq!(wrong.column, column, "{wrong}");
            assert!(wrong.reason.starts_with(reason), "{wrong}");
        }
        let text = serde_json::from_value::<LabelSelector>(json!("a b")).unwrap_err().to_string();
        assert!(text.starts_with("`a b` is not a label selector: column 3: "), "{text}");
    }

    #[test]
    fn selectors_of_objects_mean_the_same() {
        let field = json!({"matchLabels": {"app": "web"}, "matchExpressions": [
            {"key": "env", "operator": "In", "values": ["prod", "test"]}, {"key": "tier", "operator": "NotIn", "values": ["db"]},
            {"key": "a", "operator": "Exists"}, {"key": "b", "operator": "DoesNotExist"}]});
        let selector = LabelSelector::of(&field);
        assert_eq!(selector.to_string(), "app=web,env in (prod,test),tier!=db,a,!b");
        assert!(selector.fits(&json!({"app": "web", "env": "test", "a": ""})));
        assert!(!selector.fits(&json!({"app": "web", "env": "test", "a": "", "tier": "db"})));
        for empty in [json!({}), Value::Null] {
            assert!(LabelSelector::of(&empty).is_empty() && LabelSelector::of(&empty).fits(&Value::Null));
        }
    }

    fn selectors() -> impl Strategy<Value = LabelSelector> {
        let key = "([a-z]{1,3}(\\.[a-z]{1,3})?/)?[a-zA-Z0-9]([-_.a-zA-Z0-9]{0,4}[a-z])?";
        let values = || prop::collection::btree_set("([a-z0-9]([-_.a-z0-9]{0,4}[a-z])?)?", 1..4);
        let test = prop_oneof![
            Just(Test::Exists),
            Just(Test::Absent),
            values().prop_map(Test::In),
            values().prop_map(Test::NotIn)
        ];
        let term = (prop_oneof![key, Just("in".to_owned())], test).prop_map(|(key, test)| Term { key, test });
        prop::collection::vec(term, 1..4).prop_map(LabelSelector)
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_as_the_same(selector in selectors()) {
            let shown = selector.to_string();
            prop_assert_eq!(&shown.parse::<LabelSelector>().unwrap(), &selector, "{}", shown);
            let json = serde_json::to_value(&selector).unwrap();
            prop_assert_eq!(serde_json::from_value::<LabelSelector>(json).unwrap(), selector);
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[a-z()=!, é/-]{0,20}") {
            if let Ok(selector) = text.parse::<LabelSelector>() {
                prop_assert_eq!(selector.to_string().parse::<LabelSelector>().unwrap(), selector);
            }
        }
    }
}
