//! etcd on its host: looked at, kept, restored.

use super::{
    ActionError, Class, Plain, Planned, Planning, Span, absolute, four_minutes, host, real, refused, usual,
};
use crate::{
    playbook::{
        actions::unique,
        op::{EtcdPlace, EtcdRestore, HostOp, Op},
    },
    restore::static_pods,
};
use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use std::path::PathBuf;

/// Looks at etcd.
pub(in crate::playbook::actions) struct Status;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::playbook::actions) struct StatusArgs {
    /// Client URLs; none for those of the manifest, or else of the configuration. Members that these name are asked, too.
    #[serde(default)]
    endpoints: Vec<String>,
    /// The file with the authority of their certificates.
    #[serde(default)]
    ca: Option<PathBuf>,
    /// The file with the certificate that they are shown.
    #[serde(default)]
    cert: Option<PathBuf>,
    /// The file with its key.
    #[serde(default)]
    key: Option<PathBuf>,
    /// Where the kubelet looks for manifests.
    #[serde(default = "usual")]
    manifests: PathBuf,
}

impl StatusArgs {
    fn place(self, with: &Planning<'_>) -> Result<EtcdPlace, ActionError> {
        if !self.endpoints.is_empty() {
            for path in [&self.ca, &self.cert, &self.key].into_iter().flatten() {
                absolute(path)?;
            }
            return Ok(EtcdPlace::At {
                endpoints: self.endpoints,
                ca: self.ca,
                cert: self.cert,
                key: self.key,
            });
        }
        match static_pods::access(absolute(&self.manifests)?) {
            Ok(found) => Ok(EtcdPlace::At {
                endpoints: found.endpoints,
                ca: self.ca.or(found.ca),
                cert: self.cert.or(found.cert),
                key: self.key.or(found.key),
            }),
            Err(_) if host(with)?.etcd.is_some() => Ok(EtcdPlace::Configured),
            Err(e) => Err(refused(e)),
        }
    }
}

#[async_trait]
impl Plain for Status {
    type Args = StatusArgs;
    const NAME: &'static str = "etcd.status";
    const CLASS: Class = Class::Read;
    const ABOUT: &'static str = "Looks at etcd's members: who answers, who leads, whether there is a quorum, at which revision each is.";
    const ON_HOST: bool = true;

    // What it brings changes with every write, and a plan has to stay the same: it looks in the run.
    async fn plan(with: &Planning<'_>, args: StatusArgs) -> Result<Planned, ActionError> {
        host(with)?;
        Ok(Planned { ops: vec![Op::Host(HostOp::Status(args.place(with)?))], ..Planned::default() })
    }

    async fn look(with: &Planning<'_>, args: StatusArgs) -> Result<Option<Value>, ActionError> {
        let host = host(with)?;
        args.place(with)?.look(host).await.map(Some).map_err(ActionError::Refused)
    }
}

/// Keeps etcd's data.
pub(in crate::playbook::actions) struct Archive;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::playbook::actions) struct ArchiveArgs {
    /// The directory into which the archive is written. What is in it is as secret as etcd itself.
    to: PathBuf,
    /// The data; none for that of the etcd whose manifest is there.
    #[serde(default)]
    data_dir: Option<PathBuf>,
    /// Where the kubelet looks for manifests.
    #[serde(default = "usual")]
    manifests: PathBuf,
}

#[async_trait]
impl Plain for Archive {
    type Args = ArchiveArgs;
    const NAME: &'static str = "etcd.archive";
    const CLASS: Class = Class::Read;
    const ABOUT: &'static str = "Keeps the data of a stopped etcd, write-ahead log and all, in one file on the host, with its SHA-256.";
    const ON_HOST: bool = true;

    async fn plan(with: &Planning<'_>, args: ArchiveArgs) -> Result<Planned, ActionError> {
        host(with)?;
        let data_dir = match args.data_dir {
            Some(data_dir) => absolute(&data_dir)?.to_owned(),
            None => static_pods::data_dir(absolute(&args.manifests)?).map_err(refused)?,
        };
        if !data_dir.join("member").is_dir() {
            let text = format!("{} holds no data of etcd (member)", data_dir.display());
            return Err(ActionError::Refused(text));
        }
        let to = absolute(&args.to)?;
        if to.starts_with(&data_dir) {
            let text = format!("{} is in the directory that is to be kept", to.display());
            return Err(ActionError::Arguments(text));
        }
        let to = to.join(format!("{}.etcd.tar.zst", unique(with, &["archive"])));
        Ok(Planned { ops: vec![Op::Host(HostOp::Archive { data_dir, to })], ..Planned::default() })
    }
}

/// Restores etcd.
pub(in crate::playbook::actions) struct Restore;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::playbook::actions) struct RestoreArgs {
    /// The recovery point, such as `${params.point.id}`.
    point: String,
    /// Where the kubelet looks for manifests.
    #[serde(default = "usual")]
    manifests: PathBuf,
    /// Where there were several members: make this host the only one. The others must be stopped, and join anew.
    #[serde(default)]
    force_new_cluster: bool,
    /// Raise revisions by this much, so that clients which still watch notice; 0 leaves them.
    #[serde(default = "billion")]
    bump_revision: u64,
    /// False leaves older revisions as they are: clients that still watch may miss the restore.
    #[serde(default = "yes")]
    mark_compacted: bool,
    /// How long each server may take to stop, and to be healthy.
    #[serde(default = "four_minutes")]
    within: Span,
}

fn billion() -> u64 {
    1_000_000_000
}

fn yes() -> bool {
    true
}

#[async_trait]
impl Plain for Restore {
    type Args = RestoreArgs;
    const NAME: &'static str = "etcd.restore";
    const CLASS: Class = Class::Undoable;
    const ABOUT: &'static str = "Puts a recovery point in the place of the data of the host's etcd, which is kept, and starts the control plane.";
    const ON_HOST: bool = true;

    async fn plan(with: &Planning<'_>, args: RestoreArgs) -> Result<Planned, ActionError> {
        let host = host(with)?;
        let catalogue = &with.equipment()?.catalogue;
        let point = catalogue.resolve(&args.point).await;
        let restore = EtcdRestore {
            point: point.map_err(|e| ActionError::Refused(e.to_string()))?.to_string(),
            manifests: real(&args.manifests)?,
            force_new_cluster: args.force_new_cluster,
            bump_revision: args.bump_revision,
            mark_compacted: args.mark_compacted,
            within_ms: args.within.0,
        };
        let manifest = restore.manifest(catalogue).await.map_err(ActionError::Refused)?;
        let plan = static_pods::plan(&manifest, &restore.options(with.run), &host.etcdutl).await;
        let plan = plan.map_err(refused)?;
        let (swap, made) = (&plan.swap, &plan.restore);
        let mut remarks = vec![format!(
            "{} gets revision {} of {} ({} as saved), as member {}; {} is stopped for it",
            swap.data_dir.display(),
            made.restored_revision,
            made.point,
            made.revision,
            made.membership.name,
            swap.pods.join(", ")
        )];
        if swap.had_data {
            remarks.push(format!("what is there now is kept in {}", swap.kept.display()));
        }
        if !plan.forsaken.is_empty() {
            remarks.push(format!(
                "{} no longer belong to etcd then, and must not run with their old data",
                plan.forsaken.join(", ")
            ));
        }
        Ok(Planned { ops: vec![Op::Host(HostOp::Restore(restore))], remarks, ..Planned::default() })
    }
}
