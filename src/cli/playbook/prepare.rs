//! What a playbook needs before anything can be planned, or carried out.

use super::{carry::JOURNAL, named};
use crate::{
    backup::{Job, Uploads},
    catalogue::Catalogue,
    cli::{
        author::{Author, hostname},
        context::{Api, Context, Keys, Trust},
        failure::{Exit, Failure},
        notify,
    },
    config::Playbooks,
    pipeline::{PipelineError, Recipients, Verifier},
    playbook::{
        Approver, Entry, Equipment, Known, OnHost, StoreKeeper,
        model::{Playbook, RunsOn},
        plan::{Order, Plan, plan},
    },
    point::{Digest, PointId},
    source::kube::{Cluster, Discovery, Filter},
};
use jiff::Timestamp;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
};

/// What a playbook is told on the command line.
#[derive(Debug, clap::Args)]
pub(super) struct Given {
    /// What it is told: NAME=VALUE; an object is [NAMESPACE/]NAME
    #[arg(long = "param", short = 'p', value_name = "NAME=VALUE")]
    params: Vec<String>,
}

impl Given {
    pub(super) fn read(&self) -> Result<BTreeMap<String, Value>, Failure> {
        let mut given = BTreeMap::new();
        for text in &self.params {
            let Some((name, value)) = text.split_once('=') else {
                return Err(Failure::usage(format!("--param {text}: write NAME=VALUE")));
            };
            if given.insert(name.to_owned(), Value::from(value)).is_some() {
                return Err(Failure::usage(format!("--param {name} is given twice")));
            }
        }
        Ok(given)
    }
}

/// What a playbook acts on: a cluster, or the host that it is started on.
pub(super) struct Target {
    pub(super) cluster: Option<Cluster>,
    pub(super) kinds: Discovery,
    pub(super) host: Option<OnHost>,
    /// What was read while a plan was made.
    pub(super) known: Known,
}

/// Where a playbook runs: by its name, or its file.
pub(super) fn runs_on(context: &Context, playbook: &str) -> Result<RunsOn, Failure> {
    Ok(named(context, playbook)?.0.playbook.runs_on)
}

/// Where a plan runs.
pub(super) fn plan_runs_on(plan: &Plan) -> RunsOn {
    if plan.target.host.is_some() { RunsOn::Host } else { RunsOn::Cluster }
}

pub(super) async fn target(context: &Context, api: &Api, runs_on: RunsOn) -> Result<Target, Failure> {
    if runs_on == RunsOn::Cluster {
        // A responder does not wait: how many requests are under way at a time is limit enough for a server that others use.
        let cluster = Cluster::connect(&context.target(api, 0)?).await?;
        let kinds = cluster.discover(&Filter::default()).await?;
        return Ok(Target { cluster: Some(cluster), kinds, host: None, known: Known::default() });
    }
    if api.kubeconfig.is_some() || api.context.is_some() {
        return Err(Failure::usage("the playbook runs on this host, without an API server")
            .help("leave --kubeconfig and --context out"));
    }
    let name = Some(hostname()).filter(|name| !name.is_empty());
    let host = OnHost {
        name: name.unwrap_or_else(|| "localhost".to_owned()),
        etcdutl: context.etcdutl(None)?,
        etcd: match context.optional()? {
            Some(_) => context.etcd()?,
            None => None,
        },
    };
    Ok(Target { cluster: None, kinds: Discovery::default(), host: Some(host), known: Known::default() })
}

/// A plan that opens a recovery point needs an identity before anything is done.
pub(super) fn can_open(plan: &Plan, equipment: &Equipment) -> Result<(), Failure> {
    match equipment.identities.is_none() && plan.opens() {
        true => Err(PipelineError::NoIdentity.into()),
        false => Ok(()),
    }
}

/// A plan that is to be made: new, or the same once more.
pub(super) struct Making<'a> {
    pub(super) playbook: &'a str,
    pub(super) given: BTreeMap<String, Value>,
    pub(super) run: PointId,
    pub(super) by: String,
    pub(super) now: Timestamp,
}

/// Makes a plan.
pub(super) async fn planned(
    context: &Context,
    target: &Target,
    equipment: &Equipment,
    making: Making<'_>,
) -> Result<Plan, Failure> {
    let (file, others) = named(context, making.playbook)?;
    let library: BTreeMap<String, Playbook> =
        others.into_iter().map(|file| (file.playbook.name.clone(), file.playbook)).collect();
    let order = Order {
        playbook: &file.playbook,
        sha256: Digest::from(Sha256::digest(&file.text)),
        library: &library,
        given: making.given,
        run: making.run,
        by: making.by,
        now: making.now,
        cluster: target.cluster.as_ref(),
        host: target.host.as_ref(),
        kinds: &target.kinds,
        equipment,
        known: &target.known,
    };
    plan(&order).await.map_err(|wrong| {
        let text = wrong.join("\n");
        Failure::usage(text)
            .help(format!("`lifeboat playbook show {}` tells what it takes", file.playbook.name))
    })
}

/// Those who can agree.
pub(super) fn approvers(context: &Context) -> Result<Vec<Approver>, Failure> {
    let Some(loaded) = context.optional()? else { return Ok(Vec::new()) };
    let each = loaded.config.playbooks.approvers.iter().map(|it| {
        let key = Verifier::new(it.public_key.as_str())?;
        Ok(Approver { name: it.name.clone(), key, groups: it.groups.clone() })
    });
    each.collect()
}

/// Where journals are.
pub(super) fn journals(context: &Context, given: Option<PathBuf>) -> Result<PathBuf, Failure> {
    if let Some(given) = given {
        return Ok(given);
    }
    Ok(match context.optional()? {
        Some(loaded) => loaded.resolve(&loaded.config.playbooks.journal),
        None => Playbooks::default().journal,
    })
}

/// The namespace of the lease by which runs exclude each other.
pub(super) fn lease_namespace(context: &Context) -> Result<String, Failure> {
    let lease = context.optional()?.map(|loaded| loaded.config.playbooks.lease.namespace.clone());
    Ok(lease.unwrap_or_else(|| Playbooks::default().lease.namespace))
}

/// What keeps the evidence of a run.
pub(super) fn keeper<'a>(
    context: &Context,
    catalogue: &'a Catalogue,
    plan: &Plan,
    offline: Option<PathBuf>,
) -> Result<StoreKeeper<'a>, Failure> {
    let seal = match context.recipients() {
        Ok(recipients) => {
            let all: Vec<&String> = recipients.names().iter().chain(&plan.encrypt_to).collect();
            Ok((Recipients::new(&all)?, context.seal_options()?))
        }
        Err(e) => Err(e.error.to_string()),
    };
    Ok(StoreKeeper { catalogue, seal, offline })
}

/// With what recovery points are opened and believed.
#[derive(Debug, clap::Args)]
pub(super) struct Opening {
    #[command(flatten)]
    keys: Keys,
    #[command(flatten)]
    pub(super) trust: Trust,
}

/// What a playbook works with beside the cluster: the store, and the keys that are at hand.
pub(super) async fn equipment(context: &Context, opening: &Opening, api: &Api) -> Result<Equipment, Failure> {
    let identities = match opening.keys.given().is_empty() {
        true => None,
        false => Some(opening.keys.load()?),
    };
    let catalogue = context.catalogue(&opening.trust).await?;
    let (by, signer) = Author::if_possible(context, None)?.0.into_parts();
    let store = context.store().await?;
    let job = || {
        Ok::<_, Failure>(Job {
            label: String::new(),
            cluster: catalogue.cluster().to_owned(),
            etcd: context.etcd()?,
            resources: Some(context.resources(api)?),
            recipients: context.recipients()?,
            seal: context.seal_options()?,
            signer: context.signer()?,
            store,
            read_back: false,
            turn: None,
            uploads: Uploads::default(),
        })
    };
    let job = job().map_err(|e| e.error.to_string());
    let configured = context.optional()?.map(|it| it.config.notifications.as_slice()).unwrap_or_default();
    let channels = configured.iter().map(|it| {
        let name = it.name.as_str();
        (name.to_owned(), notify::channel(context, name).map_err(|e| e.error.to_string()))
    });
    let channels = channels.collect();
    Ok(Equipment { catalogue, by, signer, identities, job, channels, rehearsal: false })
}

/// When a run was begun, by the first line of its journal.
fn begun(run: &Path) -> Option<Timestamp> {
    let mut line = String::new();
    BufReader::new(File::open(run.join(JOURNAL)).ok()?).read_line(&mut line).ok()?;
    serde_json::from_str::<Entry>(&line).ok().map(|entry| entry.at)
}

/// The run in a directory of journals that `wanted` means: an id, the beginning of one, or `latest`, which was begun last, whenever
/// it was planned.
pub(super) fn run_in(journals: &Path, wanted: &str) -> Result<PointId, Failure> {
    let entries = std::fs::read_dir(journals).map_err(|e| {
        Failure::usage(format!("{}: {e}", journals.display()))
            .help("journals are where the run was started: name the directory with --journal")
    })?;
    let names = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<PointId>().ok());
    let mut ids: Vec<PointId> =
        names.filter(|id| wanted == "latest" || id.as_str().starts_with(wanted)).collect();
    ids.sort_by_cached_key(|id| (begun(&journals.join(id.as_str())).or(id.time()), id.clone()));
    match (ids.pop(), ids.len()) {
        (Some(id), 0) => Ok(id),
        (Some(id), _) if wanted == "latest" => Ok(id),
        (Some(id), n) => {
            Err(Failure::usage(format!("`{wanted}` is the beginning of {} runs, such as {id}", n + 1)))
        }
        (None, _) => Err(Failure::new(
            Exit::Failed,
            format!("{} holds no run that begins with `{wanted}`", journals.display()),
        )
        .help("a run is continued and taken back where its journal is: name the directory with --journal")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_run_is_the_one_that_was_begun_last() {
        let dir = tempfile::tempdir().unwrap();
        let write = |id: &str, at: &str| {
            std::fs::create_dir(dir.path().join(id)).unwrap();
            let line = format!("{{\"seq\":0,\"at\":\"{at}\",\"what\":\"resumed\",\"by\":\"x\"}}\n");
            std::fs::write(dir.path().join(id).join(JOURNAL), line).unwrap();
        };
        let latest = || run_in(dir.path(), "latest").map(|id| id.to_string()).unwrap_or_default();
        // In the same second, what stands behind it in an id says nothing.
        write("20261129T050000Z-zzzz", "2026-11-29T05:00:00.100Z");
        write("20261129T050000Z-aaaa", "2026-11-29T05:00:00.700Z");
        assert_eq!(latest(), "20261129T050000Z-aaaa");
        // A plan that was made before and begun now.
        write("20261129T040000Z-bbbb", "2026-11-29T05:00:01Z");
        assert_eq!(latest(), "20261129T040000Z-bbbb");
        // One that cannot be read is as old as its id says.
        std::fs::create_dir(dir.path().join("20261129T060000Z-cccc")).unwrap();
        assert_eq!(latest(), "20261129T060000Z-cccc");
        assert!(run_in(dir.path(), "20261129T05").is_err(), "several");
        assert_eq!(run_in(dir.path(), "20261129T04").unwrap().as_str(), "20261129T040000Z-bbbb");
    }
}
