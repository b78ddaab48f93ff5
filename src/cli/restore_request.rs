//! What of a recovery point is to be restored, and how: flags over a specification.

use super::{failure::Failure, since::since};
use crate::{
    catalogue::{Catalogue, Listed},
    config::{self, RestoreSpec, parse_duration},
    object::{Glob, Identity, Keep, LabelSelector, Modifier, Rewrite, Rules, TypeName},
    pipeline::Identities,
    point::{ArtifactKind, PointId},
    restore::resources::{OnConflict, Options, Policy, Selection, Target, TypeSet},
};
use jiff::Timestamp;
use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// The flags that tell which objects, as what, and what becomes of those that are there.
#[derive(Debug, clap::Args)]
pub(super) struct Request {
    /// A restore specification, for what is done again; flags count more than what stands in it
    #[arg(short = 'f', long = "file", value_name = "SPEC", conflicts_with = "apply_plan")]
    file: Option<PathBuf>,
    /// Only these types, as kubectl names them, or patterns such as `*.apps`
    #[arg(long, value_name = "TYPE,…", value_delimiter = ',', help_heading = "Which objects")]
    kinds: Vec<String>,
    /// Not these types
    #[arg(long, value_name = "TYPE,…", value_delimiter = ',', help_heading = "Which objects")]
    exclude_kinds: Vec<String>,
    /// Only these namespaces (globs), with what is in them
    #[arg(
        short = 'n',
        long = "namespaces",
        visible_alias = "namespace",
        value_name = "NAME,…",
        value_delimiter = ',',
        help_heading = "Which objects"
    )]
    namespaces: Vec<String>,
    /// Not these namespaces
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', help_heading = "Which objects")]
    exclude_namespaces: Vec<String>,
    /// Objects without a namespace: all of them, or none [default: all; with --namespaces what those need]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", help_heading = "Which objects")]
    cluster_scoped: Option<bool>,
    /// Only objects with these labels, in kubectl's syntax
    #[arg(
        short = 'l',
        long = "labels",
        visible_alias = "selector",
        value_name = "SELECTOR",
        help_heading = "Which objects"
    )]
    labels: Option<String>,
    /// Only objects with these names (globs)
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', help_heading = "Which objects")]
    names: Vec<String>,
    /// Only what was there then and is gone now: a recovery point, an instant, or an age such as 2h
    #[arg(long, value_name = "POINT|TIME", help_heading = "Which objects")]
    deleted_since: Option<String>,
    /// Only what is not there; what is there is not even compared
    #[arg(long, help_heading = "Which objects")]
    only_missing: bool,
    /// Restore a namespace under another name, wherever it is named
    #[arg(long, value_name = "OLD=NEW", help_heading = "As what")]
    rename_namespace: Vec<String>,
    /// Put another storage class in the place of one
    #[arg(long, value_name = "OLD=NEW", help_heading = "As what")]
    storage_class: Vec<String>,
    /// Put another registry or repository before the names of images
    #[arg(long, value_name = "OLD=NEW", help_heading = "As what")]
    image: Vec<String>,
    /// Workloads come back without running: no replicas, jobs and cron jobs suspended
    #[arg(long, help_heading = "As what")]
    quiesce: bool,
    /// Restore what controllers observed (`status`) as well
    #[arg(long, help_heading = "As what")]
    status: bool,
    /// Keep the addresses of Services
    #[arg(long, help_heading = "As what")]
    cluster_ips: bool,
    /// Keep the ports of Services on nodes
    #[arg(long, help_heading = "As what")]
    node_ports: bool,
    /// What becomes of objects that are there and differ: skip, update, recreate or fail; for a type with TYPE=…
    #[arg(long, value_name = "[TYPE=]POLICY", help_heading = "How")]
    on_conflict: Vec<String>,
    /// Drop fields that the server does not know, instead of refusing the object
    #[arg(long, help_heading = "How")]
    drop_unknown_fields: bool,
    /// Who writes, as `managedFields` tell it [default: lifeboat]
    #[arg(long, value_name = "NAME", help_heading = "How")]
    field_manager: Option<String>,
    /// Requests in flight at the same time
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=512), help_heading = "How")]
    concurrency: u16,
    /// How long to wait for namespaces that are being deleted, and for types to be served
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "1m", help_heading = "How")]
    wait: Duration,
}

impl Request {
    /// The specification, with what the flags say over it.
    pub(super) fn spec(&self) -> Result<RestoreSpec, Failure> {
        let mut spec = self.file.as_deref().map(RestoreSpec::load).transpose()?.unwrap_or_default();
        let over = |list: &mut Vec<String>, flags: &Vec<String>| {
            if !flags.is_empty() {
                list.clone_from(flags);
            }
        };
        let select = &mut spec.select;
        over(&mut select.kinds, &self.kinds);
        over(&mut select.exclude_kinds, &self.exclude_kinds);
        over(&mut select.namespaces, &self.namespaces);
        over(&mut select.exclude_namespaces, &self.exclude_namespaces);
        over(&mut select.names, &self.names);
        select.cluster_scoped = self.cluster_scoped.or(select.cluster_scoped);
        select.labels = self.labels.clone().or(select.labels.take());
        select.deleted_since = self.deleted_since.clone().or(select.deleted_since.take());
        select.only_missing |= self.only_missing;
        pairs("--rename-namespace", &self.rename_namespace, &mut spec.rename.namespaces)?;
        pairs("--storage-class", &self.storage_class, &mut spec.rename.storage_classes)?;
        pairs("--image", &self.image, &mut spec.rename.images)?;
        spec.quiesce |= self.quiesce;
        spec.keep.status |= self.status;
        spec.keep.cluster_ips |= self.cluster_ips;
        spec.keep.node_ports |= self.node_ports;
        if let Some(manager) = &self.field_manager {
            spec.field_manager.clone_from(manager);
        }
        if !self.on_conflict.is_empty() {
            spec.on_conflict = Some(conflicts(&self.on_conflict)?);
        }
        Ok(spec)
    }

    /// How the engine is to work.
    pub(super) fn options(
        &self,
        spec: &RestoreSpec,
        target: &Target,
        saved: &[TypeName],
    ) -> Result<Options, Failure> {
        let known: BTreeSet<TypeName> = target.types().chain(saved).cloned().collect();
        let known: Vec<TypeName> = known.into_iter().collect();
        let types = |names: &[String]| TypeSet::new(names, &known);
        let globs = |globs: &[String]| {
            let read = |text: &String| text.parse().map_err(|e| Failure::usage(format!("`{text}`: {e}")));
            globs.iter().map(read).collect::<Result<Vec<_>, _>>()
        };
        let label = |text: &String| {
            text.parse::<LabelSelector>()
                .map_err(|e| Failure::usage(format!("the label selector `{text}`: {e}")))
        };
        let select = &spec.select;
        let conflicts = spec.on_conflict.as_ref();
        let policies = conflicts.map(|it| it.kinds.as_slice()).unwrap_or_default();
        let policies = policies
            .iter()
            .map(|(name, policy)| Ok((types(std::slice::from_ref(name))?, of(*policy))))
            .collect::<Result<_, Failure>>()?;
        let modifier = |it: &config::Modifier| {
            Ok(Modifier {
                kinds: it.kinds.clone(),
                namespaces: it.namespaces.clone(),
                names: it.names.clone(),
                labels: it.labels.as_ref().map(label).transpose()?,
                json_patch: it.json_patch.clone(),
                merge_patch: it.merge_patch.clone(),
            })
        };
        let rules = Rules {
            namespaces: spec.rename.namespaces.clone(),
            storage_classes: spec.rename.storage_classes.clone(),
            images: spec.rename.images.clone(),
            quiesce: spec.quiesce,
            modifiers: spec.modifiers.iter().map(modifier).collect::<Result<_, Failure>>()?,
        };
        Ok(Options {
            select: Selection {
                types: types(&select.kinds)?,
                without_types: types(&select.exclude_kinds)?,
                namespaces: globs(&select.namespaces)?,
                without_namespaces: globs(&select.exclude_namespaces)?,
                cluster_scoped: select.cluster_scoped,
                labels: select.labels.as_ref().map(label).transpose()?,
                names: select.names.iter().map(|name| Glob::of_names(name)).collect(),
                among: None,
            },
            rewrite: Rewrite::new(rules).map_err(|e| Failure::usage(e.to_string()))?,
            terms: None,
            keep: Keep {
                status: spec.keep.status,
                cluster_ips: spec.keep.cluster_ips,
                node_ports: spec.keep.node_ports,
            },
            policy: Policy {
                default: conflicts.and_then(|it| it.default).map(of).unwrap_or_default(),
                types: policies,
            },
            only_missing: select.only_missing,
            try_out: false,
            drop_unknown_fields: self.drop_unknown_fields,
            manager: spec.field_manager.clone(),
            concurrency: usize::from(self.concurrency),
            wait: self.wait,
        })
    }
}

fn of(policy: config::OnConflict) -> OnConflict {
    match policy {
        config::OnConflict::Skip => OnConflict::Skip,
        config::OnConflict::Update => OnConflict::Update,
        config::OnConflict::Recreate => OnConflict::Recreate,
        config::OnConflict::Fail => OnConflict::Fail,
    }
}

fn pairs(flag: &str, given: &[String], into: &mut BTreeMap<String, String>) -> Result<(), Failure> {
    for pair in given.iter().flat_map(|it| it.split(',')) {
        match pair.split_once('=') {
            Some((old, new)) if !old.is_empty() && !new.is_empty() => {
                into.insert(old.to_owned(), new.to_owned());
            }
            _ => return Err(Failure::usage(format!("{flag} {pair}: write OLD=NEW"))),
        }
    }
    Ok(())
}

fn conflicts(given: &[String]) -> Result<config::Conflicts, Failure> {
    let mut found = config::Conflicts { default: None, kinds: Vec::new() };
    for text in given.iter().flat_map(|it| it.split(',')) {
        let (kind, policy) = match text.rsplit_once('=') {
            Some((kind, policy)) => (Some(kind), policy),
            None => (None, text),
        };
        let policy = match policy {
            "skip" => config::OnConflict::Skip,
            "update" => config::OnConflict::Update,
            "recreate" => config::OnConflict::Recreate,
            "fail" => config::OnConflict::Fail,
            other => {
                let text = format!("--on-conflict {text}: `{other}` is none of skip, update, recreate, fail");
                return Err(Failure::usage(text));
            }
        };
        match kind {
            Some(kind) => found.kinds.push((kind.to_owned(), policy)),
            None => found.default = Some(policy),
        }
    }
    Ok(found)
}

/// What there was in a recovery point, or in the last one before an instant, and which one that is.
pub(super) async fn among(
    catalogue: &Catalogue,
    text: &str,
    identities: Arc<Identities>,
) -> Result<(PointId, HashSet<Identity>), Failure> {
    let manifest = match since(text, Timestamp::now()) {
        Ok(then) => {
            let listed = catalogue.list().await?;
            let exported = |listed: &Listed| {
                listed.manifest.as_ref().is_ok_and(|it| it.artifact(&ArtifactKind::ResourcesIndex).is_some())
            };
            let last = listed
                .iter()
                .rfind(|it| it.begun().is_some_and(|begun| begun <= then) && exported(it))
                .ok_or_else(|| {
                    let text = format!("no recovery point with resources is from before {then:.0}");
                    Failure::usage(text).help("`lifeboat list` shows what there is")
                })?;
            catalogue.load(&last.id).await?.manifest
        }
        Err(no_time) => match catalogue.resolve(text).await {
            Ok(id) => catalogue.load(&id).await?.manifest,
            Err(_) => return Err(no_time.help("or name a recovery point")),
        },
    };
    let found = Arc::new(Mutex::new(HashSet::new()));
    let into = found.clone();
    let visit = move |line: crate::catalogue::IndexLine| {
        if let Some((identity, _)) = Identity::of_path(&line.path) {
            into.lock().unwrap_or_else(PoisonError::into_inner).insert(identity);
        }
    };
    catalogue.each_line(&manifest, identities, visit).await?;
    let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
    Ok((manifest.id, std::mem::take(&mut *found)))
}
