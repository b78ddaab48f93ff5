//! A resource export as anybody reads it: with age, zstd and tar, and nothing of the program under test.

use crate::{boat::Lifeboat, lab::process::run};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// Which object: `<group|core>/<resource>/<namespace|_cluster>/<name>`, whatever its version.
pub type Name = String;

/// Everything that an export holds.
pub struct Export {
    /// Every object, as it stands in the archive.
    pub objects: BTreeMap<Name, Value>,
    /// What the manifest says of the export.
    pub facts: Value,
}

impl Export {
    /// Opens the export of a recovery point. Archive, index and manifest have to agree on every object: path, uid,
    /// resourceVersion, size and SHA-256 of each, and the counts of each type.
    pub async fn read(boat: &Lifeboat, manifest: &Value) -> Result<Self> {
        let id = manifest["id"].as_str().context("a manifest without an id")?;
        let point = boat.path("store").join("lab/points").join(id);
        let opened = boat.path(&format!("opened-{id}"));
        fs::create_dir(&opened)?;
        let archive = open(boat, &point.join("resources.tar.zst.age"), &opened).await?;
        let index = fs::read_to_string(open(boat, &point.join("resources.index.zst.age"), &opened).await?)?;
        let paths = run(Path::new("tar"), [Path::new("-tf"), &archive], &[]).await?;
        let tree = opened.join("tree");
        fs::create_dir(&tree)?;
        run(Path::new("tar"), [Path::new("-xf"), &archive, Path::new("-C"), &tree], &[]).await?;

        let mut export = Export { objects: BTreeMap::new(), facts: facts(manifest)?.clone() };
        let mut counts: BTreeMap<String, (u64, u64)> = BTreeMap::new();
        ensure!(paths.lines().count() == index.lines().count(), "archive and index differ in length");
        for (path, line) in paths.lines().zip(index.lines()) {
            let bytes = fs::read(tree.join(path))?;
            let object: Value = serde_json::from_slice(&bytes).with_context(|| path.to_owned())?;
            let expected = serde_json::json!({
                "path": path,
                "uid": object["metadata"]["uid"].as_str().unwrap_or_default(),
                "resourceVersion": object["metadata"]["resourceVersion"].as_str().unwrap_or_default(),
                "size": bytes.len(),
                "sha256": hex(&Sha256::digest(&bytes)),
            });
            assert_eq!(serde_json::from_str::<Value>(line)?, expected);
            let [group, version, resource, ..] = path.split('/').collect::<Vec<_>>()[..] else {
                panic!("{path} is not a path of an export")
            };
            let suffix = if group == "core" { String::new() } else { format!(".{group}") };
            let count = counts.entry(format!("{resource}{suffix}/{version}")).or_default();
            *count = (count.0 + 1, count.1 + bytes.len() as u64);
            let name = name(group, resource, &object);
            ensure!(export.objects.insert(name, object).is_none(), "{path} is there twice");
        }
        let said = export.facts["counts"].as_object().context("no counts")?.iter();
        let said =
            said.map(|(kind, count)| (kind.clone(), (number(count, "objects"), number(count, "bytes"))));
        assert_eq!(counts, said.filter(|(_, (objects, _))| *objects > 0).collect());
        assert_eq!(export.facts["objects"], export.objects.len());
        Ok(export)
    }

    /// The names that begin so.
    pub fn named(&self, beginning: &str) -> Vec<&str> {
        self.objects.keys().filter_map(|name| name.strip_prefix(beginning)).collect()
    }

    /// Types that should be in it and are not, with the reason.
    pub fn failed(&self) -> BTreeMap<&str, &str> {
        let failed = self.facts["failed"].as_array().into_iter().flatten();
        failed.map(|f| (f["resource"].as_str().unwrap(), f["reason"].as_str().unwrap())).collect()
    }
}

/// The name of an object of this resource.
pub fn name(group: &str, resource: &str, object: &Value) -> Name {
    let metadata = &object["metadata"];
    let group = if group.is_empty() { "core" } else { group };
    let namespace = metadata["namespace"].as_str().unwrap_or("_cluster");
    format!("{group}/{resource}/{namespace}/{}", metadata["name"].as_str().unwrap_or_default())
}

/// What a manifest says of the resource export.
pub fn facts(manifest: &Value) -> Result<&Value> {
    let artifacts = manifest["artifacts"].as_array().into_iter().flatten();
    let mut facts = artifacts.filter_map(|artifact| artifact.get("resources"));
    facts.next().with_context(|| format!("no export in {manifest}"))
}

/// Every file below the store; after a run that failed, there must be none.
pub fn stored(boat: &Lifeboat) -> Vec<PathBuf> {
    fn walk(dir: &Path, files: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            match entry.path() {
                path if path.is_dir() => walk(&path, files),
                path => files.push(path),
            }
        }
    }
    let mut files = Vec::new();
    walk(&boat.path("store"), &mut files);
    files.sort();
    files
}

async fn open(boat: &Lifeboat, sealed: &Path, to: &Path) -> Result<PathBuf> {
    let compressed = to.join(sealed.with_extension("").file_name().context("no name")?);
    let plain = compressed.with_extension("");
    let identity = boat.path("identity.txt");
    let age = [Path::new("-d"), Path::new("-i"), &identity, Path::new("-o"), &compressed, sealed];
    run(Path::new("age"), age, &[]).await?;
    run(Path::new("zstd"), [Path::new("-dq"), &compressed, Path::new("-o"), &plain], &[]).await?;
    Ok(plain)
}

fn number(value: &Value, field: &str) -> u64 {
    value[field].as_u64().unwrap_or_default()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
