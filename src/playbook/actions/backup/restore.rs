use super::{super::ActionError, Class, Plain, Planned, Planning, PointRef, refused};
use crate::{
    object::{Identity, LabelSelector},
    playbook::{
        Equipment,
        actions::span::Span,
        op::{Op, Restore, Selected},
    },
    point::PointId,
};
use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

/// So many of those that cannot be made are told.
const TOLD: usize = 20;
/// What comes back beside the real one: what can be compared, and acts on nothing outside of its namespace.
const BESIDE: &[&str] = &[
    "namespaces",
    "configmaps",
    "secrets",
    "serviceaccounts",
    "roles.rbac.authorization.k8s.io",
    "rolebindings.rbac.authorization.k8s.io",
    "networkpolicies.networking.k8s.io",
    "deployments.apps",
    "statefulsets.apps",
    "cronjobs.batch",
];

/// Brings objects back.
pub(in crate::playbook::actions) struct Resources;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::playbook::actions) struct ResourcesArgs {
    /// Out of which recovery point.
    point: PointRef,
    /// The objects of these namespaces.
    #[serde(default)]
    namespaces: Vec<String>,
    /// And of those that had fitting labels in the recovery point.
    #[serde(default)]
    namespace_selector: Option<String>,
    /// True brings back objects that have no namespace, too; without it only those that others need.
    #[serde(default)]
    cluster_scoped: bool,
    /// Only these types, as kubectl takes them, or patterns such as `*.apps`.
    #[serde(default)]
    kinds: Vec<String>,
    /// And not these types.
    #[serde(default)]
    exclude_kinds: Vec<String>,
    /// Only with these names; wildcards are allowed.
    #[serde(default)]
    names: Vec<String>,
    /// Only with fitting labels.
    #[serde(default)]
    label_selector: Option<String>,
    /// How long to wait for namespaces that are being deleted, and for types to be served.
    #[serde(default = "two_minutes")]
    within: Span,
}

fn two_minutes() -> Span {
    Span(120_000)
}

#[async_trait]
impl Plain for Resources {
    type Args = ResourcesArgs;
    const NAME: &'static str = "restore.resources";
    const CLASS: Class = Class::Undoable;
    const ABOUT: &'static str =
        "Makes objects of a recovery point again that are not there; what is there is not touched.";

    async fn plan(with: &Planning<'_>, args: ResourcesArgs) -> Result<Planned, ActionError> {
        let point = with.point(&args.point).await?;
        let equipment = with.equipment()?;
        let mut namespaces: BTreeSet<String> = args.namespaces.into_iter().collect();
        if let Some(selector) = &args.namespace_selector {
            let selector =
                selector.parse().map_err(|e| ActionError::Arguments(format!("namespaceSelector: {e}")))?;
            namespaces.extend(fitting(equipment, &point, selector).await?);
        }
        if namespaces.is_empty() && !args.cluster_scoped {
            return Err(ActionError::Refused(
                "no namespace is meant: name `namespaces`, or a `namespaceSelector` that fits one".into(),
            ));
        }
        if let Some(odd) = namespaces.iter().find(|it| it.contains(['*', '?'])) {
            return Err(ActionError::Arguments(format!(
                "namespaces: `{odd}` is no name; a `namespaceSelector` means several"
            )));
        }
        let select = Selected {
            namespaces,
            cluster_scoped: args.cluster_scoped,
            kinds: args.kinds,
            exclude_kinds: args.exclude_kinds,
            names: args.names,
            labels: args.label_selector,
        };
        planned(
            with,
            Restore {
                point,
                select,
                beside: None,
                manager: manager(with),
                within_ms: args.within.0,
                objects: Vec::new(),
                left_out: Vec::new(),
            },
        )
        .await
    }
}

/// Brings a namespace back beside the real one.
pub(in crate::playbook::actions) struct Sandbox;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::playbook::actions) struct SandboxArgs {
    /// Out of which recovery point.
    point: PointRef,
    /// The namespace.
    namespace: String,
    /// The name of the one that is made; without it one that is made of the run's id.
    #[serde(default)]
    r#as: Option<String>,
}

#[async_trait]
impl Plain for Sandbox {
    type Args = SandboxArgs;
    const NAME: &'static str = "restore.sandbox";
    const CLASS: Class = Class::Undoable;
    const FORETELLS: bool = true;
    const ABOUT: &'static str =
        "Makes a namespace of a recovery point under another name, with nothing running, to be compared.";

    async fn plan(with: &Planning<'_>, args: SandboxArgs) -> Result<Planned, ActionError> {
        let beside = args.r#as.unwrap_or_else(|| format!("lifeboat-{:08x}", with.seed()));
        if beside == args.namespace {
            return Err(ActionError::Arguments("as: another name than the namespace's is needed".into()));
        }
        if with.get(with.built_in("", "namespaces")?, None, &beside).await?.is_some() {
            return Err(ActionError::Refused(format!(
                "there is a namespace {beside} already: name another one with `as`"
            )));
        }
        let select = Selected {
            namespaces: BTreeSet::from([args.namespace]),
            kinds: BESIDE.iter().map(|it| (*it).to_owned()).collect(),
            ..Selected::default()
        };
        let mut made = planned(
            with,
            Restore {
                point: with.point(&args.point).await?,
                select,
                beside: Some(beside.clone()),
                manager: manager(with),
                within_ms: two_minutes().0,
                objects: Vec::new(),
                left_out: Vec::new(),
            },
        )
        .await?;
        made.result = Some(serde_json::json!({"namespace": beside}).into());
        Ok(made)
    }
}

/// Nobody else writes under this name.
fn manager(with: &Planning<'_>) -> String {
    format!("lifeboat-playbook-{}-{:08x}", with.run, with.seed())
}

async fn planned(with: &Planning<'_>, mut restore: Restore) -> Result<Planned, ActionError> {
    let ready =
        restore.ready(with.cluster()?, with.equipment()?, true).await.map_err(ActionError::Refused)?;
    let mut planned = Planned::default();
    restore.objects = ready.missing();
    let against = ready.left_out();
    if restore.objects.is_empty() {
        planned.remarks.push("nothing is missing now".to_owned());
    }
    if ready.waiting() > 0 {
        planned.remarks.push(format!(
            "{} of them are still being deleted, or are in a namespace that is: they are made once that is gone",
            ready.waiting()
        ));
    }
    for (object, why) in against.iter().take(TOLD) {
        planned.remarks.push(format!("{object} cannot be made, and is left out: {why}"));
    }
    if against.len() > TOLD {
        planned.remarks.push(format!("{} more cannot be made, and are left out", against.len() - TOLD));
    }
    planned.remarks.extend(ready.doubts().into_iter().take(TOLD));
    restore.left_out = against.into_iter().map(|(object, _)| object).collect();
    planned.ops.push(Op::Restore(restore));
    Ok(planned)
}

/// The namespaces that had fitting labels.
async fn fitting(
    equipment: &Equipment,
    point: &PointId,
    selector: LabelSelector,
) -> Result<BTreeSet<String>, ActionError> {
    let manifest = equipment.catalogue.load(point).await.map_err(refused)?.manifest;
    let identities = equipment.opening().map_err(ActionError::Refused)?;
    let found = Arc::new(Mutex::new(BTreeSet::new()));
    let into = found.clone();
    let visit = move |_: &str, place, json: &[u8]| {
        let (object, _) = Identity::of_place(place);
        if object.kind.is("", "namespaces")
            && serde_json::from_slice::<Value>(json).is_ok_and(|json| selector.matches(&json))
        {
            into.lock().unwrap_or_else(PoisonError::into_inner).insert(object.name.to_string());
        }
    };
    equipment.catalogue.each_object(&manifest, identities, visit).await.map_err(refused)?;
    let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(std::mem::take(&mut *found))
}
