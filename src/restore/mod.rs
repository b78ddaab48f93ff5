//! Bringing back what was saved.

pub mod etcd;
