//! The nouns: recovery point, artifact, manifest, record, digest, key. No I/O, no other room.

mod artifact;
mod digest;
mod drill;
mod error;
mod id;
mod key;
mod manifest;
mod news;
mod path;
mod record;
mod run;
mod tag;
mod took;
mod turn;
mod verification;

pub use artifact::{
    Artifact, ArtifactKind, EtcdFacts, ExcludedBy, KvHash, MemberFacts, ResourceCount, ResourceFacts,
    ResourceProblem,
};
pub use digest::Digest;
pub use drill::{
    CheckOutcome, CheckResult, Details, DrillFinding, DrillNote, DrillPlan, DrillVerdict, DrilledArtifact,
    DrilledPoint, EarlierDrill, Evidence, Isolation, Objective, Phase, PhaseTime, Pick, Program, Removed,
    Restores, Retain, Severity, StagingFacts,
};
pub use error::PointError;
pub use id::PointId;
pub use key::Key;
pub use manifest::{
    ClusterFacts, FORMAT_MAJOR, FORMAT_MINOR, FormatVersion, Manifest, Problem, Status, ToolFacts,
    Verification,
};
pub use news::News;
pub use path::{ObjectPlace, object_path, parse_object_path};
pub use record::{AnyRecord, Facts, Family, HoldAction, HoldFacts, Record, TagFacts};
pub use run::{KeptEvidence, RunRecord};
pub use tag::Tag;
pub use took::{BackupPhase, Took};
pub use turn::{Claim, End, Failing, Fence, Turn, TurnOutcome, TurnPart};
pub use verification::{FindingCounts, Level, Outcome, RecordedFinding, VerificationFacts, VerifiedDepth};
