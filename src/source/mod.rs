//! Where a cluster's state is read: etcd's members, and the API server.

pub mod etcd;

pub mod kube;
