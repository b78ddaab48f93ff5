//! What follows from what was read: pure, sorted, the same for the same cluster.

use super::super::Live;
use super::pods::{Uses, template};
use crate::{
    object::{
        Identity, TypeName,
        access::{Bound, Held, Rbac},
    },
    playbook::op::ObjectRef,
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// No more rights are told as those that matter most.
const TOP: usize = 20;
const CLOUD: &[&str] =
    &["eks.amazonaws.com/role-arn", "iam.gke.io/gcp-service-account", "azure.workload.identity/client-id"];

/// A service account.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Account {
    pub(super) namespace: String,
    pub(super) name: String,
}

impl Account {
    fn bound(&self) -> Bound {
        Bound::service_account(&self.namespace, &self.name)
    }
}

/// A Secret without its values.
#[derive(Debug, Clone)]
pub(super) struct SecretName {
    object: ObjectRef,
    /// The service account whose token it holds.
    token_of: Option<String>,
}

impl SecretName {
    pub(super) fn of(live: &Live) -> Self {
        let token = live.json["type"] == "kubernetes.io/service-account-token";
        let owner = &live.json["metadata"]["annotations"]["kubernetes.io/service-account.name"];
        SecretName {
            object: live.object.clone(),
            token_of: owner.as_str().filter(|_| token).map(str::to_owned),
        }
    }
}

/// What was read.
pub(super) struct Known {
    pub(super) target: ObjectRef,
    pub(super) accounts: BTreeSet<Account>,
    pub(super) pods: Vec<Live>,
    pub(super) suspects: Vec<Live>,
    pub(super) rbac: Vec<Live>,
    pub(super) service_accounts: Vec<Live>,
    pub(super) workloads: Vec<Live>,
    pub(super) claims: Vec<Live>,
    pub(super) secrets: Vec<SecretName>,
}

impl Known {
    fn index(&self) -> Rbac {
        let mut index = Rbac::default();
        for it in &self.rbac {
            index.insert(&identity(&it.object), &it.json);
        }
        index
    }

    fn names(&self, groups: bool) -> Vec<Bound> {
        let of = |it: &Account| if groups { it.bound().all_names() } else { it.bound().names() };
        let mut all: Vec<Bound> = self.accounts.iter().flat_map(of).collect();
        all.sort();
        all.dedup();
        all
    }

    /// The namespaces whose Secrets rules open to them; none for those of the whole cluster.
    pub(super) fn reads_secrets_in(&self) -> Option<BTreeSet<String>> {
        let held = self.index().held(&self.names(true));
        held.into_iter().filter(reads_secrets).map(|it| it.namespace).collect()
    }
}

fn identity(object: &ObjectRef) -> Identity {
    Identity::new(TypeName::new(&object.group, &object.resource), object.namespace.as_deref(), &object.name)
}

fn reads_secrets(held: &Held) -> bool {
    ["get", "list", "watch"].iter().any(|verb| held.covers(verb, "", "secrets"))
}

fn refs<'a>(all: impl IntoIterator<Item = &'a ObjectRef>) -> Vec<Value> {
    let sorted: BTreeSet<&ObjectRef> = all.into_iter().collect();
    sorted.into_iter().map(ObjectRef::to_value).collect()
}

/// What they can do and read.
pub(super) fn reach(known: &Known) -> Value {
    let index = known.index();
    let held = index.held(&known.names(true));
    let own: BTreeSet<&Identity> = index.bindings_of(&known.names(false)).into_iter().collect();
    let by_identity: BTreeMap<Identity, &Live> =
        known.rbac.iter().map(|it| (identity(&it.object), it)).collect();
    let mut bindings = Vec::new();
    let mut roles = BTreeSet::new();
    for binding in index.bindings_of(&known.names(true)) {
        let Some(live) = by_identity.get(binding) else { continue };
        let mut told = live.object.to_value();
        told["role"] = live.json["roleRef"].clone();
        told["byName"] = own.contains(binding).into();
        bindings.push(told);
        if own.contains(binding) {
            roles.extend(index.role_of(binding).and_then(|role| by_identity.get(role)).map(|it| &it.object));
        }
    }
    let is_account = |it: &&Live| known.accounts.iter().any(|account| account.is(&it.object));
    let accounts: Vec<&Live> = known.service_accounts.iter().filter(is_account).collect();
    let uses_account = |it: &&Live| {
        let name = Uses::of(template(&it.json)).service_account;
        let namespace = it.object.namespace.clone().unwrap_or_default();
        known.accounts.contains(&Account { namespace, name })
    };
    // What something else owns is started again by that.
    let users: Vec<&Live> =
        known.workloads.iter().filter(|it| it.controller().is_none()).filter(uses_account).collect();
    let (jobs, workloads): (Vec<&Live>, Vec<&Live>) =
        users.into_iter().partition(|it| it.object.group == "batch");
    let token_of = |it: &&SecretName| {
        let namespace = it.object.namespace.clone().unwrap_or_default();
        it.token_of
            .as_ref()
            .is_some_and(|name| known.accounts.contains(&Account { namespace, name: name.clone() }))
    };
    let tokens: Vec<&ObjectRef> = known.secrets.iter().filter(token_of).map(|it| &it.object).collect();
    let own_bindings = by_identity.iter().filter(|(name, _)| own.contains(*name)).map(|(_, it)| &it.object);
    let objects = [&known.target].into_iter().chain(accounts.iter().map(|it| &it.object)).chain(own_bindings);
    let objects = refs(objects.chain(roles).chain(tokens.iter().copied()));
    json!({
        "subject": known.target.to_value(),
        "serviceAccounts": refs(accounts.iter().map(|it| &it.object)),
        "bindings": bindings,
        "rules": held,
        "topVerbs": top(&held),
        "objects": objects,
        "workloads": refs(workloads.iter().map(|it| &it.object)),
        "jobs": refs(jobs.iter().map(|it| &it.object)),
        "pods": refs(known.pods.iter().map(|it| &it.object)),
        "suspectPods": refs(known.suspects.iter().map(|it| &it.object)),
        "tokenSecrets": refs(tokens),
        "readableSecrets": readable(known, &held, &accounts),
        "pvcs": claims(known),
        "cloudIdentities": cloud(&accounts),
    })
}

impl Account {
    fn is(&self, object: &ObjectRef) -> bool {
        object.namespace.as_deref() == Some(&self.namespace) && object.name == self.name
    }
}

/// The rights that matter most: those by which more can be got; where there are none, those that bindings give by name.
fn top(held: &[Held]) -> Vec<Value> {
    let told = |it: &Held| {
        let (resource, subresource) = it.resource.split_once('/').unwrap_or((&it.resource, ""));
        let mut right = json!({"verb": it.verb, "group": it.group, "resource": resource});
        let more = [
            ("subresource", Some(subresource)),
            ("namespace", it.namespace.as_deref()),
            ("name", it.name.as_deref()),
        ];
        for (name, value) in more {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                right[name] = value.into();
            }
        }
        right
    };
    let risky: Vec<&Held> = held.iter().filter(|it| !it.danger.is_empty()).collect();
    let chosen = match risky.is_empty() {
        true => held.iter().filter(|it| !it.via.starts_with("Group ")).collect(),
        false => risky,
    };
    let mut found: Vec<Value> = Vec::new();
    for right in chosen.into_iter().map(told) {
        if !found.contains(&right) {
            found.push(right);
        }
    }
    found.truncate(TOP);
    found
}

/// The Secrets that rules open, that pods have, and with which images are pulled: their names and how they are read.
fn readable(known: &Known, held: &[Held], accounts: &[&Live]) -> Vec<Value> {
    let mut how: BTreeMap<(String, String), BTreeSet<&str>> = BTreeMap::new();
    for pod in &known.pods {
        let namespace = pod.object.namespace.clone().unwrap_or_default();
        let uses = Uses::of(&pod.json["spec"]);
        for (names, way) in [(uses.secrets, "pod"), (uses.pull_secrets, "imagePull")] {
            for name in names {
                how.entry((namespace.clone(), name)).or_default().insert(way);
            }
        }
    }
    for account in accounts {
        let namespace = account.object.namespace.clone().unwrap_or_default();
        for secret in account.json["imagePullSecrets"].as_array().into_iter().flatten() {
            if let Some(name) = secret["name"].as_str() {
                how.entry((namespace.clone(), name.to_owned())).or_default().insert("imagePull");
            }
        }
    }
    let rules: Vec<&Held> = held.iter().filter(|it| reads_secrets(it)).collect();
    let opens = |rule: &Held, object: &ObjectRef| {
        let place = rule.namespace.as_ref().is_none_or(|it| object.namespace.as_ref() == Some(it));
        place && rule.name.as_ref().is_none_or(|it| *it == object.name)
    };
    for secret in &known.secrets {
        if rules.iter().any(|rule| opens(rule, &secret.object)) {
            let place = (secret.object.namespace.clone().unwrap_or_default(), secret.object.name.clone());
            how.entry(place).or_default().insert("rule");
        }
    }
    let by_place: BTreeMap<(&str, &str), &ObjectRef> = known
        .secrets
        .iter()
        .map(|it| ((it.object.namespace.as_deref().unwrap_or_default(), it.object.name.as_str()), &it.object))
        .collect();
    let told = how.iter().map(|((namespace, name), ways)| {
        let plain = || json!({"apiVersion": "v1", "kind": "Secret", "namespace": namespace, "name": name});
        // One that is named and is not there has no UID.
        let mut told =
            by_place.get(&(namespace.as_str(), name.as_str())).map_or_else(plain, |it| it.to_value());
        told["by"] = ways.iter().copied().collect();
        told
    });
    told.collect()
}

fn claims(known: &Known) -> Vec<Value> {
    let mut wanted = BTreeSet::new();
    for pod in &known.pods {
        let namespace = pod.object.namespace.clone().unwrap_or_default();
        wanted.extend(Uses::of(&pod.json["spec"]).claims.into_iter().map(|name| (namespace.clone(), name)));
    }
    let is_wanted = |it: &&Live| {
        wanted.contains(&(it.object.namespace.clone().unwrap_or_default(), it.object.name.clone()))
    };
    refs(known.claims.iter().filter(is_wanted).map(|it| &it.object))
}

fn cloud(accounts: &[&Live]) -> Vec<Value> {
    let of = |account: &&Live| -> Vec<Value> {
        let annotations = &account.json["metadata"]["annotations"];
        let named = CLOUD.iter().filter_map(|key| Some((*key, annotations[*key].as_str()?)));
        named.map(|(key, value)| json!({"serviceAccount": account.object.to_value(), "annotation": key, "value": value})).collect()
    };
    accounts.iter().flat_map(of).collect()
}

#[cfg(test)]
#[path = "reach_tests.rs"]
mod tests;
