//! The whole swap on the host of a control plane whose servers are static pods: restore beside, stop, swap, start.
//!
//! ```text
//!   plan (reads pod, control_plane) ──▶ apply ──▶ files, probe
//!                                         │  └──▶ journal ──▶ undo
//!                                         └─ on failure ────────▲
//! ```
//!
//! What a playbook does on a host a step at a time stands beside it: `manifest` (one moved), `watch` (gone, or ready), `archive`,
//! `access` (how etcd is asked) and `last` (the swap that was made last).
//!
//! A kubelet runs the pods whose manifests lie in a directory: moving a manifest out stops a server, moving it back
//! starts it. Nothing is stopped before the new data directory is whole. Every step is written down before it is done,
//! and the way back is found from where the files really are, so it can be gone after a loss of power, and again.

mod access;
mod apply;
mod archive;
mod containers;
mod control_plane;
mod error;
mod files;
mod journal;
mod last;
mod lock;
mod manifest;
mod pinned;
mod plan;
mod pod;
mod probe;
mod swap;
mod undo;
mod watch;

pub use access::{Access, access, data_dir};
pub use apply::{Swapped, apply};
pub use archive::{Archived, archive, digest_of};
pub use control_plane::{ApiServer, EtcdServer};
pub use error::SwapError;
pub use last::{Last, last};
pub use manifest::{Lies, known, lies, move_manifest, place_of_stopped};
pub use plan::{SwapOptions, SwapPlan, plan};
pub use swap::Swap;
pub use undo::{Undone, undo, way_back};
pub use watch::{gone, ready};

/// Hears of every step as it begins.
pub type Tell<'a> = &'a (dyn Fn(&str) + Sync);
