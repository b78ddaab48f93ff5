use super::{ArtifactKind, Family, PointError, PointId};
use std::fmt;

/// The name of an object in a store: segments joined by `/`, each safe as a file name.
///
/// A key is the only way to name an object, so that a name read from a manifest or a listing can never lead out of
/// the store.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(String);

impl Key {
    /// Checks `text` and makes a key of it.
    pub fn new(text: impl Into<String>) -> Result<Self, PointError> {
        let key = text.into();
        let bad = |segment: &str| {
            if segment.is_empty() {
                Some("it has an empty segment")
            } else if segment == "." || segment == ".." {
                Some("it tries to leave its directory")
            } else if segment.starts_with('.') {
                Some("a segment begins with a dot")
            } else if segment.len() > 255 {
                Some("a segment is longer than 255 bytes")
            } else if !segment.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:@".contains(&b)) {
                Some("it has a character other than letters, digits and - _ . : @")
            } else {
                None
            }
        };
        let reason =
            if key.len() > 900 { Some("it is longer than 900 bytes") } else { key.split('/').find_map(bad) };
        match reason {
            Some(reason) => Err(PointError::Key { key, reason }),
            None => Ok(Key(key)),
        }
    }

    /// Where the points of a cluster are.
    pub fn points(cluster: &str) -> Result<Self, PointError> {
        Key::new(format!("{cluster}/points"))
    }

    /// Where a recovery point's objects are.
    pub fn point(cluster: &str, id: &PointId) -> Result<Self, PointError> {
        Key::new(format!("{cluster}/points/{id}"))
    }

    /// The manifest of a recovery point: the object whose presence makes the point exist.
    pub fn manifest(cluster: &str, id: &PointId) -> Result<Self, PointError> {
        Key::point(cluster, id)?.join("manifest.json")
    }

    /// The minisign signature of a recovery point's manifest.
    pub fn signature(cluster: &str, id: &PointId) -> Result<Self, PointError> {
        Key::point(cluster, id)?.join("manifest.json.minisig")
    }

    /// The payload of an artifact of a known kind.
    pub fn artifact(cluster: &str, id: &PointId, kind: &ArtifactKind) -> Result<Self, PointError> {
        Key::point(cluster, id)?.join(kind.file_name())
    }

    /// Where a cluster's records of a family are.
    pub fn records(cluster: &str, family: Family) -> Result<Self, PointError> {
        Key::new(format!("{cluster}/{family}"))
    }

    /// Where the records of a family about one recovery point are.
    pub fn records_of(cluster: &str, family: Family, point: &PointId) -> Result<Self, PointError> {
        Key::new(format!("{cluster}/{family}/{point}"))
    }

    /// A record.
    pub fn record(cluster: &str, family: Family, point: &PointId, id: &PointId) -> Result<Self, PointError> {
        Key::records_of(cluster, family, point)?.join(&format!("{id}.json"))
    }

    /// The minisign signature of a record.
    pub fn record_signature(
        cluster: &str,
        family: Family,
        point: &PointId,
        id: &PointId,
    ) -> Result<Self, PointError> {
        Key::records_of(cluster, family, point)?.join(&format!("{id}.json.minisig"))
    }

    /// Where the evidence of a cluster's drills is.
    pub fn drills(cluster: &str) -> Result<Self, PointError> {
        Key::new(format!("{cluster}/drills"))
    }

    /// Where everything about one drill is.
    pub fn drill(cluster: &str, id: &PointId) -> Result<Self, PointError> {
        Key::new(format!("{cluster}/drills/{id}"))
    }

    /// Where the evidence of a cluster's playbooks is.
    pub fn runs(cluster: &str) -> Result<Self, PointError> {
        Key::new(format!("{cluster}/playbooks"))
    }

    /// Where everything about one run of a playbook is.
    pub fn run(cluster: &str, id: &PointId) -> Result<Self, PointError> {
        Key::new(format!("{cluster}/playbooks/{id}"))
    }

    /// Where the runs of a cluster's schedules are told.
    pub fn schedules(cluster: &str) -> Result<Self, PointError> {
        Key::new(format!("{cluster}/schedules"))
    }

    /// Where the runs of one schedule are told.
    pub fn schedule(cluster: &str, name: &str) -> Result<Self, PointError> {
        Key::new(format!("{cluster}/schedules/{name}"))
    }

    /// This key with one more segment (or several, joined by `/`).
    pub fn join(&self, rest: &str) -> Result<Self, PointError> {
        Key::new(format!("{}/{rest}", self.0))
    }

    /// Is this object below `prefix`?
    pub fn is_below(&self, prefix: &Key) -> bool {
        self.0.strip_prefix(&prefix.0).is_some_and(|rest| rest.starts_with('/'))
    }

    /// The key's segments, first to last.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::{Component, Path};

    proptest! {
        #[test]
        fn a_key_never_leaves_its_directory(text in "[./a\\\\\0:~-]{0,12}") {
            if let Ok(key) = Key::new(text) {
                let plain = Path::new(key.as_str()).components().all(|c| matches!(c, Component::Normal(_)));
                prop_assert!(plain);
            }
        }
    }

    #[test]
    fn escapes_are_refused() {
        for bad in
            ["", "/etc/passwd", "a/../b", "a//b", "a/./b", "a/", "a\\b", "a\0b", "a/.hidden", "a b", "é"]
        {
            assert!(Key::new(bad).is_err(), "{bad:?}");
        }
        assert!(Key::new("prod/points").unwrap().is_below(&Key::new("prod").unwrap()));
        assert!(!Key::new("production/points").unwrap().is_below(&Key::new("prod").unwrap()));
    }
}
