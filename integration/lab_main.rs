//! Starts and fills throw-away clusters.
fn main() {}
