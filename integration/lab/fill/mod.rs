//! Data that looks like Kubernetes', made from a seed.

mod api;
mod etcd;
mod objects;
pub mod points;
mod shop;

pub use api::api;
pub use etcd::{Filled, etcd};
pub use shop::{apply, shop};
