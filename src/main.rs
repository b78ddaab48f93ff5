//! The `lifeboat` program: see `lifeboat --help`.
fn main() {}
