//! What became of an object, field by field, and what that means.

use super::{CompareError, bodies::Body, read::locked, step::Difference};
use crate::object::{FieldChange, Identity, TypeName, Writer, access, access::Statement, diff};
use serde::Serialize;
use serde_json::Value;
use std::{collections::BTreeMap, ops::AddAssign};

/// What became of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Became {
    /// It is there, and was not.
    Added,
    /// It was there, and is not.
    Removed,
    /// It has other fields.
    Changed,
    /// There is another object with its name: it was removed and made again.
    Recreated,
}

/// An object that is not as it was.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// What became of it.
    #[serde(rename = "change")]
    pub became: Became,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: TypeName,
    /// Its namespace; none for cluster-scoped objects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// The UID that it had.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid_before: Option<String>,
    /// The UID that it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid_after: Option<String>,
    /// Who wrote it last, if that was since, and where it was read: what came or went is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<Writer>,
    /// The fields that differ.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldChange>,
    /// What it means for who may do what.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub says: Vec<Statement>,
}

/// How much is not as it was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Objects that came.
    pub added: u64,
    /// Objects that went.
    pub removed: u64,
    /// Objects with other fields.
    pub changed: u64,
    /// Objects that went and came again under the same name.
    pub recreated: u64,
    /// Objects that are the same, to the byte.
    pub unchanged: u64,
    /// Objects that differ only in what is not compared: what the server writes, and the status.
    pub only_noise: u64,
    /// Sentences about who may do what that deserve a look.
    #[serde(skip_serializing_if = "is_zero")]
    pub dangers: u64,
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

impl Summary {
    /// Is anything not as it was?
    pub fn differs(&self) -> bool {
        self.added + self.removed + self.changed + self.recreated > 0
    }

    /// Counts one more change.
    pub fn count(&mut self, change: &Change) {
        match change.became {
            Became::Added => self.added += 1,
            Became::Removed => self.removed += 1,
            Became::Changed => self.changed += 1,
            Became::Recreated => self.recreated += 1,
        }
        self.dangers += change.says.iter().filter(|said| !said.danger.is_empty()).count() as u64;
    }
}

impl AddAssign for Summary {
    fn add_assign(&mut self, more: Self) {
        self.added += more.added;
        self.removed += more.removed;
        self.changed += more.changed;
        self.recreated += more.recreated;
        self.unchanged += more.unchanged;
        self.only_noise += more.only_noise;
        self.dangers += more.dangers;
    }
}

impl super::Comparison {
    /// Calls `visit` for every object that differs in this step, in the order of rank, type, namespace and name; one at a
    /// time is in memory.
    ///
    /// # Errors
    /// When the temporary file cannot be read, or those of `visit`.
    pub fn each_change<E: From<CompareError>>(
        &self,
        step: usize,
        mut visit: impl FnMut(Change) -> Result<(), E>,
    ) -> Result<Summary, E> {
        let mut summary = Summary::default();
        let (Some(step), Some(side)) = (self.steps.get(step), self.sides.get(step)) else {
            return Ok(summary);
        };
        summary.unchanged = step.unchanged;
        let mut said = self.rbac(step)?;
        for difference in step.differences.iter().filter(|it| self.selection.wants(&it.object)) {
            let (before, after) = (self.body(difference, false)?, self.body(difference, true)?);
            let mut change = Change::of(difference);
            let since = |writer: &Writer| writer.time.as_second() >= side.at.as_second();
            change.by = after.as_ref().and_then(|body| body.by.clone()).filter(since);
            let values = (before.as_ref().map(|b| &b.value), after.as_ref().map(|b| &b.value));
            if let (Some(before), Some(after)) = values {
                change.fields = diff(before, after);
            }
            if self.selection.access && !of_access(&mut change, difference, values, &mut said) {
                summary.only_noise += u64::from(change.became == Became::Changed);
                continue;
            }
            if change.became == Became::Changed && change.fields.is_empty() && change.says.is_empty() {
                summary.only_noise += 1;
                continue;
            }
            summary.count(&change);
            visit(change)?;
        }
        Ok(summary)
    }

    fn body(&self, difference: &Difference, after: bool) -> Result<Option<Body>, CompareError> {
        let entry = difference.read(after, self.selection.access);
        Ok(entry.map(|entry| locked(&self.bodies).get(&entry.sha256)).transpose()?)
    }

    /// What the changed roles and bindings of a step mean.
    fn rbac(&self, step: &super::step::Step) -> Result<access::Changed, CompareError> {
        let Some(sides) = &step.rbac else { return Ok(access::Changed::new()) };
        let mut read = [access::Rbac::default(), access::Rbac::default()];
        for (rbac, objects) in read.iter_mut().zip(sides) {
            for (object, digest) in objects {
                rbac.insert(object, &locked(&self.bodies).get(digest)?.value);
            }
        }
        let [before, after] = &read;
        let changed = step.differences.iter().map(|it| it.object.clone()).collect();
        Ok(access::Rbac::changes(before, after, &changed))
    }
}

/// Keeps of a change what says who may do what, and puts it in words; `false` when nothing of it does.
fn of_access(
    change: &mut Change,
    difference: &Difference,
    (before, after): (Option<&Value>, Option<&Value>),
    said: &mut BTreeMap<Identity, Vec<Statement>>,
) -> bool {
    let object = &difference.object;
    if ![before, after].iter().flatten().any(|value| access::says_who_may(&object.kind, value)) {
        return false;
    }
    change.fields.retain(|field| access::is_access_field(&object.kind, &field.path));
    change.says = said.remove(object).unwrap_or_default();
    change.says.extend(access::describe(object, before, after));
    true
}

impl Change {
    fn of(difference: &Difference) -> Self {
        let Identity { kind, namespace, name, .. } = &difference.object;
        let uid = |entry: &Option<super::index::Entry>| {
            entry.as_ref().map(|entry| entry.uid.to_string()).filter(|uid| !uid.is_empty())
        };
        let became = match (&difference.before, &difference.after) {
            (None, _) => Became::Added,
            (_, None) => Became::Removed,
            _ if difference.is_another() => Became::Recreated,
            _ => Became::Changed,
        };
        Change {
            became,
            kind: kind.clone(),
            namespace: namespace.as_deref().map(str::to_owned),
            name: name.to_string(),
            uid_before: uid(&difference.before),
            uid_after: uid(&difference.after),
            by: None,
            fields: Vec::new(),
            says: Vec::new(),
        }
    }
}
