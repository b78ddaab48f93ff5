//! The drill's file: good files, bad files, the shipped examples, the schema.

use super::super::{DrillPoint, DrillSpec, DrillTest, DrillWeight, drill_schema};
use proptest::prelude::*;
use serde_json::json;
use std::{path::Path, time::Duration};

const HEAD: &str = "apiVersion: lifeboat.dev/v1\nkind: Drill\nname: d\n";

const FULL: &str = r#"
apiVersion: lifeboat.dev/v1
kind: Drill
name: quarterly
scenario: Everything is lost.
point: {random: {window: 13w, seed: 7}}
restore: [etcd]
staging:
  controlplane:
    etcd: /opt/etcd
    kubeApiserver: kube-apiserver
    directory: here
    encryptionConfig: enc.yaml
    serviceClusterIPRange: 10.0.0.0/16
    args: [--feature-gates=X=true]
    readyWithin: 90s
objectives: {rpo: 24h, rto: 15m, phases: {restore: 5m, api-ready: 1m}}
evidence: {keep: 7y, last: 4}
notify: [{channel: ops}, {channel: chief, on: failed}]
severity: {references: error, objects: warning, counts: off}
checks:
  - {name: orders, severity: warning, count: {kind: orders.shop.example.com, namespace: shop, labels: "a=b", atLeast: 1, atMost: 9}}
  - {name: none, count: {kind: pods, exactly: 0}}
  - {name: web, object: {kind: deploy, namespace: shop, name: web, path: /spec/replicas, equals: 3}}
  - {name: gone, object: {kind: ns, name: old, path: /metadata, exists: false}}
  - {name: scaled, cel: {kind: deploy, namespace: shop, labels: app=web, each: "object.spec.replicas >= 1"}}
  - {name: totals, cel: {kind: orders, list: "objects.exists(o, o.spec.total > 0)"}}
  - {name: smoke, severity: off, command: {argv: [./smoke.sh, "1"], timeout: 5m}}
within: 30m
"#;

fn parse(text: &str) -> Result<DrillSpec, crate::config::ConfigError> {
    DrillSpec::parse(text, Path::new("d.yaml"))
}

fn errors(text: &str) -> String {
    parse(text).expect_err("must not be accepted").to_string()
}

#[test]
fn every_field_is_read() {
    let spec = parse(FULL).unwrap();
    assert!(matches!(&spec.point, DrillPoint::Random { window: Some(window), seed: Some(7) }
        if window.length() == Duration::from_secs(13 * 7 * 86_400)));
    let control = &spec.staging.controlplane;
    assert_eq!((control.server.ready_within, control.server.args.len()), (Some(Duration::from_secs(90)), 1));
    assert_eq!(control.kube_apiserver.as_deref(), Some(Path::new("kube-apiserver")));
    assert_eq!(spec.objectives.rto, Some(Duration::from_secs(900)));
    assert_eq!(spec.objectives.phases["api-ready"], Duration::from_secs(60));
    let evidence = spec.evidence.as_ref().unwrap();
    assert_eq!((evidence.keep.as_ref().unwrap().years(), evidence.last), (7, Some(4)));
    assert_eq!(spec.severity["counts"], DrillWeight::Off);
    let tests: Vec<_> = spec.checks.iter().map(|check| check.test().unwrap()).collect();
    assert!(matches!(tests[0], DrillTest::Count(it) if it.at_most == Some(9) && it.labels.is_some()));
    assert!(matches!(tests[2], DrillTest::Object(it) if it.equals == Some(json!(3))));
    assert!(matches!(tests[3], DrillTest::Object(it) if it.exists == Some(false)));
    assert!(
        matches!(tests[4], DrillTest::Cel(it) if it.each.is_some() && it.list.is_none() && it.labels.is_some())
    );
    assert!(matches!(tests[5], DrillTest::Cel(it) if it.list.is_some()));
    assert!(matches!(tests[6], DrillTest::Command(it) if it.argv == ["./smoke.sh", "1"]));
    assert_eq!(spec.checks[6].severity, Some(DrillWeight::Off));
}

#[test]
fn what_is_not_said_is_usual() {
    let spec = parse(HEAD).unwrap();
    assert_eq!(spec, DrillSpec { name: "d".parse().unwrap(), ..DrillSpec::usual().unwrap() });
    for (text, wanted) in [
        ("point: newest-verified", DrillPoint::NewestVerified),
        ("point: random", DrillPoint::Random { window: None, seed: None }),
        ("point: 20261122", DrillPoint::Id("20261122".into())),
        ("point: 20261122T084500Z-k3f9", DrillPoint::Id("20261122T084500Z-k3f9".into())),
    ] {
        assert_eq!(parse(&format!("{HEAD}{text}")).unwrap().point, wanted);
    }
}

#[test]
fn an_existing_cluster_takes_the_export_and_runs_workloads() {
    let text = "staging: {existing: {kubeconfig: k, context: c, goneWithin: 2m}}\nchecks: [{name: up, workload: {namespace: shop}}]";
    let spec = parse(&format!("{HEAD}{text}")).unwrap();
    assert_eq!(spec.restore, [super::super::DrillRestores::Resources]);
    let existing = spec.staging.existing.unwrap();
    assert_eq!((existing.context.as_str(), existing.egress), ("c", false));
    assert_eq!(existing.gone_within, Some(Duration::from_secs(120)));
}

#[test]
fn golden() {
    for (text, expected) in CASES {
        assert_eq!(errors(&format!("{HEAD}{text}")), *expected, "\n{text}");
    }
    assert_eq!(
        errors(""),
        "d.yaml:1:1: the file is empty; `lifeboat schema drill` describes what belongs in it"
    );
    assert!(errors("kind: Config\n").contains("`Config` is not `Drill`: this is another kind of file"));
}

const CASES: &[(&str, &str)] = &[
    ("pont: latest", "d.yaml:4:1: pont: unknown field; did you mean `point`?"),
    (
        "point: oldest",
        "d.yaml:4:8: point: `oldest` is no rule: write `latest`, `newest-verified`, `random`, `{random: {window: 90d}}`, or the \
         beginning of an id",
    ),
    (
        "point: {random: {window: 3}}",
        "d.yaml:4:26: point.random.window: expected text, found a number: put it in quotes if it is meant as text",
    ),
    (
        "restore: [everything]",
        "d.yaml:4:11: restore[0]: `everything` is unknown: write `etcd` or `resources`",
    ),
    (
        "staging: {existing: {kubeconfig: k, context: c}}\nchecks: [{name: p, playbook: {file: p.yaml}}]",
        "d.yaml:5:10: checks[0]: changes a cluster that others use: playbooks are rehearsed in `kind` or in `controlplane`",
    ),
    (
        "checks: [{name: p, playbook: {params: {a: 1}}}]",
        "d.yaml:4:30: checks[0].playbook.file: missing; write the playbook's file, such as `file: compromised-pod/playbook.yaml`",
    ),
    ("restore: []", "d.yaml:4:10: restore: restores nothing: write `[etcd]`, `[resources]` or both"),
    ("restore: [etcd, etcd]", "d.yaml:4:10: restore: names one of them twice"),
    (
        "staging: {existing: {}}",
        "d.yaml:4:21: staging.existing.kubeconfig: missing; write the file by which the cluster is reached\n\
         d.yaml:4:21: staging.existing.context: missing; write the context in the kubeconfig, which is never guessed",
    ),
    (
        "restore: [resources, etcd]\nstaging: {existing: {kubeconfig: k, context: c}}",
        "d.yaml:4:22: restore[1]: cannot be restored into an existing cluster, whose etcd is never touched: write `restore: \
         [resources]`, or use another staging",
    ),
    (
        "staging: {kind: {}, controlplane: {}}",
        "d.yaml:4:10: staging: names several places: a drill has one of `controlplane`, `kind` and `existing`",
    ),
    (
        "checks: [{name: up, workload: {namespace: shop}}]",
        "d.yaml:4:10: checks[0]: needs workloads that run, and this staging has no node for them: write `staging: {kind: {}}`",
    ),
    (
        "staging: {kind: {}}\nchecks: [{name: up, workload: {kind: jobs, namespace: shop}}]",
        "d.yaml:5:38: checks[0].workload.kind: `jobs` does not come up: write `deployments`, `statefulsets` or `daemonsets`",
    ),
    (
        "staging: {kind: {}}\nchecks: [{name: a, http: {namespace: shop, labels: a=b, port: 0}}, {name: b, http: {namespace: c, labels: d, port: 1, path: x}}]",
        "d.yaml:5:63: checks[0].http.port: expected a whole number from 1 to 65535, found 0\n\
         d.yaml:5:84: checks[1].http: needs a path that begins with a slash and holds no spaces, as it stands in a request",
    ),
    (
        "objectives: {rto: 15, phases: {boil: 1m}}",
        "d.yaml:4:19: objectives.rto: 15 has no unit: write `15s` for seconds, or use m, h or ms\n\
         d.yaml:4:32: objectives.phases.boil: no phase is called so; these are: pick, fetch, open, provision, resources, restore, api-ready, \
         checks, workloads-ready, service, rehearsal, tear-down",
    ),
    (
        "notify: [{on: never}]",
        "d.yaml:4:10: notify[0].channel: missing; write the name of a channel of the configuration, such as `channel: ops`\n\
         d.yaml:4:15: notify[0].on: `never` is unknown: write `always` or `failed`",
    ),
    ("evidence: {}", "d.yaml:4:11: evidence: says not how long: write `keep`, such as `keep: 7y`, or `last`"),
    (
        "evidence: {keep: 7 years, last: 0}",
        "d.yaml:4:18: evidence.keep: `7 years` is not an age: write years as `7y`, or weeks, days and hours such as 26w or 90d\n\
         d.yaml:4:33: evidence.last: expected a whole number from 1 to 10000, found 0",
    ),
    (
        "severity: {objects: fatal}",
        "d.yaml:4:21: severity.objects: `fatal` is unknown: write `error`, `warning` or `\"off\"`",
    ),
    (
        "checks: [{name: objects, count: {kind: pods, exactly: 1}}]",
        "d.yaml:4:10: checks[0]: another check is called `objects`, too",
    ),
    (
        "checks: [{name: a}, {name: b, count: {kind: pods}}, {name: c, command: {argv: []}}]",
        "d.yaml:4:10: checks[0]: needs exactly one of `count`, `object`, `cel`, `workload`, `http`, `exec`, `command` and `playbook`: what is \
         checked\n\
         d.yaml:4:38: checks[1].count: says not how many: write `atLeast`, `atMost` or `exactly`\n\
         d.yaml:4:72: checks[2].command: names no program: `argv` is empty",
    ),
    (
        "checks: [{name: a, count: {kind: pods, atLeast: 3, atMost: 2}}, {name: b, object: {kind: pods, name: x, path: spec}}]",
        "d.yaml:4:27: checks[0].count: can never hold: atLeast is more than atMost\n\
         d.yaml:4:83: checks[1].object: needs exactly one of `equals` and `exists`: what should be there\n\
         d.yaml:4:111: checks[1].object.path: begins with `/`; did you mean `/spec`?",
    ),
];

#[test]
fn the_shipped_examples_are_drills() {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("runbooks/drills");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(place).unwrap() {
        let path = entry.unwrap().path();
        let (spec, text) = DrillSpec::load(&path).unwrap_or_else(|e| panic!("{e}"));
        assert!(text.contains("lifeboat drill run"), "{}", path.display());
        assert_eq!(path.file_stem().unwrap().to_str().unwrap(), spec.name.as_str());
        names.push(spec.name.to_string());
    }
    assert!(names.len() >= 3, "{names:?}");
}

#[test]
fn the_schema_has_the_fields_of_the_parser() {
    let schema = drill_schema();
    for (text, name) in [
        ("_", ""),
        ("staging: _", "DrillStaging"),
        ("staging: {controlplane: _}", "DrillControlPlane"),
        ("objectives: _", "DrillObjectives"),
        ("evidence: _", "DrillEvidence"),
        ("notify: [_]", "DrillNotify"),
        ("checks: [_]", "DrillCheck"),
        ("checks: [{count: _}]", "DrillCount"),
        ("checks: [{object: _}]", "DrillObject"),
        ("checks: [{cel: _}]", "DrillCel"),
        ("checks: [{command: _}]", "DrillRun"),
        ("staging: {kind: _}", "DrillKindCluster"),
        ("staging: {existing: _}", "DrillExisting"),
        ("checks: [{workload: _}]", "DrillWorkload"),
        ("checks: [{http: _}]", "DrillProbe"),
        ("checks: [{exec: _}]", "DrillExec"),
    ] {
        let text = text.replace('_', "{qqqqqqqqqqqqqqqqqqqqqqqq: 1}");
        let error = if name.is_empty() { errors(&text) } else { errors(&format!("{HEAD}{text}")) };
        let list = error.lines().find_map(|line| line.split_once("allowed here: ")).unwrap().1;
        let mut known: Vec<_> = list.split(", ").map(|name| name.trim_matches('`').to_owned()).collect();
        known.sort();
        let section = if name.is_empty() { &schema } else { &schema["$defs"][name] };
        let fields = section["properties"].as_object().unwrap_or_else(|| panic!("{name}: {schema:#}"));
        let mut names: Vec<_> = fields.keys().cloned().collect();
        names.sort();
        assert_eq!(names, known, "{name}");
        assert!(fields.values().all(|field| field["description"].is_string()), "{name}: {fields:#?}");
    }
    assert_eq!(schema["required"], json!(["apiVersion", "kind", "name"]));
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,60}", at in 0usize..800) {
        let at = FULL.char_indices().map(|(at, _)| at).rfind(|it| *it <= at).unwrap_or_default();
        let _ = parse(&format!("{}{text}{}", &FULL[..at], &FULL[at..]));
    }
}
