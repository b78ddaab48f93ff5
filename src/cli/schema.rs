use super::{Exit, failure::Failure, output};
use crate::{
    config,
    point::{AnyRecord, Evidence, Manifest},
};
use clap::ValueEnum;

/// Prints the JSON Schema of a file format
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  lifeboat schema config > lifeboat.schema.json
  lifeboat schema restore
  lifeboat schema drill
  lifeboat schema playbook
  lifeboat schema manifest
  lifeboat schema record")]
pub(super) struct Args {
    /// Of which file
    #[arg(value_enum)]
    of: Of,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Of {
    /// lifeboat.yaml
    Config,
    /// What of a recovery point is put back, and how
    Restore,
    /// A drill's file
    Drill,
    /// A playbook, with the arguments of every action
    Playbook,
    /// evidence.json of a drill
    DrillEvidence,
    /// manifest.json of a recovery point
    Manifest,
    /// What is recorded of a recovery point: holds, tags, verifications
    Record,
}

/// Prints the completions for a shell
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  lifeboat completions bash > /etc/bash_completion.d/lifeboat")]
pub(super) struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: clap_complete::Shell,
}

/// Prints a manual page
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  lifeboat man | man -l -
  lifeboat man restore etcd > lifeboat-restore-etcd.1")]
pub(super) struct Man {
    /// Of which command [default: of the program]
    #[arg(value_name = "COMMAND")]
    command: Vec<String>,
}

pub(super) fn schema(args: Args) -> Result<Exit, Failure> {
    let schema = match args.of {
        Of::Config => config::schema(),
        Of::Restore => config::restore_schema(),
        Of::Drill => config::drill_schema(),
        Of::Playbook => config::playbook_schema(),
        Of::DrillEvidence => schemars::schema_for!(Evidence).to_value(),
        Of::Record => schemars::schema_for!(AnyRecord).to_value(),
        Of::Manifest => schemars::schema_for!(Manifest).to_value(),
    };
    output::text(&serde_json::to_string_pretty(&schema)?);
    Ok(Exit::Done)
}

pub(super) fn completions(args: Completions, mut command: clap::Command) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "lifeboat", &mut script);
    output::text(&String::from_utf8_lossy(&script));
    Ok(Exit::Done)
}

pub(super) fn man(args: &Man, root: clap::Command) -> Result<Exit, Failure> {
    let mut command = root;
    command.build();
    for name in &args.command {
        let found = command.find_subcommand(name).cloned();
        command = found
            .ok_or_else(|| Failure::usage(format!("there is no command `{}`", args.command.join(" "))))?;
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page)?;
    output::text(&String::from_utf8_lossy(&page));
    Ok(Exit::Done)
}
