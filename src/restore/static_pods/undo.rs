use super::{
    Swap, SwapError, Tell,
    control_plane::{APISERVER, ETCD},
    files,
    journal::{self, Journal, Recorded, Step},
    lock::Lock,
    probe,
};
use serde::Serialize;
use std::{fmt, fs, fs::File, io, path::Path, path::PathBuf, time::Duration};

/// What the way back took.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Undone {
    /// The recovery point that the swap was for; nothing if there was no swap.
    pub point: Option<String>,
    /// What was done, or would be, in order.
    pub steps: Vec<String>,
}

#[derive(Debug)]
enum Action<'a> {
    Stop(&'a Swap),
    SetAside(&'a Swap),
    BringBack(&'a Swap),
    Start(&'a Swap, &'a str),
    Remove(&'a Path),
}

impl fmt::Display for Action<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Action::Stop(swap) => {
                let pods: Vec<_> =
                    swap.pods.iter().filter(|p| swap.is_started(p)).map(String::as_str).collect();
                match pods.is_empty() {
                    true => write!(f, "see that etcd and the API server are stopped"),
                    false => write!(f, "stop {}", pods.join(", ")),
                }
            }
            Action::SetAside(swap) => write!(f, "move the new data to {}", swap.restored.display()),
            Action::BringBack(swap) => {
                write!(
                    f,
                    "bring the data of before back from {} to {}",
                    swap.kept.display(),
                    swap.data_dir.display()
                )
            }
            Action::Start(_, pod) => write!(f, "start {}", pod.trim_end_matches(".yaml")),
            Action::Remove(path) => write!(f, "remove {}", path.display()),
        }
    }
}

/// Says what [`undo`] would do, and does nothing.
///
/// # Errors
/// When the journal cannot be read, or the data of before is gone.
pub fn way_back(manifests: &Path) -> Result<Undone, SwapError> {
    let manifests = real(manifests)?;
    let Some(recorded) = journal::read(&manifests)? else {
        return Ok(Undone { point: None, steps: Vec::new() });
    };
    let steps = actions(&recorded)?.iter().map(ToString::to_string).collect();
    Ok(Undone { point: Some(recorded.swap.point), steps })
}

/// Goes back to what was before the last swap, whether that came to its end or not. `tell` hears of every step. Broken
/// off at any instant, it can be done again.
///
/// # Errors
/// When the journal cannot be read, another one is at work, the data of before is gone, or a server does not stop.
pub async fn undo(manifests: &Path, wait: Duration, tell: Tell<'_>) -> Result<Undone, SwapError> {
    let manifests = real(manifests)?;
    let _lock = Lock::take(&manifests)?;
    let Some(journal) = Journal::open(&manifests)? else {
        return Ok(Undone { point: None, steps: Vec::new() });
    };
    let point = Some(journal.recorded().swap.point.clone());
    Ok(Undone { point, steps: go_back(journal, wait, tell).await? })
}

fn real(manifests: &Path) -> Result<PathBuf, SwapError> {
    fs::canonicalize(manifests).map_err(SwapError::io(manifests))
}

pub(super) async fn go_back(
    mut journal: Journal,
    wait: Duration,
    tell: Tell<'_>,
) -> Result<Vec<String>, SwapError> {
    let recorded = journal.recorded().clone();
    let actions = actions(&recorded)?;
    journal.begun(Step::GoBack)?;
    let mut done = Vec::new();
    for action in &actions {
        let said = action.to_string();
        tell(&said);
        act(action, wait).await?;
        done.push(said);
    }
    // One that was unhealthy before has nothing to be waited for.
    if let Some(server) = recorded.swap.apiserver.as_ref().filter(|_| recorded.swap.was_healthy) {
        let started = actions.iter().any(|a| matches!(a, Action::Start(_, pod) if *pod == APISERVER));
        if started {
            done.push(match probe::apiserver_ready(server, wait).await {
                Ok(()) => "the API server is ready again".to_owned(),
                Err(e) => e.to_string(),
            });
        }
    }
    // Made for the data of before, which never came there.
    let _ = fs::remove_dir(&recorded.swap.kept);
    journal.remove()?;
    Ok(done)
}

/// What has to be done, by where the files are now.
fn actions(recorded: &Recorded) -> Result<Vec<Action<'_>>, SwapError> {
    let swap = &recorded.swap;
    let old_is_away = files::exists(&swap.old_data());
    let in_use = swap.has_data();
    if swap.had_data && !old_is_away && (!in_use || (recorded.finished && !recorded.begun(Step::GoBack))) {
        let text = format!(
            "the data of before is no longer in {}: there is nothing to go back to. Nothing was touched",
            swap.kept.display()
        );
        return Err(SwapError::NoWayBack(text));
    }
    let new_is_made = files::exists(&swap.new_data());
    let new_is_in_use =
        in_use && !new_is_made && if swap.had_data { old_is_away } else { recorded.begun(Step::Exchange) };
    let mut actions = Vec::new();
    if new_is_in_use || old_is_away {
        actions.push(Action::Stop(swap));
    }
    if new_is_in_use {
        actions.push(Action::SetAside(swap));
    }
    if old_is_away {
        actions.push(Action::BringBack(swap));
    }
    let stops = !actions.is_empty();
    let was_started = |pod: &&String| !swap.stopped_before.contains(pod);
    for pod in swap.pods.iter().filter(was_started).filter(|pod| stops || !swap.is_started(pod)) {
        actions.push(Action::Start(swap, pod));
    }
    // Of a swap that came to its end, it holds what was written since.
    if !recorded.finished && (new_is_in_use || files::exists(&swap.restored)) {
        actions.push(Action::Remove(&swap.restored));
    }
    Ok(actions)
}

async fn act(action: &Action<'_>, wait: Duration) -> Result<(), SwapError> {
    match action {
        Action::Stop(swap) => probe::stop(swap, wait).await,
        Action::SetAside(swap) => swap.set_aside(),
        Action::BringBack(swap) => swap.bring_back(),
        Action::Start(swap, pod) => {
            swap.start(pod)?;
            if *pod == ETCD && swap.was_healthy {
                // The API server would wait for it in vain, and then longer than needed: no reason to keep that back.
                let _ = probe::etcd_healthy(&swap.etcd, wait).await;
            }
            Ok(())
        }
        Action::Remove(path) => remove(path, wait).await,
    }
}

/// Removes the new data when nobody works on it any more: the `etcdutl` of a restore that was killed may.
async fn remove(restored: &Path, within: Duration) -> Result<(), SwapError> {
    let lock = match File::open(restored) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened.map_err(SwapError::io(restored))?,
    };
    let waiting = probe::Waiting::new(format!("{} did not come free", restored.display()), within);
    while lock.try_lock().is_err() {
        waiting.again("a restore is at work there".to_owned()).await?;
    }
    fs::remove_dir_all(restored).map_err(SwapError::io(restored))
}

#[cfg(test)]
mod tests {
    use super::super::journal::tests::swap;
    use super::*;

    /// A host before a swap, with the new data made beside; nothing listens anywhere.
    fn host(dir: &Path, had_data: bool) -> Swap {
        let mut swap = Swap { had_data, was_healthy: false, ..swap(dir) };
        swap.pods = vec![ETCD.to_owned(), APISERVER.to_owned()];
        for pod in &swap.pods {
            fs::write(swap.manifests.join(pod), pod).unwrap();
        }
        if had_data {
            fs::create_dir_all(swap.in_use()).unwrap();
            fs::write(swap.in_use().join("db"), "old").unwrap();
        }
        fs::create_dir_all(swap.new_data()).unwrap();
        fs::write(swap.new_data().join("db"), "new").unwrap();
        swap
    }

    /// Every name that a swap changes, one after the other, as far as `count`.
    fn forward(swap: &Swap, count: usize) {
        let rename = |from: &Path, to: &Path| {
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::rename(from, to).unwrap();
        };
        let steps: [&dyn Fn(); 8] = [
            &|| swap.stop(APISERVER).unwrap(),
            &|| swap.stop(ETCD).unwrap(),
            &|| fs::create_dir_all(if swap.had_data { &swap.kept } else { &swap.data_dir }).unwrap(),
            &|| {
                if swap.had_data {
                    rename(&swap.in_use(), &swap.old_data())
                }
            },
            &|| rename(&swap.new_data(), &swap.in_use()),
            &|| fs::remove_dir(&swap.restored).unwrap(),
            &|| swap.start(ETCD).unwrap(),
            &|| swap.start(APISERVER).unwrap(),
        ];
        steps[..count].iter().for_each(|step| step());
    }

    fn must_be_as_before(swap: &Swap) {
        let old = fs::read_to_string(swap.in_use().join("db")).ok();
        assert_eq!(old.as_deref(), swap.had_data.then_some("old"));
        assert!(swap.pods.iter().all(|pod| swap.is_started(pod)));
        assert!(!swap.restored.exists() && !swap.kept.exists() && !swap.stopped.exists());
    }

    #[tokio::test]
    async fn from_wherever_it_broke_off_the_way_leads_back_and_can_break_off_itself() {
        for (had_data, forth, back) in
            [true, false].into_iter().flat_map(|d| (0..=8).flat_map(move |f| (0..=6).map(move |b| (d, f, b))))
        {
            let dir = tempfile::tempdir().unwrap();
            let swap = host(dir.path(), had_data);
            let mut journal = Journal::begin(&swap).unwrap();
            journal.begun(Step::Stop).unwrap();
            if forth > 2 {
                journal.begun(Step::Exchange).unwrap();
            }
            forward(&swap, forth);
            journal.begun(Step::GoBack).unwrap();
            drop(journal);
            let recorded = journal::read(&swap.manifests).unwrap().unwrap();
            for action in actions(&recorded).unwrap().iter().take(back) {
                match action {
                    Action::Stop(swap) => swap.pods.iter().for_each(|pod| swap.stop(pod).unwrap()),
                    action => act(action, Duration::ZERO).await.unwrap(),
                }
            }
            let journal = Journal::open(&swap.manifests).unwrap().unwrap();
            for action in actions(&journal.recorded().clone()).unwrap() {
                match action {
                    Action::Stop(swap) => swap.pods.iter().for_each(|pod| swap.stop(pod).unwrap()),
                    action => act(&action, Duration::ZERO).await.unwrap(),
                }
            }
            // Nothing is left to do but to forget.
            let said = go_back(journal, Duration::ZERO, &|_| ()).await.unwrap();
            assert!(said.is_empty(), "{had_data} {forth} {back}: {said:?}");
            must_be_as_before(&swap);
        }
    }

    #[tokio::test]
    async fn of_a_swap_that_was_done_the_new_data_is_kept_and_the_old_must_be_there() {
        let dir = tempfile::tempdir().unwrap();
        let swap = host(dir.path(), true);
        let mut journal = Journal::begin(&swap).unwrap();
        journal.begun(Step::Exchange).unwrap();
        forward(&swap, 8);
        journal.finished().unwrap();
        drop(journal);
        fs::rename(&swap.kept, dir.path().join("elsewhere")).unwrap();
        assert!(matches!(way_back(&swap.manifests), Err(SwapError::NoWayBack(_))));
        fs::rename(dir.path().join("elsewhere"), &swap.kept).unwrap();
        let undone = undo(&swap.manifests, Duration::from_secs(10), &|_| ()).await.unwrap();
        assert_eq!(undone.steps.len(), 5, "{undone:?}");
        assert_eq!(fs::read_to_string(swap.new_data().join("db")).unwrap(), "new");
        fs::remove_dir_all(&swap.restored).unwrap();
        must_be_as_before(&swap);
        assert_eq!(way_back(&swap.manifests).unwrap().point, None);
    }
}
