use super::{Doing, FieldSet, ObjectRef, OpError, Outcome, Probe, Standing, Tried, field, standing};
use crate::source::kube::{Attempt, LiveObject, Writing};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;

/// Somebody else may write the same object at the same time, in other fields or in its status: so often it is looked at anew.
pub(super) const TRIES: usize = 6;

/// Sets fields of an object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// The object.
    pub object: ObjectRef,
    /// The part of it that is written, such as `status` or `ephemeralcontainers`; none for the object itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
    /// What is set.
    pub fields: Vec<FieldSet>,
    /// Why it cannot be taken back, if it cannot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stays: Option<String>,
}

/// What has to be so for the fields to be set.
enum Found {
    /// They can be.
    Ready(Value),
    /// They are already.
    Already,
}

impl Change {
    /// Sets these fields of an object.
    pub fn new(object: ObjectRef, fields: Vec<FieldSet>) -> Self {
        Change { object, part: None, fields, stays: None }
    }

    pub(super) fn stays(&self) -> Option<String> {
        self.stays.clone()
    }

    pub(super) fn rights(&self) -> (Vec<Attempt>, Vec<Attempt>) {
        let all =
            vec![attempt(&self.object, "get", None), attempt(&self.object, "update", self.part.clone())];
        (all.clone(), if self.stays.is_some() { Vec::new() } else { all })
    }

    async fn find(&self, fields: &[FieldSet], with: &Doing<'_>) -> Result<Found, OpError> {
        let (_, json) = read(&self.object, with).await?;
        match standing(&json, fields) {
            Standing::After => Ok(Found::Already),
            Standing::Before => Ok(Found::Ready(json)),
            Standing::Other => Err(OpError::Changed {
                object: self.object.to_string(),
                how: field::differing(&json, fields),
            }),
        }
    }

    pub(super) async fn try_out(&self, with: &Doing<'_>) -> Tried {
        match self.set(&self.fields, true, with).await {
            Ok(_) => Tried::Accepted,
            Err(OpError::Server { why, .. }) if side_effects(&why) => Tried::Unverifiable { why },
            Err(e) => Tried::Refused { why: e.to_string() },
        }
    }

    /// Does it.
    ///
    /// # Errors
    /// When the object is not the one that was planned for, or its fields are not what they were.
    pub async fn carry_out(&self, with: &Doing<'_>) -> Result<Outcome, OpError> {
        self.set(&self.fields, false, with).await
    }

    pub(super) async fn probe(&self, with: &Doing<'_>) -> Result<Probe, OpError> {
        match self.find(&self.fields, with).await {
            Ok(Found::Already) => Ok(Probe::Done(Outcome::default())),
            Ok(Found::Ready(..)) => Ok(Probe::NotDone),
            Err(e @ OpError::Server { .. }) => Err(e),
            Err(e) => Ok(Probe::Other(e.to_string())),
        }
    }

    pub(super) async fn take_back(&self, with: &Doing<'_>) -> Result<Outcome, OpError> {
        if let Some(why) = &self.stays {
            return Err(OpError::NotUndoable(why.clone()));
        }
        let back: Vec<FieldSet> = self.fields.iter().map(FieldSet::reversed).collect();
        self.set(&back, false, with).await
    }

    async fn set(&self, fields: &[FieldSet], dry_run: bool, with: &Doing<'_>) -> Result<Outcome, OpError> {
        let kind = self.object.resource_type();
        let how = Writing { manager: with.manager.to_owned(), dry_run, strict: true };
        // UID and resourceVersion are written along: the server refuses it if the object is not as the plan saw it any more.
        let seen = with.known.and_then(|known| match dry_run {
            true => known.json(&self.object),
            false => known.take(&self.object),
        });
        let mut seen = seen.filter(|json| standing(json, fields) == Standing::Before);
        let mut tries = 1;
        loop {
            let (mut json, is_seen) = match seen.take() {
                Some(json) => (json, true),
                None => match self.find(fields, with).await? {
                    Found::Already => return Ok(Outcome::default()),
                    Found::Ready(json) => (json, false),
                },
            };
            field::set_all(&mut json, fields);
            let body = Bytes::from(json.to_string());
            let part = self.part.as_deref();
            match with.cluster()?.replace_part(&kind, self.object.place(), part, &body, &how).await {
                Ok(_) => return Ok(Outcome::default()),
                // What is wrong is told of the object as it is now.
                Err(refusal) if is_seen && refusal.code.is_some() => {}
                Err(refusal) if refusal.conflicts() && tries < TRIES => tries += 1,
                Err(refusal) => return Err(OpError::server(&self.object, refusal)),
            }
        }
    }
}

/// The object as it is, if it is the one that was meant.
pub(super) async fn read(object: &ObjectRef, with: &Doing<'_>) -> Result<(LiveObject, Value), OpError> {
    let (namespace, name) = object.place();
    let read = with.cluster()?.read(&object.resource_type(), namespace, name).await;
    let live = read.map_err(|refusal| OpError::server(object, refusal))?;
    let live = live.ok_or_else(|| OpError::Gone(object.to_string()))?;
    if let Some(wanted) = object.uid.as_ref().filter(|uid| **uid != live.uid) {
        let (object, wanted, found) = (object.to_string(), wanted.clone(), live.uid);
        return Err(OpError::Replaced { object, wanted, found });
    }
    let json =
        serde_json::from_slice(&live.json).map_err(|_| OpError::Failed(format!("{object} is no JSON")))?;
    Ok((live, json))
}

/// A right on one object.
pub(super) fn attempt(object: &ObjectRef, verb: &str, subresource: Option<String>) -> Attempt {
    Attempt {
        verb: verb.to_owned(),
        group: object.group.clone(),
        resource: object.resource.clone(),
        subresource,
        namespace: object.namespace.clone(),
        // Making something cannot be allowed by name.
        name: (verb != "create").then(|| object.name.clone()),
    }
}

/// A webhook that acts beyond the request refuses to be tried.
pub(super) fn side_effects(why: &str) -> bool {
    why.contains("does not support dry run")
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "change {}", self.object)?;
        if let Some(part) = &self.part {
            write!(f, " ({part})")?;
        }
        for field in &self.fields {
            write!(f, "\n  {field}")?;
        }
        Ok(())
    }
}
