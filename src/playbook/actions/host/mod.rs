//! What acts on a host of the control plane, with no API server.

mod etcd;

pub(super) use etcd::{Archive, Restore, Status};

use super::{ActionError, Class, Plain, Planned, Planning, span::Span};
use crate::{
    playbook::{
        host::OnHost,
        op::{HostOp, Op},
    },
    restore::static_pods::{Lies, SwapError, known, lies, place_of_stopped},
};
use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use std::{
    fs,
    path::{Component, Path, PathBuf},
};

const ETCD: &str = "etcd.yaml";

/// Where kubeadm has the kubelet look for static pods.
fn usual() -> PathBuf {
    "/etc/kubernetes/manifests".into()
}

/// As long as kubeadm waits for a control plane.
fn four_minutes() -> Span {
    Span(240_000)
}

fn refused(e: SwapError) -> ActionError {
    ActionError::Refused(e.to_string())
}

fn host<'a>(with: &Planning<'a>) -> Result<&'a OnHost, ActionError> {
    let none = "it acts on a host, and this playbook does not (`runsOn: host`)";
    with.host.ok_or_else(|| ActionError::Refused(none.to_owned()))
}

/// A path that means the same wherever one stands.
fn absolute(path: &Path) -> Result<&Path, ActionError> {
    let plain = path.components().all(|it| matches!(it, Component::RootDir | Component::Normal(_)));
    match path.is_absolute() && plain {
        true => Ok(path),
        false => {
            Err(ActionError::Arguments(format!("`{}` is no absolute path without `..`", path.display())))
        }
    }
}

/// The directory that the kubelet reads, without links on the way.
fn real(manifests: &Path) -> Result<PathBuf, ActionError> {
    let path = absolute(manifests)?;
    fs::canonicalize(path).map_err(|e| ActionError::Refused(format!("{}: {e}", path.display())))
}

/// The file of a static pod: `etcd` is `etcd.yaml`.
fn file_of(name: &str) -> Result<String, ActionError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.starts_with('.') || name.len() > 200 || !name.chars().all(plain) {
        let text = format!("`{name}` is no name of a manifest, such as `etcd`");
        return Err(ActionError::Arguments(text));
    }
    let whole = [".yaml", ".yml", ".json"].iter().any(|ending| name.ends_with(ending));
    Ok(if whole { name.to_owned() } else { format!("{name}.yaml") })
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct StopArgs {
    /// Which: the names of their manifests; none for etcd, API server, controller manager and scheduler, as far as they are there.
    #[serde(default)]
    pods: Vec<String>,
    /// Where the kubelet looks for manifests.
    #[serde(default = "usual")]
    manifests: PathBuf,
    /// How long they may take to end.
    #[serde(default = "four_minutes")]
    within: Span,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct StartArgs {
    /// Which: the names of their manifests; none for all of etcd, API server, controller manager and scheduler that are stopped.
    #[serde(default)]
    pods: Vec<String>,
    /// Where the kubelet looks for manifests.
    #[serde(default = "usual")]
    manifests: PathBuf,
    /// Is it waited until etcd and the API server are ready?
    #[serde(default)]
    ready: bool,
    /// How long that may take.
    #[serde(default = "four_minutes")]
    within: Span,
}

/// Where one manifest lies.
struct Found {
    file: String,
    here: PathBuf,
    away: PathBuf,
    lies: Lies,
}

/// The manifests that are meant, in the order in which they are started: those that were named, or the usual ones that are there.
fn meant(names: &[String], manifests: &Path) -> Result<Vec<Found>, ActionError> {
    let mut files = match names {
        [] => known().iter().map(|it| (*it).to_owned()).collect(),
        names => names.iter().map(|name| file_of(name)).collect::<Result<Vec<_>, _>>()?,
    };
    files.sort_by_key(|file| known().iter().position(|it| it == file).unwrap_or(usize::MAX));
    files.dedup();
    let mut found = Vec::new();
    for file in files {
        let (here, away) = (manifests.join(&file), place_of_stopped(manifests).join(&file));
        match lies(&here, &away).map_err(refused)? {
            Lies::Nowhere if names.is_empty() => {}
            Lies::Nowhere => return Err(ActionError::Missing(format!("{}", here.display()))),
            Lies::Both => {
                let text = format!(
                    "{} and {} are both there, and nobody can tell which one counts: move one away",
                    here.display(),
                    away.display()
                );
                return Err(ActionError::Refused(text));
            }
            lies => found.push(Found { file, here, away, lies }),
        }
    }
    match found.is_empty() {
        true => {
            Err(ActionError::Missing(format!("static pod of a control plane in {}", manifests.display())))
        }
        false => Ok(found),
    }
}

/// Stops static pods.
pub(super) struct Stop;

#[async_trait]
impl Plain for Stop {
    type Args = StopArgs;
    const NAME: &'static str = "staticPod.stop";
    const CLASS: Class = Class::Undoable;
    const ABOUT: &'static str = "Stops static pods by moving their manifests out of the kubelet's directory, and waits until they are gone.";
    const ON_HOST: bool = true;

    async fn plan(with: &Planning<'_>, args: StopArgs) -> Result<Planned, ActionError> {
        host(with)?;
        let manifests = real(&args.manifests)?;
        let mut planned = Planned::default();
        // Who uses etcd goes first, so that it can end in order.
        let (etcd, others): (Vec<Found>, Vec<Found>) =
            meant(&args.pods, &manifests)?.into_iter().partition(|it| it.file == ETCD);
        for group in [others, etcd] {
            let mut pods = Vec::new();
            for it in group.into_iter().rev() {
                match it.lies {
                    Lies::First(sha256) => {
                        planned.ops.push(Op::Host(HostOp::Move { from: it.here, to: it.away, sha256 }));
                        pods.push(it.file);
                    }
                    _ => planned.remarks.push(format!("{} is stopped already", it.file)),
                }
            }
            if !pods.is_empty() {
                let (manifests, within_ms) = (manifests.clone(), args.within.0);
                planned.ops.push(Op::Host(HostOp::Gone { manifests, pods, within_ms }));
            }
        }
        Ok(planned)
    }
}

/// Starts static pods.
pub(super) struct Start;

#[async_trait]
impl Plain for Start {
    type Args = StartArgs;
    const NAME: &'static str = "staticPod.start";
    const CLASS: Class = Class::Undoable;
    const ABOUT: &'static str =
        "Starts static pods that were stopped by moving their manifests back into the kubelet's directory.";
    const ON_HOST: bool = true;

    async fn plan(with: &Planning<'_>, args: StartArgs) -> Result<Planned, ActionError> {
        host(with)?;
        let manifests = real(&args.manifests)?;
        let mut planned = Planned::default();
        let mut found = meant(&args.pods, &manifests)?;
        // Where some are stopped, those are meant; where none is, a step before stops them.
        if args.pods.is_empty() && found.iter().any(|it| matches!(it.lies, Lies::Second(_))) {
            found.retain(|it| matches!(it.lies, Lies::Second(_)));
        }
        let pods: Vec<String> = found.iter().map(|it| it.file.clone()).collect();
        for it in found {
            let sha256 = match it.lies {
                Lies::First(sha256) => {
                    planned.remarks.push(format!("{} is not stopped: a step before has to stop it", it.file));
                    sha256
                }
                Lies::Second(sha256) => sha256,
                Lies::Both | Lies::Nowhere => continue,
            };
            planned.ops.push(Op::Host(HostOp::Move { from: it.away, to: it.here, sha256 }));
        }
        if args.ready {
            let within_ms = args.within.0;
            planned.ops.push(Op::Host(HostOp::Ready { manifests, pods, within_ms }));
        }
        Ok(planned)
    }
}

#[cfg(test)]
mod tests;
