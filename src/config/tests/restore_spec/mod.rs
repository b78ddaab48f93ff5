//! The restore specification: good files, bad files, the schema.

mod golden;
mod schema;

use super::super::{OnConflict, RestoreSpec};
use crate::config::ConfigError;
use proptest::prelude::*;
use serde_json::json;
use std::path::Path;

const FULL: &str = r#"
select:
  kinds: [deployments, Secret, deploy.v1.apps, "*.shop.example.com"]
  excludeKinds: [events]
  namespaces: [shop, "team-*"]
  excludeNamespaces: [team-x]
  clusterScoped: true
  labels: "app=shop,tier!=web"
  names: ["web-*", "system:node"]
  deletedSince: 20261101
  onlyMissing: true
rename:
  namespaces: {shop: shop-test, a: b, b: a}
  storageClasses: {gp2: gp3, gp1: gp3}
  images: {docker.io: "registry.local:5000/docker"}
quiesce: true
keep: {status: true, clusterIPs: true, nodePorts: true}
modifiers:
  - kinds: [deployments]
    namespaces: [shop]
    names: [web]
    labels: app=web
    jsonPatch:
      - {op: replace, path: /spec/replicas, value: 1}
      - {op: add, path: /metadata/annotations/a~1b, value: null}
      - {op: move, from: /a, path: /b}
      - {op: remove, path: /x/-}
    mergePatch: {metadata: {annotations: {restored: "yes", gone: null}}, spec: {x: [1, -2.5, true, "two\nlines"]}}
  - mergePatch: {data: {"1": 18446744073709551615}}
onConflict: {secrets: recreate, "*.apps": update, default: skip}
fieldManager: lifeboat-test
"#;

fn parse(text: &str) -> Result<RestoreSpec, ConfigError> {
    RestoreSpec::parse(text, Path::new("r.yaml"))
}

fn errors(text: &str) -> String {
    parse(text).expect_err("must not be accepted").to_string()
}

#[test]
fn every_field_is_read() {
    let spec = parse(FULL).unwrap();
    assert_eq!(spec.select.kinds, ["deployments", "Secret", "deploy.v1.apps", "*.shop.example.com"]);
    assert_eq!(
        (spec.select.exclude_kinds, spec.select.exclude_namespaces),
        (vec!["events".into()], vec!["team-x".into()])
    );
    assert_eq!(
        (spec.select.namespaces, spec.select.cluster_scoped),
        (vec!["shop".into(), "team-*".into()], Some(true))
    );
    assert_eq!((spec.select.labels.as_deref(), spec.select.only_missing), (Some("app=shop,tier!=web"), true));
    assert_eq!(spec.select.names, ["web-*", "system:node"]);
    assert_eq!(spec.select.deleted_since.as_deref(), Some("20261101"));
    let renamed = json!({
        "namespaces": {"a": "b", "b": "a", "shop": "shop-test"}, "storageClasses": {"gp1": "gp3", "gp2": "gp3"},
        "images": {"docker.io": "registry.local:5000/docker"},
    });
    assert_eq!(json!(spec.rename), renamed);
    assert!(spec.quiesce && spec.keep.status && spec.keep.cluster_ips && spec.keep.node_ports);
    let [first, second] = &spec.modifiers[..] else { panic!("{:?}", spec.modifiers) };
    let wanted = json!({
        "kinds": ["deployments"], "namespaces": ["shop"], "names": ["web"], "labels": "app=web",
        "jsonPatch": [
            {"op": "replace", "path": "/spec/replicas", "value": 1},
            {"op": "add", "path": "/metadata/annotations/a~1b", "value": null},
            {"op": "move", "path": "/b", "from": "/a"},
            {"op": "remove", "path": "/x/-"},
        ],
        "mergePatch": {
            "metadata": {"annotations": {"restored": "yes", "gone": null}}, "spec": {"x": [1, -2.5, true, "two\nlines"]},
        },
    });
    assert_eq!(json!(first), wanted);
    assert_eq!(second.merge_patch, Some(json!({"data": {"1": u64::MAX}})));
    let conflicts = spec.on_conflict.unwrap();
    assert_eq!(conflicts.default, Some(OnConflict::Skip));
    assert_eq!(
        conflicts.kinds,
        [("secrets".into(), OnConflict::Recreate), ("*.apps".into(), OnConflict::Update)]
    );
    assert_eq!(spec.field_manager, "lifeboat-test");
}

#[test]
fn what_is_left_out_has_its_default() {
    let spec = parse("{}").unwrap();
    assert_eq!(spec, RestoreSpec::default());
    assert_eq!(
        (spec.field_manager.as_str(), spec.on_conflict, spec.select.cluster_scoped),
        ("lifeboat", None, None)
    );
    assert_eq!(
        parse("select:\nrename: {}\nkeep:\nmodifiers: []\nonConflict:\n").unwrap(),
        RestoreSpec::default()
    );
    let conflicts = |text: &str| parse(&format!("onConflict: {text}")).unwrap().on_conflict.unwrap();
    assert_eq!((conflicts("fail").default, conflicts("fail").kinds), (Some(OnConflict::Fail), vec![]));
    assert_eq!(conflicts("{pods: fail}").default, None);
    for (text, since) in [
        ("20261122T084500Z-k3f9", None),
        ("2026-11-22T08:00:00Z", None),
        ("\"2026\"", Some("2026")),
        ("2h", None),
    ] {
        let spec = parse(&format!("select: {{deletedSince: {text}}}")).unwrap();
        assert_eq!(spec.select.deleted_since.as_deref(), Some(since.unwrap_or(text)));
    }
}

#[test]
fn what_is_written_is_read_back_the_same() {
    for text in [FULL, "{}", "onConflict: recreate"] {
        let spec = parse(text).unwrap();
        assert_eq!(parse(&serde_yaml::to_string(&spec).unwrap()).unwrap(), spec);
        assert_eq!(parse(&serde_json::to_string(&spec).unwrap()).unwrap(), spec);
    }
}

#[test]
fn files() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("r.yaml");
    std::fs::write(&path, FULL).unwrap();
    assert_eq!(RestoreSpec::load(&path).unwrap(), parse(FULL).unwrap());
    let said = |path: &Path| RestoreSpec::load(path).unwrap_err().to_string();
    let absent = said(&dir.path().join("absent"));
    assert!(absent.starts_with("cannot read the restore specification "), "{absent}");
    assert!(absent.ends_with("there is no such file; `lifeboat schema restore` describes one"), "{absent}");
    assert!(said(dir.path()).ends_with("/restore.yaml?"), "{}", said(dir.path()));
    std::fs::write(&path, vec![b'#'; 2 << 20]).unwrap();
    assert!(said(&path).ends_with("is larger than 1024 KiB: this is not a restore specification"));
}

proptest! {
    #[test]
    fn no_yaml_panics(parts in proptest::collection::vec(
        proptest::sample::select(vec![
            "select", "kinds", "rename", "namespaces", "keep", "modifiers", "jsonPatch", "mergePatch", "op", "path", "value",
            "onConflict", ": ", ": ", "- ", "\n", "\n  ", "[", "]", "{", "}", ", ", "\"", "&a ", "*a", "!t ", "? ", "add", "/a",
            "null", "true", "7", "-1", "1e400", ".nan", "é",
        ]), 0..25)) {
        let text = parts.concat();
        let _ = parse(&text);
        let _ = parse(&format!("modifiers: [{{jsonPatch: [{{{text}}}]}}]"));
        let _ = parse(&format!("rename: {{namespaces: {text}}}"));
    }
}
