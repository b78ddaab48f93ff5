//! A drill: a recovery point is brought up in a staging cluster, what came back is compared with what was saved, and signed
//! evidence is left.
//!
//! ```text
//!   pick ─▶ open and verify ─▶ staging: provision ─▶ restore ─▶ start ─▶ checks ─▶ tear down ─▶ evidence
//!                                 └────────── always torn down, whatever comes between ──────────▲
//! ```
//!
//! [`staging`] is where a point is brought up, behind one trait.

pub mod staging;
