//! Where a recovery point's bytes come from.

pub mod kube;
