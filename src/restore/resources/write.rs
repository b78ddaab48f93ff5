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

const APPEARED: &str = "it appeared meanwhile, and differs";
const LINGERS: &str = "it was deleted to be made again, and is still there: look at its finalizers";
const NOT_LET_GO: &str = "it was deleted to be made again, and its finalizer `orphan` is still there: the garbage collector \
                          of the target, which removes it when it has let go of what the object owns, does not run";

/// An address or a port of a Service belongs to the one that is there.
fn is_taken(refusal: &Refusal) -> bool {
    refusal.invalid() && refusal.message.contains("already allocated")
}

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
    /// What is there is what is wanted; its UID.
    Unchanged(String),
}

impl Wrote {
    pub(super) fn uid(&self) -> &str {
        match self {
            Wrote::Created(it) | Wrote::Updated(it) | Wrote::Recreated(it) => &it.uid,
            Wrote::Unchanged(uid) => uid,
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
                let live = self.as_planned(planned, kind).await?;
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
                let live = self.as_planned(planned, kind).await?;
                self.recreate(&planned.object.kind, kind, &live, &wanted).await?
            }
            Action::Skip | Action::Conflict => {
                return Err(NotWritten::Unusable("nothing is planned for it".to_owned()));
            }
        };
        if let Wrote::Created(written) | Wrote::Updated(written) | Wrote::Recreated(written) = &wrote
            && self.options.keep.status
            && !self.dry_run
        {
            self.status(planned, kind, wanted, written).await?;
        }
        Ok(wrote)
    }

    /// May the object be deleted and made again, where it cannot be changed?
    pub(super) fn recreates(&self, planned: &Planned) -> bool {
        self.options.policy.of(&planned.object.kind) == super::OnConflict::Recreate
    }

    fn how(&self) -> Writing {
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
                    true => Ok(Wrote::Unchanged(live.uid)),
                    false => Err(NotWritten::Changed(APPEARED)),
                }
            }
            Err(refusal) => Err(refusal.into()),
        }
    }

    /// Is what is live what is wanted?
    fn is_there(&self, name: &TypeName, wanted: &Value, live: &LiveObject) -> bool {
        let exactly = Options { only_missing: false, ..self.options.clone() };
        decide(name, wanted.clone(), live, &exactly, &Veil::new([0; 32])).reason == SAME
    }

    /// What is there, if it is what the plan saw.
    async fn as_planned(&self, planned: &Planned, kind: &ResourceType) -> Result<LiveObject, NotWritten> {
        let live = self.cluster.read(kind, planned.to.namespace.as_deref(), &planned.to.name).await?;
        let live = live.ok_or(NotWritten::Changed("it was deleted meanwhile"))?;
        match &planned.live {
            Some((uid, _)) if *uid != live.uid => {
                Err(NotWritten::Changed("it was deleted and made again meanwhile"))
            }
            Some((_, version)) if *version != live.resource_version => {
                Err(NotWritten::Changed("it was changed meanwhile"))
            }
            _ => Ok(live),
        }
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
        Ok(if same { Wrote::Unchanged(written.uid) } else { Wrote::Updated(written) })
    }

    async fn recreate(
        &self,
        name: &TypeName,
        kind: &ResourceType,
        live: &LiveObject,
        wanted: &Value,
    ) -> Result<Wrote, NotWritten> {
        let (namespace, how, body) = (live.namespace.as_deref(), self.how(), body(wanted)?);
        // What could not be made again is not deleted. That it exists is the last thing that a server finds.
        let tried = Writing { dry_run: true, ..how.clone() };
        match self.cluster.create(kind, namespace, &body, &tried).await {
            Err(refusal) if !refusal.exists() && !is_taken(&refusal) => return Err(refusal.into()),
            _ if self.dry_run => {
                let (uid, resource_version) = (live.uid.clone(), live.resource_version.clone());
                return Ok(Wrote::Recreated(Written { uid, resource_version, json: Bytes::new() }));
            }
            _ => {}
        }
        match self.cluster.delete(kind, namespace, &live.name, &live.uid).await {
            // An attempt whose answer was lost has deleted it.
            Err(refusal) if refusal.missing() => {}
            other => other?,
        }
        let ends = tokio::time::Instant::now() + self.options.wait;
        loop {
            let refusal = match self.cluster.create(kind, namespace, &body, &how).await {
                Ok(written) => return Ok(Wrote::Recreated(written)),
                Err(refusal) => refusal,
            };
            if refusal.exists()
                && let Some(now) = self.cluster.read(kind, namespace, &live.name).await?
                && now.uid != live.uid
            {
                return match self.is_there(name, wanted, &now) {
                    true => Ok(Wrote::Recreated(now.into())),
                    false => Err(NotWritten::Changed(APPEARED)),
                };
            }
            // The name is taken until the last finalizer is gone, and a port until it is free again.
            let passes = refusal.exists() || is_taken(&refusal) || refusal.code.is_some_and(|it| it >= 500);
            if !passes || tokio::time::Instant::now() >= ends {
                return Err(match refusal.exists() {
                    true => NotWritten::Changed(self.lingers(kind, live).await?),
                    false => refusal.into(),
                });
            }
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
    }

    /// Why an object that was deleted is still there.
    async fn lingers(&self, kind: &ResourceType, deleted: &LiveObject) -> Result<&'static str, NotWritten> {
        let live = self.cluster.read(kind, deleted.namespace.as_deref(), &deleted.name).await?;
        let live = live.and_then(|live| serde_json::from_slice::<Value>(&live.json).ok()).unwrap_or_default();
        let is_held =
            live["metadata"]["finalizers"].as_array().is_some_and(|all| all.contains(&"orphan".into()));
        Ok(if is_held { NOT_LET_GO } else { LINGERS })
    }

    async fn status(
        &self,
        planned: &Planned,
        kind: &ResourceType,
        mut wanted: Value,
        written: &Written,
    ) -> Result<(), NotWritten> {
        if wanted.get("status").is_none() {
            return Ok(());
        }
        if let Some(metadata) = wanted.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.insert("uid".to_owned(), written.uid.clone().into());
            metadata.insert("resourceVersion".to_owned(), written.resource_version.clone().into());
        }
        let namespace = planned.to.namespace.as_deref();
        let how = self.how();
        match self.cluster.replace_status(kind, namespace, &planned.to.name, &body(&wanted)?, &how).await {
            // The status is a part of the object, and was written with it.
            Err(refusal) if refusal.missing() => Ok(()),
            other => other.map(drop).map_err(Into::into),
        }
    }
}

impl From<LiveObject> for Written {
    fn from(live: LiveObject) -> Self {
        Written { uid: live.uid, resource_version: live.resource_version, json: live.json.into() }
    }
}

fn body(object: &Value) -> Result<Bytes, NotWritten> {
    serde_json::to_vec(object).map(Bytes::from).map_err(|e| NotWritten::Unusable(e.to_string()))
}
