//! Brings objects of a recovery point back that are not there. It is one call of the restore room, which makes many: what it made is
//! known by who wrote it, and so nothing of it is lost when the run dies in the middle.

mod back;
mod made;

pub use made::Made;

use super::{Doing, ObjectRef, OpError, Outcome, Probe, Tried};
use crate::{
    object::{Glob, LabelSelector, Rewrite, Rules, TypeName},
    playbook::Equipment,
    point::{ArtifactKind, Manifest, PointId},
    restore::resources::{
        Done, From, Options, Plan, Planned, Progress, Selection, Target, TypeSet, apply, gather,
        leave_terminating, plan, saved_types,
    },
    source::kube::{Attempt, Cluster},
};
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
    time::Duration,
};

/// Requests that are under way at a time.
const AT_ONCE: usize = 16;
/// So many objects are named where they are told to people.
const TOLD: usize = 200;

/// Brings objects of a recovery point back that are not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Restore {
    /// Out of which recovery point.
    pub point: PointId,
    /// Which of its objects.
    pub select: Selected,
    /// The namespace that one of these becomes, and nothing in it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beside: Option<String>,
    /// Who writes: nobody else has this name.
    pub manager: String,
    /// How long is waited for namespaces that are being deleted, and for types to be served, in milliseconds.
    pub within_ms: u64,
    /// What was missing when the plan was made. What goes missing until it is carried out is brought back as well.
    pub objects: Vec<ObjectRef>,
    /// What cannot be brought back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
}

/// Which objects of a recovery point.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Selected {
    /// Those of these namespaces.
    pub namespaces: BTreeSet<String>,
    /// Those that have no namespace, too.
    pub cluster_scoped: bool,
    /// Only these types.
    pub kinds: Vec<String>,
    /// And not these.
    pub exclude_kinds: Vec<String>,
    /// Only with these names.
    pub names: Vec<String>,
    /// Only with fitting labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<String>,
}

/// What is to be done, and with what.
pub(in crate::playbook) struct Ready {
    target: Target,
    options: Options,
    plan: Plan,
}

impl Ready {
    /// What would be made now.
    pub(in crate::playbook) fn missing(&self) -> Vec<ObjectRef> {
        let wanted = |it: &&Planned| it.writes() || it.waits();
        self.plan.objects.iter().filter(wanted).filter_map(reference).collect()
    }

    /// What cannot be made, and why.
    pub(in crate::playbook) fn left_out(&self) -> Vec<(String, String)> {
        let against = self.plan.objects.iter().filter(|it| it.conflicts() && !it.waits());
        let why = |it: &Planned| it.reason.as_ref().map(ToString::to_string).unwrap_or_default();
        against.map(|it| (it.to.to_string(), why(it))).collect()
    }

    /// What would not work afterwards.
    pub(in crate::playbook) fn doubts(&self) -> Vec<String> {
        self.plan.findings.iter().map(ToString::to_string).collect()
    }

    /// What waits until something that is being deleted is gone.
    pub(in crate::playbook) fn waiting(&self) -> usize {
        self.plan.objects.iter().filter(|it| it.waits()).count()
    }
}

fn reference(planned: &Planned) -> Option<ObjectRef> {
    let kind = planned.resource_type()?;
    Some(ObjectRef::new(kind, planned.to.namespace.as_deref(), &planned.to.name, None))
}

impl Restore {
    /// The namespaces that objects are brought back into.
    pub fn places(&self) -> BTreeSet<&str> {
        match &self.beside {
            Some(beside) => BTreeSet::from([beside.as_str()]),
            None => self.select.namespaces.iter().map(String::as_str).collect(),
        }
    }

    fn options(&self, target: &Target, manifest: &Manifest, try_out: bool) -> Result<Options, String> {
        let text = |e: &dyn fmt::Display| e.to_string();
        let known: BTreeSet<TypeName> = target.types().cloned().chain(saved_types(manifest)).collect();
        let known: Vec<TypeName> = known.into_iter().collect();
        let glob = |name: &String| name.parse::<Glob>().map_err(|e| format!("`{name}`: {e}"));
        let select = &self.select;
        let labels = select.labels.as_deref().map(str::parse::<LabelSelector>).transpose();
        // No namespace at all is not every namespace.
        let without = if select.namespaces.is_empty() { vec![Glob::of_names("*")] } else { Vec::new() };
        let rules = match (&self.beside, select.namespaces.first()) {
            (Some(beside), Some(of)) => Rules {
                namespaces: BTreeMap::from([(of.clone(), beside.clone())]),
                quiesce: true,
                ..Rules::default()
            },
            _ => Rules::default(),
        };
        Ok(Options {
            select: Selection {
                types: TypeSet::new(&select.kinds, &known).map_err(|e| text(&e))?,
                without_types: TypeSet::new(&select.exclude_kinds, &known).map_err(|e| text(&e))?,
                namespaces: select.namespaces.iter().map(glob).collect::<Result<_, _>>()?,
                without_namespaces: without,
                cluster_scoped: select.cluster_scoped.then_some(true),
                labels: labels.map_err(|e| text(&e))?,
                names: select.names.iter().map(|name| Glob::of_names(name)).collect(),
                among: None,
            },
            rewrite: Rewrite::new(rules).map_err(|e| text(&e))?,
            terms: Some(Arc::new(made::Marked(self.manager.clone()))),
            keep: Default::default(),
            policy: Default::default(),
            only_missing: true,
            try_out,
            drop_unknown_fields: false,
            manager: self.manager.clone(),
            concurrency: AT_ONCE,
            wait: Duration::from_millis(self.within_ms),
        })
    }

    /// Looks at what is saved and what is there. With `try_out` the server tries every write, and nothing is waited for.
    ///
    /// # Errors
    /// When one of them cannot be read.
    pub(in crate::playbook) async fn ready(
        &self,
        cluster: &Cluster,
        equipment: &Equipment,
        try_out: bool,
    ) -> Result<Ready, String> {
        let identities = equipment.opening()?;
        let catalogue = &equipment.catalogue;
        let manifest = catalogue.load(&self.point).await.map_err(|e| e.to_string())?.manifest;
        if manifest.artifact(&ArtifactKind::Resources).is_none() {
            return Err(format!(
                "{} holds no resource export: nothing can be brought back out of it",
                self.point
            ));
        }
        let target = Target::learn(cluster.clone()).await.map_err(|e| e.to_string())?;
        let options = self.options(&target, &manifest, try_out)?;
        let from = From::Point { catalogue, manifest: &manifest, identities };
        let now = Timestamp::now();
        let gathering: BoxFuture<'_, _> = Box::pin(gather(&from, &target, &options, now));
        let gathered = gathering.await.map_err(|e| e.to_string())?;
        if gathered.wanted() == 0 {
            return Err(format!(
                "nothing of {} was asked for: `lifeboat show {0}` tells what is in it",
                self.point
            ));
        }
        if !try_out {
            let leaving: BoxFuture<'_, _> = Box::pin(leave_terminating(&target, &gathered, &options));
            leaving.await.map_err(|e| e.to_string())?;
        }
        let planning: BoxFuture<'_, _> = Box::pin(plan(&target, gathered, &options, rand::random(), now));
        let plan = planning.await.map_err(|e| e.to_string())?;
        Ok(Ready { target, options, plan })
    }

    pub(super) fn rights(&self) -> (Vec<Attempt>, Vec<Attempt>) {
        let of = |verbs: &[&str]| {
            let all: BTreeSet<Attempt> = self
                .objects
                .iter()
                .flat_map(|object| verbs.iter().map(|verb| super::change::attempt(object, verb, None)))
                .map(|attempt| Attempt { name: None, ..attempt })
                .collect();
            all.into_iter().collect()
        };
        (of(&["create", "get", "list"]), of(&["get", "list", "delete"]))
    }

    pub(super) async fn try_out(&self, with: &Doing<'_>) -> Tried {
        // The server has tried every write when the plan was made: that is where the objects come from.
        match with.equipment.opening() {
            Ok(_) => Tried::Accepted,
            Err(why) => Tried::Refused { why },
        }
    }

    /// Does it.
    ///
    /// # Errors
    /// When something is still not there. What was made stays made, and is found again.
    pub async fn carry_out(
        &self,
        with: &Doing<'_>,
        stop: impl Future<Output = &'static str> + Send,
    ) -> Result<Outcome, OpError> {
        let mut stop: BoxFuture<'_, &'static str> = Box::pin(stop);
        let mut wrong = self.once(with, &mut stop).await?;
        // What somebody else, or a controller, has made meanwhile is there: that is all that was asked.
        if !wrong.is_empty() && wrong.iter().all(|(_, done)| *done == Done::Conflict) {
            wrong = self.once(with, &mut stop).await?;
        }
        if !wrong.is_empty() {
            let some: Vec<String> = wrong.iter().take(5).map(|(text, _)| text.clone()).collect();
            let text = format!("{} objects are still not there: {}", wrong.len(), some.join("; "));
            return Err(OpError::Failed(text));
        }
        let made = made::find(self, with.cluster()?).await?;
        let mut said = format!("{} objects are made", made.len());
        if !self.left_out.is_empty() {
            said.push_str(&format!(", and {} cannot be", self.left_out.len()));
        }
        let mut brought = json!({"point": self.point, "made": made});
        if let Some(beside) = &self.beside {
            brought["namespace"] = beside.as_str().into();
        }
        Ok(Outcome { uid: None, said: Some(said), brought: Some(brought) })
    }

    /// Makes what is missing now. Gives what is still not there, and how it went with it.
    async fn once(
        &self,
        with: &Doing<'_>,
        stop: &mut BoxFuture<'_, &'static str>,
    ) -> Result<Vec<(String, Done)>, OpError> {
        let Ready { target, options, plan } =
            self.ready(with.cluster()?, with.equipment, false).await.map_err(OpError::Failed)?;
        let progress = Progress::default();
        let applying: BoxFuture<'_, _> = Box::pin(apply(&plan, &target, &options, &progress, stop));
        let outcomes = applying.await;
        let wrong = outcomes
            .iter()
            .filter(|it| matches!(it.outcome, Done::Conflict | Done::Failed | Done::NotReached))
            .filter(|it| !self.left_out.contains(&it.object.to_string()))
            .map(|it| match &it.reason {
                Some(reason) => (format!("{}: {reason}", it.object), it.outcome),
                None => (format!("{}: it was not reached", it.object), it.outcome),
            });
        Ok(wrong.collect())
    }

    /// What it made is known by who wrote it: it can just be gone on with.
    pub(super) fn probe(&self) -> Probe {
        Probe::NotDone
    }
}

impl fmt::Display for Restore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = self.objects.len();
        match &self.beside {
            Some(beside) => {
                write!(f, "make {n} objects of {} in the namespace {beside}, without running", self.point)?
            }
            None => write!(f, "make {n} objects again, out of {}", self.point)?,
        }
        for object in self.objects.iter().take(TOLD) {
            write!(f, "\nmake {object}")?;
        }
        if n > TOLD {
            write!(f, "\nand {} more", n - TOLD)?;
        }
        Ok(())
    }
}
