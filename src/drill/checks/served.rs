//! Whether staging serves every type of which objects were saved, and whether Secrets can be read.

use super::{Check, Results, counted, expected::unserved, objects::Unread};
use crate::{
    compare::Notes,
    object::{TypeName, is_restless},
    point::ResourceFacts,
    source::kube::ExportedObject,
};
use serde::Deserialize;
use std::{collections::BTreeSet, time::Duration};

/// The groups that another server answers for.
#[derive(Debug, Default)]
pub(super) struct Aggregated(BTreeSet<String>);

impl Aggregated {
    pub(super) fn see(&mut self, object: &ExportedObject) {
        #[derive(Deserialize)]
        struct ApiService {
            #[serde(default)]
            spec: Spec,
        }
        #[derive(Deserialize, Default)]
        struct Spec {
            #[serde(default)]
            group: String,
            #[serde(default)]
            service: Option<serde::de::IgnoredAny>,
        }
        let kind = &object.resource;
        if (&*kind.group, &*kind.resource) != ("apiregistration.k8s.io", "apiservices") {
            return;
        }
        if let Ok(ApiService { spec: Spec { group, service: Some(_) } }) =
            serde_json::from_slice(&object.to_vec())
        {
            self.0.insert(group);
        }
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    fn answers_for(&self, kind: &TypeName) -> bool {
        // What cannot be learned of a whole group is told by the group's name, which reads like a type's.
        self.0.contains(&*kind.group) || self.0.contains(&kind.to_string())
    }
}

/// Ends the checks of what is served, and tells why Secrets could not be read, if they could not.
pub(super) fn served(
    notes: &Notes,
    [saved, restored]: [&ResourceFacts; 2],
    aggregated: &Aggregated,
    results: &mut Results,
) -> Unread {
    let expected = "staging serves every type of which objects were exported";
    let mut check = Check::new("discovery", expected);
    let mut secrets = None;
    let mut told: BTreeSet<TypeName> = BTreeSet::new();
    for lacking in notes.not_compared.iter().filter(|it| it.side == "after") {
        told.insert(lacking.kind.clone());
        if lacking.kind.is("", "secrets") {
            secrets = Some(lacking.reason.clone());
            continue;
        }
        let message = format!("{} cannot be read: {}", lacking.kind, lacking.reason);
        check.group(message, 0, unserved(aggregated.answers_for(&lacking.kind)), Vec::new());
    }
    let names = |labels: &mut dyn Iterator<Item = &String>| -> BTreeSet<TypeName> {
        labels.filter_map(|label| TypeName::of_label(label)).map(|(kind, _)| kind).collect()
    };
    let served = names(&mut restored.counts.keys());
    let left_out = names(&mut restored.excluded.keys());
    let wanted = names(&mut saved.counts.keys());
    for kind in wanted.iter().filter(|kind| !served.contains(kind) && !left_out.contains(kind)) {
        if is_restless(kind) || told.contains(kind) {
            continue;
        }
        let message = format!("{kind}: its objects were exported, and staging does not know the type");
        check.group(message, 0, unserved(aggregated.answers_for(kind)), Vec::new());
    }
    let actual = format!("{} served, {} were exported", counted(served.len() as u64, "type"), wanted.len());
    results.end(check, actual, Duration::ZERO);
    secrets
}
