//! Lifeboat saves a Kubernetes cluster's state and proves that it can be brought back.
//!
//! The rooms below stand in the order in which data flows:
//!
//! ```text
//!   etcd, API server                                        data directory, new cluster
//!         │                                                            ▲
//!      source ──▶ pipeline::seal ──▶ store ──▶ catalogue ──▶ pipeline::open ──▶ restore
//!                       ▲                          │
//!                       └── point (the nouns) ─────┼──▶ snapshot (reads a database file)
//!                                                  └──▶ compare (what changed, by object)
//! ```
//!
//! `backup` is the one walk from left to right; `drill` walks back, into a staging cluster, and compares; `notify` tells people what came of it, and `trace` tells OpenTelemetry; `playbook` carries out what is written for an incident; `object` knows what is in a Kubernetes object; `schedule` knows when something is due, and `daemon` begins it then; `cli` starts everything,
//! `config` tells it what to do, `report` shows what came of it. Which room may import which is checked by `integration/rooms`.

pub mod point;

pub mod object;

pub mod source;

pub mod snapshot;

pub mod pipeline;

pub mod store;

pub mod catalogue;

pub mod backup;

pub mod compare;

pub mod restore;

pub mod drill;

pub mod notify;

pub mod trace;

pub mod playbook;

pub mod schedule;

pub mod daemon;

pub mod report;

pub mod config;

pub mod cli;
