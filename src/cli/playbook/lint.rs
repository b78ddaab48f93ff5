use super::{directory, mistakes};
use crate::{
    cli::{Exit, context::Context, failure::Failure, output},
    config::{Approver, ConfigError, PlaybookDirectory, PlaybookFile},
    playbook::model::Approve,
};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Tells what is wrong with playbooks, without a cluster
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Every mistake is told with its line and column: fields and actions that there are
not, arguments that do not fit, expressions that ask for what is not known where
they stand, secrets where they would be shown, changes that no plan could show.

With mistakes the exit code is 2.

Examples:
  lifeboat playbook lint
  lifeboat playbook lint runbooks/compromised-pod/playbook.yaml
  lifeboat playbook lint runbooks -o json | jq '.problems[] | {file, line}'")]
pub(in crate::cli) struct Args {
    /// Files, or directories with playbooks in them [default: playbooks.directory]
    #[arg(value_name = "FILE|DIR")]
    paths: Vec<PathBuf>,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<Exit, Failure> {
    let paths = if args.paths.is_empty() { vec![directory(context)?] } else { args.paths.clone() };
    let (mut files, mut errors, mut remarks) = (Vec::new(), Vec::new(), Vec::new());
    for path in &paths {
        if path.is_dir() {
            let found = PlaybookDirectory::load(path).map_err(mistakes)?;
            files.extend(found.files);
            errors.extend(found.errors);
            continue;
        }
        match PlaybookFile::load(path) {
            Ok(file) => {
                let called: Vec<&str> = file.called().collect();
                if !called.is_empty() {
                    let text = format!(
                        "{}: it calls {}: only with its directory this is checked",
                        path.display(),
                        called.join(", ")
                    );
                    remarks.push(text);
                }
                files.push(file);
            }
            Err(e @ ConfigError::Invalid { .. }) => errors.push(e),
            Err(e) => return Err(mistakes(e)),
        }
    }
    if let Some(loaded) = context.optional()? {
        let approvers = &loaded.config.playbooks.approvers;
        remarks.extend(files.iter().flat_map(|file| lacking(file, approvers)));
    }
    let good = |file: &&PlaybookFile| !errors.iter().any(|e| e.file() == Some(&file.path));
    let good: Vec<&PlaybookFile> = files.iter().filter(good).collect();
    let value = json!({
        "playbooks": good.iter().map(|file| json!({"name": file.playbook.name, "file": file.path})).collect::<Vec<_>>(),
        "problems": errors.iter().flat_map(problems).collect::<Vec<_>>(),
        "remarks": remarks,
    });
    output::result(context.global.output, &value, || {
        let mut lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
        lines.extend(remarks.iter().map(|text| format!("remark: {text}")));
        lines.push(match (good.len(), errors.len()) {
            (1, 0) => "1 playbook is in order".to_owned(),
            (good, 0) => format!("{good} playbooks are in order"),
            (good, bad) => format!("{good} in order, {bad} with mistakes"),
        });
        lines.join("\n")
    })?;
    Ok(if errors.is_empty() { Exit::Done } else { Exit::Usage })
}

fn problems(error: &ConfigError) -> Vec<Value> {
    let file = error.file();
    match error.problems() {
        [] => vec![json!({"file": file, "message": error.to_string()})],
        problems => problems
            .iter()
            .map(|it| json!({"file": file, "line": it.line, "column": it.column, "path": it.path, "message": it.message}))
            .collect(),
    }
}

/// Approvals that nobody of the configuration could give.
fn lacking(file: &PlaybookFile, approvers: &[Approver]) -> Vec<String> {
    let who = |approve: &Approve| {
        let fits = |approver: &&Approver| {
            approve.groups.is_empty() || approve.groups.iter().any(|group| approver.groups.contains(group))
        };
        approvers.iter().filter(fits).count()
    };
    let steps = file.playbook.every_step();
    let each = steps.iter().filter_map(|step| {
        let approve = step.approve.as_ref()?;
        let (found, needed) = (who(approve), approve.min_approvals as usize);
        let of = if approve.groups.is_empty() {
            String::new()
        } else {
            format!(" of {}", approve.groups.join(", "))
        };
        let text = format!(
            "{}: step `{}` needs {needed} approvers{of}, and the configuration has {found}",
            file.path.display(),
            step.id
        );
        (found < needed).then_some(text)
    });
    each.collect()
}
