//! Tests against real servers, in one binary so that the crate is linked once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod boat;
mod lab;

mod etcd_access;
mod etcd_comparison;
mod etcd_doctor;
mod etcd_members;
mod etcd_outcome;
mod etcd_stream;
mod lab_works;
mod round_trip;
