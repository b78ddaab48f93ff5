//! Whether an API server is ready.

use crate::source::kube::{Cluster, Connection};
use std::{path::PathBuf, time::Duration};

/// What a server that only waits until it has read everything once is not ready for.
const ONLY_INFORMERS: &str = "it waits for informer-sync";
/// What it writes over a value for which it has no key (`value.TransformFromStorage` of k8s.io/apiserver).
pub(super) const CANNOT_DECRYPT: &str = "unable to transform key";

/// How staging is reached.
pub(super) fn connection(kubeconfig: PathBuf) -> Connection {
    Connection {
        kubeconfig: Some(kubeconfig),
        qps: 0,
        timeout: Duration::from_secs(60),
        ..Connection::default()
    }
}

/// Does the API server serve all that it can? If not, why. One that lacks a key would wait for ever for what it cannot decrypt,
/// and serves everything else: the checks tell what is missing. `cannot_decrypt` looks for [`CANNOT_DECRYPT`] in what the server wrote.
pub(super) async fn serves(
    connection: &Connection,
    cannot_decrypt: impl Future<Output = bool>,
) -> Result<(), String> {
    match ask(connection).await {
        Err(why) if why == ONLY_INFORMERS && cannot_decrypt.await => Ok(()),
        answer => answer,
    }
}

/// Is the API server ready? If not, why.
async fn ask(connection: &Connection) -> Result<(), String> {
    let patience = Duration::from_secs(5);
    let asked = async {
        let cluster = Cluster::connect(connection).await.map_err(|e| e.to_string())?;
        let ready = cluster.ready().await.map_err(|e| e.to_string())?;
        let failing: Vec<&str> =
            ready.failing.iter().map(|it| it.split(' ').next().unwrap_or_default()).collect();
        if ready.ready { Ok(()) } else { Err(format!("it waits for {}", failing.join(", "))) }
    };
    tokio::time::timeout(patience, asked).await.unwrap_or_else(|_| Err("it does not answer".to_owned()))
}
