use super::{
    Doing, ObjectRef, OpError, Outcome, Probe, Tried,
    change::{attempt, read, side_effects},
    delete::delete_as_it_is,
};
use crate::source::kube::{Attempt, Deletion, LiveObject, Writing};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The label of everything that a run makes: its id.
pub(in crate::playbook) const MARK: &str = "lifeboat.dev/run";

/// Makes an object, marked with the run's id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Create {
    /// Which; it has no UID yet.
    pub object: ObjectRef,
    /// All of it.
    pub json: Value,
    /// The UID of the one of the same name that is deleted first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<String>,
}

impl Create {
    /// Makes this object.
    pub fn new(object: ObjectRef, mut json: Value, run: &str) -> Self {
        json["metadata"]["labels"][MARK] = run.into();
        Create { object, json, replaces: None }
    }

    /// The same in the place of the one with this UID, which an op before it deletes. It cannot be taken back: nothing brings
    /// back the other one.
    pub fn replacing(self, uid: Option<String>) -> Self {
        Create { replaces: uid, ..self }
    }

    pub(super) fn stays(&self) -> Option<String> {
        self.replaces.as_ref().map(|_| format!("{} is another one now, and stays", self.object))
    }

    pub(super) fn rights(&self) -> (Vec<Attempt>, Vec<Attempt>) {
        let right = |verb| attempt(&self.object, verb, None);
        let back = if self.replaces.is_some() { Vec::new() } else { vec![right("get"), right("delete")] };
        (vec![right("create"), right("get")], back)
    }

    pub(super) async fn try_out(&self, with: &Doing<'_>) -> Tried {
        if self.replaces.is_some() {
            return Tried::Unverifiable { why: "it takes the place of one that is still there".to_owned() };
        }
        match self.make(true, with).await {
            Ok(_) => Tried::Accepted,
            Err(OpError::Server { why, .. }) if side_effects(&why) => Tried::Unverifiable { why },
            Err(e) => Tried::Refused { why: e.to_string() },
        }
    }

    /// Does it.
    ///
    /// # Errors
    /// When the server refuses, or somebody else's object of that name is there.
    pub async fn carry_out(&self, with: &Doing<'_>) -> Result<Outcome, OpError> {
        match self.make(false, with).await {
            Ok(outcome) => Ok(outcome),
            Err(e) => match self.probe(with).await {
                // The answer to an attempt was lost, and it has made it; or a controller was faster.
                Ok(Probe::Done(outcome)) => Ok(outcome),
                _ => Err(e),
            },
        }
    }

    async fn make(&self, dry_run: bool, with: &Doing<'_>) -> Result<Outcome, OpError> {
        let how = Writing { manager: with.manager.to_owned(), dry_run, strict: true };
        let body = Bytes::from(self.json.to_string());
        let namespace = self.object.namespace.as_deref();
        let made = with.cluster()?.create(&self.object.resource_type(), namespace, &body, &how).await;
        let made = made.map_err(|refusal| OpError::server(&self.object, refusal))?;
        Ok(Outcome { uid: Some(made.uid), ..Outcome::default() })
    }

    pub(super) async fn probe(&self, with: &Doing<'_>) -> Result<Probe, OpError> {
        match read(&self.object, with).await {
            Ok((live, json)) if json["metadata"]["labels"][MARK] == with.run => {
                Ok(Probe::Done(Outcome { uid: Some(live.uid), ..Outcome::default() }))
            }
            Ok((live, _)) if self.replaces.as_ref() == Some(&live.uid) => Ok(Probe::NotDone),
            Ok((live, _)) if self.replaces.is_some() => {
                let said = "a controller made it again, out of nothing: what it held beside its name is gone";
                Ok(Probe::Done(Outcome { uid: Some(live.uid), said: Some(said.to_owned()), brought: None }))
            }
            Ok(_) => Ok(Probe::Other(format!("{} is there, and is not of this run", self.object))),
            Err(OpError::Gone(_)) => Ok(Probe::NotDone),
            Err(e) => Err(e),
        }
    }

    pub(super) async fn take_back(&self, outcome: &Outcome, with: &Doing<'_>) -> Result<Outcome, OpError> {
        if let Some(why) = self.stays() {
            return Err(OpError::NotUndoable(why));
        }
        let made = ObjectRef { uid: outcome.uid.clone(), ..self.object.clone() };
        let how = |live: LiveObject, json: &Value| match changed(&self.json, json) {
            Some(how) => Err(OpError::Changed { object: made.to_string(), how }),
            None => Ok(Deletion {
                uid: Some(live.uid),
                resource_version: Some(live.resource_version),
                propagation: Some("Background"),
                ..Deletion::default()
            }),
        };
        match delete_as_it_is(&made, with, how).await {
            Err(OpError::Gone(_)) => {
                Ok(Outcome { said: Some("it was gone already".to_owned()), ..Outcome::default() })
            }
            went => went,
        }
    }
}

/// Which of what was made holds something else now: the server may add to it, others may not change it.
fn changed(made: &Value, now: &Value) -> Option<String> {
    fn walk(made: &Value, now: &Value, path: &mut Vec<String>) -> Option<String> {
        match (made, now) {
            (Value::Object(made), Value::Object(now)) => made.iter().find_map(|(name, value)| {
                path.push(name.clone());
                let found = match now.get(name) {
                    Some(now) => walk(value, now, path),
                    // What is empty may be left out.
                    None if empty(value) => None,
                    None => Some(format!("{} is gone", path.join("."))),
                };
                path.pop();
                found
            }),
            (Value::Array(made), Value::Array(now)) if made.len() == now.len() => {
                made.iter().zip(now).find_map(|(made, now)| walk(made, now, path))
            }
            (made, now) => (made != now).then(|| format!("{} is not what it was", path.join("."))),
        }
    }
    walk(made, now, &mut Vec::new())
}

pub(super) fn empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.values().all(empty),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_the_server_adds_is_no_change() {
        let made =
            json!({"kind": "A", "metadata": {"name": "a"}, "spec": {"rules": [{"p": 1}], "ingress": []}});
        let now = json!({"kind": "A", "metadata": {"name": "a", "uid": "u"}, "spec": {"rules": [{"p": 1, "q": 2}]}});
        assert_eq!(changed(&made, &now), None);
        let mut other = now.clone();
        other["spec"]["rules"][0]["p"] = json!(2);
        assert_eq!(changed(&made, &other).unwrap(), "spec.rules.p is not what it was");
        other["spec"] = json!({});
        assert_eq!(changed(&made, &other).unwrap(), "spec.rules is gone");
    }
}
