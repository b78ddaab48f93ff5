//! Tests against real servers, in one binary so that the crate is linked once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod boat;
mod lab;

mod lab_works;
mod readme;
mod rooms;
mod round_trip;
