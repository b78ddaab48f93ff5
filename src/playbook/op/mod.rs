//! What actions are made of: single calls, each of which can be tried, written down, carried out, looked for and taken back.
//!
//! ```text
//!   try (dry run) ─▶ intent in the journal ─▶ carry out ─▶ outcome in the journal ─▶ take back
//!                          └── after a crash: look for it: is it done, not done, or did somebody else act? ──┘
//! ```

mod call;
mod change;
mod collect;
mod create;
mod delete;
mod field;
mod host;
mod object_ref;
mod outside;
mod points;
mod rehearsed;
mod restore;
mod rotate;
mod served;
mod wait;

pub use call::{Call, Given, Http, Notify};
pub use change::Change;
pub use collect::{Collect, Collected};
pub use create::Create;
pub use delete::{Delete, Evict, Propagation};
pub use field::{FieldSet, Standing, set_all, standing};
pub use host::{EtcdPlace, EtcdRestore, HostOp};
pub use object_ref::ObjectRef;
pub use outside::{Ask, Outside};
pub use points::{HoldPoint, PointOp, Reach, SavePoint, VerifyPoint};
pub use restore::{Made, Restore, Selected};
pub use rotate::Rotate;
pub use served::{Asked, Served};
pub use wait::{Condition, Wait, lacks, unready};

use super::{Equipment, Known, host::OnHost};
use crate::source::kube::{Attempt, Cluster, Refusal};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{collections::BTreeSet, fmt};
use thiserror::Error;

/// One call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "kebab-case")]
pub enum Op {
    /// Makes an object.
    Create(Create),
    /// Sets fields of an object.
    Change(Change),
    /// Deletes an object.
    Delete(Delete),
    /// Asks a pod to go, where its disruption budget lets it.
    Evict(Evict),
    /// Waits until something is so.
    Wait(Wait),
    /// Tests something, once everything before has been done.
    Ask(Ask),
    /// Keeps evidence.
    Collect(Collect),
    /// Does something that is neither in the cluster nor in the store.
    Outside(Outside),
    /// Does something with recovery points.
    Point(PointOp),
    /// Brings objects of a recovery point back.
    Restore(Restore),
    /// Calls somebody else.
    Call(Call),
    /// Puts a new value into a Secret.
    Rotate(Rotate),
    /// Does something on the host, without an API server.
    Host(HostOp),
}

/// What came of trying an op without doing it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "tried", rename_all = "kebab-case")]
pub enum Tried {
    /// The server would do it.
    Accepted,
    /// The server would not.
    Refused {
        /// Why.
        why: String,
    },
    /// It cannot be tried, and why.
    Unverifiable {
        /// Why.
        why: String,
    },
    /// It changes nothing that a server could try.
    NotNeeded,
}

/// Is an op done?
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// Yes.
    Done(Outcome),
    /// No, and it can be done.
    NotDone,
    /// It was begun, and not brought to its end: whoever does it again, or takes it back, begins with that.
    Half,
    /// Somebody else acted meanwhile, and how.
    Other(String),
    /// Nobody can tell.
    Unknown,
}

/// What came of an op.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// The UID of what was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// What there is to tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<String>,
    /// What the step brings by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brought: Option<Value>,
}

/// Why an op was not done, or not taken back.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OpError {
    /// Somebody acted meanwhile.
    #[error("{object} was changed meanwhile, by somebody else: {how}")]
    Changed {
        /// Which.
        object: String,
        /// How.
        how: String,
    },
    /// It is not there any more.
    #[error("{0} is not there any more")]
    Gone(String),
    /// It is another object.
    #[error("{object} was replaced meanwhile: its UID is {found}, not {wanted}")]
    Replaced {
        /// Which.
        object: String,
        /// The UID that was meant.
        wanted: String,
        /// The UID that there is.
        found: String,
    },
    /// The API server refused, or does not answer.
    #[error("{object}: {why}")]
    Server {
        /// Which.
        object: String,
        /// What it said.
        why: String,
        /// Can it be tried again?
        again: bool,
    },
    /// It did not come about.
    #[error("{0}")]
    Failed(String),
    /// It was not done, and that is known.
    #[error("{0}")]
    NotDone(String),
    /// It stays.
    #[error("{0}")]
    NotUndoable(String),
    /// There is none on a host.
    #[error("it needs an API server, and this run is on a host")]
    NoCluster,
}

impl OpError {
    fn server(object: &ObjectRef, refusal: Refusal) -> Self {
        let again = refusal.conflicts() || refusal.code.is_none_or(|code| code == 429 || code >= 500);
        OpError::Server { object: object.to_string(), why: refusal.message, again }
    }

    /// Can it help to try again?
    pub fn may_pass(&self) -> bool {
        match self {
            OpError::Server { again, .. } => *again,
            OpError::Failed(_) | OpError::NotDone(_) => true,
            _ => false,
        }
    }
}

/// With what ops are carried out.
#[derive(Clone, Copy)]
pub struct Doing<'a> {
    /// The cluster; its requests carry the step's audit id. None on a host.
    pub cluster: Option<&'a Cluster>,
    /// What there is on a host.
    pub host: Option<&'a OnHost>,
    /// What there is beside it.
    pub equipment: &'a Equipment,
    /// The run.
    pub run: &'a str,
    /// Who writes, for `managedFields`.
    pub manager: &'a str,
    /// Objects as the plan saw them, if that was just now.
    pub known: Option<&'a Known>,
}

impl<'a> Doing<'a> {
    pub(super) fn cluster(&self) -> Result<&'a Cluster, OpError> {
        self.cluster.ok_or(OpError::NoCluster)
    }
}

/// What an op touches, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touch<'a> {
    /// The object.
    pub object: &'a ObjectRef,
    /// Does the object go?
    pub goes: bool,
}

impl Op {
    /// The object that it changes, makes or deletes.
    pub fn touches(&self) -> Option<Touch<'_>> {
        let (object, goes) = match self {
            Op::Create(it) => (&it.object, false),
            Op::Change(it) => (&it.object, false),
            Op::Delete(it) => (&it.object, true),
            Op::Evict(it) => (&it.object, true),
            Op::Rotate(it) => (&it.object, false),
            Op::Wait(_)
            | Op::Ask(_)
            | Op::Collect(_)
            | Op::Outside(_)
            | Op::Point(_)
            | Op::Restore(_)
            | Op::Call(_)
            | Op::Host(_) => {
                return None;
            }
        };
        Some(Touch { object, goes })
    }

    /// The objects that it changes, makes or deletes.
    pub fn objects(&self) -> Vec<&ObjectRef> {
        match self {
            Op::Restore(it) => it.objects.iter().collect(),
            _ => self.touches().map(|touch| touch.object).into_iter().collect(),
        }
    }

    /// The namespaces that it acts in, whatever it finds there.
    pub fn places(&self) -> BTreeSet<&str> {
        match self {
            Op::Restore(it) => it.places(),
            // A command may do anything there.
            Op::Outside(Outside::Exec { pod, .. }) => pod.namespace.as_deref().into_iter().collect(),
            Op::Wait(Wait { until: Condition::Serves(it), .. }) if !it.reads() => {
                [it.namespace.as_str()].into()
            }
            _ => BTreeSet::new(),
        }
    }

    /// Does it find out by itself what it did, also when it was not done to its end?
    pub fn knows_its_own(&self) -> bool {
        matches!(self, Op::Restore(_))
    }

    /// Can it be seen afterwards whether it was done, without a doubt?
    pub fn shows(&self) -> bool {
        matches!(self, Op::Create(_) | Op::Change(_) | Op::Collect(_) | Op::Wait(_) | Op::Ask(_))
    }

    /// Does it change nothing?
    pub fn reads(&self) -> bool {
        match self {
            Op::Ask(_) | Op::Collect(_) => true,
            Op::Wait(it) => it.reads(),
            Op::Point(it) => it.reads(),
            Op::Call(it) => it.reads(),
            Op::Host(it) => it.reads(),
            _ => false,
        }
    }

    /// Why it cannot be taken back; nothing if it can.
    pub fn stays(&self) -> Option<String> {
        match self {
            Op::Create(it) => it.stays(),
            Op::Change(it) => it.stays(),
            Op::Delete(it) => it.stays(),
            Op::Evict(it) => Some(format!("{} was evicted: what owns it makes another one", it.object)),
            Op::Wait(_) | Op::Ask(_) | Op::Collect(_) | Op::Point(_) | Op::Restore(_) | Op::Host(_) => None,
            Op::Call(it) => it.stays(),
            Op::Rotate(it) => Some(it.stays()),
            Op::Outside(it) => Some(format!("{it} cannot be taken back")),
        }
    }

    /// The rights that it needs, and then those that taking it back needs.
    pub fn rights(&self) -> (Vec<Attempt>, Vec<Attempt>) {
        match self {
            Op::Create(it) => it.rights(),
            Op::Change(it) => it.rights(),
            Op::Delete(it) => it.rights(),
            Op::Evict(it) => (it.rights(), Vec::new()),
            Op::Wait(it) => (it.rights(), Vec::new()),
            Op::Collect(it) => (it.rights(), Vec::new()),
            Op::Outside(it) => (it.rights(), Vec::new()),
            Op::Restore(it) => it.rights(),
            Op::Rotate(it) => (it.rights(), Vec::new()),
            Op::Ask(_) | Op::Point(_) | Op::Call(_) | Op::Host(_) => (Vec::new(), Vec::new()),
        }
    }

    /// Tries it, without doing it.
    pub async fn try_out(&self, with: &Doing<'_>) -> Tried {
        match self {
            Op::Create(it) => it.try_out(with).await,
            Op::Change(it) => it.try_out(with).await,
            Op::Delete(it) => it.try_out(with).await,
            Op::Evict(it) => it.try_out(with).await,
            Op::Wait(_) | Op::Ask(_) | Op::Collect(_) => Tried::NotNeeded,
            Op::Point(_) | Op::Call(_) if with.equipment.rehearsal => Tried::NotNeeded,
            Op::Point(it) => it.try_out(with).await,
            Op::Restore(it) => it.try_out(with).await,
            Op::Call(it) => it.try_out(with),
            Op::Rotate(it) => it.try_out(with).await,
            Op::Host(it) => it.try_out(),
            Op::Outside(it) => Tried::Unverifiable { why: format!("{it} cannot be tried without doing it") },
        }
    }

    /// Looks whether it is done: after a crash nobody knows.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn probe(&self, with: &Doing<'_>) -> Result<Probe, OpError> {
        match self {
            Op::Create(it) => it.probe(with).await,
            Op::Change(it) => it.probe(with).await,
            Op::Delete(it) => it.probe(with).await,
            Op::Evict(it) => it.probe(with).await,
            Op::Wait(_) | Op::Ask(_) | Op::Collect(_) => Ok(Probe::NotDone),
            Op::Host(it) => it.probe(with).await,
            Op::Outside(_) => Ok(Probe::Unknown),
            Op::Point(it) => it.probe(with).await,
            Op::Restore(it) => Ok(it.probe()),
            Op::Call(it) => Ok(it.probe()),
            Op::Rotate(it) => it.probe(with).await,
        }
    }

    /// Takes it back.
    ///
    /// # Errors
    /// When the object was changed since by somebody else, or it stays.
    pub async fn take_back(&self, outcome: &Outcome, with: &Doing<'_>) -> Result<Outcome, OpError> {
        match self {
            Op::Create(it) => it.take_back(outcome, with).await,
            Op::Change(it) => it.take_back(with).await,
            Op::Delete(it) => it.take_back(with).await,
            Op::Point(it) => it.take_back(outcome, with).await,
            Op::Restore(it) => it.take_back(outcome, with).await,
            Op::Host(it) => it.take_back(with).await,
            other => match other.stays() {
                None => Ok(Outcome::default()),
                Some(why) => Err(OpError::NotUndoable(why)),
            },
        }
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Op::Create(it) => write!(f, "make {}", it.object),
            Op::Change(it) => it.fmt(f),
            Op::Delete(it) => write!(f, "delete {}", it.object),
            Op::Evict(it) => write!(f, "evict {}", it.object),
            Op::Wait(it) => it.fmt(f),
            Op::Ask(it) => it.fmt(f),
            Op::Collect(it) => it.fmt(f),
            Op::Outside(it) => it.fmt(f),
            Op::Point(it) => it.fmt(f),
            Op::Restore(it) => it.fmt(f),
            Op::Call(it) => it.fmt(f),
            Op::Rotate(it) => it.fmt(f),
            Op::Host(it) => it.fmt(f),
        }
    }
}
