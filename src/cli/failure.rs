use crate::{
    backup::BackupError,
    catalogue::CatalogueError,
    compare::CompareError,
    config::ConfigError,
    object::BadPattern,
    pipeline::PipelineError,
    playbook::JournalError,
    restore::{etcd::RestoreError, resources::ResourcesError, static_pods::SwapError},
    source::{etcd::EtcdError, kube::KubeError},
    store::StoreError,
};
use std::{path::Path, process::ExitCode};

/// The program's exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Everything asked for was done.
    Done = 0,
    /// It was not done.
    Failed = 1,
    /// The arguments or the configuration are wrong.
    Usage = 2,
    /// A recovery point was stored, and something is missing in it.
    Partial = 3,
    /// What is stored is not what was saved.
    Verification = 4,
    /// A drill brought everything back, but too late, or something too old; or what is looked at is older than it may be.
    Objective = 5,
    /// Something is there already, or somebody else is at work.
    Conflict = 6,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

/// Why a command failed, and with which exit code.
#[derive(Debug)]
pub(super) struct Failure {
    pub exit: Exit,
    pub error: anyhow::Error,
    pub help: Option<String>,
}

impl Failure {
    pub(super) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Failure { exit, error: anyhow::Error::msg(message.into()), help: None }
    }

    pub(super) fn usage(message: impl Into<String>) -> Self {
        Failure::new(Exit::Usage, message)
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// A name for the exit code, for scripts.
    pub(super) fn code(&self) -> &'static str {
        match self.exit {
            Exit::Done => "done",
            Exit::Failed => "failed",
            Exit::Usage => "usage",
            Exit::Partial => "partially-failed",
            Exit::Verification => "verification-failed",
            Exit::Objective => "objective-missed",
            Exit::Conflict => "conflict",
        }
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        let error = error.into();
        let (exit, help) = match error.downcast_ref::<SwapError>() {
            Some(e) => of_swap(e),
            None => {
                let (exit, help) = judge(&error);
                (exit, help.map(str::to_owned))
            }
        };
        Failure { exit, error, help }
    }
}

fn judge(error: &anyhow::Error) -> (Exit, Option<&'static str>) {
    if error.is::<ConfigError>() {
        return (
            Exit::Usage,
            Some("`lifeboat schema config` describes the file, `lifeboat init` writes a new one"),
        );
    }
    if let Some(e) = error.downcast_ref::<BackupError>() {
        return match e {
            BackupError::Etcd(e) => of_etcd(e),
            // The other half, where it is configured, has failed or is not wanted.
            BackupError::Kube(KubeError::NoConfiguration { .. }) => (
                Exit::Usage,
                Some("`kubernetes.kubeconfig` names one for good; to save etcd, configure `etcd.endpoints`"),
            ),
            BackupError::Kube(e) => of_kube(e),
            BackupError::Pipeline(e) => of_pipeline(e),
            BackupError::Store(e) => of_store(e),
            BackupError::Nothing => (Exit::Usage, None),
            BackupError::Catalogue(e) => of_catalogue(e),
            BackupError::GivenUp { .. } => (Exit::Conflict, None),
            BackupError::Stopped { .. } => (Exit::Failed, None),
            BackupError::StoredWrongly { .. } => (Exit::Verification, None),
            _ => (Exit::Failed, Some("`lifeboat doctor` tries each thing that a backup needs")),
        };
    }
    if let Some(e) = error.downcast_ref::<RestoreError>() {
        return of_restore(e);
    }
    if let Some(e) = error.downcast_ref::<ResourcesError>() {
        return of_resources(e);
    }
    if let Some(e) = error.downcast_ref::<JournalError>() {
        return match e {
            JournalError::InUse(_) => (Exit::Conflict, None),
            JournalError::Tampered { .. } => (Exit::Verification, None),
            JournalError::Io { .. } => (Exit::Failed, None),
        };
    }
    if let Some(e) = error.downcast_ref::<CompareError>() {
        return of_compare(e);
    }
    if let Some(e) = error.downcast_ref::<CatalogueError>() {
        return of_catalogue(e);
    }
    if let Some(e) = error.downcast_ref::<PipelineError>() {
        return of_pipeline(e);
    }
    if let Some(e) = error.downcast_ref::<StoreError>() {
        return of_store(e);
    }
    if let Some(e) = error.downcast_ref::<EtcdError>() {
        return of_etcd(e);
    }
    if let Some(e) = error.downcast_ref::<KubeError>() {
        return of_kube(e);
    }
    (if error.is::<BadPattern>() { Exit::Usage } else { Exit::Failed }, None)
}

fn of_restore(error: &RestoreError) -> (Exit, Option<&'static str>) {
    match error {
        RestoreError::Catalogue(e) => of_catalogue(e),
        RestoreError::NotEmpty(_) | RestoreError::Busy(_) => (Exit::Conflict, None),
        RestoreError::Options(_) => (Exit::Usage, Some("see `lifeboat restore etcd --help`")),
        _ => (Exit::Failed, None),
    }
}

fn of_resources(error: &ResourcesError) -> (Exit, Option<&'static str>) {
    match error {
        ResourcesError::Catalogue(e) => of_catalogue(e),
        ResourcesError::Kube(e) => of_kube(e),
        ResourcesError::Asked(_) => (Exit::Usage, Some("see `lifeboat restore resources --help`")),
        ResourcesError::PlanFile { .. } => (Exit::Usage, Some("`--plan FILE` writes one")),
        _ => (Exit::Failed, None),
    }
}

fn of_swap(error: &SwapError) -> (Exit, Option<String>) {
    let undo = |manifests: &Path| {
        format!(
            "`lifeboat restore undo {0}` goes back to what was before, `lifeboat restore undo {0} --dry-run` says how",
            manifests.display()
        )
    };
    match error {
        SwapError::Restore(e) => {
            let (exit, help) = of_restore(e);
            (exit, help.map(str::to_owned))
        }
        SwapError::SeveralMembers { .. } => {
            let help = "follow \"Restoring at three in the morning\" in the README on every host; or, when the other \
                        members are stopped and given up, let this host become the only one: --force-new-cluster";
            (Exit::Usage, Some(help.to_owned()))
        }
        SwapError::Busy(_) => (Exit::Conflict, None),
        SwapError::Unfinished { manifests, .. } => (Exit::Conflict, Some(undo(manifests))),
        SwapError::NotUndone { manifests, .. } => (Exit::Failed, Some(undo(manifests))),
        _ => (Exit::Failed, None),
    }
}

fn of_etcd(error: &EtcdError) -> (Exit, Option<&'static str>) {
    match error {
        EtcdError::NoEndpoint | EtcdError::TlsFile { .. } => (Exit::Usage, None),
        _ => (Exit::Failed, Some("`lifeboat doctor` asks every member and says how to mend what is wrong")),
    }
}

fn of_kube(error: &KubeError) -> (Exit, Option<&'static str>) {
    use KubeError::*;
    match error {
        Kubeconfig { .. }
        | NoConfiguration { .. }
        | UnknownContext { .. }
        | Unusable { .. }
        | Selector { .. }
        | NothingIncluded { .. } => (Exit::Usage, None),
        _ => (
            Exit::Failed,
            Some("`lifeboat doctor` tries the API server; `lifeboat backup --etcd-only` does without it"),
        ),
    }
}

fn of_pipeline(error: &PipelineError) -> (Exit, Option<&'static str>) {
    use PipelineError::*;
    match error {
        NoRecipient
        | Recipient { .. }
        | Plugin { .. }
        | Identity { .. }
        | NoIdentity
        | WrongIdentity
        | SigningKey(_)
        | PublicKey(_) => (Exit::Usage, None),
        Decrypt(_) | Decompress(_) | TooLong(_) | Signature(_) => (Exit::Verification, None),
        _ => (Exit::Failed, None),
    }
}

fn of_store(error: &StoreError) -> (Exit, Option<&'static str>) {
    match error {
        StoreError::Exists { .. } => (Exit::Conflict, None),
        StoreError::Settings { .. } | StoreError::NoLock { .. } => (Exit::Usage, None),
        StoreError::Changed { .. } => (Exit::Verification, None),
        _ => (Exit::Failed, None),
    }
}

fn of_compare(error: &CompareError) -> (Exit, Option<&'static str>) {
    match error {
        CompareError::Catalogue(e) => of_catalogue(e),
        CompareError::Kube(e) => match of_kube(e) {
            (Exit::Failed, _) => (
                Exit::Failed,
                Some("`lifeboat doctor` tries the API server; recovery points are compared without it"),
            ),
            usage => usage,
        },
        CompareError::UnknownType { .. }
        | CompareError::Ambiguous { .. }
        | CompareError::Pattern(_)
        | CompareError::Asked(_) => (Exit::Usage, None),
        CompareError::NoObject { .. } => {
            (Exit::Failed, Some("`lifeboat find KIND/NAME` tells in which recovery points an object is"))
        }
        _ => (Exit::Failed, None),
    }
}

fn of_catalogue(error: &CatalogueError) -> (Exit, Option<&'static str>) {
    match error {
        CatalogueError::Store(e) => of_store(e),
        CatalogueError::Artifact { source, .. } => of_pipeline(source),
        CatalogueError::Damaged { .. } | CatalogueError::NotTrusted { .. } => {
            (Exit::Verification, Some("`lifeboat verify` names everything that is wrong with it"))
        }
        CatalogueError::Point(_) => (Exit::Verification, None),
        CatalogueError::Evidence { .. } => {
            (Exit::Verification, Some("`lifeboat drill verify` names everything that is wrong with it"))
        }
        CatalogueError::Details { source, .. } => of_pipeline(source),
        CatalogueError::Ambiguous { .. } => (Exit::Usage, None),
        CatalogueError::Other { .. } => (Exit::Conflict, None),
        CatalogueError::Reason(_) | CatalogueError::Unsigned { .. } | CatalogueError::OtherKey => {
            (Exit::Usage, None)
        }
        CatalogueError::Signing(e) => of_pipeline(e),
        _ => (Exit::Failed, None),
    }
}
