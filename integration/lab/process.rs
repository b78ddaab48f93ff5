//! Child processes that never outlive us.

use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

/// A running server. It logs to `<name>.log` in its directory, where `<name>.pid` names it; dropped, it is killed.
#[derive(Debug)]
pub struct Process {
    name: String,
    log: PathBuf,
    pid_file: PathBuf,
    child: Mutex<Child>,
}

impl Process {
    /// Starts `program` with `args`.
    pub fn start<A: AsRef<OsStr>>(
        dir: &Path,
        name: &str,
        program: &Path,
        args: impl IntoIterator<Item = A>,
    ) -> Result<Self> {
        let log = dir.join(format!("{name}.log"));
        let out = OpenOptions::new().create(true).append(true).open(&log)?;
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]).arg(program).args(args);
        command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out);
        detach(&mut command);
        let child =
            spawn(command).with_context(|| format!("cannot start {name} with setpriv of util-linux"))?;
        let pid_file = dir.join(format!("{name}.pid"));
        fs::write(&pid_file, child.id().to_string())?;
        Ok(Self { name: name.to_owned(), log, pid_file, child: Mutex::new(child) })
    }

    /// Fails, with the end of the log, if it has ended by itself.
    pub fn alive(&self) -> Result<()> {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(status) = child.try_wait()? {
            bail!("{} ended: {status}; its log ends with:\n{}", self.name, self.log_tail());
        }
        Ok(())
    }

    /// Lets it end by itself (SIGTERM) and kills it only if that takes more than ten seconds.
    pub async fn stop(self) -> Result<()> {
        self.signal(Signal::TERM)?;
        self.signal(Signal::CONT)?;
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.alive().is_ok() && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    /// Ends it in the middle of what it does (SIGKILL).
    pub fn kill(self) {
        drop(self);
    }

    /// Freezes it: its connections stay open and nothing answers (SIGSTOP).
    pub fn pause(&self) -> Result<()> {
        self.signal(Signal::STOP)?;
        // Its threads stop one by one: only when all have is there something to wait for.
        let child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        waitid(WaitId::Pid(Pid::from_child(&child)), WaitIdOptions::STOPPED)?;
        Ok(())
    }

    /// Lets it go on after [`Process::pause`].
    pub fn resume(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        self.alive()?;
        let child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(kill_process(Pid::from_child(&child), signal)?)
    }

    fn log_tail(&self) -> String {
        let text = fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let text = text.unwrap_or_default();
        let lines: Vec<_> = text.lines().rev().take(8).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let child = self.child.get_mut().unwrap_or_else(PoisonError::into_inner);
        let _ = child.kill();
        let _ = child.wait();
        let _ = fs::remove_file(&self.pid_file);
    }
}

/// A server that may be ended and started again: how to start it, and its process while it runs.
#[derive(Debug)]
pub struct Server {
    dir: PathBuf,
    name: String,
    program: PathBuf,
    args: Vec<String>,
    process: Mutex<Option<Process>>,
}

impl Server {
    /// One that does not run yet.
    pub fn new(dir: &Path, name: &str, program: PathBuf, args: Vec<String>) -> Self {
        let (dir, name) = (dir.to_owned(), name.to_owned());
        Self { dir, name, program, args, process: Mutex::new(None) }
    }

    /// Starts it if it is not running, and does not wait.
    pub fn start(&self) -> Result<()> {
        let mut process = self.process();
        if process.is_none() {
            *process = Some(Process::start(&self.dir, &self.name, &self.program, &self.args)?);
        }
        Ok(())
    }

    /// Its command line, for somebody else to start it.
    pub fn command(&self) -> Vec<String> {
        std::iter::once(self.program.display().to_string()).chain(self.args.iter().cloned()).collect()
    }

    /// Whether it was started and neither stopped nor killed.
    pub fn running(&self) -> bool {
        self.process().is_some()
    }

    /// Fails if it has ended by itself.
    pub fn alive(&self) -> Result<()> {
        self.process().as_ref().map_or(Ok(()), Process::alive)
    }

    /// Lets it end in order.
    pub async fn stop(&self) -> Result<()> {
        let process = self.process().take();
        match process {
            Some(process) => process.stop().await,
            None => Ok(()),
        }
    }

    /// Ends it in the middle of what it does.
    pub fn kill(&self) {
        self.process().take();
    }

    /// Freezes it: see [`Process::pause`].
    pub fn pause(&self) -> Result<()> {
        self.process().as_ref().with_context(|| format!("{} is not running", self.name))?.pause()
    }

    /// Lets it go on after [`Server::pause`].
    pub fn resume(&self) -> Result<()> {
        self.process().as_ref().with_context(|| format!("{} is not running", self.name))?.resume()
    }

    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ctrl-C in a terminal reaches us alone: we end the children, in order.
fn detach(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    command.process_group(0);
}

/// Spawns from a thread that lives as long as this program: `setpriv` has the kernel kill the child when the *thread*
/// that started it ends, and that of a test, or one of a runtime, ends too early.
fn spawn(command: Command) -> io::Result<Child> {
    type Order = (Command, mpsc::Sender<io::Result<Child>>);
    static SPAWNER: LazyLock<mpsc::Sender<Order>> = LazyLock::new(|| {
        let (orders, inbox) = mpsc::channel::<Order>();
        thread::spawn(move || {
            for (mut command, reply) in inbox {
                let _ = reply.send(command.spawn());
            }
        });
        orders
    });
    let (reply, answer) = mpsc::channel();
    SPAWNER.send((command, reply)).map_err(io::Error::other)?;
    answer.recv().map_err(io::Error::other)?
}

/// `unshare`, which runs what follows where its mounts are its own and end with it.
pub async fn own_mounts() -> Result<tokio::process::Command> {
    let namespace = if rustix::process::getuid().is_root() { "-m" } else { "-rm" };
    let unshare = || {
        let mut command = tokio::process::Command::new("unshare");
        command.arg(namespace).kill_on_drop(true);
        command
    };
    if !unshare().args(["sh", "-c", "exec true"]).status().await?.success() {
        bail!("this test mounts file systems in a namespace of its own: it needs root, or user namespaces");
    }
    Ok(unshare())
}

/// Runs a program to its end and gives what it printed; an error holds what it complained about.
pub async fn run<A: AsRef<OsStr>>(
    program: &Path,
    args: impl IntoIterator<Item = A>,
    env: &[(&str, String)],
) -> Result<String> {
    let mut command = tokio::process::Command::new(program);
    command.args(args).envs(env.iter().map(|(name, value)| (name, value))).kill_on_drop(true);
    let output = command.stdin(Stdio::null()).output().await.context("cannot start")?;
    if !output.status.success() {
        bail!("{}: {}", program.display(), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8(output.stdout)?)
}
