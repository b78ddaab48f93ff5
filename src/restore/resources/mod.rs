//! Putting objects back through the API server.

pub mod directory;
