//! A cluster of kind that runs beside what is tested, with controllers and a kubelet.

use crate::{drill_kind::place, lab::tools};
use anyhow::{Context, Result, ensure};
use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// The cluster; gone when dropped.
pub struct KindCluster {
    name: String,
    kubeconfig: PathBuf,
}

impl KindCluster {
    /// Makes one, which may wait until it is ready; its kubeconfig lies in this directory.
    pub fn create(of: &str, dir: &Path, wait: &str) -> Result<Self> {
        let name = format!("lifeboat-{of}-{:08x}", rand::random::<u32>());
        let cluster = KindCluster { name, kubeconfig: dir.join("kubeconfig") };
        let image = said(&place().join("node-image").display().to_string(), &["--tag"])?;
        let config = place().join("cluster.yaml").display().to_string();
        let kubeconfig = cluster.kubeconfig.display().to_string();
        let create = ["create", "cluster", "--name", &cluster.name, "--image", &image, "--config", &config];
        cluster.kind(&[&create[..], &["--kubeconfig", &kubeconfig, "--wait", wait]].concat())?;
        Ok(cluster)
    }

    fn kind(&self, args: &[&str]) -> Result<String> {
        said(&tools::tool("kind")?.display().to_string(), args)
    }

    /// Loads an image of Docker into its node.
    pub fn load(&self, image: &str, scratch: &Path) -> Result<()> {
        let archive = scratch.join("image.tar").display().to_string();
        said("docker", &["save", "--output", &archive, image])?;
        self.kind(&["load", "image-archive", &archive, "--name", &self.name])?;
        Ok(std::fs::remove_file(archive)?)
    }

    /// The file that its administrator is reached by.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The name of its context there.
    pub fn context(&self) -> String {
        format!("kind-{}", self.name)
    }

    /// The container of its node.
    pub fn node(&self) -> String {
        format!("{}-control-plane", self.name)
    }

    /// What its administrator's kubectl prints.
    pub fn kubectl(&self, args: &[&str]) -> Result<String> {
        let kubeconfig = self.kubeconfig.display().to_string();
        said("kubectl", &[&["--kubeconfig", &kubeconfig], args].concat())
    }
}

impl Drop for KindCluster {
    fn drop(&mut self) {
        let _ = self.kind(&["delete", "cluster", "--name", &self.name]);
    }
}

/// What a program of the lab prints.
pub fn said(program: &str, args: &[&str]) -> Result<String> {
    let output = Command::new(program).args(args).output().with_context(|| program.to_owned())?;
    ensure!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
