use super::{Collect, Condition, Op, Outside};

/// No controller and no kubelet is there.
const NOTHING_RUNS: &str = "nothing runs in this staging";
/// The store, and other people, are not part of the staging.
const BEYOND: &str = "a rehearsal does nothing beyond the staging";

impl Op {
    /// Why a rehearsal leaves it out, if it does. `runs`: are there controllers and kubelets?
    pub fn left_out(&self, runs: bool) -> Option<&'static str> {
        match self {
            // Nothing of a host is in a playbook for a cluster.
            Op::Host(_) => None,
            Op::Create(_) | Op::Change(_) | Op::Delete(_) | Op::Evict(_) => None,
            Op::Restore(_) | Op::Rotate(_) => None,
            Op::Point(_) | Op::Call(_) => Some(BEYOND),
            Op::Collect(Collect::Manifest { .. } | Collect::Events { .. }) => None,
            Op::Wait(it) if matches!(it.until, Condition::Elapsed | Condition::Refused { .. }) => None,
            Op::Ask(it) if it.check != "check.ready" => None,
            Op::Collect(Collect::Logs { .. } | Collect::Files { .. })
            | Op::Wait(_)
            | Op::Ask(_)
            | Op::Outside(Outside::Exec { .. } | Outside::Checkpoint { .. }) => {
                (!runs).then_some(NOTHING_RUNS)
            }
        }
    }
}
