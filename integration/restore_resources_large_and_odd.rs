//! Objects as large as an API server takes them, names that stand in the way, and many namespaces.

use crate::{
    far_side::{self, Saved},
    lab::{ClusterOptions, process::run, with_cluster},
    live,
    restored::{assert_restored, versions},
};
use anyhow::{Context, Result, ensure};
use futures_util::{StreamExt, TryStreamExt, stream};
use kube::Client;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

const NAMESPACES: usize = 300;

async fn post(client: &Client, path: &str, body: &Value) -> Result<()> {
    let request = http::Request::post(path).header("Content-Type", "application/json");
    client.request::<Value>(request.body(serde_json::to_vec(body)?)?).await?;
    Ok(())
}

/// Names of most objects are up to 253 characters long.
fn longest() -> String {
    let long = "x".repeat(63);
    [&*long, &*long, &*long, &"y".repeat(61)].join(".")
}

/// Path and object of everything odd.
fn odd() -> Vec<(String, Value)> {
    let longest = longest();
    let megabyte = "QUJD".repeat((1 << 20) / 3 - 10);
    let text = "\u{1F6DF} line\n\t\"quoted\" \\ \u{0001} \u{2028} end\r\n";
    let core = |plural: &str| format!("/api/v1/namespaces/odd/{plural}");
    let rbac = "/apis/rbac.authorization.k8s.io/v1";
    let mut all = vec![
        ("/api/v1/namespaces".to_owned(), json!({"metadata": {"name": "odd"}})),
        (
            core("configmaps"),
            json!({"metadata": {"name": "megabyte"}, "data": {"a": "x".repeat((1 << 20) - 10)}}),
        ),
        (core("configmaps"), json!({"metadata": {"name": "bytes"}, "binaryData": {"a": megabyte}})),
        (core("secrets"), json!({"metadata": {"name": "bytes"}, "data": {"a": megabyte, "none": ""}})),
        (core("configmaps"), json!({"metadata": {"name": longest}, "data": {"a": text, "b.c_d-E": ""}})),
        (core("secrets"), json!({"metadata": {"name": longest}, "type": "example.com/any", "data": null})),
        (
            core("configmaps"),
            json!({"metadata": {"name": "annotated", "annotations": {"a/b": "\u{e4}".repeat((255 << 10) / 2)}}}),
        ),
        (
            core("configmaps"),
            json!({"metadata": {"name": "empty", "labels": {}, "annotations": {"a": ""}}, "data": {}}),
        ),
        (
            core("serviceaccounts"),
            json!({"metadata": {"name": "empty"}, "secrets": [], "imagePullSecrets": null}),
        ),
        (
            core("services"),
            json!({"metadata": {"name": "empty"}, "spec": {"ports": [{"port": 80}], "selector": {}}}),
        ),
        (
            core("replicationcontrollers"),
            json!({"metadata": {"name": "nulls"}, "spec": {"replicas": 0, "selector": {"a": "b"},
            "template": {"metadata": {"labels": {"a": "b"}, "creationTimestamp": null}, "spec": {"volumes": [{"name": "e", "emptyDir": {}}],
            "containers": [{"name": "a", "image": "registry.example.com/a:1", "resources": {}, "securityContext": {}}]}}}}),
        ),
    ];
    let names = [
        "a:b",
        "system:x:y",
        "with space",
        "h#sh",
        "wh?t",
        "b\u{e4}r \u{8239}",
        "a&b=c+d",
        "semi;colon",
        "[x]{y}",
        "quo\"te'",
        "back\\slash",
        "...",
    ];
    for name in names {
        let rules = json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]);
        let role = json!({"metadata": {"name": name}, "rules": rules});
        let binding = |kind: &str| {
            json!({"metadata": {"name": name}, "subjects": [{"kind": "Group", "name": name, "apiGroup": "rbac.authorization.k8s.io"}],
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name}})
        };
        all.push((format!("{rbac}/clusterroles"), role.clone()));
        all.push((format!("{rbac}/clusterrolebindings"), binding("ClusterRole")));
        all.push((format!("{rbac}/namespaces/odd/roles"), role));
        all.push((format!("{rbac}/namespaces/odd/rolebindings"), binding("Role")));
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restore_resources_large_and_odd_objects_come_back() -> Result<()> {
    with_cluster(ClusterOptions::default(), async |cluster| {
        let client = cluster.client().await?;
        for (path, object) in odd() {
            post(&client, &path, &object).await?;
        }
        let namespaces = stream::iter(0..NAMESPACES).map(async |n| {
            let name = format!("many-{n}");
            post(&client, "/api/v1/namespaces", &json!({"metadata": {"name": name}})).await?;
            for kind in ["configmaps", "secrets", "serviceaccounts"] {
                post(
                    &client,
                    &format!("/api/v1/namespaces/{name}/{kind}"),
                    &json!({"metadata": {"name": format!("of-{name}")}}),
                )
                .await?;
            }
            anyhow::Ok(())
        });
        namespaces.buffer_unordered(16).try_collect::<()>().await?;
        let saved = Saved::of(cluster).await?;

        with_cluster(ClusterOptions::default(), async |empty| {
            saved.outcomes(empty, &[], 0).await;
            let client = empty.client().await?;
            // By lists: the tests' own way to single objects does not know of names with a `#`.
            let restored = live::everything(&client).await?;
            let compared = assert_restored(&saved.export, &restored, |_| true);
            ensure!(compared > 4 * NAMESPACES + odd().len(), "only {compared} objects were compared");
            let again = saved.outcomes(empty, &["--on-conflict", "update"], 0).await;
            let written: Vec<_> = again.iter().filter(|(_, (it, _))| it != "skipped").collect();
            ensure!(written.is_empty(), "{written:?}");
            assert_eq!(versions(&live::everything(&client).await?), versions(&restored));

            // Names that have to be escaped are found one by one as well.
            let args = [
                "--kinds",
                "clusterroles",
                "--names",
                "wh?t,h#sh",
                "--on-conflict",
                "update",
                "--dry-run",
                "-o",
                "json",
            ];
            let plan = saved.restore(empty, &args).await.expect(0).json();
            let actions: Vec<&Value> =
                plan["objects"].as_array().unwrap().iter().map(|it| &it["action"]).collect();
            assert_eq!(actions, ["skip", "skip"]);
            Ok(())
        })
        .await
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restore_resources_large_and_odd_names_longer_than_those_of_files() -> Result<()> {
    with_cluster(ClusterOptions::default(), async |cluster| {
        let client = cluster.client().await?;
        // Those of roles have no bounds.
        let (longest, ships, dots) = (longest(), "\u{8239}".repeat(100), ".".repeat(300));
        let rbac = "/apis/rbac.authorization.k8s.io/v1";
        let namespace = "/api/v1/namespaces/default";
        for (path, name) in [
            (format!("{namespace}/configmaps"), &longest),
            (format!("{namespace}/secrets"), &longest),
            (format!("{rbac}/clusterroles"), &ships),
            (format!("{rbac}/namespaces/default/roles"), &dots),
        ] {
            post(&client, &path, &json!({"metadata": {"name": name}})).await?;
        }
        // It is read with tar, into files.
        let saved = Saved::of(cluster).await?;
        let boat = &saved.boat;
        let long = BTreeMap::from([
            (format!("core/configmaps/default/{longest}"), format!("configmaps default/{longest}")),
            (format!("core/secrets/default/{longest}"), format!("secrets default/{longest}")),
            (
                format!("rbac.authorization.k8s.io/clusterroles/_cluster/{ships}"),
                format!("clusterroles.rbac.authorization.k8s.io {ships}"),
            ),
            (
                format!("rbac.authorization.k8s.io/roles/default/{dots}"),
                format!("roles.rbac.authorization.k8s.io default/{dots}"),
            ),
        ]);
        let lose = async || -> Result<()> {
            for (kind, name) in
                [("configmap", &longest), ("secret", &longest), ("clusterrole", &ships), ("role", &dots)]
            {
                cluster.kubectl(&["delete", kind, name]).await?;
            }
            Ok(())
        };
        boat.run(&["extract", "latest", "resources", "--to", "x.tar", "-i", "identity.txt"]).await.expect(0);
        let (tar, unpacked) = (boat.path("x.tar"), boat.path("unpacked"));
        fs::create_dir(&unpacked)?;
        run(Path::new("tar"), [Path::new("-xf"), &tar, Path::new("-C"), &unpacked], &[]).await?;

        for source in ["latest", "--from=unpacked"] {
            lose().await?;
            let restore = ["restore", "resources", source, "-i", "identity.txt", "-o", "json"];
            let args = if source == "latest" {
                &restore[..]
            } else {
                &["restore", "resources", source, "-o", "json"]
            };
            let done = far_side::outcomes(&boat.run(args).await.expect(0).json());
            let created = done.iter().filter(|(_, (it, _))| it == "created").map(|(name, _)| name);
            assert_eq!(created.collect::<BTreeSet<_>>(), long.values().collect());
            let there = live::everything(&client).await?;
            assert_eq!(assert_restored(&saved.export, &there, |name| long.contains_key(name)), long.len());
        }

        // Each is found, and comes out alone at the place that is told.
        for object in
            [format!("configmaps/{longest}"), format!("clusterroles/{ships}"), format!("roles/{dots}")]
        {
            let found =
                boat.run(&["find", &object, "-i", "identity.txt", "-o", "json"]).await.expect(0).json();
            let place = found["objects"][0]["runs"][0]["path"].as_str().context("no path")?.to_owned();
            ensure!(place.contains("+/"), "{place}");
            let extract = ["extract", "latest", "resources", "-i", "identity.txt", "--object", &place];
            let alone = boat.run(&extract).await.expect(0).stdout;
            assert_eq!(alone, fs::read_to_string(unpacked.join(&place))?, "{place}");
        }
        Ok(())
    })
    .await
}
