//! A kubelet as far as static pods go: it runs what the manifests in a directory say, as processes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use futures_util::future::join_all;
use serde_json::Value;
use tokio::task::JoinHandle;

use super::process::Process;

const LOOK: Duration = Duration::from_millis(200);
/// What ended by itself is started again after this time.
const BACK_OFF: Duration = Duration::from_secs(1);

/// Watches a directory; when it is dropped, it and its pods are gone.
#[derive(Debug)]
pub struct Kubelet {
    task: JoinHandle<()>,
    paused: Arc<AtomicBool>,
}

/// A pod as it was started.
struct Pod {
    manifest: String,
    process: Option<Process>,
    again: Instant,
}

impl Kubelet {
    /// Runs the manifests in `manifests`; logs and pid files go to `logs`, named after them.
    pub fn start(manifests: &Path, logs: &Path) -> Self {
        let (manifests, logs) = (manifests.to_owned(), logs.to_owned());
        let paused = Arc::new(AtomicBool::new(false));
        let asleep = paused.clone();
        let watch = async move {
            let mut pods = BTreeMap::new();
            loop {
                if !asleep.load(Ordering::Relaxed) {
                    look(&manifests, &logs, &mut pods).await;
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        Self { task: tokio::spawn(watch), paused }
    }

    /// Looks away, or looks again: meanwhile pods run that should not, and the other way round.
    pub fn pause(&self, paused: bool) {
        self.paused.store(paused, Ordering::Relaxed);
    }
}

impl Drop for Kubelet {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn look(manifests: &Path, logs: &Path, pods: &mut BTreeMap<String, Pod>) {
    let wanted = wanted(manifests);
    let (stay, go): (BTreeMap<_, _>, BTreeMap<_, _>) =
        std::mem::take(pods).into_iter().partition(|(name, pod)| wanted.get(name) == Some(&pod.manifest));
    *pods = stay;
    join_all(go.into_values().filter_map(|pod| pod.process).map(Process::stop)).await;
    for (name, manifest) in wanted {
        let pod = pods.entry(name.clone());
        let pod = pod.or_insert_with(|| Pod { manifest, process: None, again: Instant::now() });
        if pod.process.as_ref().is_some_and(|process| process.alive().is_err()) {
            (pod.process, pod.again) = (None, Instant::now() + BACK_OFF);
        }
        if pod.process.is_none() && pod.again <= Instant::now() {
            // A manifest that is no pod is left alone, as a kubelet does.
            pod.process = run(&pod.manifest, logs, &name).ok();
        }
    }
}

/// The text of every manifest, by its name. Hidden files and directories are none.
fn wanted(manifests: &Path) -> BTreeMap<String, String> {
    let paths = fs::read_dir(manifests).into_iter().flatten().flatten().map(|entry| entry.path());
    let shown = paths.filter_map(|path: PathBuf| Some((path.file_stem()?.to_str()?.to_owned(), path)));
    let shown = shown.filter(|(name, _)| !name.starts_with('.'));
    shown.filter_map(|(name, path)| Some((name, fs::read_to_string(path).ok()?))).collect()
}

fn run(manifest: &str, logs: &Path, name: &str) -> Result<Process> {
    let pod: Value = serde_yaml::from_str(manifest)?;
    let command = pod["spec"]["containers"][0]["command"].as_array().context("no command")?;
    let mut words = command.iter().filter_map(Value::as_str);
    let program = words.next().context("an empty command")?;
    Process::start(logs, name, Path::new(program), words)
}
