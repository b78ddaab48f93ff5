//! Data that looks like Kubernetes', made from a seed.

mod api;
mod crowd;
mod etcd;
mod objects;
pub mod points;
mod shop;

pub use api::api;
pub use crowd::{crowd, let_out, ship, ship_of};
pub use etcd::{Filled, etcd};
pub use shop::{apply, apply_all, shop};
