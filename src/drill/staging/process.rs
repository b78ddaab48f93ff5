//! The servers of a staging, as child processes: started with nothing of our environment, and found again by a mark in theirs.

use super::StagingError;
use std::{
    fs::{self, File},
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep},
};

/// The variable by which a process is known to belong to the staging in this directory.
const MARK: &str = "LIFEBOAT_DRILL";
/// So much of what a server wrote last is told.
const LAST_WORDS: u64 = 4 << 10;
/// A process that was killed is gone sooner than that, unless the disk holds it.
const GONE_WITHIN: Duration = Duration::from_secs(20);

/// A server that runs.
#[derive(Debug)]
pub(super) struct Server {
    name: &'static str,
    child: Child,
    pid: u32,
    log: PathBuf,
}

impl Server {
    /// Starts a program. Its output goes into a file of the staging's directory.
    pub(super) fn start(
        name: &'static str,
        program: &Path,
        arguments: &[String],
        staging: &Path,
    ) -> Result<Self, StagingError> {
        let log = staging.join(format!("{name}.log"));
        let io = |source| StagingError::Io { path: log.clone(), source };
        let output = File::options().create(true).append(true).open(&log).map_err(io)?;
        let errors = output.try_clone().map_err(io)?;
        let mut command = Command::new(program);
        // No credentials, no proxies, no kubeconfig of ours.
        command.args(arguments).env_clear().env(MARK, staging).env("HOME", staging).current_dir(staging);
        // A Ctrl-C of the terminal is ours to deal with: we take everything down in order.
        command.process_group(0).stdin(Stdio::null()).stdout(output).stderr(errors).kill_on_drop(true);
        let child = command.spawn().map_err(|e| StagingError::NotReady {
            server: name.to_owned(),
            reason: format!("did not start: {e}"),
            said: program.display().to_string(),
        })?;
        let pid = child.id().unwrap_or_default();
        Ok(Server { name, child, pid, log })
    }

    /// An error when it has ended.
    pub(super) fn alive(&mut self) -> Result<(), StagingError> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(self.not_ready(&format!("ended ({status})"))),
            Err(e) => Err(self.not_ready(&format!("cannot be watched ({e})"))),
        }
    }

    /// Why it is not ready, with its last words.
    pub(super) fn not_ready(&self, reason: &str) -> StagingError {
        let said = last_words(&self.log).unwrap_or_default();
        StagingError::NotReady { server: self.name.to_owned(), reason: reason.to_owned(), said }
    }

    /// Has it written this, not long ago?
    pub(super) fn has_said(&self, text: &str) -> bool {
        end_of(&self.log).is_ok_and(|log| log.contains(text))
    }

    /// Kills it and waits until it is gone; what it is called, and its process id.
    pub(super) async fn kill(mut self) -> (String, bool) {
        let gone = self.child.kill().await.is_ok() && !Path::new(&format!("/proc/{}", self.pid)).exists();
        (format!("{} (process {})", self.name, self.pid), gone)
    }
}

/// The end of a log: its last lines, without what is the same in each.
fn last_words(log: &Path) -> std::io::Result<String> {
    let text = end_of(log)?;
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = lines.get(lines.len().saturating_sub(4)..).unwrap_or_default();
    let short = last.iter().map(|line| line.chars().take(400).collect::<String>());
    Ok(super::super::checks::plain(&short.collect::<Vec<_>>().join(" | ")))
}

fn end_of(log: &Path) -> std::io::Result<String> {
    let mut file = File::open(log)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LAST_WORDS)))?;
    let mut text = Vec::new();
    file.read_to_end(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// A process that belongs to a staging, whoever started it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Marked {
    pub(super) pid: i32,
    /// In ticks since the machine began: with the id it names a process for good.
    started: u64,
    pub(super) program: String,
}

/// The processes of the staging in this directory: those that carry its mark, and an `etcdutl` that still works in it.
pub(super) fn of_staging(staging: &Path) -> Vec<Marked> {
    let mark = format!("{MARK}={}", staging.display()).into_bytes();
    let inside = format!("--data-dir={}/", staging.display()).into_bytes();
    let is_ours = |dir: &Path| {
        let words = |file: &str| fs::read(dir.join(file)).unwrap_or_default();
        words("environ").split(|byte| *byte == 0).any(|word| word == mark.as_slice())
            || words("cmdline").split(|byte| *byte == 0).any(|word| word.starts_with(&inside))
    };
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let found = entries.filter_map(|entry| {
        let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
        if !is_ours(&entry.path()) {
            return None;
        }
        let (program, started) = identity(pid)?;
        Some(Marked { pid, started, program })
    });
    found.collect()
}

/// What a process is called and when it began (fields 2 and 22 of `/proc/PID/stat`, proc(5)); none when it is gone or a
/// zombie.
fn identity(pid: i32) -> Option<(String, u64)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (name, rest) = stat.split_once('(')?.1.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    let state = fields.next()?;
    let started = fields.nth(18)?.parse().ok()?;
    (state != "Z" && state != "X").then(|| (name.to_owned(), started))
}

impl Marked {
    fn is_there(&self) -> bool {
        identity(self.pid).is_some_and(|(_, started)| started == self.started)
    }

    /// Kills it and waits until it is gone.
    pub(super) async fn kill(&self) -> bool {
        let end = Instant::now() + GONE_WITHIN;
        while self.is_there() {
            let pid = rustix::process::Pid::from_raw(self.pid);
            let _ = pid.map(|pid| rustix::process::kill_process(pid, rustix::process::Signal::KILL));
            if Instant::now() > end {
                return false;
            }
            sleep(Duration::from_millis(20)).await;
        }
        true
    }
}

/// What a program says to `--version`.
pub(super) async fn version(program: &Path) -> std::io::Result<String> {
    let output =
        Command::new(program).arg("--version").stdin(Stdio::null()).kill_on_drop(true).output().await?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
