//! An API server that is down, silent, or gone in the middle: what the user is told, and that nothing half-made stays.

use crate::{
    boat::{Lifeboat, Ran},
    export::stored,
    lab::{Cluster, ClusterOptions, Fault, Proxy, eventually, fill, with_cluster},
};
use anyhow::Result;
use serde_json::Value;
use std::{path::PathBuf, time::Duration};

const RESOURCES: &[&str] = &["backup", "--resources-only", "-o", "json"];

/// Expects that a backup fails with this code and these words, in the log as in the JSON, and stores nothing.
async fn fails(boat: &Lifeboat, args: &[&str], code: i32, words: &[&str]) -> Ran {
    let before = stored(boat);
    let ran = boat.run(&[RESOURCES, args].concat()).await.expect(code);
    let message = ran.json()["error"]["message"].as_str().unwrap_or_default().to_owned();
    for word in words {
        assert!(message.contains(word) && ran.stderr.contains(word), "{word:?} is not in\n{message}");
    }
    assert_eq!(stored(boat), before);
    ran
}

/// Files of whole recovery points that hold etcd alone.
fn etcd_alone(boat: &Lifeboat) -> Vec<PathBuf> {
    stored(boat).into_iter().filter(|file| file.ends_with("etcd.db.zst.age")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn down() -> Result<()> {
    with_cluster(ClusterOptions::default(), async |cluster| {
        let boat = Lifeboat::init(cluster.etcd().dir(), Some(cluster.etcd()), Some(cluster)).await?;
        cluster.stop().await?;
        let unreachable = format!("the API server {} cannot be reached: ", cluster.url());
        fails(&boat, &[], 1, &[&unreachable, "check the address and that the server is up"])
            .await
            .says("lifeboat backup --etcd-only");

        let manifest = boat.run(&["backup", "-o", "json"]).await.expect(3).json();
        assert_partial(&manifest, &unreachable);
        let id = manifest["id"].as_str().unwrap();
        let shown = boat.run(&["show", id]).await.expect(0).stdout;
        assert!(shown.contains("PartiallyFailed") && shown.contains("MISSING  resources: "), "{shown}");
        assert_partial(
            &boat.run(&["backup", "--allow-partial", "-o", "json"]).await.expect(0).json(),
            &unreachable,
        );
        // Payload, signature and manifest of each, and nothing of the other half.
        assert_eq!((etcd_alone(&boat).len(), stored(&boat).len()), (2, 6));
        boat.verify_all().await;
        let doctor = boat.run(&["doctor"]).await.expect(1).stdout;
        assert!(doctor.contains("ERROR") && doctor.contains("cannot be reached"), "{doctor}");

        cluster.etcd().member(0).kill();
        let before = stored(&boat);
        boat.run(&["backup"])
            .await
            .expect(1)
            .says("neither etcd nor the API server could be saved")
            .says(&unreachable);
        assert_eq!(stored(&boat), before);
        Ok(())
    })
    .await
}

fn assert_partial(manifest: &Value, reason: &str) {
    assert_eq!(manifest["status"], "PartiallyFailed");
    assert_eq!(manifest["artifacts"].as_array().unwrap().len(), 1);
    assert_eq!(manifest["artifacts"][0]["kind"], "etcd");
    let problem = &manifest["problems"][0];
    assert_eq!((problem["about"].as_str(), problem["fatal"].as_bool()), (Some("resources"), Some(true)));
    assert!(problem["message"].as_str().unwrap().contains(reason), "{problem}");
}

/// A proxy to the cluster, and the flags that make lifeboat come through it.
async fn through(cluster: &Cluster) -> Result<(Proxy, String)> {
    let proxy = Proxy::to(&cluster.url()).await?;
    let kubeconfig = cluster.kubeconfig_via(&proxy)?.display().to_string();
    Ok((proxy, kubeconfig))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_or_gone_in_the_middle() -> Result<()> {
    with_cluster(ClusterOptions::default(), async |cluster| {
        fill::api(&cluster.client().await?, 320, 1).await?;
        let boat = Lifeboat::init(cluster.etcd().dir(), None, Some(cluster)).await?;
        let settings = "\nkubernetes:\n  timeout: 6s\n  pageSize: 20\n";
        boat.edit(|text| text.replacen("\nkubernetes:\n", settings, 1))?;
        let (proxy, kubeconfig) = through(cluster).await?;
        let flags = ["--kubeconfig", &kubeconfig];
        // At once, and behind the discovery, in the lists. What is tried last, a request or a new connection, is told.
        for after in [0, 300 << 10] {
            proxy.set(Fault::Stall { after });
            let told = fails(&boat, &flags, 1, &["the API server https://"]).await.stderr;
            let silent = told.contains("stopped answering: nothing came for 6 s while it was asked to");
            assert!(silent || told.contains("cannot be reached: it did not answer in time"), "{told}");
        }
        assert!(proxy.to_clients() > 300 << 10, "it never came to the lists");

        // Nothing of what follows waits for that limit, which a busy machine may reach.
        boat.edit(|text| text.replacen("  timeout: 6s\n", "", 1))?;
        proxy.set(Fault::Cut { after: 300 << 10 });
        fails(&boat, &flags, 1, &["cannot be reached: "]).await;

        proxy.set(Fault::Stall { after: 300 << 10 });
        let before = proxy.to_clients();
        let child = boat.spawn(&[RESOURCES, &flags].concat())?;
        let stalled = async || Ok((proxy.to_clients() >= before + (300 << 10)).then_some(()));
        eventually("the export in its lists", Duration::from_secs(60), stalled).await?;
        let pid = rustix::process::Pid::from_raw(i32::try_from(child.id().unwrap())?).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        let ran = Ran::from(child.wait_with_output().await?).expect(1);
        assert!(ran.stderr.contains("stopped by SIGTERM: there is no recovery point"), "{}", ran.stderr);
        assert_eq!(stored(&boat), Vec::<PathBuf>::new());

        proxy.set(Fault::None);
        assert_eq!(boat.backup(&flags).await["status"], "Completed");
        boat.verify_all().await;
        Ok(())
    })
    .await
}
