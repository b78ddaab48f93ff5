//! The programs of a control plane: found, asked for their version, and digested for the evidence.

use super::super::{
    StagingError,
    process::{in_path, version},
};
use crate::point::{Digest, Program};
use sha2::{Digest as _, Sha256};
use std::{
    fs::File,
    io::{BufReader, Read},
    path::{Path, PathBuf},
};

/// A program that was found.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    pub(super) facts: Program,
}

/// Finds a program: the one that is named, or the one in `PATH`.
pub(super) async fn find(
    name: &'static str,
    given: Option<&Path>,
    field: &str,
) -> Result<Found, StagingError> {
    let help = match name {
        "etcd" => "install etcd (Debian: etcd-server; or a release of github.com/etcd-io/etcd)",
        _ => {
            "it comes with a server release of github.com/kubernetes/kubernetes (kubernetes-server-linux-*.tar.gz), and in the \
             image registry.k8s.io/kube-apiserver of the source's version"
        }
    };
    let wrong = |reason: String| StagingError::Program {
        program: name.to_owned(),
        reason,
        help: format!("{help}, and put it in PATH or name it in {field} of the drill's file"),
    };
    let path = match given {
        Some(path) => path.to_owned(),
        None => in_path(name).ok_or_else(|| wrong("it is not in PATH".to_owned()))?,
    };
    let shown = path.display().to_string();
    let said = version(&path).await.map_err(|e| wrong(format!("{shown} does not run: {e}")))?;
    let before = if name == "etcd" { "etcd Version: " } else { "Kubernetes " };
    let told = said.lines().next().and_then(|line| line.strip_prefix(before));
    let word = told.ok_or_else(|| wrong(format!("{shown} does not tell its version: is it {name}?")))?;
    let (read, word) = (path.clone(), word.trim().to_owned());
    let digest = tokio::task::spawn_blocking(move || digest(&read)).await;
    let sha256 = digest.ok().and_then(Result::ok);
    Ok(Found { path, facts: Program { name: name.to_owned(), version: word, sha256 } })
}

fn digest(path: &Path) -> std::io::Result<Digest> {
    let mut file = BufReader::with_capacity(1 << 20, File::open(path)?);
    let mut sum = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(sum.finalize().into()),
            n => sum.update(buffer.get(..n).unwrap_or_default()),
        }
    }
}
