//! Playbooks that a drill's file wants to be rehearsed.

use crate::{
    cli::{context::Context, failure::Failure, playbook::named},
    config::DrillRehearsal,
    drill::{Rehearsal, Rehearse, Rehearsed, Stage},
    playbook::{
        Script,
        model::{Playbook, RunsOn},
        rehearse,
    },
    point::Digest,
};
use async_trait::async_trait;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::{collections::BTreeMap, path::Path, sync::Arc};

/// A playbook, read and found to be in order.
#[derive(Debug)]
struct Ready {
    playbook: Playbook,
    sha256: Digest,
    library: BTreeMap<String, Playbook>,
    given: BTreeMap<String, Value>,
    by: String,
}

/// The check of this name: the playbook is read now, for a mistake in it is not to be found after an hour.
pub(super) fn rehearsal(
    context: &Context,
    name: String,
    it: &DrillRehearsal,
    (base, by): (&Path, &str),
) -> Result<Rehearsal, Failure> {
    // A path with a slash in it: a bare name would be looked for in the directory of playbooks.
    let path = base.join(&it.file);
    let (file, others) = named(context, &path.display().to_string())?;
    if file.playbook.runs_on == RunsOn::Host {
        let text =
            format!("check {name}: the playbook {} runs on a host, and staging is a cluster", path.display());
        return Err(Failure::usage(text).help("only playbooks for a cluster can be rehearsed in a drill"));
    }
    Ok(Rehearsal {
        name,
        playbook: Arc::new(Ready {
            sha256: Digest::from(Sha256::digest(&file.text)),
            library: others.into_iter().map(|file| (file.playbook.name.clone(), file.playbook)).collect(),
            playbook: file.playbook,
            given: it.params.clone(),
            by: by.to_owned(),
        }),
        within: it.within,
    })
}

#[async_trait]
impl Rehearse for Ready {
    fn playbook(&self) -> &str {
        &self.playbook.name
    }

    async fn rehearse(&self, on: &Stage<'_>) -> Result<Rehearsed, String> {
        let script = Script {
            playbook: &self.playbook,
            sha256: self.sha256,
            library: &self.library,
            given: &self.given,
            by: &self.by,
            on,
        };
        rehearse(&script).await
    }
}
