//! Playbooks that call others: are the others there, are they told what they need, and does it come to an end?

use super::super::error::{ConfigError, Problem};
use super::super::fields::nearest;
use super::super::node::{Step, locate};
use super::{PlaybookFile, params::fits};
use crate::playbook::model::{Param, ParamKind, RunsOn};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// More steps, those of the called playbooks among them, than anyone follows.
const MOST_STEPS: usize = 2000;

/// A step that calls another playbook, and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) name: String,
    pub(super) steps: Vec<Step>,
    pub(super) path: String,
    pub(super) arguments: Vec<Argument>,
}

/// What it tells the other one.
#[derive(Debug, Clone)]
pub(super) struct Argument {
    pub(super) name: String,
    pub(super) given: Given,
    pub(super) steps: Vec<Step>,
    pub(super) path: String,
}

/// What is known of an argument.
#[derive(Debug, Clone)]
pub(super) enum Given {
    /// All of it.
    Value(Value),
    /// It is a secret of the caller.
    Secret,
    /// A plan will show.
    Later,
}

/// Checks what playbooks ask of each other: names, arguments, circles. All of them are given, so what is not among them is not there.
///
/// # Errors
/// One for every file with mistakes in it.
pub fn check_calls(files: &[PlaybookFile]) -> Result<(), Vec<ConfigError>> {
    let mut known: BTreeMap<&str, &PlaybookFile> = BTreeMap::new();
    let mut errors = Vec::new();
    for file in files {
        let mut wrong = Wrong { file, problems: Vec::new() };
        if let Some(first) = known.get(file.playbook.name.as_str()) {
            let text = format!("{} has a playbook of this name, too", first.path.display());
            wrong.at(&[], "metadata.name", text);
        }
        known.entry(&file.playbook.name).or_insert(file);
        errors.push(wrong);
    }
    let mut sizes = BTreeMap::new();
    for wrong in &mut errors {
        let file = wrong.file;
        for call in &file.calls {
            match known.get(call.name.as_str()) {
                Some(called) => asked(wrong, call, called),
                None => {
                    let names: Vec<&str> = known.keys().copied().collect();
                    let text = match nearest(&call.name, &names) {
                        Some(near) => format!("there is no playbook of this name; did you mean `{near}`?"),
                        None => "there is no playbook of this name in the directory".to_owned(),
                    };
                    wrong.at(&call.steps, &call.path, text);
                }
            }
            if let Some(way) = way(&known, &call.name, &file.playbook.name) {
                let circle = [&[file.playbook.name.as_str()], way.as_slice()].concat().join(" → ");
                wrong.at(&call.steps, &call.path, format!("never comes to an end: {circle}"));
            }
        }
        if size(&known, &file.playbook.name, &mut sizes, &mut BTreeSet::new()) > MOST_STEPS {
            let text = format!(
                "has more than {MOST_STEPS} steps with those of the playbooks that it calls: divide it"
            );
            wrong.at(&[], "spec", text);
        }
    }
    let errors: Vec<ConfigError> = errors.into_iter().filter_map(Wrong::into_error).collect();
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

/// What is wrong in one file.
struct Wrong<'f> {
    file: &'f PlaybookFile,
    problems: Vec<Problem>,
}

impl Wrong<'_> {
    fn at(&mut self, steps: &[Step], path: &str, message: String) {
        let text = self.file.text.strip_prefix('\u{feff}').unwrap_or(&self.file.text);
        let (line, column) = locate(text, steps);
        self.problems.push(Problem { line, column, path: path.to_owned(), message });
    }

    fn into_error(mut self) -> Option<ConfigError> {
        self.problems.sort_by_key(|problem| (problem.line, problem.column));
        let file = self.file.path.clone();
        (!self.problems.is_empty()).then_some(ConfigError::Invalid { file, problems: self.problems })
    }
}

/// Notes what a call does not tell, or tells wrongly.
fn asked(wrong: &mut Wrong<'_>, call: &Call, called: &PlaybookFile) {
    let (name, params) = (&call.name, &called.playbook.params);
    match (wrong.file.playbook.runs_on, called.playbook.runs_on) {
        (RunsOn::Cluster, RunsOn::Host) => {
            wrong.at(
                &call.steps,
                &call.path,
                "runs on a host, and this one does not: start it there by itself".into(),
            );
        }
        (RunsOn::Host, RunsOn::Cluster) => {
            wrong.at(&call.steps, &call.path, "needs an API server, and this one runs without".into());
        }
        _ => {}
    }
    let mut missing: Vec<&Param> = params.iter().filter(|param| param.required).collect();
    for argument in &call.arguments {
        let Some(param) = params.iter().find(|param| param.name == argument.name) else {
            let names: Vec<&str> = params.iter().map(|param| param.name.as_str()).collect();
            let text = match nearest(&argument.name, &names) {
                Some(near) => {
                    missing.retain(|param| param.name != near);
                    format!("`{name}` has no such parameter; did you mean `{near}`?")
                }
                None if names.is_empty() => format!("`{name}` has no parameters"),
                None => format!("`{name}` has no such parameter; it has {}", names.join(", ")),
            };
            wrong.at(&argument.steps, &argument.path, text);
            continue;
        };
        missing.retain(|other| other.name != param.name);
        let secret = param.kind == ParamKind::SecretRef;
        let text = match &argument.given {
            Given::Value(value) => fits(param, value).err(),
            Given::Secret if !secret => {
                Some(format!("is a secret, and `{}` of `{name}` is none: it would be shown", param.name))
            }
            Given::Later if secret => {
                Some("must be a secret of this playbook, as `${params.NAME}`".to_owned())
            }
            _ => None,
        };
        if let Some(text) = text {
            wrong.at(&argument.steps, &argument.path, text);
        }
    }
    for param in missing {
        let text = format!("needs to be told `{}`, under `args`", param.name);
        wrong.at(&call.steps, &call.path, text);
    }
}

/// How one playbook comes to another one: the shortest way.
fn way<'k>(known: &BTreeMap<&'k str, &'k PlaybookFile>, from: &'k str, to: &str) -> Option<Vec<&'k str>> {
    let mut ways = vec![vec![from]];
    let mut seen = BTreeSet::from([from]);
    while !ways.is_empty() {
        if let Some(found) = ways.iter().find(|way| way.last() == Some(&to)) {
            return Some(found.clone());
        }
        let mut longer = Vec::new();
        for way in &ways {
            let last = way.last().and_then(|name| known.get(name));
            for call in last.into_iter().flat_map(|file| &file.calls) {
                if seen.insert(&call.name) {
                    longer.push([way.as_slice(), &[call.name.as_str()]].concat());
                }
            }
        }
        ways = longer;
    }
    None
}

/// How many steps a playbook has with those of the ones that it calls. Circles are counted once: they are a mistake of their own.
fn size<'k>(
    known: &BTreeMap<&'k str, &'k PlaybookFile>,
    name: &'k str,
    sizes: &mut BTreeMap<&'k str, usize>,
    above: &mut BTreeSet<&'k str>,
) -> usize {
    if let Some(size) = sizes.get(name) {
        return *size;
    }
    let Some(file) = known.get(name).filter(|_| above.insert(name)) else { return 0 };
    let mut total = file.playbook.every_step().len();
    for call in &file.calls {
        total = total.saturating_add(size(known, &call.name, sizes, above));
    }
    above.remove(name);
    sizes.insert(name, total);
    total
}
