//! Bringing back what was saved.

pub mod etcd;
pub mod resources;
pub mod static_pods;
