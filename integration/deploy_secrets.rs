//! The components that have a store of secrets give what jobs need: just the files that deploy/README.md makes Secrets of.

use crate::{
    deploy_case::{OVERLAYS, block, documents, rendered, with},
    deploy_helm::{by_name, chart, kustomization, made},
};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

type Files = BTreeMap<String, BTreeSet<String>>;

/// The Secrets that deploy/README.md has made by hand, with their files.
fn by_hand() -> Result<Files> {
    let text = block("sh setup", "kubectl")? + &block("sh etcd", "kubectl")?.replace("\\\n", " ");
    let commands = text.lines().filter_map(|line| line.trim().strip_prefix("kubectl create secret generic "));
    let secret = |command: &str| {
        let (name, rest) = command.split_once(' ')?;
        let files = rest.split("--from-file=").skip(1).filter_map(|it| it.split([' ', '=']).next());
        Some((name.to_owned(), files.map(str::to_owned).collect()))
    };
    let all: Files = commands.filter_map(secret).collect();
    assert_eq!(all.len(), 4, "{all:?}");
    Ok(all)
}

/// An overlay with a component.
fn with_component(component: &str, overlay: &str) -> Result<Vec<Value>> {
    with(&format!("components: [lifeboat/deploy/kustomize/components/{component}]\n"), overlay)
}

/// What is run, by name.
fn run(objects: Vec<Value>) -> Result<BTreeMap<String, Value>> {
    let mut all = by_name(objects)?;
    all.retain(|name, _| name.starts_with("CronJob/") || name.starts_with("Deployment/"));
    Ok(all)
}

#[test]
fn external_secrets_are_those_that_are_made_by_hand() -> Result<()> {
    for overlay in OVERLAYS {
        let (all, mut made) = (with_component("external-secrets", overlay)?, Files::new());
        for object in all.iter().filter(|it| it["kind"] == "ExternalSecret") {
            assert_eq!(object["metadata"]["namespace"], "lifeboat");
            let data = object["spec"]["data"].as_array().context("no data")?;
            let keys = data.iter().filter_map(|it| it["secretKey"].as_str().map(str::to_owned));
            made.insert(object["metadata"]["name"].as_str().context("no name")?.to_owned(), keys.collect());
        }
        assert_eq!(made, by_hand()?);
        assert_eq!(run(all)?, run(rendered(&kustomization(overlay))?)?, "{overlay}");
    }
    Ok(())
}

#[test]
fn with_the_csi_driver_no_secret_is_mounted() -> Result<()> {
    for overlay in OVERLAYS {
        let all = with_component("secrets-store-csi", overlay)?;
        let mut classes = BTreeMap::new();
        for class in all.iter().filter(|it| it["kind"] == "SecretProviderClass") {
            let parameters = class["spec"]["parameters"].as_object().context("no parameters")?;
            ensure!(
                parameters.values().all(Value::is_string) && class["spec"]["provider"] == "vault",
                "{class}"
            );
            let objects = &documents(parameters["objects"].as_str().context("no objects")?)?[0];
            let files = objects.as_array().into_iter().flatten().filter_map(|it| it["objectName"].as_str());
            let files: BTreeSet<String> = files.map(str::to_owned).collect();
            classes.insert(class["metadata"]["name"].as_str().context("no name")?.to_owned(), files);
        }
        let hand = by_hand()?;
        assert_eq!(classes["lifeboat-prune"], hand["lifeboat-store-prune"]);
        assert_eq!(classes["lifeboat"], &hand["lifeboat-signing"] | &hand["lifeboat-store"]);
        for (name, object) in run(all)? {
            let text = object.to_string();
            ensure!(!text.contains("\"secret\""), "{overlay} {name}: {text}");
            let class = if name.ends_with("prune") { "lifeboat-prune" } else { "lifeboat" };
            ensure!(
                text.contains(&format!("\"secretProviderClass\":\"{class}\"")),
                "{overlay} {name}: {text}"
            );
        }
    }
    Ok(())
}

/// The values that deploy/README.md shows for the driver are the component.
#[test]
fn the_readme_s_values_for_the_csi_driver_are_the_component() -> Result<()> {
    let text = block("yaml", "extraVolumes:")?;
    for overlay in OVERLAYS {
        let daemon = overlay.starts_with("daemon-");
        let text = if daemon {
            text.replace("backup: &files", "daemon: &files").replace("verify: *files\n", "")
        } else {
            text.clone()
        };
        let mut values: Value = serde_yaml::from_str(&text)?;
        values["variant"] = overlay.into();
        let made = run(made(&chart(), "lifeboat", &values)?.into_values().collect())?;
        let mut wanted = serde_json::to_string(&run(with_component("secrets-store-csi", overlay)?)?)?;
        if let Some((_, rest)) = wanted.split_once("\"lifeboat-config-") {
            wanted = wanted.replace(&format!("\"lifeboat-config-{}\"", &rest[..10]), "\"lifeboat-config\"");
        }
        assert_eq!(made, serde_json::from_str::<BTreeMap<String, Value>>(&wanted)?, "{overlay}");
    }
    Ok(())
}
