//! Taking away what carries a drill's label in a cluster that is not its own, and nothing else.

use super::terms::LABEL;
use crate::source::kube::{Cluster, Discovery, Filter, LiveObject, Refusal, ResourceType};
use futures_util::{StreamExt, stream};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use tokio::time::{Instant, sleep};

/// So many requests are under way at a time.
const AT_A_TIME: usize = 8;
const PAUSE: Duration = Duration::from_millis(500);
/// So many times in a row nothing must be found: a request of a drill that was stopped may still be carried out.
const QUIET: usize = 2;

/// What a drill's objects are found by.
pub(super) fn selector(drill: &str) -> String {
    format!("{LABEL}={drill}")
}

/// Groups that other servers of a cluster answer for: nothing is made in them.
pub(super) async fn aggregated(cluster: &Cluster, kinds: &Discovery) -> Result<BTreeSet<String>, Refusal> {
    let mut groups = BTreeSet::new();
    let Some(kind) = kinds.find("apiregistration.k8s.io", "apiservices") else { return Ok(groups) };
    let mut list = cluster.live(kind, None);
    while let Some(page) = list.next().await? {
        for object in page {
            let service: Value = serde_json::from_slice(&object.json).unwrap_or_default();
            if service["spec"]["service"].is_object() {
                groups.extend(service["spec"]["group"].as_str().map(str::to_owned));
            }
        }
    }
    Ok(groups)
}

/// Takes away what carries a label.
pub(super) struct Sweep<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) drill: &'a str,
    /// How long it may take.
    pub(super) within: Duration,
}

/// An object that carries the label.
struct Ours {
    kind: ResourceType,
    object: LiveObject,
    /// It is being deleted already; what it waits for.
    ending: Option<Vec<String>>,
}

impl Ours {
    fn is(&self, group: &str, resource: &str) -> bool {
        self.kind.group == group && self.kind.resource == resource
    }

    fn is_definition(&self) -> bool {
        self.is("apiextensions.k8s.io", "customresourcedefinitions")
    }
}

impl Sweep<'_> {
    /// Deletes until nothing is found any more, and tells what was done.
    ///
    /// # Errors
    /// What is left, and what stands against its removal. No object is named.
    pub(super) async fn run(&self) -> Result<String, String> {
        let end = Instant::now() + self.within;
        let (mut namespaces, mut others) = (BTreeSet::new(), BTreeSet::new());
        let mut quiet = 0;
        loop {
            let mut trouble = None;
            let (mut looked_at, mut left) = (0, Vec::new());
            match self.look().await {
                Ok((types, found)) => (looked_at, left) = (types, found),
                Err(why) => trouble = Some(why),
            }
            if trouble.is_none() && left.is_empty() {
                quiet += 1;
                if quiet >= QUIET {
                    return Ok(told(namespaces.len(), others.len(), looked_at));
                }
            } else {
                quiet = 0;
            }
            for ours in &left {
                match ours.is("", "namespaces") {
                    true => namespaces.insert(ours.object.uid.clone()),
                    false => others.insert(ours.object.uid.clone()),
                };
            }
            if let Err(why) = self.delete(&left).await {
                trouble = Some(why);
            }
            if Instant::now() >= end {
                let after = self.within.as_secs();
                return Err(match trouble {
                    Some(why) => format!("not everything could be deleted within {after} s: {why}"),
                    None => format!("after {after} s there are still {}", remaining(&left)),
                });
            }
            sleep(PAUSE).await;
        }
    }

    /// Everything with the label, and how many types were looked at.
    async fn look(&self) -> Result<(usize, Vec<Ours>), String> {
        let kinds = self.cluster.discover(&Filter::default()).await.map_err(|e| e.to_string())?;
        let elsewhere = aggregated(self.cluster, &kinds).await.map_err(|e| format!("apiservices: {e}"))?;
        let types: Vec<ResourceType> =
            kinds.types.into_iter().filter(|kind| !elsewhere.contains(&kind.group)).collect();
        let n = types.len();
        let mut lists =
            stream::iter(types.into_iter().map(|kind| self.list(kind))).buffer_unordered(AT_A_TIME);
        let mut found = Vec::new();
        while let Some(list) = lists.next().await {
            found.extend(list?);
        }
        Ok((n, found))
    }

    async fn list(&self, kind: ResourceType) -> Result<Vec<Ours>, String> {
        let mut list = self.cluster.live(&kind, None).labelled(&selector(self.drill));
        let mut found = Vec::new();
        loop {
            let page = match list.next().await {
                Ok(Some(page)) => page,
                Ok(None) => return Ok(found),
                // Its definition went a moment ago, or it cannot be listed at all.
                Err(refusal) if matches!(refusal.code, Some(404 | 405)) => return Ok(found),
                Err(refusal) => return Err(format!("{}: {refusal}", kind.label())),
            };
            found.extend(page.into_iter().filter_map(|object| ours(&kind, object, self.drill)));
        }
    }

    /// Namespaces take with them what is in them; definitions come last, when no object of theirs is left.
    async fn delete(&self, left: &[Ours]) -> Result<(), String> {
        let homes: BTreeSet<&str> =
            left.iter().filter(|it| it.is("", "namespaces")).map(|it| &*it.object.name).collect();
        let goes_along =
            |it: &Ours| it.object.namespace.as_deref().is_some_and(|namespace| homes.contains(namespace));
        let only_definitions = left.iter().all(Ours::is_definition);
        let now = left
            .iter()
            .filter(|it| it.ending.is_none() && !goes_along(it) && (only_definitions || !it.is_definition()));
        let deletes = now.map(async |Ours { kind, object, .. }| {
            let done = self
                .cluster
                .delete_with_all(kind, object.namespace.as_deref(), &object.name, &object.uid)
                .await;
            match done {
                // It is gone, or another one has its name: that one is not ours unless it carries the label, too.
                Err(refusal) if refusal.missing() || refusal.conflicts() => Ok(()),
                done => done.map_err(|refusal| format!("{}: {refusal}", kind.label())),
            }
        });
        let deletes: Vec<_> = deletes.collect();
        let mut results = stream::iter(deletes).buffer_unordered(AT_A_TIME);
        let mut refused = Ok(());
        while let Some(result) = results.next().await {
            refused = refused.and(result);
        }
        refused
    }
}

/// The object, if it does carry the label: what a server makes of a selector is not relied upon.
fn ours(kind: &ResourceType, mut object: LiveObject, drill: &str) -> Option<Ours> {
    let json: Value = serde_json::from_slice(&std::mem::take(&mut object.json)).ok()?;
    let metadata = &json["metadata"];
    if metadata["labels"][LABEL] != drill {
        return None;
    }
    let finalizers = || {
        let lists = [&metadata["finalizers"], &json["spec"]["finalizers"]];
        let all = lists.into_iter().filter_map(Value::as_array).flatten();
        all.filter_map(|it| it.as_str().map(str::to_owned)).collect()
    };
    let ending = metadata["deletionTimestamp"].is_string().then(finalizers);
    Some(Ours { kind: kind.clone(), object, ending })
}

fn told(namespaces: usize, others: usize, looked_at: usize) -> String {
    if namespaces + others == 0 {
        return format!(
            "there was nothing: none of the {looked_at} types that can be listed holds an object with the label"
        );
    }
    format!(
        "{namespaces} namespaces, and {others} objects in them and beside them that carried the label, were deleted; none of the {looked_at} types that can be \
         listed holds one any more"
    )
}

/// By type, with what they wait for.
fn remaining(left: &[Ours]) -> String {
    let mut types: BTreeMap<String, (usize, BTreeSet<&str>)> = BTreeMap::new();
    for ours in left {
        let (n, waits) = types.entry(ours.kind.label()).or_default();
        *n += 1;
        waits.extend(ours.ending.iter().flatten().map(String::as_str));
    }
    let each = types.into_iter().map(|(kind, (n, waits))| match waits.is_empty() {
        true => format!("{n} {kind}"),
        false => format!("{n} {kind} (waiting for {})", waits.into_iter().collect::<Vec<_>>().join(", ")),
    });
    each.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn kind() -> ResourceType {
        ResourceType {
            group: "apps".into(),
            version: "v1".into(),
            resource: "deployments".into(),
            kind: "Deployment".into(),
            namespaced: true,
            versions: vec!["v1".into()],
        }
    }

    fn of(json: &Value) -> Option<Ours> {
        let live = LiveObject {
            namespace: Some("a".into()),
            name: "b".into(),
            uid: "u".into(),
            resource_version: "1".into(),
            json: json.to_string().into(),
        };
        ours(&kind(), live, "d1")
    }

    #[test]
    fn only_what_carries_this_drill_s_label_is_ours() {
        let labelled = |value: &str| json!({"metadata": {"labels": {LABEL: value}}});
        assert!(of(&labelled("d1")).is_some_and(|it| it.ending.is_none()));
        for other in [labelled("d2"), labelled("d1 "), json!({"metadata": {"labels": null}}), json!({})] {
            assert!(of(&other).is_none(), "{other}");
        }
        let held =
            json!({"metadata": {"labels": {LABEL: "d1"}, "deletionTimestamp": "t", "finalizers": ["x/y"]}});
        let held = of(&held).unwrap();
        assert_eq!(remaining(&[held]), "1 deployments.apps/v1 (waiting for x/y)");
    }
}
