//! Where a cluster's state is read: etcd's members, and the API server.

mod certificate;
pub mod etcd;

pub mod kube;

pub use certificate::{BadCertificate, Certificate, Renewable};
