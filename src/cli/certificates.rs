//! The certificates with which backups are made, and until when they hold.

use super::{
    context::{Api, Context},
    failure::Failure,
};
use crate::{
    daemon::Validity,
    source::{Certificate, Renewable},
};
use std::collections::{BTreeMap, BTreeSet};

/// Those of etcd's clients.
fn etcd(context: &Context) -> Result<Vec<Renewable>, Failure> {
    Ok(context.etcd_tls()?.map(|tls| tls.certificates()).unwrap_or_default())
}

/// Those with which stores are known.
pub(super) fn stores(context: &Context) -> Result<Vec<Renewable>, Failure> {
    let loaded = context.config()?;
    let files: BTreeSet<_> = loaded
        .config
        .stores
        .iter()
        .filter_map(|it| Some(loaded.resolve(it.s3.as_ref()?.ca.as_ref()?)))
        .collect();
    Ok(files.iter().map(|file| Renewable::in_file("store-ca", file)).collect())
}

/// Those with which the API server is spoken to.
async fn kubernetes(context: &Context) -> Result<Vec<Renewable>, Failure> {
    Ok(context.resources(&Api::default())?.0.certificates().await?)
}

/// That one of each kind which ceases to hold first, as far as they can be read; why they cannot goes into the log.
pub(super) async fn first_to_expire(context: &Context) -> Vec<Validity> {
    let unknown =
        |e: &dyn std::fmt::Display| tracing::warn!("until when a certificate holds is not known: {e}");
    let mut all = Vec::new();
    let kubernetes = match asks_the_api_server(context) {
        true => kubernetes(context).await,
        false => Ok(Vec::new()),
    };
    for found in [etcd(context), kubernetes, stores(context)] {
        match found {
            Ok(found) => all.extend(found),
            Err(failure) => unknown(&failure.error),
        }
    }
    let mut first: BTreeMap<&'static str, Validity> = BTreeMap::new();
    for Renewable { of, read, .. } in all {
        match read {
            Ok(Certificate { not_before, not_after, .. }) => {
                let it = Validity { of, not_before, not_after };
                let sooner = |known: &mut Validity| {
                    if it.not_after < known.not_after {
                        *known = it;
                    }
                };
                first.entry(of).and_modify(sooner).or_insert(it);
            }
            Err(e) => unknown(&e),
        }
    }
    first.into_values().collect()
}

/// Is there anything that asks it? A kubeconfig that just lies there, and that nobody renews, is nobody's trouble.
fn asks_the_api_server(context: &Context) -> bool {
    context.config().is_ok_and(|loaded| {
        let named = &loaded.config.kubernetes;
        let mut runs = loaded.config.schedules.iter().map(|it| &it.run);
        let asks = runs.any(|it| it.backup.as_ref().is_some_and(|it| !it.etcd_only) || it.playbook.is_some());
        asks || named.in_cluster || named.kubeconfig.is_some() || named.context.is_some()
    })
}
