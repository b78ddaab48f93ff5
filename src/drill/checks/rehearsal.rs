//! Playbooks that are rehearsed: carried out in staging, and taken back.

use super::{Check, Results};
use crate::{catalogue::Catalogue, pipeline::Identities, source::kube::Connection};
use async_trait::async_trait;
use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::time::timeout;

/// A playbook that is ready to be rehearsed.
#[async_trait]
pub trait Rehearse: fmt::Debug + Send + Sync {
    /// Its name.
    fn playbook(&self) -> &str;

    /// Carries it out there, and takes it back.
    ///
    /// # Errors
    /// Why it could not even be tried.
    async fn rehearse(&self, on: &Stage<'_>) -> Result<Rehearsed, String>;
}

/// Where playbooks are rehearsed.
#[derive(Clone, Copy)]
pub struct Stage<'a> {
    /// How staging is reached.
    pub connection: &'a Connection,
    /// The recovery points.
    pub catalogue: &'a Catalogue,
    /// What opens them.
    pub identities: &'a Arc<Identities>,
    /// Are there controllers and kubelets?
    pub runs: bool,
}

/// A check of the drill's file.
#[derive(Debug, Clone)]
pub struct Rehearsal {
    /// Its name.
    pub name: String,
    /// The playbook.
    pub playbook: Arc<dyn Rehearse>,
    /// How long it may take.
    pub within: Duration,
}

/// What came of a rehearsal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rehearsed {
    /// How many steps were carried out.
    pub steps: u64,
    /// How many changes they made.
    pub changes: u64,
    /// How many of these were taken back.
    pub taken_back: u64,
    /// The changes that stay because nothing takes them back: the step, and why.
    pub stays: Vec<(String, String)>,
    /// What a rehearsal leaves out, though a run does it: the step, and why.
    pub left_out: Vec<(String, String)>,
    /// What went wrong: the step, and what.
    pub wrong: Vec<(String, String)>,
}

/// Rehearses them, one after another.
pub(in crate::drill) async fn rehearsals(rehearsals: &[Rehearsal], on: &Stage<'_>, results: &mut Results) {
    for it in rehearsals {
        let began = Instant::now();
        let expected = format!(
            "the playbook `{}` can be carried out on what came back, and taken back, within {} s",
            it.playbook.playbook(),
            it.within.as_secs()
        );
        let check = Check::new(&it.name, expected);
        let went = match timeout(it.within, it.playbook.rehearse(on)).await {
            Ok(went) => went,
            Err(_) => Err("it took too long, and was given up".to_owned()),
        };
        let (check, actual) = judged(check, went);
        results.end(check, actual, began.elapsed());
    }
}

fn judged(mut check: Check, went: Result<Rehearsed, String>) -> (Check, String) {
    let went = match went {
        Ok(went) => went,
        Err(why) => {
            check.group(
                "it could not be rehearsed".to_owned(),
                0,
                None,
                vec![("the playbook".to_owned(), why)],
            );
            return (check, "it was not carried out".to_owned());
        }
    };
    let actual = format!(
        "{} with {}; {} taken back",
        counted(went.steps, "step was done", "steps were done"),
        counted(went.changes, "change", "changes"),
        counted(went.taken_back, "was", "were"),
    );
    for (step, what) in went.wrong {
        check.group(format!("the step `{step}` did not do what it should"), 0, None, vec![(step, what)]);
    }
    for (groups, because) in [
        (went.left_out, "a rehearsal asks nobody, and does only what staging can show"),
        (went.stays, "nothing takes them back in an incident either"),
    ] {
        if !groups.is_empty() {
            let what = if because.starts_with('a') { "left out" } else { "not taken back" };
            let message = format!("{what}: {}", steps(&groups));
            check.group(message, 0, Some(because), groups);
        }
    }
    (check, actual)
}

/// The steps, each once.
fn steps(groups: &[(String, String)]) -> String {
    let mut names: Vec<&str> = groups.iter().map(|(step, _)| step.as_str()).collect();
    names.dedup();
    match names.len() {
        0..=8 => names.join(", "),
        n => format!("{} and {} more", names[..8].join(", "), n - 8),
    }
}

fn counted(n: u64, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(name: &str) -> Vec<(String, String)> {
        vec![(name.to_owned(), "pods shop/web is gone".to_owned())]
    }

    #[test]
    fn what_went_wrong_fails_and_what_cannot_be_shown_does_not() {
        let check = || Check::new("contain", "it holds");
        let fine =
            Rehearsed { steps: 4, changes: 1, taken_back: 1, left_out: step("logs"), ..Rehearsed::default() };
        let (judgement, actual) = judged(check(), Ok(fine.clone()));
        assert!(!judgement.fails());
        assert_eq!(actual, "4 steps were done with 1 change; 1 was taken back");
        assert_eq!(judgement.findings[0].message, "left out: logs");
        // Names of objects are in the details, which are sealed.
        let (judgement, _) = judged(check(), Ok(Rehearsed { wrong: step("isolate"), ..fine }));
        assert!(judgement.fails());
        assert_eq!(judgement.findings[0].message, "the step `isolate` did not do what it should");
        assert_eq!(judgement.details[0].what, "pods shop/web is gone");
        let (judgement, _) = judged(check(), Err("there is no pod".to_owned()));
        assert!(judgement.fails());
    }
}
