//! Whom to tell how a run ended, and how often. Every end carries on how long its schedule has been failing, so that nobody is told
//! twice, whichever daemon says the next one.

use super::{Job, ground::Sign, keeper::Shared};
use crate::{
    notify::Message,
    point::{End, Failing, News, Turn, TurnOutcome},
};
use jiff::SignedDuration;
use std::sync::Arc;

/// What a run's end is to somebody who is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// It did not end well, and is not tried again.
    Failed,
    /// It ended well, and the one before had failed.
    Recovered,
    /// It ended well, as the one before.
    Succeeded,
}

impl Occasion {
    /// What an end is; none where the same time is tried again. `before`: how long the schedule had been failing.
    pub(super) fn of(end: &End, before: Option<Failing>) -> Option<Self> {
        match (end.outcome, before, end.failing) {
            (TurnOutcome::Known, ..) => None,
            (TurnOutcome::Completed, None, _) => Some(Occasion::Succeeded),
            (TurnOutcome::Completed, Some(_), _) => Some(Occasion::Recovered),
            (_, before, after) => (before != after).then_some(Occasion::Failed),
        }
    }
}

/// A channel that is told how a schedule's runs end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tell {
    /// The channel's name.
    pub channel: String,
    /// On which occasions.
    pub on: Vec<Occasion>,
    /// What goes on failing is told again after so long.
    pub again: SignedDuration,
}

impl Tell {
    fn wants(&self, occasion: Occasion, end: &End, before: Option<Failing>) -> bool {
        // What recovered has succeeded, too.
        let also = occasion == Occasion::Recovered && self.on.contains(&Occasion::Succeeded);
        (also || self.on.contains(&occasion)) && (occasion != Occasion::Failed || self.is_news(end, before))
    }

    /// Is it the first failure, or the first one of a further period?
    fn is_news(&self, end: &End, before: Option<Failing>) -> bool {
        let Some(before) = before else { return true };
        let length = self.again.as_secs().max(1);
        let period = |at: jiff::Timestamp| at.duration_since(before.since).as_secs().div_euclid(length);
        period(end.ended) > period(before.last)
    }
}

impl Shared {
    /// A run begins: whoever waits for that gets a sign.
    pub(super) fn tell_begun(self: &Arc<Self>, turn: &Turn) {
        self.sign(Sign::Begun, turn);
    }

    /// The store knows now how a run ended, by this daemon: people are told, as their channels want it. `before`: how long the schedule
    /// had been failing.
    pub(super) fn tell_ended(
        self: &Arc<Self>,
        (cluster, job): (&str, &Job),
        (turn, end): (&Turn, &End),
        before: Option<Failing>,
    ) {
        let Some(occasion) = Occasion::of(end, before) else { return };
        self.announce(News::of_run(job.work.as_str(), turn, end, occasion == Occasion::Recovered));
        self.sign(if occasion == Occasion::Failed { Sign::Failed } else { Sign::Succeeded }, turn);
        let wanted = job.tells.iter().filter(|it| it.wants(occasion, end, before));
        let channels: Vec<String> = wanted.map(|it| it.channel.clone()).collect();
        if channels.is_empty() {
            return;
        }
        let message = Message::of_run(cluster, (turn, job.work.as_str()), end, before, &self.holder);
        let shared = self.clone();
        self.tellings.spawn(async move {
            let teller = shared.setup.borrow().teller.clone();
            let told = teller.tell(&channels, &message).await;
            shared.board.delivered(&told);
        });
    }

    /// Whoever looks at the cluster that the daemon runs in is told.
    pub(super) fn announce(self: &Arc<Self>, news: News) {
        let shared = self.clone();
        self.tellings.spawn(async move {
            let teller = shared.setup.borrow().teller.clone();
            teller.announce(&news).await;
        });
    }

    fn sign(self: &Arc<Self>, sign: Sign, turn: &Turn) {
        let (shared, turn) = (self.clone(), turn.clone());
        self.tellings.spawn(async move {
            let teller = shared.setup.borrow().teller.clone();
            let told = teller.sign(sign, &turn).await;
            shared.board.delivered(told.as_slice());
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(minute * 60).unwrap()
    }

    /// What a channel is told of ends at these minutes, each `true` for one that ended well.
    fn told(on: &[Occasion], again: i64, ends: &[(i64, bool)]) -> Vec<(i64, Occasion)> {
        let tell = Tell { channel: "ops".into(), on: on.to_vec(), again: SignedDuration::from_mins(again) };
        let mut before = None;
        let mut found = Vec::new();
        for (minute, ok) in ends {
            let outcome = if *ok { TurnOutcome::Completed } else { TurnOutcome::Failed };
            let end = End::new(outcome, at(*minute), at(*minute)).after(before, true);
            let occasion = Occasion::of(&end, before).unwrap();
            if tell.wants(occasion, &end, before) {
                found.push((*minute, occasion));
            }
            before = end.failing;
        }
        found
    }

    #[test]
    fn what_goes_on_failing_is_told_again_after_a_while_and_what_came_right_once() {
        use Occasion::*;
        let hourly = |ok: &[bool]| (1..).map(|hour| hour * 60).zip(ok.iter().copied()).collect::<Vec<_>>();
        let ends = hourly(&[true, false, false, false, false, false, false, true, true, false, true]);
        let usual = [Failed, Recovered];
        let expected = [(120, Failed), (300, Failed), (480, Recovered), (600, Failed), (660, Recovered)];
        assert_eq!(told(&usual, 180, &ends), expected);
        assert_eq!(told(&[Failed], 10_000, &ends), [(120, Failed), (600, Failed)]);
        assert_eq!(told(&[Succeeded], 180, &ends).len(), 4);
        // Seldom runs are told each time.
        assert_eq!(told(&usual, 30, &ends).iter().filter(|(_, it)| *it == Failed).count(), 7);
    }

    #[test]
    fn what_is_tried_again_is_told_when_that_is_over() {
        let end = |outcome, before, settled| End::new(outcome, at(1), at(2)).after(before, settled);
        let first = end(TurnOutcome::Failed, None, false);
        assert_eq!(Occasion::of(&first, None), None);
        // Nobody was told that it failed, and so nobody that it came right.
        let second = end(TurnOutcome::Completed, first.failing, true);
        assert_eq!(Occasion::of(&second, first.failing), Some(Occasion::Succeeded));
        let failing = Some(Failing { since: at(0), last: at(0), times: 3 });
        assert_eq!(Occasion::of(&end(TurnOutcome::Lost, failing, false), failing), None);
        assert_eq!(Occasion::of(&end(TurnOutcome::Missed, failing, true), failing), Some(Occasion::Failed));
        assert_eq!(Occasion::of(&end(TurnOutcome::Known, None, true), None), None);
    }
}
