//! A recovery point of a small cluster that is gone by now. It is taken once; each test works on a copy of its own.

use crate::{
    boat::Lifeboat,
    lab::{Cluster, ClusterOptions, fill},
};
use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, api::PostParams};
use lifeboat::{
    catalogue::{Catalogue, Depth, Level, Verdict, signed_comment, verify},
    pipeline::{Identities, Signer, Verifier},
    point::{Manifest, PointId},
    store::FileStore,
};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};
use tempfile::TempDir;
use tokio::sync::OnceCell;

/// What is in the Secret `vault` of the namespace `default`.
pub const SECRET: &str = "correct-horse-battery-staple";
/// The same in base64, but for what depends on its end.
pub const SECRET_BASE64: &str = "Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5LXN0YXBsZQ";

/// A copy of the recovery point, its store, configuration and keys.
pub struct Saved {
    /// The program, in a directory with all that.
    pub boat: Lifeboat,
    /// The recovery point.
    pub id: PointId,
    dir: TempDir,
}

/// A fresh copy.
pub async fn saved() -> Result<Saved> {
    static ORIGINAL: OnceCell<PathBuf> = OnceCell::const_new();
    let original = ORIGINAL.get_or_try_init(take).await?;
    let dir = tempfile::Builder::new().prefix("lifeboat-saved-").tempdir()?;
    let copied = Command::new("cp").arg("-a").arg(original).arg(dir.path()).status()?;
    anyhow::ensure!(copied.success(), "cp: {copied}");
    let boat = Lifeboat::at(dir.path().join("boat")).await?;
    let point = fs::read_dir(boat.path("store/lab/points"))?.next().context("no recovery point")??;
    let id = point.file_name().to_string_lossy().parse()?;
    Ok(Saved { boat, id, dir })
}

/// Starts the cluster, saves it, and keeps what `lifeboat` made of it in the build's own directory for such things.
async fn take() -> Result<PathBuf> {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("saved-{}", std::process::id()));
    forget_dead_ones(&place)?;
    fs::create_dir_all(&place)?;
    let cluster = Cluster::start(&place, ClusterOptions::default()).await?;
    let client = cluster.client().await?;
    fill::api(&client, 80, 11).await?;
    let vault: Secret =
        serde_json::from_value(json!({"metadata": {"name": "vault"}, "stringData": {"password": SECRET}}))?;
    Api::namespaced(client, "default").create(&PostParams::default(), &vault).await?;
    let boat = Lifeboat::init(&place, Some(cluster.etcd()), Some(&cluster)).await?;
    boat.backup(&[]).await;
    // Its port may become that of another test's etcd; nothing ever listens at this one.
    boat.edit(|text| text.replace(&cluster.etcd().endpoints()[0], "http://127.0.0.1:1"))?;
    Ok(boat.dir().to_owned())
}

fn forget_dead_ones(place: &Path) -> Result<()> {
    for entry in fs::read_dir(place.parent().context("no parent")?)? {
        let (path, name) = entry.map(|e| (e.path(), e.file_name()))?;
        let pid = name.to_str().and_then(|n| n.strip_prefix("saved-"));
        if pid.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            fs::remove_dir_all(path)?;
        }
    }
    Ok(())
}

impl Saved {
    /// A directory of the test's own, beside the boat's.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// A file of the recovery point.
    pub fn object(&self, name: &str) -> PathBuf {
        self.boat.path("store/lab/points").join(self.id.as_str()).join(name)
    }

    /// The URL of the store.
    pub fn url(&self) -> String {
        format!("file://{}", self.boat.path("store").display())
    }

    /// The manifest, as it lies in the store.
    pub fn manifest(&self) -> Result<Manifest> {
        Ok(Manifest::parse(&fs::read(self.object("manifest.json"))?)?)
    }

    /// Changes the manifest and signs it anew, as only who has the signing key can.
    pub fn forge(&self, change: impl FnOnce(&mut Value)) -> Result<()> {
        let mut manifest: Value = serde_json::from_slice(&fs::read(self.object("manifest.json"))?)?;
        change(&mut manifest);
        self.sign(&serde_json::to_vec_pretty(&manifest)?)
    }

    /// Writes these bytes as the manifest, and their signature.
    pub fn sign(&self, manifest: &[u8]) -> Result<()> {
        let key = fs::read_to_string(self.boat.path("signing.key"))?;
        let signature = Signer::new(&key.into(), None)?.sign(manifest, &signed_comment("lab", &self.id))?;
        fs::write(self.object("manifest.json"), manifest)?;
        Ok(fs::write(self.object("manifest.json.minisig"), signature)?)
    }

    /// The identity.
    pub fn identities(&self) -> Result<Arc<Identities>> {
        Ok(Arc::new(Identities::from_files(&[self.boat.path("identity.txt")])?))
    }

    /// Verifies the recovery point through the library.
    pub async fn verify(&self, depth: &Depth) -> Result<Verdict> {
        let store = FileStore::new(self.boat.path("store"), &self.url());
        let verifier = Verifier::new(&fs::read_to_string(self.boat.path("signing.pub"))?)?;
        Ok(verify(&Catalogue::new(Arc::new(store), "lab", Some(verifier)), &self.id, depth).await?)
    }

    /// What a look into everything finds wrong, as `object: message`.
    pub async fn errors(&self) -> Result<Vec<String>> {
        let verdict = self.verify(&Depth::Deep(self.identities()?)).await?;
        let errors = verdict.findings.into_iter().filter(|f| f.level == Level::Error);
        Ok(errors.map(|f| format!("{}: {}", f.about, f.message)).collect())
    }

    /// Runs the program.
    pub async fn run(&self, args: &[&str]) -> crate::boat::Ran {
        self.boat.run(args).await
    }
}

/// Every file and directory below `dir`, hidden ones too, with the bytes of the files.
pub fn tree(dir: &Path) -> Vec<(PathBuf, Option<Vec<u8>>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten() {
        let path = entry.unwrap().path();
        found.push((path.clone(), fs::read(&path).ok()));
        found.extend(tree(&path));
    }
    found.sort();
    found
}
