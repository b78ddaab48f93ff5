//! What the drill's file, the configuration and the flags ask for together.

use super::{rehearsal::rehearsal, run::Args};
use crate::{
    cli::{
        context::{Api, Context},
        failure::Failure,
    },
    config::{DrillExisting, DrillPoint, DrillRestores, DrillSpec, DrillTest, DrillWeight},
    drill::{
        Ask, Asked, Bound, Command, Exec, Job, Keep, Probe, Ready, Rule,
        staging::{
            Allowed, ControlPlane, ControlPlaneOptions, Existing, ExistingOptions, Kind, KindOptions,
            ServerOptions, Staging, Workload, usual_base,
        },
    },
    object::Expression,
    pipeline::Identities,
    point::{Digest, DrillPlan, Phase, PointId, Restores, Severity},
    source::kube::Filter,
};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// The job.
pub(super) fn job(
    context: &Context,
    spec: &DrillSpec,
    args: &Args,
    (text, base): (Option<&str>, &Path),
    (by, identities): (&str, Arc<Identities>),
) -> Result<Job, Failure> {
    let severity = |weight: DrillWeight| match weight {
        DrillWeight::Error => Some(Severity::Error),
        DrillWeight::Warning => Some(Severity::Warning),
        DrillWeight::Off => None,
    };
    let mut severities: crate::drill::Severities =
        spec.severity.iter().map(|(name, weight)| (name.clone(), severity(*weight))).collect();
    let mut exclusions: Vec<String> = severities
        .iter()
        .filter(|(_, severity)| severity.is_none())
        .map(|(name, _)| format!("the check `{name}`, by the drill's file"))
        .collect();
    exclusions.push("events, leases and metrics, which change by themselves".to_owned());
    exclusions.push("data in persistent volumes".to_owned());
    let (mut asks, mut commands, mut rehearsals) = (Vec::new(), Vec::new(), Vec::new());
    let (mut ready, mut probes, mut execs) = (Vec::new(), Vec::new(), Vec::new());
    for check in &spec.checks {
        let name = check.name.to_string();
        if let Some(weight) = check.severity {
            severities.insert(name.clone(), severity(weight));
        }
        if check.severity == Some(DrillWeight::Off) {
            continue;
        }
        match check.test() {
            Some(DrillTest::Command(run)) => commands.push(Command {
                name,
                argv: run.argv.clone(),
                directory: base.to_owned(),
                timeout: run.timeout,
            }),
            Some(DrillTest::Workload(it)) => ready.push(Ready {
                name,
                workload: Workload {
                    kind: it.kind.clone(),
                    namespace: it.namespace.clone(),
                    name: it.name.clone(),
                    labels: it.labels.as_ref().map(|labels| labels.as_str().parse()).transpose()?,
                },
                within: it.ready_within,
            }),
            Some(DrillTest::Http(it)) => probes.push(Probe {
                name,
                namespace: it.namespace.clone(),
                labels: it.labels.as_str().parse()?,
                port: it.port,
                path: it.path.clone(),
                status: it.status,
                contains: it.contains.clone(),
                within: it.within,
            }),
            Some(DrillTest::Exec(it)) => execs.push(Exec {
                name,
                namespace: it.namespace.clone(),
                labels: it.labels.as_str().parse()?,
                container: it.container.clone(),
                argv: it.argv.clone(),
                timeout: it.timeout,
            }),
            Some(DrillTest::Playbook(it)) => rehearsals.push(rehearsal(context, name, it, (base, by))?),
            Some(test) => asks.extend(asked(test)?.map(|asked| Ask { name, asked })),
            None => {}
        }
    }
    let rule = match args.point.as_deref() {
        None => match &spec.point {
            DrillPoint::NewestVerified => Rule::NewestVerified,
            DrillPoint::Random { window, seed } => Rule::Random {
                window: window.as_ref().map(|window| window.length()),
                seed: seed.map_or_else(rand::random, u64::from),
            },
            DrillPoint::Id(id) => Rule::Id(id.clone()),
            _ => Rule::Latest,
        },
        Some("latest") => Rule::Latest,
        Some("newest-verified") => Rule::NewestVerified,
        Some("random") => Rule::Random { window: None, seed: rand::random() },
        Some(id) => Rule::Id(id.to_owned()),
    };
    let phases = spec.objectives.phases.iter().filter_map(|(name, most)| {
        let phase = Phase::ALL.into_iter().find(|phase| phase.as_str() == name)?;
        Some((phase, *most))
    });
    let approved_by = args.approved_by.clone();
    if approved_by.as_deref().is_some_and(|name| name.trim().is_empty() || name.chars().any(char::is_control))
    {
        return Err(Failure::usage("--approved-by: one line is needed"));
    }
    Ok(Job {
        id: PointId::new(Timestamp::now(), rand::random()),
        plan: DrillPlan {
            name: spec.name.to_string(),
            scenario: spec.scenario.clone(),
            sha256: text.map(|text| Digest::from(Sha256::digest(text))),
            restores: spec.restore.iter().map(restores).collect(),
            exclusions,
            approved_by,
        },
        by: by.to_owned(),
        rule,
        incident: args.incident,
        rpo: spec.objectives.rpo.as_ref().map(|age| age.length()),
        rto: spec.objectives.rto,
        phases: phases.collect(),
        within: spec.within,
        severities,
        asks,
        ready,
        probes,
        execs,
        commands,
        rehearsals,
        filter: filter(context)?,
        identities,
        seal: match context.recipients() {
            Ok(recipients) => Some((recipients, context.seal_options()?)),
            Err(_) => None,
        },
        keep: spec.evidence.as_ref().map(|it| Keep {
            years: it.keep.as_ref().map_or(0, |keep| keep.years()),
            length: it.keep.as_ref().map_or(Duration::ZERO, |keep| keep.length()),
            last: it.last,
        }),
        retest_of: None,
    })
}

fn restores(what: &DrillRestores) -> Restores {
    match what {
        DrillRestores::Resources => Restores::Resources,
        DrillRestores::Etcd => Restores::Etcd,
    }
}

fn asked(test: DrillTest<'_>) -> Result<Option<Asked>, Failure> {
    Ok(match test {
        DrillTest::Count(it) => Some(Asked::Count {
            kind: it.kind.clone(),
            namespace: it.namespace.clone(),
            labels: it.labels.as_ref().map(|labels| labels.as_str().parse()).transpose()?,
            bound: Bound {
                at_least: it.at_least.or(it.exactly).map(u64::from),
                at_most: it.at_most.or(it.exactly).map(u64::from),
            },
        }),
        DrillTest::Object(it) => Some(Asked::Object {
            kind: it.kind.clone(),
            namespace: it.namespace.clone(),
            name: it.name.clone(),
            path: it.path.clone(),
            equals: it.equals.clone(),
            exists: it.exists.unwrap_or(true),
        }),
        DrillTest::Cel(it) => {
            let labels = it.labels.as_ref().map(|labels| labels.as_str().parse()).transpose()?;
            let (kind, namespace) = (it.kind.clone(), it.namespace.clone());
            let expression = |text: &String| Expression::parse(text);
            match (&it.each, &it.list) {
                (Some(text), _) => {
                    Some(Asked::Each { kind, namespace, labels, expression: expression(text)? })
                }
                (None, Some(text)) => {
                    Some(Asked::List { kind, namespace, labels, expression: expression(text)? })
                }
                (None, None) => None,
            }
        }
        _ => None,
    })
}

/// What exports of this cluster are narrowed to: the configuration's, where there is one.
fn filter(context: &Context) -> Result<Filter, Failure> {
    match context.optional()? {
        Some(_) => Ok(context.resources(&Api { kubeconfig: None, context: None })?.1),
        None => Ok(Filter::default()),
    }
}

/// In which directory staging makes its own.
pub(super) fn staging_base(context: &Context, spec: &DrillSpec, base: &Path) -> Result<PathBuf, Failure> {
    match spec.staging.directory() {
        Some(directory) => Ok(base.join(directory)),
        None => configured_base(context),
    }
}

/// The same where no drill's file tells.
pub(super) fn configured_base(context: &Context) -> Result<PathBuf, Failure> {
    let configured = context.optional()?.and_then(|loaded| {
        let directory = loaded.config.drills.directory.as_ref()?;
        Some(loaded.resolve(directory))
    });
    Ok(configured.unwrap_or_else(usual_base))
}

/// A cluster that is there already: which ones may be used, and which one is the source, is the configuration's to say.
fn existing(
    context: &Context,
    it: &DrillExisting,
    (base, place): (&Path, PathBuf),
    id: &PointId,
) -> Result<Existing, Failure> {
    let loaded = context.optional()?;
    let clusters = loaded.iter().flat_map(|loaded| &loaded.config.drills.existing);
    let allowed = clusters.map(|it| Allowed {
        context: it.context.clone(),
        uid: it.uid.clone(),
        server: it.server.as_ref().map(|server| server.as_str().to_owned()),
    });
    let source = match loaded {
        Some(_) => Some(context.resources(&Api { kubeconfig: None, context: None })?.0),
        None => None,
    };
    Ok(Existing::new(ExistingOptions {
        base: place,
        name: id.to_string(),
        kubeconfig: base.join(&it.kubeconfig),
        context: it.context.clone(),
        allowed: allowed.collect(),
        source,
        egress: it.egress,
        ready_within: it.gone_within.unwrap_or(Existing::READY_WITHIN),
    }))
}

pub(super) fn staging(
    context: &Context,
    spec: &DrillSpec,
    (base, place): (&Path, PathBuf),
    etcdutl: PathBuf,
    id: &PointId,
) -> Result<Box<dyn Staging>, Failure> {
    if let Some(it) = &spec.staging.existing {
        return Ok(Box::new(existing(context, it, (base, place), id)?));
    }
    // A bare name is looked for in PATH, as a shell does.
    let program = |path: &Option<PathBuf>| {
        path.as_ref().map(|path| if path.components().count() > 1 { base.join(path) } else { path.clone() })
    };
    let server = |usual| {
        let it = spec.staging.server();
        ServerOptions {
            base: place,
            name: id.to_string(),
            etcdutl,
            encryption_config: it.encryption_config.as_ref().map(|path| base.join(path)),
            service_cluster_ip_range: it.service_cluster_ip_range.clone(),
            args: it.args.clone(),
            ready_within: it.ready_within.unwrap_or(usual),
        }
    };
    if let Some(it) = &spec.staging.kind {
        return Ok(Box::new(Kind::new(KindOptions {
            server: server(Kind::READY_WITHIN),
            kind: program(&it.kind),
            engine: program(&it.engine),
            image: it.image.clone(),
            config: it.config.as_ref().map(|path| base.join(path)),
            load: it.load_images.clone(),
            egress: it.egress,
        })));
    }
    let it = &spec.staging.controlplane;
    Ok(Box::new(ControlPlane::new(ControlPlaneOptions {
        server: server(ControlPlane::READY_WITHIN),
        etcd: program(&it.etcd),
        kube_apiserver: program(&it.kube_apiserver),
    })))
}
