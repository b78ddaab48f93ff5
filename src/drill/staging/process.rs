//! The servers of a staging, as child processes: started with nothing of our environment, and found again by a mark in theirs.

use super::{
    StagingError,
    error::{is_full, says_full},
};
use crate::point::Removed;
use std::{
    env,
    fs::{self, File},
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tokio::{
    io::AsyncWriteExt,
    process::{Child, Command},
    time::{Instant, sleep, timeout},
};

/// The variable by which a process is known to belong to the staging in this directory.
const MARK: &str = "LIFEBOAT_DRILL";
/// So much of what a server wrote last is told.
const LAST_WORDS: u64 = 4 << 10;
/// A process that was killed is gone sooner than that, unless the disk holds it.
const GONE_WITHIN: Duration = Duration::from_secs(20);

/// What can be done where a staging's own directory is full.
pub(super) const ELSEWHERE: &str =
    "free some space there, or name another place in `directory` of staging in the drill's file";

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
        // It writes them to the same disk.
        let place = self.log.parent().unwrap_or(&self.log);
        if says_full(&said) || free(place).is_some_and(is_full) {
            let reason = format!("{} {reason}; its last words: {said}", self.name);
            return StagingError::Full { place: place.display().to_string(), reason, help: ELSEWHERE };
        }
        StagingError::NotReady { server: self.name.to_owned(), reason: reason.to_owned(), said }
    }

    /// Says so when nothing is left of the disk that it writes to.
    pub(super) fn out_of_room(&self) -> Option<StagingError> {
        let place = self.log.parent().unwrap_or(&self.log);
        let free = free(place).filter(|free| is_full(*free))?;
        let reason = format!("{free} bytes are free");
        Some(StagingError::Full { place: place.display().to_string(), reason, help: ELSEWHERE })
    }

    /// Has it written this, not long ago?
    pub(super) fn has_said(&self, text: &str) -> bool {
        end_of(&self.log).is_ok_and(|log| log.contains(text))
    }

    /// Kills it and waits until it is gone.
    pub(super) async fn kill(mut self) -> Removed {
        let gone = self.child.kill().await.is_ok() && !Path::new(&format!("/proc/{}", self.pid)).exists();
        ended(format!("{} (process {})", self.name, self.pid), gone)
    }
}

/// How many bytes are free there.
pub(super) fn free(place: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(place).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// The end of a log: its last lines, without what is the same in each.
fn last_words(log: &Path) -> std::io::Result<String> {
    Ok(short(&end_of(log)?))
}

/// The last lines of a text in one.
pub(super) fn short(text: &str) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = lines.get(lines.len().saturating_sub(4)..).unwrap_or_default();
    let short = last.iter().map(|line| line.trim().chars().take(400).collect::<String>());
    super::super::checks::plain(&short.collect::<Vec<_>>().join(" | "))
}

fn end_of(log: &Path) -> std::io::Result<String> {
    let mut file = File::open(log)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LAST_WORDS)))?;
    let mut text = Vec::new();
    file.read_to_end(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// A program that is run to its end, with nothing of our environment but what is named.
pub(super) struct Call<'a> {
    /// What it is called in errors.
    pub(super) name: String,
    pub(super) program: &'a Path,
    pub(super) arguments: Vec<String>,
    pub(super) environment: &'a [(String, String)],
    /// The directory of the staging that it works for: its mark.
    pub(super) staging: &'a Path,
    pub(super) input: Vec<u8>,
    pub(super) within: Duration,
}

impl Call<'_> {
    /// Runs it, and gives what it wrote.
    ///
    /// # Errors
    /// When it does not start, takes too long, or does not end with 0: with the end of what it wrote.
    pub(super) async fn run(self) -> Result<String, StagingError> {
        let wrong = |reason: String, said: &[u8]| {
            let said = short(&String::from_utf8_lossy(said));
            if says_full(&said) {
                let place = format!("what `{}` writes to", self.name);
                return StagingError::Full { place, reason: said, help: "free some space there" };
            }
            StagingError::NotReady { server: format!("`{}`", self.name), reason, said }
        };
        let mut command = Command::new(self.program);
        command.args(&self.arguments).env_clear().env(MARK, self.staging);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.process_group(0).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let did_not_start =
            |e| wrong(format!("did not start: {e}"), self.program.display().to_string().as_bytes());
        let mut child = command.spawn().map_err(did_not_start)?;
        let stdin = child.stdin.take();
        let feed = async {
            if let Some(mut stdin) = stdin {
                // A program that ends before it has read everything tells why by itself.
                let _ = stdin.write_all(&self.input).await;
            }
        };
        let ended = async { tokio::join!(feed, child.wait_with_output()).1 };
        match timeout(self.within, ended).await {
            Err(_) => Err(wrong(format!("did not end within {} s", self.within.as_secs()), b"")),
            Ok(Err(e)) => Err(wrong(format!("cannot be watched ({e})"), b"")),
            Ok(Ok(output)) if output.status.success() => {
                Ok(String::from_utf8_lossy(&output.stdout).into_owned())
            }
            Ok(Ok(output)) => {
                let said = if output.stderr.is_empty() { &output.stdout } else { &output.stderr };
                Err(wrong(format!("ended ({})", output.status), said))
            }
        }
    }
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

/// Kills every process of the staging in this directory.
pub(super) async fn kill_all(staging: &Path) -> Vec<Removed> {
    let mut removed = Vec::new();
    for process in of_staging(staging) {
        let gone = process.kill().await;
        removed.push(ended(format!("{} (process {})", process.program, process.pid), gone));
    }
    removed
}

/// What became of a process that was killed.
fn ended(what: String, gone: bool) -> Removed {
    let proof = if gone { "it was killed, and no such process is there" } else { "it does not end" };
    Removed { what, gone, proof: proof.to_owned() }
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

/// The program of this name in `PATH`.
pub(super) fn in_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file())
}

/// What a program says to `--version`.
pub(super) async fn version(program: &Path) -> std::io::Result<String> {
    let output =
        Command::new(program).arg("--version").stdin(Stdio::null()).kill_on_drop(true).output().await?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
