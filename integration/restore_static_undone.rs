//! A swap of static pods that fails at one step or another, or is told to stop: everything is as it was before.

use crate::{
    boat::Ran,
    host::{Host, names},
    lab::{eventually, tools::tool},
};
use anyhow::Result;
use rustix::process::{Pid, Signal, kill_process};
use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf, time::Duration};

const UNDONE: &str = "Undone, everything is as it was before";

/// A program in the host's directory.
fn script(host: &Host, name: &str, text: &str) -> Result<PathBuf> {
    let path = host.dir().join(name);
    fs::write(&path, format!("#!/bin/sh\n{text}\n"))?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700))?;
    Ok(path)
}

async fn must_be_as_before(host: &Host) -> Result<()> {
    host.must_serve(&host.live).await?;
    host.must_be_clean();
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_etcd_that_does_not_start_is_undone() -> Result<()> {
    let host = Host::start().await?;
    // Its new log is junk, which only etcd finds out.
    let dir = r#"d=$(echo "$*" | sed 's/.*--data-dir=\([^ ]*\).*/\1/')"#;
    let junk = "for f in $d/member/wal/*; do echo junk > $f; done";
    let text = format!(
        "'{}' \"$@\" || exit 1\ncase \"$*\" in version|*--help) ;; *) {dir}; {junk} ;; esac",
        tool("etcdutl")?.display()
    );
    let broken = script(&host, "etcdutl-broken", &text)?;
    let ran = host.swap(&["--wait", "25s", "--etcdutl", broken.to_str().unwrap()]).await.expect(1);
    let ran = ran.says("etcd did not become healthy within 25 s").says(UNDONE);
    ran.says("bring the data of before back").says("the API server is ready again");
    must_be_as_before(&host).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_api_server_that_does_not_start_or_stop_is_undone() -> Result<()> {
    let host = Host::start().await?;
    host.kubelet.pause(true);
    let ran = host.swap(&["--wait", "2s"]).await.expect(1);
    ran.says("did not stop within 2 s").says("see whether the kubelet runs").says(UNDONE);
    host.kubelet.pause(false);
    must_be_as_before(&host).await?;

    // It does not start on the new data.
    let text = format!(
        "if ls -d '{}'.before-* >/dev/null 2>&1; then exit 1; fi\nexec \"$@\"",
        host.data_dir().display()
    );
    let wrapper = script(&host, "wrapper", &text)?.display().to_string();
    let command: Vec<String> = std::iter::once(wrapper).chain(host.apiserver.command()).collect();
    host.write("kube-apiserver", &command, &[])?;
    host.apiserver.ready().await?;
    let ran = host.swap(&["--wait", "25s"]).await.expect(1);
    ran.says("the API server did not become ready within 25 s").says(UNDONE);
    must_be_as_before(&host).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn told_to_stop_it_goes_back() -> Result<()> {
    let host = Host::start().await?;
    for (kind, name, stopped) in
        [(Signal::INT, "SIGINT", "kube-apiserver.yaml"), (Signal::TERM, "SIGTERM", "etcd.yaml")]
    {
        let child = host.begin(&[])?;
        let at = host.dir().join("manifests.stopped").join(stopped);
        // While etcd is away, or when it is back and the API server is not.
        eventually(stopped, Duration::from_secs(60), async || Ok(at.exists().then_some(()))).await?;
        if stopped == "kube-apiserver.yaml" {
            let etcd = host.manifests().join("etcd.yaml");
            eventually("etcd is back", Duration::from_secs(60), async || Ok(etcd.exists().then_some(())))
                .await?;
        }
        kill_process(Pid::from_raw(child.id().unwrap() as i32).unwrap(), kind)?;
        let ran: Ran = child.wait_with_output().await?.into();
        ran.expect(1).says(&format!("stopped by {name}")).says(UNDONE);
        must_be_as_before(&host).await?;
    }
    assert!(names(&host.data_dir()).len() == 1);
    Ok(())
}
