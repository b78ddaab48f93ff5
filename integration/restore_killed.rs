//! A restore that is stopped, killed, or not alone.

use crate::{
    boat::Ran,
    lab::{eventually, tools::tool},
    saved::{Saved, saved, tree},
};
use anyhow::Result;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use rustix::process::{Pid, Signal, kill_process};
use std::{fs, os::unix::fs::PermissionsExt, path::Path, time::Duration};
use tokio::{process::Child, time::sleep};

const ARGS: [&str; 7] = ["restore", "etcd", "latest", "-i", "identity.txt", "--data-dir", "../data"];

/// An `etcdutl` that does its work, writes its process id to `pid`, and then never ends.
fn endless(saved: &Saved) -> Result<()> {
    let text = format!(
        "#!/bin/sh\ncase \"$*\" in version|*--help) exec '{0}' \"$@\" ;; esac\n\
         '{0}' \"$@\" && echo $$ > pid.new && mv pid.new ../pid && exec sleep 1000\n",
        tool("etcdutl")?.display()
    );
    let path = saved.dir().join("endless");
    fs::write(&path, text)?;
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(0o700))?)
}

/// A restore whose `etcdutl` has done its work and hangs, and the process id of that.
async fn hanging(saved: &Saved) -> Result<(Child, Pid)> {
    endless(saved)?;
    let child = saved.boat.spawn(&[&ARGS[..], &["--etcdutl", "../endless"]].concat())?;
    let pid = saved.dir().join("pid");
    let pid = eventually("etcdutl at work", Duration::from_secs(60), async || {
        Ok(fs::read_to_string(&pid).ok().and_then(|text| Pid::from_raw(text.trim().parse().ok()?)))
    })
    .await?;
    Ok((child, pid))
}

fn signal(child: &Child, signal: Signal) -> Result<()> {
    if let Some(pid) = child.id() {
        kill_process(Pid::from_raw(pid as i32).unwrap(), signal)?;
    }
    Ok(())
}

/// The names directly in `dir`; none if there is no such directory.
fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten();
    entries.map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect()
}

fn only_hidden(dir: &Path) -> bool {
    names(dir).iter().all(|name| name.starts_with(".lifeboat-restore-"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_it_leaves_only_its_hidden_directory_which_the_next_one_clears() -> Result<()> {
    let saved = saved().await?;
    let data = saved.dir().join("data");
    let (mut child, etcdutl) = hanging(&saved).await?;
    signal(&child, Signal::KILL)?;
    child.wait().await?;
    assert!(names(&data).len() == 1 && only_hidden(&data), "{:?}", names(&data));
    // Its etcdutl has outlived it: nobody else may begin there yet.
    saved.run(&ARGS).await.expect(6).says("another restore is at work");
    assert!(only_hidden(&data));
    kill_process(etcdutl, Signal::KILL)?;
    again(&saved).await?;
    assert_eq!(names(&data), ["member"]);
    Ok(())
}

/// Restores where one was killed just before: its etcdutl may still be about to end.
async fn again(saved: &Saved) -> Result<Ran> {
    eventually("the restore", Duration::from_secs(60), async || {
        let ran = saved.run(&ARGS).await;
        Ok(if ran.code == 6 { None } else { Some(ran.expect(0)) })
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn told_to_stop_it_leaves_nothing() -> Result<()> {
    for (kind, name) in [(Signal::TERM, "SIGTERM"), (Signal::INT, "SIGINT")] {
        let saved = saved().await?;
        let (child, _) = hanging(&saved).await?;
        signal(&child, kind)?;
        let ran: Ran = child.wait_with_output().await?.into();
        ran.expect(1).says(&format!("stopped by {name}: nothing was restored, and nothing was left behind"));
        assert!(!saved.dir().join("data").exists());
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_instant_the_directory_is_whole_or_not_there() -> Result<()> {
    let saved = saved().await?;
    let data = saved.dir().join("data");
    let began = std::time::Instant::now();
    saved.run(&ARGS).await.expect(0);
    let duration = began.elapsed();
    let whole = tree(&data).len();
    let mut rng = StdRng::seed_from_u64(4);
    for _ in 0..10 {
        if data.join("member").exists() {
            assert_eq!(tree(&data.join("member")).len() + 1, whole);
            fs::remove_dir_all(&data)?;
        }
        let mut child = saved.boat.spawn(&ARGS)?;
        sleep(duration.mul_f64(rng.random_range(0.1..1.1))).await;
        signal(&child, Signal::KILL)?;
        child.wait().await?;
        assert!(only_hidden(&data) || data.join("member").exists(), "{:?}", names(&data));
    }
    if data.join("member").exists() {
        fs::remove_dir_all(&data)?;
    }
    again(&saved).await?;
    assert_eq!(tree(&data).len(), whole);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_at_once_one_wins() -> Result<()> {
    let saved = saved().await?;
    for _ in 0..3 {
        let (a, b) = tokio::join!(saved.run(&ARGS), saved.run(&ARGS));
        let (won, lost) = if a.code == 0 { (a, b) } else { (b, a) };
        won.expect(0);
        let lost = lost.expect(6);
        assert!(
            lost.stderr.contains("another restore is at work") || lost.stderr.contains("is not empty"),
            "{lost:?}"
        );
        assert_eq!(names(&saved.dir().join("data")), ["member"]);
        fs::remove_dir_all(saved.dir().join("data"))?;
    }
    Ok(())
}
