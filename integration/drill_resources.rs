//! Drills of an export: it becomes objects in an empty staging, equal to what was saved, also where etcd's snapshot comes back
//! beside it.

use crate::{
    boat::Lifeboat,
    drill_case::{check, drill, failed, write},
    export::Export,
    lab::{ClusterOptions, fill, with_cluster},
    restore_resources_kinds::fill_every_type,
    saved::{SECRET, saved},
};
use anyhow::Result;
use serde_json::Value;
use std::fs;

/// The findings of a check that count, and those that are expected, by their messages.
fn findings(evidence: &Value, name: &str) -> (Vec<String>, Vec<String>) {
    let all = check(evidence, name)["findings"].as_array().cloned().unwrap_or_default();
    let (expected, counting): (Vec<Value>, Vec<Value>) =
        all.into_iter().partition(|finding| finding["expectedBecause"].is_string());
    let texts = |list: Vec<Value>| list.iter().map(|it| it["message"].as_str().unwrap().to_owned()).collect();
    (texts(counting), texts(expected))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_comes_back_in_an_empty_cluster() -> Result<()> {
    let saved = saved().await?;
    let checks = "restore: [resources]\nobjectives: {rto: 10m, phases: {restore: 5m}}\nchecks:\n\
        - {name: dumped, command: {argv: [sh, -c, \"kubectl get configmaps,secrets -A -o json > served.json\"], timeout: 30s}}\n";
    write(&saved.boat, "", checks)?;
    let evidence = drill(&saved.boat, &[]).await.expect(0).json();
    assert_eq!(evidence["verdict"], "passed", "{evidence:#}");
    assert_eq!(evidence["plan"]["restores"], serde_json::json!(["resources"]));
    let phases: Vec<&str> =
        evidence["phases"].as_array().unwrap().iter().map(|it| it["phase"].as_str().unwrap()).collect();
    assert_eq!(phases, ["pick", "fetch", "open", "provision", "api-ready", "restore", "checks", "tear-down"]);
    assert_eq!(findings(&evidence, "restored").0, Vec::<String>::new());
    let (_, expected) = findings(&evidence, "objects");
    assert!(expected.iter().any(|it| it.contains("objects of all types: made anew")), "{expected:?}");
    let actual = check(&evidence, "objects")["actual"].as_str().unwrap();
    assert!(actual.contains("came back equal") && actual.ends_with(" 0 differ and should not"), "{actual}");

    // What kubectl saw in staging against what the export holds.
    let served: Value = serde_json::from_str(&fs::read_to_string(saved.boat.path("served.json"))?)?;
    let served = served["items"].as_array().unwrap();
    let vault = served.iter().find(|it| it["kind"] == "Secret" && it["metadata"]["name"] == "vault").unwrap();
    let password = vault["data"]["password"].as_str().unwrap();
    let decoded =
        std::process::Command::new("sh").args(["-c", &format!("echo {password} | base64 -d")]).output()?;
    assert_eq!(decoded.stdout, SECRET.as_bytes());
    let manifest = serde_json::to_value(saved.manifest()?)?;
    let export = Export::read(&saved.boat, &manifest).await?;
    let mut compared = 0;
    for (name, object) in export.objects.iter().filter(|(name, _)| name.starts_with("core/configmaps/")) {
        if name.ends_with("/kube-root-ca.crt") || name.ends_with("/extension-apiserver-authentication") {
            continue;
        }
        let same = |it: &&Value| {
            it["kind"] == "ConfigMap"
                && ["name", "namespace"]
                    .iter()
                    .all(|field| it["metadata"][field] == object["metadata"][field])
        };
        let there = served.iter().find(same).unwrap_or_else(|| panic!("{name} is not served"));
        for field in ["data", "binaryData", "immutable"] {
            assert_eq!(there[field], object[field], "{name}");
        }
        for field in ["labels", "annotations", "finalizers"] {
            assert_eq!(there["metadata"][field], object["metadata"][field], "{name}");
        }
        assert_ne!(there["metadata"]["uid"], object["metadata"]["uid"], "{name}");
        compared += 1;
    }
    assert!(compared >= 10, "{compared}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_type_comes_back_out_of_the_export_as_out_of_etcd() -> Result<()> {
    with_cluster(ClusterOptions::full(), async |cluster| {
        fill_every_type(cluster).await?;
        let boat = Lifeboat::init(cluster.etcd().dir(), Some(cluster.etcd()), Some(cluster)).await?;
        boat.edit(|text| {
            text.replacen("\nresources:\n", "\nresources:\n  exclude: [\"*.far.example.com\"]\n", 1)
        })?;
        boat.backup(&[]).await;
        write(&boat, "", "restore: [etcd, resources]\n")?;
        let evidence = drill(&boat, &[]).await.json();
        assert_eq!(failed(&evidence), Vec::<String>::new(), "{evidence:#}");
        assert_eq!(evidence["verdict"], "passed");
        for name in ["restored", "agreement", "objects", "counts", "identity"] {
            assert_eq!(check(&evidence, name)["outcome"], "passed", "{name}");
        }
        let phases = evidence["phases"].to_string();
        assert!(phases.contains("\"resources\""), "{phases}");
        let took = |phase: &str| {
            let all = evidence["phases"].as_array().unwrap();
            all.iter().find(|it| it["phase"] == phase).unwrap()["tookMs"].as_u64().unwrap()
        };
        let rto = evidence["rto"]["measuredMs"].as_u64().unwrap();
        let parts: u64 =
            ["pick", "fetch", "open", "provision", "restore", "api-ready"].map(took).iter().sum();
        let beside = took("resources");
        assert!(
            parts <= rto + 1 && rto < parts + beside,
            "the export beside counts for the RTO: {evidence:#}"
        );
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_restore_cannot_bring_back_is_found() -> Result<()> {
    with_cluster(ClusterOptions::default(), async |cluster| {
        let client = cluster.client().await?;
        let definition = |most: u32| {
            format!(
                "{{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {{name: crates.example.com}}, spec: \
                 {{group: example.com, scope: Namespaced, names: {{plural: crates, kind: Crate}}, versions: [{{name: v1, served: true, \
                 storage: true, schema: {{openAPIV3Schema: {{type: object, properties: {{size: {{type: integer, maximum: {most}}}}}}}}}}}]}}}}\n"
            )
        };
        fill::apply(&client, &definition(100)).await?;
        let crates = "{apiVersion: example.com/v1, kind: Crate, metadata: {name: too-big, namespace: default}, size: 50}\n---\n\
                      {apiVersion: example.com/v1, kind: Crate, metadata: {name: small, namespace: default}, size: 5}\n";
        fill::apply(&client, crates).await?;
        // What is there stays, and could not be made any more.
        let narrow = "[{\"op\": \"replace\", \"path\": \"/spec/versions/0/schema/openAPIV3Schema/properties/size/maximum\", \"value\": 10}]";
        cluster.kubectl(&["patch", "crd", "crates.example.com", "--type", "json", "-p", narrow]).await?;
        let boat = Lifeboat::init(cluster.etcd().dir(), Some(cluster.etcd()), Some(cluster)).await?;
        boat.backup(&[]).await;
        write(&boat, "", "restore: [resources]\n")?;
        let ran = drill(&boat, &[]).await;
        let evidence = ran.expect(4).json();
        assert_eq!(evidence["verdict"], "checks-failed", "{evidence:#}");
        let (restored, _) = findings(&evidence, "restored");
        assert_eq!(restored, ["1 crates.example.com: refused by the API server"]);
        let (objects, _) = findings(&evidence, "objects");
        assert_eq!(objects, ["1 crates.example.com: it is in the export and not in staging"]);
        assert!(!evidence.to_string().contains("too-big"), "a name is in what everybody can read");
        // The snapshot has it all the same.
        write(&boat, "", "")?;
        drill(&boat, &[]).await.expect(0);
        Ok(())
    })
    .await
}
