//! Custom resources: several versions, conversions that somebody does or nobody, and versions that the target has not.

use crate::{
    converter::Converter,
    far_side::Saved,
    lab::{ApiServer, ClusterOptions, eventually, fill, with_cluster},
    live,
    restored::{assert_restored, versions},
};
use anyhow::{Result, ensure};
use futures_util::{StreamExt, TryStreamExt, stream};
use kube::Client;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

const MANY: usize = 2000;

/// A definition with these versions: name, the field of its spec, served, stored.
fn definition(plural: &str, kind: &str, versions: &[(&str, &str, bool, bool)], conversion: &Value) -> Value {
    let schema = |field: &str| {
        json!({"openAPIV3Schema": {"type": "object", "properties": {
            "spec": {"type": "object", "properties": {field: {"type": "integer"}}},
            "status": {"type": "object", "properties": {"phase": {"type": "string"}}}}}})
    };
    let versions = versions.iter().map(|(name, field, served, storage)| {
        json!({"name": name, "served": served, "storage": storage, "schema": schema(field), "subresources": {"status": {}}})
    });
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.custom.example.com")},
        "spec": {
            "group": "custom.example.com", "scope": "Namespaced", "names": {"plural": plural, "kind": kind},
            "versions": versions.collect::<Vec<_>>(), "conversion": conversion,
        },
    })
}

fn thing(kind: &str, version: &str, name: &str, field: &str) -> Value {
    json!({"apiVersion": format!("custom.example.com/{version}"), "kind": kind,
        "metadata": {"name": name, "namespace": "default"}, "spec": {field: 3}, "status": {"phase": "Ready"}})
}

async fn send(client: &Client, method: &str, path: &str, body: &Value) -> Result<Value> {
    let request =
        http::Request::builder().method(method).uri(path).header("Content-Type", "application/json");
    Ok(client.request(request.body(serde_json::to_vec(body)?)?).await?)
}

/// Makes an object with its status.
async fn make(client: &Client, plural: &str, object: &Value) -> Result<()> {
    let path =
        format!("/apis/{}/namespaces/default/{plural}", object["apiVersion"].as_str().unwrap_or_default());
    let mut made = send(client, "POST", &path, object).await?;
    made["status"] = object["status"].clone();
    let path = format!("{path}/{}/status", made["metadata"]["name"].as_str().unwrap_or_default());
    send(client, "PUT", &path, &made).await?;
    Ok(())
}

async fn define(server: &ApiServer, definition: &Value) -> Result<()> {
    fill::apply(&server.client().await?, &definition.to_string()).await?;
    let name = definition["metadata"]["name"].as_str().unwrap_or_default();
    server.kubectl(&["wait", "--for=condition=Established", &format!("crd/{name}"), "--timeout=30s"]).await?;
    // Established, a type is served a moment later.
    let plural = name.split('.').next().unwrap_or_default();
    eventually("the type is served", Duration::from_secs(30), async || {
        Ok(server.kubectl(&["get", plural, "-A", "--ignore-not-found"]).await.is_ok().then_some(()))
    })
    .await
}

async fn phase(client: &Client, path: &str) -> Result<Value> {
    Ok(send(client, "GET", &format!("/apis/custom.example.com/{path}"), &Value::Null).await?["status"]["phase"].clone())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restore_resources_custom_types_come_in_every_version() -> Result<()> {
    with_cluster(ClusterOptions::default(), async |cluster| {
        let client = cluster.client().await?;
        let none = json!({"strategy": "None"});
        // Stored in the older of two; in the thousands; converted by somebody.
        define(
            cluster,
            &definition("olds", "Old", &[("v1", "size", true, true), ("v2", "size", true, false)], &none),
        )
        .await?;
        make(&client, "olds", &thing("Old", "v1", "one", "size")).await?;
        make(&client, "olds", &thing("Old", "v2", "two", "size")).await?;
        define(cluster, &definition("many", "Many", &[("v1", "size", true, true)], &none)).await?;
        let many = stream::iter(0..MANY).map(|n| {
            let client = &client;
            async move {
                let path = "/apis/custom.example.com/v1/namespaces/default/many";
                send(client, "POST", path, &thing("Many", "v1", &format!("m-{n}"), "size")).await
            }
        });
        many.buffer_unordered(24).try_for_each(async |_| Ok(())).await?;
        let converter = Converter::start(cluster.pki(), "127.0.0.1:0".parse()?).await?;
        let conversion = converter.conversion(cluster.pki())?;
        let both = [("v1", "size", true, true), ("v2", "length", true, false)];
        define(cluster, &definition("turned", "Turned", &both, &conversion)).await?;
        make(&client, "turned", &thing("Turned", "v2", "one", "length")).await?;
        ensure!(converter.converted() > 0);
        let saved = Saved::of(cluster).await?;
        ensure!(saved.export.objects.contains_key("custom.example.com/turned/default/one"));

        with_cluster(ClusterOptions::default(), async |empty| {
            let before = converter.converted();
            saved.outcomes(empty, &[], 0).await;
            let client = empty.client().await?;
            let alone = live::each(&client, saved.export.objects.iter()).await?;
            // Each API server makes the APIServices of these types for itself.
            let ours = |name: &str| name.contains("custom.example.com") && !name.contains("/apiservices/");
            let definition = |plural: &&str| {
                format!("apiextensions.k8s.io/customresourcedefinitions/_cluster/{plural}.custom.example.com")
            };
            let few = ["olds/default/one", "olds/default/two", "turned/default/one"].map(str::to_owned);
            let things = few.into_iter().chain((0..MANY).map(|n| format!("many/default/m-{n}")));
            let wanted: BTreeSet<String> = ["many", "olds", "turned"]
                .iter()
                .map(definition)
                .chain(things.map(|thing| format!("custom.example.com/{thing}")))
                .collect();
            let saved_names = saved.export.objects.keys().filter(|name| ours(name));
            assert_eq!(saved_names.cloned().collect::<BTreeSet<_>>(), wanted);
            assert_eq!(assert_restored(&saved.export, &alone, ours), wanted.len());
            for path in ["v1/namespaces/default/olds/one", "v1/namespaces/default/turned/one"] {
                assert_eq!(phase(&client, path).await?, Value::Null, "{path}");
            }
            let v2 = send(
                &client,
                "GET",
                "/apis/custom.example.com/v2/namespaces/default/turned/one",
                &Value::Null,
            )
            .await?;
            assert_eq!((&v2["spec"], converter.converted() > before), (&json!({"length": 3}), true));

            // The status as well, where it is asked for: of what is there, and of what is made.
            empty.kubectl(&["delete", "old", "two"]).await?;
            let status = ["--status", "--on-conflict", "update", "--kinds", "olds,turned"];
            let tried = saved
                .restore(empty, &[&status[..], &["--dry-run", "-o", "json"]].concat())
                .await
                .expect(0)
                .json();
            let tried = tried["objects"].as_array().unwrap().iter();
            let planned: BTreeMap<&str, &str> =
                tried.map(|it| (it["object"].as_str().unwrap(), it["action"].as_str().unwrap())).collect();
            let done = saved.outcomes(empty, &status, 0).await;
            for (object, action) in [("olds", "one"), ("olds", "two"), ("turned", "one")]
                .map(|(plural, name)| format!("{plural}.custom.example.com default/{name}"))
                .iter()
                .zip(["update", "create", "update"])
            {
                assert_eq!(
                    (planned[&**object], &*done[object].0),
                    (action, &*format!("{action}d")),
                    "{object}"
                );
            }
            for path in [
                "v1/namespaces/default/olds/one",
                "v1/namespaces/default/olds/two",
                "v1/namespaces/default/turned/one",
            ] {
                assert_eq!(phase(&client, path).await?, "Ready", "{path}");
            }
            let there = live::everything(&client).await?;
            let again = saved.outcomes(empty, &status, 0).await;
            let written: Vec<_> = again.iter().filter(|(_, (it, _))| it != "skipped").collect();
            ensure!(written.is_empty(), "{written:?}");
            assert_eq!(versions(&live::everything(&client).await?), versions(&there));
            Ok(())
        })
        .await
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restore_resources_custom_types_that_the_target_serves_otherwise() -> Result<()> {
    with_cluster(ClusterOptions::default(), async |cluster| {
        let client = cluster.client().await?;
        let none = json!({"strategy": "None"});
        for (plural, kind) in [("same", "Same"), ("other", "Other"), ("dropped", "Dropped")] {
            define(cluster, &definition(plural, kind, &[("v1", "size", true, true)], &none)).await?;
            make(&client, plural, &thing(kind, "v1", "one", "size")).await?;
        }
        let converter = Converter::start(cluster.pki(), "127.0.0.1:0".parse()?).await?;
        let (address, conversion) = (converter.address(), converter.conversion(cluster.pki())?);
        // What is stored needs no conversion; only who asks for the other version does.
        let both = [("v1", "size", true, true), ("v2", "length", true, false)];
        define(cluster, &definition("turned", "Turned", &both, &conversion)).await?;
        make(&client, "turned", &thing("Turned", "v1", "one", "size")).await?;
        let saved = Saved::of(cluster).await?;
        drop(converter);

        with_cluster(ClusterOptions::default(), async |target| {
            let client = target.client().await?;
            // The target has a newer version only: with the same fields, and with others. And one type is stored in what the dead webhook makes of it.
            define(
                target,
                &definition(
                    "same",
                    "Same",
                    &[("v1", "size", false, false), ("v2", "size", true, true)],
                    &none,
                ),
            )
            .await?;
            define(target, &definition("other", "Other", &[("v2", "length", true, true)], &none)).await?;
            let swapped = [("v1", "size", true, false), ("v2", "length", true, true)];
            define(target, &definition("turned", "Turned", &swapped, &conversion)).await?;
            let things = ["--kinds", "*.custom.example.com", "--wait", "5s"];
            let plan = saved.restore(target, &[&things[..], &["--dry-run"]].concat()).await.expect(6).stdout;
            ensure!(plan.contains("v1 is not served: it is written as custom.example.com/v2"), "{plan}");
            ensure!(plan.contains("unknown field \"spec.size\""), "{plan}");

            let done = saved.outcomes(target, &things, 3).await;
            let outcome = |plural: &str| done[&format!("{plural}.custom.example.com default/one")].clone();
            assert_eq!(outcome("same").0, "created");
            assert_eq!(outcome("dropped").0, "created");
            let (other, why) = outcome("other");
            ensure!(other == "failed" && why.contains("unknown field \"spec.size\""), "{other}: {why}");
            let (turned, why) = outcome("turned");
            ensure!(
                turned == "failed" && why.contains("conversion webhook for custom.example.com/v1"),
                "{turned}: {why}"
            );
            let spec =
                send(&client, "GET", "/apis/custom.example.com/v2/namespaces/default/same/one", &Value::Null)
                    .await?;
            assert_eq!(spec["spec"], json!({"size": 3}));

            // When the webhook is back, the rest comes; and fields may be dropped, if that is asked for.
            let converter = Converter::start(cluster.pki(), address).await?;
            let done = saved.outcomes(target, &[&things[..], &["--drop-unknown-fields"]].concat(), 0).await;
            assert_eq!(done["turned.custom.example.com default/one"].0, "created");
            assert_eq!(done["other.custom.example.com default/one"].0, "created");
            let turned = send(
                &client,
                "GET",
                "/apis/custom.example.com/v2/namespaces/default/turned/one",
                &Value::Null,
            )
            .await?;
            assert_eq!((&turned["spec"], converter.converted() > 0), (&json!({"length": 3}), true));

            // Without its definition a custom resource is no use, and that is said.
            target.kubectl(&["delete", "crd", "dropped.custom.example.com"]).await?;
            let alone = ["--kinds", "dropped.custom.example.com", "--cluster-scoped=false"];
            let done = saved.outcomes(target, &alone, 3).await;
            let (outcome, why) = &done["dropped.custom.example.com default/one"];
            ensure!(
                outcome == "conflict" && why.contains("its definition is not restored"),
                "{outcome}: {why}"
            );
            Ok(())
        })
        .await
    })
    .await
}
