use super::named;
use crate::{
    cli::{Exit, context::Context, failure::Failure, output},
    playbook::cacao,
};

/// Writes a playbook in another language
#[derive(Debug, clap::Args)]
#[command(after_help = "\
CACAO is the OASIS standard for security playbooks, version 2.0. What has no counterpart there (dry runs, guards, undo) stands in the \
descriptions and in `external_references`.

Examples:
  lifeboat playbook export compromised-pod --cacao > compromised-pod.cacao.json")]
pub(in crate::cli) struct Args {
    /// The playbook: its name, or its file
    #[arg(value_name = "PLAYBOOK")]
    playbook: String,
    /// CACAO 2.0, as JSON
    #[arg(long, required = true)]
    cacao: bool,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<Exit, Failure> {
    let (file, _) = named(context, &args.playbook)?;
    let text =
        serde_json::to_string_pretty(&cacao(&file.playbook, &file.text)).map_err(anyhow::Error::from)?;
    output::bytes(format!("{text}\n").as_bytes())?;
    Ok(Exit::Done)
}
