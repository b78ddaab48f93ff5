//! An object of every type that an API server has goes through a restore and is what it was.

use crate::{
    far_side::Saved,
    lab::{Cluster, ClusterOptions, eventually, fill, with_cluster},
    live,
    restored::{as_given, comes_back, versions},
};
use anyhow::{Result, ensure};
use kube::{Client, core::discovery::verbs, discovery::Discovery};
use serde_json::{Value, json};
use std::{collections::BTreeSet, time::Duration};

const EVERY: &str = include_str!("kinds/every.yaml");

/// Types that people make no objects of.
const OF_MACHINES: &[&str] = &[
    "core/events",
    "core/nodes",
    "certificates.k8s.io/certificatesigningrequests",
    "coordination.k8s.io/leases",
    "resource.k8s.io/resourceslices",
    "storage.k8s.io/csinodes",
    "storage.k8s.io/csistoragecapacities",
    "storage.k8s.io/volumeattachments",
];

/// `<group|core>/<resource>` of what can be listed and made.
async fn types(client: &Client) -> Result<BTreeSet<String>> {
    let discovery =
        Discovery::new(client.clone()).exclude(&["far.example.com", "events.k8s.io"]).run().await?;
    let types = discovery.groups().flat_map(|group| group.recommended_resources());
    let made =
        types.filter(|(_, can)| [verbs::LIST, verbs::CREATE].iter().all(|verb| can.supports_operation(verb)));
    let group = |group: &str| if group.is_empty() { "core".to_owned() } else { group.to_owned() };
    Ok(made.map(|(kind, _)| format!("{}/{}", group(&kind.group), kind.plural)).collect())
}

/// What the API server of the other cluster, or nobody there, sets in its own way.
fn as_wanted(object: &Value) -> Value {
    let uid = object["metadata"]["uid"].as_str().unwrap_or_default();
    // A job's selector and labels hold its UID.
    let text = object.to_string().replace(uid, "its UID");
    let mut object = as_given(&serde_json::from_str(&text).expect("JSON as before"));
    let metadata = &mut object["metadata"];
    if let Some(Value::Object(annotations)) = metadata.get_mut("annotations") {
        annotations.retain(|name, _| {
            !name.starts_with("pv.kubernetes.io/bound")
                && !name.starts_with("pv.kubernetes.io/bind")
                && !name.starts_with("volume.kubernetes.io/")
                && !name.starts_with("volume.beta.kubernetes.io/")
                && name != "deprecated.daemonset.template.generation"
                && name != "kubernetes.io/service-account.uid"
        });
        if annotations.is_empty() {
            metadata.as_object_mut().unwrap().remove("annotations");
        }
    }
    if let Some(Value::Object(labels)) = metadata.get_mut("labels") {
        labels.retain(|name, _| !name.ends_with("controller-uid"));
    }
    if let Some(Value::Array(ports)) = object.pointer_mut("/spec/ports") {
        ports.iter_mut().for_each(|port| drop(port.as_object_mut().unwrap().remove("nodePort")));
    }
    for (parent, fields) in [
        ("/spec", &["healthCheckNodePort", "nodeName"][..]),
        ("/spec/claimRef", &["uid", "resourceVersion"]),
        (
            "/data",
            if object["type"] == "kubernetes.io/service-account-token" {
                &["token", "ca.crt", "namespace"]
            } else {
                &[]
            },
        ),
    ] {
        if let Some(Value::Object(map)) = object.pointer_mut(parent) {
            map.retain(|name, _| !fields.contains(&&**name));
        }
    }
    if object["data"] == json!({}) {
        object.as_object_mut().unwrap().remove("data");
    }
    if object["kind"] == "Pod" {
        nameless_tokens(&mut object);
    }
    object
}

/// Admission names the volume with a pod's token at random.
fn nameless_tokens(value: &mut Value) {
    match value {
        Value::String(text) if text.starts_with("kube-api-access-") => *text = "kube-api-access".to_owned(),
        Value::Array(all) => all.iter_mut().for_each(nameless_tokens),
        Value::Object(all) => all.values_mut().for_each(nameless_tokens),
        _ => {}
    }
}

/// Of types that are left to controllers, what no controller made.
const BY_PEOPLE: &[&str] = &[
    "core/pods/every/bare",
    "core/endpoints/every/database",
    "discovery.k8s.io/endpointslices/every/queue-by-hand",
    "apps/replicasets/every/alone",
    "apps/controllerrevisions/every/by-hand",
    "networking.k8s.io/ipaddresses/_cluster/10.0.200.200",
];

fn is_to_come(name: &str, object: &Value) -> bool {
    let by_controller =
        object["metadata"]["ownerReferences"].is_array() || name.ends_with("/bootstrap-token-bbbbbb");
    BY_PEOPLE.contains(&name) || comes_back(name) && !by_controller
}

/// Fills a cluster with an object of every type, and waits until its controllers have added theirs.
pub async fn fill_every_type(cluster: &Cluster) -> Result<()> {
    let client = cluster.client().await?;
    cluster.add_node("node-0").await?;
    fill::apply(&client, EVERY).await?;
    let settled = [
        ("-n every pvc/claim", "{.status.phase}", "Bound"),
        ("-n every pvc/data-state-0", "{.metadata.name}", "data-state-0"),
        ("-n every serviceaccount/default", "{.metadata.name}", "default"),
        ("-n every secret/robot-token", "{.metadata.annotations}", "service-account.uid"),
        ("clusterrole/every:all", "{.rules}", "/healthz"),
        ("apiservice/v1.far.example.com", "{.status.conditions}", "False"),
    ];
    for (what, field, wanted) in settled {
        eventually(what, Duration::from_secs(60), async || {
            let path = format!("jsonpath={field}");
            let line: Vec<&str> = ["get"].into_iter().chain(what.split(' ')).chain(["-o", &path]).collect();
            Ok(cluster.kubectl(&line).await.unwrap_or_default().contains(wanted).then_some(()))
        })
        .await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restore_resources_kinds_brings_back_every_type() -> Result<()> {
    with_cluster(ClusterOptions::full(), async |cluster| {
        let client = cluster.client().await?;
        fill_every_type(cluster).await?;
        let boat = crate::boat::Lifeboat::init(cluster.etcd().dir(), None, Some(cluster)).await?;
        boat.edit(|text| {
            text.replacen("\nresources:\n", "\nresources:\n  exclude: [\"*.far.example.com\"]\n", 1)
        })?;
        let saved = Saved::with(boat).await?;
        let there: BTreeSet<String> = saved
            .export
            .objects
            .keys()
            .map(|name| name.splitn(3, '/').take(2).collect::<Vec<_>>().join("/"))
            .collect();
        let lacking: Vec<String> = types(&client).await?.difference(&there).cloned().collect();
        let lacking: Vec<&String> = lacking.iter().filter(|it| !OF_MACHINES.contains(&&***it)).collect();
        ensure!(lacking.is_empty(), "no object of {lacking:?}");

        with_cluster(ClusterOptions::default(), async |empty| {
            let done = saved.outcomes(empty, &[], 0).await;
            let client = empty.client().await?;
            let alone = live::each(&client, saved.export.objects.iter()).await?;
            let (mut compared, mut wrong) = (0, Vec::new());
            for (name, object) in saved.export.objects.iter().filter(|(name, it)| is_to_come(name, it)) {
                let there = alone.get(name).map(as_wanted);
                if there.as_ref() != Some(&as_wanted(object)) {
                    wrong.push(format!("{name}\nwas {}\nis {there:?}", as_wanted(object)));
                }
                compared += 1;
            }
            ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
            ensure!(compared > 150, "only {compared} objects were compared");
            let left = |object: &str| done.get(object).cloned().unwrap_or_default();
            assert_eq!(left("secrets kube-system/bootstrap-token-aaaaaa").0, "created");
            let (outcome, why) = left("secrets kube-system/bootstrap-token-bbbbbb");
            assert_eq!((&*outcome, &*why), ("skipped", "the token expired at 2001-01-01T00:00:00Z"));
            assert_eq!(left("statefulsets.apps every/state").0, "created");
            assert_eq!(left("persistentvolumeclaims every/data-state-0").0, "created");

            let again = saved.outcomes(empty, &["--on-conflict", "recreate"], 0).await;
            let written: Vec<_> = again.iter().filter(|(_, (outcome, _))| outcome != "skipped").collect();
            ensure!(written.is_empty(), "{written:?}");
            let now = live::each(&client, saved.export.objects.iter()).await?;
            assert_eq!(versions(&now), versions(&alone));
            Ok(())
        })
        .await
    })
    .await
}
