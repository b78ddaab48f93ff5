//! A plan in the making: which objects, in which version, who comes along, who owns whom, and what is there already.

use super::{
    Action, Planned, ResourcesError, Target,
    bind::{Bound, Owner},
    gather::Saved,
    live::{Judge, Seen, Sought},
    plan::Reason,
    target::Served,
};
use crate::{
    object::{Identity, TypeName, rank},
    source::kube::ResourceType,
};
use std::collections::HashMap;

/// Why nothing can be made in a namespace.
pub(super) const CLOSED: &str = "its namespace is being deleted, or stands in conflict itself";

/// A plan in the making; places are those of `planned`.
pub(super) struct Draft<'a> {
    target: &'a Target,
    judge: &'a Judge,
    pub(super) planned: Vec<Planned>,
    /// Places by what was saved.
    places: HashMap<Identity, usize>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(target: &'a Target, judge: &'a Judge) -> Self {
        let mut draft = Draft { target, judge, planned: Vec::new(), places: HashMap::new() };
        for (at, saved) in judge.gathered.objects.iter().enumerate().filter(|(_, saved)| !saved.reserve) {
            draft.add(at, saved);
        }
        draft
    }

    fn add(&mut self, at: usize, saved: &Saved) -> usize {
        let left = saved.left.clone();
        self.places.insert(saved.identity.clone(), self.planned.len());
        self.planned.push(Planned {
            object: saved.identity.clone(),
            to: self.judge.options.rewrite.identity(&saved.identity),
            action: if left.is_some() { Action::Skip } else { Action::Create },
            reason: left.map(|(text, detail)| Reason { text, detail }),
            changes: Vec::new(),
            notes: Vec::new(),
            live: None,
            wave: (rank(&saved.identity.kind), 0),
            kind: None,
            saved: at,
            owners: Vec::new(),
        });
        self.planned.len() - 1
    }

    fn saved(&self, at: usize) -> &'a Saved {
        &self.judge.gathered.objects[self.planned[at].saved]
    }

    /// In which version each object is written.
    pub(super) fn types(&mut self) {
        let mut at = 0;
        // Definitions that come along are added on the way, and looked at in their turn.
        while at < self.planned.len() {
            if self.planned[at].action == Action::Create {
                self.kind(at);
            }
            at += 1;
        }
    }

    fn kind(&mut self, at: usize) {
        let saved = self.saved(at);
        let other = |kind: &ResourceType| {
            format!("{} is not served: it is written as {}", saved.version, kind.api_version())
        };
        match self.target.serves(&saved.identity.kind, &saved.version) {
            Served::Same(kind) => self.planned[at].kind = Some(kind),
            Served::Other(kind) => {
                self.planned[at].notes.push(other(&kind));
                self.planned[at].kind = Some(kind);
            }
            Served::Not => match self.judge.gathered.definitions.get(&saved.identity.kind, &saved.version) {
                Some((definition, kind)) => {
                    if kind.version != saved.version {
                        self.planned[at].notes.push(other(&kind));
                    }
                    self.planned[at].kind = Some(kind);
                    self.along(definition);
                }
                None => {
                    let detail = format!("{} {}", saved.identity.kind, saved.version);
                    self.planned[at].conflict(
                        "the target does not serve its type, and its definition is not restored",
                        Some(detail),
                    );
                }
            },
        }
    }

    /// Has an object that was not asked for come along.
    fn along(&mut self, saved: usize) -> Option<usize> {
        let object = self.judge.gathered.objects.get(saved)?;
        if let Some(place) = self.places.get(&object.identity) {
            return Some(*place);
        }
        if !self.judge.options.select.brings_along() || object.left.is_some() {
            return None;
        }
        let at = self.add(saved, object);
        self.planned[at].notes.push("it comes along: others need it".to_owned());
        Some(at)
    }

    /// Two objects that were told apart by their namespaces may meet when those are renamed.
    pub(super) fn meetings(&mut self) {
        let mut taken: HashMap<Identity, usize> = HashMap::new();
        for at in (0..self.planned.len())
            .filter(|at| self.planned[*at].action == Action::Create)
            .collect::<Vec<_>>()
        {
            let to = self.planned[at].to.clone();
            let Some(other) = taken.insert(to, at) else { continue };
            if self.planned[at].object.kind.is("", "namespaces") {
                // What is in them may well live together.
                let renamed = if self.planned[at].object == self.planned[at].to { other } else { at };
                self.planned[renamed].action = Action::Skip;
                let text = "another namespace of the restore has this name already".to_owned();
                self.planned[renamed].reason = Some(Reason { text, detail: None });
            } else {
                for (one, another) in [(at, other), (other, at)] {
                    let detail = Some(self.planned[another].object.to_string());
                    self.planned[one].conflict("another object would become the same one", detail);
                }
            }
        }
    }

    /// Namespaces, and the volumes of claims.
    pub(super) fn needed(&mut self) -> Result<(), ResourcesError> {
        let reserves: HashMap<&Identity, usize> =
            self.judge.gathered.objects.iter().enumerate().map(|(at, saved)| (&saved.identity, at)).collect();
        let mut wanted = Vec::new();
        for planned in self.planned.iter().filter(|planned| planned.action == Action::Create) {
            if let Some(namespace) = &planned.object.namespace {
                wanted.push(Identity::new(TypeName::new("", "namespaces"), None, namespace));
            }
            if planned.object.kind.is("", "persistentvolumeclaims")
                && let Some(kind) = &planned.kind
            {
                let saved = &self.judge.gathered.objects[planned.saved];
                let claim = self.judge.gathered.prepare(saved, kind, &self.judge.options)?;
                if let Some(volume) = claim["spec"]["volumeName"].as_str() {
                    wanted.push(Identity::new(TypeName::new("", "persistentvolumes"), None, volume));
                }
            }
        }
        wanted.sort();
        wanted.dedup();
        for identity in wanted {
            if let Some(at) = reserves.get(&identity).and_then(|at| self.along(*at)) {
                self.kind(at);
            }
        }
        Ok(())
    }

    /// Who the owners of now are.
    pub(super) async fn owners(&mut self) -> Result<(), ResourcesError> {
        let mut elsewhere: HashMap<Identity, Option<String>> = HashMap::new();
        for at in 0..self.planned.len() {
            if self.planned[at].action != Action::Create {
                continue;
            }
            for owner in &self.saved(at).owners {
                let known = self.judge.gathered.uids.get(&*owner.uid);
                let planned = known.and_then(|it| self.places.get(it)).copied();
                let now = match (planned.filter(|it| self.planned[*it].action == Action::Create), known) {
                    (Some(planned), _) if planned != at => Owner::Planned(self.planned[planned].saved),
                    (_, Some(identity)) => {
                        let to = self.judge.options.rewrite.identity(identity);
                        if !elsewhere.contains_key(&to) {
                            let uid = self.live_uid(&to).await?;
                            elsewhere.insert(to.clone(), uid);
                        }
                        elsewhere.get(&to).cloned().flatten().map_or(Owner::Gone, Owner::Live)
                    }
                    (_, None) => Owner::Gone,
                };
                if now == Owner::Gone {
                    let text = format!(
                        "its owner {} {} is not there: the reference is left out",
                        owner.kind, owner.name
                    );
                    self.planned[at].notes.push(text);
                }
                self.planned[at].owners.push(Bound { old: owner.uid.clone(), now });
            }
        }
        Ok(())
    }

    async fn live_uid(&self, object: &Identity) -> Result<Option<String>, ResourcesError> {
        let (Served::Same(kind) | Served::Other(kind)) = self.target.serves(&object.kind, "") else {
            return Ok(None);
        };
        let live = self.target.cluster.read(&kind, object.namespace.as_deref(), &object.name).await;
        let live = live.map_err(|e| ResourcesError::Live { what: object.to_string(), reason: e.message })?;
        Ok(live.map(|live| live.uid))
    }

    /// What is there already.
    pub(super) async fn live(&mut self) -> Result<(), ResourcesError> {
        let mut sought = Vec::new();
        let mut places = HashMap::new();
        for (at, planned) in self.planned.iter().enumerate().filter(|(_, it)| it.action == Action::Create) {
            let Some(kind) = &planned.kind else { continue };
            // What is not served yet is not there.
            if matches!(self.target.serves(&planned.object.kind, &kind.version), Served::Not) {
                continue;
            }
            places.insert(planned.saved, at);
            sought.push(Sought {
                saved: planned.saved,
                kind: kind.clone(),
                namespace: planned.to.namespace.clone(),
                name: planned.to.name.clone(),
                owners: planned.owners.clone(),
            });
        }
        let seen = self.judge.look(&self.target.cluster, sought).await?;
        for (saved, Seen { verdict, uid, resource_version }) in seen {
            let Some(planned) = places.get(&saved).and_then(|at| self.planned.get_mut(*at)) else { continue };
            planned.action = verdict.action;
            planned.reason = Some(Reason { text: verdict.reason.to_owned(), detail: verdict.detail });
            planned.changes = verdict.changes;
            planned.live = Some((uid, resource_version));
            if self.judge.gathered.objects[saved].reserve && !verdict.ends {
                // It is there: that is all that was asked of it.
                planned.action = Action::Skip;
                planned.changes.clear();
                planned.reason =
                    Some(Reason { text: "it is there, and was not asked for".to_owned(), detail: None });
            }
        }
        Ok(())
    }

    /// Nothing can be made in a namespace that is being deleted, or is not there.
    pub(super) fn namespaces(&mut self) {
        let namespaces = TypeName::new("", "namespaces");
        let fates: HashMap<Box<str>, Action> = self
            .planned
            .iter()
            .filter(|it| it.object.kind == namespaces)
            .map(|it| (it.to.name.clone(), it.action))
            .collect();
        for planned in self.planned.iter_mut().filter(|it| it.action == Action::Create) {
            let Some(namespace) = planned.to.namespace.clone() else { continue };
            if fates.get(&*namespace) == Some(&Action::Conflict) {
                planned.conflict(CLOSED, Some(namespace.to_string()));
            }
        }
    }

    /// What is owned comes after its owner.
    pub(super) fn waves(&mut self) {
        let places: HashMap<usize, usize> =
            self.planned.iter().enumerate().map(|(at, planned)| (planned.saved, at)).collect();
        // Owners of owners are few: each round settles one more generation.
        for _ in 0..16 {
            let mut changed = false;
            for at in 0..self.planned.len() {
                for bound in self.planned[at].owners.clone() {
                    let Owner::Planned(owner) = bound.now else { continue };
                    let Some(owner) = places.get(&owner) else { continue };
                    let (rank, depth) = self.planned[*owner].wave;
                    let after = (rank, depth.saturating_add(1));
                    if after > self.planned[at].wave {
                        self.planned[at].wave = after;
                        changed = true;
                    }
                }
            }
            if !changed {
                return;
            }
        }
    }
}
