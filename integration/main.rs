//! Tests against real servers, in one binary so that the crate is linked once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod boat;
mod catalogue_damage;
mod catalogue_forged;
mod cli_files;
mod cli_help;
mod cli_json;
mod cli_keys;
mod cli_reading;
mod cli_secrets;
mod etcd_access;
mod etcd_comparison;
mod etcd_doctor;
mod etcd_members;
mod etcd_outcome;
mod etcd_stream;
mod export;
mod kube_credentials;
mod kube_filters;
mod kube_one_cut;
mod kube_round_trip;
mod kube_types;
mod kube_unreachable;
mod lab;
mod lab_works;
mod live;
mod readme;
mod restore_etcd;
mod restore_killed;
mod rooms;
mod round_trip;
mod saved;
mod store_full;
mod store_killed;
mod store_tools;
