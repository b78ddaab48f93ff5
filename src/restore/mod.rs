//! Bringing back what was saved.

pub mod etcd;
pub mod static_pods;
