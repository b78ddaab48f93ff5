//! The files that `init` writes, and the schemas that describe files.

use crate::{
    boat::Ran,
    saved::{saved, tree},
};
use anyhow::Result;
use lifeboat::config::Config;
use serde_json::Value;
use std::{fs, os::unix::fs::PermissionsExt, path::Path};

#[tokio::test]
async fn init_overwrites_nothing_and_hides_its_keys() -> Result<()> {
    let saved = saved().await?;
    saved.run(&["init", "new"]).await.expect(0);
    let dir = saved.boat.path("new");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir), 0o700);
    for (name, wanted) in
        [("identity.txt", 0o600), ("signing.key", 0o600), ("signing.pub", 0o644), ("lifeboat.yaml", 0o644)]
    {
        assert_eq!(mode(&dir.join(name)), wanted, "{name}");
        // Each of them alone is reason enough to write nothing.
        let other = saved.dir().join(name);
        fs::create_dir(&other)?;
        fs::write(other.join(name), "mine")?;
        let before = tree(&other);
        let to = other.display().to_string();
        let ran = saved.run(&["init", &to]).await.expect(6);
        ran.says(&format!("{} exists: nothing was written", other.join(name).display()));
        assert_eq!(tree(&other), before);
    }
    let text = fs::read_to_string(dir.join("lifeboat.yaml"))?;
    Config::parse(&text, &dir.join("lifeboat.yaml"))?;
    let identity = fs::read_to_string(dir.join("identity.txt"))?;
    let secret = identity.lines().last().unwrap();
    assert!(secret.starts_with("AGE-SECRET-KEY-1") && !text.contains(secret));
    // A link to nowhere is something that is there, too.
    fs::create_dir(saved.boat.path("linked"))?;
    std::os::unix::fs::symlink("/nowhere", saved.boat.path("linked/identity.txt"))?;
    saved.run(&["init", "linked"]).await.expect(6);
    Ok(())
}

#[tokio::test]
async fn without_endpoints_etcd_is_left_out_and_its_absence_told() -> Result<()> {
    let saved = saved().await?;
    let said = saved.run(&["init", "new"]).await.expect(0).stdout;
    assert!(said.contains("if you run etcd yourself: switch on the section `etcd`"), "{said}");
    let path = saved.boat.path("new/lifeboat.yaml");
    let text = fs::read_to_string(&path)?;
    assert!(Config::parse(&text, &path)?.etcd.is_none());
    let etcd = Config::parse(&text.replace("\n#: ", "\n"), &path)?.etcd.unwrap();
    assert_eq!(etcd.endpoints[0].as_str(), "https://127.0.0.1:2379");
    assert!(etcd.tls.is_some() && etcd.auth.is_none());

    let config = path.display().to_string();
    let nowhere = async |args: &[&str]| {
        let mut command = saved.boat.command(&[args, &["-c", &config]].concat());
        Ran::from(command.env("HOME", saved.dir()).output().await.unwrap())
    };
    nowhere(&["backup", "--etcd-only"]).await.expect(2).says("etcd is not configured (etcd.endpoints)");
    let neither =
        nowhere(&["backup"]).await.expect(2).says("no cluster to speak to").says("--kubeconfig FILE");
    neither.says("to save etcd, configure `etcd.endpoints`");
    Ok(())
}

#[tokio::test]
async fn init_fills_in_what_it_is_told() -> Result<()> {
    let saved = saved().await?;
    let recipient = saved.manifest()?.artifacts[0].recipients[0].clone();
    let args = [
        "init",
        "new",
        "--cluster",
        "quay",
        "--store",
        "file:///srv/boats",
        "--recipient",
        &recipient,
        "--etcd-endpoints",
        "https://10.0.0.1:2379,https://10.0.0.2:2379",
        "--etcd-ca",
        "ca.crt",
        "--etcd-cert",
        "c.crt",
        "--etcd-key",
        "c.key",
    ];
    saved.run(&args).await.expect(0);
    assert!(!saved.boat.path("new/identity.txt").exists());
    let file = saved.boat.path("new/lifeboat.yaml");
    let config = Config::parse(&fs::read_to_string(&file)?, &file)?;
    assert_eq!(config.cluster.as_str(), "quay");
    let etcd = config.etcd.unwrap();
    assert_eq!(etcd.endpoints.len(), 2);
    assert_eq!(etcd.tls.unwrap().ca, Some(saved.boat.path("ca.crt")));
    for (wrong, words) in [
        (&["init", "x", "--etcd-ca", "ca.crt"][..], "--etcd-endpoints"),
        (&["init", "x", "--cluster", "Not A Name"], "cannot be a name here"),
        (&["init", "x", "--store", "ftp://x"], "ftp"),
        (&["init", "x", "--recipient", "nonsense"], "not an age recipient"),
        (&["init", "x", "--etcd-endpoints", "10.0.0.1"], "an endpoint is a URL"),
    ] {
        saved.run(wrong).await.expect(2).says(words);
    }
    assert!(!saved.boat.path("x").exists());
    Ok(())
}

/// Follows `$ref` and choices to every schema that may describe the value.
fn candidates<'a>(schema: &'a Value, root: &'a Value) -> Vec<&'a Value> {
    let mut all = vec![schema];
    if let Some(name) = schema["$ref"].as_str() {
        all.extend(candidates(root.pointer(name.trim_start_matches('#')).unwrap(), root));
    }
    for choice in ["anyOf", "oneOf", "allOf"].iter().flat_map(|c| schema[*c].as_array().into_iter().flatten())
    {
        all.extend(candidates(choice, root));
    }
    all
}

/// Every key of the value, at every depth, is described.
fn described(value: &Value, schema: &Value, root: &Value, at: &str) {
    let schemas = candidates(schema, root);
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                let inner = schemas.iter().find_map(|s| {
                    s["properties"].get(name).or(s.get("additionalProperties")).filter(|s| **s != false)
                });
                let inner = inner.unwrap_or_else(|| panic!("{at}.{name} is not in the schema"));
                described(field, inner, root, &format!("{at}.{name}"));
            }
        }
        Value::Array(items) => {
            let inner = schemas.iter().find_map(|s| s.get("items"));
            let inner = inner.unwrap_or_else(|| panic!("{at} has no items in the schema"));
            items.iter().for_each(|item| described(item, inner, root, &format!("{at}[]")));
        }
        _ => {}
    }
}

/// What the schema says must be there is there.
fn complete(value: &Value, schema: &Value) {
    for name in schema["required"].as_array().unwrap() {
        assert!(value.get(name.as_str().unwrap()).is_some(), "{name} is required");
    }
}

#[tokio::test]
async fn the_schemas_describe_real_files() -> Result<()> {
    let saved = saved().await?;
    let manifest: Value = serde_json::from_slice(&fs::read(saved.object("manifest.json"))?)?;
    let config: Value = serde_yaml::from_str(&fs::read_to_string(saved.boat.path("lifeboat.yaml"))?)?;
    for (name, file) in [("manifest", &manifest), ("config", &config)] {
        let schema = saved.run(&["schema", name]).await.expect(0).json();
        described(file, &schema, &schema, name);
        complete(file, &schema);
    }
    Ok(())
}
