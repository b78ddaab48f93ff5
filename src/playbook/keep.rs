//! Evidence goes beside the recovery points, sealed like them, and answers come from there.

use super::{
    approval::Statement,
    journal::{Entry, Journal, JournalError, RunEnd, What},
    plan::Plan,
    run::Keeper,
    state::State,
};
use crate::{
    catalogue::{Catalogue, CatalogueError, Said},
    pipeline::{Recipients, SealOptions, Signer},
    point::{Digest, FormatVersion, KeptEvidence, PointId, RunRecord, ToolFacts},
};
use async_trait::async_trait;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use std::path::{Path, PathBuf};

/// Keeps evidence in a store.
pub struct StoreKeeper<'a> {
    /// Where.
    pub catalogue: &'a Catalogue,
    /// To whom it is sealed, or why it cannot be.
    pub seal: Result<(Recipients, SealOptions), String>,
    /// A directory in which statements are looked for as well: files that were carried here by hand.
    pub offline: Option<PathBuf>,
}

#[async_trait]
impl Keeper for StoreKeeper<'_> {
    async fn keep(&self, run: &PointId, name: &str, bytes: Vec<u8>) -> Result<Digest, String> {
        let (recipients, options) = self.seal.as_ref().map_err(Clone::clone)?;
        let kept = self.catalogue.keep_evidence(run, name, &bytes, recipients, *options).await;
        kept.map_err(|e| e.to_string())
    }

    async fn statements(&self, run: &PointId) -> Result<Vec<Statement>, String> {
        let mut found = Vec::new();
        if let Some(directory) = &self.offline {
            found.extend(offline(directory)?);
        }
        match self.catalogue.statements(run).await {
            Ok(said) => {
                found.extend(said.into_iter().map(|Said { bytes, signature }| Statement { bytes, signature }))
            }
            // What was carried here by hand counts without a store.
            Err(e) if found.is_empty() => return Err(e.to_string()),
            Err(_) => {}
        }
        Ok(found)
    }

    async fn ready(&self) -> Result<(), String> {
        self.seal.as_ref().map_err(Clone::clone)?;
        self.catalogue.runs_can_be_read().await.map_err(|e| e.to_string())
    }
}

/// The statements in a directory: `*.json`, each with its `.minisig`.
fn offline(directory: &Path) -> Result<Vec<Statement>, String> {
    let wrong = |e: std::io::Error| format!("{}: {e}", directory.display());
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(wrong)? {
        let path = entry.map_err(wrong)?.path();
        if path.extension().is_none_or(|it| it != "json") {
            continue;
        }
        let signature = PathBuf::from(format!("{}.minisig", path.display()));
        if let (Ok(bytes), Ok(signature)) = (std::fs::read(&path), std::fs::read(signature)) {
            found.push(Statement { bytes, signature });
        }
    }
    Ok(found)
}

/// Stores what a run is worth as evidence: its plan, its journal as it is, and a signed record of both.
///
/// # Errors
/// When the journal cannot be read, or the store does not take it.
pub async fn record(
    catalogue: &Catalogue,
    plan: &Plan,
    journal: &Path,
    signer: Option<&Signer>,
) -> Result<RunRecord, RecordError> {
    let entries = Journal::read(journal)?;
    let bytes =
        std::fs::read(journal).map_err(|source| JournalError::Io { path: journal.to_owned(), source })?;
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let bytes = bytes[..whole].to_vec();
    let record = summed_up(catalogue.cluster(), plan, &entries, &bytes, Timestamp::now());
    catalogue.put_plan(&plan.run, plan.to_bytes()).await?;
    catalogue.record_run(&record, bytes, signer).await?;
    Ok(record)
}

/// Why a run is not in the store.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The store does not take it.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
}

fn summed_up(cluster: &str, plan: &Plan, entries: &[Entry], bytes: &[u8], now: Timestamp) -> RunRecord {
    let last =
        bytes.strip_suffix(b"\n").unwrap_or(bytes).rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    let kept = entries.iter().filter_map(|entry| match &entry.what {
        What::Kept { name, bytes, sha256, stored_sha256, .. } => Some(KeptEvidence {
            key: format!("artifacts/{name}.zst.age"),
            bytes: *bytes,
            sha256: *sha256,
            stored_sha256: *stored_sha256,
        }),
        _ => None,
    });
    let state = State::of(entries);
    let (end, over) = ended(&state);
    RunRecord {
        format: FormatVersion::CURRENT,
        id: PointId::new(now, rand::random()),
        run: plan.run.clone(),
        cluster: cluster.to_owned(),
        playbook: plan.playbook.name.clone(),
        playbook_sha256: plan.playbook.sha256,
        plan_sha256: plan.digest(),
        journal_sha256: Digest::from(Sha256::digest(bytes)),
        journal_head: Digest::from(Sha256::digest(last)),
        entries: entries.len() as u64,
        by: plan.by.clone(),
        tool: ToolFacts::current(),
        began: entries.first().map_or(plan.made_at, |entry| entry.at),
        at: now,
        end: end.to_owned(),
        over,
        waits_at: state.waiting.filter(|_| !over).map(|(step, _)| step),
        kept: kept.collect(),
    }
}

/// How a run ended, in a word, and whether it is over.
pub fn ended(state: &State) -> (&'static str, bool) {
    match (&state.end, state.undone) {
        (_, Some(_)) if state.end.as_ref().is_some_and(|(end, _)| *end != RunEnd::RolledBack) => {
            ("undone", true)
        }
        (None, _) => ("running", false),
        (Some((RunEnd::Completed, _)), _) => ("completed", true),
        (Some((RunEnd::PartiallyFailed, _)), _) => ("partially-failed", true),
        (Some((RunEnd::Failed, _)), _) => ("failed", true),
        (Some((RunEnd::RolledBack, _)), _) => ("rolled-back", true),
        (Some((RunEnd::Stopped, _)), _) => ("stopped", false),
    }
}
