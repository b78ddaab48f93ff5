//! A disk that runs full under a staging of processes: the drill fails, says where, and takes everything away.

use crate::{
    boat::Ran,
    drill_case::{nothing_left, write},
    lab::{process::own_mounts, tools::tool},
    saved::{Saved, saved},
};
use anyhow::Result;
use serde_json::Value;
use std::{fs, os::unix::fs::PermissionsExt};

/// Runs a drill whose staging is on a disk of this size; what is left there then, standard error tells.
async fn drill_on(saved: &Saved, size: &str) -> Result<Value> {
    let script = format!(
        "set -e; mkdir -m 700 staging; mount -t tmpfs -o size={size},mode=700 none staging; set +e; \
         '{}' drill run drill.yaml -i identity.txt -o json; code=$?; rm -f staging/ballast; find staging -mindepth 1 >&2; exit $code",
        env!("CARGO_BIN_EXE_lifeboat")
    );
    let mut command = saved.boat.prepared(own_mounts().await?, &["sh", "-c", &script]);
    let ran: Ran = command.output().await?.into();
    let ran = ran.expect(1);
    assert!(!ran.stderr.contains("staging/"), "{}", ran.stderr);
    let evidence = ran.json();
    assert_eq!(evidence["verdict"], "failed", "{evidence:#}");
    assert!(evidence["cleanup"].as_array().unwrap().iter().all(|it| it["gone"] == true), "{evidence:#}");
    saved.run(&["drill", "verify", "latest"]).await.expect(0);
    nothing_left(&saved.boat);
    fs::remove_dir(saved.boat.path("staging"))?;
    Ok(evidence)
}

/// A program that has `before` done, in the boat's directory, when it is started as a server.
fn wrapped(saved: &Saved, name: &str, before: &str) -> Result<()> {
    let (dir, program) = (saved.boat.dir().display(), tool(name)?);
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in *--version*) ;; *) cd '{dir}'\n{before}\n;; esac\nexec '{}' \"$@\"\n",
        program.display()
    );
    let path = saved.boat.path(name);
    fs::write(&path, script)?;
    Ok(fs::set_permissions(path, PermissionsExt::from_mode(0o700))?)
}

/// Leaves nothing of the disk, and takes what becomes free as long as the server lives.
const FILL: &str = "fill() { cat /dev/zero >>staging/ballast; }; fill 2>/dev/null; \
    (while kill -0 $$; do fill; sleep 0.02; done) >/dev/null 2>&1 &";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_in_staging_is_told_whenever_it_is_full() -> Result<()> {
    let saved = saved().await?;
    let place = saved.boat.path("staging").canonicalize().unwrap_or(saved.boat.path("staging"));
    let full = format!("the disk is full in {}/", place.display());
    let phase_of = |evidence: &Value| -> String {
        let phases = evidence["phases"].as_array().unwrap().iter();
        phases.filter(|it| it["done"] == false).map(|it| it["phase"].to_string()).collect()
    };

    // Before anything is restored.
    write(&saved.boat, "", "")?;
    let evidence = drill_on(&saved, "1m").await?;
    let reasons = evidence["reasons"].to_string();
    assert!(
        reasons.contains("bytes free, and restoring needs about") && reasons.contains("restore)"),
        "{reasons}"
    );

    // When etcd starts on what was restored, and when it starts on nothing.
    wrapped(&saved, "etcd", FILL)?;
    for more in ["", "restore: [resources]"] {
        write(&saved.boat, "etcd: ./etcd", more)?;
        let evidence = drill_on(&saved, "200m").await?;
        let reason = evidence["reasons"][0].as_str().unwrap_or_default();
        assert!(reason.starts_with(&full) && reason.contains("etcd ended"), "{reason}");
        assert!(reason.contains("name another place in `directory`"), "{reason}");
        assert_eq!(phase_of(&evidence), "\"api-ready\"");
    }

    // Under an API server that serves already, while the export becomes objects.
    let when = format!(
        "(until '{}' --kubeconfig staging/*/kubeconfig get namespace default; do sleep 0.1; done; {FILL}) >/dev/null 2>&1 &",
        tool("kubectl")?.display()
    );
    wrapped(&saved, "kube-apiserver", &when)?;
    write(&saved.boat, "kubeApiserver: ./kube-apiserver", "restore: [resources]")?;
    let evidence = drill_on(&saved, "400m").await?;
    let reason = evidence["reasons"][0].as_str().unwrap_or_default();
    assert!(reason.starts_with(&full) && reason.contains("etcd ended"), "{reason}");
    Ok(())
}
