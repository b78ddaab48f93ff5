//! `lifeboat get`: one object, as it was served or ready to be applied.

use crate::{
    boat::Lifeboat,
    export::Export,
    lab::{Cluster, ClusterOptions, fill, with_cluster},
};
use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, api::PostParams};
use serde_json::{Value, json};
use std::fs;

/// Texts that a YAML reader may take for something else, and names that it may.
const TRICKY: &[&str] = &[
    "yes",
    "n",
    "on",
    "Off",
    "~",
    "null",
    "true",
    "012",
    "0o14",
    "0x1F",
    "0b11",
    "1_000",
    "1e3",
    ".5",
    ".inf",
    "NaN",
    "12:30:45",
    "2026-11-23",
    "<<",
    "=",
    "- a",
    "a: b",
    "a #b",
    "#b",
    "*a",
    "&a",
    "!a",
    "%a",
    "@a",
    "`a",
    "{a",
    "[a",
    "'",
    "\"",
    "|",
    ">",
    "?",
    " before",
    "behind ",
    "",
    "\n",
    "a\n",
    "a\nb\n\n",
    "  a\nb",
    "\n a",
    "\ttab\t",
    "line\r\nfeed",
    "\u{85}",
    "\u{2028}",
    "\u{feff}",
    "\u{7f}",
    "\u{1}",
    "café ☕ 🚢",
    "\\n",
    "a \n b ",
    "a\n  \n\tb\n",
    "/a: b",
    "a:",
];

/// What somebody wrote of an object.
fn written(mut object: Value) -> Value {
    let set = ["uid", "resourceVersion", "generation", "creationTimestamp", "managedFields"];
    let metadata = object["metadata"].as_object_mut().unwrap();
    metadata.retain(|name, _| !set.contains(&name.as_str()));
    if let Some(Value::Object(annotations)) = metadata.get_mut("annotations") {
        annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
        if annotations.is_empty() {
            metadata.remove("annotations");
        }
    }
    if let Some(spec) = object["spec"].as_object_mut() {
        spec.retain(|name, _| !["clusterIP", "clusterIPs"].contains(&name.as_str()));
    }
    object.as_object_mut().unwrap().remove("status");
    object
}

async fn live(cluster: &Cluster, kind: &str, namespace: &str, name: &str) -> Result<Value> {
    let text = cluster.kubectl(&["get", kind, name, "-n", namespace, "-o", "json"]).await?;
    Ok(written(serde_json::from_str(&text)?))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compare_get_brings_back_what_was_deleted() -> Result<()> {
    with_cluster(ClusterOptions::default(), async |cluster| {
        let client = cluster.client().await?;
        fill::shop(&client).await?;
        let tricky: serde_json::Map<String, Value> =
            TRICKY.iter().enumerate().map(|(n, text)| (format!("k{n}"), json!(text))).collect();
        let tricky: ConfigMap = serde_json::from_value(json!({
            "metadata": {"name": "tricky", "annotations": {"yes": "no", "1": "1.0"}},
            "data": tricky, "binaryData": {"on": "AAEC/w=="},
        }))?;
        let config_maps: Api<ConfigMap> = Api::namespaced(client.clone(), "shop");
        let tricky = config_maps.create(&PostParams::default(), &tricky).await?;
        let owned: ConfigMap = serde_json::from_value(json!({
            "metadata": {"name": "owned", "ownerReferences": [
                {"apiVersion": "v1", "kind": "ConfigMap", "name": "tricky", "uid": tricky.metadata.uid},
            ]},
        }))?;
        config_maps.create(&PostParams::default(), &owned).await?;
        let served = async |path: &str| {
            client.request_text(http::Request::get(path).body(Vec::new())?).await.map_err(anyhow::Error::from)
        };
        let as_served = served("/api/v1/namespaces/shop/configmaps/tricky").await?;
        let boat = Lifeboat::init(cluster.etcd().dir(), Some(cluster.etcd()), Some(cluster)).await?;
        let manifest = boat.backup(&["--resources-only"]).await;
        let get = async |args: &[&str]| {
            boat.run(&[&["get", "latest"], args, &["-i", "identity.txt"]].concat()).await
        };

        // As it is stored, it is what was served: of an object in a list only the first two fields are the program's.
        let raw = get(&["cm", "tricky", "--raw", "-o", "json"]).await.expect(0).stdout;
        let fields = |text: &str| text[text.find("\"metadata\"").unwrap()..].to_owned();
        assert_eq!(fields(&raw), fields(as_served.trim_end()));
        let export = Export::read(&boat, &manifest).await?;
        let stored = boat.path(&format!("opened-{}/tree", manifest["id"].as_str().context("no id")?));
        assert_eq!(raw, fs::read_to_string(stored.join("core/v1/configmaps/shop/tricky.json"))?);
        let in_yaml = get(&["configmap/tricky", "-n", "shop", "--raw"]).await.expect(0).stdout;
        assert_eq!(serde_yaml::from_str::<Value>(&in_yaml)?, export.objects["core/configmaps/shop/tricky"]);

        for (kind, namespace, name) in [
            ("configmap", "shop", "tricky"),
            ("secret", "shop", "storefront-session"),
            ("svc", "payments", "ledger"),
            ("deploy", "shop", "storefront"),
            ("networkpolicies.networking.k8s.io", "payments", "only-the-shop"),
            ("pdb", "shop", "storefront"),
            ("CronJob", "shop", "close-abandoned-carts"),
            ("rolebinding", "shop", "storefront-reads-orders"),
            ("orders", "shop", "order-1003"),
        ] {
            let before = live(cluster, kind, namespace, name).await?;
            for format in ["yaml", "json"] {
                cluster.kubectl(&["delete", kind, name, "-n", namespace]).await?;
                let file = boat.path(&format!("{name}.{format}"));
                let to = ["--to", file.to_str().unwrap(), "-o", format];
                get(&[&[kind, name, "-n", namespace], &to[..]].concat()).await.expect(0);
                cluster.kubectl(&["apply", "-f", file.to_str().unwrap()]).await?;
                assert_eq!(live(cluster, kind, namespace, name).await?, before, "{kind} {name} as {format}");
                get(&[&[kind, name, "-n", namespace], &to[..]].concat()).await.expect(6).says("exists");
                fs::remove_file(file)?;
            }
        }

        // What kubectl does not do in between: the bytes themselves are posted.
        config_maps.delete("tricky", &Default::default()).await?;
        let body = get(&["cm/tricky", "-n", "shop", "-o", "json"]).await.expect(0).stdout.into_bytes();
        let post = http::Request::post("/api/v1/namespaces/shop/configmaps")
            .header("content-type", "application/json")
            .body(body)?;
        let posted: ConfigMap = client.request(post).await?;
        assert_eq!((posted.data, posted.binary_data), (tricky.data, tricky.binary_data));

        let owned = get(&["cm", "owned", "-o", "json"]).await.expect(0).says("ConfigMap tricky");
        assert_eq!(owned.json()["metadata"], json!({"name": "owned", "namespace": "shop"}));
        let raw = get(&["cm", "owned", "-o", "json", "--raw", "-q"]).await.expect(0);
        assert!(raw.json()["metadata"]["ownerReferences"].is_array() && raw.stderr.is_empty());

        wrong_names(&boat).await;
        damaged(&boat, manifest["id"].as_str().unwrap()).await
    })
    .await
}

async fn wrong_names(boat: &Lifeboat) {
    for (words, code, says) in [
        ("boats lost", 2, "no type is called `boats` in 20"),
        ("boats lost", 2, "configmaps, "),
        ("cm lost -n payments", 1, "holds no configmaps payments/lost; in payments there is ledger"),
        ("cm ledger -n shop", 1, "one of this name is in payments"),
        ("cm ledger -n nowhere", 1, "one of this name is in payments"),
        ("ns shop -n shop", 1, "it belongs to no namespace: leave out --namespace"),
        ("crd lost", 1, "of this type there is orders.shop.example.com"),
        ("cm/storefront storefront", 2, "write either KIND NAME or KIND/NAME"),
        ("cm", 2, "write `cm NAME` or `cm/NAME`"),
        ("/a", 2, "such as configmap/settings"),
        ("sa default", 1, "holds no serviceaccounts default; of this type there is "),
    ] {
        let args =
            [&["get", "latest", "-i", "identity.txt"], &words.split(' ').collect::<Vec<_>>()[..]].concat();
        let ran = boat.run(&args).await.expect(code).says(says);
        assert_eq!(ran.stdout, "", "{words}");
    }
    boat.run(&["get", "latest", "cm/storefront"]).await.expect(2).says("identity");
}

/// One byte that is not the saved one, and nothing is shown.
async fn damaged(boat: &Lifeboat, id: &str) -> Result<()> {
    let archive = boat.path("store/lab/points").join(id).join("resources.tar.zst.age");
    let mut bytes = fs::read(&archive)?;
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&archive, bytes)?;
    for more in [&["--raw"][..], &["-o", "json"], &["--to", "it.yaml"]] {
        let args = [&["get", "latest", "cm/storefront", "-i", "identity.txt"], more].concat();
        assert!(!boat.run(&args).await.expect(4).stdout.contains("storefront.yaml"));
    }
    assert!(!boat.path("it.yaml").exists());
    Ok(())
}
