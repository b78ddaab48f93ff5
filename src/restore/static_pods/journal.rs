//! What was begun and what was done, a line of JSON each, on the disk before anything else happens.

use super::{Swap, SwapError, files, swap};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
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

/// The journal of the swap that is at work, and the lock that keeps others out.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    recorded: Recorded,
    lock: Lock,
}

impl Journal {
    /// Begins a new one; nobody else may be at work, and no earlier one open.
    pub(super) fn begin(swap: &Swap) -> Result<Self, SwapError> {
        let lock = Lock::take(&swap.stopped, true)?;
        refuse_open(&swap.manifests)?;
        let (path, new) = (swap.stopped.join(JOURNAL), swap.stopped.join(NEW));
        let mut file = OpenOptions::new();
        file.create(true).write(true).truncate(true).mode(0o600);
        let file = file.open(&new).map_err(SwapError::io(&new))?;
        let recorded = Recorded { swap: swap.clone(), finished: false, begun: Vec::new() };
        let mut journal = Journal { path, file, recorded, lock };
        journal.write(Entry::Swap(Box::new(swap.clone())))?;
        fs::rename(&new, &journal.path).map_err(SwapError::io(&new))?;
        files::sync_dir(&swap.stopped)?;
        Ok(journal)
    }

    /// Opens the one that was left, if there is one.
    pub(super) fn open(manifests: &Path) -> Result<Option<Self>, SwapError> {
        let stopped = swap::stopped(manifests);
        if !stopped.is_dir() {
            return Ok(None);
        }
        let lock = Lock::take(&stopped, false)?;
        let Some(recorded) = read(manifests)? else { return Ok(None) };
        let path = stopped.join(JOURNAL);
        let mut file = OpenOptions::new().append(true).open(&path).map_err(SwapError::io(&path))?;
        // A line that was cut short must not swallow the next one.
        file.write_all(b"\n").map_err(SwapError::io(&path))?;
        Ok(Some(Journal { path, file, recorded, lock }))
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
        files::sync_dir(&self.lock.dir)?;
        // Something else may lie there.
        let _ = fs::remove_dir(&self.lock.dir);
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

/// Held as long as this process lives.
#[derive(Debug)]
struct Lock {
    dir: PathBuf,
    _file: File,
}

impl Lock {
    fn take(dir: &Path, make: bool) -> Result<Self, SwapError> {
        let busy = || SwapError::Busy(dir.to_owned());
        if make {
            match fs::DirBuilder::new().mode(0o700).create(dir) {
                Ok(()) => dir.parent().map_or(Ok(()), files::sync_dir)?,
                // An earlier swap made it, or one that began at the same moment.
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(SwapError::io(dir)(e)),
            }
        }
        let file = match File::open(dir) {
            // The one that made it was refused and took it away again.
            Err(e) if make && e.kind() == std::io::ErrorKind::NotFound => return Err(busy()),
            other => other.map_err(SwapError::io(dir))?,
        };
        file.try_lock().map_err(|_| busy())?;
        // Whoever came to an end meanwhile may have taken the directory away.
        let same = |there: &fs::Metadata, held: &fs::Metadata| {
            (there.dev(), there.ino()) == (held.dev(), held.ino())
        };
        match (fs::metadata(dir), file.metadata()) {
            (Ok(there), Ok(held)) if same(&there, &held) => Ok(Lock { dir: dir.to_owned(), _file: file }),
            _ => Err(busy()),
        }
    }
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
        }
    }

    #[test]
    fn what_was_written_is_read_back_and_an_open_one_bars_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let swap = swap(dir.path());
        let mut journal = Journal::begin(&swap).unwrap();
        assert!(matches!(Journal::begin(&swap), Err(SwapError::Busy(_))));
        journal.begun(Step::Restore).unwrap();
        journal.done(Step::Restore).unwrap();
        let read_back = read(&swap.manifests).unwrap().unwrap();
        assert_eq!(read_back.swap, swap);
        assert!(read_back.begun(Step::Restore) && !read_back.begun(Step::Stop) && read_back.is_open());
        drop(journal);
        assert!(matches!(Journal::begin(&swap), Err(SwapError::Unfinished { .. })));
        let mut journal = Journal::open(&swap.manifests).unwrap().unwrap();
        journal.finished().unwrap();
        assert!(!read(&swap.manifests).unwrap().unwrap().is_open());
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
