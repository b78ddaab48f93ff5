use super::{
    Action, Done, Options, Outcome, Plan, Planned, Progress, Target, settle,
    write::{NotWritten, Writer, Wrote},
};
use crate::source::kube::Refusal;
use futures_util::{StreamExt, future::BoxFuture, stream};
use std::{
    collections::HashMap,
    ops::Range,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

/// What failed and may come right is tried again after these pauses, before anything is done that comes later.
const PAUSES: &[Duration] = &[Duration::from_millis(300), Duration::from_secs(1), Duration::from_secs(3)];

/// Carries out a plan, wave by wave, and tells of each object what became of it. When `stop` comes, no further write is
/// begun. Whatever happens, what was done is in the outcomes; the same restore continues where this one ended.
pub async fn apply(
    plan: &Plan,
    target: &Target,
    options: &Options,
    progress: &Progress,
    stop: impl Future,
) -> Vec<Outcome> {
    progress.expect(plan.objects.iter().filter(|planned| planned.writes()).count());
    let run = Run {
        plan,
        writer: Writer { cluster: &target.cluster, gathered: &plan.gathered, options, dry_run: false },
        target,
        options,
        progress,
        uids: Mutex::new(
            plan.objects.iter().filter_map(|it| Some((it.saved, it.live.as_ref()?.0.clone()))).collect(),
        ),
        results: Mutex::new(HashMap::new()),
        stopped: AtomicBool::new(false),
    };
    let mut work = std::pin::pin!(run.waves());
    let stopped = tokio::select! {
        () = &mut work => false,
        _ = stop => true,
    };
    if stopped {
        // What is under way comes to its end: an answer that nobody waits for would leave it unknown what was done.
        run.stopped.store(true, Relaxed);
        work.await;
    }
    run.outcomes()
}

struct Run<'a> {
    plan: &'a Plan,
    writer: Writer<'a>,
    target: &'a Target,
    options: &'a Options,
    progress: &'a Progress,
    /// UIDs in the target, by places among the gathered objects.
    uids: Mutex<HashMap<usize, String>>,
    /// What became of what, by places in the plan.
    results: Mutex<HashMap<usize, (Done, Option<String>)>>,
    stopped: AtomicBool,
}

impl Run<'_> {
    async fn waves(&self) {
        let mut begin = 0;
        while begin < self.plan.objects.len() {
            let wave = self.plan.objects[begin].wave;
            let length = self.plan.objects[begin..].iter().take_while(|it| it.wave == wave).count();
            self.wave(begin..begin + length).await;
            begin += length;
            let next = self.plan.objects.get(begin).map(|it| it.wave.0);
            if wave.0 == 0 && next != Some(0) && !self.stopped.load(Relaxed) {
                for late in settle::definitions(self.plan, self.target, self.options).await {
                    tracing::warn!("{late} is not served yet, though its definition is there");
                }
            }
        }
    }

    async fn wave(&self, range: Range<usize>) {
        let mut todo: Vec<usize> = range.filter(|at| self.plan.objects[*at].writes()).collect();
        for pause in PAUSES.iter().map(Some).chain([None]) {
            let last = pause.is_none();
            let mut writes: Vec<BoxFuture<'_, Option<usize>>> = Vec::new();
            for at in todo {
                writes.push(Box::pin(async move { (!self.object(at, last).await).then_some(at) }));
            }
            let again = stream::iter(writes).buffer_unordered(self.options.concurrency.max(1));
            let again: Vec<Option<usize>> = again.collect().await;
            todo = again.into_iter().flatten().collect();
            match pause {
                Some(pause) if !todo.is_empty() && !self.stopped.load(Relaxed) => {
                    tokio::time::sleep(*pause).await;
                }
                _ if todo.is_empty() => return,
                _ => {}
            }
        }
    }

    /// Writes one object; false when it should be tried again.
    async fn object(&self, at: usize, last: bool) -> bool {
        if self.stopped.load(Relaxed) {
            return true;
        }
        let planned = &self.plan.objects[at];
        let uid = |saved: usize| locked(&self.uids).get(&saved).cloned();
        let (done, why) = match self.writer.write(planned, uid).await {
            Ok(wrote) => {
                locked(&self.uids).insert(planned.saved, wrote.written().uid.clone());
                match wrote {
                    Wrote::Created(_) => (Done::Created, None),
                    Wrote::Updated(_) => (Done::Updated, None),
                    Wrote::Recreated(_) => (Done::Recreated, None),
                    Wrote::Unchanged(_) => (Done::Unchanged, None),
                }
            }
            Err(NotWritten::Refused(refusal)) => {
                if !last && may_come_right(&refusal) {
                    tracing::debug!(object = %planned.to, reason = refusal.message, "trying again");
                    return false;
                }
                if refusal.is_for_all() {
                    self.stopped.store(true, Relaxed);
                }
                (Done::Failed, Some(refusal.message))
            }
            Err(NotWritten::Changed(how)) => (Done::Conflict, Some(how.to_owned())),
            Err(NotWritten::Owner(_)) if !last => return false,
            Err(NotWritten::Owner(owner)) => {
                let owner = self.plan.objects.iter().find(|it| it.saved == owner);
                let owner = owner.map_or_else(String::new, |it| format!(" {}", it.to));
                (Done::Failed, Some(format!("its owner{owner} is not there")))
            }
            Err(NotWritten::Unusable(why)) => (Done::Failed, Some(why)),
        };
        locked(&self.results).insert(at, (done, why));
        self.progress.step();
        true
    }

    fn outcomes(&self) -> Vec<Outcome> {
        let mut results = std::mem::take(&mut *locked(&self.results));
        let outcome = |(at, planned): (usize, &Planned)| {
            let (outcome, reason) = match (results.remove(&at), planned.action) {
                (Some(result), _) => result,
                (None, Action::Skip) => (Done::Skipped, reason(planned)),
                (None, Action::Conflict) => (Done::Conflict, reason(planned)),
                (None, _) => (Done::NotReached, None),
            };
            Outcome { object: planned.to.clone(), outcome, reason }
        };
        self.plan.objects.iter().enumerate().map(outcome).collect()
    }
}

fn reason(planned: &Planned) -> Option<String> {
    planned.reason.as_ref().map(ToString::to_string)
}

fn locked<T>(shared: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// May the same request be answered otherwise in a moment? A webhook that does not answer, a quota that is being counted, a
/// namespace or a service account that a controller or a cache has not seen yet.
fn may_come_right(refusal: &Refusal) -> bool {
    match refusal.code {
        Some(404 | 500 | 502..=504) => true,
        Some(409) => refusal.conflicts(),
        Some(403) => refusal.message.contains("not found") || refusal.message.contains("not yet ready"),
        _ => false,
    }
}
