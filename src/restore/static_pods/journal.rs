//! What was begun and what was done, a line of JSON each, on the disk before anything else happens.

use super::{Swap, SwapError, files, swap};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

const JOURNAL: &str = "journal.jsonl";
const NEW: &str = "journal.new";

/// What a swap does, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Step {
    Restore,
    Stop,
    Exchange,
    StartEtcd,
    StartApiServer,
    StartOthers,
    GoBack,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Entry {
    Swap(Box<Swap>),
    Begin(Step),
    Done(Step),
    Finished,
}

#[derive(Debug, Serialize, Deserialize)]
struct Line {
    at: Timestamp,
    #[serde(flatten)]
    entry: Entry,
}

/// What a journal tells.
#[derive(Debug, Clone)]
pub(super) struct Recorded {
    pub(super) swap: Swap,
    /// Everything was done, at least before anybody began to go back.
    pub(super) finished: bool,
    begun: Vec<Step>,
}

impl Recorded {
    pub(super) fn begun(&self, step: Step) -> bool {
        self.begun.contains(&step)
    }

    /// Does somebody have to go back before anything new?
    pub(super) fn is_open(&self) -> bool {
        !self.finished || self.begun(Step::GoBack)
    }
}

/// The journal of the swap that is at work. Who has one holds the [`Lock`](super::lock::Lock).
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    recorded: Recorded,
}

impl Journal {
    /// Begins a new one.
    pub(super) fn begin(swap: &Swap) -> Result<Self, SwapError> {
        files::make_dir(&swap.stopped, None)?;
        let (path, new) = (swap.stopped.join(JOURNAL), swap.stopped.join(NEW));
        let mut file = OpenOptions::new();
        file.create(true).write(true).truncate(true).mode(0o600);
        let file = file.open(&new).map_err(SwapError::io(&new))?;
        let recorded = Recorded { swap: swap.clone(), finished: false, begun: Vec::new() };
        let mut journal = Journal { path, file, recorded };
        journal.write(Entry::Swap(Box::new(swap.clone())))?;
        fs::rename(&new, &journal.path).map_err(SwapError::io(&new))?;
        files::sync_dir(&swap.stopped)?;
        Ok(journal)
    }

    /// Opens the one that was left, if there is one.
    pub(super) fn open(manifests: &Path) -> Result<Option<Self>, SwapError> {
        let Some(recorded) = read(manifests)? else { return Ok(None) };
        let path = swap::stopped(manifests).join(JOURNAL);
        let mut file = OpenOptions::new().append(true).open(&path).map_err(SwapError::io(&path))?;
        // A line that was cut short must not swallow the next one.
        file.write_all(b"\n").map_err(SwapError::io(&path))?;
        Ok(Some(Journal { path, file, recorded }))
    }

    pub(super) fn recorded(&self) -> &Recorded {
        &self.recorded
    }

    /// Notes what was found to be otherwise than when the swap was planned.
    pub(super) fn revise(&mut self, swap: &Swap) -> Result<(), SwapError> {
        self.recorded.swap = swap.clone();
        self.write(Entry::Swap(Box::new(swap.clone())))
    }

    pub(super) fn begun(&mut self, step: Step) -> Result<(), SwapError> {
        self.recorded.begun.push(step);
        self.write(Entry::Begin(step))
    }

    pub(super) fn done(&mut self, step: Step) -> Result<(), SwapError> {
        self.write(Entry::Done(step))
    }

    pub(super) fn finished(&mut self) -> Result<(), SwapError> {
        self.write(Entry::Finished)
    }

    /// Forgets everything: it is as if nothing had been begun.
    pub(super) fn remove(self) -> Result<(), SwapError> {
        fs::remove_file(&self.path).map_err(SwapError::io(&self.path))?;
        let dir = &self.recorded.swap.stopped;
        files::sync_dir(dir)?;
        // Something else may lie there.
        let _ = fs::remove_dir(dir);
        Ok(())
    }

    fn write(&mut self, entry: Entry) -> Result<(), SwapError> {
        let line = serde_json::to_string(&Line { at: Timestamp::now(), entry });
        let written = line.map_err(std::io::Error::other).and_then(|line| {
            self.file.write_all(format!("{line}\n").as_bytes())?;
            self.file.sync_all()
        });
        written.map_err(SwapError::io(&self.path))
    }
}

/// A new swap may not begin where an old one is open.
pub(super) fn refuse_open(manifests: &Path) -> Result<(), SwapError> {
    match read(manifests)? {
        Some(recorded) if recorded.is_open() => Err(SwapError::Unfinished {
            journal: swap::stopped(manifests).join(JOURNAL),
            manifests: manifests.to_owned(),
        }),
        _ => Ok(()),
    }
}

/// What the journal beside these manifests tells, if there is one.
pub(super) fn read(manifests: &Path) -> Result<Option<Recorded>, SwapError> {
    let path = swap::stopped(manifests).join(JOURNAL);
    match fs::read_to_string(&path) {
        Ok(text) => {
            parse(&text).map(Some).map_err(|reason| SwapError::Journal { path, reason: reason.to_owned() })
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(SwapError::io(path)(e)),
    }
}

fn parse(text: &str) -> Result<Recorded, &'static str> {
    // A line that was cut short when the power went tells of nothing that was done.
    let mut entries = text.lines().filter_map(|l| serde_json::from_str::<Line>(l).ok()).map(|l| l.entry);
    let Some(Entry::Swap(swap)) = entries.next() else { return Err("its first line tells of no swap") };
    let mut recorded = Recorded { swap: *swap, finished: false, begun: Vec::new() };
    for entry in entries {
        match entry {
            Entry::Begin(step) => recorded.begun.push(step),
            Entry::Finished => recorded.finished = true,
            Entry::Swap(revised) => recorded.swap = *revised,
            Entry::Done(_) => {}
        }
    }
    Ok(recorded)
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::control_plane::EtcdServer;
    use super::*;

    pub(in super::super) fn swap(dir: &Path) -> Swap {
        let manifests = dir.join("manifests");
        fs::create_dir_all(&manifests).unwrap();
        Swap {
            point: "id".into(),
            stopped: swap::stopped(&manifests),
            manifests,
            pods: vec!["etcd.yaml".into()],
            data_dir: dir.join("etcd"),
            restored: dir.join("etcd.restored-id"),
            kept: dir.join("etcd.before-id"),
            had_data: true,
            was_healthy: true,
            etcd: EtcdServer { clients: vec!["127.0.0.1:1".into()], health: None },
            apiserver: None,
            stopped_before: Vec::new(),
            run: None,
        }
    }

    #[test]
    fn what_was_written_is_read_back_and_an_open_one_bars_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let swap = swap(dir.path());
        let mut journal = Journal::begin(&swap).unwrap();
        journal.begun(Step::Restore).unwrap();
        journal.done(Step::Restore).unwrap();
        let read_back = read(&swap.manifests).unwrap().unwrap();
        assert_eq!(read_back.swap, swap);
        assert!(read_back.begun(Step::Restore) && !read_back.begun(Step::Stop) && read_back.is_open());
        drop(journal);
        assert!(matches!(refuse_open(&swap.manifests), Err(SwapError::Unfinished { .. })));
        let mut journal = Journal::open(&swap.manifests).unwrap().unwrap();
        journal.finished().unwrap();
        refuse_open(&swap.manifests).unwrap();
        drop(journal);
        Journal::begin(&swap).unwrap().remove().unwrap();
        assert!(!swap.stopped.exists() && Journal::open(&swap.manifests).unwrap().is_none());
    }

    #[test]
    fn a_line_cut_short_at_any_byte_is_no_line() {
        let dir = tempfile::tempdir().unwrap();
        let swap = swap(dir.path());
        let mut journal = Journal::begin(&swap).unwrap();
        journal.begun(Step::Exchange).unwrap();
        journal.finished().unwrap();
        let whole = fs::read_to_string(&journal.path).unwrap();
        let ends: Vec<usize> = whole.match_indices('\n').map(|(at, _)| at).collect();
        for cut in 0..=whole.len() {
            match parse(&whole[..cut]) {
                Ok(found) => {
                    assert!(cut >= ends[0]);
                    assert_eq!(
                        (found.begun(Step::Exchange), found.finished),
                        (cut >= ends[1], cut >= ends[2])
                    );
                }
                Err(_) => assert!(cut < ends[0]),
            }
        }
    }
}
