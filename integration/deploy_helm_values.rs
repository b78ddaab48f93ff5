//! Each value of the chart changes what values.yaml says that it does, and nothing else.

use crate::{
    deploy_alerts::monitoring,
    deploy_case::rendered,
    deploy_helm::{by_name, chart, made},
};
use anyhow::{Context, Result, ensure};
use json_patch::patch;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// Where a CronJob and a Deployment have their pods.
const JOB: &str = "/spec/jobTemplate/spec/template";
const DAEMON: &str = "/spec/template";

/// The pods of a variant: the object, and where its template is.
fn pods(variant: &str) -> Vec<(&'static str, &'static str)> {
    match variant {
        "drill" => vec![("CronJob/lifeboat-drill", JOB)],
        it if it.starts_with("daemon-") => {
            vec![("Deployment/lifeboat-daemon", DAEMON), ("CronJob/lifeboat-prune", JOB)]
        }
        _ => ["CronJob/lifeboat-backup", "CronJob/lifeboat-prune", "CronJob/lifeboat-verify"]
            .map(|it| (it, JOB))
            .to_vec(),
    }
}

/// Values, and what they are to change: objects, operations on them as of JSON Patch.
#[derive(Default)]
struct Case {
    variant: &'static str,
    values: Value,
    changes: BTreeMap<String, Vec<Value>>,
    gone: Vec<String>,
}

impl Case {
    fn of(variant: &'static str, values: Value) -> Self {
        Case { variant, values, ..Case::default() }
    }

    fn change(mut self, object: &str, op: &str, path: String, value: Value) -> Self {
        let change = json!({"op": op, "path": path, "value": value});
        self.changes.entry(object.to_owned()).or_default().push(change);
        self
    }

    /// Expects that a field has this value.
    fn sets(self, object: &str, path: &str, value: Value) -> Self {
        self.change(object, "add", path.to_owned(), value)
    }

    /// Expects that a list or a field of an object is without this.
    fn removes(self, object: &str, path: &str) -> Self {
        self.change(object, "remove", path.to_owned(), Value::Null)
    }

    /// Expects that a field of every pod's template has this value.
    fn everywhere(self, path: &str, value: Value) -> Self {
        let all = pods(self.variant);
        all.into_iter()
            .fold(self, |case, (object, at)| case.sets(object, &format!("{at}{path}"), value.clone()))
    }

    /// Expects that an object is not there.
    fn without(mut self, object: &str) -> Self {
        self.gone.push(object.to_owned());
        self
    }

    fn try_it(&self) -> Result<()> {
        let mut wanted = made(&chart(), "lifeboat", &json!({"variant": self.variant}))?;
        for (object, changes) in &self.changes {
            let of = wanted.get_mut(object).with_context(|| object.clone())?;
            patch(of, &serde_json::from_value::<json_patch::Patch>(json!(changes))?)?;
        }
        for object in &self.gone {
            wanted.remove(object).with_context(|| object.clone())?;
        }
        let mut values = self.values.clone();
        values["variant"] = self.variant.into();
        let made = made(&chart(), "lifeboat", &values)?;
        assert_eq!(made.keys().collect::<Vec<_>>(), wanted.keys().collect::<Vec<_>>(), "{values}");
        for (name, object) in wanted {
            assert_eq!(made[&name], object, "{values}: {name}");
        }
        Ok(())
    }
}

fn images() -> Vec<Case> {
    let pull = json!({"repository": "registry.example.com:5000/it", "tag": "2.0", "pullPolicy": "Always", "pullSecrets": [{"name": "r"}]});
    let digest = format!("sha256:{}", "0123456789abcdef".repeat(4));
    vec![
        Case::of("daemon-resources", json!({"image": pull}))
            .everywhere("/spec/containers/0/image", json!("registry.example.com:5000/it:2.0"))
            .everywhere("/spec/containers/0/imagePullPolicy", json!("Always"))
            .everywhere("/spec/imagePullSecrets", json!([{"name": "r"}])),
        Case::of("resources", json!({"image": {"repository": "it"}}))
            .everywhere("/spec/containers/0/image", json!(format!("it:{}", env!("CARGO_PKG_VERSION")))),
        Case::of("drill", json!({"image": {"repository": "it", "tag": "2.0", "digest": digest}}))
            .everywhere("/spec/containers/0/image", json!(format!("it@{digest}"))),
    ]
}

fn configurations() -> Vec<Case> {
    let text = "cluster: \"of {{ .Values }} 1e3\"\n# as it is\n";
    let existing = json!({"existingConfigMap": "mine"});
    let name = "/spec/volumes/0/projected/sources/0/configMap/name";
    vec![
        Case::of("resources", json!({"config": text})).sets(
            "ConfigMap/lifeboat-config",
            "/data/lifeboat.yaml",
            json!(text),
        ),
        Case::of("drill", json!({"config": text, "drillSpec": "name: mine\n"}))
            .sets("ConfigMap/lifeboat-drill-config", "/data/lifeboat.yaml", json!(text))
            .sets("ConfigMap/lifeboat-drill-config", "/data/quarterly.yaml", json!("name: mine\n")),
        Case::of("daemon-control-plane", existing.clone())
            .everywhere(name, json!("mine"))
            .without("ConfigMap/lifeboat-config"),
        Case::of("drill", existing)
            .everywhere(name, json!("mine"))
            .without("ConfigMap/lifeboat-drill-config"),
    ]
}

fn secrets() -> Vec<Case> {
    let named =
        json!({"secrets": {"signing": "a", "store": "b", "storePrune": "c", "etcd": "d", "identity": "e"}});
    let none = json!({"secrets": {"signing": "", "store": "", "storePrune": "", "etcd": "", "identity": ""}});
    let source = |index: usize| format!("{JOB}/spec/volumes/0/projected/sources/{index}");
    let name = |index: usize| format!("{}/secret/name", source(index));
    let (backup, verify, prune) =
        ("CronJob/lifeboat-backup", "CronJob/lifeboat-verify", "CronJob/lifeboat-prune");
    let drill = "CronJob/lifeboat-drill";
    vec![
        Case::of("control-plane", named.clone())
            .sets(backup, &name(1), json!("a"))
            .sets(backup, &name(2), json!("b"))
            .sets(backup, &name(3), json!("d"))
            .sets(verify, &name(1), json!("a"))
            .sets(verify, &name(2), json!("b"))
            .sets(prune, &name(1), json!("c")),
        Case::of("drill", named).sets(drill, &name(1), json!("a")).sets(drill, &name(2), json!("e")).sets(
            drill,
            &name(3),
            json!("b"),
        ),
        Case::of("control-plane", none)
            .removes(backup, &source(3))
            .removes(backup, &source(2))
            .removes(backup, &source(1))
            .removes(verify, &source(2))
            .removes(verify, &source(1))
            .removes(prune, &source(1)),
    ]
}

/// Everything that can be said of what is run; of each by itself.
fn workloads() -> Vec<Case> {
    let all = [
        ("control-plane", "backup"),
        ("resources", "verify"),
        ("daemon-resources", "prune"),
        ("daemon-control-plane", "daemon"),
        ("drill", "drill"),
    ];
    let (volume, mount) = (json!({"name": "v", "emptyDir": {}}), json!({"name": "v", "mountPath": "/v"}));
    let affinity = json!({"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": []}});
    let of = |(variant, name): (&'static str, &str)| {
        let (kind, at) = if name == "daemon" { ("Deployment", DAEMON) } else { ("CronJob", JOB) };
        let object = format!("{kind}/lifeboat-{name}");
        let mut values = json!({
            "args": ["status", "-o", "json"], "resources": {"limits": {"memory": "9Gi"}}, "nodeSelector": {"pool": "it"},
            "tolerations": [{"key": "it", "operator": "Exists"}], "affinity": affinity, "extraVolumes": [volume],
            "extraVolumeMounts": [mount], "serviceAccountAnnotations": {"role": "it"},
        });
        let container = |field: &str| format!("{at}/spec/containers/0/{field}");
        let fields: &[(&str, &str, Value)] = if name == "daemon" {
            &[
                ("replicas", "/spec/replicas", json!(5)),
                (
                    "terminationGracePeriodSeconds",
                    "/spec/template/spec/terminationGracePeriodSeconds",
                    json!(600),
                ),
            ]
        } else {
            &[
                ("schedule", "/spec/schedule", json!("5 5 * * 5")),
                ("timeZone", "/spec/timeZone", json!("Europe/Vienna")),
                ("suspend", "/spec/suspend", json!(true)),
                ("activeDeadlineSeconds", "/spec/jobTemplate/spec/activeDeadlineSeconds", json!(7_000_000)),
            ]
        };
        for (value, _, to) in fields {
            values[value] = to.clone();
        }
        let case = Case::of(variant, json!({name: values}))
            .sets(&object, &container("args"), values["args"].clone())
            .sets(&object, &container("resources"), values["resources"].clone())
            .sets(&object, &container("volumeMounts/-"), mount.clone())
            .sets(&object, &format!("{at}/spec/volumes/-"), volume.clone())
            .sets(&object, &format!("{at}/spec/nodeSelector"), values["nodeSelector"].clone())
            .sets(&object, &format!("{at}/spec/tolerations"), values["tolerations"].clone())
            .sets(&object, &format!("{at}/spec/affinity"), affinity.clone())
            .sets(&format!("ServiceAccount/lifeboat-{name}"), "/metadata/annotations", json!({"role": "it"}));
        fields.iter().fold(case, |case, (_, path, to)| case.sets(&object, path, to.clone()))
    };
    all.into_iter().map(of).collect()
}

fn all_pods() -> Vec<Case> {
    let env = json!([{"name": "HTTPS_PROXY", "value": "http://proxy.example.com:3128"}]);
    let values = json!({
        "podLabels": {"team": "it", "app.kubernetes.io/name": "another"}, "podAnnotations": {"a.example.com/b": "true"},
        "priorityClassName": "high", "env": env,
    });
    let changed = |variant| {
        Case::of(variant, values.clone())
            .everywhere("/metadata/labels/team", json!("it"))
            .everywhere("/metadata/annotations", json!({"a.example.com/b": "true"}))
            .everywhere("/spec/priorityClassName", json!("high"))
    };
    // The daemon has some already.
    let daemons = changed("daemon-resources")
        .sets("Deployment/lifeboat-daemon", &format!("{DAEMON}/spec/containers/0/env/-"), env[0].clone())
        .sets("CronJob/lifeboat-prune", &format!("{JOB}/spec/containers/0/env"), env.clone());
    vec![changed("drill").everywhere("/spec/containers/0/env", env.clone()), daemons]
}

fn network() -> Vec<Case> {
    let rules = json!([{"ports": [{"protocol": "TCP", "port": 9000}]}]);
    let closed = Case::of("daemon-control-plane", json!({"networkPolicy": {"enabled": false}}));
    let all = ["api-server", "deny", "dns", "etcd", "metrics", "store"];
    let mut cases =
        vec![all.iter().fold(closed, |case, it| case.without(&format!("NetworkPolicy/lifeboat-{it}")))];
    for (variant, key, name, way) in [
        ("resources", "dns", "dns", "egress"),
        ("resources", "store", "store", "egress"),
        ("resources", "apiServer", "api-server", "egress"),
        ("control-plane", "etcd", "etcd", "egress"),
        ("daemon-resources", "metrics", "metrics", "ingress"),
        ("drill", "drill", "drill", "egress"),
    ] {
        let object = format!("NetworkPolicy/lifeboat-{name}");
        let case = Case::of(variant, json!({"networkPolicy": {key: rules}}));
        cases.push(case.sets(&object, &format!("/spec/{way}"), rules.clone()));
    }
    cases
}

fn events() -> Vec<Case> {
    let tells = |case: Case, name: &str| {
        let object = format!("CronJob/{name}");
        let env = json!([
            {"name": "LIFEBOAT_EVENTS", "value": format!("cronjob/{name}")},
            {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        ]);
        let account = json!({"kind": "ServiceAccount", "name": name, "namespace": "lifeboat"});
        case.sets(&object, &format!("{JOB}/spec/automountServiceAccountToken"), json!(true))
            .sets(&object, &format!("{JOB}/spec/containers/0/env"), env)
            .sets("RoleBinding/lifeboat-events", "/subjects/-", account)
    };
    let may = |names: &[&str]| json!({"apiGroups": ["batch"], "resourceNames": names, "resources": ["cronjobs"], "verbs": ["get"]});
    let of = |variant, jobs: &[&str]| {
        let who = "/spec/podSelector/matchExpressions/0/values/-";
        let case = Case::of(variant, json!({"events": {"everyJob": true}}))
            .sets("Role/lifeboat-events", "/rules/-", may(jobs))
            .sets("NetworkPolicy/lifeboat-api-server", who, json!("verify"))
            .sets("NetworkPolicy/lifeboat-api-server", who, json!("prune"));
        jobs.iter().fold(case, |case, job| tells(case, job))
    };
    vec![
        of("control-plane", &["lifeboat-prune", "lifeboat-verify"]),
        of("daemon-resources", &["lifeboat-prune"]),
    ]
}

#[test]
fn each_value_changes_what_it_says_and_nothing_else() -> Result<()> {
    let cases = [images(), configurations(), secrets(), workloads(), all_pods(), network(), events()];
    let cases: Vec<Case> = cases.into_iter().flatten().collect();
    let schema = schema()?;
    let mut tried = BTreeSet::from(["variant".to_owned()]);
    for case in &cases {
        case.try_it()?;
        tried.extend(given(&schema, &case.values));
    }
    let known: BTreeSet<String> =
        known(&schema).into_iter().filter(|it| it != "global" && !it.starts_with("monitoring.")).collect();
    assert_eq!(tried, known, "what is tried, and what the schema knows");
    // Which Helm hands to every chart.
    Case::of("resources", json!({"global": {"any": 1}})).try_it()
}

/// Rules, PodMonitor and dashboard are those of deploy/monitoring, each by itself.
#[test]
fn monitoring_is_that_of_deploy_monitoring() -> Result<()> {
    let all = by_name(rendered(&monitoring())?)?;
    let variant = json!("daemon-resources");
    let base = made(&chart(), "elsewhere", &json!({"variant": variant}))?;
    let added = |values: Value| -> Result<BTreeMap<String, Value>> {
        let mut made = made(&chart(), "elsewhere", &json!({"variant": variant, "monitoring": values}))?;
        for (name, object) in &base {
            assert_eq!(made.remove(name).as_ref(), Some(object));
        }
        Ok(made)
    };
    for (value, name) in [
        ("podMonitor", "PodMonitor/lifeboat"),
        ("prometheusRule", "PrometheusRule/lifeboat"),
        ("dashboard", "ConfigMap/lifeboat-dashboard"),
    ] {
        let mut wanted = all[name].clone();
        wanted["metadata"]["namespace"] = "elsewhere".into();
        assert_eq!(added(json!({value: true}))?, BTreeMap::from([(name.to_owned(), wanted)]));
    }
    let on = json!({"podMonitor": true, "prometheusRule": true, "dashboard": true});
    let plain = added(on.clone())?;
    let mut values = on;
    values["labels"] = json!({"release": "it"});
    values["runbooks"] = json!("https://git.example.com/lifeboat/");
    let mut changed = added(values)?;
    let leads = "\"runbook_url\":\"https://git.example.com/lifeboat/deploy/monitoring/alerts.md#";
    ensure!(changed["PrometheusRule/lifeboat"].to_string().contains(leads));
    for (name, object) in &mut changed {
        let label = object["metadata"]["labels"].as_object_mut().and_then(|it| it.remove("release"));
        assert_eq!(label, Some(json!("it")), "{name}");
        let short = "\"runbook_url\":\"deploy/monitoring/alerts.md#";
        assert_eq!(object.to_string(), plain[name].to_string().replace(short, leads), "{name}");
    }
    Ok(())
}

fn schema() -> Result<Value> {
    Ok(serde_json::from_str(&fs::read_to_string(Path::new(&chart()).join("values.schema.json"))?)?)
}

/// The values below one of the schema's, if it has any by name.
fn below<'a>(schema: &'a Value, key: &str) -> Option<&'a serde_json::Map<String, Value>> {
    let of = &schema["properties"][key];
    let of = match of["$ref"].as_str() {
        Some(to) => schema.pointer(to.trim_start_matches('#')).unwrap_or(&Value::Null),
        None => of,
    };
    of["properties"].as_object()
}

/// Every value that the schema knows.
fn known(schema: &Value) -> Vec<String> {
    let keys = schema["properties"].as_object().into_iter().flat_map(|it| it.keys());
    let all = keys.flat_map(|key| match below(schema, key) {
        Some(fields) => fields.keys().map(|field| format!("{key}.{field}")).collect(),
        None => vec![key.clone()],
    });
    all.collect()
}

/// Those of them that these values give.
fn given(schema: &Value, values: &Value) -> Vec<String> {
    let all = values.as_object().into_iter().flatten().flat_map(|(key, value)| match below(schema, key) {
        Some(_) => {
            value.as_object().into_iter().flatten().map(|(field, _)| format!("{key}.{field}")).collect()
        }
        None => vec![key.clone()],
    });
    all.collect()
}

/// Its comments tell each of them.
#[test]
fn values_yaml_tells_every_value() -> Result<()> {
    let (schema, text) = (schema()?, fs::read_to_string(Path::new(&chart()).join("values.yaml"))?);
    let values: Value = serde_yaml::from_str(&text)?;
    let run = ["backup", "verify", "prune", "daemon", "drill"];
    let mut untold = known(&schema);
    untold.retain(|path| match path.split_once('.') {
        Some((key, field)) if run.contains(&key) => !text.contains(&format!("\n#   {field}: ")),
        Some((key, field)) => values[key][field].is_null(),
        None => path != "global" && values[path].is_null(),
    });
    assert_eq!(untold, Vec::<String>::new());
    // And what the comments show is taken, as it stands there.
    let (_, run) = text.split_once("# What is run.").context("it is not told what is run")?;
    let shown: String = run
        .lines()
        .filter_map(|line| line.strip_prefix("#   "))
        .filter(|line| line.contains(": "))
        .fold(String::new(), |all, line| all + line + "\n");
    let shown: Value = serde_yaml::from_str(&shown)?;
    let (mut job, mut daemon) = (shown.clone(), shown);
    for (of, not) in [
        (&mut job, &["replicas", "terminationGracePeriodSeconds"][..]),
        (&mut daemon, &["schedule", "timeZone", "suspend", "activeDeadlineSeconds"]),
    ] {
        not.iter().for_each(|field| drop(of.as_object_mut().unwrap().remove(*field)));
    }
    made(&chart(), "lifeboat", &json!({"backup": job}))?;
    made(&chart(), "lifeboat", &json!({"variant": "daemon-resources", "daemon": daemon})).map(drop)
}
