//! Recovery points of any age, made without a cluster: signed as a backup signs them, and whole as far as can be told
//! without an identity.

use anyhow::Result;
use jiff::{SignedDuration, Timestamp};
use lifeboat::{
    catalogue::signed_comment,
    pipeline::Signer,
    point::{Artifact, ArtifactKind, ClusterFacts, FormatVersion, Manifest, PointId, Status, ToolFacts},
};
use sha2::{Digest, Sha256};
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    time::SystemTime,
};

/// Makes recovery points in a store, as files.
pub struct Maker {
    store: PathBuf,
    signer: Signer,
}

impl Maker {
    /// For a directory, signing with the key in a file.
    pub fn new(store: PathBuf, key: &Path) -> Result<Self> {
        let key = fs::read_to_string(key)?;
        Ok(Maker { store, signer: Signer::new(&key.into(), None)? })
    }

    /// A recovery point of the cluster `lab` so long ago.
    pub fn ago(&self, age: SignedDuration) -> Result<PointId> {
        self.point("lab", Timestamp::now() - age, |_| {})
    }

    /// A recovery point of any cluster, of any time, with a change to its manifest.
    pub fn point(&self, cluster: &str, at: Timestamp, change: impl FnOnce(&mut Manifest)) -> Result<PointId> {
        let id = PointId::new(at, rand::random());
        let payload = format!("the payload of {id}").into_bytes();
        let artifact = Artifact {
            kind: ArtifactKind::Etcd,
            key: ArtifactKind::Etcd.file_name().into(),
            plain_bytes: 1,
            compressed_bytes: 1,
            stored_bytes: payload.len() as u64,
            plain_sha256: [0; 32].into(),
            stored_sha256: Sha256::digest(&payload).into(),
            recipients: Vec::new(),
            etcd: None,
            resources: None,
        };
        let mut manifest = Manifest {
            format: FormatVersion::CURRENT,
            id: id.clone(),
            cluster: ClusterFacts { name: cluster.to_owned(), uid: None },
            tool: ToolFacts::current(),
            job: String::new(),
            created_at: at,
            finished_at: at,
            status: Status::Completed,
            artifacts: vec![artifact],
            verified: Vec::new(),
            problems: Vec::new(),
            phases: Vec::new(),
        };
        change(&mut manifest);
        let bytes = manifest.to_bytes()?;
        let signature = self.signer.sign(&bytes, &signed_comment(cluster, &id))?;
        let dir = self.store.join(cluster).join("points").join(id.as_str());
        fs::create_dir_all(&dir)?;
        fs::write(dir.join(ArtifactKind::Etcd.file_name()), payload)?;
        fs::write(dir.join("manifest.json.minisig"), signature)?;
        fs::write(dir.join("manifest.json"), bytes)?;
        age(&dir, at)?;
        Ok(id)
    }

    /// Where the objects of a recovery point are.
    pub fn dir(&self, id: &PointId) -> PathBuf {
        self.store.join("lab/points").join(id.as_str())
    }

    /// The ids of the directories of the cluster `lab`, whatever is in them.
    pub fn dirs(&self) -> Vec<String> {
        let entries = fs::read_dir(self.store.join("lab/points")).into_iter().flatten();
        let mut names: Vec<String> =
            entries.map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

/// Makes all files below a directory, and itself, as old as that.
pub fn age(dir: &Path, at: Timestamp) -> Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            age(&path, at)?;
        } else {
            File::open(&path)?.set_modified(SystemTime::from(at))?;
        }
    }
    Ok(File::open(dir)?.set_modified(SystemTime::from(at))?)
}

/// So many days.
pub fn days(count: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * count)
}
