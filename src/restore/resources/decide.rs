use super::{OnConflict, Options, bind::blank, plan::Action};
use crate::{
    object::{FieldChange, TypeName, Veil, clean, diff},
    source::kube::LiveObject,
};
use serde_json::Value;

/// What is to be done with an object that is there.
#[derive(Debug)]
pub(super) struct Verdict {
    pub(super) action: Action,
    pub(super) reason: &'static str,
    /// What is special about this one.
    pub(super) detail: Option<String>,
    pub(super) changes: Vec<FieldChange>,
    /// The live one is being deleted.
    pub(super) ends: bool,
}

impl Verdict {
    /// There is nothing to do.
    pub(super) fn same() -> Self {
        Verdict { action: Action::Skip, reason: SAME, detail: None, changes: Vec::new(), ends: false }
    }
}

pub(super) const ENDS: &str = "what is there is being deleted";
pub(super) const SAME: &str = "it is there, and the same";
pub(super) const FORBIDDEN: &str = "it is there, and differs, which was not to be";

/// Compares what is wanted with what is there. Fields that the server set count for neither.
pub(super) fn decide(
    kind: &TypeName,
    mut wanted: Value,
    live: &LiveObject,
    options: &Options,
    veil: &Veil,
) -> Verdict {
    let verdict = |action, reason| Verdict { action, reason, detail: None, changes: Vec::new(), ends: false };
    let Ok(mut there) = serde_json::from_slice::<Value>(&live.json) else {
        return verdict(Action::Conflict, "what is there cannot be read");
    };
    if there["metadata"]["deletionTimestamp"].is_string() {
        let detail = holds(&there);
        return Verdict { ends: true, detail, ..verdict(Action::Conflict, ENDS) };
    }
    if options.only_missing {
        return verdict(Action::Skip, "it is there");
    }
    clean(kind, &mut there, &options.keep);
    blank(&mut there);
    blank(&mut wanted);
    if wanted == there {
        return Verdict::same();
    }
    veil.cover(kind, &mut there);
    veil.cover(kind, &mut wanted);
    let changes = diff(&there, &wanted);
    let (action, reason) = match options.policy.of(kind) {
        OnConflict::Skip => (Action::Skip, "it is there, and differs"),
        OnConflict::Fail => (Action::Conflict, FORBIDDEN),
        OnConflict::Update | OnConflict::Recreate => (Action::Update, "it differs"),
    };
    Verdict { changes, ..verdict(action, reason) }
}

/// What an object that is being deleted waits for: its finalizers, and what a namespace tells of those in it.
fn holds(there: &Value) -> Option<String> {
    let finalizers = there["metadata"]["finalizers"].as_array().into_iter().flatten();
    let named = |name: &str| match name {
        "orphan" | "foregroundDeletion" => format!("{name} (which the garbage collector removes)"),
        name => name.to_owned(),
    };
    let finalizers: Vec<String> = finalizers.filter_map(Value::as_str).map(named).collect();
    let conditions = there["status"]["conditions"].as_array().into_iter().flatten();
    let told = conditions
        .filter(|it| it["status"] == "True" && there["kind"] == "Namespace")
        .filter_map(|it| it["message"].as_str().map(str::to_owned));
    let held = (!finalizers.is_empty()).then(|| format!("it waits for {}", finalizers.join(", ")));
    let all: Vec<String> = held.into_iter().chain(told).collect();
    (!all.is_empty()).then(|| all.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_holds_an_object_is_told() {
        let deleted = json!({"metadata": {"finalizers": ["example.com/a", "example.com/b"]}});
        assert_eq!(holds(&deleted).as_deref(), Some("it waits for example.com/a, example.com/b"));
        let orphaning = json!({"metadata": {"finalizers": ["orphan"]}});
        assert_eq!(
            holds(&orphaning).as_deref(),
            Some("it waits for orphan (which the garbage collector removes)")
        );
        let condition = |status: &str, message: &str| json!({"status": status, "message": message});
        let namespace = json!({"kind": "Namespace", "metadata": {}, "status": {"conditions": [
            condition("False", "all is well"), condition("True", "in 1 resource instances"),
        ]}});
        assert_eq!(holds(&namespace).as_deref(), Some("in 1 resource instances"));
        assert_eq!(holds(&json!({"metadata": {}})), None);
    }
}
