//! Whether Secrets can be read where the source encrypts them at rest; and if not, exactly which key is missing.

use super::{Check, Results, counted};
use crate::{
    catalogue::{Catalogue, CatalogueError},
    pipeline::{Identities, hidden_file},
    point::{ArtifactKind, Manifest},
    snapshot::{Database, Decoded, Secrets, SnapshotError, decode},
};
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

const NAME: &str = "secrets";
/// So many values are looked at for their keys' names.
const LOOKED_AT: usize = 5_000;

/// By whom a value is encrypted, and the name of the key.
type Provider = (String, String);

/// Ends the check. `unread` is why staging did not serve Secrets, if it did not.
pub(in crate::drill) async fn encryption(
    catalogue: &Catalogue,
    manifest: &Manifest,
    identities: Arc<Identities>,
    unread: Option<String>,
    results: &mut Results,
) -> Result<(), CatalogueError> {
    if !results.wants(NAME) {
        return Ok(());
    }
    let began = Instant::now();
    let mut check = Check::new(NAME, "staging serves every Secret, decrypted");
    let Some(reason) = unread else {
        results.end(check, "they are served", Duration::ZERO);
        return Ok(());
    };
    let Some(artifact) = manifest.artifact(&ArtifactKind::Etcd) else {
        check.found(format!("they are not: {reason}"), 0);
        results.end(check, reason, began.elapsed());
        return Ok(());
    };
    let plain =
        hidden_file(artifact.plain_bytes, &std::env::temp_dir()).map_err(CatalogueError::Temporary)?;
    let writer = plain.try_clone().map_err(CatalogueError::Temporary)?;
    catalogue.open(manifest, &ArtifactKind::Etcd, identities, writer).await?;
    let looked = tokio::task::spawn_blocking(move || providers(&Database::open(plain)?));
    let found = looked.await.map_err(|_| CatalogueError::Stopped)?;
    match found {
        Ok(providers) if providers.is_empty() => {
            check.found(format!("they are not, though they are not encrypted: {reason}"), 0);
        }
        Ok(providers) => {
            for ((provider, key), n) in providers {
                check.found(
                    format!(
                        "{} encrypted at rest by the provider `{provider}` with the key `{key}`, which staging does not \
                         have: name the source's EncryptionConfiguration in staging.controlplane.encryptionConfig, and keep \
                         a copy of it where the cluster's loss does not reach it",
                        counted(n, "Secret is").replace("Secret iss", "Secrets are")
                    ),
                    n,
                );
            }
        }
        Err(e) => check.found(format!("they are not, and the snapshot does not tell why: {e}"), 0),
    }
    results.end(check, format!("they are not served: {reason}"), began.elapsed());
    Ok(())
}

fn providers(database: &Database) -> Result<BTreeMap<Provider, u64>, SnapshotError> {
    let mut found = BTreeMap::new();
    for key in database.keys(b"/registry/secrets/")?.iter().take(LOOKED_AT) {
        let value = database.read(key)?.map(|found| found.value).unwrap_or_default();
        if let Decoded::Encrypted { provider, key_name, .. } = decode(&value, Secrets::Redact) {
            *found.entry((provider, key_name)).or_default() += 1;
        }
    }
    Ok(found)
}
