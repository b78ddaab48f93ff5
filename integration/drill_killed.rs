//! A drill that is stopped, killed, or not alone: nothing is left, and nothing of anybody else's is touched.

use crate::{
    boat::Ran,
    drill_case::{RUN, drill, nothing_left, processes, signal, write},
    lab::eventually,
    saved::{Saved, saved},
};
use anyhow::Result;
use rustix::process::Signal;
use std::{fs, time::Duration};
use tokio::{process::Child, time::sleep};

/// A drill whose servers run.
async fn running(saved: &Saved) -> Result<Child> {
    let child = saved.boat.spawn(&RUN)?;
    let base = saved.boat.path("staging");
    eventually("the servers of staging", Duration::from_secs(60), async || {
        Ok((processes(&base).len() == 2).then_some(()))
    })
    .await?;
    Ok(child)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn told_to_stop_it_takes_everything_down_and_leaves_evidence() -> Result<()> {
    let saved = saved().await?;
    write(&saved.boat, "", "")?;
    for (kind, name) in [(Signal::TERM, "SIGTERM"), (Signal::INT, "SIGINT")] {
        let child = running(&saved).await?;
        signal(&child, kind)?;
        let ran: Ran = child.wait_with_output().await?.into();
        let evidence = ran.expect(1).json();
        assert_eq!(evidence["verdict"], "stopped");
        assert!(
            evidence["reasons"].to_string().contains(&format!("stopped by {name} (in the phase")),
            "{}",
            evidence["reasons"]
        );
        nothing_left(&saved.boat);
    }
    saved.run(&["drill", "verify", "latest"]).await.expect(0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_its_leftovers_are_found_and_taken_away_and_nothing_else() -> Result<()> {
    let saved = saved().await?;
    write(&saved.boat, "", "")?;
    let base = saved.boat.path("staging");
    let cleanup = ["drill", "cleanup", "--directory", "staging"];
    let dry = [&cleanup[..], &["--dry-run"]].concat();
    let said = saved.run(&cleanup).await.expect(0).stdout;
    assert!(said.contains("left nothing"), "{said}");
    let mut child = running(&saved).await?;
    // What a drill that lives has made is no leftover.
    assert!(saved.run(&cleanup).await.expect(0).stdout.contains("left nothing"));
    assert_eq!(processes(&base).len(), 2);
    signal(&child, Signal::KILL)?;
    child.wait().await?;
    assert_eq!(processes(&base).len(), 2, "its servers have outlived it");

    // Somebody else's directory, and a process whose arguments name the staging.
    fs::create_dir(base.join("mine"))?;
    fs::write(base.join("mine/file"), "mine")?;
    let name = fs::read_dir(&base)?
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .find(|name| name != "mine")
        .unwrap();
    let mut bystander =
        tokio::process::Command::new("sleep").arg("600").arg0(base.join(&name)).kill_on_drop(true).spawn()?;
    let told = saved.run(&dry).await.expect(0).stdout;
    assert!(
        told.contains("etcd (process ") && told.contains("kube-apiserver (process ") && told.contains(&name),
        "{told}"
    );
    assert_eq!(processes(&base).len(), 2);
    let done = saved.run(&cleanup).await.expect(0).stdout;
    assert!(done.matches(" is gone: ").count() == 3 && !done.contains("mine"), "{done}");
    assert_eq!(processes(&base), Vec::<String>::new());
    assert_eq!(fs::read_to_string(base.join("mine/file"))?, "mine");
    assert!(!base.join(&name).exists() && bystander.try_wait()?.is_none());
    fs::remove_dir_all(base.join("mine"))?;

    // The next drill does the same before it begins.
    let mut child = running(&saved).await?;
    signal(&child, Signal::KILL)?;
    child.wait().await?;
    let ran = drill(&saved.boat, &[]).await.expect(0);
    assert!(ran.stderr.contains("was killed; what it left has been taken away"), "{}", ran.stderr);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_instant_the_next_one_finds_everything() -> Result<()> {
    let saved = saved().await?;
    write(&saved.boat, "", "")?;
    for after in [30, 120, 250, 400, 700, 1200] {
        let mut child = saved.boat.spawn(&RUN)?;
        sleep(Duration::from_millis(after)).await;
        signal(&child, Signal::KILL)?;
        child.wait().await?;
        saved.run(&["drill", "cleanup", "--directory", "staging"]).await.expect(0);
        nothing_left(&saved.boat);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_at_once_do_not_meet() -> Result<()> {
    let saved = saved().await?;
    write(&saved.boat, "", "")?;
    let (a, b) = tokio::join!(saved.run(&RUN), saved.run(&RUN));
    assert_ne!(a.expect(0).json()["id"], b.expect(0).json()["id"]);
    nothing_left(&saved.boat);
    Ok(())
}
