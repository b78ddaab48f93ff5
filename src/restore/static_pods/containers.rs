//! Which containers run, as `crictl` tells it where it is installed.

use std::{io, process::Stdio, time::Duration};
use tokio::{process::Command, time::timeout};

const PROGRAM: &str = "crictl";
/// A container runtime that takes longer for its list is ill.
const ANSWER: Duration = Duration::from_secs(15);

/// The ids of the running containers of this name; none at all where there is no `crictl`.
///
/// # Errors
/// When `crictl` does not get an answer.
pub(super) async fn running(namespace: &str, container: &str) -> Result<Option<Vec<String>>, String> {
    let labels = [
        format!("io.kubernetes.pod.namespace={namespace}"),
        format!("io.kubernetes.container.name={container}"),
    ];
    let mut command = Command::new(PROGRAM);
    command.args(["ps", "--quiet", "--state", "running"]);
    for label in &labels {
        command.args(["--label", label]);
    }
    let output = timeout(ANSWER, command.stdin(Stdio::null()).kill_on_drop(true).output());
    let output = match output.await {
        Ok(Ok(output)) => output,
        Ok(Err(e)) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Ok(Err(e)) => return Err(format!("{PROGRAM}: {e}")),
        Err(_) => return Err(format!("{PROGRAM} ps does not come to its end")),
    };
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let said: String = said.trim().chars().take(400).collect();
        return Err(format!("{PROGRAM} ps: {said}"));
    }
    let said = String::from_utf8_lossy(&output.stdout);
    Ok(Some(said.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()))
}
