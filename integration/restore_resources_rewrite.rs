//! Objects that become others in the target: renamed, stopped, patched.

use crate::{
    boat::Lifeboat,
    lab::{ClusterOptions, fill, with_cluster},
    live,
    restore_resources::RESTORE,
    restored::versions,
};
use anyhow::{Context, Result};
use serde_json::json;
use std::fs;

const MORE: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: shop-storefront}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: shop-auditor}
subjects: [{kind: ServiceAccount, name: storefront, namespace: shop}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: shop-checks}
webhooks:
  - name: checks.shop.example.com
    clientConfig: {service: {name: storefront, namespace: shop, path: /check}}
    rules: [{apiGroups: [shop.example.com], apiVersions: [v1], operations: [CREATE], resources: [nothings]}]
    namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: shop}}
    sideEffects: None
    admissionReviewVersions: [v1]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: from-the-shop, namespace: shop}
spec:
  podSelector: {}
  ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: shop}}}]}]
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: cellar, namespace: shop}
spec: {accessModes: [ReadWriteOnce], storageClassName: gp2, resources: {requests: {storage: 1Gi}}}
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restore_resources_rewrite_makes_a_second_shop_beside_the_first() -> Result<()> {
    with_cluster(ClusterOptions::default(), async |cluster| {
        let client = cluster.client().await?;
        fill::shop(&client).await?;
        fill::apply(&client, MORE).await?;
        let boat = Lifeboat::init(cluster.etcd().dir(), Some(cluster.etcd()), Some(cluster)).await?;
        let first = boat.backup(&["--resources-only"]).await;
        let before = versions(&live::everything(&client).await?);
        // By flags what flags can say, and the rest from a file.
        fs::write(
            boat.path("spec.yaml"),
            "
rename: {images: {registry.example.com/shop: mirror.example.com/copies}}
modifiers:
  - kinds: [deployments]
    labels: app=storefront
    jsonPatch: [{op: replace, path: /spec/minReadySeconds, value: 7}, {op: remove, path: /spec/template/spec/priorityClassName}]
  - kinds: [configmaps]
    mergePatch: {data: {currency: null, copied: \"yes\"}}
",
        )?;
        let rename = ["-n", "shop", "--rename-namespace", "shop=shop-test", "--storage-class", "gp2=gp3", "--quiesce"];
        let bad = boat.run(&[&RESTORE[..], &rename, &["-f", "spec.yaml"]].concat()).await;
        // There is no minReadySeconds to be replaced.
        bad.expect(1).says("minReadySeconds").says("deployments.apps shop/storefront");
        let text = fs::read_to_string(boat.path("spec.yaml"))?.replace("op: replace", "op: add");
        fs::write(boat.path("spec.yaml"), text)?;
        assert_eq!(versions(&live::everything(&client).await?), before);
        boat.run(&[&RESTORE[..], &rename, &["-f", "spec.yaml"]].concat()).await.expect(0);

        let now = live::everything(&client).await?;
        let versions = versions(&now);
        for (name, version) in &before {
            assert_eq!(versions.get(name), Some(version), "{name} was touched");
        }
        let count = |namespace: &str| before.keys().chain(versions.keys()).filter(|name| name.contains(namespace)).count();
        assert_eq!(count("/shop-test/") * 2, count("/shop/"), "not all, or too much");
        assert!(versions.keys().all(|name| before.contains_key(name) || name.contains("shop-test")));
        let there = |name: &str| now.get(name).with_context(|| name.to_owned());
        let binding = there("rbac.authorization.k8s.io/rolebindings/shop-test/storefront-reads-orders")?;
        assert_eq!(binding["subjects"][0]["namespace"], "shop-test");
        let policy = there("networking.k8s.io/networkpolicies/shop-test/from-the-shop")?;
        let selector = &policy["spec"]["ingress"][0]["from"][0]["namespaceSelector"]["matchLabels"];
        assert_eq!(selector, &json!({"kubernetes.io/metadata.name": "shop-test"}));
        let claim = there("core/persistentvolumeclaims/shop-test/cellar")?;
        assert_eq!(claim["spec"]["storageClassName"], "gp3");
        let deployment = &there("apps/deployments/shop-test/storefront")?["spec"];
        let pods = &deployment["template"]["spec"];
        assert_eq!((&deployment["replicas"], &deployment["minReadySeconds"]), (&json!(0), &json!(7)));
        assert_eq!(pods["containers"][0]["image"], "mirror.example.com/copies/storefront:2.4.1");
        assert_eq!(pods["priorityClassName"], json!(null));
        assert_eq!(there("batch/cronjobs/shop-test/close-abandoned-carts")?["spec"]["suspend"], true);
        let data = &there("core/configmaps/shop-test/storefront")?["data"];
        assert_eq!((&data["copied"], &data["currency"]), (&json!("yes"), &json!(null)));

        // What has no namespace and names one follows, where it is made anew.
        let kubectl = async |line: &str| cluster.kubectl(&line.split(' ').collect::<Vec<_>>()).await;
        kubectl("delete validatingwebhookconfiguration shop-checks").await?;
        kubectl("delete clusterrolebinding shop-storefront").await?;
        let scoped = ["--cluster-scoped", "--rename-namespace", "shop=shop-test"];
        boat.run(&[&RESTORE[..], &scoped].concat()).await.expect(0);
        let now = live::everything(&client).await?;
        let webhook = &now["admissionregistration.k8s.io/validatingwebhookconfigurations/_cluster/shop-checks"]["webhooks"][0];
        assert_eq!(webhook["clientConfig"]["service"]["namespace"], "shop-test");
        assert_eq!(webhook["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"], "shop-test");
        let binding = &now["rbac.authorization.k8s.io/clusterrolebindings/_cluster/shop-storefront"];
        assert_eq!(binding["subjects"][0]["namespace"], "shop-test");

        // The README's own specification, as it stands there.
        let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md"))?;
        let spec = readme.split("```yaml\n").find(|it| it.starts_with("select:")).context("no specification")?;
        let spec = spec.split("```").next().unwrap_or_default();
        let id = first["id"].as_str().context("no id")?;
        fs::write(boat.path("readme.yaml"), spec.replace("20261101", id))?;
        kubectl("delete deployment storefront -n shop-test").await?;
        kubectl("label deployment storefront -n shop app=web --overwrite").await?;
        boat.backup(&["--resources-only"]).await;
        kubectl("delete deployment storefront -n shop").await?;
        boat.run(&[&RESTORE[..], &["-f", "readme.yaml"]].concat()).await.expect(1).says("nothing of");
        let names = ["-f", "readme.yaml", "--names", "storefront", "--labels", "app=web"];
        boat.run(&[&RESTORE[..], &names].concat()).await.expect(0);
        let deployment = &live::everything(&client).await?["apps/deployments/shop-test/storefront"];
        assert_eq!(deployment["spec"]["replicas"], 1);
        assert_eq!(deployment["metadata"]["annotations"]["example.com/restored"], "yes");
        Ok(())
    })
    .await
}
