//! Evidence from inside of a pod, as far as an API server without kubelets goes: a container that is put in for it is put in
//! once, stays, and runs a pinned image only.

use crate::{
    lab::{ClusterOptions, with_cluster},
    playbook_case::{POD, book, get, playbook, pod, ship},
};
use anyhow::{Result, ensure};
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn playbook_puts_a_pinned_container_into_a_pod_once_and_says_that_it_stays() -> Result<()> {
    with_cluster(ClusterOptions::full(), async |cluster| {
        let boat = ship(cluster).await?;
        let name = pod(cluster).await?;
        let image = format!("registry.example.com/tools@sha256:{}", "0".repeat(64));
        let step = |image: &str| {
            format!(
                "    - {{id: look, action: evidence.exec, args: {{target: '${{params.pod}}', mode: ephemeral, image: '{image}', command: [collect, --all], within: 2s}}}}\n"
            )
        };
        playbook(&boat, "look", POD, &step("registry.example.com/tools:latest"))?;
        let line = format!("run look.yaml -p pod=ship/{name} --yes");
        let ran = book(&boat, &line).await;
        ensure!(ran.code != 0, "{ran:?}");
        ran.says("by its digest");
        ensure!(get(cluster, "pod", &name).await?["spec"].get("ephemeralContainers").is_none());

        // Nobody starts it here: the step waits in vain, and says for what.
        playbook(&boat, "look", POD, &step(&image))?;
        book(&boat, &line).await.expect(1).says("has not started");
        let put_in = async || anyhow::Ok(get(cluster, "pod", &name).await?["spec"]["ephemeralContainers"].clone());
        let first = put_in().await?;
        assert_eq!(first.as_array().map(Vec::len), Some(1), "{first:#}");
        let container = &first[0];
        assert_eq!(container["image"], image.as_str());
        assert_eq!(container["command"], json!(["collect", "--all"]));
        assert_eq!(container["targetContainerName"], "app");
        // Going on with the run waits again; it puts in no second one.
        book(&boat, "resume latest").await.expect(1).says("has not started");
        assert_eq!(put_in().await?, first);
        book(&boat, "undo latest").await.expect(3).says("until the pod goes");
        assert_eq!(put_in().await?, first);

        for (action, why) in [
            ("evidence.files, args: {target: '${params.pod}', path: etc/passwd}", "does not begin at the root"),
            ("evidence.logs, args: {target: '${params.pod}', containers: [nobody]}", "container nobody"),
            ("evidence.logs, args: {target: '${params.pod}', since: 1h, sinceTime: '2026-01-01T00:00:00Z'}", "exclude each other"),
            ("evidence.exec, args: {target: '${params.pod}', command: []}", "the program and its arguments"),
        ] {
            playbook(&boat, "bad", POD, &format!("    - {{id: bad, action: {action}}}\n"))?;
            let ran = book(&boat, &format!("run bad.yaml -p pod=ship/{name} --yes")).await;
            ensure!(ran.code != 0 && ran.stderr.contains(why), "{why}: {ran:?}");
        }
        Ok(())
    })
    .await
}
