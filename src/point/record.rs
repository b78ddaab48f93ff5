//! What becomes known of a recovery point after its manifest was written: holds, tags, verifications. Each is a record of
//! its own, signed as a manifest is and never changed.

use super::{FORMAT_MAJOR, FormatVersion, PointError, PointId, Tag, ToolFacts, VerificationFacts};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::{collections::BTreeSet, fmt};

/// What records are about, and the directory of a cluster in which they are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// Who exempts a recovery point from retention, and who no longer does.
    Holds,
    /// Words on recovery points.
    Tags,
    /// What `verify` found.
    Verifications,
}

impl Family {
    /// All of them.
    pub const ALL: [Family; 3] = [Family::Holds, Family::Tags, Family::Verifications];

    /// The directory's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Family::Holds => "holds",
            Family::Tags => "tags",
            Family::Verifications => "verifications",
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a record of one family says.
pub trait Facts: Serialize + DeserializeOwned + Clone + Send + Sync + 'static {
    /// The family.
    const FAMILY: Family;
}

/// One thing that somebody said of a recovery point: when, who, and what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "RecordOf{T}")]
pub struct Record<T> {
    /// The format's version, `major.minor`; the manifest's.
    pub format: FormatVersion,
    /// The record's own id, of the same form as a recovery point's.
    pub id: PointId,
    /// The name of the cluster.
    pub cluster: String,
    /// The recovery point that it is about.
    pub point: PointId,
    /// When it was made, UTC.
    pub at: Timestamp,
    /// Who had it made: `user@host`, or what was given for it.
    pub by: String,
    /// The program that wrote it.
    pub tool: ToolFacts,
    /// What it says.
    #[serde(flatten)]
    pub facts: T,
}

impl<T: Facts> Record<T> {
    /// Reads a record, refusing a major version that this program does not know. Unknown fields are accepted. A text with
    /// control characters, which a terminal could take for commands, is not: anybody who can write to the store could have
    /// written it, and Lifeboat does not.
    pub fn parse(bytes: &[u8]) -> Result<Self, PointError> {
        parse(bytes)
    }

    /// The bytes that are stored and signed.
    pub fn to_bytes(&self) -> Result<Vec<u8>, PointError> {
        to_bytes(self)
    }
}

/// Reads any document that is signed as records are; see [`Record::parse`].
pub(super) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, PointError> {
    #[derive(Deserialize)]
    struct Head {
        format: FormatVersion,
    }
    let unreadable = |e: serde_json::Error| PointError::Record(e.to_string());
    let value: Value = serde_json::from_slice(bytes).map_err(unreadable)?;
    if has_control(&value) {
        return Err(PointError::Record(
            "a text in it has control characters: lifeboat did not write it".into(),
        ));
    }
    let head = Head::deserialize(&value).map_err(unreadable)?;
    if head.format.major != FORMAT_MAJOR {
        let format = head.format;
        let text =
            format!("it has format {format}, and this program reads {FORMAT_MAJOR}.x: use a newer lifeboat");
        return Err(PointError::Record(text));
    }
    T::deserialize(value).map_err(unreadable)
}

/// The bytes of any such document.
pub(super) fn to_bytes<T: Serialize>(document: &T) -> Result<Vec<u8>, PointError> {
    let mut bytes = serde_json::to_vec_pretty(document).map_err(|e| PointError::Record(e.to_string()))?;
    bytes.push(b'\n');
    Ok(bytes)
}

fn has_control(value: &Value) -> bool {
    let bad = |text: &str| text.chars().any(char::is_control);
    match value {
        Value::String(text) => bad(text),
        Value::Array(values) => values.iter().any(has_control),
        Value::Object(fields) => fields.iter().any(|(name, value)| bad(name) || has_control(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Of `holds`: a recovery point is exempt from retention, or no longer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HoldFacts {
    /// Which of both.
    pub action: HoldAction,
    /// Why.
    pub reason: String,
    /// For a release: the ids of the records that no longer count. A hold that is not among them stands, whatever the clocks
    /// of those who wrote them said.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub releases: BTreeSet<PointId>,
}

/// What a record of `holds` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum HoldAction {
    /// The recovery point stays, whatever retention says.
    Hold,
    /// Earlier holds no longer count.
    Release,
}

/// Of `tags`: words put on a recovery point, and taken off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TagFacts {
    /// Put on.
    #[serde(default)]
    pub add: BTreeSet<Tag>,
    /// Taken off.
    #[serde(default)]
    pub remove: BTreeSet<Tag>,
}

impl Facts for HoldFacts {
    const FAMILY: Family = Family::Holds;
}

impl Facts for TagFacts {
    const FAMILY: Family = Family::Tags;
}

/// What is recorded of a recovery point beside its manifest: one of three, by the directory in which it stands.
#[derive(Debug, JsonSchema)]
#[schemars(untagged, title = "Lifeboat record")]
#[allow(dead_code)]
pub enum AnyRecord {
    /// `<cluster>/holds/<point>/<id>.json`
    Hold(Record<HoldFacts>),
    /// `<cluster>/tags/<point>/<id>.json`
    Tags(Record<TagFacts>),
    /// `<cluster>/verifications/<point>/<id>.json`
    Verification(Record<VerificationFacts>),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Record<HoldFacts> {
        Record {
            format: FormatVersion::CURRENT,
            id: "20261123T090000Z-aaaa".parse().unwrap(),
            cluster: "prod".into(),
            point: "20261123T084500Z-k3f9".parse().unwrap(),
            at: "2026-11-23T09:00:00.25Z".parse().unwrap(),
            by: "ops@cp1".into(),
            tool: ToolFacts::current(),
            facts: HoldFacts { action: HoldAction::Hold, reason: "audit".into(), releases: BTreeSet::new() },
        }
    }

    #[test]
    fn reads_back_what_it_writes() {
        let bytes = sample().to_bytes().unwrap();
        assert_eq!(Record::parse(&bytes).unwrap(), sample());
        let json: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!((&json["format"], &json["action"]), (&"1.0".into(), &"hold".into()));
        assert!(json.get("facts").is_none() && json.get("releases").is_none(), "{json}");
    }

    #[test]
    fn a_newer_minor_version_is_read_and_a_newer_major_refused() {
        let text = String::from_utf8(sample().to_bytes().unwrap()).unwrap();
        let minor = text.replace("\"1.0\"", "\"1.9\"").replacen('{', "{\"inventedLater\": {\"x\": [1]},", 1);
        assert_eq!(Record::<HoldFacts>::parse(minor.as_bytes()).unwrap().facts, sample().facts);
        let major = Record::<HoldFacts>::parse(text.replace("\"1.0\"", "\"2.0\"").as_bytes()).unwrap_err();
        assert!(major.to_string().contains("format 2.0"), "{major}");
        // What a later version does to a hold is not known: it is not taken for a hold, nor for a release.
        let other = text.replace("\"hold\"", "\"pause\"");
        assert!(Record::<HoldFacts>::parse(other.as_bytes()).is_err());
        for hidden in ["\\u001b[2J", "\\n", "\\u009b"] {
            let hidden = text.replace("audit", hidden);
            let refused = Record::<HoldFacts>::parse(hidden.as_bytes()).unwrap_err();
            assert!(refused.to_string().contains("control characters"), "{refused}");
        }
        for bad in ["", "{}", "[]", "{\"format\": \"1.0\"}"] {
            assert!(Record::<TagFacts>::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
