//! The checks see what they are for, and nothing else.

use super::checks::{form_wrong, imports_wrong, spawns_wrong, vendors_wrong};
use super::dependencies;
use super::plan::{LINES, SPAWNS};
use std::path::Path;

fn imports(file: &str, text: &str) -> usize {
    imports_wrong(Path::new(file), text).len()
}

fn vendors(file: &str, text: &str) -> usize {
    vendors_wrong(Path::new(file), text).len()
}

#[test]
fn sees_an_import_that_is_not_allowed() {
    for text in [
        "use crate::store::Store;",
        "use crate::store;",
        "pub(crate) use crate::store::*;",
        "use crate::{point::Key, store::{self, Store}};",
        "use crate::{\n    point::{Key, Digest},\n    store,\n};",
        "fn f() -> crate::store::Store { todo!() }",
        "fn f() { let x = crate :: store::open(); }",
        "use super::super::store::Store;",
        "use super::super::{point::Key, store::Store};",
        "use crate::store as point;",
        "const C: char = '\"'; use crate::store::S; // \"",
        "fn f<'a>(x: &'a str) -> crate::store::S<'a> {}",
    ] {
        assert_eq!(imports("pipeline/seal.rs", text), 1, "{text}");
    }
    assert_eq!(imports("pipeline/mod.rs", "use super::store::Store;"), 1);
    assert_eq!(imports("config/mod.rs", "use crate::{backup::Job, point::Key};"), 2);
    assert_eq!(imports("invented/mod.rs", ""), 1);
}

#[test]
fn allows_what_is_allowed() {
    for text in [
        "use crate::point::{Digest, Key};",
        "use crate::{pipeline::sign, point};",
        "use super::store::Store;",
        "use super::{store, sign};",
        "// use crate::store::Store;",
        "/* crate::store /* nested */ crate::store */",
        "const TEXT: &str = \"crate::store::Store\";",
        "const TEXT: &str = r#\"use crate::store; \"quoted\" \"#;",
        "use other::store::Store; fn f() { self.store.get(); other::crate_::store::x(); }",
    ] {
        assert_eq!(imports("pipeline/seal.rs", text), 0, "{text}");
    }
    assert_eq!(imports("lib.rs", "pub mod store; use crate::store::Store;"), 0);
}

#[test]
fn sees_a_crate_out_of_its_place() {
    for text in [
        "use clap::Parser;",
        "use ::clap::Parser;",
        "use clap;",
        "use clap as arguments;",
        "#[derive(Debug, clap::Args)] struct A;",
        "fn f() { let c = clap::Command::new(); }",
        "use {serde::Serialize, clap::{Args, Parser}};",
    ] {
        assert_eq!(vendors("store/file.rs", text), 1, "{text}");
        assert_eq!(vendors("cli/list.rs", text), 0, "{text}");
    }
    assert_eq!(vendors("source/etcd/mod.rs", "use kube::Client;"), 1);
    assert_eq!(vendors("pipeline/open.rs", "use age::Decryptor; use zstd::Decoder;"), 1);
}

#[test]
fn tells_our_own_modules_from_crates() {
    for text in [
        "use crate::source::{etcd, kube}; fn f(c: kube::Cluster) {}",
        "use crate::source::kube::{self, Cluster}; fn f(c: kube::Filter) {}",
        "mod kube; use kube::Cluster;",
        "use crate::source::etcd as kube; fn f(c: kube::X) {}",
        "fn f(age: u64) -> u64 { age }",
    ] {
        assert_eq!(vendors("backup/mod.rs", text), 0, "{text}");
    }
}

#[test]
fn sees_programs_being_started() {
    for text in [
        "use std::process::Command;",
        "use tokio::process::{Child, Command};",
        "use std::{fs, process::Command as Run};",
        "use std::process::*;",
        "fn f() { std::process::Command::new(\"ls\"); }",
    ] {
        assert_eq!(spawns_wrong(Path::new("backup/mod.rs"), text).len(), 1, "{text}");
        assert_eq!(spawns_wrong(Path::new(SPAWNS[0]), text).len(), 0, "{text}");
    }
    assert_eq!(spawns_wrong(Path::new("main.rs"), "use std::process::ExitCode;").len(), 0);
}

#[test]
fn sees_bad_form() {
    let form = |file: &str, text: &str| form_wrong(Path::new(file), text).len();
    assert_eq!(form("store/file.rs", &"\n".repeat(LINES)), 0);
    assert_eq!(form("store/file.rs", &"\n".repeat(LINES + 1)), 1);
    assert_eq!(form("store/mod.rs", "use std::fs;"), 1);
    assert_eq!(form("store/mod.rs", "//! Where objects live."), 0);
    assert_eq!(form("store/utils.rs", ""), 1);
    assert_eq!(form("helpers/mod.rs", "//! Help."), 1);
    assert_eq!(form("store/file.rs", "mod common { }"), 1);
}

#[test]
fn reads_a_manifest() {
    let text = "[dependencies]\nserde = \"1\"\ntokio-rustls = { version = \"0.26\" }\n\n[dev-dependencies]\nx = \"1\"\n";
    assert_eq!(dependencies(text).into_iter().collect::<Vec<_>>(), ["serde", "tokio_rustls"]);
}
