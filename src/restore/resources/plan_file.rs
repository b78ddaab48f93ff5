use super::{Action, Finding, Plan, Planned, ResourcesError, decide::SAME};
use crate::{object::FieldChange, point::Digest};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{collections::HashMap, path::Path};

const KIND: &str = "lifeboat.resources-plan";
const VERSION: u32 = 1;

/// A plan as it is written, to be read by people and carried out later. Values of Secrets are not in it: what is restored
/// is taken from the source again, which must be the same.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlanFile {
    kind: String,
    version: u32,
    /// What it restores from.
    pub source: String,
    /// SHA-256 of that.
    pub sha256: Digest,
    /// The target's address.
    pub server: String,
    /// The target's UID.
    pub cluster_uid: Option<String>,
    /// When it was made.
    pub made_at: Timestamp,
    /// What was asked for.
    pub request: Value,
    /// What is done with each object.
    objects: Vec<Entry>,
    #[serde(default, skip_deserializing)]
    findings: Vec<Finding>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    object: String,
    action: Action,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    saved_as: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    uid: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resource_version: Option<String>,
    #[serde(default, skip_deserializing, skip_serializing_if = "Vec::is_empty")]
    changes: Vec<FieldChange>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
}

/// In what the cluster is not what it was when a plan was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Drift {
    /// The object.
    pub object: String,
    /// What the plan says, and what is now.
    pub text: String,
}

impl Entry {
    fn new(planned: &Planned) -> Self {
        let (uid, resource_version) = planned.live.clone().unzip();
        Entry {
            object: planned.to.to_string(),
            action: planned.action,
            saved_as: (planned.object != planned.to).then(|| planned.object.to_string()),
            reason: planned.reason.as_ref().map(ToString::to_string),
            uid,
            resource_version,
            changes: planned.changes.clone(),
            notes: planned.notes.clone(),
        }
    }
}

impl PlanFile {
    /// A plan to be written, and what was asked for when it was made.
    pub fn new(plan: &Plan, request: Value) -> Self {
        PlanFile {
            kind: KIND.to_owned(),
            version: VERSION,
            source: plan.source.clone(),
            sha256: plan.digest,
            server: plan.server.clone(),
            cluster_uid: plan.cluster_uid.clone(),
            made_at: plan.made_at,
            request,
            objects: plan.objects.iter().map(Entry::new).collect(),
            findings: plan.findings.clone(),
        }
    }

    /// Reads a plan.
    ///
    /// # Errors
    /// When the file cannot be read, or is not a plan of this version.
    pub fn read(path: &Path) -> Result<Self, ResourcesError> {
        let wrong = |reason: String| ResourcesError::PlanFile { file: path.display().to_string(), reason };
        let text = std::fs::read(path).map_err(|e| wrong(e.to_string()))?;
        let plan: PlanFile = serde_json::from_slice(&text).map_err(|e| wrong(e.to_string()))?;
        if plan.kind != KIND {
            return Err(wrong(format!("it is a {:?}, not a {KIND:?}", plan.kind)));
        }
        if plan.version != VERSION {
            return Err(wrong(format!("its version is {}, and this program knows {VERSION}", plan.version)));
        }
        Ok(plan)
    }

    /// Narrows the plan of now to what this one says, and tells in what they differ. What was done already, as by a
    /// restore that was interrupted, is no difference.
    pub fn drift(&self, now: &mut Plan) -> Vec<Drift> {
        let mut drifts = Vec::new();
        let mut drift = |object: &str, text: String| drifts.push(Drift { object: object.to_owned(), text });
        if self.cluster_uid != now.cluster_uid {
            drift("the target", "it is another cluster than the one that the plan was made for".to_owned());
        }
        if self.sha256 != now.digest {
            drift("the source", "it does not hold what it held when the plan was made".to_owned());
        }
        let mut then: HashMap<&str, &Entry> = self.objects.iter().map(|it| (&*it.object, it)).collect();
        for planned in &mut now.objects {
            let object = planned.to.to_string();
            let Some(entry) = then.remove(&*object) else {
                drift(&object, "it is not in the plan".to_owned());
                continue;
            };
            match compare(entry, planned) {
                Ok(()) => {}
                Err(text) => drift(&object, text),
            }
        }
        let mut missed: Vec<&str> = then.into_keys().collect();
        missed.sort_unstable();
        for object in missed {
            drift(object, "it is in the plan, and nothing is to be done with it now".to_owned());
        }
        drifts
    }
}

fn compare(then: &Entry, now: &mut Planned) -> Result<(), String> {
    let done = now.reason.as_ref().is_some_and(|reason| reason.text == SAME);
    match (then.action, now.action) {
        // What was to be left as it is may be what others need.
        (Action::Skip, Action::Create) if then.uid.is_some() => Err("it was there, and is gone".to_owned()),
        // Nothing was to be done, and nothing is.
        (Action::Skip | Action::Conflict, _) => {
            if now.writes() {
                now.action = then.action;
                now.reason = then
                    .reason
                    .clone()
                    .map(|text| super::Reason { text: format!("so says the plan: {text}"), detail: None });
            }
            Ok(())
        }
        (_, Action::Skip) if done => Ok(()),
        (Action::Create, Action::Create) => Ok(()),
        // It was deleted to be made again, and then the restore was interrupted.
        (Action::Recreate, Action::Create) => Ok(()),
        (Action::Update | Action::Recreate, Action::Update | Action::Recreate) => {
            let live = now.live.as_ref();
            if then.uid.as_ref() != live.map(|it| &it.0) {
                return Err("it was deleted and made again since".to_owned());
            }
            if then.resource_version.as_ref() != live.map(|it| &it.1) {
                return Err("it was changed since".to_owned());
            }
            now.action = then.action;
            Ok(())
        }
        (Action::Create, _) => Err("it was not there, and is there now".to_owned()),
        (_, Action::Create) => Err("it was there, and is gone".to_owned()),
        (_, _) => {
            let why = now.reason.as_ref().map_or_else(String::new, ToString::to_string);
            Err(format!("it was to be changed, and now: {why}"))
        }
    }
}
