use super::{
    Doing, ObjectRef, OpError, Outcome, Probe, Tried,
    change::{TRIES, attempt, read, side_effects},
    create::MARK,
};
use crate::{
    object::{Keep, TypeName, clean},
    source::kube::{Attempt, Deletion, LiveObject, Writing},
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// What becomes of what an object owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Propagation {
    /// It stays.
    Orphan,
    /// It goes afterwards.
    Background,
    /// It goes first.
    Foreground,
}

impl Propagation {
    fn as_str(self) -> &'static str {
        match self {
            Propagation::Orphan => "Orphan",
            Propagation::Background => "Background",
            Propagation::Foreground => "Foreground",
        }
    }
}

/// Deletes an object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Delete {
    /// Which.
    pub object: ObjectRef,
    /// What becomes of what it owns; none for the type's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub propagation: Option<Propagation>,
    /// How many seconds a pod gets to end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace: Option<u32>,
    /// As it was: it is made again out of that. None: it stays deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<Value>,
}

impl Delete {
    pub(super) fn stays(&self) -> Option<String> {
        self.kept.is_none().then(|| format!("{} is deleted for good", self.object))
    }

    pub(super) fn rights(&self) -> (Vec<Attempt>, Vec<Attempt>) {
        let right = |verb| attempt(&self.object, verb, None);
        let back = if self.kept.is_some() { vec![right("create"), right("get")] } else { Vec::new() };
        (vec![right("get"), right("delete")], back)
    }

    pub(super) async fn try_out(&self, with: &Doing<'_>) -> Tried {
        match self.delete(true, with).await {
            Ok(_) => Tried::Accepted,
            Err(OpError::Server { why, .. }) if side_effects(&why) => Tried::Unverifiable { why },
            Err(e) => Tried::Refused { why: e.to_string() },
        }
    }

    /// Does it.
    ///
    /// # Errors
    /// When the object is not the one that was planned for, or was changed so that what is kept of it is old.
    pub async fn carry_out(&self, with: &Doing<'_>) -> Result<Outcome, OpError> {
        self.delete(false, with).await
    }

    async fn delete(&self, dry_run: bool, with: &Doing<'_>) -> Result<Outcome, OpError> {
        let how = |live: LiveObject, json: &Value| {
            if let Some(kept) = &self.kept
                && let Some(how) = different(&self.object, kept, json)
            {
                return Err(OpError::Changed { object: self.object.to_string(), how });
            }
            Ok(Deletion {
                uid: Some(live.uid),
                resource_version: self.kept.is_some().then_some(live.resource_version),
                propagation: self.propagation.map(Propagation::as_str),
                grace: self.grace,
                dry_run,
            })
        };
        delete_as_it_is(&self.object, with, how).await
    }

    pub(super) async fn probe(&self, with: &Doing<'_>) -> Result<Probe, OpError> {
        gone(&self.object, with).await
    }

    pub(super) async fn take_back(&self, with: &Doing<'_>) -> Result<Outcome, OpError> {
        let Some(kept) = &self.kept else {
            return Err(OpError::NotUndoable(self.stays().unwrap_or_default()));
        };
        let mut json = kept.clone();
        clean(&self.name(), &mut json, &Keep::default());
        json["metadata"]["annotations"][MARK] = with.run.into();
        let object = ObjectRef { uid: None, ..self.object.clone() };
        if let Ok((live, json)) = read(&object, with).await {
            if json["metadata"]["annotations"][MARK] == with.run {
                return Ok(Outcome {
                    uid: Some(live.uid),
                    said: Some("it was made again already".to_owned()),
                    brought: None,
                });
            }
            let how = "another one of its name is there".to_owned();
            return Err(OpError::Changed { object: object.to_string(), how });
        }
        let how = Writing { manager: with.manager.to_owned(), dry_run: false, strict: false };
        let body = Bytes::from(json.to_string());
        let made =
            with.cluster()?.create(&object.resource_type(), object.namespace.as_deref(), &body, &how).await;
        let made = made.map_err(|refusal| OpError::server(&object, refusal))?;
        let said = Some("it is another object now: its UID is new".to_owned());
        Ok(Outcome { uid: Some(made.uid), said, brought: None })
    }

    fn name(&self) -> TypeName {
        TypeName::new(&self.object.group, &self.object.resource)
    }
}

/// What of an object is not as it was kept, leaving out what servers and controllers write.
fn different(object: &ObjectRef, kept: &Value, now: &Value) -> Option<String> {
    let name = TypeName::new(&object.group, &object.resource);
    let plain = |value: &Value| {
        let mut value = value.clone();
        clean(&name, &mut value, &Keep::default());
        value
    };
    let changes = crate::object::diff(&plain(kept), &plain(now));
    let first = changes.first()?;
    Some(format!("{} is not what it was when the plan was made", first.path))
}

/// Deletes an object in the way that suits it as it is now, if there is one. Whether what is written to it meanwhile matters, is seen in
/// what is there then.
pub(super) async fn delete_as_it_is(
    object: &ObjectRef,
    with: &Doing<'_>,
    how: impl Fn(LiveObject, &Value) -> Result<Deletion, OpError>,
) -> Result<Outcome, OpError> {
    let mut tries = 1;
    loop {
        let (live, json) = read(object, with).await?;
        let deletion = how(live, &json)?;
        match with.cluster()?.delete_so(&object.resource_type(), object.place(), &deletion).await {
            Err(refusal) if refusal.conflicts() && tries < TRIES => tries += 1,
            // An attempt whose answer was lost has done it.
            Err(refusal) if !refusal.missing() => return Err(OpError::server(object, refusal)),
            _ => return Ok(Outcome::default()),
        }
    }
}

/// Is it on its way, or gone?
async fn gone(object: &ObjectRef, with: &Doing<'_>) -> Result<Probe, OpError> {
    match read(object, with).await {
        Ok((_, json)) if json["metadata"]["deletionTimestamp"].is_string() => {
            Ok(Probe::Done(Outcome::default()))
        }
        Ok(_) => Ok(Probe::NotDone),
        Err(OpError::Gone(_) | OpError::Replaced { .. }) => Ok(Probe::Done(Outcome::default())),
        Err(e) => Err(e),
    }
}

/// Asks a pod to go, where its disruption budget lets it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Evict {
    /// The pod.
    pub object: ObjectRef,
    /// How many seconds it gets to end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace: Option<u32>,
    /// How long it is asked again while its disruption budget keeps it, in milliseconds.
    #[serde(default)]
    pub within_ms: u64,
}

/// How often a pod is asked again.
const ASK_EVERY: Duration = Duration::from_millis(500);

impl Evict {
    pub(super) fn rights(&self) -> Vec<Attempt> {
        vec![
            attempt(&self.object, "get", None),
            Attempt {
                name: Some(self.object.name.clone()),
                ..attempt(&self.object, "create", Some("eviction".to_owned()))
            },
        ]
    }

    pub(super) async fn try_out(&self, with: &Doing<'_>) -> Tried {
        match self.evict(true, with).await {
            Ok(_) => Tried::Accepted,
            // Its budget may let it go once others are ready.
            Err(OpError::Server { why, again: true, .. }) if self.within_ms > 0 => {
                Tried::Unverifiable { why }
            }
            Err(e) => Tried::Refused { why: e.to_string() },
        }
    }

    /// Does it.
    ///
    /// # Errors
    /// When its disruption budget does not let it go, or it is another pod.
    pub async fn carry_out(&self, with: &Doing<'_>) -> Result<Outcome, OpError> {
        let end = Instant::now() + Duration::from_millis(self.within_ms);
        loop {
            match self.evict(false, with).await {
                Err(OpError::Server { again: true, .. }) if Instant::now() < end => sleep(ASK_EVERY).await,
                // Another one of its name is not the pod that had to go.
                Err(OpError::Gone(_) | OpError::Replaced { .. }) => {
                    return Ok(Outcome {
                        said: Some("it was gone already".to_owned()),
                        ..Outcome::default()
                    });
                }
                went => return went,
            }
        }
    }

    async fn evict(&self, dry_run: bool, with: &Doing<'_>) -> Result<Outcome, OpError> {
        let (live, _) = read(&self.object, with).await?;
        let mut options = json!({"preconditions": {"uid": live.uid}});
        if let Some(grace) = self.grace {
            options["gracePeriodSeconds"] = grace.into();
        }
        let eviction = json!({
            "apiVersion": "policy/v1", "kind": "Eviction",
            "metadata": {"name": self.object.name, "namespace": self.object.namespace},
            "deleteOptions": options,
        });
        let body = Bytes::from(eviction.to_string());
        let kind = self.object.resource_type();
        let asked = with.cluster()?.post_to_part(&kind, self.object.place(), "eviction", &body, dry_run);
        match asked.await {
            Err(refusal) if !refusal.missing() => Err(OpError::server(&self.object, refusal)),
            _ => Ok(Outcome::default()),
        }
    }

    pub(super) async fn probe(&self, with: &Doing<'_>) -> Result<Probe, OpError> {
        gone(&self.object, with).await
    }
}
