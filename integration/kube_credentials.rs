//! Who asks, and with what right: kubeconfigs, plugins, certificates, roles. And that no secret is ever told.

use crate::{
    boat::Lifeboat,
    export::{Export, stored},
    lab::{Cluster, ClusterOptions, fill, pki::Pki, with_cluster},
};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::Path,
};

const BACKUP: &[&str] = &["backup", "--resources-only", "-o", "json"];

/// Writes a kubeconfig that differs from the administrator's, and gives its path.
fn altered(cluster: &Cluster, file: &str, change: impl FnOnce(&mut Value)) -> Result<String> {
    let mut config: Value = serde_json::from_str(&fs::read_to_string(cluster.kubeconfig())?)?;
    change(&mut config);
    let path = cluster.etcd().dir().join(file);
    fs::write(&path, config.to_string())?;
    Ok(path.display().to_string())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_is_said_and_nothing_is_stored() -> Result<()> {
    with_cluster(ClusterOptions::default(), async |cluster| {
        let dir = cluster.etcd().dir();
        let boat = Lifeboat::init(dir, Some(cluster.etcd()), Some(cluster)).await?;
        let fails = async |args: &[&str], code: i32, words: &str| {
            boat.run(&[BACKUP, args].concat()).await.expect(code).says(words);
            boat.run(&[&["doctor"], args].concat()).await.expect(1);
            assert_eq!(stored(&boat), Vec::<std::path::PathBuf>::new());
        };
        fails(&["--context", "prod"], 2, "has no context `prod`; it has: lab").await;
        fails(&["--kubeconfig", "gone"], 2, "the kubeconfig gone cannot be read: ").await;
        fs::write(boat.path("torn"), "clusters: [{token: opensesame")?;
        fails(&["--kubeconfig", "torn"], 2, "it is not the YAML of a kubeconfig").await;

        let stranger = Pki::open(&dir.join("another-pki"))?;
        let ca = altered(cluster, "wrong-ca", |config| {
            config["clusters"][0]["cluster"]["certificate-authority"] = json!(stranger.ca());
        })?;
        fails(&["--kubeconfig", &ca], 1, "check the kubeconfig's certificate-authority").await;
        let pair = stranger.client("foreign", "admin", Some("system:masters"))?;
        let user = json!({"client-certificate": pair.cert, "client-key": pair.key});
        let foreign = altered(cluster, "foreign", |config| config["users"][0]["user"] = user)?;
        fails(&["--kubeconfig", &foreign], 1, "does not accept the credentials (401 Unauthorized)").await;
        let nobody = altered(cluster, "nobody", |config| config["users"][0]["user"] = json!({}))?;
        fails(&["--kubeconfig", &nobody], 1, "403").await;

        let plugin = |command: &str| json!({"exec": exec(command)});
        let missing = altered(cluster, "missing", |c| c["users"][0]["user"] = plugin("no-such-plugin"))?;
        fails(&["--kubeconfig", &missing], 1, "the plugin cannot be started").await;
        let script =
            script(&boat, "broken", "echo '{\"token\":\"opensesame\"}'; echo 'log in first' >&2; exit 3")?;
        let broken = altered(cluster, "broken", |c| c["users"][0]["user"] = plugin(&script))?;
        fails(&["--kubeconfig", &broken], 1, "it said: log in first").await;
        Ok(())
    })
    .await
}

fn exec(command: &str) -> Value {
    let version = "client.authentication.k8s.io/v1";
    json!({"apiVersion": version, "command": command, "interactiveMode": "Never"})
}

fn script(boat: &Lifeboat, name: &str, text: &str) -> Result<String> {
    let path = boat.path(name);
    fs::write(&path, format!("#!/bin/sh\n{text}\n"))?;
    fs::set_permissions(&path, Permissions::from_mode(0o700))?;
    Ok(path.display().to_string())
}

/// A plugin that prints these credentials, in a kubeconfig of two contexts of which the other one leads nowhere.
fn with_plugin(cluster: &Cluster, boat: &Lifeboat, name: &str, credentials: &Value) -> Result<String> {
    let answer = json!({
        "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": credentials,
    });
    fs::write(boat.path(&format!("{name}.json")), answer.to_string())?;
    let plugin = script(boat, name, &format!("cat '{}.json'", boat.path(name).display()))?;
    altered(cluster, &format!("{name}-kubeconfig"), |config| {
        config["users"][0]["user"] = json!({"exec": exec(&plugin)});
        let nowhere = json!({"name": "nowhere", "cluster": {"server": "https://127.0.0.1:1"}});
        config["clusters"].as_array_mut().unwrap().push(nowhere);
        let context = json!({"name": "nowhere", "context": {"cluster": "nowhere", "user": "admin"}});
        config["contexts"].as_array_mut().unwrap().push(context);
        config["current-context"] = json!("nowhere");
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plugins_give_credentials_and_nothing_tells_them() -> Result<()> {
    with_cluster(ClusterOptions::default(), async |cluster| {
        fill::shop(&cluster.client().await?).await?;
        let boat = Lifeboat::init(cluster.etcd().dir(), Some(cluster.etcd()), None).await?;
        cluster.kubectl(&["create", "serviceaccount", "backup"]).await?;
        let bind = ["create", "clusterrolebinding", "backup", "--clusterrole=cluster-admin"];
        cluster.kubectl(&[&bind[..], &["--serviceaccount=default:backup"]].concat()).await?;
        let token = cluster.kubectl(&["create", "token", "backup"]).await?.trim().to_owned();
        let pair = cluster.pki().client("plugin", "plugin", Some("system:masters"))?;
        let (cert, key) = (fs::read_to_string(pair.cert)?, fs::read_to_string(pair.key)?);

        let by_token = with_plugin(cluster, &boat, "by-token", &json!({"token": token}))?;
        let certificate = json!({"clientCertificateData": cert, "clientKeyData": key});
        let by_certificate = with_plugin(cluster, &boat, "by-certificate", &certificate)?;
        let untold = [
            token,
            key.lines().nth(1).context("no key")?.to_owned(),
            identity(&boat)?,
            fs::read_to_string(boat.path("signing.key"))?.lines().nth(1).context("no key")?.to_owned(),
            "not-a-secret".to_owned(),
            "bm90LWEtc2VjcmV0".to_owned(),
        ];
        for kubeconfig in [&by_token, &by_certificate] {
            let flags = ["--kubeconfig", kubeconfig, "--context", "lab"];
            let unreachable = ["backup", "--resources-only", "--kubeconfig", kubeconfig];
            boat.run(&unreachable).await.expect(1).says("https://127.0.0.1:1 cannot be reached");
            let mut told = String::new();
            for command in [
                &[&["backup", "-vvv", "--log-format", "json", "-o", "json"][..], &flags].concat()[..],
                &[&["doctor", "-vvv"][..], &flags].concat(),
                &["list", "-vvv"],
                &["show", "latest", "-vvv", "-o", "yaml"],
                &["verify", "latest", "--deep", "-i", "identity.txt", "-vvv"],
                &["inspect", "latest", "-i", "identity.txt", "-vvv", "-o", "json"],
                &[
                    "inspect",
                    "latest",
                    "-i",
                    "identity.txt",
                    "--key",
                    "/registry/secrets/shop/storefront-session",
                ],
            ] {
                let ran = boat.run(command).await.expect(0);
                told = told + &ran.stdout + &ran.stderr;
            }
            assert!(
                told.contains("DEBUG") && told.contains("storefront-session"),
                "it was not asked to say everything"
            );
            for secret in &untold {
                assert!(!told.contains(secret), "{secret} was told");
            }
        }
        let id = boat.run(&["show", "latest", "-o", "json"]).await.expect(0).json();
        let export = Export::read(&boat, &id).await?;
        assert!(export.objects.contains_key("core/secrets/payments/card-processor"));
        Ok(())
    })
    .await
}

fn identity(boat: &Lifeboat) -> Result<String> {
    let text = fs::read_to_string(boat.path("identity.txt"))?;
    let line = text.lines().find(|line| line.starts_with("AGE-SECRET-KEY-")).context("no identity")?;
    Ok(line.to_owned())
}

/// Roles: one that sees all of the shop but secrets, everywhere; one that sees config maps in one namespace.
const ROLES: &str = r#"
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: no-secrets}
rules:
  - {apiGroups: [""], resources: [namespaces, configmaps, services], verbs: [get, list]}
  - {apiGroups: [apps], resources: ["*"], verbs: [get, list]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: jane}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: no-secrets}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: jane}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: joe, namespace: shop}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: no-secrets}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: joe}]
"#;

fn path(path: &Path) -> Result<&str> {
    path.to_str().context("path")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_not_be_read_is_missing_by_name() -> Result<()> {
    with_cluster(ClusterOptions::default(), async |cluster| {
        let client = cluster.client().await?;
        fill::shop(&client).await?;
        fill::apply(&client, ROLES).await?;
        let (jane, joe) = (cluster.kubeconfig_for("jane", None)?, cluster.kubeconfig_for("joe", None)?);
        let (jane, joe) = (["--kubeconfig", path(&jane)?], ["--kubeconfig", path(&joe)?]);
        let boat = Lifeboat::init(cluster.etcd().dir(), Some(cluster.etcd()), Some(cluster)).await?;
        let include = "\nresources:\n  include: [namespaces, configmaps, secrets, services, \"*.apps\"]\n";
        boat.edit(|text| text.replacen("\nresources:\n", include, 1))?;

        let manifest = boat.run(&[BACKUP, &jane].concat()).await.expect(3).json();
        assert_eq!(manifest["status"], "PartiallyFailed");
        let export = Export::read(&boat, &manifest).await?;
        let failed: Vec<_> = export.failed().into_iter().collect();
        let [("secrets/v1", reason)] = failed[..] else { panic!("{failed:?}") };
        assert!(reason.starts_with("403: secrets is forbidden: User \"jane\" cannot list"), "{reason}");
        assert_eq!(export.named("core/secrets/"), [""; 0]);
        assert!(export.objects.contains_key("apps/deployments/shop/storefront"));
        let shown = boat.run(&["show", "latest"]).await.expect(0).stdout;
        assert!(shown.contains("PartiallyFailed") && shown.contains("MISSING  secrets/v1: 403"), "{shown}");
        boat.run(&[&["backup", "--resources-only", "--allow-partial"], &jane[..]].concat()).await.expect(0);
        boat.verify_all().await;
        let doctor = boat.run(&[&["doctor", "-o", "json"], &jane[..]].concat()).await.expect(1).json();
        let checks = doctor["checks"].as_array().unwrap();
        let errors: Vec<_> = checks.iter().filter(|check| check["level"] == "error").collect();
        let [error] = errors[..] else { panic!("{errors:?}") };
        assert_eq!(error["about"], "secrets/v1");
        assert!(error["message"].as_str().unwrap().ends_with("allow `list`"), "{error}");

        // Who may read one namespace only can save that one.
        let one = |text: String| {
            text.replacen("configmaps, secrets,", "configmaps,", 1).replacen("[namespaces, ", "[", 1)
        };
        boat.edit(|text| {
            one(text).replacen("\nresources:\n", "\nresources:\n  includeNamespaces: [shop]\n", 1)
        })?;
        let manifest = boat.run(&[BACKUP, &joe].concat()).await.expect(0).json();
        let export = Export::read(&boat, &manifest).await?;
        assert_eq!(export.named("core/configmaps/"), ["shop/storefront"]);
        assert_eq!(export.named("apps/deployments/"), ["shop/storefront"]);
        boat.run(&[&["doctor"], &joe[..]].concat()).await.expect(0);
        Ok(())
    })
    .await
}
