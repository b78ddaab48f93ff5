//! Types that come, go and break: custom resources in several versions, dead webhooks, dead aggregated APIs.

use crate::{
    boat::Lifeboat,
    export::Export,
    lab::{Cluster, ClusterOptions, eventually, fill, with_cluster},
};
use anyhow::Result;
use kube::Client;
use serde_json::{Value, json};
use std::time::Duration;

const BACKUP: &[&str] = &["backup", "--resources-only", "-o", "json"];

/// A custom resource definition with versions (name, storage) and a conversion.
fn definition(group: &str, plural: &str, kind: &str, versions: &[(&str, bool)], conversion: Value) -> Value {
    let schema = json!({"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
    let versions = versions
        .iter()
        .map(|(name, storage)| json!({"name": name, "served": true, "storage": storage, "schema": schema}));
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{group}")},
        "spec": {
            "group": group, "scope": "Namespaced", "names": {"plural": plural, "kind": kind},
            "versions": versions.collect::<Vec<_>>(), "conversion": conversion,
        },
    })
}

fn plain() -> Value {
    json!({"strategy": "None"})
}

/// A conversion that nobody does.
fn dead() -> Value {
    json!({"strategy": "Webhook", "webhook": {
        "conversionReviewVersions": ["v1"], "clientConfig": {"url": "https://127.0.0.1:1/convert"},
    }})
}

async fn post(client: &Client, path: &str, body: &Value) -> Result<(), kube::Error> {
    let request = http::Request::post(path).header("Content-Type", "application/json");
    let request = request.body(body.to_string().into_bytes()).map_err(kube::Error::HttpError)?;
    client.request::<Value>(request).await.map(drop)
}

async fn define(client: &Client, definition: &Value) -> Result<()> {
    Ok(post(client, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition).await?)
}

/// Creates an object as soon as the server takes it.
async fn create(client: &Client, group: &str, version: &str, plural: &str, kind: &str) -> Result<()> {
    let api_version = format!("{group}/{version}");
    let body = json!({
        "apiVersion": api_version, "kind": kind, "metadata": {"name": format!("made-as-{version}")},
        "spec": {"in": version},
    });
    let path = format!("/apis/{api_version}/namespaces/default/{plural}");
    eventually("the new type", Duration::from_secs(20), async || match post(client, &path, &body).await {
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 429 | 503) => Ok(None),
        answer => Ok(Some(answer?)),
    })
    .await
}

async fn boat(cluster: &Cluster) -> Result<Lifeboat> {
    Lifeboat::init(cluster.etcd().dir(), Some(cluster.etcd()), Some(cluster)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn custom_resources_are_saved_as_they_are_stored() -> Result<()> {
    with_cluster(ClusterOptions::default(), async |cluster| {
        let (client, boat) = (cluster.client().await?, boat(cluster).await?);

        // Established an instant ago: its objects are in the very next export.
        for round in 0..3 {
            let group = format!("fresh-{round}.example.com");
            define(&client, &definition(&group, "drafts", "Draft", &[("v1alpha1", true)], plain())).await?;
            create(&client, &group, "v1alpha1", "drafts", "Draft").await?;
            let manifest = boat.backup(&["--resources-only"]).await;
            let export = Export::read(&boat, &manifest).await?;
            let made = export.named(&format!("{group}/drafts/"));
            assert_eq!(made, ["default/made-as-v1alpha1"], "round {round}");
        }

        // Served in two versions: each object once, as it is stored, and not as the server would rather show it.
        let group = "multi.example.com";
        let versions = [("v1", true), ("v2", false)];
        define(&client, &definition(group, "things", "Thing", &versions, plain())).await?;
        create(&client, group, "v1", "things", "Thing").await?;
        create(&client, group, "v2", "things", "Thing").await?;
        // Nobody converts, and nobody needs to.
        define(&client, &definition("hook.example.com", "hooked", "Hooked", &versions, dead())).await?;
        create(&client, "hook.example.com", "v1", "hooked", "Hooked").await?;
        let export = Export::read(&boat, &boat.backup(&["--resources-only"]).await).await?;
        for made in ["made-as-v1", "made-as-v2"] {
            let thing = &export.objects[&format!("{group}/things/default/{made}")];
            assert_eq!(thing["apiVersion"], "multi.example.com/v1");
            assert_eq!(thing["spec"]["in"], made.trim_start_matches("made-as-"));
        }
        assert_eq!(export.facts["excluded"]["things.multi.example.com/v2"], "sameObjects");
        assert_eq!(export.named("hook.example.com/hooked/"), ["default/made-as-v1"]);

        // Now what is stored has to be converted: the type is missing, and only that.
        let swap = json!([
            {"op": "replace", "path": "/spec/versions/0/storage", "value": false},
            {"op": "replace", "path": "/spec/versions/1/storage", "value": true},
        ]);
        let patch = ["patch", "crd", "hooked.hook.example.com", "--type=json", "-p", &swap.to_string()];
        cluster.kubectl(&patch).await?;
        // A list could wait for the server's cache, which never comes.
        let refused = async || {
            let path = "/apis/hook.example.com/v2/namespaces/default/hooked/made-as-v1";
            let answer = client.request::<Value>(http::Request::get(path).body(Vec::new())?).await;
            Ok(answer.is_err().then_some(()))
        };
        eventually("conversions fail", Duration::from_secs(20), refused).await?;
        let manifest = boat.run(BACKUP).await.expect(3).json();
        let export = Export::read(&boat, &manifest).await?;
        let failed: Vec<_> = export.failed().into_iter().collect();
        let [("hooked.hook.example.com/v2", reason)] = failed[..] else { panic!("{failed:?}") };
        assert!(reason.contains("conversion webhook for hook.example.com/v1"), "{reason}");
        assert_eq!(export.named("multi.example.com/things/").len(), 2);
        boat.verify_all().await;
        Ok(())
    })
    .await
}

/// An API that nobody serves.
const BROKEN: &str = r#"
apiVersion: v1
kind: Service
metadata: {name: metrics, namespace: default}
spec: {ports: [{port: 443}]}
---
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: v1beta1.metrics.k8s.io}
spec:
  group: metrics.k8s.io
  version: v1beta1
  groupPriorityMinimum: 100
  versionPriority: 100
  insecureSkipTLSVerify: true
  service: {name: metrics, namespace: default}
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_aggregated_api_is_missing_by_name() -> Result<()> {
    with_cluster(ClusterOptions::default(), async |cluster| {
        let (client, boat) = (cluster.client().await?, boat(cluster).await?);
        fill::shop(&client).await?;
        let whole = Export::read(&boat, &boat.backup(&["--resources-only"]).await).await?;
        fill::apply(&client, BROKEN).await?;
        let dead =
            ["wait", "apiservice/v1beta1.metrics.k8s.io", "--for=condition=Available=False", "--timeout=60s"];
        cluster.kubectl(&dead).await?;

        let manifest = boat.run(BACKUP).await.expect(3).json();
        let export = Export::read(&boat, &manifest).await?;
        let failed: Vec<_> = export.failed().into_iter().collect();
        let [("metrics.k8s.io/v1beta1", reason)] = failed[..] else { panic!("{failed:?}") };
        assert!(reason.contains("service/metrics"), "{reason}");
        assert_eq!(manifest["problems"][0]["about"], "metrics.k8s.io/v1beta1");
        assert!(whole.objects.keys().all(|name| export.objects.contains_key(name)));
        let shown = boat.run(&["show", "latest"]).await.expect(0).stdout;
        assert!(shown.contains("MISSING  metrics.k8s.io/v1beta1: "), "{shown}");
        let doctor = boat.run(&["doctor"]).await.stdout;
        assert!(doctor.contains("metrics.k8s.io/v1beta1"), "{doctor}");

        let exclude = "\nresources:\n  exclude: [\"*.metrics.k8s.io\"]\n";
        boat.edit(|text| text.replacen("\nresources:\n", exclude, 1))?;
        let manifest = boat.backup(&["--resources-only"]).await;
        assert_eq!((&manifest["status"], &manifest["problems"]), (&json!("Completed"), &json!([])));
        Ok(())
    })
    .await
}
