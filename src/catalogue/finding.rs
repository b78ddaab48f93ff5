use crate::point::{
    Digest, FindingCounts, Level, Outcome, PointId, RecordedFinding, VerificationFacts, VerifiedDepth,
};
use jiff::Timestamp;
use serde::Serialize;
use std::time::Duration;

/// A record tells no more findings than that; its counts tell of all.
const RECORDED: usize = 100;

/// What a finding is about, where it is more than that the bytes are whole.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Aspect {
    /// The bytes are those that were saved, and hold together.
    #[default]
    Whole,
    /// The signature over the manifest.
    Signature,
    /// The newest revision of a database.
    Revision,
    /// etcd's own hash over all keys and values.
    KvHash,
}

/// One thing that was checked, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How grave it is.
    pub level: Level,
    /// The object or artifact.
    pub about: String,
    /// What was found, and what to do about it.
    pub message: String,
    /// The message tells of what is inside of a sealed artifact: it is for whoever holds the identity, and not for the store.
    #[serde(skip)]
    pub inside: bool,
    /// What it is about.
    #[serde(skip)]
    pub aspect: Aspect,
}

/// Everything that was found about one recovery point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// The recovery point.
    pub id: PointId,
    /// How far the verification went.
    pub depth: VerifiedDepth,
    /// SHA-256 of the manifest; none where there is none that could be read.
    pub manifest_sha256: Option<Digest>,
    /// Bytes that were read from the store.
    pub bytes_read: u64,
    /// How long the store was waited for meanwhile.
    #[serde(skip)]
    pub waited: Duration,
    /// In the order in which it was looked at.
    pub findings: Vec<Finding>,
}

impl Verdict {
    pub(super) fn new(id: PointId, depth: VerifiedDepth) -> Self {
        Verdict {
            id,
            depth,
            manifest_sha256: None,
            bytes_read: 0,
            waited: Duration::ZERO,
            findings: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, level: Level, about: impl Into<String>, message: impl Into<String>) {
        self.add_of(Aspect::Whole, level, about, message);
    }

    pub(super) fn add_of(
        &mut self,
        aspect: Aspect,
        level: Level,
        about: impl Into<String>,
        message: impl Into<String>,
    ) {
        let (about, message) = (about.into(), message.into());
        self.findings.push(Finding { level, about, message, inside: false, aspect });
    }

    /// Adds what tells of the inside of an artifact.
    pub(super) fn add_inside(&mut self, level: Level, about: impl Into<String>, message: impl Into<String>) {
        let (about, message) = (about.into(), message.into());
        self.findings.push(Finding { level, about, message, inside: true, aspect: Aspect::Whole });
    }

    /// The gravest level among the findings.
    pub fn worst(&self) -> Level {
        self.findings.iter().map(|f| f.level).max().unwrap_or(Level::Ok)
    }

    /// What is recorded of it: everybody who can read the store can read that.
    ///
    /// None where there was no manifest that could be read, since a record is about a manifest.
    pub fn facts(&self, began: Timestamp) -> Option<VerificationFacts> {
        let mut findings = FindingCounts::default();
        for finding in &self.findings {
            *match finding.level {
                Level::Ok => &mut findings.ok,
                Level::Info => &mut findings.info,
                Level::Warning => &mut findings.warning,
                Level::Error => &mut findings.error,
            } += 1;
        }
        // The gravest first, should there be too many.
        let of = |level| self.findings.iter().filter(move |f| f.level == level);
        let problems = of(Level::Error).chain(of(Level::Warning)).take(RECORDED).map(|f| RecordedFinding {
            level: f.level,
            about: plain(&f.about),
            message: match f.inside {
                true => "it is about what is inside: `lifeboat verify --deep` tells it to whoever holds the identity".into(),
                false => plain(&f.message),
            },
        });
        Some(VerificationFacts {
            depth: self.depth,
            outcome: if findings.error == 0 { Outcome::Passed } else { Outcome::Failed },
            began,
            manifest_sha256: self.manifest_sha256?,
            findings,
            problems: problems.collect(),
            bytes_read: self.bytes_read,
        })
    }
}

/// A text of one line: what a system or a service said is not always one, and a record holds nothing else.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_tells_the_gravest_and_nothing_of_the_inside() {
        let mut verdict = Verdict::new("20261123T084500Z-k3f9".parse().unwrap(), VerifiedDepth::Deep);
        let began = Timestamp::UNIX_EPOCH;
        assert_eq!(verdict.facts(began), None);
        verdict.manifest_sha256 = Some(Digest::from([7; 32]));
        verdict.add(Level::Ok, "a", "fine");
        for n in 0..150 {
            verdict.add(Level::Warning, "a", format!("warning\n{n}"));
        }
        assert_eq!(verdict.facts(began).unwrap().outcome, Outcome::Passed);
        verdict.add_inside(Level::Error, "resources.tar.zst.age", "core/v1/secrets/default/vault.json");
        let facts = verdict.facts(began).unwrap();
        assert_eq!(facts.outcome, Outcome::Failed);
        assert_eq!((facts.findings.ok, facts.findings.warning, facts.findings.error), (1, 150, 1));
        assert_eq!((facts.problems.len(), facts.problems[0].level), (RECORDED, Level::Error));
        let text = serde_json::to_string(&facts).unwrap();
        assert!(!text.contains("vault") && !text.contains("\\n"), "{text}");
    }
}
