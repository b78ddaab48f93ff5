use std::path::PathBuf;
use thiserror::Error;

/// Why a cluster could not be reached, read or exported.
#[derive(Debug, Error)]
pub enum KubeError {
    /// The kubeconfig file is not there or cannot be read.
    #[error("the kubeconfig {} cannot be read: {reason}; name another with --kubeconfig", path.display())]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// What the operating system or the parser said, without any of the file's content.
        reason: String,
    },
    /// Nothing says which cluster is meant.
    #[error(
        "no cluster to speak to: {reason}; give --kubeconfig FILE, set KUBECONFIG, or run in a pod with `inCluster: true`"
    )]
    NoConfiguration {
        /// Where was looked, and what was found.
        reason: String,
    },
    /// The kubeconfig has no such context.
    #[error("the kubeconfig {file} has no context `{context}`; it has: {known}")]
    UnknownContext {
        /// The context that was asked for.
        context: String,
        /// The file, or the files, that were read.
        file: String,
        /// The contexts that are there.
        known: String,
    },
    /// The kubeconfig is readable, but something that it refers to is missing or broken.
    #[error("the kubeconfig {file} cannot be used: {reason}")]
    Unusable {
        /// The file, or the files, that were read.
        file: String,
        /// What is wrong.
        reason: String,
    },
    /// Not in a pod, or the service account is not mounted.
    #[error(
        "the in-cluster configuration cannot be read: {reason}; check that the pod mounts its service account"
    )]
    InCluster {
        /// What is missing.
        reason: String,
    },
    /// A credential plugin or a token file failed.
    #[error("no credentials for {server}: {reason}")]
    Credentials {
        /// The API server.
        server: String,
        /// What failed, without any of the credentials.
        reason: String,
    },
    /// The API server's certificate is not trusted, or it does not trust ours.
    #[error(
        "no trusted connection to {server}: {reason}; check the kubeconfig's certificate-authority and client certificate"
    )]
    Certificate {
        /// The API server.
        server: String,
        /// What TLS said.
        reason: String,
    },
    /// Nobody answers there.
    #[error(
        "the API server {server} cannot be reached: {reason}; check the address and that the server is up"
    )]
    Unreachable {
        /// The API server.
        server: String,
        /// What the network said.
        reason: String,
    },
    /// The server accepted the request and then sent nothing.
    #[error(
        "the API server {server} stopped answering: nothing came for {seconds} s while it was asked to {what}; \
         check its load, or raise the timeout"
    )]
    Stalled {
        /// The API server.
        server: String,
        /// What was being read.
        what: String,
        /// For how long nothing came.
        seconds: u64,
    },
    /// The credentials are not accepted.
    #[error(
        "{server} does not accept the credentials (401 Unauthorized): they have expired or belong to another cluster"
    )]
    Unauthorized {
        /// The API server.
        server: String,
    },
    /// The server refused a request that nothing can be done without.
    #[error("{server} refused to {what}: {code} {reason}")]
    Refused {
        /// The API server.
        server: String,
        /// What was asked of it.
        what: String,
        /// The HTTP status.
        code: u16,
        /// The server's message.
        reason: String,
    },
    /// The server's answer is not what the API says.
    #[error(
        "{server} sent something that cannot be read for {what}: {reason}; is this a Kubernetes API server?"
    )]
    BadAnswer {
        /// The API server.
        server: String,
        /// What was asked of it.
        what: String,
        /// What is wrong with the answer, without any of its content.
        reason: String,
    },
    /// The server does not understand the label selector.
    #[error("the label selector `{selector}` is refused: {reason}; write it as for `kubectl get -l`")]
    Selector {
        /// The selector as it was given.
        selector: String,
        /// What the server said.
        reason: String,
    },
    /// The filter leaves nothing to export.
    #[error("nothing to export: no type that the server has matches the filter ({patterns})")]
    NothingIncluded {
        /// The patterns of the filter.
        patterns: String,
    },
    /// No list could be read that would say which revision is the newest.
    #[error("the cluster's revision cannot be learned: no type can be listed; {reason}")]
    NoRevision {
        /// What the last attempt answered.
        reason: String,
    },
    /// Compaction was faster than the export, several times.
    #[error(
        "the revision {revision} was compacted before the export was done, and so were {restarts} before it; \
         export less per run, let it read faster (qps, concurrency, a faster store), \
         or raise the API server's --etcd-compaction-interval"
    )]
    Outrun {
        /// The last revision.
        revision: String,
        /// How often the export had begun again.
        restarts: u32,
    },
    /// A part of the export ended without a result: a defect in this program.
    #[error("the export ended without a result ({reason}): this is a defect of lifeboat, please report it")]
    Interrupted {
        /// What is known.
        reason: String,
    },
    /// The result was asked for before the last object was taken.
    #[error("the export is not finished: take its events until there are none")]
    Unfinished,
}
