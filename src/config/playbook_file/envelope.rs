//! The file as a whole: head, metadata, and what belongs to every step.

use super::super::decode::{Cursor, Decode, FromText};
use super::super::model::ApiVersion;
use super::super::node::Node;
use super::calls::Call;
use super::guards::{guards, key};
use super::params::{declared, params};
use super::scope::{Lint, Scope};
use super::step::Within;
use super::values::{IsPlaybook, Name};
use crate::playbook::{
    actions::Action,
    model::{Guards, Keeping, OnFailure, Playbook, Reference, RunsOn, Step},
};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

pub(super) fn playbook(at: &Cursor<'_>, actions: &[&dyn Action]) -> Option<(Playbook, Vec<Call>)> {
    if matches!(at.node, Node::Null) {
        return at.fail("the file is empty; `lifeboat schema playbook` describes what belongs in it");
    }
    let mut fields = at.fields()?;
    fields.required::<ApiVersion>("apiVersion", "write `apiVersion: lifeboat.dev/v1`");
    fields.required::<IsPlaybook>("kind", "write `kind: Playbook`");
    let metadata =
        fields.required_at("metadata", "write the name, such as `metadata: {name: compromised-pod}`");
    let spec = fields.required_at("spec", "write what is done, under `spec: {description: …, steps: […]}`");
    fields.finish();
    let metadata = metadata.and_then(|at| Metadata::decode(&at));
    let (read, calls) = spec.and_then(|at| spec_of(&at, actions))?;
    let Metadata { name, labels } = metadata?;
    Some((Playbook { name, labels, ..read }, calls))
}

struct Metadata {
    name: String,
    labels: BTreeMap<String, String>,
}

impl Decode for Metadata {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        let mut fields = at.fields()?;
        let name =
            fields.required::<Name>("name", "write the playbook's name, such as `name: compromised-pod`");
        let labels = fields.get("labels").map_or(Some(BTreeMap::new()), |at| {
            at.map("labels, such as `incident.example.com/class: workload`")
        });
        fields.finish();
        Some(Metadata { name: name?.0, labels: labels? })
    }
}

fn spec_of(at: &Cursor<'_>, actions: &[&dyn Action]) -> Option<(Playbook, Vec<Call>)> {
    let mut fields = at.fields()?;
    let description = fields.required("description", "say in one sentence what the playbook does");
    let references = fields.or("references", Vec::new());
    let runs_on = fields.or("runsOn", RunsOn::Cluster);
    let timeout = fields.optional::<Duration>("timeout");
    let params_at = fields.get("params");
    let concurrency = fields.get("concurrency");
    let guards_at = fields.get("guards");
    let evidence = fields.or("evidence", Keeping::default());
    let on_failure = fields.or("onFailure", OnFailure::Abort);
    let steps_at =
        fields.required_at("steps", "write what is done, such as `steps: [{id: look, action: …}]`");
    let always_at = fields.get("always");
    fields.finish();

    let params_read = params_at.as_ref().map_or(Some(Vec::new()), params);
    let lint = Lint {
        actions,
        params: params_at.as_ref().map(declared).unwrap_or_default(),
        runs_on: runs_on.unwrap_or_default(),
        // Of two steps the first one counts.
        registered: [&always_at, &steps_at].into_iter().flatten().flat_map(registered).collect(),
        ids: RefCell::default(),
        names: RefCell::default(),
        steps: Cell::new(0),
        calls: RefCell::default(),
    };
    let concurrency = concurrency.map_or(Some(None), |at| key(&lint, &at).map(Some));
    let guards = guards_at.map_or(Some(Guards::default()), |at| guards(&lint, &at));
    let mut scope = Scope::default();
    let steps = steps_at.and_then(|at| sequence(&lint, &at, &mut scope, Within::default()));
    let always = always_at.map_or(Some(Vec::new()), |at| {
        sequence(&lint, &at, &mut scope, Within { always: true, ..Within::default() })
    });
    Some((
        Playbook {
            name: String::new(),
            labels: BTreeMap::new(),
            description: description?,
            references: references?,
            runs_on: runs_on?,
            timeout: timeout?,
            params: params_read?,
            concurrency: concurrency?,
            guards: guards?,
            evidence: evidence?,
            on_failure: on_failure?,
            steps: steps?,
            always: always?,
        },
        lint.calls.into_inner(),
    ))
}

/// Steps one after the other: each knows what the ones before it have brought, and the scope what all have.
pub(super) fn sequence(
    lint: &Lint<'_>,
    at: &Cursor<'_>,
    scope: &mut Scope,
    within: Within,
) -> Option<Vec<Step>> {
    let items = listed(at)?;
    let mut steps = Vec::new();
    for item in &items {
        let (step, brought) = lint.step(item, scope, within);
        scope.vars.extend(brought);
        steps.push(step);
    }
    steps.into_iter().collect()
}

/// The entries of a list of steps that is not empty.
pub(super) fn listed<'a>(at: &Cursor<'a>) -> Option<Vec<Cursor<'a>>> {
    match at.node {
        Node::List(items) if items.is_empty() => at.fail("has no steps in it"),
        Node::List(_) => Some(at.items()),
        _ => at.wrong_type("a list of steps, each with `- ` before it"),
    }
}

/// The names that the steps of a list register, with the steps' ids; the last ones first.
fn registered(at: &Cursor<'_>) -> Vec<(String, String)> {
    let text = |at: Option<Cursor<'_>>| match at.map(|at| at.node) {
        Some(Node::Text(text)) => Some(text.clone()),
        _ => None,
    };
    let mut found = Vec::new();
    for step in at.items().into_iter().rev() {
        if let (Some(name), Some(id)) = (text(step.entry("register")), text(step.entry("id"))) {
            found.push((name, id));
        }
        for inner in ["parallel", "block", "rescue"] {
            found.extend(step.entry(inner).iter().flat_map(registered));
        }
    }
    found
}

impl Decode for Reference {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        let mut fields = at.fields()?;
        let name = fields.required("name", "write whose it is, such as `name: MITRE ATT&CK`");
        let id = fields.required("id", "write what it is called there, such as `id: T1611`");
        fields.finish();
        Some(Reference { name: name?, id: id? })
    }
}

impl Decode for Keeping {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        let mut fields = at.fields()?;
        let encrypt_to = fields.or("encryptTo", Vec::<super::super::values::Recipient>::new());
        let required = fields.or("required", false);
        fields.finish();
        let encrypt_to = encrypt_to?.iter().map(|recipient| recipient.as_str().to_owned()).collect();
        Some(Keeping { encrypt_to, required: required? })
    }
}

/// A repeated name.
pub(super) fn once(names: &RefCell<BTreeSet<String>>, at: &Cursor<'_>, name: &str, message: &str) {
    if !names.borrow_mut().insert(name.to_owned()) {
        at.fail::<()>(message);
    }
}

/// The words of a list, none of which is there twice.
pub(super) fn distinct<T: FromText>(at: &Cursor<'_>, text: impl Fn(&T) -> &str) -> Option<Vec<T>> {
    let read = Vec::<T>::decode(at)?;
    let mut seen = BTreeSet::new();
    for (item, at) in read.iter().zip(at.items()) {
        if !seen.insert(text(item).to_owned()) {
            at.fail::<()>("given twice; keep one");
        }
    }
    Some(read)
}
