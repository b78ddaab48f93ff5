//! The chart of deploy/helm: it renders what kustomize renders, refuses what it does not know, and is whole in its package.

use crate::{
    deploy_case::{OVERLAYS, block, documents, place, rendered, with_events},
    kind_cluster::said,
    lab::tools,
};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The variants: the overlays, and the drill.
pub fn variants() -> impl Iterator<Item = &'static str> {
    OVERLAYS.into_iter().chain(["drill"])
}

/// The namespace that kustomize gives a variant.
pub fn home(variant: &str) -> &'static str {
    if variant == "drill" { "lifeboat-drill" } else { "lifeboat" }
}

/// The kustomization of a variant.
pub fn kustomization(variant: &str) -> PathBuf {
    let dir = place().join("kustomize");
    if variant == "drill" { dir.join(variant) } else { dir.join("overlays").join(variant) }
}

/// The chart.
pub fn chart() -> String {
    place().join("helm/lifeboat").display().to_string()
}

/// Helm of either line.
pub const HELMS: [&str; 2] = ["helm", "helm4"];

/// What a helm prints, for a cluster if this is its kubeconfig.
pub fn helm(which: &str, kubeconfig: Option<&Path>, args: &[&str]) -> Result<String> {
    let mut helm = Command::new(tools::tool(which)?);
    helm.args(args).env("KUBECONFIG", kubeconfig.unwrap_or(Path::new("/dev/null")));
    let output = helm.output()?;
    let [said, complained] =
        [output.stdout, output.stderr].map(|it| String::from_utf8_lossy(&it).into_owned());
    ensure!(output.status.success() && complained.is_empty(), "{which} {args:?}: {said}{complained}");
    Ok(said)
}

/// What a chart makes of values in a namespace, by kind and name.
pub fn made(chart: &str, namespace: &str, values: &Value) -> Result<BTreeMap<String, Value>> {
    made_by("helm", chart, namespace, values)
}

fn made_by(which: &str, chart: &str, namespace: &str, values: &Value) -> Result<BTreeMap<String, Value>> {
    let file = tempfile::NamedTempFile::new()?;
    fs::write(file.path(), values.to_string())?;
    let values = file.path().display().to_string();
    by_name(documents(&helm(which, None, &["template", "lifeboat", chart, "-n", namespace, "-f", &values])?)?)
}

/// Objects by their kind and name.
pub fn by_name(objects: Vec<Value>) -> Result<BTreeMap<String, Value>> {
    let mut all = BTreeMap::new();
    for object in objects {
        let name = object["metadata"]["name"].as_str().with_context(|| object.to_string())?;
        let name = format!("{}/{name}", object["kind"].as_str().context("no kind")?);
        ensure!(all.insert(name.clone(), object).is_none(), "{name} is there twice");
    }
    Ok(all)
}

/// What kustomize rendered of a variant, in this namespace: but for the namespace itself, which Helm leaves to others, and for the
/// digest in the name of the configuration.
fn kustomized(objects: &[Value], variant: &str, namespace: &str) -> Result<BTreeMap<String, Value>> {
    let map = objects.iter().find(|it| it["kind"] == "ConfigMap").context("no configuration")?;
    let named = map["metadata"]["name"].as_str().context("no name")?;
    let plain = if variant == "drill" { "lifeboat-drill-config" } else { "lifeboat-config" };
    ensure!(named.starts_with(plain) && named.len() <= plain.len() + 11, "{named}");
    let text = serde_json::to_string(objects)?
        .replace(&json!(named).to_string(), &json!(plain).to_string())
        .replace(&format!("\"namespace\":\"{}\"", home(variant)), &format!("\"namespace\":\"{namespace}\""));
    let objects: Vec<Value> = serde_json::from_str(&text)?;
    by_name(objects.into_iter().filter(|it| it["kind"] != "Namespace").collect())
}

#[test]
fn helm_finds_nothing_wrong_with_the_chart() -> Result<()> {
    let released: Value = serde_yaml::from_str(&fs::read_to_string(Path::new(&chart()).join("Chart.yaml"))?)?;
    for version in ["version", "appVersion"] {
        assert_eq!(released[version], env!("CARGO_PKG_VERSION"));
    }
    for variant in variants() {
        let variant = format!("variant={variant}");
        for which in HELMS {
            helm(
                which,
                None,
                &["lint", "--strict", "--quiet", &chart(), "-n", "lifeboat", "--set", &variant],
            )?;
        }
    }
    Ok(())
}

#[test]
fn what_the_chart_is_made_of_is_what_kustomize_renders() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let path = format!("{}:{}", tools::bin()?.display(), std::env::var("PATH")?);
    let mut render = Command::new(place().join("helm/render"));
    ensure!(render.arg(dir.path()).env("PATH", path).status()?.success());
    let all = |dir: &Path| -> Result<BTreeMap<PathBuf, String>> {
        let files = fs::read_dir(dir)?.map(|it| Ok(it?.path()));
        let files: Vec<PathBuf> = files.collect::<Result<_>>()?;
        let read = |it: &PathBuf| Ok((it.strip_prefix(dir)?.to_owned(), fs::read_to_string(it)?));
        files.iter().map(read).collect()
    };
    let (is, ought) = (all(&Path::new(&chart()).join("files"))?, all(dir.path())?);
    let names = |all: &BTreeMap<PathBuf, String>| all.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&is), names(&ought));
    // Each overlay with events of every job as well.
    assert_eq!(is.len(), variants().count() + OVERLAYS.len() + 1);
    for (name, text) in ought {
        ensure!(is[&name] == text, "{} is of yesterday: run deploy/helm/render", name.display());
    }
    Ok(())
}

#[test]
fn without_values_the_chart_renders_what_kustomize_renders() -> Result<()> {
    for variant in variants() {
        same(variant, &rendered(&kustomization(variant))?, &json!({"variant": variant}))?;
    }
    Ok(())
}

/// The value for events is the component.
#[test]
fn with_events_of_every_job_it_renders_the_component() -> Result<()> {
    for overlay in OVERLAYS {
        same(overlay, &with_events(overlay)?, &json!({"variant": overlay, "events": {"everyJob": true}}))?;
    }
    Ok(())
}

/// Both Helms make of these values what kustomize rendered, in any namespace.
fn same(variant: &str, objects: &[Value], values: &Value) -> Result<()> {
    for (which, namespace) in [("helm", home(variant)), ("helm", "elsewhere"), ("helm4", "elsewhere")] {
        let made = made_by(which, &chart(), namespace, values)?;
        let wanted = kustomized(objects, variant, namespace)?;
        assert_eq!(made.keys().collect::<Vec<_>>(), wanted.keys().collect::<Vec<_>>(), "{variant}");
        for (name, object) in &wanted {
            assert_eq!(&made[name], object, "{variant}: {name}");
        }
        ensure!(made.len() >= 4, "{variant}");
    }
    Ok(())
}

#[test]
fn what_the_chart_does_not_know_is_refused_and_named() -> Result<()> {
    let digest = json!({"image": {"digest": "sha256:0123"}});
    for (values, named) in [
        (json!({"variant": "cronjobs"}), "at '/variant': value must be one of 'resources', 'control-plane'"),
        (json!({"variant": null}), "variant"),
        (json!({"imag": {"tag": "1"}}), "additional properties 'imag' not allowed"),
        (json!({"image": {"tagg": "1"}}), "at '/image': additional properties 'tagg' not allowed"),
        (json!({"image": {"tag": 1.5}}), "at '/image/tag': got number, want string"),
        (json!({"image": "lifeboat:1"}), "image"),
        (json!({"image": {"repository": "lifeboat:"}}), "at '/image/repository'"),
        (digest, "at '/image/digest': 'sha256:0123' does not match pattern"),
        (json!({"image": {"pullPolicy": "Sometimes"}}), "at '/image/pullPolicy'"),
        (
            json!({"image": {"pullSecrets": ["registry"]}}),
            "at '/image/pullSecrets/0': got string, want object",
        ),
        (json!({"config": {"cluster": "lab"}}), "at '/config': got object, want string"),
        (json!({"backup": {"shedule": "1 * * * *"}}), "at '/backup': additional properties 'shedule'"),
        (json!({"backup": {"schedule": "hourly"}}), "at '/backup/schedule': 'hourly' does not match pattern"),
        (json!({"verify": {"suspend": "yes"}}), "at '/verify/suspend': got string, want boolean"),
        (json!({"prune": {"args": "prune"}}), "at '/prune/args': got string, want array"),
        (json!({"prune": {"resources": {"memory": "1Gi"}}}), "at '/prune/resources'"),
        (json!({"daemon": {"schedule": "1 * * * *"}}), "at '/daemon': additional properties 'schedule'"),
        (json!({"podLabels": {"team": 7}}), "at '/podLabels/team': got number, want string"),
        (json!({"networkPolicy": {"enabled": "no"}}), "at '/networkPolicy/enabled'"),
        (json!({"monitoring": {"runbooks": "here"}}), "at '/monitoring/runbooks'"),
        (json!({"events": {"everyJob": "yes"}}), "at '/events/everyJob': got string, want boolean"),
        (json!({"events": {"everyjob": true}}), "at '/events': additional properties 'everyjob'"),
        (json!({"secrets": {"identity.txt": "mine"}}), "at '/secrets'"),
        // What the schema cannot say.
        (json!({"config": "a: b", "existingConfigMap": "mine"}), "give one of them, not both"),
        (json!({"drillSpec": "a: b"}), "drillSpec: it is for the variant `drill`"),
        (
            json!({"variant": "drill", "events": {"everyJob": true}}),
            "events.everyJob: the variant drill tells none",
        ),
        (json!({"daemon": {"replicas": 3}}), "daemon: the variant resources has only: backup, prune, verify"),
        (
            json!({"networkPolicy": {"etcd": [{}]}}),
            "networkPolicy.etcd: the variant resources has no such policy",
        ),
        (json!({"monitoring": {"podMonitor": true}}), "the variant resources has no daemons to watch"),
    ] {
        let refusal =
            made(&chart(), "lifeboat", &values).err().with_context(|| format!("{values} is taken"))?;
        ensure!(refusal.to_string().contains(named), "{values}: {refusal}");
    }
    for namespace in ["default", "kube-system"] {
        let refusal = made(&chart(), namespace, &json!({})).err().context("its network would be closed")?;
        ensure!(refusal.to_string().contains("give Lifeboat one of its own (-n lifeboat)"), "{refusal}");
    }
    Ok(())
}

#[test]
fn the_package_holds_the_chart() -> Result<()> {
    fn walk(dir: &Path, at: &str, found: &mut BTreeSet<String>) -> Result<()> {
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let name = format!("{at}/{}", entry.file_name().to_string_lossy());
            match entry.file_type()?.is_dir() {
                true => walk(&entry.path(), &name, found)?,
                false => drop(found.insert(name)),
            }
        }
        Ok(())
    }
    let dir = tempfile::tempdir()?;
    helm("helm", None, &["package", &chart(), "-d", &dir.path().display().to_string()])?;
    let package =
        dir.path().join(format!("lifeboat-{}.tgz", env!("CARGO_PKG_VERSION"))).display().to_string();
    let listed = said("tar", &["-tzf", &package])?;
    let listed: BTreeSet<String> = listed.lines().map(str::to_owned).collect();
    let mut wanted = BTreeSet::new();
    walk(Path::new(&chart()), "lifeboat", &mut wanted)?;
    assert_eq!(listed, wanted);
    for variant in variants() {
        let values = json!({"variant": variant});
        assert_eq!(made(&package, "lifeboat", &values)?, made(&chart(), "lifeboat", &values)?);
    }
    Ok(())
}

/// The file of values that deploy/README.md shows is taken, as is everything that it says of the chart.
#[test]
fn the_readme_s_values_are_taken() -> Result<()> {
    let values: Value = serde_yaml::from_str(&block("yaml", "variant: ")?)?;
    let made = made(&chart(), "lifeboat", &values)?;
    let image = &made["CronJob/lifeboat-backup"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
        [0]["image"];
    assert_eq!(image, &json!(format!("registry.example.com/lifeboat:{}", env!("CARGO_PKG_VERSION"))));
    ensure!(made.contains_key("NetworkPolicy/lifeboat-etcd"), "{:?}", made.keys());
    Ok(())
}
