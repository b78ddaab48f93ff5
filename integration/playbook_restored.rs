//! The shipped playbooks for what was deleted: on a real API server.

use crate::{
    boat::Lifeboat,
    lab::{Cluster, ClusterOptions, eventually, fill, with_cluster},
    playbook_case::{book, ship},
    playbook_run::approver,
    playbook_runbooks::file,
};
use anyhow::{Context, Result, ensure};
use std::time::Duration;

pub const CARGO: &str = "\
apiVersion: v1
kind: PersistentVolume
metadata: {name: hold}
spec:
  capacity: {storage: 1Gi}
  accessModes: [ReadWriteOnce]
  persistentVolumeReclaimPolicy: Delete
  storageClassName: ''
  claimRef: {namespace: ship, name: cargo}
  hostPath: {path: /nowhere}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: manifest, namespace: ship}
data: {crates: '412'}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: mutineer, namespace: ship}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: mutiny}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects: [{kind: ServiceAccount, name: mutineer, namespace: ship}]
";

/// The ship with its cargo, saved, and somebody who can answer.
pub async fn saved(cluster: &Cluster) -> Result<Lifeboat> {
    let boat = ship(cluster).await?;
    fill::apply(&cluster.client().await?, CARGO).await?;
    let alice = approver(&boat, "alice", "leads").await?;
    boat.edit(|text| format!("{text}\nplaybooks:\n  approvers:\n{alice}"))?;
    boat.backup(&[]).await;
    Ok(boat)
}

/// Somebody agrees to what is restored.
async fn agreed(boat: &Lifeboat) {
    book(boat, "approve latest --step restore --as alice --key alice.key").await.expect(0);
}

pub async fn is_there(cluster: &Cluster, words: &str) -> bool {
    let words: Vec<&str> = words.split(' ').collect();
    cluster.kubectl(&[&["get"], &words[..]].concat()).await.is_ok()
}

async fn policy_of_volume(cluster: &Cluster) -> Result<String> {
    cluster.kubectl(&["get", "pv", "hold", "-o", "jsonpath={.spec.persistentVolumeReclaimPolicy}"]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn playbook_brings_a_deleted_namespace_back() -> Result<()> {
    with_cluster(ClusterOptions::full(), async |cluster| {
        let boat = saved(cluster).await?;
        cluster.kubectl(&["delete", "namespace", "ship", "--wait=false"]).await?;
        let line =
            format!("{} -p incident=INC-7 -p namespace=ship -i identity.txt", file("deleted-namespace"));
        let plan = book(&boat, &format!("plan {line} --to early.json -o json")).await;
        // The namespace may be gone before the plan is made, or after: both are fine, and a plan may wait for it.
        let plan = plan.expect(0).json();
        ensure!(plan["params"]["point"]["id"].is_string(), "{plan:#}");
        eventually("the namespace is gone", Duration::from_secs(60), async || {
            Ok((!is_there(cluster, "namespace ship").await).then_some(()))
        })
        .await?;
        let plan = book(&boat, &format!("plan {line} --to plan.json -o json")).await.expect(0).json();
        let named = plan["steps"].to_string();
        ensure!(
            named.contains("manifest") && named.contains("stowage"),
            "the plan names what is made: {plan:#}"
        );
        let line = format!("run {} --plan plan.json --no-wait -i identity.txt", file("deleted-namespace"));
        book(&boat, &line).await.expect(1);
        assert_eq!(policy_of_volume(cluster).await?, "Retain");
        ensure!(!is_there(cluster, "namespace ship").await, "nothing is restored without a word");

        ensure!(
            boat.run(&["list", "-o", "json"]).await.expect(0).stdout.contains("INC-7"),
            "the point is held"
        );
        agreed(&boat).await;
        book(&boat, "resume latest -i identity.txt").await.expect(0).says("COMPLETED");
        for object in ["deployment deck", "serviceaccount crew", "rolebinding crew", "service deck"] {
            ensure!(is_there(cluster, &format!("{object} -n ship")).await, "{object} is not there");
        }
        let crates = cluster
            .kubectl(&["get", "configmap", "manifest", "-n", "ship", "-o", "jsonpath={.data.crates}"])
            .await?;
        assert_eq!(crates, "412");
        cluster.kubectl(&["rollout", "status", "deployment", "deck", "-n", "ship", "--timeout=60s"]).await?;
        let page = book(&boat, "timeline latest --format markdown").await.expect(0).stdout;
        ensure!(page.contains("objects are made") && page.contains("alice"), "{page}");

        book(&boat, "undo latest").await.expect(3).says("the playbook says that it stays");
        assert_eq!(policy_of_volume(cluster).await?, "Delete");
        ensure!(
            !boat.run(&["list", "-o", "json"]).await.expect(0).stdout.contains("INC-7"),
            "it is released"
        );
        ensure!(is_there(cluster, "deployment deck -n ship").await, "what was restored stays");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn playbook_stops_a_mass_deletion_and_brings_back_what_is_gone() -> Result<()> {
    with_cluster(ClusterOptions::full(), async |cluster| {
        let boat = saved(cluster).await?;
        for object in ["deployment/deck", "service/deck", "configmap/manifest", "networkpolicy/all-aboard"] {
            let mutineer = "--as=system:serviceaccount:ship:mutineer";
            cluster.kubectl(&["delete", object, "-n", "ship", mutineer]).await?;
        }
        let line =
            format!("{} -p incident=INC-7 -p account=ship/mutineer -i identity.txt", file("mass-deletion"));
        book(&boat, &format!("plan {line} --to plan.json")).await.expect(0);
        // It goes on until the freeze: what is gone by then is not in the plan, and comes back all the same.
        let mutineer = "--as=system:serviceaccount:ship:mutineer";
        cluster.kubectl(&["delete", "role", "stowage", "-n", "ship", mutineer]).await?;
        let line = format!("run {} --plan plan.json --no-wait -i identity.txt", file("mass-deletion"));
        book(&boat, &line).await.expect(1);

        // The one who did it has no rights, and whoever has them all is held as well.
        let somebody = ["--as=bob", "--as-group=system:masters"];
        let make = |name: &'static str| {
            [&["create", "configmap", name, "-n", "ship", "--dry-run=server"][..], &somebody[..]].concat()
        };
        eventually("the freeze", Duration::from_secs(30), async || {
            let refused = cluster.kubectl(&make("loot")).await;
            Ok(refused
                .err()
                .map(|e| format!("{e:#}"))
                .filter(|said| said.contains("INC-7") || said.contains("lifeboat")))
        })
        .await?;
        let mutineer = "--as=system:serviceaccount:ship:mutineer";
        let refused = cluster.kubectl(&["delete", "rolebinding", "crew", "-n", "ship", mutineer]).await;
        let said = format!("{:#}", refused.err().context("the mutineer can delete")?);
        ensure!(said.contains("Forbidden") || said.contains("forbidden"), "{said}");
        assert_eq!(policy_of_volume(cluster).await?, "Retain");

        let page = book(&boat, "timeline latest --format markdown").await.expect(0).stdout;
        ensure!(page.contains("\"removed\":"), "what is gone is told: {page}");
        agreed(&boat).await;
        book(&boat, "resume latest -i identity.txt").await.expect(0).says("COMPLETED");
        for object in [
            "deployment deck",
            "service deck",
            "configmap manifest",
            "networkpolicy all-aboard",
            "role stowage",
        ] {
            ensure!(is_there(cluster, &format!("{object} -n ship")).await, "{object} is not there");
        }
        let held = boat.run(&["list", "-o", "json"]).await.expect(0).stdout;
        ensure!(held.contains("INC-7"), "{held}");

        // The freeze is lifted, and the rights stay away.
        book(&boat, "undo latest").await;
        eventually("changes again", Duration::from_secs(30), async || {
            Ok(cluster.kubectl(&make("letter")).await.is_ok().then_some(()))
        })
        .await?;
        assert_eq!(policy_of_volume(cluster).await?, "Delete");
        let can = cluster.kubectl(&["auth", "can-i", "delete", "roles", "-n", "ship", mutineer]).await;
        ensure!(can.map_or(true, |said| said.trim() == "no"), "the mutineer has the rights again");
        Ok(())
    })
    .await
}
