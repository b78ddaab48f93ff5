//! Kubernetes objects as data: what of them is noise, in which fields two differ, what of them is secret, in which order
//! their types come, which of them say who may do what, what of them is brought to another cluster, and what they take from
//! a quota there. Pure: no I/O, no client, no clock.
//!
//! ```text
//!   JSON ─▶ veil (values of Secrets become digests) ─▶ noise (what the server writes goes) ─▶ diff (path: old -> new)
//!                                                                       └─▶ access (who may do what, in words)
//!
//!   JSON ─▶ left_out, made_again (stays behind) ─▶ clean ─▶ rewrite ─▶ carry_over (where the object is there already)
//! ```

mod clean;
mod demand;
mod diff;
mod exposure;
mod expression;
mod field_path;
mod kinds;
mod labels;
mod name;
mod noise;
mod outline;
mod pattern;
mod plain;
mod quantity;
mod rank;
mod reach;
mod rewrite;
mod veil;
mod writer;

pub mod access;

pub use clean::{Keep, Owner, carry_over, clean, left_out, made_again, owners};
pub use demand::{Amounts, Demand, demand};
pub use diff::{FieldChange, diff};
pub use exposure::{Exposure, Way, exposure};
pub use expression::{Asked, BadExpression, Expression, FUNCTIONS};
pub use field_path::{FieldPath, Step};
pub use kinds::{Unresolved, resolve};
pub use labels::{BadSelector, LabelSelector};
pub use name::{Identity, TypeName};
pub use noise::{is_restless, restless_types, without_noise};
pub use outline::outline;
pub use pattern::{BadPattern, Glob, ResourcePattern};
pub use plain::plain;
pub use quantity::Quantity;
pub use rank::rank;
pub use rewrite::{BadRule, Modifier, Rewrite, Rules};
pub use veil::Veil;
pub use writer::{Writer, newest_writer};
