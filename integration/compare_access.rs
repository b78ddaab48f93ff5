//! `lifeboat diff --access`: who got which rights, and when, over several recovery points.

use crate::{
    boat::Lifeboat,
    lab::{Cluster, ClusterOptions, fill, with_cluster},
};
use anyhow::Result;
use ct_codecs::{Base64, Encoder};
use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value, json};
use std::fs;

const RBAC: &str = "rbac.authorization.k8s.io";

async fn kubectl(cluster: &Cluster, line: &str) -> Result<()> {
    cluster.kubectl(&line.split(' ').collect::<Vec<_>>()).await.map(drop)
}

async fn create(cluster: &Cluster, object: Value) -> Result<()> {
    let file = cluster.etcd().dir().join("created.json");
    fs::write(&file, object.to_string())?;
    cluster.kubectl(&["create", "-f", &file.display().to_string()]).await.map(drop)
}

/// A service account that may run commands in pods.
async fn first(cluster: &Cluster) -> Result<()> {
    kubectl(cluster, "create serviceaccount ci -n shop").await?;
    kubectl(cluster, "create role exec -n shop --verb=create --resource=pods/exec").await?;
    kubectl(cluster, "create rolebinding ci-exec -n shop --role=exec --serviceaccount=shop:ci").await?;
    // Nobody's rights.
    kubectl(cluster, "create configmap aws-auth -n shop --from-literal=mapRoles=x").await?;
    kubectl(cluster, "create secret generic plain -n shop --from-literal=password=unrelated-8812").await?;
    kubectl(cluster, "label role read-orders -n shop team=storefront").await
}

/// A token that lasts, more rights by way of a role, and somebody who looks on.
async fn second(cluster: &Cluster) -> Result<()> {
    let account = json!({"kubernetes.io/service-account.name": "ci"});
    create(
        cluster,
        json!({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token",
            "metadata": {"name": "ci-token", "namespace": "shop", "annotations": account},
        }),
    )
    .await?;
    let rules = json!([
        {"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["create"]},
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list"]},
    ]);
    let patch = json!({"rules": rules}).to_string();
    cluster.kubectl(&["patch", "role", "exec", "-n", "shop", "--type=merge", "-p", &patch]).await?;
    create(
        cluster,
        json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": "onlooker"},
            "webhooks": [{
                "name": "onlooker.example.com", "failurePolicy": "Ignore", "sideEffects": "None", "timeoutSeconds": 1,
                "admissionReviewVersions": ["v1"], "clientConfig": {"url": "https://127.0.0.1:1/look"},
                "rules": [{"operations": ["CREATE"], "apiGroups": ["nowhere.example.com"], "apiVersions": ["*"], "resources": ["*"]}],
            }],
        }),
    )
    .await
}

/// A certificate is asked for and approved, and the binding goes.
async fn third(cluster: &Cluster) -> Result<()> {
    kubectl(cluster, "delete rolebinding ci-exec -n shop").await?;
    let request = CertificateParams::default().serialize_request(&KeyPair::generate()?)?.pem()?;
    create(
        cluster,
        json!({
            "apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": {"name": "jane"},
            "spec": {
                "request": Base64::encode_to_string(request)?, "signerName": "kubernetes.io/kube-apiserver-client",
                "usages": ["client auth"],
            },
        }),
    )
    .await?;
    kubectl(cluster, "certificate approve jane").await
}

/// What each step of a timeline says, by object: `! ` stands before what deserves a look.
fn told(step: &Value) -> Vec<String> {
    let changes = step["changes"].as_array().unwrap().iter();
    let lines = changes.flat_map(|change| {
        let namespace = change["namespace"].as_str().map(|it| format!("{it}/")).unwrap_or_default();
        let head =
            format!("{} {} {namespace}{}", change["change"], change["type"], change["name"]).replace('"', "");
        let says = change["says"].as_array().cloned().unwrap_or_default();
        let says = says.into_iter().map(|said| {
            format!(
                "  {}{}",
                if said["danger"].is_null() { "" } else { "! " },
                said["text"].as_str().unwrap()
            )
        });
        std::iter::once(head).chain(says).collect::<Vec<_>>()
    });
    lines.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compare_access_tells_who_got_which_rights_and_when() -> Result<()> {
    with_cluster(ClusterOptions::default(), async |cluster| {
        fill::shop(&cluster.client().await?).await?;
        let boat = Lifeboat::init(cluster.etcd().dir(), Some(cluster.etcd()), Some(cluster)).await?;
        let point = async || boat.backup(&["--resources-only"]).await["id"].as_str().unwrap().to_owned();
        let diff = async |args: &[&str]| boat.run(&[&["diff", "--access", "-i", "identity.txt"], args].concat()).await;
        let mut ids = vec![point().await];
        first(cluster).await?;
        ids.push(point().await);
        second(cluster).await?;
        ids.push(point().await);
        third(cluster).await?;
        ids.push(point().await);
        boat.backup(&["--etcd-only"]).await;
        kubectl(cluster, "create clusterrolebinding oops --clusterrole=cluster-admin --group=system:authenticated").await?;

        let all = diff(&["--all", "live", "-o", "json"]).await.expect(0).json();
        let steps = all["steps"].as_array().unwrap();
        let between: Vec<_> = steps.iter().map(|s| (&s["before"]["point"], &s["after"]["point"])).collect();
        assert_eq!(between[0], (&json!(ids[0]), &json!(ids[1])));
        assert_eq!(between[3], (&json!(ids[3]), &Value::Null));
        assert_eq!(all["leftOut"][0]["reason"], "it holds no resource export");
        let exec = "! grants `create pods/exec` in namespace shop to ServiceAccount shop/ci";
        let wanted = [
            "added serviceaccounts shop/ci".to_owned(),
            "  ServiceAccount shop/ci is new".to_owned(),
            format!("added rolebindings.{RBAC} shop/ci-exec"),
            format!("  {exec}"),
            format!("added roles.{RBAC} shop/exec"),
        ];
        assert_eq!(told(&steps[0]), wanted);
        let by = &steps[0]["changes"][1]["by"];
        assert!(by["manager"].as_str().unwrap().starts_with("kubectl") && by["time"].is_string(), "{by}");
        let wanted = [
            format!("changed roles.{RBAC} shop/exec"),
            "  ! grants `get,list secrets` in namespace shop to ServiceAccount shop/ci".to_owned(),
            "added secrets shop/ci-token".to_owned(),
            "  ! a token of ServiceAccount shop/ci that does not expire".to_owned(),
            "added validatingwebhookconfigurations.admissionregistration.k8s.io onlooker".to_owned(),
            "  ! the validating webhook onlooker.example.com at https://127.0.0.1:1/look is asked about CREATE of *".to_owned(),
        ];
        assert_eq!(told(&steps[1]), wanted);
        let by = "a certificate that User admin asked kubernetes.io/kube-apiserver-client for";
        let wanted = [
            format!("removed rolebindings.{RBAC} shop/ci-exec"),
            "  takes `create pods/exec` in namespace shop from ServiceAccount shop/ci".to_owned(),
            "  takes `get,list secrets` in namespace shop from ServiceAccount shop/ci".to_owned(),
            "added certificatesigningrequests.certificates.k8s.io jane".to_owned(),
            format!("  {by} (for: client auth)"),
            format!("  ! {by} is approved (This CSR was approved by kubectl certificate approve.)"),
        ];
        let third = told(&steps[2]);
        let mut sorted = (third.clone(), wanted.to_vec());
        sorted.0.sort();
        sorted.1.sort();
        assert_eq!(sorted.0, sorted.1);
        let wanted = [
            format!("added clusterrolebindings.{RBAC} oops"),
            "  ! grants `* *.*, *` everywhere to Group system:authenticated".to_owned(),
        ];
        assert_eq!(told(&steps[3]), wanted);
        assert!(all["summary"]["dangers"].as_u64() >= Some(6), "{}", all["summary"]);

        // Any points, in one step or several; what was given and taken in between is not seen.
        let two = diff(&[&ids[0], &ids[3], "-o", "json"]).await.expect(0).json();
        assert!(!told(&two["steps"][0]).join("\n").contains("pods/exec` in namespace shop to ServiceAccount"));
        let three = diff(&[&ids[0], &ids[1], &ids[2], "-o", "json"]).await.expect(0).json();
        assert_eq!(three["steps"].as_array().unwrap().len(), 2);
        assert_eq!(told(&three["steps"][1]), told(&steps[1]));
        let recent = diff(&["--since", "1h", "-o", "json"]).await.expect(0).json();
        assert_eq!(recent["steps"].as_array().unwrap().len(), 3);
        let payments = diff(&["--all", "-n", "payments", "-o", "json"]).await.expect(0).json();
        assert_eq!(payments["summary"]["added"], 0);

        let table = diff(&["--all", "live"]).await.expect(0).stdout;
        assert!(table.contains(&format!("  {exec}\n      runs commands in pods\n")), "{table}");
        assert!(table.contains(&format!("{} (20", ids[0])) && table.contains("; marked with !: "), "{table}");
        for format in ["table", "json", "yaml"] {
            let shown = diff(&["--all", "live", "-o", format]).await.expect(0).stdout;
            assert!(!shown.contains("unrelated-8812") && !shown.contains("dW5yZWxhdGVkLTg4MTI"));
        }
        diff(&["--all", &ids[0]]).await.expect(2).says("only `live` can be named");
        diff(&["--since", "2999-01-01"]).await.expect(2).says("two recovery points at least");
        boat.run(&["diff", "--all", "-i", "identity.txt"]).await.expect(2).says("--access");

        // One point that cannot be trusted is named, and the exit code says that it was.
        let manifest = boat.path("store/lab/points").join(&ids[1]).join("manifest.json");
        let text = fs::read_to_string(&manifest)?;
        fs::write(&manifest, text.replacen("Completed", "completed", 1))?;
        let named = diff(&["--all", "-o", "json"]).await.expect(4).json();
        assert_eq!(named["leftOut"][0]["id"], ids[1]);
        diff(&[&ids[0], &ids[1]]).await.expect(4);
        Ok(())
    })
    .await
}
