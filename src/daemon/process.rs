//! A run is a process of this very program.

use super::{Ended, Job, Runner, Stop, Work};
use crate::point::{PointId, Turn};
use async_trait::async_trait;
use serde_json::Value;
use std::{
    ffi::OsString,
    process::{ExitStatus, Stdio},
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    process::{Child, ChildStdin, Command},
    time::timeout,
};

/// This program, also when its file was replaced meanwhile.
const PROGRAM: &str = "/proc/self/exe";
/// A process that was asked to end has so long for it.
const PATIENCE: Duration = Duration::from_secs(25);
/// A result of more bytes is not looked at.
const RESULT: usize = 8 << 20;

/// What a process wrote is waited for, once it has ended.
const LEFT_OVER: Duration = Duration::from_secs(5);

/// The name of the variable that tells a process which run it is.
pub const TURN: &str = "LIFEBOAT_TURN";

/// Carries jobs out as processes of this program.
///
/// A process gets the text of the configuration on its standard input, ended by a zero byte, so that it works by the one that was
/// accepted, whatever is in the file by then. The input stays open as long as the daemon lives.
#[derive(Debug, Clone)]
pub struct Processes {
    /// The program's own flags: which configuration, how it logs.
    pub flags: Vec<OsString>,
    /// The text of the configuration.
    pub text: Arc<str>,
}

#[async_trait]
impl Runner for Processes {
    async fn run(&self, job: &Job, turn: &Turn, mut stop: Stop) -> Ended {
        let mut child = match self.start(job, turn) {
            Ok(child) => child,
            Err(e) => return failed(format!("the process could not be started: {e}")),
        };
        // It stays open until the process has ended: that is how the process knows that its daemon lives.
        let input = tokio::spawn(hand(child.stdin.take(), self.text.clone()));
        let result = tokio::spawn(result(child.stdout.take()));
        let status = tokio::select! {
            status = child.wait() => status,
            () = told(&mut stop) => end(&mut child).await,
        };
        input.abort();
        // Somebody whom the process left behind may still hold its output.
        let result = timeout(LEFT_OVER, result).await.map_or_else(|_| Vec::new(), Result::unwrap_or_default);
        match status {
            Ok(status) => what_came(status, &result),
            Err(e) => failed(format!("it is not known how the process ended: {e}")),
        }
    }
}

impl Processes {
    fn start(&self, job: &Job, turn: &Turn) -> std::io::Result<Child> {
        let mut command = Command::new(PROGRAM);
        command.arg0("lifeboat").args(&self.flags).args(["--no-progress", "-o", "json"]).args(&job.command);
        if job.work == Work::Backup {
            command.arg("--turn").arg(turn.to_string());
        }
        command.env(TURN, turn.to_string());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        // A Ctrl-C at a terminal is for the daemon, which tells its processes.
        command.process_group(0).kill_on_drop(true);
        command.spawn()
    }
}

fn failed(message: String) -> Ended {
    Ended { exit: None, made: None, message: Some(message) }
}

/// Waits until a run is told to stop.
async fn told(stop: &mut Stop) {
    let told = stop.wait_for(Option::is_some).await.is_ok();
    if !told {
        std::future::pending::<()>().await;
    }
}

/// Hands a process its configuration. What is given back is still open.
async fn hand(input: Option<ChildStdin>, text: Arc<str>) -> Option<ChildStdin> {
    let mut input = input?;
    // A process that ended before it had read everything says why itself.
    input.write_all(text.as_bytes()).await.ok()?;
    input.write_all(b"\0").await.ok()?;
    input.flush().await.ok()?;
    Some(input)
}

/// Asks a process to end, and ends it.
async fn end(child: &mut Child) -> std::io::Result<ExitStatus> {
    if let Some(pid) =
        child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(rustix::process::Pid::from_raw)
    {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    }
    match timeout(PATIENCE, child.wait()).await {
        Ok(status) => status,
        Err(_) => {
            child.start_kill()?;
            child.wait().await
        }
    }
}

/// What a process writes to standard output, as long as that is not too much.
async fn result(out: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let (mut found, mut chunk) = (Vec::new(), vec![0; 1 << 16]);
    let Some(mut out) = out else { return found };
    while let Ok(read @ 1..) = out.read(&mut chunk).await {
        if found.len() < RESULT {
            found.extend_from_slice(&chunk[..read]);
        }
    }
    found
}

/// Where a result says why: an error, a recovery point that lacks something, a drill, how things stand.
const WHY: [&str; 4] =
    ["/error/message", "/problems/0/message", "/reasons/0", "/clusters/0/findings/0/message"];

/// What a process says that it made, or why it did not.
fn what_came(status: ExitStatus, result: &[u8]) -> Ended {
    let value: Value = serde_json::from_slice(result).unwrap_or_default();
    let id = |name: &str| value[name].as_str().and_then(|id| id.parse::<PointId>().ok());
    Ended {
        exit: status.code().and_then(|code| u8::try_from(code).ok()),
        made: id("id").or_else(|| id("run")),
        message: WHY.iter().find_map(|place| Some(value.pointer(place)?.as_str()?.to_owned())),
    }
}
