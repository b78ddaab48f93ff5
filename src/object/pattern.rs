//! Which types and which namespaces, by names with wildcards.

use std::{fmt, str::FromStr};

/// A pattern that cannot be meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{pattern}` is not a pattern: {reason}; examples: `secrets`, `deployments.apps`, `*.example.com`, `team-*`"
)]
pub struct BadPattern {
    /// The pattern as it was given.
    pub pattern: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

/// A glob: `*` stands for any run of characters, `?` for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob(String);

impl Glob {
    /// Does the glob match the whole of `text`?
    pub fn matches(&self, text: &str) -> bool {
        matches(self.0.as_bytes(), text.as_bytes())
    }

    /// The one text that it matches, if it has no wildcard.
    pub fn literal(&self) -> Option<&str> {
        (!self.0.contains(['*', '?'])).then_some(&*self.0)
    }

    /// A glob for names of objects, which may hold nearly any character.
    pub fn of_names(text: &str) -> Self {
        Glob(text.to_owned())
    }

    /// Does it match whatever it is given?
    pub fn is_everything(&self) -> bool {
        !self.0.is_empty() && self.0.bytes().all(|byte| byte == b'*')
    }
}

impl FromStr for Glob {
    type Err = BadPattern;

    fn from_str(text: &str) -> Result<Self, BadPattern> {
        check(text, "a namespace", |byte| matches!(byte, b'-'))?;
        Ok(Glob(text.to_owned()))
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which types: `events` (in every group), `events.events.k8s.io`, `*.apps`, `secrets.core`, `*`.
///
/// What stands before the first dot is the resource's plural name, what stands behind it the group; both may have
/// wildcards. The group with no name is written `core`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourcePattern {
    resource: Glob,
    group: Option<Glob>,
}

impl ResourcePattern {
    /// Does the pattern name this resource of this group (empty: the core)?
    pub fn matches(&self, group: &str, resource: &str) -> bool {
        self.resource.matches(resource) && self.names_group(group)
    }

    /// Does it match every resource of this group?
    pub fn covers(&self, group: &str) -> bool {
        self.resource.is_everything() && self.names_group(group)
    }

    /// Does it mean a resource of this group, whichever? A plain name such as `secrets` means the well-known type and
    /// not whatever a group that nobody can look into may have under that name.
    pub fn means(&self, group: &str) -> bool {
        (self.group.is_some() || self.resource.is_everything()) && self.names_group(group)
    }

    fn names_group(&self, group: &str) -> bool {
        let group = if group.is_empty() { "core" } else { group };
        self.group.as_ref().is_none_or(|glob| glob.matches(group))
    }
}

impl FromStr for ResourcePattern {
    type Err = BadPattern;

    fn from_str(text: &str) -> Result<Self, BadPattern> {
        check(text, "a resource", |byte| matches!(byte, b'-' | b'.'))?;
        Ok(match text.split_once('.') {
            None => ResourcePattern { resource: Glob(text.to_owned()), group: None },
            Some(("", _) | (_, "")) => {
                let reason = "something must stand on both sides of the first dot (the core group is `core`)";
                return Err(BadPattern { pattern: text.to_owned(), reason });
            }
            Some((resource, group)) => {
                ResourcePattern { resource: Glob(resource.to_owned()), group: Some(Glob(group.to_owned())) }
            }
        })
    }
}

impl fmt::Display for ResourcePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.group {
            None => write!(f, "{}", self.resource),
            Some(group) => write!(f, "{}.{group}", self.resource),
        }
    }
}

fn check(text: &str, what: &str, more: impl Fn(u8) -> bool) -> Result<(), BadPattern> {
    let reason = if text.is_empty() {
        "it is empty"
    } else if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        "names are in lower case (resources by their plural: `pods`, not `Pod`)"
    } else if !text.bytes().all(|byte| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'*' | b'?') || more(byte)
    }) {
        match what {
            "a namespace" => "a namespace has letters, digits and `-` only, and wildcards `*` and `?`",
            _ => "a type is written `resource` or `resource.group`, with wildcards `*` and `?`",
        }
    } else {
        return Ok(());
    };
    Err(BadPattern { pattern: text.to_owned(), reason })
}

/// Linear in practice: only the last `*` is ever gone back to.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut here) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while here < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at + 1, here));
                at += 1;
            }
            Some(byte) if *byte == b'?' || *byte == text[here] => (at, here) = (at + 1, here + 1),
            _ => match star {
                Some((after, from)) => {
                    star = Some((after, from + 1));
                    (at, here) = (after, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn glob(text: &str, name: &str) -> bool {
        Glob(text.to_owned()).matches(name)
    }

    #[test]
    fn globs() {
        for (pattern, name, expected) in [
            ("team-*", "team-a", true),
            ("team-*", "team-", true),
            ("team-*", "teams", false),
            ("*", "", true),
            ("*", "anything", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b*", "xxbxxaxx", false),
            ("*.com", "a.com.com", true),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(glob(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn resources() {
        for (pattern, group, resource, expected) in [
            ("events", "", "events", true),
            ("events", "events.k8s.io", "events", true),
            ("events.events.k8s.io", "", "events", false),
            ("events.events.k8s.io", "events.k8s.io", "events", true),
            ("*.apps", "apps", "deployments", true),
            ("*.apps", "apps.example.com", "deployments", false),
            ("*.*.example.com", "a.example.com", "things", true),
            ("secrets.core", "", "secrets", true),
            ("secrets.core", "example.com", "secrets", false),
            ("*", "example.com", "things", true),
            ("*.*", "", "pods", true),
        ] {
            let parsed: ResourcePattern = pattern.parse().unwrap();
            assert_eq!(parsed.matches(group, resource), expected, "{pattern} {group}/{resource}");
            assert_eq!(parsed.to_string(), pattern);
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_a_reason() {
        for text in ["", "Secrets", "apps/deployments", ".apps", "events.", "a b"] {
            assert!(text.parse::<ResourcePattern>().is_err(), "{text}");
        }
        assert!("kube.system".parse::<Glob>().is_err());
    }

    fn slow(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, None) => true,
            (Some((b'*', rest)), _) => slow(rest, text) || (!text.is_empty() && slow(pattern, &text[1..])),
            (Some((b'?', p)), Some((_, t))) => slow(p, t),
            (Some((a, p)), Some((b, t))) if a == b => slow(p, t),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn as_the_plain_definition_says(pattern in "[ab*?]{0,8}", text in "[ab]{0,10}") {
            prop_assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), slow(pattern.as_bytes(), text.as_bytes()));
        }
    }
}
