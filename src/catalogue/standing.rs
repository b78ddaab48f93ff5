//! What follows from the records of a recovery point. Pure: records in, standing out.

use super::{
    Recorded, Records, Signature,
    verified::{AtDepth, LastVerified, Verified, verified},
};
use crate::point::{Digest, Facts, Family, HoldAction, HoldFacts, PointId, Record, TagFacts, VerifiedDepth};
use jiff::Timestamp;
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// What is recorded of a recovery point beside its manifest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Standing {
    /// It is exempt from retention.
    pub held: Option<Held>,
    /// Its tags.
    pub tags: BTreeSet<String>,
    /// How it was last verified.
    pub verified: Option<LastVerified>,
    /// How it was last verified at each depth, as far as its records were read: a listing reads the newest only.
    pub depths: BTreeMap<VerifiedDepth, AtDepth>,
    /// Records that were looked at and left out, because they cannot be trusted, and why.
    pub doubts: Vec<Doubt>,
}

/// A record that cannot be trusted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Doubt {
    /// What the record is about.
    #[serde(skip)]
    pub family: Family,
    /// Its name below the cluster: `holds/<point>/<id>.json`.
    pub record: String,
    /// What speaks against it.
    pub why: String,
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.record, self.why)
    }
}

/// Why a recovery point is exempt from retention.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Held {
    /// The reason given with the newest hold; or why it cannot be told whether it is held, and therefore is.
    pub reason: String,
    /// Who holds it, where that can be told.
    pub by: Option<String>,
    /// Since when, where that can be told.
    pub since: Option<Timestamp>,
    /// The records that count: a release names them.
    pub records: BTreeSet<PointId>,
}

impl<T: Facts> Recorded<T> {
    /// What it says, unless something speaks against believing it.
    pub fn trusted(&self) -> Option<&Record<T>> {
        match self.signature {
            Signature::Bad(_) => None,
            Signature::Holds | Signature::NotChecked => self.record.as_ref().ok(),
        }
    }

    /// What speaks against believing it.
    pub fn doubt(&self) -> Option<Doubt> {
        let why = match (&self.signature, &self.record) {
            (Signature::Bad(why), _) | (_, Err(why)) => why,
            _ => return None,
        };
        Some(self.doubted(why))
    }

    pub(super) fn doubted(&self, why: &str) -> Doubt {
        Doubt {
            family: T::FAMILY,
            record: format!("{}/{}/{}.json", T::FAMILY, self.point, self.id),
            why: why.to_owned(),
        }
    }
}

impl Records {
    /// What follows from them, now, for a recovery point whose manifest has this SHA-256.
    pub fn standing(&self, manifest: Option<Digest>, now: Timestamp) -> Standing {
        let held = held(&self.holds);
        let Verified { last, depths, mut doubts } = verified(&self.verifications, manifest, now);
        // What was released, believed or not, has no weight any more.
        let counts =
            |hold: &&Recorded<HoldFacts>| held.as_ref().is_some_and(|h| h.records.contains(&hold.id));
        doubts.extend(self.holds.iter().filter(counts).filter_map(Recorded::doubt));
        doubts.extend(self.tags.iter().filter_map(Recorded::doubt));
        Standing { held, tags: tags(&self.tags), verified: last, depths, doubts }
    }
}

/// Whether the records hold a recovery point.
///
/// A hold stands until a release names it. So two people with wrong clocks cannot undo each other's holds, and one who
/// releases what he sees does not release what came meanwhile. What cannot be trusted counts as a hold: to remove a
/// recovery point on the word of a damaged record would be the wrong mistake.
pub fn held(records: &[Recorded<HoldFacts>]) -> Option<Held> {
    let releases =
        records.iter().filter_map(Recorded::trusted).filter(|r| r.facts.action == HoldAction::Release);
    let released: BTreeSet<&PointId> = releases.flat_map(|r| &r.facts.releases).collect();
    let counts = |r: &&Recorded<HoldFacts>| {
        !released.contains(&r.id) && r.trusted().is_none_or(|r| r.facts.action == HoldAction::Hold)
    };
    let standing: Vec<&Recorded<HoldFacts>> = records.iter().filter(counts).collect();
    let ids = standing.iter().map(|r| r.id.clone()).collect();
    let newest = standing.iter().filter_map(|r| r.trusted()).max_by_key(|r| (r.at, &r.id));
    if let Some(hold) = newest {
        let (reason, by, since) = (hold.facts.reason.clone(), Some(hold.by.clone()), Some(hold.at));
        return Some(Held { reason, by, since, records: ids });
    }
    let unsure = standing.last()?;
    let doubt = unsure.doubt().map(|doubt| doubt.to_string()).unwrap_or_default();
    let mut reason = format!("a record cannot be trusted: {doubt}");
    if let Ok(record) = &unsure.record
        && record.facts.action == HoldAction::Hold
    {
        reason = format!("{} ({reason})", record.facts.reason);
    }
    Some(Held { reason, by: None, since: None, records: ids })
}

/// The tags that the records leave, applied in the order of their times.
pub fn tags(records: &[Recorded<TagFacts>]) -> BTreeSet<String> {
    let mut trusted: Vec<_> = records.iter().filter_map(Recorded::trusted).collect();
    trusted.sort_by_key(|r| (r.at, &r.id));
    let mut tags = BTreeSet::new();
    for record in trusted {
        for tag in &record.facts.remove {
            tags.remove(tag.as_str());
        }
        tags.extend(record.facts.add.iter().map(|tag| tag.as_str().to_owned()));
    }
    tags
}

#[cfg(test)]
#[path = "standing_tests.rs"]
pub(super) mod tests;
