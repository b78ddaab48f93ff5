//! One planned write, for real or to try it: the body is made from what is saved and what is live at this moment.

use super::{
    Action, Options, Planned, ResourcesError, bind::bind, decide::SAME, decide::decide, gather::Gathered,
};
use crate::{
    object::{TypeName, Veil, carry_over, clean},
    source::kube::{Cluster, LiveObject, Refusal, ResourceType, Writing, Written},
};
use bytes::Bytes;
use serde_json::Value;

pub(super) const APPEARED: &str = "it appeared meanwhile, and differs";

/// What a write needs to know.
pub(super) struct Writer<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) gathered: &'a Gathered,
    pub(super) options: &'a Options,
    pub(super) dry_run: bool,
}

/// What came of a write.
#[derive(Debug)]
pub(super) enum Wrote {
    Created(Written),
    Updated(Written),
    Recreated(Written),
    /// What is there is what is wanted.
    Unchanged(Written),
}

impl Wrote {
    /// What is there now.
    pub(super) fn written(&self) -> &Written {
        match self {
            Wrote::Created(it) | Wrote::Updated(it) | Wrote::Recreated(it) | Wrote::Unchanged(it) => it,
        }
    }
}

/// Why a write did not come about.
#[derive(Debug)]
pub(super) enum NotWritten {
    Refused(Refusal),
    /// What is there is not what the plan saw.
    Changed(&'static str),
    /// An owner is not there: its place among the gathered objects.
    Owner(usize),
    Unusable(String),
}

impl From<Refusal> for NotWritten {
    fn from(refusal: Refusal) -> Self {
        NotWritten::Refused(refusal)
    }
}

impl From<ResourcesError> for NotWritten {
    fn from(error: ResourcesError) -> Self {
        NotWritten::Unusable(error.to_string())
    }
}

impl Writer<'_> {
    /// Carries out what is planned for one object; `uid` tells the UIDs of owners.
    pub(super) async fn write(
        &self,
        planned: &Planned,
        uid: impl Fn(usize) -> Option<String>,
    ) -> Result<Wrote, NotWritten> {
        let Some(kind) = &planned.kind else {
            return Err(NotWritten::Unusable("its type is not known".to_owned()));
        };
        let saved = &self.gathered.objects[planned.saved];
        let mut wanted = self.gathered.prepare(saved, kind, self.options)?;
        bind(&mut wanted, &planned.owners, uid).map_err(NotWritten::Owner)?;
        let namespace = planned.to.namespace.as_deref();
        let wrote = match planned.action {
            Action::Create => self.create(planned, kind, namespace, &wanted).await?,
            Action::Update => {
                let live = self.as_planned(planned, kind, &wanted).await?;
                match self.replace(&planned.object.kind, kind, &live, wanted.clone()).await {
                    Err(NotWritten::Refused(refusal))
                        if refusal.invalid() && self.recreates(planned) && !self.dry_run =>
                    {
                        self.recreate(&planned.object.kind, kind, &live, &wanted).await?
                    }
                    // An attempt whose answer was lost may have been the one that changed it.
                    Err(NotWritten::Refused(refusal)) if refusal.conflicts() && !self.dry_run => {
                        let now = self.cluster.read(kind, namespace, &planned.to.name).await?;
                        let ours = now.filter(|now| {
                            now.uid == live.uid && self.is_there(&planned.object.kind, &wanted, now)
                        });
                        Wrote::Updated(ours.ok_or(NotWritten::Refused(refusal))?.into())
                    }
                    other => other?,
                }
            }
            Action::Recreate => {
                let live = self.as_planned(planned, kind, &wanted).await?;
                self.recreate(&planned.object.kind, kind, &live, &wanted).await?
            }
            Action::Skip | Action::Conflict => {
                return Err(NotWritten::Unusable("nothing is planned for it".to_owned()));
            }
        };
        // What is only tried is not made, and cannot have a status.
        let is_there = !self.dry_run || matches!(wrote, Wrote::Updated(_) | Wrote::Unchanged(_));
        let changed = self.options.keep.status
            && is_there
            && self.status(planned, kind, wanted, wrote.written()).await?;
        Ok(match wrote {
            Wrote::Unchanged(written) if changed => Wrote::Updated(written),
            wrote => wrote,
        })
    }

    /// May the object be deleted and made again, where it cannot be changed?
    pub(super) fn recreates(&self, planned: &Planned) -> bool {
        self.options.policy.of(&planned.object.kind) == super::OnConflict::Recreate
    }

    pub(super) fn how(&self) -> Writing {
        Writing {
            manager: self.options.manager.clone(),
            dry_run: self.dry_run,
            strict: !self.options.drop_unknown_fields,
        }
    }

    async fn create(
        &self,
        planned: &Planned,
        kind: &ResourceType,
        namespace: Option<&str>,
        wanted: &Value,
    ) -> Result<Wrote, NotWritten> {
        match self.cluster.create(kind, namespace, &body(wanted)?, &self.how()).await {
            Ok(written) => Ok(Wrote::Created(written)),
            // Somebody made it meanwhile: perhaps an attempt of ours whose answer was lost.
            Err(refusal) if refusal.exists() && !self.dry_run => {
                let live = self.cluster.read(kind, namespace, &planned.to.name).await?;
                let live = live.ok_or(NotWritten::Refused(refusal))?;
                match self.is_there(&planned.object.kind, wanted, &live) {
                    true => Ok(Wrote::Unchanged(live.into())),
                    false => Err(NotWritten::Changed(APPEARED)),
                }
            }
            Err(refusal) => Err(refusal.into()),
        }
    }

    /// Is what is live what is wanted?
    pub(super) fn is_there(&self, name: &TypeName, wanted: &Value, live: &LiveObject) -> bool {
        let exactly = Options { only_missing: false, ..self.options.clone() };
        decide(name, wanted.clone(), live, &exactly, &Veil::new([0; 32])).reason == SAME
    }

    /// What is there, if it is what the plan saw, or the same would be changed of it: controllers write statuses whenever they like.
    async fn as_planned(
        &self,
        planned: &Planned,
        kind: &ResourceType,
        wanted: &Value,
    ) -> Result<LiveObject, NotWritten> {
        let live = self.cluster.read(kind, planned.to.namespace.as_deref(), &planned.to.name).await?;
        let live = live.ok_or(NotWritten::Changed("it was deleted meanwhile"))?;
        match &planned.live {
            Some((uid, _)) if *uid != live.uid => {
                Err(NotWritten::Changed("it was deleted and made again meanwhile"))
            }
            Some((_, version))
                if *version != live.resource_version && !self.comes_to_the_same(planned, wanted, &live) =>
            {
                Err(NotWritten::Changed("it was changed meanwhile"))
            }
            _ => Ok(live),
        }
    }

    /// Would be changed what the plan tells, and nothing else? (Values of Secrets are digests there, with a key that only the plan knew.)
    fn comes_to_the_same(&self, planned: &Planned, wanted: &Value, live: &LiveObject) -> bool {
        let veil = Veil::new([0; 32]);
        let again = decide(&planned.object.kind, wanted.clone(), live, self.options, &veil);
        again.action == Action::Update && again.changes == planned.changes
    }

    async fn replace(
        &self,
        name: &TypeName,
        kind: &ResourceType,
        live: &LiveObject,
        mut wanted: Value,
    ) -> Result<Wrote, NotWritten> {
        let there: Value = serde_json::from_slice(&live.json)
            .map_err(|_| NotWritten::Unusable("what is there cannot be read".to_owned()))?;
        let mut cleaned = there.clone();
        clean(name, &mut cleaned, &self.options.keep);
        carry_over(&there, &cleaned, &mut wanted);
        let how = self.how();
        let namespace = live.namespace.as_deref();
        let written = self.cluster.replace(kind, namespace, &live.name, &body(&wanted)?, &how).await?;
        let same = match self.dry_run {
            false => written.resource_version == live.resource_version,
            // A dry run has no new version: what it would have stored tells.
            true => {
                let mut stored: Value = serde_json::from_slice(&written.json).unwrap_or_default();
                clean(name, &mut stored, &self.options.keep);
                stored == cleaned
            }
        };
        Ok(if same { Wrote::Unchanged(written) } else { Wrote::Updated(written) })
    }

    /// Writes the status, where it is a part of its own; tells whether that changed anything.
    async fn status(
        &self,
        planned: &Planned,
        kind: &ResourceType,
        mut wanted: Value,
        written: &Written,
    ) -> Result<bool, NotWritten> {
        if wanted.get("status").is_none() {
            return Ok(false);
        }
        if let Some(metadata) = wanted.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.insert("uid".to_owned(), written.uid.clone().into());
            metadata.insert("resourceVersion".to_owned(), written.resource_version.clone().into());
        }
        let namespace = planned.to.namespace.as_deref();
        let how = self.how();
        match self.cluster.replace_status(kind, namespace, &planned.to.name, &body(&wanted)?, &how).await {
            // The status is a part of the object, and was written with it.
            Err(refusal) if refusal.missing() => Ok(false),
            other => other.map_err(Into::into).map(|after| match self.dry_run {
                false => after.resource_version != written.resource_version,
                true => status_of(&after) != status_of(written),
            }),
        }
    }
}

impl From<LiveObject> for Written {
    fn from(live: LiveObject) -> Self {
        Written { uid: live.uid, resource_version: live.resource_version, json: live.json.into() }
    }
}

/// The status after a dry run.
fn status_of(written: &Written) -> Option<Value> {
    serde_json::from_slice::<Value>(&written.json).ok()?.get("status").cloned()
}

pub(super) fn body(object: &Value) -> Result<Bytes, NotWritten> {
    serde_json::to_vec(object).map(Bytes::from).map_err(|e| NotWritten::Unusable(e.to_string()))
}
