//! Told to stop before the first write: nothing is restored, nothing is left behind, and that is said.

use crate::{
    boat::Ran,
    far_side::Saved,
    http_front::{Answer, Front},
    lab::{ClusterOptions, eventually, fill, with_cluster},
    live,
    restored::versions,
};
use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

const SHIPS: &str = include_str!("kinds/ships.yaml");

const BUSY: Answer = Answer::Status(429, Some(20), "later");

/// A server that answers just so when this is in a request's path, and tells when there was one.
async fn server(
    client: kube::Client,
    part: &'static str,
    answer: Answer,
) -> Result<(Front, Arc<AtomicBool>)> {
    let asked = Arc::new(AtomicBool::new(false));
    let heard = asked.clone();
    let front = Front::start(client, move |path| match path.contains(part) {
        true => {
            heard.store(true, Relaxed);
            answer
        }
        false => Answer::Real,
    });
    Ok((front.await?, asked))
}

/// Does the process hold objects in a file that has no name?
fn holds_objects(pid: u32) -> bool {
    let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let targets = files.filter_map(|file| fs::read_link(file.path()).ok());
    let named = |path: std::path::PathBuf| path.display().to_string();
    // A device of another time may have come down from whoever started the tests.
    let others = |name: &String| !name.starts_with("/dev/");
    targets.map(named).filter(others).any(|name| name.contains("plaintext") || name.ends_with("(deleted)"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restore_resources_stopped_before_the_first_write() -> Result<()> {
    with_cluster(ClusterOptions::default(), async |cluster| {
        let client = cluster.client().await?;
        fill::apply(&client, SHIPS).await?;
        let saved = Saved::of(cluster).await?;
        for line in ["delete namespace harbour --wait=false", "delete configmap chart -n sea"] {
            cluster.kubectl(&line.split(' ').collect::<Vec<_>>()).await?;
        }
        let before = versions(&live::everything(&client).await?);

        let temporary = saved.boat.path("temporary");
        fs::create_dir(&temporary)?;
        let stopped = async |kubeconfig: &str, more: &[&str], signal: Signal, at: &dyn Fn(u32) -> bool| {
            let args = ["restore", "resources", "latest", "-i", "identity.txt", "--kubeconfig", kubeconfig];
            let mut command = saved.boat.command(&[&args[..], more].concat());
            command.env("TMPDIR", &temporary);
            command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
            let child = command.spawn()?;
            let pid = child.id().context("it has ended")?;
            eventually("the place to stop at", Duration::from_secs(60), async || Ok(at(pid).then_some(())))
                .await?;
            kill_process(Pid::from_raw(pid as i32).context("no pid")?, signal)?;
            let ended = tokio::time::timeout(Duration::from_secs(15), child.wait_with_output()).await;
            let name = if signal == Signal::TERM { "SIGTERM" } else { "SIGINT" };
            let text = format!("stopped by {name}: nothing was restored, and nothing was left behind");
            let ran = Ran::from(ended.context("it does not stop")??).expect(1).says(&text);
            ensure!(ran.stdout.is_empty(), "{}", ran.stdout);
            ensure!(fs::read_dir(&temporary)?.next().is_none(), "{temporary:?} is not empty");
            for file in ["plan.json", "result.jsonl"] {
                ensure!(!saved.boat.path(file).exists(), "{file}");
            }
            assert_eq!(versions(&live::everything(&client).await?), before);
            Ok::<_, anyhow::Error>(())
        };

        // While it asks what the cluster serves, waits for a namespace to be gone, looks at what is there, and lets the server try.
        for (part, answer, more, signal) in [
            ("/apis", BUSY, ["--result", "result.jsonl", "--wait", "1s"], Signal::TERM),
            ("/namespaces/harbour", Answer::Real, ["--result", "result.jsonl", "--wait", "90s"], Signal::INT),
            ("/configmaps", BUSY, ["--result", "result.jsonl", "--wait", "1s"], Signal::INT),
            ("POST ", BUSY, ["--plan", "plan.json", "--wait", "1s"], Signal::TERM),
        ] {
            let (front, asked) = server(client.clone(), part, answer).await?;
            let kubeconfig = front.kubeconfig(saved.boat.dir())?.display().to_string();
            stopped(&kubeconfig, &more, signal, &|_| asked.load(Relaxed)).await?;
        }
        // While it reads what was saved, from a slow store.
        saved.boat.edit(|text| {
            text.replacen("url: \"file:./store\"", "url: \"file:./store\"\n    bandwidth: 1KB/s", 1)
        })?;
        let kubeconfig = cluster.kubeconfig().display().to_string();
        stopped(&kubeconfig, &["--result", "result.jsonl"], Signal::INT, &holds_objects).await
    })
    .await
}
