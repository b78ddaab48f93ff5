//! Who sets things back by themselves: Argo CD, Flux, and autoscalers. They are held before anything else is changed.

mod fields;

use super::{ActionError, Class, Live, Plain, Planned, Planning, Target, resource::Targets};
use async_trait::async_trait;
use fields::{Names, manages, paused, scales};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// Who sets things back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Reconciler {
    /// Applications of Argo CD.
    Argocd,
    /// Kustomizations and HelmReleases of Flux.
    Flux,
    /// HorizontalPodAutoscalers.
    Hpa,
    /// ScaledObjects of KEDA.
    Keda,
}

/// The types of all of them.
const TYPES: &[(Reconciler, &str, &str)] = &[
    (Reconciler::Argocd, "argoproj.io", "applications"),
    (Reconciler::Flux, "kustomize.toolkit.fluxcd.io", "kustomizations"),
    (Reconciler::Flux, "helm.toolkit.fluxcd.io", "helmreleases"),
    (Reconciler::Hpa, "autoscaling", "horizontalpodautoscalers"),
    (Reconciler::Keda, "keda.sh", "scaledobjects"),
];

/// Holds them.
pub(super) struct Suspend;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SuspendArgs {
    /// Those that set back this object, or what owns it; or one of theirs itself.
    #[serde(default)]
    target: Option<Targets>,
    /// The same for several.
    #[serde(default)]
    targets: Vec<Target>,
    /// All of a namespace: those in it, and those that bring things into it.
    #[serde(default)]
    namespace: Option<String>,
    /// Only these.
    #[serde(default)]
    kinds: Vec<Reconciler>,
}

#[async_trait]
impl Plain for Suspend {
    type Args = SuspendArgs;
    const NAME: &'static str = "gitops.suspend";
    const CLASS: Class = Class::Undoable;
    const ABOUT: &'static str =
        "Holds what would set changes back: Argo CD, Flux, HPA and KEDA, as far as the cluster has them.";

    async fn plan(with: &Planning<'_>, args: SuspendArgs) -> Result<Planned, ActionError> {
        let mut targets = match &args.target {
            Some(target) => target.find(with).await?,
            None => Vec::new(),
        };
        targets.extend(Targets::Several(args.targets).find(with).await?);
        if targets.is_empty() && args.namespace.is_none() {
            return Err(ActionError::Arguments(
                "neither `target` nor `namespace` says what is not to be set back".to_owned(),
            ));
        }
        let mut chains = Vec::new();
        for target in targets {
            chains.extend(owners(with, target).await?);
        }
        let mut found: BTreeMap<_, (Reconciler, Live)> = BTreeMap::new();
        let mut planned = Planned::default();
        for (reconciler, group, resource) in TYPES {
            if !args.kinds.is_empty() && !args.kinds.contains(reconciler) {
                continue;
            }
            let Some(kind) = with.kinds.find(group, resource) else { continue };
            for live in with.list(kind, None, None, None).await? {
                let wanted = match reconciler {
                    Reconciler::Hpa | Reconciler::Keda => scales(&live, &chains, args.namespace.as_deref()),
                    _ => manages(&live, &chains, args.namespace.as_deref()),
                };
                if wanted {
                    found.insert(live.object.clone(), (*reconciler, live));
                }
            }
        }
        let kept: BTreeSet<String> = found.keys().map(ToString::to_string).collect();
        for named in chains.iter().flat_map(|it| Names::of(it).missing(&kept)) {
            planned.remarks.push(format!(
                "{named} seems to set it back, and is not in this cluster: suspend it where it is"
            ));
        }
        for (object, (reconciler, live)) in found {
            let fields = paused(reconciler, &live)?;
            planned.change(object, fields);
        }
        if planned.ops.is_empty() && planned.remarks.is_empty() {
            planned.remarks.push("nothing in this cluster is known to set it back".to_owned());
        }
        Ok(planned)
    }
}

/// An object, and what owns it, up to the top.
pub(super) async fn owners(with: &Planning<'_>, object: Live) -> Result<Vec<Live>, ActionError> {
    let mut chain = vec![object];
    // A longer chain is a circle.
    while let Some(last) = chain.last().filter(|_| chain.len() < 10) {
        let Some((kind, name, uid)) = last.controller() else { break };
        let version = last.json["metadata"]["ownerReferences"].as_array().into_iter().flatten();
        let version = version.filter(|it| it["uid"] == uid).find_map(|it| it["apiVersion"].as_str());
        let target = Target {
            kind: kind.to_owned(),
            namespace: last.object.namespace.clone(),
            name: name.to_owned(),
            uid: Some(uid.to_owned()),
            api_version: version.map(str::to_owned),
        };
        match with.find(&target).await {
            Ok(owner) => chain.push(owner),
            // An owner that is gone sets nothing back.
            Err(ActionError::Missing(_) | ActionError::Replaced { .. }) => break,
            Err(e) => return Err(e),
        }
    }
    Ok(chain)
}
