//! What a pod, a node or a service account can do and read: what is lost when it is taken over.

mod pods;
mod reach;

use super::{ActionError, Class, Live, Plain, Planned, Planning, Target};
use crate::{object::access::RBAC_TYPES, playbook::AT_A_TIME, source::kube::ResourceType};
use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt, stream};
use pods::Uses;
use reach::{Account, Known, reach};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeSet;

/// Tells what a pod, a node or a service account can do and read.
pub(super) struct BlastRadius;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct BlastArgs {
    /// The pod, the node or the service account.
    #[serde(alias = "subject")]
    target: Target,
}

#[async_trait]
impl Plain for BlastRadius {
    type Args = BlastArgs;
    const NAME: &'static str = "identity.blastRadius";
    const CLASS: Class = Class::Read;
    const ABOUT: &'static str = "Tells what a pod, a node or a service account can do and read, groups included, and who uses the same identity.";

    async fn plan(with: &Planning<'_>, args: BlastArgs) -> Result<Planned, ActionError> {
        let target = with.find(&args.target).await?;
        let (accounts, pods, suspects) = who(with, &target).await?;
        let mut remarks = Vec::new();
        let known = gather(with, target, accounts, pods, suspects, &mut remarks).await?;
        Ok(Planned { result: Some(reach(&known).into()), remarks, ops: Vec::new() })
    }
}

/// The service accounts, the pods that use them, and the pods among them that somebody should look at first.
async fn who(
    with: &Planning<'_>,
    target: &Live,
) -> Result<(BTreeSet<Account>, Vec<Live>, Vec<Live>), ActionError> {
    let kind = with.built_in("", "pods")?;
    let account_of = |pod: &Live| Account {
        namespace: pod.object.namespace.clone().unwrap_or_default(),
        name: Uses::of(&pod.json["spec"]).service_account,
    };
    let using = async |account: &Account| -> Result<Vec<Live>, ActionError> {
        let all = with.list(kind, Some(&account.namespace), None, None).await?;
        Ok(all.into_iter().filter(|pod| !pod.is_mirror_pod() && account_of(pod) == *account).collect())
    };
    if target.object.is("", "pods") {
        let account = account_of(target);
        let pods = using(&account).await?;
        Ok((BTreeSet::from([account]), pods, vec![target.clone()]))
    } else if target.object.is("", "serviceaccounts") {
        let namespace = target.object.namespace.clone().unwrap_or_default();
        let account = Account { namespace, name: target.object.name.clone() };
        let pods = using(&account).await?;
        Ok((BTreeSet::from([account]), pods.clone(), pods))
    } else if target.object.is("", "nodes") {
        let on_node = format!("spec.nodeName={}", target.object.name);
        let mut pods = with.list(kind, None, None, Some(&on_node)).await?;
        // Those that the kubelet runs out of files have no service account.
        pods.retain(|pod| !pod.is_mirror_pod());
        let suspects =
            pods.iter().filter(|pod| pods::is_open_to_its_node(&pod.json["spec"])).cloned().collect();
        Ok((pods.iter().map(account_of).collect(), pods, suspects))
    } else {
        Err(ActionError::Arguments(format!("{} is no pod, no node and no service account", target.object)))
    }
}

async fn gather(
    with: &Planning<'_>,
    target: Live,
    accounts: BTreeSet<Account>,
    pods: Vec<Live>,
    suspects: Vec<Live>,
    remarks: &mut Vec<String>,
) -> Result<Known, ActionError> {
    let namespaces: BTreeSet<String> = accounts.iter().map(|it| it.namespace.clone()).collect();
    let mut known = Known {
        target: target.object,
        accounts,
        pods,
        suspects,
        rbac: Vec::new(),
        service_accounts: Vec::new(),
        workloads: Vec::new(),
        claims: Vec::new(),
        secrets: Vec::new(),
    };
    let rbac = RBAC_TYPES.iter().map(|resource| with.built_in("rbac.authorization.k8s.io", resource));
    let rbac: Vec<&ResourceType> = rbac.collect::<Result<_, _>>()?;
    let workloads =
        pods::WORKLOADS.iter().filter_map(|(group, resource)| with.built_in(group, resource).ok());
    let workloads: Vec<&ResourceType> = workloads.collect();
    let accounts = [with.built_in("", "serviceaccounts")?];
    let claims = [with.built_in("", "persistentvolumeclaims")?];
    let (rbac, accounts, claims, workloads) = tokio::join!(
        every(with, &rbac, None),
        every(with, &accounts, Some(&namespaces)),
        every(with, &claims, Some(&namespaces)),
        every(with, &workloads, Some(&namespaces)),
    );
    (known.rbac, known.service_accounts) = (rbac?, accounts?);
    (known.claims, known.workloads) = (claims?, workloads?);
    let secrets = with.built_in("", "secrets")?;
    let places = match known.reads_secrets_in() {
        None => vec![None],
        Some(mut places) => {
            places.extend(namespaces.iter().cloned());
            places.into_iter().map(Some).collect()
        }
    };
    for place in places {
        match with.list(secrets, place.as_deref(), None, None).await {
            // Their values are dropped here.
            Ok(found) => known.secrets.extend(found.iter().map(reach::SecretName::of)),
            Err(e) => {
                let place = place.map_or("the cluster".to_owned(), |it| format!("namespace {it}"));
                remarks.push(format!(
                    "the Secrets of {place} are not listed, so that those which rules open are missing: {e}"
                ));
            }
        }
    }
    Ok(known)
}

/// Everything of these types: of the whole cluster, or of these namespaces.
async fn every(
    with: &Planning<'_>,
    kinds: &[&ResourceType],
    namespaces: Option<&BTreeSet<String>>,
) -> Result<Vec<Live>, ActionError> {
    // One list of everything is less work for the server than many.
    let places: Vec<Option<&str>> = match namespaces.filter(|it| it.len() <= 20) {
        Some(namespaces) => namespaces.iter().map(|it| Some(it.as_str())).collect(),
        None => vec![None],
    };
    let each = kinds.iter().flat_map(|kind| places.iter().map(move |place| (kind, *place)));
    let lists: Vec<_> = each.map(|(kind, place)| with.list(kind, place, None, None)).collect();
    let found: Vec<Vec<Live>> = stream::iter(lists).buffered(AT_A_TIME).try_collect().await?;
    let mut found = found.concat();
    if let Some(namespaces) = namespaces {
        found.retain(|it| it.object.namespace.as_ref().is_some_and(|it| namespaces.contains(it)));
    }
    Ok(found)
}
