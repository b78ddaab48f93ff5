//! What is told, in the cluster that Lifeboat runs in, of what it did there: one line, in the words of Kubernetes' Events.

use super::{End, Turn, TurnOutcome};

/// The API server takes no longer note.
const LONGEST: usize = 1024;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    /// Somebody should have a look.
    pub warning: bool,
    /// What happened, in one word: `BackupSucceeded`.
    pub reason: String,
    /// What was being done, in one word: `Backup`.
    pub action: String,
    /// The rest, in one line.
    pub note: String,
}

impl News {
    fn new(warning: bool, (action, happened): (&str, &str), note: &str) -> Self {
        let action = capitalised(action);
        News { warning, reason: format!("{action}{happened}"), note: line(note), action }
    }

    /// A command that runs by itself has ended. `said`: what it made, or why it did not.
    pub fn of_command(runs: &str, outcome: TurnOutcome, said: Option<&str>) -> Self {
        ended(runs, outcome, false, "", said)
    }

    /// A run of a schedule has ended, and is not tried again. `recovered`: the ones before had failed.
    pub fn of_run(runs: &str, turn: &Turn, end: &End, recovered: bool) -> Self {
        let made = end.made.as_ref().map(|id| {
            let what = match runs {
                "backup" => "recovery point",
                other => other,
            };
            let took = end.ended.duration_since(end.began).as_secs();
            format!("{what} {id} in {took} s")
        });
        let said = match end.outcome {
            TurnOutcome::Completed => made,
            _ => end.message.clone().or(made),
        };
        ended(runs, end.outcome, recovered, &format!("{}: ", turn.schedule), said.as_deref())
    }

    /// A run came to its end when others had given it up: what it made does not count.
    pub fn of_fenced(runs: &str, turn: &Turn) -> Self {
        let note =
            format!("{turn}: others gave this run up, and took it up again; what it did here does not count");
        News::new(true, (runs, "Fenced"), &note)
    }

    /// The configuration was changed, and cannot be used. Why may quote it, and is for the log.
    pub fn of_configuration_rejected() -> Self {
        let note = "the configuration as it is now cannot be used, and the one before stays in force; the log says why";
        News::new(true, ("configuration", "Rejected"), note)
    }

    /// The configuration was changed, or is again what it was, and is in force.
    pub fn of_configuration_accepted() -> Self {
        News::new(false, ("configuration", "Accepted"), "the configuration as it is now is in force")
    }
}

fn ended(runs: &str, outcome: TurnOutcome, recovered: bool, about: &str, said: Option<&str>) -> News {
    let happened = match outcome {
        TurnOutcome::Completed if recovered => "Recovered",
        TurnOutcome::Completed => "Succeeded",
        TurnOutcome::PartiallyFailed => "PartiallyFailed",
        TurnOutcome::Missed => "Missed",
        _ => "Failed",
    };
    let rest = match (outcome, said) {
        // It may quote the configuration, where somebody may have written what is secret.
        (TurnOutcome::Usage, _) => "wrong usage or configuration; the log says what".to_owned(),
        (TurnOutcome::Completed | TurnOutcome::PartiallyFailed | TurnOutcome::Failed, Some(said)) => {
            said.to_owned()
        }
        (outcome, said) => {
            let outcome = outcome.as_str().replace('-', " ");
            said.map_or_else(|| outcome.clone(), |said| format!("{outcome}: {said}"))
        }
    };
    News::new(outcome != TurnOutcome::Completed, (runs, happened), &format!("{about}{rest}"))
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// The text in one line that is not too long.
fn line(text: &str) -> String {
    let words: Vec<&str> =
        text.split(|c: char| c.is_control() || c == ' ').filter(|word| !word.is_empty()).collect();
    let mut line = words.join(" ");
    if line.len() > LONGEST {
        let end = (0..=LONGEST - '…'.len_utf8()).rev().find(|at| line.is_char_boundary(*at));
        line.truncate(end.unwrap_or_default());
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    fn told(news: News) -> (bool, String, String) {
        (news.warning, news.reason, news.note)
    }

    fn of(warning: bool, reason: &str, note: &str) -> (bool, String, String) {
        (warning, reason.to_owned(), note.to_owned())
    }

    #[test]
    fn what_a_command_s_end_is() {
        let news = |outcome, said| told(News::of_command("backup", outcome, said));
        let made = "recovery point 20261129T150000Z-aaaa, 12 MiB in 8 s";
        assert_eq!(news(TurnOutcome::Completed, Some(made)), of(false, "BackupSucceeded", made));
        assert_eq!(news(TurnOutcome::PartiallyFailed, Some(made)), of(true, "BackupPartiallyFailed", made));
        assert_eq!(
            news(TurnOutcome::Failed, Some("neither could be saved:\n  - a\n  - b\u{1b}[31m")),
            of(true, "BackupFailed", "neither could be saved: - a - b [31m")
        );
        assert_eq!(
            news(TurnOutcome::Usage, Some("lifeboat.yaml:3: password: hunter2")),
            of(true, "BackupFailed", "wrong usage or configuration; the log says what")
        );
        assert_eq!(news(TurnOutcome::Conflict, Some("busy")), of(true, "BackupFailed", "conflict: busy"));
        assert_eq!(
            told(News::of_command("prune", TurnOutcome::Completed, None)),
            of(false, "PruneSucceeded", "completed")
        );
        assert_eq!(News::of_command("prune", TurnOutcome::Completed, None).action, "Prune");
    }

    #[test]
    fn what_a_run_s_end_is() {
        let turn: Turn = "hourly/20261129T150000Z-1".parse().unwrap();
        let at = |second| Timestamp::from_second(second).unwrap();
        let end = |outcome| End::new(outcome, at(100), at(108));
        let made =
            End { made: Some("20261129T150000Z-aaaa".parse().unwrap()), ..end(TurnOutcome::Completed) };
        assert_eq!(
            told(News::of_run("backup", &turn, &made, false)),
            of(false, "BackupSucceeded", "hourly: recovery point 20261129T150000Z-aaaa in 8 s")
        );
        assert_eq!(
            told(News::of_run("drill", &turn, &made, true)),
            of(false, "DrillRecovered", "hourly: drill 20261129T150000Z-aaaa in 8 s")
        );
        assert_eq!(
            told(News::of_run("status", &turn, &end(TurnOutcome::ObjectiveMissed).saying("too old"), false)),
            of(true, "StatusFailed", "hourly: objective missed: too old")
        );
        assert_eq!(
            told(News::of_run("backup", &turn, &end(TurnOutcome::Missed).saying("too late"), false)),
            of(true, "BackupMissed", "hourly: missed: too late")
        );
        assert_eq!(
            told(News::of_run("verify", &turn, &end(TurnOutcome::Completed), false)).2,
            "hourly: completed"
        );
        assert_eq!(told(News::of_fenced("backup", &turn)).1, "BackupFenced");
    }

    #[test]
    fn no_note_is_longer_than_the_api_server_takes() {
        for text in ["ä".repeat(2000), "x".repeat(1025), format!("{} tail", "€".repeat(341))] {
            let note = News::of_command("backup", TurnOutcome::Failed, Some(&text)).note;
            assert!(
                note.len() <= LONGEST && note.len() > LONGEST - 8 && note.ends_with('…'),
                "{}",
                note.len()
            );
        }
        let just = "x".repeat(1024);
        assert_eq!(News::of_command("backup", TurnOutcome::Failed, Some(&just)).note, just);
    }
}
