//! The source tree keeps to its plan: which room may import which, and which crate is spoken to where.
//!
//! A room is a module at the top of `src/`. The sources are read as text, without comments and strings; `self`, `super`,
//! nested `use` trees, renames and paths outside of `use` are followed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The rooms in the order in which data flows, and what each may import.
const ROOMS: &[(&str, &[&str])] = &[
    ("point", &[]),
    ("source", &["point"]),
    ("snapshot", &["point"]),
    ("pipeline", &["point"]),
    ("store", &["point"]),
    ("catalogue", &["store", "pipeline", "snapshot", "point"]),
    // It reads the revision from the snapshot that streams by, and a restore from the database that was made.
    ("backup", &["source", "pipeline", "store", "catalogue", "point", "snapshot"]),
    ("restore", &["pipeline", "store", "catalogue", "point", "snapshot"]),
    // Types of results only.
    ("report", &["backup", "catalogue", "point", "restore", "snapshot"]),
    ("config", &[]),
    (
        "cli",
        &[
            "point",
            "source",
            "snapshot",
            "pipeline",
            "store",
            "catalogue",
            "backup",
            "restore",
            "report",
            "config",
        ],
    ),
];

/// Crates that stay in their place: a room, a directory or a file below `src/`.
const CONFINED: &[(&str, &[&str])] = &[
    ("age", &["pipeline/encrypt.rs"]),
    ("anyhow", &["cli"]),
    ("clap", &["cli"]),
    ("clap_complete", &["cli"]),
    ("clap_mangen", &["cli"]),
    ("comfy_table", &["report"]),
    ("crc_fast", &["snapshot"]),
    ("etcd_client", &["source/etcd"]),
    ("http", &["source/kube"]),
    ("http_body_util", &["source/kube"]),
    ("indicatif", &["cli"]),
    ("k8s_openapi", &["source/kube"]),
    ("k8s_pb", &["snapshot/decode"]),
    ("kube", &["source/kube"]),
    ("minisign", &["pipeline/sign.rs"]),
    ("prost", &["snapshot/decode"]),
    ("rustix", &["store", "restore"]),
    // A swap of static pods asks the API server whether it is ready.
    ("rustls", &["source", "main.rs", "restore/static_pods"]),
    ("schemars", &["point", "config", "cli"]),
    // Manifests of static pods are YAML.
    ("serde_yaml", &["config", "cli", "restore/static_pods/pod.rs"]),
    ("strsim", &["config"]),
    ("tar", &["pipeline", "catalogue"]),
    ("tokio_rustls", &["source/etcd", "restore/static_pods/probe.rs"]),
    ("tonic", &["source/etcd"]),
    ("tracing_subscriber", &["cli"]),
    ("x509_parser", &["source/etcd"]),
    ("zeroize", &["config"]),
    ("zstd", &["pipeline"]),
];

/// Crates that any room may use.
const COMMON: &[&str] = &[
    "async_trait",
    "bytes",
    "futures_util",
    "jiff",
    "rand",
    "secrecy",
    "serde",
    "serde_json",
    "sha2",
    "tempfile",
    "thiserror",
    "tokio",
    "tracing",
    "url",
];

/// The one file that may start a program.
const SPAWNS: &str = "restore/etcd/etcdutl.rs";

/// No file is longer.
const LINES: usize = 400;

/// Names that say nothing.
const VAGUE: &[&str] = &["common", "helper", "helpers", "misc", "types", "util", "utils"];

/// What may stand at the top of the project, beside files that begin with a dot and what `.gitignore` names.
const TOP: &[&str] = &[
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "deploy",
    "integration",
    "runbooks",
    "scripts",
    "src",
];

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
    assert!(homeless.is_empty(), "say in integration/rooms.rs where these may be used: {homeless:?}");
    let gone: Vec<_> = known.difference(&used).collect();
    assert!(gone.is_empty(), "integration/rooms.rs names crates that are no dependencies: {gone:?}");
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

fn imports_wrong(file: &Path, text: &str) -> Vec<String> {
    let modules = modules(file);
    let Some(room) = modules.first().map(String::as_str) else { return Vec::new() };
    let Some((_, allowed)) = ROOMS.iter().find(|(name, _)| *name == room) else {
        return vec![format!("src/{}: `{room}` is no room of the plan", file.display())];
    };
    let imported: BTreeSet<String> =
        paths(text).iter().filter_map(|path| from_root(&path.segments, &modules)?.first().cloned()).collect();
    imported
        .iter()
        .filter(|other| ROOMS.iter().any(|(name, _)| name == other))
        .filter(|other| *other != room && !allowed.contains(&other.as_str()))
        .map(|other| format!("src/{}: `{room}` must not import `{other}`", file.display()))
        .collect()
}

fn vendors_wrong(file: &Path, text: &str) -> Vec<String> {
    let paths = paths(text);
    // Names that a `use` or a `mod` gives to something of our own.
    let ours: BTreeSet<&str> = paths
        .iter()
        .filter(|path| matches!(path.segments[0].as_str(), "crate" | "self" | "super"))
        .filter_map(|path| path.name.as_deref())
        .collect();
    let inside = |place: &&str| file.starts_with(place);
    let crates: BTreeSet<&str> = paths
        .iter()
        .map(|path| path.segments[0].as_str())
        .filter(|name| !ours.contains(name))
        .filter(|name| {
            CONFINED.iter().any(|(confined, places)| confined == name && !places.iter().any(&inside))
        })
        .collect();
    crates
        .iter()
        .map(|name| {
            let places = CONFINED.iter().find(|(n, _)| n == name).map(|(_, p)| p.join(", "));
            format!("src/{}: `{name}` is used only in {}", file.display(), places.unwrap_or_default())
        })
        .collect()
}

fn spawns_wrong(file: &Path, text: &str) -> Vec<String> {
    let starts = paths(text)
        .iter()
        .any(|p| p.segments.windows(2).any(|w| w[0] == "process" && (w[1] == "Command" || w[1] == "*")));
    match starts && file != Path::new(SPAWNS) {
        true => vec![format!("src/{}: only {SPAWNS} starts programs", file.display())],
        false => Vec::new(),
    }
}

fn form_wrong(file: &Path, text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut say = |what: String| wrong.push(format!("src/{}: {what}", file.display()));
    let lines = text.lines().count();
    if lines > LINES {
        say(format!("{lines} lines, and {LINES} are the most: divide it by what it does"));
    }
    if (file.ends_with("mod.rs") || file.components().count() == 1) && !text.starts_with("//! ") {
        say("it does not begin with what it is (`//! …`)".to_owned());
    }
    let bare = bare(text);
    let words: Vec<&str> = bare.split(|c: char| !is_word(c)).filter(|word| !word.is_empty()).collect();
    let inline = words.windows(2).filter(|w| w[0] == "mod").map(|w| w[1].to_owned());
    for name in modules(file).into_iter().chain(inline) {
        if VAGUE.contains(&name.as_str()) {
            say(format!("a module called `{name}` says nothing of what is in it"));
        }
    }
    wrong
}

/// The module path of a file: `catalogue/verify.rs` is `catalogue`, `verify`.
fn modules(file: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        file.with_extension("").iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if matches!(names.last().map(String::as_str), Some("mod" | "lib" | "main")) {
        names.pop();
    }
    names
}

/// A path as it stands in the source, with the name that a `use` gives to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
struct SourcePath {
    segments: Vec<String>,
    name: Option<String>,
}

/// The path from the crate's root, for one that stays in the crate.
fn from_root(path: &[String], modules: &[String]) -> Option<Vec<String>> {
    let (first, rest) = path.split_first()?;
    match first.as_str() {
        "crate" => Some(rest.to_vec()),
        "self" | "super" => {
            let up = path.iter().take_while(|segment| *segment == "super").count();
            let own = path.iter().take_while(|s| matches!(s.as_str(), "self" | "super")).count();
            let base = &modules[..modules.len().saturating_sub(up)];
            Some(base.iter().chain(&path[own..]).cloned().collect())
        }
        _ => None,
    }
}

/// Every path of two segments or more, `use` trees unfolded, and every module declared.
fn paths(text: &str) -> Vec<SourcePath> {
    let tokens = tokens(&bare(text));
    let mut found = Vec::new();
    let mut i = 0;
    while i < tokens.len() {
        let word = tokens[i].as_str();
        if word == "use" {
            i = use_tree(&tokens, i + 1, &[], &mut found);
        } else if word == "mod" && tokens.get(i + 1).is_some_and(|t| t.starts_with(is_word)) {
            let segments = vec!["self".to_owned(), tokens[i + 1].clone()];
            found.push(SourcePath { segments, name: Some(tokens[i + 1].clone()) });
            i += 2;
        } else if word.starts_with(is_word) {
            let mut segments = vec![word.to_owned()];
            i += 1;
            while tokens.get(i).is_some_and(|t| t == "::")
                && tokens.get(i + 1).is_some_and(|t| t.starts_with(is_word))
            {
                segments.push(tokens[i + 1].clone());
                i += 2;
            }
            if segments.len() > 1 {
                found.push(SourcePath { segments, name: None });
            }
        } else {
            i += 1;
        }
    }
    found
}

/// Unfolds the tree that begins at `i`, and gives the place behind it.
fn use_tree(tokens: &[String], mut i: usize, prefix: &[String], found: &mut Vec<SourcePath>) -> usize {
    let mut segments = prefix.to_vec();
    let mut name = None;
    while let Some(token) = tokens.get(i).map(String::as_str) {
        match token {
            "::" => i += 1,
            "{" => {
                i += 1;
                while tokens.get(i).is_some_and(|t| t != "}") {
                    if tokens[i] == "," {
                        i += 1;
                    } else {
                        i = use_tree(tokens, i, &segments, found);
                    }
                }
                return i + 1;
            }
            "as" => {
                name = tokens.get(i + 1).cloned();
                i += 2;
            }
            "," | "}" | ";" => break,
            _ => {
                segments.push(token.to_owned());
                i += 1;
            }
        }
    }
    // `use a::b::{self}` is `a::b`.
    if segments.len() > 1 && segments.last().is_some_and(|s| s == "self") {
        segments.pop();
    }
    if !segments.is_empty() {
        let name = name.or_else(|| segments.last().cloned());
        found.push(SourcePath { segments, name });
    }
    i
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Words, `::`, and every other character by itself.
fn tokens(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while let Some(c) = rest.chars().next() {
        let end = if is_word(c) {
            rest.find(|c: char| !is_word(c)).unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else {
            c.len_utf8()
        };
        found.push(rest[..end].trim_start_matches("r#").to_owned());
        rest = rest[end..].trim_start();
    }
    found
}

/// The source without comments, and with nothing in its strings and characters.
fn bare(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut before = ' ';
    while let Some(c) = rest.chars().next() {
        let end = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment(rest)
        } else if let Some(end) = raw_string(rest).filter(|_| !is_word(before)) {
            end
        } else if c == '"' {
            quoted(rest, '"')
        } else if c == '\'' {
            // A lifetime has no closing quote right behind it.
            let mut chars = rest.chars().skip(1);
            match (chars.next(), chars.next()) {
                (Some('\\'), _) | (Some(_), Some('\'')) => quoted(rest, '\''),
                _ => 1,
            }
        } else {
            out.push(c);
            before = c;
            rest = &rest[c.len_utf8()..];
            continue;
        };
        out.push(' ');
        before = ' ';
        rest = &rest[end..];
    }
    out
}

/// The length of the block comment, which may hold others, that `text` begins with.
fn block_comment(text: &str) -> usize {
    let (mut depth, mut i) = (0, 0);
    while i < text.len() {
        let tail = &text.as_bytes()[i..];
        if tail.starts_with(b"/*") {
            (depth, i) = (depth + 1, i + 2);
        } else if tail.starts_with(b"*/") {
            (depth, i) = (depth - 1, i + 2);
            if depth == 0 {
                return i;
            }
        } else {
            i += 1;
        }
    }
    text.len()
}

/// The length of the raw string, if `text` begins with one.
fn raw_string(text: &str) -> Option<usize> {
    let after = text.strip_prefix("br").or_else(|| text.strip_prefix('r'))?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    after[hashes..].strip_prefix('"')?;
    let start = text.len() - after.len() + hashes + 1;
    let close = format!("\"{}", "#".repeat(hashes));
    Some(text[start..].find(&close).map_or(text.len(), |at| start + at + close.len()))
}

/// The length of the string or character that `text` begins with.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (i, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return i + 1,
            _ => {}
        }
    }
    text.len()
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

mod the_reader {
    use super::*;

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
            assert_eq!(spawns_wrong(Path::new(SPAWNS), text).len(), 0, "{text}");
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
}
