//! Nothing in staging speaks to the world that the source knew.

use crate::{
    boat::{Lifeboat, Ran},
    drill_case::{Door, RUN, drill, nothing_left, write},
    lab::{Cluster, ClusterOptions, LabDir, eventually},
    saved::saved,
};
use anyhow::Result;
use kube::Client;
use serde_json::{Value, json};
use std::{fs, time::Duration};

async fn create(client: &Client, path: &str, body: Value) -> Result<()> {
    let request = http::Request::post(path).header("Content-Type", "application/json");
    client.request::<Value>(request.body(body.to_string().into_bytes())?).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn webhooks_and_aggregated_apis_of_the_source_are_never_called() -> Result<()> {
    let (hook, aggregated) = (Door::open("127.0.0.1")?, Door::open("127.0.0.1")?);
    let dir = LabDir::new()?;
    let cluster = Cluster::start(dir.path(), ClusterOptions::default()).await?;
    let client = cluster.client().await?;
    create(&client, "/api/v1/namespaces", json!({"metadata": {"name": "hooked"}})).await?;
    create(
        &client,
        "/api/v1/namespaces/hooked/services",
        json!({"metadata": {"name": "ghost"}, "spec": {
            "type": "ExternalName", "externalName": "localhost", "ports": [{"port": aggregated.port}],
        }}),
    )
    .await?;
    create(
        &client,
        "/apis/apiregistration.k8s.io/v1/apiservices",
        json!({"metadata": {"name": "v1.ghost.example.com"}, "spec": {
            "group": "ghost.example.com", "version": "v1", "groupPriorityMinimum": 100, "versionPriority": 100,
            "insecureSkipTLSVerify": true,
            "service": {"namespace": "hooked", "name": "ghost", "port": aggregated.port},
        }}),
    )
    .await?;
    create(
        &client,
        "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations",
        json!({"metadata": {"name": "hook"}, "webhooks": [{
            "name": "hook.example.com", "sideEffects": "None", "admissionReviewVersions": ["v1"],
            "failurePolicy": "Ignore", "timeoutSeconds": 1,
            "clientConfig": {"url": format!("https://127.0.0.1:{}/", hook.port)},
            "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}],
        }]}),
    )
    .await?;
    // The source does call them: else it would prove nothing that staging does not.
    eventually("a call of the webhook", Duration::from_secs(30), async || {
        let name = format!("a-{}", rand::random::<u32>());
        create(&client, "/api/v1/namespaces/hooked/configmaps", json!({"metadata": {"name": name}})).await?;
        Ok((hook.knocks() > 0).then_some(()))
    })
    .await?;
    eventually("a call of the aggregated API", Duration::from_secs(60), async || {
        Ok((aggregated.knocks() > 0).then_some(()))
    })
    .await?;

    let boat = Lifeboat::init(dir.path(), Some(cluster.etcd()), Some(&cluster)).await?;
    boat.run(&["backup", "--allow-partial"]).await.expect(0);
    drop((client, cluster));
    let before = (hook.knocks(), aggregated.knocks());
    let calls = "checks:\n- {name: a-write, command: {argv: [sh, -c, \"kubectl create configmap drilled -n hooked && sleep 5\"]}}\n";
    write(&boat, "", calls)?;
    let evidence = drill(&boat, &[]).await.expect(0).json();
    assert_eq!((hook.knocks(), aggregated.knocks()), before, "staging has called out");
    assert!(evidence["isolation"].to_string().contains("webhooks"));
    dir.close(Ok(()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_credential_of_this_host_reaches_staging() -> Result<()> {
    let saved = saved().await?;
    // The environment of what runs in staging's directory; the command itself is the user's own, and has the user's.
    let look = "here=$(dirname \"$KUBECONFIG\")\nfor process in /proc/[0-9]*; do\n\
                test \"$(readlink $process/cwd)\" = \"$here\" || continue\n\
                echo \"== $(basename $(readlink $process/exe))\"; tr '\\0' '\\n' < $process/environ\ndone > seen\n";
    fs::write(saved.boat.path("look.sh"), look)?;
    write(&saved.boat, "", "checks:\n- {name: look, command: {argv: [sh, look.sh], timeout: 30s}}\n")?;
    let mut command = saved.boat.command(&RUN);
    for name in ["AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AZURE_CLIENT_SECRET", "HTTPS_PROXY", "OTHERS"]
    {
        command.env(name, "http://planted.invalid");
    }
    command.env("KUBECONFIG", "planted");
    let ran: Ran = command.output().await?.into();
    nothing_left(&saved.boat);
    assert_eq!(ran.expect(0).json()["verdict"], "passed");
    let seen = fs::read_to_string(saved.boat.path("seen"))?;
    for server in ["== etcd\n", "== kube-apiserver\n"] {
        assert!(seen.contains(server), "{seen}");
    }
    assert!(!seen.contains("planted"), "{seen}");
    Ok(())
}
