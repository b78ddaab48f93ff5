//! One run of a schedule: which one it is, and what is said of it beside the recovery points.

use super::{FormatVersion, PointError, PointId, id, record};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{fmt, str::FromStr};

/// One run of a schedule: `hourly/20261129T150000Z-1` is the first try of what was due at three.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Turn {
    /// The schedule's name.
    pub schedule: String,
    /// When it was due, to the second.
    pub due: Timestamp,
    /// Which try it is, from 1 on.
    pub attempt: u32,
}

impl Turn {
    /// The part of the name behind the schedule's: `20261129T150000Z-1`.
    pub fn name(&self) -> String {
        format!("{}-{}", id::stamp(self.due), self.attempt)
    }

    /// Another try of the same time.
    pub fn again(&self) -> Turn {
        Turn { attempt: self.attempt.saturating_add(1), ..self.clone() }
    }

    /// Reads what [`Turn::name`] writes.
    pub fn parse(schedule: &str, name: &str) -> Option<Turn> {
        let (stamp, attempt) = name.split_once('-')?;
        let due = id::read_stamp(stamp)?;
        let turn = Turn { schedule: schedule.to_owned(), due, attempt: attempt.parse().ok()? };
        (turn.attempt > 0 && turn.name() == name).then_some(turn)
    }
}

impl fmt::Display for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.schedule, self.name())
    }
}

impl FromStr for Turn {
    type Err = PointError;

    fn from_str(text: &str) -> Result<Self, PointError> {
        let parsed = text.split_once('/').and_then(|(schedule, name)| Turn::parse(schedule, name));
        parsed.ok_or_else(|| PointError::Turn(text.to_owned()))
    }
}

impl TryFrom<String> for Turn {
    type Error = PointError;
    fn try_from(text: String) -> Result<Self, PointError> {
        text.parse()
    }
}

impl From<Turn> for String {
    fn from(turn: Turn) -> String {
        turn.to_string()
    }
}

/// Somebody begins a run: of several who want to, the one whose claim is stored does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "Lifeboat claim of a scheduled run")]
pub struct Claim {
    /// The format's version; the manifest's.
    pub format: FormatVersion,
    /// The daemon.
    pub holder: String,
    /// When, by its clock.
    pub at: Timestamp,
    /// So many runs before it were missed, and are not made up for.
    #[serde(default, skip_serializing_if = "is_none_missed")]
    pub missed: u32,
}

fn is_none_missed(missed: &u32) -> bool {
    *missed == 0
}

/// Who may still make a recovery point of a run: the run itself, or nobody any more. It is stored once, by whoever comes first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "Lifeboat fence of a scheduled run")]
pub struct Fence {
    /// The format's version; the manifest's.
    pub format: FormatVersion,
    /// The recovery point that the run is about to commit; none when the run was given up by others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub point: Option<PointId>,
    /// Who says so.
    pub by: String,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "Lifeboat end of a scheduled run")]
pub struct End {
    /// The format's version; the manifest's.
    pub format: FormatVersion,
    /// How.
    pub outcome: TurnOutcome,
    /// When it began.
    pub began: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// The recovery point, drill or run that it made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made: Option<PointId>,
    /// What there is to say about it, in one sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// How long the schedule has been failing, if it is: whoever comes next goes on counting from there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing: Option<Failing>,
}

/// A schedule of which nothing has ended well any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Failing {
    /// When the first of these runs ended.
    pub since: Timestamp,
    /// When the last one did.
    pub last: Timestamp,
    /// How many times of the schedule that were; tries of one time are one.
    pub times: u32,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TurnOutcome {
    /// Everything was done.
    Completed,
    /// Something is missing.
    PartiallyFailed,
    /// It was not done.
    Failed,
    /// What is stored, or came back, is not what was saved.
    VerificationFailed,
    /// A drill brought everything back, but too late, or something too old.
    ObjectiveMissed,
    /// Something was there already, or somebody else was at work.
    Conflict,
    /// The configuration does not fit what it was to do.
    Usage,
    /// It took too long, and was stopped.
    TimedOut,
    /// The daemon ended, and stopped it.
    Stopped,
    /// The next one replaced it.
    Replaced,
    /// Nothing was heard of it any more.
    Lost,
    /// It was not begun in time.
    Missed,
    /// Nothing ran: the schedule became known.
    Known,
}

impl TurnOutcome {
    /// What an exit code of the program means.
    pub fn of_exit(code: u8) -> Self {
        match code {
            0 => Self::Completed,
            2 => Self::Usage,
            3 => Self::PartiallyFailed,
            4 => Self::VerificationFailed,
            5 => Self::ObjectiveMissed,
            6 => Self::Conflict,
            _ => Self::Failed,
        }
    }

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::PartiallyFailed => "partially-failed",
            Self::Failed => "failed",
            Self::VerificationFailed => "verification-failed",
            Self::ObjectiveMissed => "objective-missed",
            Self::Conflict => "conflict",
            Self::Usage => "usage",
            Self::TimedOut => "timed-out",
            Self::Stopped => "stopped",
            Self::Replaced => "replaced",
            Self::Lost => "lost",
            Self::Missed => "missed",
            Self::Known => "known",
        }
    }
}

impl fmt::Display for TurnOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Claim {
    /// Somebody's, at a time, with so many missed before it.
    pub fn new(holder: &str, at: Timestamp, missed: u32) -> Self {
        Claim { format: FormatVersion::CURRENT, holder: holder.to_owned(), at, missed }
    }
}

impl Fence {
    /// Before a recovery point is committed, or to give the run up.
    pub fn new(point: Option<PointId>, by: &str) -> Self {
        Fence { format: FormatVersion::CURRENT, point, by: by.to_owned() }
    }
}

impl End {
    /// An end of which there is nothing more to say.
    pub fn new(outcome: TurnOutcome, began: Timestamp, ended: Timestamp) -> Self {
        End {
            format: FormatVersion::CURRENT,
            outcome,
            began,
            ended,
            made: None,
            message: None,
            failing: None,
        }
    }

    /// The same, with a sentence about it.
    #[must_use]
    pub fn saying(mut self, message: impl Into<String>) -> Self {
        // What a terminal would obey cannot be read back.
        let plain = message.into().chars().map(|c| if c.is_control() { ' ' } else { c }).take(500).collect();
        self.message = Some(plain);
        self
    }

    /// The same, as it follows on what was before it. `settled`: the same time is not tried again.
    #[must_use]
    pub fn after(mut self, before: Option<Failing>, settled: bool) -> Self {
        self.failing = match (self.outcome, before) {
            (TurnOutcome::Completed | TurnOutcome::Known, _) => None,
            (_, before) if !settled => before,
            (_, Some(before)) => {
                Some(Failing { last: self.ended, times: before.times.saturating_add(1), ..before })
            }
            (_, None) => Some(Failing { since: self.ended, last: self.ended, times: 1 }),
        };
        self
    }
}

/// What is stored of a run.
pub trait TurnPart: Serialize + DeserializeOwned {
    /// How its object is called, behind the run's name.
    const NAME: &'static str;

    /// Reads one.
    ///
    /// # Errors
    /// When it is none, or of a newer major version.
    fn parse(bytes: &[u8]) -> Result<Self, PointError> {
        record::parse(bytes)
    }

    /// The bytes that are stored.
    ///
    /// # Errors
    /// None that is known: what it holds can be written.
    fn to_bytes(&self) -> Result<Vec<u8>, PointError> {
        record::to_bytes(self)
    }
}

impl TurnPart for Claim {
    const NAME: &'static str = "claim";
}

impl TurnPart for Fence {
    const NAME: &'static str = "fence";
}

impl TurnPart for End {
    const NAME: &'static str = "end";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_runs() {
        let turn =
            Turn { schedule: "hourly".into(), due: "2026-11-29T15:00:00Z".parse().unwrap(), attempt: 2 };
        assert_eq!(turn.to_string(), "hourly/20261129T150000Z-2");
        assert_eq!(turn.to_string().parse::<Turn>().unwrap(), turn);
        assert_eq!(turn.again().name(), "20261129T150000Z-3");
        for text in [
            "",
            "hourly",
            "hourly/",
            "hourly/20261129T150000Z",
            "hourly/20261129T150000Z-0",
            "h/20261129T150000Z-01",
        ] {
            let error = text.parse::<Turn>().unwrap_err().to_string();
            assert!(error.contains("is no run of a schedule"), "{error}");
        }
    }

    #[test]
    fn what_fails_is_counted_until_something_ends_well() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let mut before = None;
        let mut counted = |outcome, second, settled| {
            before = End::new(outcome, at(0), at(second)).after(before, settled).failing;
            before.map(|it| (it.since.as_second(), it.last.as_second(), it.times))
        };
        assert_eq!(counted(TurnOutcome::Known, 1, true), None);
        assert_eq!(counted(TurnOutcome::Failed, 10, false), None, "it is tried again");
        assert_eq!(counted(TurnOutcome::Failed, 20, true), Some((20, 20, 1)));
        assert_eq!(counted(TurnOutcome::Lost, 30, false), Some((20, 20, 1)));
        assert_eq!(counted(TurnOutcome::PartiallyFailed, 40, true), Some((20, 40, 2)));
        assert_eq!(counted(TurnOutcome::Missed, 50, true), Some((20, 50, 3)));
        assert_eq!(counted(TurnOutcome::Completed, 60, true), None);
    }

    #[test]
    fn every_exit_code_is_an_outcome() {
        let outcomes: Vec<&str> = (0..8).map(|code| TurnOutcome::of_exit(code).as_str()).collect();
        let expected = [
            "completed",
            "failed",
            "usage",
            "partially-failed",
            "verification-failed",
            "objective-missed",
            "conflict",
            "failed",
        ];
        assert_eq!(outcomes, expected);
        for outcome in outcomes {
            let read: TurnOutcome = serde_json::from_value(outcome.into()).unwrap();
            assert_eq!(read.as_str(), outcome);
        }
    }
}
