//! What a playbook is told: texts of the command line become values, objects are read and pinned.

use super::{
    actions::{ActionError, Planning, Target},
    model::{Param, ParamKind},
};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Where recovery points are looked up.
#[async_trait::async_trait]
pub trait Points: Send + Sync {
    /// The id of the recovery point that is meant.
    ///
    /// # Errors
    /// When there is none.
    async fn find(&self, wanted: &str) -> Result<String, String>;
}

/// What a playbook was told, ready for expressions.
#[derive(Debug, Clone, Default)]
pub struct Inputs {
    /// The values, by name.
    pub values: Map<String, Value>,
}

/// Reads what was given: `given` are texts by name, or values where another playbook calls.
///
/// # Errors
/// Everything that is wrong with it, one text each.
pub async fn inputs(
    params: &[Param],
    given: &BTreeMap<String, Value>,
    with: &Planning<'_>,
    points: Option<&dyn Points>,
) -> Result<Inputs, Vec<String>> {
    let (mut values, mut wrong) = (Map::new(), Vec::new());
    for name in given.keys().filter(|name| !params.iter().any(|param| param.name == **name)) {
        let known: Vec<&str> = params.iter().map(|param| param.name.as_str()).collect();
        let known = if known.is_empty() { "it takes none".to_owned() } else { known.join(", ") };
        wrong.push(format!("there is no parameter `{name}`: {known}"));
    }
    for param in params {
        let value = match (given.get(&param.name), &param.default) {
            (Some(value), _) => value,
            (None, Some(default)) => default,
            (None, None) if param.required => {
                let about = param.description.as_ref().map(|it| format!(" ({it})")).unwrap_or_default();
                wrong.push(format!("{}: missing{about}; write `--param {}=…`", param.name, param.name));
                continue;
            }
            (None, None) => continue,
        };
        match value_of(param, value, with, points).await {
            Ok(value) => drop(values.insert(param.name.clone(), value)),
            Err(why) => wrong.push(format!("{}: {why}", param.name)),
        }
    }
    if wrong.is_empty() { Ok(Inputs { values }) } else { Err(wrong) }
}

async fn value_of(
    param: &Param,
    given: &Value,
    with: &Planning<'_>,
    points: Option<&dyn Points>,
) -> Result<Value, String> {
    if let (Value::String(text), Some(pattern)) = (given, &param.pattern)
        && !pattern.is_match(text)
    {
        return Err(format!("`{text}` does not look like `{}`", pattern.as_str()));
    }
    match &param.kind {
        ParamKind::ObjectRef { kind } => object(kind, given, with).await,
        ParamKind::PointRef => {
            // A plan that is made again has the value already.
            let text =
                given.as_str().or(given["id"].as_str()).ok_or("the id of a recovery point is needed")?;
            let points = points.ok_or("there is no store to look for recovery points in")?;
            Ok(json!({"id": points.find(text).await?}))
        }
        kind => plain(kind, given),
    }
}

/// A value that needs nobody to be asked.
///
/// # Errors
/// Why it does not fit.
pub fn plain(kind: &ParamKind, given: &Value) -> Result<Value, String> {
    let text = given.as_str();
    let needed = |what: &str| format!("{what} is needed, such as {}", example(kind));
    match kind {
        ParamKind::String => match text {
            Some(text) if text.chars().any(char::is_control) => Err("one line of text is needed".to_owned()),
            Some(text) => Ok(text.into()),
            None => Err(needed("text")),
        },
        ParamKind::Int => match text {
            Some(text) => text.parse::<i64>().map(Value::from).map_err(|_| needed("a whole number")),
            None => given.as_i64().map(Value::from).ok_or_else(|| needed("a whole number")),
        },
        ParamKind::Bool => match (text, given) {
            (Some("true"), _) => Ok(true.into()),
            (Some("false"), _) => Ok(false.into()),
            (None, Value::Bool(_)) => Ok(given.clone()),
            _ => Err("true or false is needed".to_owned()),
        },
        ParamKind::Duration => match text {
            Some(text) => milliseconds(text).map(Value::from).ok_or_else(|| needed("a length of time")),
            None => given.as_u64().map(Value::from).ok_or_else(|| needed("a length of time")),
        },
        ParamKind::Enum(words) => match text {
            Some(text) if words.iter().any(|word| word == text) => Ok(text.into()),
            _ => Err(format!("one of these is needed: {}", words.join(", "))),
        },
        ParamKind::LabelSelector => {
            let text = text.ok_or_else(|| needed("a selector of labels"))?;
            let read: Result<crate::object::LabelSelector, _> = text.parse();
            read.map(|_| text.into()).map_err(|e| e.to_string())
        }
        ParamKind::ImageDigest => match text {
            Some(text) if is_digest(text) => Ok(text.into()),
            _ => Err(needed("the digest of an image")),
        },
        ParamKind::CidrList => {
            let all: Vec<String> = match given {
                Value::Array(items) => items.iter().map(|it| it.as_str().unwrap_or("?").to_owned()).collect(),
                Value::String(text) if text.is_empty() => Vec::new(),
                Value::String(text) => text.split(',').map(|it| it.trim().to_owned()).collect(),
                _ => return Err(needed("a list of ranges of addresses")),
            };
            match all.iter().find(|it| !is_range(it)) {
                Some(wrong) => Err(format!("`{wrong}` is no range of addresses, such as 10.0.0.0/8")),
                None => Ok(all.into()),
            }
        }
        ParamKind::SecretRef => match text
            .or(given["secretRef"].as_str())
            .and_then(|text| text.split_once(':'))
        {
            Some(("file" | "env", name)) if !name.is_empty() => {
                Ok(json!({"secretRef": text.or(given["secretRef"].as_str())}))
            }
            // What was given may be the secret itself.
            _ => Err("where the secret is is needed, not the secret: `file:PATH` or `env:NAME`".to_owned()),
        },
        ParamKind::ObjectRef { .. } | ParamKind::PointRef => Ok(given.clone()),
    }
}

fn example(kind: &ParamKind) -> &'static str {
    match kind {
        ParamKind::String => "`web`",
        ParamKind::Int => "3",
        ParamKind::Duration => "90s or 1h30m",
        ParamKind::LabelSelector => "app=web,tier!=db",
        ParamKind::ImageDigest => "sha256:4b8…, with 64 hexadecimal digits",
        ParamKind::CidrList => "10.0.0.0/8,192.168.1.7/32",
        _ => "shop/web-0",
    }
}

fn milliseconds(text: &str) -> Option<u64> {
    let (mut rest, mut total) = (text, 0u64);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, after) = rest.split_at(digits);
        let unit = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, next) = after.split_at(unit);
        let each = match unit {
            "d" => 86_400_000,
            "h" => 3_600_000,
            "m" => 60_000,
            "s" => 1000,
            "ms" => 1,
            _ => return None,
        };
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(each)?)?;
        rest = next;
    }
    (total > 0).then_some(total)
}

fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:").is_some_and(|hex| {
        hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    })
}

fn is_range(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else { return false };
    let most = match address.parse::<std::net::IpAddr>() {
        Ok(std::net::IpAddr::V4(_)) => 32,
        Ok(std::net::IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    !bits.starts_with('+') && bits.parse::<u8>().is_ok_and(|bits| bits <= most)
}

/// An object that was named: read, pinned, and with what expressions need of it.
async fn object(kind: &str, given: &Value, with: &Planning<'_>) -> Result<Value, String> {
    let target = match given {
        Value::String(text) => {
            let (namespace, name) = match text.split_once('/') {
                Some((namespace, name)) => (Some(namespace.to_owned()), name),
                None => (None, text.as_str()),
            };
            let (name, uid) = match name.split_once('@') {
                Some((name, uid)) => (name, Some(uid.to_owned())),
                None => (name, None),
            };
            if name.is_empty() || name.contains('/') {
                return Err(format!(
                    "`{text}` is no object: write [NAMESPACE/]NAME, or [NAMESPACE/]NAME@UID"
                ));
            }
            Target { kind: kind.to_owned(), namespace, name: name.to_owned(), uid, api_version: None }
        }
        Value::Object(_) => serde_json::from_value(given.clone()).map_err(|e| e.to_string())?,
        _ => return Err("an object is needed: [NAMESPACE/]NAME".to_owned()),
    };
    if with.cluster.is_none() {
        return Err("it is an object of a cluster, and this playbook runs on a host".to_owned());
    }
    let live = with.find(&target).await.map_err(|e: ActionError| e.to_string())?;
    Ok(live.to_value())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_values() {
        for (kind, text, wanted) in [
            (ParamKind::Int, "3", json!(3)),
            (ParamKind::Bool, "false", json!(false)),
            (ParamKind::Duration, "1h30m", json!(5_400_000)),
            (ParamKind::Enum(vec!["a".into(), "b".into()]), "b", json!("b")),
            (ParamKind::CidrList, "10.0.0.0/8, ::1/128", json!(["10.0.0.0/8", "::1/128"])),
            (ParamKind::CidrList, "", json!([])),
            (ParamKind::SecretRef, "env:TOKEN", json!({"secretRef": "env:TOKEN"})),
            (ParamKind::LabelSelector, "app=web", json!("app=web")),
        ] {
            assert_eq!(plain(&kind, &text.into()), Ok(wanted), "{text}");
        }
        for (kind, text) in [
            (ParamKind::Int, "3.5"),
            (ParamKind::Bool, "yes"),
            (ParamKind::Duration, "5"),
            (ParamKind::Duration, "0s"),
            (ParamKind::Enum(vec!["a".into()]), "c"),
            (ParamKind::CidrList, "10.0.0.0"),
            (ParamKind::CidrList, "10.0.0.0/33"),
            (ParamKind::ImageDigest, "sha256:abc"),
            (ParamKind::LabelSelector, "app in (a"),
            (ParamKind::String, "two\nlines"),
        ] {
            assert!(plain(&kind, &text.into()).is_err(), "{text}");
        }
        let secret = plain(&ParamKind::SecretRef, &"hunter2".into()).unwrap_err();
        assert!(!secret.contains("hunter2"), "{secret}");
    }
}
