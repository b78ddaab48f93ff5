//! `lifeboat playbook`: one file per command.

mod approve;
mod carry;
mod export;
mod lint;
mod list;
mod period;
mod plan;
mod prepare;
mod rbac;
mod resume;
mod run;
mod show;
mod status;

use super::{Exit, context::Context, failure::Failure};
use crate::config::{PlaybookDirectory, PlaybookFile, Playbooks};
use clap::Subcommand;
use std::path::{Path, PathBuf};

/// Carry out the written plan for an incident
#[derive(Debug, Subcommand)]
pub(super) enum Playbook {
    Lint(lint::Args),
    List(list::Args),
    Show(show::Args),
    Plan(plan::Args),
    Run(Box<run::Args>),
    Approve(approve::Args),
    Resume(resume::Args),
    Undo(resume::UndoArgs),
    Status(status::Args),
    Timeline(status::TimelineArgs),
    Rbac(rbac::Args),
    Export(export::Args),
}

pub(super) async fn run(context: &Context, command: Playbook) -> Result<Exit, Failure> {
    match command {
        Playbook::Lint(args) => lint::run(context, &args),
        Playbook::List(args) => list::run(context, &args),
        Playbook::Show(args) => show::run(context, &args),
        Playbook::Plan(args) => plan::run(context, args).await,
        Playbook::Run(args) => run::run(context, *args).await,
        Playbook::Approve(args) => approve::run(context, args).await,
        Playbook::Resume(args) => resume::run(context, args).await,
        Playbook::Undo(args) => resume::undo(context, args).await,
        Playbook::Status(args) => status::run(context, args).await,
        Playbook::Timeline(args) => status::timeline(context, args).await,
        Playbook::Rbac(args) => rbac::run(context, args).await,
        Playbook::Export(args) => export::run(context, &args),
    }
}

/// Where the playbooks are: the configuration's directory, or the usual one.
fn directory(context: &Context) -> Result<PathBuf, Failure> {
    Ok(match context.optional()? {
        Some(loaded) => loaded.resolve(&loaded.config.playbooks.directory),
        None => Playbooks::default().directory,
    })
}

/// A playbook: a file, or the one of this name in the directory of playbooks. Beside it, the others of the directory.
pub(super) fn named(context: &Context, name: &str) -> Result<(PlaybookFile, Vec<PlaybookFile>), Failure> {
    let place = directory(context)?;
    if name.contains('/') || name.ends_with(".yaml") || name.ends_with(".yml") {
        let file = PlaybookFile::load(Path::new(name)).map_err(mistakes)?;
        let found = if place.is_dir() {
            PlaybookDirectory::load(&place).map_err(mistakes)?.files
        } else {
            Vec::new()
        };
        let others = found.into_iter().filter(|other| other.playbook.name != file.playbook.name).collect();
        return Ok((file, others));
    }
    let PlaybookDirectory { mut files, errors, .. } = PlaybookDirectory::load(&place).map_err(mistakes)?;
    if let Some(at) = files.iter().position(|file| file.playbook.name == name) {
        let wrong = errors.into_iter().find(|e| e.file() == Some(&files[at].path));
        return match wrong {
            Some(e) => Err(mistakes(e)),
            None => Ok((files.remove(at), files)),
        };
    }
    let known: Vec<&str> = files.iter().map(|file| file.playbook.name.as_str()).collect();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    let help = match errors.len() {
        0 => format!("these are there: {known}"),
        _ => format!("these are there: {known}; others have mistakes: `lifeboat playbook lint` tells them"),
    };
    Err(Failure::usage(format!("there is no playbook `{name}` in {}", place.display())).help(help))
}

/// What is wrong with a playbook's file.
fn mistakes(error: crate::config::ConfigError) -> Failure {
    Failure::usage(error.to_string()).help("`lifeboat schema playbook` describes the file")
}
