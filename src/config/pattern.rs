//! What to take along and what to leave: patterns for resources, globs for namespaces, a label selector.

use super::decode::FromText;
use super::error::{ConfigError, shown};
use schemars::JsonSchema;
use serde::Serialize;
use std::fmt;
use std::str::FromStr;

/// A kind of resource: `secrets` (in any group), `deployments.apps`, `*.apps` (all of a group), `events.core`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[schemars(inline, extend(
    "pattern" = r"^(\*\.[a-z0-9][-a-z0-9.]*|[a-z0-9][-a-z0-9]*(\.[a-z0-9][-a-z0-9.]*)?)$",
    "examples" = ["events", "deployments.apps", "*.apps"]
))]
pub struct ResourcePattern(String);

impl ResourcePattern {
    /// The text as it is written in the file.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The plural name, or `None` for every resource of the group.
    pub fn resource(&self) -> Option<&str> {
        let name = self.0.split_once('.').map_or(self.0.as_str(), |(name, _)| name);
        (name != "*").then_some(name)
    }

    /// The group (empty for the core group), or `None` for any.
    pub fn group(&self) -> Option<&str> {
        self.0.split_once('.').map(|(_, group)| if group == "core" { "" } else { group })
    }

    /// Whether it covers this resource; the core group is the empty string.
    pub fn matches(&self, group: &str, resource: &str) -> bool {
        self.resource().is_none_or(|wanted| wanted == resource)
            && self.group().is_none_or(|wanted| wanted == group)
    }
}

fn is_label(text: &str) -> bool {
    let ends = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.len() <= 63
        && text.starts_with(ends)
        && text.ends_with(ends)
        && text.chars().all(|c| ends(c) || c == '-')
}

impl FromText for ResourcePattern {
    fn from_text(text: &str) -> Result<Self, String> {
        let (name, group) = text.split_once('.').map_or((text, None), |(name, group)| (name, Some(group)));
        let group_fits = group.is_none_or(|group| group.len() <= 253 && group.split('.').all(is_label));
        if group_fits && (is_label(name) || (name == "*" && group.is_some())) {
            return Ok(Self(text.to_owned()));
        }
        let forms = "write `secrets`, `deployments.apps` or `*.apps`";
        if text == "*" {
            return Err(format!("`*` alone is every resource: leave the field out instead, or {forms}"));
        }
        if let Some((group, resource)) = text.split_once('/') {
            let swapped = format!("{resource}.{group}");
            if Self::from_text(&swapped).is_ok() {
                return Err(format!("the group follows the resource; did you mean {}?", shown(&swapped)));
            }
        }
        let lower = text.to_ascii_lowercase();
        if lower != text && Self::from_text(&lower).is_ok() {
            let names =
                "resources go by their plural name in lower case, as `kubectl api-resources` lists them";
            return Err(format!("{} has upper-case letters: {names}", shown(text)));
        }
        Err(format!("{} is not a resource pattern: {forms}", shown(text)))
    }
}

/// A namespace, or several by `*` and `?`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[schemars(inline, extend("pattern" = "^[-a-z0-9*?]+$", "examples" = ["kube-system", "team-*"]))]
pub struct NamespaceGlob(String);

impl NamespaceGlob {
    /// The text as it is written in the file.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it covers this namespace.
    pub fn matches(&self, namespace: &str) -> bool {
        let (glob, name) = (self.0.as_bytes(), namespace.as_bytes());
        let (mut g, mut n) = (0, 0);
        // Where to go on after the latest `*` took one character more.
        let mut retry = None;
        while n < name.len() {
            match glob.get(g) {
                Some(b'*') => {
                    retry = Some((g, n));
                    g += 1;
                }
                Some(wanted) if *wanted == b'?' || name.get(n) == Some(wanted) => {
                    g += 1;
                    n += 1;
                }
                _ => {
                    let Some((star, taken)) = retry else { return false };
                    retry = Some((star, taken + 1));
                    (g, n) = (star + 1, taken + 1);
                }
            }
        }
        glob.iter().skip(g).all(|rest| *rest == b'*')
    }
}

impl FromText for NamespaceGlob {
    fn from_text(text: &str) -> Result<Self, String> {
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-*?".contains(c);
        if text.len() <= 63 && text.chars().all(fits) {
            return Ok(Self(text.to_owned()));
        }
        Err(format!("{} is not a namespace or a pattern such as `team-*`", shown(text)))
    }
}

/// A label selector, in the syntax of `kubectl get -l`. The API server has the last word on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(inline, extend("examples" = ["app=web,tier!=cache", "environment in (prod, staging)"]))]
pub struct LabelSelector(String);

impl LabelSelector {
    /// The text as it is written in the file.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromText for LabelSelector {
    fn from_text(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| {
            Err(format!(
                "{} is not a label selector: {why}; write it as for `kubectl get -l`, such as app=web",
                shown(text)
            ))
        };
        let mut inside = false;
        for c in text.chars() {
            match c {
                '(' if inside => return wrong("there is a second `(`"),
                '(' => inside = true,
                ')' if !inside => return wrong("there is a `)` without its `(`"),
                ')' => inside = false,
                c if c.is_ascii_alphanumeric() || "-_./=!, ".contains(c) => {}
                _ => return wrong("it has a character that no label has"),
            }
        }
        if inside {
            return wrong("there is a `(` without its `)`");
        }
        Ok(Self(text.to_owned()))
    }
}

macro_rules! from_str {
    ($($name:ident)*) => {$(
        impl FromStr for $name {
            type Err = ConfigError;
            fn from_str(text: &str) -> Result<Self, ConfigError> {
                Self::from_text(text).map_err(ConfigError::Value)
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}
from_str!(ResourcePattern NamespaceGlob LabelSelector);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources() {
        let any: ResourcePattern = "events".parse().unwrap();
        assert!(
            any.matches("", "events") && any.matches("events.k8s.io", "events") && !any.matches("", "pods")
        );
        let group: ResourcePattern = "*.apps".parse().unwrap();
        assert!(group.matches("apps", "deployments") && !group.matches("", "pods"));
        let core: ResourcePattern = "events.core".parse().unwrap();
        assert!(core.matches("", "events") && !core.matches("events.k8s.io", "events"));
        let full: ResourcePattern = "events.events.k8s.io".parse().unwrap();
        assert!(full.matches("events.k8s.io", "events") && !full.matches("", "events"));
    }

    #[test]
    fn namespaces() {
        for (glob, name, fits) in [
            ("team-*", "team-a", true),
            ("team-*", "teams", false),
            ("*-prod-*", "a-prod-b-prod-", true),
            ("*-prod", "a-prod-b-prod", true),
            ("ns?", "ns", false),
            ("ns?", "ns1", true),
            ("*", "anything", true),
            ("default", "default", true),
        ] {
            assert_eq!(glob.parse::<NamespaceGlob>().unwrap().matches(name), fits, "{glob} {name}");
        }
    }
}
