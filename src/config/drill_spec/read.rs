//! How each section is read, and the rules between fields.

use super::super::decode::{Cursor, Decode};
use super::super::node::Node;
use super::super::restore_spec::{AnyValue, KindName, Namespace, Pointer};
use super::values::{Cel, WITHIN, WorkloadKind};
use super::{
    DRILL_CHECKS, DRILL_PHASES, DrillCel, DrillCheck, DrillCount, DrillExec, DrillObject, DrillObjectives,
    DrillPoint, DrillProbe, DrillRehearsal, DrillRestores, DrillRun, DrillSpec, DrillStaging, DrillWeight,
    DrillWorkload,
};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

impl Decode for DrillSpec {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        if matches!(at.node, Node::Null) {
            return at.fail("the file is empty; `lifeboat schema drill` describes what belongs in it");
        }
        let mut fields = at.fields()?;
        let api_version = fields.required("apiVersion", "write `apiVersion: lifeboat.dev/v1`");
        let kind = fields.required("kind", "write `kind: Drill`");
        let name = fields.required("name", "write the drill's name, such as `name: quarterly`");
        let scenario = fields.optional("scenario");
        let point = fields.or("point", DrillPoint::Latest);
        let staging = fields.or("staging", DrillStaging::default());
        let in_existing = staging.as_ref().is_some_and(|staging| staging.existing.is_some());
        let usual = if in_existing { DrillRestores::Resources } else { DrillRestores::Etcd };
        let restore = fields.or("restore", vec![usual]);
        let objectives = fields.or("objectives", DrillObjectives::default());
        let severity = fields.get("severity").map_or(Some(BTreeMap::new()), |at| weights(&at));
        let checks: Option<Vec<DrillCheck>> = fields.or("checks", Vec::new());
        let evidence = fields.optional("evidence");
        let notify = fields.or("notify", Vec::new());
        let within = fields.or("within", WITHIN);
        fields.finish();
        if let Some(list) = at.entry("restore")
            && restore.as_ref().is_some_and(Vec::is_empty)
        {
            return list.fail("restores nothing: write `[etcd]`, `[resources]` or both");
        }
        if let Some(list) = at.entry("restore")
            && restore.as_ref().is_some_and(|all| all.len() > 1 && all[1..].contains(&all[0]))
        {
            return list.fail("names one of them twice");
        }
        for (what, at) in restore.iter().flatten().zip(at.entry("restore").iter().flat_map(Cursor::items)) {
            if in_existing && *what == DrillRestores::Etcd {
                at.fail::<()>("cannot be restored into an existing cluster, whose etcd is never touched: write `restore: [resources]`, or use another staging");
            }
        }
        let mut names = BTreeSet::from(DRILL_CHECKS);
        for (check, at) in checks.iter().flatten().zip(at.entry("checks").iter().flat_map(Cursor::items)) {
            if !names.insert(check.name.as_str()) {
                at.fail::<()>(format!("another check is called `{}`, too", check.name));
            }
        }
        let runs = staging.as_ref().is_none_or(DrillStaging::runs_workloads);
        for (check, at) in checks.iter().flatten().zip(at.entry("checks").iter().flat_map(Cursor::items)) {
            if !runs && (check.workload.is_some() || check.http.is_some() || check.exec.is_some()) {
                at.fail::<()>("needs workloads that run, and this staging has no node for them: write `staging: {kind: {}}`");
            }
            if in_existing && check.playbook.is_some() {
                at.fail::<()>("changes a cluster that others use: playbooks are rehearsed in `kind` or in `controlplane`");
            }
        }
        Some(DrillSpec {
            api_version: api_version?,
            kind: kind?,
            name: name?,
            scenario: scenario?,
            point: point?,
            restore: restore?,
            staging: staging?,
            objectives: objectives?,
            severity: severity?,
            checks: checks?,
            evidence: evidence?,
            notify: notify?,
            within: within?,
        })
    }
}

fn weights(at: &Cursor<'_>) -> Option<BTreeMap<String, DrillWeight>> {
    let entries = at.named("checks and how much each counts, such as `references: warning`")?;
    let read = entries.iter().map(|entry| {
        if !DRILL_CHECKS.contains(&entry.name) {
            let text = format!(
                "no check is called so; these are: {} (a check of this file has a `severity` of its own)",
                DRILL_CHECKS.join(", ")
            );
            return entry.key.fail(text);
        }
        // YAML takes a bare `off` for false.
        let weight = match entry.value.node {
            Node::Bool(false) => Some(DrillWeight::Off),
            _ => DrillWeight::decode(&entry.value),
        };
        Some((entry.name.to_owned(), weight?))
    });
    let read: Vec<Option<_>> = read.collect();
    read.into_iter().collect()
}

impl Decode for DrillObjectives {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        let mut fields = at.fields()?;
        let rpo = fields.optional("rpo");
        let rto = fields.optional("rto");
        let phases = fields.get("phases").map_or(Some(BTreeMap::new()), |at| {
            let entries = at.named("phases and how long each may take, such as `restore: 5m`")?;
            let read = entries.iter().map(|entry| {
                if !DRILL_PHASES.contains(&entry.name) {
                    return entry
                        .key
                        .fail(format!("no phase is called so; these are: {}", DRILL_PHASES.join(", ")));
                }
                Some((entry.name.to_owned(), Duration::decode(&entry.value)?))
            });
            let read: Vec<Option<_>> = read.collect();
            read.into_iter().collect()
        });
        fields.finish();
        Some(DrillObjectives { rpo: rpo?, rto: rto?, phases: phases? })
    }
}

impl Decode for DrillCheck {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        let mut fields = at.fields()?;
        let name = fields.required("name", "write the check's name, such as `name: shop-has-orders`");
        let severity = match fields.get("severity") {
            Some(at) if matches!(at.node, Node::Bool(false)) => Some(Some(DrillWeight::Off)),
            Some(at) => DrillWeight::decode(&at).map(Some),
            None => Some(None),
        };
        let count = fields.optional("count");
        let object = fields.optional("object");
        let cel = fields.optional("cel");
        let workload = fields.optional("workload");
        let http = fields.optional("http");
        let exec = fields.optional("exec");
        let command = fields.optional("command");
        let playbook = fields.optional("playbook");
        fields.finish();
        let names = ["count", "object", "cel", "workload", "http", "exec", "command", "playbook"];
        if names.iter().filter(|name| at.entry(name).is_some()).count() != 1 {
            return at.fail(
                "needs exactly one of `count`, `object`, `cel`, `workload`, `http`, `exec`, `command` and `playbook`: what is checked",
            );
        }
        Some(DrillCheck {
            name: name?,
            severity: severity?,
            count: count?,
            object: object?,
            cel: cel?,
            workload: workload?,
            http: http?,
            exec: exec?,
            command: command?,
            playbook: playbook?,
        })
    }
}

impl Decode for DrillCount {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        let mut fields = at.fields()?;
        let kind = fields.required::<KindName>("kind", "write the type, such as `kind: deployments`");
        let namespace = fields.optional::<Namespace>("namespace");
        let labels = fields.optional("labels");
        let mut number = |name| match fields.get(name) {
            Some(at) => at.number(0, u32::MAX).map(Some),
            None => Some(None),
        };
        let (at_least, at_most, exactly) = (number("atLeast"), number("atMost"), number("exactly"));
        fields.finish();
        let (at_least, at_most, exactly) = (at_least?, at_most?, exactly?);
        match (at_least, at_most, exactly) {
            (None, None, None) => {
                return at.fail("says not how many: write `atLeast`, `atMost` or `exactly`");
            }
            (Some(_), _, Some(_)) | (_, Some(_), Some(_)) => {
                return at.fail("says how many in two ways: `exactly` stands alone");
            }
            (Some(least), Some(most), _) if least > most => {
                return at.fail("can never hold: atLeast is more than atMost");
            }
            _ => {}
        }
        let (kind, namespace) = (kind?.0, namespace?.map(|it| it.0));
        Some(DrillCount { kind, namespace, labels: labels?, at_least, at_most, exactly })
    }
}

impl Decode for DrillObject {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        let mut fields = at.fields()?;
        let kind = fields.required::<KindName>("kind", "write the type, such as `kind: deployments`");
        let namespace = fields.optional::<Namespace>("namespace");
        let name = fields.required("name", "write the object's name");
        let path = fields.required::<Pointer>("path", "write the field, such as `path: /spec/replicas`");
        let equals = fields.optional::<AnyValue>("equals");
        let exists = fields.optional("exists");
        fields.finish();
        let (equals, exists) = (equals?.map(|it| it.0), exists?);
        if equals.is_some() == exists.is_some() {
            return at.fail("needs exactly one of `equals` and `exists`: what should be there");
        }
        let (kind, namespace) = (kind?.0, namespace?.map(|it| it.0));
        Some(DrillObject { kind, namespace, name: name?, path: path?.0, equals, exists })
    }
}

impl Decode for DrillCel {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        let mut fields = at.fields()?;
        let kind = fields.required::<KindName>("kind", "write the type, such as `kind: deployments`");
        let namespace = fields.optional::<Namespace>("namespace");
        let labels = fields.optional("labels");
        let (each, list) = (fields.optional::<Cel>("each"), fields.optional::<Cel>("list"));
        fields.finish();
        let (each, list) = (each?.map(|it| it.0), list?.map(|it| it.0));
        if each.is_some() == list.is_some() {
            return at.fail(
                "needs exactly one of `each` and `list`: an expression about `object`, or about `objects`",
            );
        }
        let (kind, namespace) = (kind?.0, namespace?.map(|it| it.0));
        Some(DrillCel { kind, namespace, labels: labels?, each, list })
    }
}

impl Decode for DrillWorkload {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        let mut fields = at.fields()?;
        let kind = fields.optional::<WorkloadKind>("kind");
        let namespace = fields.required::<Namespace>("namespace", "write where the workloads are");
        let name = fields.optional("name");
        let labels = fields.optional("labels");
        let ready_within = fields.or("readyWithin", Duration::from_secs(300));
        fields.finish();
        Some(DrillWorkload {
            kind: kind?.map(|it| it.0),
            namespace: namespace?.0,
            name: name?,
            labels: labels?,
            ready_within: ready_within?,
        })
    }
}

impl Decode for DrillProbe {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        let mut fields = at.fields()?;
        let namespace = fields.required::<Namespace>("namespace", "write where the pod is");
        let labels = fields.required("labels", "write which pods, such as `labels: app=storefront`");
        let port = match fields.get("port") {
            Some(at) => at.number(1, u16::MAX.into()).and_then(|port| u16::try_from(port).ok()),
            None => at.fail("says not on which port the pod listens: write `port`"),
        };
        let path = fields.or("path", "/".to_owned());
        let status = match fields.get("status") {
            Some(at) => at.number(100, 599).and_then(|status| u16::try_from(status).ok()),
            None => Some(200),
        };
        let contains = fields.optional("contains");
        let within = fields.or("within", Duration::from_secs(60));
        fields.finish();
        let path: String = path?;
        let plain = |c: char| c.is_ascii_graphic();
        if !path.starts_with('/') || !path.chars().all(plain) {
            return at.fail(
                "needs a path that begins with a slash and holds no spaces, as it stands in a request",
            );
        }
        Some(DrillProbe {
            namespace: namespace?.0,
            labels: labels?,
            port: port?,
            path,
            status: status?,
            contains: contains?,
            within: within?,
        })
    }
}

impl Decode for DrillExec {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        let mut fields = at.fields()?;
        let namespace = fields.required::<Namespace>("namespace", "write where the pod is");
        let labels = fields.required("labels", "write which pods, such as `labels: app=storefront`");
        let container = fields.optional("container");
        let argv: Option<Vec<String>> =
            fields.required("argv", "write the program and its arguments, such as `argv: [pg_isready]`");
        let timeout = fields.or("timeout", Duration::from_secs(60));
        fields.finish();
        if argv.as_ref().is_some_and(Vec::is_empty) {
            return at.fail("names no program: `argv` is empty");
        }
        Some(DrillExec {
            namespace: namespace?.0,
            labels: labels?,
            container: container?,
            argv: argv?,
            timeout: timeout?,
        })
    }
}

impl Decode for DrillRehearsal {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        let mut fields = at.fields()?;
        let file = fields.required::<String>(
            "file",
            "write the playbook's file, such as `file: compromised-pod/playbook.yaml`",
        );
        let params = fields.get("params").map_or(Some(BTreeMap::new()), |at| {
            let told = at.map::<AnyValue>("what the playbook is told, such as `incident: DRILL-1`")?;
            Some(told.into_iter().map(|(name, value)| (name, value.0)).collect())
        });
        let within = fields.or("within", Duration::from_secs(600));
        fields.finish();
        Some(DrillRehearsal { file: file?.into(), params: params?, within: within? })
    }
}

impl Decode for DrillRun {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        let mut fields = at.fields()?;
        let argv: Option<Vec<String>> =
            fields.required("argv", "write the program and its arguments, such as `argv: [./smoke.sh]`");
        let timeout = fields.or("timeout", Duration::from_secs(60));
        fields.finish();
        if argv.as_ref().is_some_and(Vec::is_empty) {
            return at.fail("names no program: `argv` is empty");
        }
        Some(DrillRun { argv: argv?, timeout: timeout? })
    }
}
