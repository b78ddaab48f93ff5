//! The whole swap on the host of a control plane whose servers are static pods: restore beside, stop, swap, start.
//!
//! ```text
//!   plan (reads pod, control_plane) ──▶ apply ──▶ files, probe
//!                                         │  └──▶ journal ──▶ undo
//!                                         └─ on failure ────────▲
//! ```
//!
//! A kubelet runs the pods whose manifests lie in a directory: moving a manifest out stops a server, moving it back
//! starts it. Nothing is stopped before the new data directory is whole. Every step is written down before it is done,
//! and the way back is found from where the files really are, so it can be gone after a loss of power, and again.

mod apply;
mod control_plane;
mod error;
mod files;
mod journal;
mod lock;
mod pinned;
mod plan;
mod pod;
mod probe;
mod swap;
mod undo;

pub use apply::{Swapped, apply};
pub use control_plane::{ApiServer, EtcdServer};
pub use error::SwapError;
pub use plan::{SwapOptions, SwapPlan, plan};
pub use swap::Swap;
pub use undo::{Undone, undo, way_back};

/// Hears of every step as it begins.
pub type Tell<'a> = &'a dyn Fn(&str);
