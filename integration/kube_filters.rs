//! What is exported when something less than everything is asked for.

use crate::{
    boat::Lifeboat,
    export::{Export, Name},
    lab::{ClusterOptions, fill, with_cluster},
    live,
};
use anyhow::Result;
use serde_json::{Value, json};
use std::{collections::BTreeSet, fs};

/// The export that a `resources` section makes, which has to be complete.
async fn export(boat: &Lifeboat, base: &str, section: &str) -> Result<(Value, Export)> {
    let config = base.replacen("\nresources:\n", &format!("\nresources: {section}\n"), 1);
    fs::write(boat.path("lifeboat.yaml"), config)?;
    let manifest = boat.backup(&["--resources-only"]).await;
    assert_eq!(manifest["status"], "Completed");
    let export = Export::read(boat, &manifest).await?;
    Ok((manifest, export))
}

/// Of what has no namespace, the namespaces themselves and the definitions of types are needed to bring the rest back.
fn needed([_, kind, namespace, name]: [&str; 4], wanted: fn(&str) -> bool) -> bool {
    match (kind, namespace) {
        ("customresourcedefinitions", _) => true,
        ("namespaces", "_cluster") => wanted(name),
        (_, "_cluster") => false,
        _ => wanted(namespace),
    }
}

fn parts(name: &Name) -> [&str; 4] {
    name.splitn(4, '/').collect::<Vec<_>>().try_into().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exactly_what_was_asked_for() -> Result<()> {
    with_cluster(ClusterOptions::default(), async |cluster| {
        let client = cluster.client().await?;
        fill::shop(&client).await?;
        fill::api(&client, 80, 1).await?;
        let boat = Lifeboat::init(cluster.etcd().dir(), Some(cluster.etcd()), Some(cluster)).await?;
        let base = fs::read_to_string(boat.path("lifeboat.yaml"))?;
        let live = live::everything(&client).await?;
        let check = async |section: &str, wanted: &dyn Fn([&str; 4], &Value) -> bool| {
            let (manifest, export) = export(&boat, &base, section).await?;
            let wanted =
                live.iter().filter(|(name, object)| wanted(parts(name), object)).map(|(name, _)| name);
            let (wanted, found): (BTreeSet<_>, BTreeSet<_>) =
                (wanted.collect(), export.objects.keys().collect());
            assert!(!wanted.is_empty());
            assert_eq!(found, wanted, "{section}");
            assert_eq!(manifest["problems"], json!([]), "{section}");
            anyhow::Ok(export)
        };

        check(
            "{include: [secrets, \"*.apps\"], exclude: [controllerrevisions.apps]}",
            &|[group, kind, ..], _| kind == "secrets" || group == "apps",
        )
        .await?;
        check("{includeNamespaces: [\"fill-*\"], excludeNamespaces: [fill-3]}", &|name, _| {
            needed(name, |it| it.starts_with("fill-") && it != "fill-3")
        })
        .await?;
        check("{includeNamespaces: [shop, payments]}", &|name, _| {
            needed(name, |it| matches!(it, "shop" | "payments"))
        })
        .await?;
        let selector = "app.kubernetes.io/part-of=fill,app.kubernetes.io/name notin (filled-1-0,filled-1-1)";
        check(&format!("{{labelSelector: \"{selector}\"}}"), &|[.., name], object| {
            let labels = &object["metadata"]["labels"];
            labels["app.kubernetes.io/part-of"] == "fill" && !matches!(name, "filled-1-0" | "filled-1-1")
        })
        .await?;

        let section = "{include: [configmaps, deployments.apps], dropManagedFields: true}";
        let dropped =
            check(section, &|[_, kind, ..], _| matches!(kind, "configmaps" | "deployments")).await?;
        let mut alone = live::each(&client, dropped.objects.iter()).await?;
        for object in alone.values_mut() {
            object["metadata"].as_object_mut().unwrap().shift_remove("managedFields");
        }
        assert_eq!(alone, dropped.objects);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pattern_that_matches_nothing_is_named() -> Result<()> {
    with_cluster(ClusterOptions::default(), async |cluster| {
        let boat = Lifeboat::init(cluster.etcd().dir(), Some(cluster.etcd()), Some(cluster)).await?;
        let base = fs::read_to_string(boat.path("lifeboat.yaml"))?;
        let section = "{include: [namespaces, secretz], exclude: [\"*.nowhere.example.com\"], \
                        includeNamespaces: [default, prodution, \"team-*\", \"kube-*\"], excludeNamespaces: [gone]}";
        let (manifest, export) = export(&boat, &base, section).await?;
        assert!(export.objects.contains_key("core/namespaces/_cluster/default"));
        let problems = manifest["problems"].as_array().unwrap();
        let told: Vec<_> = problems.iter().map(|p| (p["message"].as_str().unwrap(), &p["fatal"])).collect();
        let wrong = [
            ("secretz", "type"),
            ("*.nowhere.example.com", "type"),
            ("prodution", "namespace"),
            ("team-*", "namespace"),
        ];
        assert_eq!(told.len(), wrong.len(), "{told:?}");
        for (at, (pattern, sought)) in wrong.into_iter().enumerate() {
            let message = format!("`{pattern}` matches no {sought} of this cluster: is it misspelt?");
            assert_eq!(told[at], (&*message, &json!(false)));
            let shown = boat.run(&["show", "latest"]).await.expect(0).stdout;
            assert!(shown.contains(&format!("warning  resources: {message}")), "{shown}");
        }
        let doctor = boat.run(&["doctor", "-o", "json"]).await.expect(0).json();
        let checks = doctor["checks"].as_array().unwrap().iter();
        let warnings: Vec<_> = checks.filter(|check| check["level"] == "warning").collect();
        let warned: Vec<_> = warnings.iter().map(|check| check["message"].as_str().unwrap()).collect();
        assert_eq!(warned, told.iter().map(|(message, _)| *message).collect::<Vec<_>>());

        let nothing = base.replacen("\nresources:\n", "\nresources: {include: [secretz]}\n", 1);
        fs::write(boat.path("lifeboat.yaml"), nothing)?;
        boat.run(&["backup", "--resources-only"])
            .await
            .expect(2)
            .says("no type that the server has matches the filter (include: secretz;");
        Ok(())
    })
    .await
}
