//! Drills in kind that must fail, and say precisely why; and what is left of those that are killed, or lose their engine.

use crate::{
    drill_case::{RUN, check, signal},
    drill_kind::{Harbour, harbour, made_for},
};
use anyhow::{Context, Result};
use rustix::process::Signal;
use std::{fs, path::PathBuf};
use tokio::{
    io::copy_bidirectional,
    net::{UnixListener, UnixStream},
    task::{JoinHandle, JoinSet},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kind_tells_what_holds_workloads_up() -> Result<()> {
    let harbour = harbour().await?;
    harbour.write(
        "",
        "objectives: {rto: 1s}\nchecks:\n\
         - {name: shipped, workload: {namespace: harbour, name: unshipped, readyWithin: 12s}}\n\
         - {name: there, workload: {namespace: harbour, name: sunk}}\n\
         - {name: answers, http: {namespace: harbour, labels: app=unshipped, port: 8080, within: 2s}}",
    )?;
    let told = harbour.boat.run(&RUN[..RUN.len() - 2]).await.expect(4).stdout;
    harbour.nothing_left()?;
    let shown = ["drill", "show", "latest", "-o", "json"];
    let evidence = harbour.boat.run(&shown).await.expect(0).json();
    let found =
        |name: &str| check(&evidence, name)["findings"][0]["message"].as_str().unwrap_or_default().to_owned();
    let shipped = found("shipped");
    assert!(shipped.starts_with("1 workload not ready: ") && shipped.contains("Image"), "{shipped}");
    assert_eq!(found("there"), "nothing that was restored is one of these workloads");
    assert_eq!(found("answers"), "no pod is ready");
    let reasons = evidence["reasons"].to_string();
    assert!(reasons.contains("the RTO was") && evidence["verdict"] == "checks-failed", "{reasons}");
    // Names are for whoever runs it, and not in what everybody can read.
    assert!(told.contains("deployments harbour/unshipped"), "{told}");
    assert!(!evidence.to_string().contains("unshipped"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kind_that_cannot_be_made_is_told_with_its_own_words() -> Result<()> {
    let harbour = harbour().await?;
    let drill = async |staging: &str| -> Result<String> {
        let text = fs::read_to_string(harbour.boat.path("drill.yaml"))?;
        let at = text.find("staging: {kind").context("no staging")?;
        let text = format!("{}staging: {{kind: {{directory: staging, {staging}}}}}\n", &text[..at]);
        fs::write(harbour.boat.path("drill.yaml"), text)?;
        let evidence = harbour.drill().await?.expect(1).json();
        assert_eq!(evidence["verdict"], "failed");
        Ok(evidence["reasons"][0].as_str().unwrap_or_default().to_owned())
    };
    harbour.write("", "")?;
    fs::write(
        harbour.boat.path("two.yaml"),
        "kind: Cluster\nnodes: [{role: control-plane}, {role: worker}]\n",
    )?;
    for (staging, why) in [
        ("kind: /nowhere/kind", "/nowhere/kind does not run"),
        ("engine: no-such-engine", "no-such-engine: it is not in PATH"),
        ("image: 'lifeboat-lab/no-such-node:1'", "no-such-node"),
        ("config: two.yaml", "staging has one node"),
        ("args: [--v 2]", "`--v 2` is not of the form --name=value"),
        ("encryptionConfig: not-there.yaml", "not-there.yaml"),
    ] {
        let said = drill(staging).await?;
        assert!(said.contains(why) && said.contains("(in the phase provision)"), "{staging}: {said}");
    }
    Ok(())
}

/// A drill in kind whose container is there; its id.
async fn begun(harbour: &Harbour) -> Result<(tokio::process::Child, String)> {
    let child = harbour.boat.spawn(&RUN)?;
    let id = harbour.begun("docker").await?;
    Ok((child, id))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kind_is_taken_away_after_a_signal_and_found_after_a_kill() -> Result<()> {
    let harbour = harbour().await?;
    harbour.write("", "")?;
    let (child, id) = begun(&harbour).await?;
    signal(&child, Signal::TERM)?;
    let ran: crate::boat::Ran = child.wait_with_output().await?.into();
    assert_eq!(ran.expect(1).json()["verdict"], "stopped");
    assert_eq!(made_for(&id)?, Vec::<String>::new());
    harbour.nothing_left()?;

    let (mut child, id) = begun(&harbour).await?;
    signal(&child, Signal::KILL)?;
    child.wait().await?;
    let cleanup = ["drill", "cleanup", "--directory", "staging"];
    let told = harbour.boat.run(&[&cleanup[..], &["--dry-run"]].concat()).await.expect(0).stdout;
    assert!(told.contains(&format!("the kind cluster lifeboat-{}", id.to_lowercase())), "{told}");
    assert!(!made_for(&id)?.is_empty(), "a dry run has taken it away");
    let told = harbour.boat.run(&cleanup).await.expect(0).stdout;
    assert!(told.contains("the kind cluster") && told.contains("is gone"), "{told}");
    assert_eq!(made_for(&id)?, Vec::<String>::new());
    harbour.nothing_left()
}

/// What stands before the engine's socket, and can go away as an engine does.
struct Gate {
    path: PathBuf,
    behind: PathBuf,
    open: JoinHandle<()>,
}

impl Gate {
    fn open(path: PathBuf, behind: PathBuf) -> Result<Self> {
        let _ = fs::remove_file(&path);
        let (listener, to) = (UnixListener::bind(&path)?, behind.clone());
        let open = tokio::spawn(async move {
            let mut sessions = JoinSet::new();
            while let Ok((mut near, _)) = listener.accept().await {
                let to = to.clone();
                sessions.spawn(async move {
                    if let Ok(mut far) = UnixStream::connect(&to).await {
                        let _ = copy_bidirectional(&mut near, &mut far).await;
                    }
                });
            }
        });
        Ok(Gate { path, behind, open })
    }

    /// Every connection breaks, and no new one is taken.
    fn close(&self) {
        self.open.abort();
    }

    fn again(self) -> Result<Self> {
        Gate::open(self.path, self.behind)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kind_whose_engine_goes_away_is_reported_and_taken_away_when_it_is_back() -> Result<()> {
    let harbour = harbour().await?;
    let host = std::env::var("DOCKER_HOST").unwrap_or_else(|_| "unix:///var/run/docker.sock".to_owned());
    let behind = host.strip_prefix("unix://").context("an engine at a socket is needed")?.into();
    let gate = Gate::open(harbour.boat.path("engine.sock"), behind)?;
    let script = format!("#!/bin/sh\nDOCKER_HOST=unix://{} exec docker \"$@\"\n", gate.path.display());
    let engine = harbour.boat.path("docker");
    fs::write(&engine, script)?;
    fs::set_permissions(&engine, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
    harbour.write(&format!("engine: '{}'", engine.display()), "")?;
    let (child, id) = begun(&harbour).await?;
    gate.close();
    let ran: crate::boat::Ran = child.wait_with_output().await?.into();
    let evidence = ran.expect(1).json();
    let reasons = evidence["reasons"].to_string();
    assert!(reasons.contains("is still there") && reasons.contains("docker"), "{reasons}");
    assert!(evidence["cleanup"].as_array().unwrap().iter().any(|it| it["gone"] == false));
    assert!(!made_for(&id)?.is_empty());
    let cleanup = ["drill", "cleanup", "--directory", "staging"];
    let told = harbour.boat.run(&cleanup).await.expect(1).stdout;
    assert!(told.contains("IS STILL THERE"), "{told}");
    let gate = gate.again()?;
    harbour.boat.run(&cleanup).await.expect(0);
    gate.close();
    assert_eq!(made_for(&id)?, Vec::<String>::new());
    harbour.nothing_left()
}
