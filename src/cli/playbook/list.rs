use super::{directory, mistakes};
use crate::{
    cli::{Exit, context::Context, failure::Failure, output},
    config::PlaybookDirectory,
    playbook::{actions, model::Playbook},
    report,
};
use serde_json::json;

/// Lists the playbooks of the configuration's directory
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Playbooks are *.yaml files in `playbooks.directory` of the configuration (`runbooks`
if there is none) and one level below. Those with mistakes are left out:
`lifeboat playbook lint` tells them.

Examples:
  lifeboat playbook list
  lifeboat playbook list -o json | jq -r '.playbooks[].name'")]
pub(in crate::cli) struct Args {}

pub(super) fn run(context: &Context, _: &Args) -> Result<Exit, Failure> {
    let place = directory(context)?;
    let found = PlaybookDirectory::load(&place).map_err(mistakes)?;
    if !found.errors.is_empty() {
        tracing::warn!(
            "{} of the files in {} have mistakes: `lifeboat playbook lint` tells them",
            found.errors.len(),
            place.display()
        );
    }
    let values = found.files.iter().map(|file| {
        let it = &file.playbook;
        json!({"name": it.name, "file": file.path, "description": it.description, "labels": it.labels, "steps": it.every_step().len()})
    });
    let value = json!({
        "directory": place,
        "playbooks": values.collect::<Vec<_>>(),
        "withMistakes": found.errors.iter().map(|e| e.file()).collect::<Vec<_>>(),
    });
    let playbooks: Vec<&Playbook> = found.files.iter().map(|file| &file.playbook).collect();
    let classes = |name: &str| actions::find(name).map(|action| action.class());
    output::result(context.global.output, &value, || report::playbooks(&playbooks, &classes))?;
    Ok(Exit::Done)
}
