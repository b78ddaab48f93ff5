//! How each section is read, and the rules between fields.

use super::super::decode::{Cursor, Decode};
use super::super::node::Node;
use super::super::restore_spec::{AnyValue, KindName, Namespace, Pointer};
use super::values::{Cel, WITHIN};
use super::{
    DRILL_CHECKS, DRILL_PHASES, DrillCel, DrillCheck, DrillControlPlane, DrillCount, DrillObject,
    DrillObjectives, DrillPoint, DrillRestores, DrillRun, DrillSpec, DrillStaging, DrillWeight,
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
        let restore = fields.or("restore", vec![DrillRestores::Etcd]);
        let staging = fields.or("staging", DrillStaging::default());
        let objectives = fields.or("objectives", DrillObjectives::default());
        let severity = fields.get("severity").map_or(Some(BTreeMap::new()), |at| weights(&at));
        let checks: Option<Vec<DrillCheck>> = fields.or("checks", Vec::new());
        let within = fields.or("within", WITHIN);
        fields.finish();
        if let Some(list) = at.entry("restore")
            && restore.as_ref().is_some_and(Vec::is_empty)
        {
            return list.fail("restores nothing: write `[etcd]`");
        }
        let mut names = BTreeSet::from(DRILL_CHECKS);
        for (check, at) in checks.iter().flatten().zip(at.entry("checks").iter().flat_map(Cursor::items)) {
            if !names.insert(check.name.as_str()) {
                at.fail::<()>(format!("another check is called `{}`, too", check.name));
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

impl Decode for DrillStaging {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        let mut fields = at.fields()?;
        fields.later(&["kind", "existing"]);
        let controlplane = fields.or("controlplane", DrillControlPlane::default());
        fields.finish();
        Some(DrillStaging { controlplane: controlplane? })
    }
}

impl Decode for DrillControlPlane {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        let default = Self::default();
        let mut fields = at.fields()?;
        let etcd = fields.optional::<String>("etcd");
        let kube_apiserver = fields.optional::<String>("kubeApiserver");
        let directory = fields.optional::<String>("directory");
        let encryption_config = fields.optional::<String>("encryptionConfig");
        let range = fields.optional::<String>("serviceClusterIPRange");
        let args = fields.or("args", default.args);
        let ready_within = fields.or("readyWithin", default.ready_within);
        fields.finish();
        Some(DrillControlPlane {
            etcd: etcd?.map(Into::into),
            kube_apiserver: kube_apiserver?.map(Into::into),
            directory: directory?.map(Into::into),
            encryption_config: encryption_config?.map(Into::into),
            service_cluster_ip_range: range?,
            args: args?,
            ready_within: ready_within?,
        })
    }
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
        let command = fields.optional("command");
        fields.finish();
        let given =
            ["count", "object", "cel", "command"].iter().filter(|name| at.entry(name).is_some()).count();
        if given != 1 {
            return at.fail("needs exactly one of `count`, `object`, `cel` and `command`: what is checked");
        }
        Some(DrillCheck {
            name: name?,
            severity: severity?,
            count: count?,
            object: object?,
            cel: cel?,
            command: command?,
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
