//! What the other side refuses: told for each object, the rest goes on, and the same command completes it later.

use crate::{
    far_side::{Outcomes, Saved},
    lab::{ApiServer, Cluster, ClusterOptions, eventually, fill, with_cluster},
    live,
};
use anyhow::{Result, ensure};
use serde_json::{Value, json};
use std::time::Duration;

const SHIPS: &str = include_str!("kinds/ships.yaml");
const QUICK: [&str; 2] = ["--wait", "2s"];

/// Lets nobody make config maps that are labelled `rust=yes`.
const POLICY: &str = r#"
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: no-rust}
spec:
  matchConstraints: {resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [configmaps]}]}
  validations: [{expression: "!has(object.metadata.labels) || !('rust' in object.metadata.labels)", message: "rust is not let in"}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: no-rust}
spec: {policyName: no-rust, validationActions: [Deny]}
"#;

/// Nobody answers for Secrets.
const WEBHOOK: &str = r#"
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: gone}
webhooks:
  - name: gone.example.com
    admissionReviewVersions: [v1]
    sideEffects: None
    failurePolicy: Fail
    timeoutSeconds: 1
    rules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [secrets]}]
    clientConfig: {url: "https://127.0.0.1:1/"}
"#;

async fn kubectl(server: &ApiServer, line: &str) -> Result<String> {
    server.kubectl(&line.split(' ').collect::<Vec<_>>()).await
}

/// Objects with this outcome, and the reasons, each once.
fn with<'a>(outcomes: &'a Outcomes, outcome: &str) -> (Vec<&'a str>, Vec<&'a str>) {
    let found = || outcomes.iter().filter(|(_, (it, _))| it == outcome);
    let mut reasons: Vec<&str> = found().map(|(_, (_, reason))| &**reason).collect();
    reasons.dedup();
    (found().map(|(object, _)| &**object).collect(), reasons)
}

/// Saves the ships, and gives an empty cluster to restore them into.
async fn with_ships(
    into: ClusterOptions,
    test: impl AsyncFnOnce(&Saved, &Cluster) -> Result<()>,
) -> Result<()> {
    with_cluster(ClusterOptions::default(), async |cluster| {
        fill::apply(&cluster.client().await?, SHIPS).await?;
        let saved = Saved::of(cluster).await?;
        with_cluster(into, async |empty| test(&saved, empty).await).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restore_resources_refused_by_policy_webhook_and_role() -> Result<()> {
    with_ships(ClusterOptions::default(), async |saved, empty| {
        let client = empty.client().await?;
        // Namespaces that are there, so that a dry run can try what is in them.
        fill::apply(&client, POLICY).await?;
        fill::apply(&client, "{apiVersion: v1, kind: Namespace, metadata: {name: harbour}}").await?;
        eventually("the policy holds", Duration::from_secs(30), async || {
            let line = "-n default create configmap probe --dry-run=server";
            kubectl(empty, line).await?;
            let body = json!({"metadata": {"name": "probe", "labels": {"rust": "yes"}}}).to_string();
            let post = http::Request::post("/api/v1/namespaces/default/configmaps?dryRun=All");
            let post = post.header("Content-Type", "application/json").body(body.into_bytes())?;
            Ok(client.request::<Value>(post).await.is_err().then_some(()))
        })
        .await?;

        // A dry run tells before anything is changed.
        let before = live::everything(&client).await?;
        let plan = saved.restore(empty, &["--dry-run", "-o", "json"]).await.expect(6).json();
        let refused: Vec<&Value> =
            plan["objects"].as_array().unwrap().iter().filter(|it| it["action"] == "conflict").collect();
        assert_eq!(refused.len(), 3, "{refused:?}");
        ensure!(refused.iter().all(|it| it.to_string().contains("rust is not let in")), "{refused:?}");
        let now = live::everything(&client).await?;
        assert_eq!(now.keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>());

        // Somebody who may make config maps only. All that could not be made is told, and why.
        let clerk = empty.kubeconfig_for("clerk", None)?.display().to_string();
        kubectl(empty, "create clusterrole reads --verb=get,list --resource=*.*").await?;
        kubectl(empty, "create clusterrole makes --verb=create --resource=configmaps").await?;
        kubectl(empty, "create clusterrolebinding reads --clusterrole=reads --user=clerk").await?;
        kubectl(empty, "create clusterrolebinding makes --clusterrole=makes --user=clerk").await?;
        let ran = saved.restore_as(&clerk, &["-n", "harbour", "-o", "json"]).await.expect(3).json();
        let done = crate::far_side::outcomes(&ran);
        assert_eq!(with(&done, "created").0.len(), 5, "{done:?}");
        let (failed, why) = with(&done, "failed");
        ensure!(
            failed.contains(&"secrets harbour/key-0") && failed.contains(&"services harbour/quay"),
            "{failed:?}"
        );
        ensure!(
            why.iter().any(|it| it.contains("User \"clerk\" cannot create resource \"secrets\"")),
            "{why:?}"
        );

        // Nobody answers for Secrets: the others come, and each that does not is told.
        fill::apply(&client, WEBHOOK).await?;
        eventually("the webhook holds", Duration::from_secs(30), async || {
            let line = "-n default create secret generic probe --dry-run=server";
            Ok(kubectl(empty, line).await.is_err().then_some(()))
        })
        .await?;
        let text = saved.restore(empty, &QUICK).await.expect(3).stdout;
        for name in ["configmaps harbour/old-0", "configmaps harbour/old-2", "secrets harbour/key-3"] {
            ensure!(text.contains(&format!("failed    {name}  ")), "{text}");
        }
        ensure!(text.contains("failed calling webhook \"gone.example.com\""), "{text}");
        let there = live::everything(&client).await?;
        for name in ["core/services/harbour/quay", "core/configmaps/sea/chart"] {
            ensure!(there.contains_key(name), "{name}");
        }

        // And when they no longer stand in the way, the same command completes it.
        kubectl(empty, "delete validatingwebhookconfiguration gone").await?;
        kubectl(empty, "delete validatingadmissionpolicybinding no-rust").await?;
        eventually("nobody is refused", Duration::from_secs(30), async || {
            let plan = saved.restore(empty, &["--dry-run"]).await;
            Ok((plan.code == 0).then_some(()))
        })
        .await?;
        let done = saved.outcomes(empty, &[], 0).await;
        assert_eq!(with(&done, "created").0.len(), 8, "{:?}", with(&done, "created"));
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restore_resources_refused_in_a_namespace_that_does_not_go() -> Result<()> {
    with_cluster(ClusterOptions::full(), async |cluster| {
        let client = cluster.client().await?;
        fill::apply(&client, SHIPS).await?;
        let saved = Saved::of(cluster).await?;
        let hold = r#"{"metadata":{"finalizers":["example.com/anchor"]}}"#;
        cluster
            .kubectl(&["-n", "harbour", "patch", "configmap", "new-0", "--type=merge", "-p", hold])
            .await?;
        kubectl(cluster, "delete namespace harbour sea --wait=false").await?;
        kubectl(cluster, "wait --for=delete namespace/sea --timeout=60s").await?;
        eventually("only what is held is left", Duration::from_secs(60), async || {
            let status = kubectl(cluster, "get namespace harbour -o jsonpath={.status.conditions}").await?;
            Ok(status.contains("example.com/anchor").then_some(()))
        })
        .await?;

        // The other namespace comes, and what holds this one is told.
        let done = saved.outcomes(cluster, &["-n", "harbour,sea", "--wait", "1s"], 3).await;
        assert_eq!(done["configmaps sea/chart"].0, "created");
        let (outcome, why) = &done["namespaces harbour"];
        assert_eq!(outcome, "conflict");
        ensure!(why.contains("example.com/anchor"), "{why}");
        assert_eq!(done["secrets harbour/key-0"].0, "conflict");

        // It goes while the restore waits for it.
        let release = async {
            tokio::time::sleep(Duration::from_secs(2)).await;
            let none = r#"{"metadata":{"finalizers":null}}"#;
            cluster
                .kubectl(&["-n", "harbour", "patch", "configmap", "new-0", "--type=merge", "-p", none])
                .await
        };
        let args = ["-n", "harbour,sea", "--wait", "60s"];
        let (done, released) = tokio::join!(saved.outcomes(cluster, &args, 0), release);
        released?;
        assert_eq!(done["namespaces harbour"].0, "created");
        assert_eq!(done["configmaps harbour/new-0"].0, "created");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restore_resources_refused_by_a_quota_and_by_what_cannot_change() -> Result<()> {
    // Objects are deleted with what they own left alone, which is for the garbage collector to do.
    with_ships(ClusterOptions::full(), async |saved, empty| {
        let client = empty.client().await?;
        let quota = "{apiVersion: v1, kind: Namespace, metadata: {name: harbour}}\n---\n\
                     {apiVersion: v1, kind: ResourceQuota, metadata: {name: few, namespace: harbour}, spec: {hard: {count/secrets: '2'}}}";
        fill::apply(&client, quota).await?;
        let limit = async |count: &str| {
            let spec = json!({"spec": {"hard": {"count/secrets": count}}}).to_string();
            empty.kubectl(&["-n", "harbour", "patch", "resourcequota", "few", "--type=merge", "-p", &spec]).await?;
            eventually("the quota counts", Duration::from_secs(60), async || {
                let status = kubectl(empty, "-n harbour get resourcequota few -o jsonpath={.status.hard},{.status.used}").await?;
                Ok(status.starts_with(&format!(r#"{{"count/secrets":"{count}"}},{{"#)).then_some(()))
            })
            .await
        };
        limit("2").await?;
        let plan = saved.restore(empty, &["--dry-run"]).await;
        let finding = "? resourcequotas harbour/few: it allows 2 count/secrets, 0 are there, and 5 more are to be made";
        ensure!(plan.stdout.contains(finding), "{}", plan.stdout);
        let done = saved.outcomes(empty, &QUICK, 3).await;
        let (failed, why) = with(&done, "failed");
        assert_eq!(failed.len(), 3, "{failed:?}");
        ensure!(failed.iter().all(|it| it.starts_with("secrets harbour/")), "{failed:?}");
        ensure!(why.iter().all(|it| it.contains("exceeded quota: few")), "{why:?}");
        limit("9").await?;
        let done = saved.outcomes(empty, &[], 0).await;
        assert_eq!(with(&done, "created").0.len(), 3, "{:?}", with(&done, "created"));

        // What cannot be changed is told under update, and made again under recreate. Another Service has the address.
        for line in [
            "-n harbour delete configmap fixed",
            "-n harbour create configmap fixed --from-literal=a=other",
            "-n harbour delete job scrub",
            "-n harbour delete service quay",
        ] {
            kubectl(empty, line).await?;
        }
        empty.kubectl(&["-n", "harbour", "patch", "configmap", "fixed", "--type=merge", "-p", r#"{"immutable":true}"#]).await?;
        let job = r#"{"apiVersion":"batch/v1","kind":"Job","metadata":{"name":"scrub","namespace":"harbour"},"spec":{"suspend":true,
            "template":{"spec":{"restartPolicy":"Never","containers":[{"name":"other","image":"registry.example.com/b:2"}]}}}}"#;
        fill::apply(&client, job).await?;
        let address = saved.export.objects["core/services/harbour/quay"]["spec"]["clusterIP"].as_str().unwrap();
        let thief = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "thief", "namespace": "harbour"},
            "spec": {"clusterIP": address, "ports": [{"port": 80}]}});
        fill::apply(&client, &thief.to_string()).await?;
        let with_ips = ["-n", "harbour", "--cluster-ips", "--on-conflict"];
        let done = saved.outcomes(empty, &[&with_ips[..], &["update"]].concat(), 3).await;
        for (object, words) in [
            ("configmaps harbour/fixed", "field is immutable when `immutable` is set"),
            ("jobs.batch harbour/scrub", "spec.template: Invalid value"),
            ("services harbour/quay", "provided IP is already allocated"),
        ] {
            let (outcome, why) = &done[object];
            ensure!(outcome == "failed" && why.contains(words), "{object}: {outcome} {why}");
        }
        let plan = saved.restore(empty, &[&with_ips[..], &["recreate", "--dry-run", "-o", "json"]].concat()).await.expect(0).json();
        let action = |object: &str| {
            let all = plan["objects"].as_array().unwrap();
            all.iter().find(|it| it["to"] == object || it["object"] == object).unwrap()["action"].clone()
        };
        assert_eq!(action("configmaps harbour/fixed"), "recreate");
        assert_eq!(action("jobs.batch harbour/scrub"), "recreate");
        // A server that only tries looks at no list of addresses.
        assert_eq!(action("services harbour/quay"), "create");
        let done = saved.outcomes(empty, &[&with_ips[..], &["recreate"]].concat(), 3).await;
        assert_eq!(done["configmaps harbour/fixed"].0, "recreated");
        assert_eq!(done["jobs.batch harbour/scrub"].0, "recreated");
        assert_eq!(done["services harbour/quay"].0, "failed");
        // One that is there and cannot get the address of another is not lost for that.
        let quay = r#"{"apiVersion":"v1","kind":"Service","metadata":{"name":"quay","namespace":"harbour","labels":{"here":"yes"}},"spec":{"ports":[{"port":80}]}}"#;
        fill::apply(&client, quay).await?;
        let done = saved.outcomes(empty, &[&with_ips[..], &["recreate", "--wait", "1s"]].concat(), 3).await;
        let (outcome, why) = &done["services harbour/quay"];
        ensure!(outcome == "failed" && why.ends_with("; what was there before was put back"), "{outcome}: {why}");
        assert_eq!(kubectl(empty, "-n harbour get service quay -o jsonpath={.metadata.labels.here}").await?, "yes");
        kubectl(empty, "-n harbour delete service thief").await?;
        let done = saved.outcomes(empty, &[&with_ips[..], &["recreate"]].concat(), 0).await;
        assert_eq!(done["services harbour/quay"].0, "recreated");
        let now = kubectl(empty, "-n harbour get service quay -o jsonpath={.spec.clusterIP}").await?;
        assert_eq!(now, address);
        Ok(())
    })
    .await
}
