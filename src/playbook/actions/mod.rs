//! What a step can do: one file per family. An action looks at the cluster and says which ops it takes; it changes nothing
//! itself.

mod backup;
mod call;
mod check;
mod evidence;
mod find;
mod gitops;
mod host;
mod identity;
mod look;
mod network;
mod node;
mod pod;
mod policy;
mod rbac;
mod resource;
mod scale;
mod secret;
mod secret_ref;
mod size;
mod span;
mod token;
mod webhook;
mod workload;

pub use look::{Live, Target};
pub use secret_ref::SecretRef;

use super::{Equipment, Known, brought::Brought, host::OnHost, op::Op};
use crate::source::kube::{Cluster, Discovery};
use async_trait::async_trait;
use jiff::Timestamp;
use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

/// What can become of what an action did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// It changes nothing.
    Read,
    /// It can be taken back.
    Undoable,
    /// It can be taken back in part, or with luck.
    HardToUndo,
    /// It stays.
    Irreversible,
}

/// What an action works with while it is planned.
#[derive(Debug, Clone, Copy)]
pub struct Planning<'a> {
    /// The run's id: names of what is made are made of it.
    pub run: &'a str,
    /// The step's id.
    pub step: &'a str,
    /// When the plan was made: the only clock.
    pub now: Timestamp,
    /// The cluster; none on a host.
    pub cluster: Option<&'a Cluster>,
    /// The host, where the playbook runs on one.
    pub host: Option<&'a OnHost>,
    /// What it serves.
    pub kinds: &'a Discovery,
    /// What there is beside it; none where nothing is looked up.
    pub equipment: Option<&'a Equipment>,
    /// What was read already; none where everything is read as it is now.
    pub known: Option<&'a Known>,
}

/// What an action would do.
#[derive(Debug, Clone, Default)]
pub struct Planned {
    /// What is to be done, in this order.
    pub ops: Vec<Op>,
    /// What comes of it, if that is known already.
    pub result: Option<Brought>,
    /// What somebody should know before it is done.
    pub remarks: Vec<String>,
}

/// Why an action cannot be planned.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ActionError {
    /// Its arguments are not what it needs.
    #[error("its arguments: {0}")]
    Arguments(String),
    /// An object is not there.
    #[error("there is no {0}")]
    Missing(String),
    /// It is another object of the same name.
    #[error(
        "{object} is another one than was meant: its UID is {found}, not {wanted}; it was replaced meanwhile"
    )]
    Replaced {
        /// Which.
        object: String,
        /// The UID that it had.
        wanted: String,
        /// The UID that there is.
        found: String,
    },
    /// It would do harm, or nothing.
    #[error("{0}")]
    Refused(String),
    /// The API server refused.
    #[error("{what}: {why}")]
    Server {
        /// What was asked for.
        what: String,
        /// What it said.
        why: String,
    },
}

/// Something that a step can do.
#[async_trait]
pub trait Action: Send + Sync {
    /// As it is written in a playbook, such as `pod.isolate`.
    fn name(&self) -> &'static str;

    /// What can become of what it did.
    fn class(&self) -> Class;

    /// What it does, in one sentence.
    fn about(&self) -> &'static str;

    /// What it can be told: the schema of its arguments, an object without further properties.
    fn arguments(&self) -> Schema;

    /// Does it act on the host, with no API server?
    fn on_host(&self) -> bool {
        false
    }

    /// Does it not matter to it whether there is an API server?
    fn anywhere(&self) -> bool {
        false
    }

    /// Is what it brings known as soon as it is planned, though it changes something?
    fn foretells(&self) -> bool {
        false
    }

    /// May calls of one step be under way at the same time, where they are alike and about different objects?
    fn abreast(&self) -> bool {
        false
    }

    /// Says what it would do.
    ///
    /// # Errors
    /// When it cannot be done so.
    async fn plan(&self, with: &Planning<'_>, arguments: Value) -> Result<Planned, ActionError>;

    /// Of one that only looks: what it brings now.
    ///
    /// # Errors
    /// When it cannot look.
    async fn look(&self, with: &Planning<'_>, arguments: Value) -> Result<Option<Value>, ActionError> {
        Ok(self.plan(with, arguments).await?.result.map(|it| it.value()))
    }

    /// Are these arguments fit, as far as that is known without looking at anything?
    ///
    /// # Errors
    /// What is wrong with them.
    fn fits(&self, arguments: &Value) -> Result<(), ActionError>;
}

/// What most actions are: a name, arguments that are a type of their own, and how they are planned.
#[async_trait]
pub(super) trait Plain: Send + Sync {
    /// Its arguments. Unknown ones are refused.
    type Args: DeserializeOwned + JsonSchema + Send;
    const NAME: &'static str;
    const CLASS: Class;
    const ABOUT: &'static str;
    /// Does it act on the host, with no API server?
    const ON_HOST: bool = false;
    /// Does it not matter to it whether there is an API server?
    const ANYWHERE: bool = false;
    /// Is what it brings known as soon as it is planned, though it changes something?
    const FORETELLS: bool = false;
    /// May calls of one step be under way at the same time, where they are alike and about different objects?
    const ABREAST: bool = false;

    async fn plan(with: &Planning<'_>, args: Self::Args) -> Result<Planned, ActionError>;

    async fn look(with: &Planning<'_>, args: Self::Args) -> Result<Option<Value>, ActionError> {
        Ok(Self::plan(with, args).await?.result.map(|it| it.value()))
    }
}

#[async_trait]
impl<T: Plain> Action for T {
    fn name(&self) -> &'static str {
        T::NAME
    }

    fn class(&self) -> Class {
        T::CLASS
    }

    fn about(&self) -> &'static str {
        T::ABOUT
    }

    fn on_host(&self) -> bool {
        T::ON_HOST
    }

    fn anywhere(&self) -> bool {
        T::ANYWHERE
    }

    fn foretells(&self) -> bool {
        T::FORETELLS
    }

    fn abreast(&self) -> bool {
        T::ABREAST
    }

    fn arguments(&self) -> Schema {
        schemars::schema_for!(T::Args)
    }

    async fn plan(&self, with: &Planning<'_>, arguments: Value) -> Result<Planned, ActionError> {
        T::plan(with, read(&arguments)?).await
    }

    async fn look(&self, with: &Planning<'_>, arguments: Value) -> Result<Option<Value>, ActionError> {
        T::look(with, read(&arguments)?).await
    }

    fn fits(&self, arguments: &Value) -> Result<(), ActionError> {
        read::<T::Args>(arguments).map(drop)
    }
}

/// Every action.
pub fn all() -> &'static [&'static dyn Action] {
    ALL
}

const ALL: &[&dyn Action] = &[
    &find::Find,
    &resource::Label,
    &resource::Annotate,
    &resource::Patch,
    &resource::Apply,
    &scale::Scale,
    &scale::Suspend,
    &resource::DeleteResource,
    &network::NetworkExposure,
    &pod::Isolate,
    &pod::Protect,
    &pod::EvictPod,
    &pod::DeletePod,
    &identity::BlastRadius,
    &rbac::Detach,
    &rbac::Attach,
    &token::Invalidate,
    &token::TokenReview,
    &token::AccessReview,
    &token::DenyCsr,
    &policy::BlockImage,
    &policy::Freeze,
    &policy::DenyExec,
    &webhook::Quarantine,
    &webhook::Retain,
    &gitops::Suspend,
    &workload::Restart,
    &workload::Rollback,
    &node::Cordon,
    &node::Uncordon,
    &node::Taint,
    &node::Drain,
    &node::DeleteNode,
    &evidence::Manifest,
    &evidence::Events,
    &evidence::Logs,
    &evidence::Exec,
    &evidence::Files,
    &evidence::Checkpoint,
    &backup::Create,
    &backup::HoldPoints,
    &backup::VerifyPoint,
    &backup::Diff,
    &backup::Bisect,
    &backup::Resources,
    &backup::Sandbox,
    &call::Notify,
    &call::Request,
    &secret::Rotate,
    &check::Assert,
    &check::Wait,
    &check::Ready,
    &check::Http,
    &check::Exec,
    &check::Diagnose,
    &host::Status,
    &host::Archive,
    &host::Restore,
    &host::Stop,
    &host::Start,
];

/// The name of something that a step makes: the same whenever the step is planned for this run, and nobody else's.
fn unique(with: &Planning<'_>, what: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in [with.run, with.step].iter().chain(what) {
        hash.update(part);
        hash.update([0]);
    }
    let short: String = hash.finalize().iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    format!("lifeboat-{}-{short}", with.run.to_lowercase())
}

/// The action of this name.
pub fn find(name: &str) -> Option<&'static dyn Action> {
    all().iter().find(|action| action.name() == name).copied()
}

fn read<T: DeserializeOwned>(given: &Value) -> Result<T, ActionError> {
    // No argument at all is a mapping without fields.
    let given = if given.is_null() { &Value::Object(serde_json::Map::new()) } else { given };
    T::deserialize(given).map_err(|e| ActionError::Arguments(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_says_what_it_is() {
        let mut names: Vec<&str> = all().iter().map(|it| it.name()).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        for action in all() {
            let name = action.name();
            assert!(name.split('.').all(|part| part.bytes().all(|b| b.is_ascii_alphabetic())), "{name}");
            assert!(action.about().ends_with('.') && action.about().len() > 20, "{name}");
            let schema = action.arguments();
            // What a playbook misspells must not be passed over; what `assert` is told is for another action to judge.
            if name != "assert" {
                assert_eq!(schema.get("additionalProperties"), Some(&Value::Bool(false)), "{name}");
            }
            assert!(action.fits(&serde_json::json!({"no-such-argument": 1})).is_err(), "{name}");
        }
    }
}
