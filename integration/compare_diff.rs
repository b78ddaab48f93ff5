//! `lifeboat diff` between recovery points, and between one and the live cluster, on a real API server.

use crate::{
    boat::Lifeboat,
    lab::{Cluster, ClusterOptions, fill, with_cluster},
};
use anyhow::Result;
use serde_json::{Value, json};
use std::fs;

const KEY: [&str; 2] = ["-i", "identity.txt"];
const OLD: &str = "open-sesame-7391";
const NEW: &str = "swordfish-4465-tuna";
/// Both in base64, as the API has them.
const ENCODED: [&str; 2] = ["b3Blbi1zZXNhbWUtNzM5MQ", "c3dvcmRmaXNoLTQ0NjUtdHVuYQ"];

async fn apply(cluster: &Cluster, object: Value) -> Result<()> {
    let file = cluster.etcd().dir().join("applied.json");
    fs::write(&file, object.to_string())?;
    // As people do it: it leaves the whole object in an annotation.
    cluster.kubectl(&["apply", "-f", &file.display().to_string()]).await.map(drop)
}

fn secret(value: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "vault", "namespace": "shop"},
        "stringData": {"password": value, "user": "admin"},
    })
}

fn settings(banner: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings", "namespace": "shop"},
        "data": {"a.yaml": format!("title: Shop\nbanner: {banner}\ncache: 300\n")},
    })
}

/// Changes an object of each kind in each way.
async fn change(cluster: &Cluster) -> Result<()> {
    let kubectl = async |line: &str| cluster.kubectl(&line.split(' ').collect::<Vec<_>>()).await.map(drop);
    apply(cluster, secret(NEW)).await?;
    apply(cluster, settings("sale")).await?;
    kubectl("create configmap added -n shop --from-literal=a=b").await?;
    kubectl("delete orders.shop.example.com order-1003 -n shop").await?;
    kubectl("delete configmap storefront -n shop").await?;
    kubectl("create configmap storefront -n shop --from-literal=currency=USD").await?;
    let image =
        "set image deployment/storefront storefront=registry.example.com/shop/storefront:2.5.0 -n shop";
    kubectl(image).await?;
    kubectl("set env deployment/storefront MODE=sale -n shop").await?;
    kubectl("scale deployment storefront --replicas=5 -n shop").await?;
    let patch = async |what: &[&str], patch: Value| {
        let patch = patch.to_string();
        let line = [&["patch", "--type=merge", "-p", &patch], what].concat();
        cluster.kubectl(&line).await.map(drop)
    };
    patch(&["orders", "order-1001", "-n", "shop"], json!({"spec": {"total": "43.00 EUR"}})).await?;
    // Only what a controller would have seen.
    patch(
        &["orders", "order-1002", "-n", "shop", "--subresource=status"],
        json!({"status": {"packed": true}}),
    )
    .await?;
    let rules = json!({"rules": [
        {"apiGroups": ["shop.example.com"], "resources": ["orders"], "verbs": ["get", "list", "watch", "delete"]},
    ]});
    patch(&["role", "read-orders", "-n", "shop"], rules).await
}

/// Every change that [`change`] makes, without what differs from run to run.
fn expected() -> Value {
    let of = |change: &str, kind: &str, name: &str, fields: Value| json!({"change": change, "type": kind, "namespace": "shop", "name": name, "fields": fields});
    let container = "spec.template.spec.containers[name=storefront]";
    let data = "title: Shop\nbanner: free\ncache: 300\n";
    json!([
        of("changed", "roles.rbac.authorization.k8s.io", "read-orders", json!([
            {"path": "rules[0].verbs", "before": ["get", "list", "watch"], "after": ["get", "list", "watch", "delete"]},
        ])),
        of("changed", "secrets", "vault", json!([{"path": "data.password", "before": "secret", "after": "secret"}])),
        {"change": "added", "type": "configmaps", "namespace": "shop", "name": "added"},
        of("changed", "configmaps", "settings", json!([
            {"path": "data[\"a.yaml\"]", "before": data, "after": data.replace("free", "sale")},
        ])),
        of("recreated", "configmaps", "storefront", json!([
            {"path": "data.currency", "before": "EUR", "after": "USD"},
            {"path": "data[\"storefront.yaml\"]", "before": "title: The Lifeboat Shop\nbanner: free shipping over 50 EUR\ncatalogue: {pageSize: 24, cacheSeconds: 300}\n"},
            {"path": "metadata.creationTimestamp", "before": "time", "after": "time"},
        ])),
        of("changed", "orders.shop.example.com", "order-1001", json!([
            {"path": "spec.total", "before": "42.00 EUR", "after": "43.00 EUR"},
        ])),
        {"change": "removed", "type": "orders.shop.example.com", "namespace": "shop", "name": "order-1003"},
        of("changed", "deployments.apps", "storefront", json!([
            {"path": "spec.replicas", "before": 3, "after": 5},
            {"path": format!("{container}.env[name=MODE]"), "after": {"name": "MODE", "value": "sale"}},
            {"path": format!("{container}.image"), "before": "registry.example.com/shop/storefront:2.4.1", "after": "registry.example.com/shop/storefront:2.5.0"},
        ])),
    ])
}

/// Takes out what differs from run to run, and checks that it is there.
fn steady(document: &Value) -> Value {
    let mut changes = document["changes"].clone();
    for change in changes.as_array_mut().unwrap() {
        let object = change.as_object_mut().unwrap();
        let (before, after) = (object.shift_remove("uidBefore"), object.shift_remove("uidAfter"));
        let by = object.shift_remove("by");
        match object["change"].as_str().unwrap() {
            "added" => assert!(before.is_none() && after.is_some()),
            "removed" => assert!(before.is_some() && after.is_none()),
            "changed" => {
                assert!(before == after && by.unwrap()["manager"].as_str().unwrap().starts_with("kubectl"))
            }
            _ => assert!(before != after && before.is_some() && after.is_some()),
        }
        for field in object.get_mut("fields").and_then(Value::as_array_mut).into_iter().flatten() {
            let path = field["path"].as_str().unwrap().to_owned();
            for side in ["before", "after"] {
                if path == "data.password" {
                    assert_eq!(field[side].as_str().unwrap().len(), "secret:".len() + 12);
                    field[side] = json!("secret");
                } else if path == "metadata.creationTimestamp" {
                    field[side] = json!("time");
                }
            }
        }
    }
    changes
}

fn point(manifest: &Value) -> &str {
    manifest["id"].as_str().unwrap()
}

fn summary(document: &Value) -> [u64; 5] {
    ["added", "removed", "changed", "recreated", "onlyNoise"]
        .map(|it| document["summary"][it].as_u64().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compare_diff_tells_every_change_and_no_other() -> Result<()> {
    with_cluster(ClusterOptions::default(), async |cluster| {
        fill::shop(&cluster.client().await?).await?;
        apply(cluster, secret(OLD)).await?;
        apply(cluster, settings("free")).await?;
        let boat = Lifeboat::init(cluster.etcd().dir(), Some(cluster.etcd()), Some(cluster)).await?;
        let diff = async |args: &[&str]| boat.run(&[&["diff"], &KEY[..], args].concat()).await;
        let a = boat.backup(&["--resources-only"]).await;
        change(cluster).await?;
        let b = boat.backup(&["--resources-only"]).await;
        let (a, b) = (point(&a), point(&b));

        let saved = diff(&[a, b, "-o", "json"]).await.expect(0).json();
        pretty_assert(&steady(&saved), &expected());
        assert_eq!(summary(&saved), [1, 1, 5, 1, 1]);
        assert_eq!((&saved["before"]["point"], &saved["after"]["point"]), (&json!(a), &json!(b)));
        assert_eq!(
            saved["notes"],
            json!({"notCompared": [], "versions": [], "sameCluster": true, "sameScope": true})
        );
        let live = diff(&[a, "live", "-o", "json"]).await.expect(0).json();
        pretty_assert(&steady(&live), &expected());
        assert_eq!(live["summary"], saved["summary"]);
        assert!(live["after"]["live"].as_str().unwrap().starts_with("https://"));
        let back = diff(&[b, a, "-o", "json"]).await.expect(0).json();
        assert_eq!(summary(&back), [1, 1, 5, 1, 1]);
        assert_eq!(back["changes"][2]["change"], "removed");

        let table = diff(&[a, b]).await.expect(0).stdout;
        for line in [
            "~ deployments.apps shop/storefront  by ",
            "    spec.replicas: 3 -> 5\n",
            "+ configmaps shop/added\n",
            "- orders.shop.example.com shop/order-1003\n",
            "± configmaps shop/storefront  removed and made again",
            "    data[\"a.yaml\"]:\n      - banner: free\n      + banner: sale\n",
            "1 added, 1 removed, 5 changed, 1 recreated; ",
            ", 1 differ only in what is not compared",
        ] {
            assert!(table.contains(line), "{line:?} is not in\n{table}");
        }
        filters(&boat, a, b).await?;

        let mut shown = String::new();
        for more in [
            &["-o", "json"][..],
            &["-o", "yaml"],
            &["--status", "--all-types"],
            &["--stat"],
            &["--access"],
            &["-vvv"],
        ] {
            let ran = diff(&[&[a, b], more].concat()).await.expect(0);
            shown += &(ran.stdout + &ran.stderr);
        }
        shown += &diff(&[a, "live", "--access", "-o", "json"]).await.expect(0).stdout;
        for hidden in [OLD, NEW, ENCODED[0], ENCODED[1]] {
            assert!(!shown.contains(hidden), "{hidden} was shown");
        }

        assert_eq!(summary(&diff(&[b, "live", "-o", "json"]).await.expect(0).json()), [0; 5]);
        untouched(&boat, a, b).await?;
        forbidden(&boat, cluster, b).await?;
        other_versions(&boat, cluster).await
    })
    .await
}

async fn filters(boat: &Lifeboat, a: &str, b: &str) -> Result<()> {
    let diff = async |args: &[&str]| boat.run(&[&["diff", a, b], &KEY[..], args].concat()).await;
    let json = async |args: &[&str]| diff(&[args, &["-o", "json"]].concat()).await.expect(0).json();
    assert_eq!(summary(&json(&["--type", "deploy"]).await), [0, 0, 1, 0, 0]);
    assert_eq!(summary(&json(&["--type", "Order", "--type", "cm"]).await), [1, 1, 2, 1, 1]);
    assert_eq!(summary(&json(&["--type", "*.apps"]).await), [0, 0, 1, 0, 0]);
    assert_eq!(summary(&json(&["-n", "payments"]).await), [0; 5]);
    assert_eq!(summary(&json(&["-n", "sh*", "--status"]).await), [1, 1, 6, 1, 0]);
    let stat = json(&["--stat"]).await;
    assert_eq!(stat["types"]["orders.shop.example.com"]["removed"], 1);
    assert!(stat.get("changes").is_none());
    assert!(diff(&["--stat"]).await.expect(0).stdout.contains("orders.shop.example.com  "));
    diff(&["--exit-code"]).await.expect(1);
    diff(&["--exit-code", "-n", "payments"]).await.expect(0);
    diff(&["--type", "boats"]).await.expect(2).says("no type is called `boats`");
    diff(&["-n", "Shop"]).await.expect(2).says("lower case");
    boat.run(&["diff", a, "-i", "identity.txt"]).await.expect(2).says("name two recovery points");
    boat.run(&["diff", "live", a, "-i", "identity.txt"]).await.expect(2).says("name it last");
    boat.run(&["diff", a, b]).await.expect(2).says("identity");
    boat.run(&["init", "other"]).await.expect(0);
    boat.run(&["diff", a, b, "-i", "other/identity.txt"]).await.expect(2);
    Ok(())
}

/// Where nothing differs no archive is read; where something does, a damaged one is noticed. What a point does not hold is
/// not said to be gone.
async fn untouched(boat: &Lifeboat, a: &str, b: &str) -> Result<()> {
    let diff = async |args: &[&str]| boat.run(&[&["diff"], &KEY[..], args].concat()).await;
    let c = boat.backup(&["--resources-only"]).await;
    let c = point(&c);
    let archive = |id: &str| boat.path("store/lab/points").join(id).join("resources.tar.zst.age");
    let good = fs::read(archive(b))?;
    fs::write(archive(b), "damaged")?;
    fs::write(archive(c), "damaged")?;
    let same = diff(&[b, c]).await.expect(0).stdout;
    assert!(same.contains("no differences; "), "{same}");
    diff(&[a, b]).await.expect(4).says("is damaged");
    fs::write(archive(b), good)?;

    let base = fs::read_to_string(boat.path("lifeboat.yaml"))?;
    boat.edit(|text| text.replacen("\nresources:\n", "\nresources: {exclude: [secrets, roles]}\n", 1))?;
    let d = boat.backup(&["--resources-only"]).await;
    let partial = diff(&[b, point(&d), "-o", "json"]).await.expect(0).json();
    assert_eq!(summary(&partial), [0; 5]);
    let why = |kind: &str, side: &str| json!({"type": kind, "side": side, "reason": "it was left out by the configuration"});
    let lacking = json!([why("roles.rbac.authorization.k8s.io", "after"), why("secrets", "after")]);
    let mut told = partial["notes"]["notCompared"].clone();
    told.as_array_mut().unwrap().sort_by_key(|it| it["type"].as_str().unwrap().to_owned());
    assert_eq!(told, lacking);
    fs::write(boat.path("lifeboat.yaml"), base)?;
    // The live cluster is read with the point's own exclusions.
    let live = diff(&[point(&d), "live", "-o", "json"]).await.expect(0).json();
    assert_eq!(summary(&live), [0; 5]);

    // What is left out by namespace looks removed: that the sides differ in this is said.
    let narrow = "\nresources: {includeNamespaces: [payments, shop]}\n";
    boat.edit(|text| text.replacen("\nresources:\n", narrow, 1))?;
    let narrowed = boat.backup(&["--resources-only"]).await;
    let narrowed = point(&narrowed);
    let other = diff(&[b, narrowed, "-o", "json"]).await.expect(0).json();
    assert_eq!(other["notes"]["sameScope"], false);
    assert_eq!(
        diff(&[b, narrowed, "-n", "shop", "-o", "json"]).await.expect(0).json()["summary"]["removed"],
        0
    );
    assert!(diff(&[b, narrowed]).await.expect(0).stdout.contains("Not exported alike: "));
    let alike = diff(&[narrowed, "live", "-o", "json"]).await.expect(0).json();
    assert_eq!((&alike["notes"]["sameScope"], summary(&alike)), (&json!(true), [0; 5]));
    fs::write(
        boat.path("lifeboat.yaml"),
        fs::read_to_string(boat.path("lifeboat.yaml"))?.replacen(narrow, "\nresources:\n", 1),
    )?;

    let e = boat.backup(&["--etcd-only"]).await;
    diff(&[b, point(&e)]).await.expect(1).says("holds no resource export").says(b);
    Ok(())
}

/// What could not be read is not gone.
async fn forbidden(boat: &Lifeboat, cluster: &Cluster, b: &str) -> Result<()> {
    let user = cluster.kubeconfig_for("narrow", None)?;
    let rule =
        ["create", "clusterrole", "narrow", "--verb=get,list", "--resource=configmaps,namespaces,secrets"];
    cluster.kubectl(&rule).await?;
    cluster
        .kubectl(&["create", "clusterrolebinding", "narrow", "--clusterrole=narrow", "--user=narrow"])
        .await?;
    let user = user.display().to_string();
    let backup = ["backup", "--resources-only", "--allow-partial", "--kubeconfig", &user, "-o", "json"];
    let partial = boat.run(&backup).await.expect(0).json();
    assert_eq!(partial["status"], "PartiallyFailed");
    for args in [&["diff", b, point(&partial)][..], &["diff", b, "live", "--kubeconfig", &user]] {
        let found = boat.run(&[args, &KEY[..], &["-o", "json"]].concat()).await.expect(0).json();
        assert_eq!(summary(&found), [0; 5], "{found:#}");
        let lacks = |kind: &str| {
            let told = found["notes"]["notCompared"].as_array().unwrap().iter();
            told.filter(|it| it["type"] == kind && it["side"] == "after").count()
        };
        assert_eq!(
            [lacks("orders.shop.example.com"), lacks("deployments.apps"), lacks("secrets")],
            [1, 1, 0]
        );
    }
    let access = ["diff", b, point(&partial), "--access", "-i", "identity.txt"];
    let access = boat.run(&access).await.expect(0).stdout;
    assert!(access.contains("Not compared (after: ") && !access.contains("takes "), "{access}");
    let find = ["find", "order/order-1001", "-i", "identity.txt", "-o", "json"];
    let found = boat.run(&find).await.expect(0).json();
    let runs = found["objects"][0]["runs"].as_array().unwrap();
    assert_eq!(runs.last().unwrap()["state"], "unknown");
    Ok(())
}

/// An object that is read in another version of its API is the same object.
async fn other_versions(boat: &Lifeboat, cluster: &Cluster) -> Result<()> {
    let before = boat.backup(&["--resources-only"]).await;
    let stored = |version: u8, yes: bool| json!({"op": "replace", "path": format!("/spec/versions/{version}/storage"), "value": yes});
    let patch = json!([stored(0, false), stored(1, true)]).to_string();
    let crd = ["patch", "crd", "orders.shop.example.com", "--type=json", "-p", &patch];
    cluster.kubectl(&crd).await?;
    let after = boat.backup(&["--resources-only"]).await;
    let diff = async |to: &str| {
        let all = [
            "diff",
            point(&before),
            to,
            "--type",
            "orders",
            "--type",
            "crd",
            "-o",
            "json",
            "-i",
            "identity.txt",
        ];
        boat.run(&all).await.expect(0).json()
    };
    for to in [point(&after), "live"] {
        let found = diff(to).await;
        assert_eq!(summary(&found), [0, 0, 1, 0, 2], "{found:#}");
        assert_eq!(found["notes"]["versions"], json!(["orders.shop.example.com: v1 -> v1beta1"]));
        assert_eq!(found["changes"][0]["fields"][0]["path"], "spec.versions[name=v1].storage");
    }
    Ok(())
}

#[track_caller]
fn pretty_assert(found: &Value, wanted: &Value) {
    assert!(found == wanted, "found {found:#}\nwanted {wanted:#}");
}
