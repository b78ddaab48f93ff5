use super::{
    Options, ResourcesError, Target, bind::Bound, draft::Draft, findings::Finding, gather::Gathered,
    live::Judge,
};
use crate::{
    object::{FieldChange, Identity, Veil},
    point::Digest,
    source::kube::ResourceType,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt, sync::Arc};

/// What is to be done with an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// It is not there, and will be made.
    Create,
    /// It is there, and becomes what was saved.
    Update,
    /// It is there, is deleted, and made again.
    Recreate,
    /// Nothing.
    Skip,
    /// Nothing can be done, though it should be.
    Conflict,
}

/// Why something is done, or is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// In words that are the same for many objects.
    pub text: String,
    /// What is special about this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.detail {
            None => f.write_str(&self.text),
            Some(detail) => write!(f, "{}: {detail}", self.text),
        }
    }
}

/// What is to be done with one object.
#[derive(Debug, Clone)]
pub struct Planned {
    /// The object, as it was saved.
    pub object: Identity,
    /// The object in the target.
    pub to: Identity,
    /// What is done.
    pub action: Action,
    /// Why.
    pub reason: Option<Reason>,
    /// The fields that change, values of Secrets as digests.
    pub changes: Vec<FieldChange>,
    /// What else is to be known.
    pub notes: Vec<String>,
    /// UID and resourceVersion of what is there.
    pub live: Option<(String, String)>,
    /// Its order: what others need comes first.
    pub(super) wave: (u8, u16),
    pub(super) kind: Option<Arc<ResourceType>>,
    pub(super) saved: usize,
    pub(super) owners: Vec<Bound>,
}

/// What is to be done.
pub struct Plan {
    /// What it restores from.
    pub source: String,
    /// SHA-256 of that.
    pub digest: Digest,
    /// The target's address.
    pub server: String,
    /// The target's UID.
    pub cluster_uid: Option<String>,
    /// When it was made.
    pub made_at: Timestamp,
    /// The objects, in the order in which they are restored.
    pub objects: Vec<Planned>,
    /// What is wrong or doubtful with the whole.
    pub findings: Vec<Finding>,
    /// Objects of the source that were not asked for.
    pub passed_over: u64,
    pub(super) gathered: Arc<Gathered>,
}

impl Plan {
    /// How many objects there are for each action.
    pub fn counts(&self) -> BTreeMap<Action, usize> {
        let mut counts = BTreeMap::new();
        for planned in &self.objects {
            *counts.entry(planned.action).or_default() += 1;
        }
        counts
    }

    /// Does anything stand against any of it?
    pub fn has_conflicts(&self) -> bool {
        self.objects.iter().any(|planned| planned.action == Action::Conflict)
    }

    /// Is there something that was not to be, so that nothing at all may be restored?
    pub fn is_forbidden(&self) -> bool {
        let forbids = |reason: &Reason| reason.text == super::decide::FORBIDDEN;
        self.objects.iter().any(|planned| planned.reason.as_ref().is_some_and(forbids))
    }
}

impl Planned {
    pub(super) fn conflict(&mut self, text: &str, detail: Option<String>) {
        self.action = Action::Conflict;
        self.reason = Some(Reason { text: text.to_owned(), detail });
    }

    /// Is it there already, just as it is to be?
    pub fn is_the_same(&self) -> bool {
        let same = |reason: &Reason| reason.text == super::decide::SAME;
        self.action == Action::Skip && self.reason.as_ref().is_some_and(same)
    }

    /// Does something stand against it?
    pub fn conflicts(&self) -> bool {
        self.action == Action::Conflict
    }

    /// Does nothing stand against it but what is being deleted, and will be gone?
    pub fn waits(&self) -> bool {
        let going =
            |reason: &Reason| reason.text == super::decide::ENDS || reason.text == super::draft::CLOSED;
        self.conflicts() && self.reason.as_ref().is_some_and(going)
    }

    /// The type that it is written as, where the target knows one.
    pub fn resource_type(&self) -> Option<&ResourceType> {
        self.kind.as_deref()
    }

    /// Does it change the target?
    pub fn writes(&self) -> bool {
        matches!(self.action, Action::Create | Action::Update | Action::Recreate)
    }
}

/// Finds out what is to be done. Nothing is changed. `key` is random: the values of Secrets are digested with it.
///
/// # Errors
/// When the target cannot be read, or an object cannot be rewritten.
pub async fn plan(
    target: &Target,
    gathered: impl Into<Arc<Gathered>>,
    options: &Options,
    key: [u8; 32],
    now: Timestamp,
) -> Result<Plan, ResourcesError> {
    let judge = Judge { gathered: gathered.into(), options: Arc::new(options.clone()), veil: Veil::new(key) };
    let mut draft = Draft::new(target, &judge);
    draft.types();
    draft.needed()?;
    draft.meetings();
    draft.owners().await?;
    draft.live().await?;
    draft.namespaces();
    draft.waves();
    let Draft { mut planned, .. } = draft;
    planned.sort_by(|a, b| (a.wave, &a.to).cmp(&(b.wave, &b.to)));
    let mut plan = Plan {
        source: judge.gathered.source.clone(),
        digest: judge.gathered.digest,
        server: target.cluster.server().to_owned(),
        cluster_uid: target.facts.uid.clone(),
        made_at: now,
        passed_over: judge.gathered.passed_over,
        findings: Vec::new(),
        objects: planned,
        gathered: judge.gathered.clone(),
    };
    super::findings::find(&mut plan, target, options).await?;
    if options.try_out {
        super::try_out::try_out(&mut plan, target, options).await?;
    }
    Ok(plan)
}
