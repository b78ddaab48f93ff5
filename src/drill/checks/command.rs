//! Commands that the drill's file names: they run on this host, and reach staging by `KUBECONFIG`.

use super::{Check, Results};
use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};
use tokio::{process::Command as Process, time::timeout};

/// So much of what it printed goes into the details.
const TOLD: usize = 2_000;

/// A command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// The check's name.
    pub name: String,
    /// The program and its arguments; no shell is between.
    pub argv: Vec<String>,
    /// Where it runs.
    pub directory: PathBuf,
    /// How long it may take.
    pub timeout: Duration,
}

/// Runs them one after another.
pub(in crate::drill) async fn commands(commands: &[Command], kubeconfig: &Path, results: &mut Results) {
    for command in commands {
        let began = Instant::now();
        let expected =
            format!("`{}` ends with 0 within {} s", command.argv.join(" "), command.timeout.as_secs());
        let mut check = Check::new(&command.name, expected);
        let (actual, said) = run(command, kubeconfig).await;
        let holds = actual.is_none();
        let actual = actual.unwrap_or_else(|| "it ended with 0".to_owned());
        if !holds {
            let names = vec![(command.argv.join(" "), said)];
            check.group(format!("it did not: {actual}"), 0, None, names);
        }
        results.end(check, actual, began.elapsed());
    }
}

/// What is wrong, if anything is, and the end of what it printed.
async fn run(command: &Command, kubeconfig: &Path) -> (Option<String>, String) {
    let Some((program, arguments)) = command.argv.split_first() else {
        return (Some("there is no command".to_owned()), String::new());
    };
    let mut process = Process::new(program);
    process.args(arguments).current_dir(&command.directory).env("KUBECONFIG", kubeconfig);
    process.stdin(Stdio::null()).kill_on_drop(true);
    match timeout(command.timeout, process.output()).await {
        Err(_) => (Some("it took too long and was killed".to_owned()), String::new()),
        Ok(Err(e)) => (Some(format!("it did not start: {e}")), String::new()),
        Ok(Ok(output)) => {
            let said = [output.stdout, output.stderr].concat();
            let said = String::from_utf8_lossy(&said).into_owned();
            let begin = said.char_indices().rev().nth(TOLD).map_or(0, |(at, _)| at);
            let said = said.get(begin..).unwrap_or_default().to_owned();
            ((!output.status.success()).then(|| output.status.to_string()), said)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::point::CheckOutcome;

    #[tokio::test]
    async fn what_a_command_does_is_told() {
        let command = |argv: &[&str], timeout| Command {
            name: "smoke".into(),
            argv: argv.iter().map(|it| (*it).to_owned()).collect(),
            directory: "/".into(),
            timeout: Duration::from_millis(timeout),
        };
        let mut results = Results::default();
        let all = [
            command(&["sh", "-c", "test $KUBECONFIG = /k"], 5000),
            command(&["sh", "-c", "echo no; exit 3"], 5000),
            command(&["sleep", "9"], 50),
            command(&["/nowhere"], 5000),
        ];
        commands(&all, Path::new("/k"), &mut results).await;
        let outcomes: Vec<_> = results.checks.iter().map(|check| check.outcome).collect();
        let (passed, failed) = (CheckOutcome::Passed, CheckOutcome::Failed);
        assert_eq!(outcomes, [passed, failed, failed, failed]);
        assert_eq!(results.details[0].what, "no\n");
        assert!(results.checks[1].actual.contains('3') && results.checks[2].actual.contains("too long"));
    }
}
