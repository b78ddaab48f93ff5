//! What the API server refuses once a playbook said so, what it lets through all the same, and that all of it goes again.

use crate::{
    lab::{Cluster, ClusterOptions, fill, with_cluster},
    playbook_case::{book, difference, forget, get, playbook, pod, ship, state},
};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

/// Somebody with all rights who is not the one who carries playbooks out.
const JANE: [&str; 2] = ["--as=jane", "--as-group=system:masters"];

/// Jane tries this; gives what the server refused it with, if it did.
async fn refused(cluster: &Cluster, what: &str) -> Option<String> {
    let words: Vec<&str> = what.split(' ').collect();
    cluster.kubectl(&[&JANE[..], &words[..]].concat()).await.err().map(|e| format!("{e:#}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn playbook_has_the_api_server_refuse_images_changes_and_commands() -> Result<()> {
    with_cluster(ClusterOptions::full(), async |cluster| {
        let boat = ship(cluster).await?;
        let pod = pod(cluster).await?;
        let before = state(cluster).await?;
        let passes = async |what: &str| match refused(cluster, what).await {
            None => Ok(()),
            Some(why) => Err(anyhow::anyhow!("{what}: {why}")),
        };
        let stopped = async |what: &str, by: &str| {
            let why = refused(cluster, what).await.with_context(|| format!("{what} went through"))?;
            ensure!(why.contains(by), "{what}: {why}");
            Ok(())
        };
        let run = "run probe -n ship --dry-run=server --image=";

        let block = "    - {id: block, action: image.block, args: {repos: [registry.example.com/deck, docker.io/library/evil]}}\n";
        playbook(&boat, "block", "", block)?;
        passes(&format!("{run}registry.example.com/deck:2")).await?;
        book(&boat, "run block.yaml --yes").await.expect(0);
        // It counts from the moment on at which the run is over.
        stopped(&format!("{run}registry.example.com/deck:2"), "blocked by an incident playbook").await?;
        stopped(&format!("{run}evil"), "blocked by an incident playbook").await?;
        stopped(&format!("debug {pod} -n ship --image=evil --attach=false"), "blocked by an incident playbook").await?;
        passes(&format!("{run}registry.example.com/decks:2")).await?;
        // What runs already can still be labelled, and isolated.
        passes(&format!("label pod {pod} -n ship seen=yes")).await?;
        passes(&format!("label pod {pod} -n ship seen-")).await?;
        book(&boat, "undo latest").await.expect(0);
        assert_eq!(difference(&before, &state(cluster).await?), Vec::<String>::new());
        forget(&boat)?;

        let freeze = "    - {id: freeze, action: namespace.freeze, args: {namespace: ship, allow: {users: [joe]}}}
    - {id: mark, action: resource.label, args: {target: {kind: Service, namespace: ship, name: deck}, set: {incident: INC-7}}}
";
        playbook(&boat, "freeze", "", freeze)?;
        book(&boat, "run freeze.yaml --yes").await.expect(0);
        let frozen = "frozen by an incident playbook: ship";
        for what in [
            "create configmap a -n ship --dry-run=server",
            "delete deployment deck -n ship --dry-run=server",
            "scale deployment deck -n ship --replicas=0",
            "label service deck -n ship a=b",
            "delete namespace ship --dry-run=server",
        ] {
            stopped(what, frozen).await?;
        }
        passes("create configmap a -n default --dry-run=server").await?;
        passes("label namespace default a=b --dry-run=server").await?;
        passes("create clusterrole a --verb=get --resource=pods --dry-run=server").await?;
        cluster.kubectl(&["create", "configmap", "a", "-n", "ship", "--dry-run=server", "--as=joe", "--as-group=system:masters"]).await?;
        // Controllers go on: a pod that ends has another one in its place.
        cluster.kubectl(&["delete", "pod", &pod, "-n", "ship"]).await?;
        cluster.kubectl(&["rollout", "status", "deployment", "deck", "-n", "ship", "--timeout=60s"]).await?;
        book(&boat, "undo latest").await.expect(0);
        let differ = difference(&before, &state(cluster).await?);
        ensure!(differ.iter().all(|it| it.starts_with("core/pods/ship/deck-")), "{differ:?}");
        forget(&boat)?;

        let before = state(cluster).await?;
        let pod = crate::playbook_case::pod(cluster).await?;
        playbook(&boat, "shut", "", "    - {id: shut, action: access.denyExec, args: {namespaces: [ship]}}\n")?;
        book(&boat, "run shut.yaml --yes").await.expect(0);
        let shut = "lets nobody into running pods";
        for what in [format!("exec {pod} -n ship -- true"), format!("attach {pod} -n ship"), format!("debug {pod} -n ship --image=x --attach=false")] {
            stopped(&what, shut).await?;
        }
        passes("create configmap a -n ship --dry-run=server").await?;
        // The one who carries it out gets as far as the kubelet, which is not there.
        let own = cluster.kubectl(&["exec", &pod, "-n", "ship", "--", "true"]).await.err().map(|e| format!("{e:#}"));
        ensure!(own.as_ref().is_some_and(|why| !why.contains(shut)), "{own:?}");
        book(&boat, "undo latest").await.expect(0);
        assert_eq!(difference(&before, &state(cluster).await?), Vec::<String>::new());
        // The server forgets a policy a moment after it is gone.
        crate::lab::eventually("shells are let in", std::time::Duration::from_secs(30), async || {
            let open = refused(cluster, &format!("exec {pod} -n ship -- true")).await.unwrap_or_default();
            Ok((!open.contains(shut)).then_some(()))
        })
        .await?;
        Ok(())
    })
    .await
}

const HOOK: &str = "\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: kraken}
webhooks:
  - name: kraken.example.com
    clientConfig: {url: 'https://127.0.0.1:1/'}
    rules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}]
    namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ship}}
    sideEffects: None
    admissionReviewVersions: [v1]
    failurePolicy: Fail
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: hold}
spec:
  capacity: {storage: 1Gi}
  accessModes: [ReadWriteOnce]
  persistentVolumeReclaimPolicy: Delete
  claimRef: {namespace: ship, name: hold}
  hostPath: {path: /nowhere}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: other}
spec:
  capacity: {storage: 1Gi}
  accessModes: [ReadWriteOnce]
  persistentVolumeReclaimPolicy: Delete
  claimRef: {namespace: other, name: hold}
  hostPath: {path: /nowhere}
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn playbook_takes_webhooks_out_and_keeps_volumes() -> Result<()> {
    with_cluster(ClusterOptions::default(), async |cluster| {
        fill::apply(&cluster.client().await?, "apiVersion: v1\nkind: Namespace\nmetadata: {name: ship}\n").await?;
        fill::apply(&cluster.client().await?, HOOK).await?;
        let boat = crate::boat::Lifeboat::init(cluster.etcd().dir(), Some(cluster.etcd()), Some(cluster)).await?;
        let before = state(cluster).await?;
        let make = "create configmap a -n ship --dry-run=server";
        let hook = |mode: &str| {
            format!("    - {{id: hook, action: webhook.quarantine, args: {{target: {{kind: ValidatingWebhookConfiguration, name: kraken}}, mode: {mode}}}}}\n")
        };
        for mode in ["disarm", "ignoreFailures", "delete"] {
            // A configuration that was made anew takes a moment until it counts.
            crate::lab::eventually("the webhook to count", std::time::Duration::from_secs(30), async || {
                Ok(refused(cluster, make).await.filter(|why| why.contains("kraken.example.com")).map(drop))
            })
            .await?;
            playbook(&boat, "hook", "", &hook(mode))?;
            book(&boat, "run hook.yaml --yes").await.expect(0);
            crate::lab::eventually(&format!("configmaps after {mode}"), std::time::Duration::from_secs(30), async || {
                Ok(refused(cluster, make).await.is_none().then_some(()))
            })
            .await?;
            book(&boat, "undo latest").await.expect(0);
            let differ = difference(&before, &state(cluster).await?);
            match mode {
                // It is another object now.
                "delete" => {
                    assert_eq!(differ, ["admissionregistration.k8s.io/validatingwebhookconfigurations/_cluster/kraken"]);
                    let again = get(cluster, "validatingwebhookconfiguration", "kraken").await?;
                    assert_eq!(again["webhooks"], before[&differ[0]]["webhooks"]);
                }
                _ => assert_eq!(differ, Vec::<String>::new(), "{mode}"),
            }
            forget(&boat)?;
        }

        let before = state(cluster).await?;
        playbook(&boat, "keep", "", "    - {id: keep, action: pv.retain, args: {namespace: ship}}\n")?;
        book(&boat, "run keep.yaml --yes").await.expect(0);
        let policy = async |name: &str| anyhow::Ok(get(cluster, "pv", name).await?["spec"]["persistentVolumeReclaimPolicy"].clone());
        assert_eq!((policy("hold").await?, policy("other").await?), (json!("Retain"), json!("Delete")));
        book(&boat, "undo latest").await.expect(0);
        assert_eq!(difference(&before, &state(cluster).await?), Vec::<String>::new());
        Ok(())
    })
    .await
}

/// Types as Flux, Argo CD and KEDA define them, as far as they matter here.
fn definition(group: &str, kind: &str, plural: &str) -> Value {
    let open = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{group}")},
        "spec": {
            "group": group, "scope": "Namespaced", "names": {"kind": kind, "plural": plural},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": open}}],
        },
    })
}

const RECONCILERS: &str = "\
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: fleet, namespace: ship}
spec: {interval: 5m, path: ./}
---
apiVersion: argoproj.io/v1
kind: Application
metadata: {name: decks, namespace: ship}
spec: {destination: {namespace: ship}, syncPolicy: {automated: {prune: true, selfHeal: true}}}
---
apiVersion: argoproj.io/v1
kind: Application
metadata: {name: elsewhere, namespace: default}
spec: {destination: {namespace: elsewhere}, syncPolicy: {automated: {prune: true}}}
---
apiVersion: keda.sh/v1
kind: ScaledObject
metadata: {name: deck, namespace: ship}
spec: {scaleTargetRef: {name: deck}}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: deck, namespace: ship}
spec: {minReplicas: 1, maxReplicas: 5, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: deck}}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: other, namespace: ship}
spec: {minReplicas: 1, maxReplicas: 5, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: other}}
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn playbook_holds_what_would_set_changes_back() -> Result<()> {
    with_cluster(ClusterOptions::full(), async |cluster| {
        let boat = ship(cluster).await?;
        let client = cluster.client().await?;
        for (group, kind, plural) in [
            ("kustomize.toolkit.fluxcd.io", "Kustomization", "kustomizations"),
            ("argoproj.io", "Application", "applications"),
            ("keda.sh", "ScaledObject", "scaledobjects"),
        ] {
            fill::apply(&client, &definition(group, kind, plural).to_string()).await?;
        }
        fill::apply(&client, RECONCILERS).await?;
        let labels = ["kustomize.toolkit.fluxcd.io/name=fleet", "kustomize.toolkit.fluxcd.io/namespace=ship"];
        cluster.kubectl(&[&["label", "deployment", "deck", "-n", "ship"], &labels[..]].concat()).await?;
        let tracked = "argocd.argoproj.io/tracking-id=decks:apps/Deployment:ship/deck";
        cluster.kubectl(&["annotate", "deployment", "deck", "-n", "ship", tracked]).await?;
        let name = pod(cluster).await?;
        let before = state(cluster).await?;

        // From the pod, over what owns it.
        let steps = format!("    - {{id: hold, action: gitops.suspend, args: {{target: {{kind: Pod, namespace: ship, name: {name}}}}}}}\n");
        playbook(&boat, "hold", "", &steps)?;
        book(&boat, "run hold.yaml --yes").await.expect(0);
        assert_eq!(get(cluster, "kustomization", "fleet").await?["spec"]["suspend"], true);
        let application = get(cluster, "application", "decks").await?;
        assert_eq!(application["metadata"]["annotations"]["argocd.argoproj.io/skip-reconcile"], "true");
        ensure!(application["spec"].pointer("/syncPolicy/automated").is_none(), "{application:#}");
        let scaled = get(cluster, "scaledobject", "deck").await?;
        assert_eq!(scaled["metadata"]["annotations"]["autoscaling.keda.sh/paused"], "true");
        let behavior = get(cluster, "hpa", "deck").await?["spec"]["behavior"].clone();
        assert_eq!((&behavior["scaleUp"]["selectPolicy"], &behavior["scaleDown"]["selectPolicy"]), (&json!("Disabled"), &json!("Disabled")));
        let differ = difference(&before, &state(cluster).await?);
        assert_eq!(differ.len(), 4, "{differ:?}");
        book(&boat, "undo latest").await.expect(0);
        assert_eq!(difference(&before, &state(cluster).await?), Vec::<String>::new());
        forget(&boat)?;

        // All of a namespace, but only one kind.
        playbook(&boat, "scalers", "", "    - {id: hold, action: gitops.suspend, args: {namespace: ship, kinds: [hpa]}}\n")?;
        book(&boat, "run scalers.yaml --yes").await.expect(0);
        let differ = difference(&before, &state(cluster).await?);
        let wanted = ["deck", "other"].map(|it| format!("autoscaling/horizontalpodautoscalers/ship/{it}"));
        assert_eq!(differ, wanted);
        book(&boat, "undo latest").await.expect(0);
        assert_eq!(difference(&before, &state(cluster).await?), Vec::<String>::new());
        Ok(())
    })
    .await
}
