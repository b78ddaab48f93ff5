//! Tests against real servers, in one binary so that the crate is linked once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod boat;
mod export;
mod http_front;
mod lab;
mod live;

mod kube_credentials;
mod kube_faults;
mod kube_filters;
mod kube_one_cut;
mod kube_round_trip;
mod kube_types;
mod kube_unreachable;
mod lab_works;
mod round_trip;
