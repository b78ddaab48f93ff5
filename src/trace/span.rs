//! One run and what it consists of, as far as that is known.

use super::{
    send::send,
    settings::Settings,
    wire::{self, Span},
};
use crate::point::TurnOutcome;
use jiff::Timestamp;
use std::{
    fmt::Display,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// More parts of a run than this are not told.
const MOST: usize = 1000;

/// A phase or a step of a run that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// What it is called.
    pub name: String,
    /// The part that it belongs to, if not to the run itself.
    pub within: Option<String>,
    /// When it began.
    pub began: Timestamp,
    /// How long it took.
    pub took: Duration,
    /// It came to its end, and did not fail.
    pub done: bool,
}

/// The trace of a run. Where nobody asks for one, all of this does nothing.
pub struct Trace(Option<Running>);

struct Running {
    settings: Settings,
    name: &'static str,
    trace: u128,
    began: Timestamp,
    since: Instant,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    notes: Vec<(&'static str, String)>,
    parts: Vec<Part>,
    more: u32,
}

impl Trace {
    /// None.
    pub fn none() -> Self {
        Trace(None)
    }

    /// A run of this name begins. `drawn` is the trace's id, if the run is no part of one.
    pub fn begin(
        settings: Option<Settings>,
        name: &'static str,
        (began, since): (Timestamp, Instant),
        drawn: u128,
    ) -> Self {
        Trace(settings.and_then(|settings| {
            let trace = settings.parent.map_or(drawn, |parent| parent.trace);
            let told = settings.sampler.takes(trace, settings.parent);
            told.then(|| Running { settings, name, trace, began, since, known: Mutex::default() })
        }))
    }

    /// The trace's id, as logs have it.
    pub fn id(&self) -> Option<String> {
        self.0.as_ref().map(|it| format!("{:032x}", it.trace))
    }

    /// Notes something of the run; once more, it is the last that counts.
    pub fn note(&self, name: &'static str, value: impl Display) {
        if let Some(running) = &self.0 {
            let mut known = running.known();
            known.notes.retain(|(before, _)| *before != name);
            known.notes.push((name, value.to_string()));
        }
    }

    /// A part of the run has ended.
    pub fn part(&self, part: Part) {
        if let Some(running) = &self.0 {
            let mut known = running.known();
            match known.parts.len() < MOST {
                true => known.parts.push(part),
                false => known.more += 1,
            }
        }
    }

    /// The run has ended like this, and is told. `wrong` says what somebody should have a look at.
    ///
    /// # Errors
    /// When nobody takes the trace. It is not tried for longer than a few seconds.
    pub async fn end(&self, outcome: TurnOutcome, exit: u8, wrong: Option<&str>) -> Result<(), String> {
        let Some(running) = &self.0 else { return Ok(()) };
        let spans = running.spans(running.since.elapsed(), (outcome, exit, wrong), rand::random);
        send(&running.settings, wire::request(&running.settings.resource, spans)).await
    }
}

impl Running {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The run's span, and below it one for each part.
    fn spans(
        &self,
        took: Duration,
        (outcome, exit, wrong): (TurnOutcome, u8, Option<&str>),
        mut id: impl FnMut() -> u64,
    ) -> Vec<Span> {
        let known = self.known();
        let ids: Vec<u64> = known.parts.iter().map(|_| id()).collect();
        let root = id();
        let mut run = wire::span((self.trace, root, None), self.name, (self.began, took));
        if let Some(parent) = self.settings.parent {
            run = wire::below_another_s(run, parent.span);
        }
        run.attributes = known.notes.iter().map(|(name, value)| wire::text(name, value)).collect();
        run.attributes.push(wire::text("lifeboat.outcome", outcome.as_str()));
        run.attributes.push(wire::number("process.exit.code", exit.into()));
        if known.more > 0 {
            run.attributes.push(wire::number("lifeboat.spans.left_out", known.more.into()));
        }
        if let Some(why) = wrong {
            run = wire::failed(run, why);
        }
        let parts = known.parts.iter().zip(&ids).map(|(part, id)| {
            let within = part.within.as_ref();
            let at = within.and_then(|name| known.parts.iter().rposition(|it| it.name == *name));
            let within = at.and_then(|at| ids.get(at)).copied().unwrap_or(root);
            let span = wire::span((self.trace, *id, Some(within)), &part.name, (part.began, part.took));
            // Why it failed may name what it was about.
            if part.done { span } else { wire::failed(span, "") }
        });
        std::iter::once(run).chain(parts).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::wire::Span;

    fn begin(more: &[(&str, &str)]) -> Trace {
        let env = |name: &str| match name {
            "OTEL_EXPORTER_OTLP_ENDPOINT" => Some("http://otel:4318".to_owned()),
            _ => more.iter().find(|(it, _)| *it == name).map(|(_, value)| (*value).to_owned()),
        };
        let settings = Settings::read(&env).unwrap();
        Trace::begin(settings, "backup", (Timestamp::from_second(100).unwrap(), Instant::now()), 0xabc)
    }

    fn part(name: &str, within: Option<&str>, second: i64) -> Part {
        Part {
            name: name.to_owned(),
            within: within.map(str::to_owned),
            began: Timestamp::from_second(second).unwrap(),
            took: Duration::from_millis(1500),
            done: name != "c",
        }
    }

    fn spans(trace: &Trace, wrong: Option<&str>) -> Vec<Span> {
        let mut last = 0;
        let id = || {
            last += 1;
            last
        };
        let end = (TurnOutcome::Completed, 0, wrong);
        trace.0.as_ref().unwrap().spans(Duration::from_secs(9), end, id)
    }

    #[test]
    fn parts_are_below_the_run_or_what_they_are_within() {
        let trace = begin(&[]);
        assert_eq!(trace.id().unwrap(), format!("{:032x}", 0xabc));
        trace.note("lifeboat.cluster", "lab");
        trace.note("lifeboat.cluster", "prod");
        // What is within another one ends before it.
        for it in [part("b", Some("a"), 103), part("c", Some("nowhere"), 104), part("a", None, 102)] {
            trace.part(it);
        }
        let spans = spans(&trace, Some("no member answers"));
        let told: Vec<_> = spans
            .iter()
            .map(|it| (it.name.as_str(), it.span_id[7..].to_vec(), it.parent_span_id.last().copied()))
            .collect();
        assert_eq!(
            told,
            [
                ("backup", vec![4], None),
                ("b", vec![1], Some(3)),
                ("c", vec![2], Some(4)),
                ("a", vec![3], Some(4)),
            ]
        );
        let times: Vec<_> = spans.iter().map(|it| (it.start_time_unix_nano, it.end_time_unix_nano)).collect();
        assert_eq!(times[..2], [(100_000_000_000, 109_000_000_000), (103_000_000_000, 104_500_000_000)]);
        let status: Vec<_> =
            spans.iter().map(|it| it.status.as_ref().map(|it| (it.code, it.message.as_str()))).collect();
        assert_eq!(status, [Some((2, "no member answers")), None, Some((2, "")), None]);
        let notes: Vec<&str> = spans[0].attributes.iter().map(|it| it.key.as_str()).collect();
        assert_eq!(notes, ["lifeboat.cluster", "lifeboat.outcome", "process.exit.code"]);
        assert!(spans.iter().all(|it| it.flags == 0x101));
    }

    #[test]
    fn a_run_is_a_part_of_what_began_it() {
        let parent = |flags| [("TRACEPARENT", format!("00-{:032x}-{:016x}-{flags}", 0xdef, 7))];
        let set = parent("01");
        let trace = begin(&[(set[0].0, &set[0].1)]);
        assert_eq!(trace.id().unwrap(), format!("{:032x}", 0xdef));
        let run = &spans(&trace, None)[0];
        assert_eq!((run.parent_span_id[7], run.trace_id[15], run.flags), (7, 0xef, 0x301));
        assert_eq!(run.status, None);
        let set = parent("00");
        assert_eq!(begin(&[(set[0].0, &set[0].1)]).id(), None);
    }

    #[test]
    fn there_are_not_more_spans_than_somebody_looks_at() {
        let trace = begin(&[]);
        (0..MOST + 5).for_each(|_| trace.part(part("a", None, 102)));
        let spans = spans(&trace, None);
        assert_eq!(spans.len(), MOST + 1);
        let left = spans[0].attributes.last().unwrap();
        assert_eq!((left, left.key.as_str()), (&wire::number(&left.key, 5), "lifeboat.spans.left_out"));
    }
}
