use super::{Api, Checks, Context, Level, certificates::renewable};
use crate::source::kube::{Access, Cluster};

/// The API server, its types, and whether they may be listed.
pub(super) async fn check(context: &Context, api: &Api, checks: &mut Checks) {
    let about = "API server";
    let (connection, filter) = match context.resources(api) {
        Ok(found) => found,
        Err(e) => return checks.add(Level::Error, about, e.error.to_string()),
    };
    // What is wrong with a kubeconfig is told of the API server.
    renewable(connection.certificates().await.unwrap_or_default(), checks);
    let cluster = match Cluster::connect(&connection).await {
        Ok(cluster) => cluster,
        Err(e) => return checks.add(Level::Error, about, e.to_string()),
    };
    checks.add(Level::Ok, about, format!("{} at {}", cluster.version(), cluster.server()));
    match cluster.ready().await {
        Ok(ready) if ready.ready => {
            checks.add(Level::Ok, about, format!("ready, by {} checks of its own", ready.checks))
        }
        Ok(ready) => checks.add(Level::Warning, about, format!("not ready: {}", ready.failing.join(", "))),
        Err(e) => checks.add(Level::Warning, about, e.to_string()),
    }
    let discovery = match cluster.discover(&filter).await {
        Ok(discovery) => discovery,
        Err(e) => return checks.add(Level::Error, about, e.to_string()),
    };
    for failed in &discovery.failed {
        checks.add(
            Level::Warning,
            &failed.resource,
            format!("its types cannot be learned: {}", failed.reason),
        );
    }
    for pattern in &discovery.unmatched {
        checks.add(Level::Warning, "resources", pattern.to_string());
    }
    let mut allowed = 0;
    for permission in cluster.permissions(&discovery, &filter).await {
        let name = permission.resource.label();
        match permission.list {
            Access::Allowed => allowed += 1,
            Access::Denied(reason) => {
                let why = if reason.is_empty() { String::new() } else { format!(" ({reason})") };
                checks.add(Level::Error, name, format!("listing it is forbidden{why}: allow `list`"));
            }
            Access::Unknown(reason) => {
                checks.add(Level::Warning, name, format!("may it be listed? {reason}"))
            }
        }
    }
    checks.add(Level::Ok, about, format!("{allowed} of {} types may be listed", discovery.types.len()));
}
