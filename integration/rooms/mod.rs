//! The source tree keeps to its plan: which room may import which, and which crate is spoken to where.
//!
//! A room is a module at the top of `src/`. The sources are read as text, without comments and strings; `self`, `super`,
//! nested `use` trees, renames and paths outside of `use` are followed.

mod checks;
mod parser;
mod plan;
mod the_reader;

use checks::{form_wrong, imports_wrong, spawns_wrong, vendors_wrong};
use parser::bare;
use plan::{COMMON, CONFINED, ROOMS, TOP};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn rooms_import_what_the_plan_allows() {
    let wrong: Vec<String> = sources().iter().flat_map(|(file, text)| imports_wrong(file, text)).collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_rooms_are_those_of_the_plan() {
    let text = bare(&fs::read_to_string(root().join("src/lib.rs")).unwrap());
    let found: Vec<&str> =
        text.split(';').filter_map(|s| s.trim().strip_prefix("pub mod ")).map(str::trim).collect();
    let planned: Vec<&str> = ROOMS.iter().map(|(room, _)| *room).collect();
    assert_eq!(found, planned, "src/lib.rs lists the rooms in the order in which data flows");
}

#[test]
fn crates_stay_in_their_place() {
    let wrong: Vec<String> = sources().iter().flat_map(|(file, text)| vendors_wrong(file, text)).collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn every_dependency_has_a_place() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let used = dependencies(&manifest);
    let known: BTreeSet<String> =
        CONFINED.iter().map(|(name, _)| *name).chain(COMMON.iter().copied()).map(str::to_owned).collect();
    let homeless: Vec<_> = used.difference(&known).collect();
    assert!(homeless.is_empty(), "say in integration/rooms/plan.rs where these may be used: {homeless:?}");
    let gone: Vec<_> = known.difference(&used).collect();
    assert!(gone.is_empty(), "integration/rooms/plan.rs names crates that are no dependencies: {gone:?}");
}

#[test]
fn one_place_starts_programs() {
    let wrong: Vec<String> = sources().iter().flat_map(|(file, text)| spawns_wrong(file, text)).collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn files_are_short_named_and_introduced() {
    let wrong: Vec<String> = sources().iter().flat_map(|(file, text)| form_wrong(file, text)).collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn undocumented_items_do_not_compile() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    assert_eq!(section(&manifest, "lints.rust").get("missing_docs").map(String::as_str), Some("\"deny\""));
}

#[test]
fn nothing_strays_at_the_top() {
    let ignored = fs::read_to_string(root().join(".gitignore")).unwrap();
    let ignored: Vec<&str> = ignored.lines().filter_map(|line| line.strip_prefix('/')).collect();
    let entries = fs::read_dir(root()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    let stray: Vec<String> = entries
        .filter(|name| {
            !name.starts_with('.') && !TOP.contains(&name.as_str()) && !ignored.contains(&name.as_str())
        })
        .collect();
    assert!(stray.is_empty(), "these do not belong at the top of the project: {stray:?}");
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every source file: its path below `src/`, and its text.
fn sources() -> Vec<(PathBuf, String)> {
    fn walk(dir: &Path, found: &mut Vec<(PathBuf, String)>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let file = path.strip_prefix(root().join("src")).unwrap().to_owned();
                found.push((file, fs::read_to_string(path).unwrap()));
            }
        }
    }
    let mut found = Vec::new();
    walk(&root().join("src"), &mut found);
    assert!(found.len() > 50, "only {} files: is this the right place?", found.len());
    found.sort();
    found
}

/// The names and values of a section of a manifest that has one entry a line.
fn section(manifest: &str, name: &str) -> BTreeMap<String, String> {
    let lines = manifest.lines().skip_while(|line| *line != format!("[{name}]")).skip(1);
    lines
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split_once(" = "))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn dependencies(manifest: &str) -> BTreeSet<String> {
    section(manifest, "dependencies").keys().map(|name| name.replace('-', "_")).collect()
}
