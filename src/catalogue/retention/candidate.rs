use super::super::{Listed, Signature, Standing};
use crate::{
    point::{ArtifactKind, Family, PointId, Status, VerifiedDepth},
    store::Lasting,
};
use jiff::Timestamp;
use serde::Serialize;
use std::{collections::BTreeSet, fmt};

/// A recovery point as retention sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its id.
    pub id: PointId,
    /// When it was begun.
    pub created_at: Timestamp,
    /// With which others it is counted.
    pub group: Group,
    /// Nothing is missing in it.
    pub complete: bool,
    /// Why it cannot be judged, if it cannot.
    pub not_understood: Option<String>,
    /// When it was last verified, if that passed.
    pub verified: Option<Timestamp>,
    /// When it was last opened and looked into, if that passed and nothing failed since.
    pub verified_deep: Option<Timestamp>,
    /// Its newest verification failed.
    pub failed: bool,
    /// Why somebody holds it, if somebody does.
    pub held: Option<String>,
    /// Its tags.
    pub tags: BTreeSet<String>,
    /// What the store says of its objects.
    pub lock: Option<Lasting>,
}

/// Recovery points that are counted together: those of one job that were to hold the same kinds of artifacts. So an hourly
/// run of etcd alone takes no place of the daily run of everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Group {
    /// The job's name; empty for one that has none.
    pub job: String,
    /// The kinds that were asked for.
    pub kinds: BTreeSet<String>,
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds: Vec<&str> = self.kinds.iter().map(String::as_str).collect();
        match self.job.as_str() {
            "" => f.write_str(&kinds.join("+")),
            job => write!(f, "{job}: {}", kinds.join("+")),
        }
    }
}

#[cfg(test)]
impl Candidate {
    /// A complete one of which nothing else is known.
    pub(in super::super) fn made(created_at: Timestamp) -> Self {
        Candidate {
            id: PointId::new(created_at, 0),
            created_at,
            group: Group::default(),
            complete: true,
            not_understood: None,
            verified: None,
            verified_deep: None,
            failed: false,
            held: None,
            tags: BTreeSet::new(),
            lock: None,
        }
    }
}

impl Candidate {
    /// What a listing tells of a recovery point, and what is recorded of it; locks are not among it.
    pub fn of(listed: &Listed, standing: Option<&Standing>) -> Self {
        let signature = match &listed.signature {
            Signature::Bad(why) => Some(format!("its signature does not hold: {why}")),
            Signature::Holds | Signature::NotChecked => None,
        };
        let mut candidate = Candidate {
            id: listed.id.clone(),
            created_at: listed.id.time().unwrap_or(Timestamp::UNIX_EPOCH),
            group: Group::default(),
            complete: false,
            not_understood: signature,
            verified: None,
            verified_deep: None,
            failed: false,
            held: None,
            tags: BTreeSet::new(),
            lock: None,
        };
        if let Some(standing) = standing {
            candidate.held = standing.held.as_ref().map(|held| held.reason.clone());
            candidate.tags = standing.tags.clone();
            // The tag that it may have had is one that may have kept it.
            let doubt = standing.doubts.iter().find(|doubt| doubt.family == Family::Tags);
            let doubt = doubt.map(|doubt| format!("a record of its tags cannot be trusted: {doubt}"));
            candidate.not_understood = candidate.not_understood.or(doubt);
            let last = standing.verified.as_ref();
            candidate.failed = last.is_some_and(|last| !last.passed);
            // One that passed once and then failed is no verified one.
            if last.is_some_and(|last| last.passed) {
                candidate.verified = last.map(|last| last.at);
                let deep = standing.depths.get(&VerifiedDepth::Deep);
                candidate.verified_deep = deep.filter(|deep| deep.passed).map(|deep| deep.at);
            }
        }
        match &listed.manifest {
            Err(why) => candidate.not_understood = Some(why.clone()),
            Ok(manifest) => {
                candidate.created_at = manifest.created_at;
                candidate.complete = manifest.status == Status::Completed;
                let held = manifest.artifacts.iter().map(|a| &a.kind);
                let kinds =
                    held.filter(|kind| **kind != ArtifactKind::ResourcesIndex).map(ArtifactKind::as_str);
                // A half that failed as a whole was asked for as well.
                let halves = [ArtifactKind::Etcd, ArtifactKind::Resources];
                let failed = manifest.problems.iter().filter(|p| p.fatal).map(|p| p.about.as_str());
                let failed = failed.filter(|about| halves.iter().any(|half| half.as_str() == *about));
                candidate.group = Group {
                    job: manifest.job.clone(),
                    kinds: kinds.chain(failed).map(str::to_owned).collect(),
                };
            }
        }
        candidate
    }
}
