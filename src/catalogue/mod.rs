//! What a store holds. The catalogue *is* the store: nothing else needs to survive for a restore.

mod carry;
mod carry_drills;
mod copy;
mod deep;
mod drills;
mod error;
mod export;
mod finding;
mod hold;
mod ledger;
mod opened;
pub mod overview;
mod points;
pub mod prune;
mod records;
pub mod retention;
mod runs;
mod sample;
mod standing;
mod survey;
mod turns;
mod verified;
mod verify;

pub use crate::point::Level;
pub use carry::{Carried, carry};
pub use carry_drills::{CarriedDrills, carry_drills};
pub use copy::{Copied, copy, owed, owed_and_kept};
pub use drills::{DETAILS, Drill, EVIDENCE, Noted};
pub use error::CatalogueError;
pub use export::{IndexLine, each_entry};
pub use finding::{Aspect, Finding, Verdict};
pub use hold::Holding;
pub use points::{Catalogue, Listed, Loaded, Signature};
pub use records::{Author, Recorded, Records};
pub use runs::{Run, Said};
pub use sample::{Candidate, Sample, sample};
pub use standing::{Doubt, Held, Standing};
pub use survey::{History, Survey};
pub use turns::{Shown, may_commit};
pub use verified::{AtDepth, LastVerified, Passed};
pub use verify::{Depth, verify};

use crate::point::PointId;

/// Small requests of the catalogue that are under way at once.
const AT_ONCE: usize = 32;

/// The comment that is signed along with a manifest: it ties the signature to its place.
pub fn signed_comment(cluster: &str, id: &PointId) -> String {
    format!("lifeboat {cluster} {id}")
}
