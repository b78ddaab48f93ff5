//! The lab itself: does it do what the other tests rely on?

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use etcd_client::AlarmType;
use tokio::time::{Instant, timeout};

use crate::lab::pki::{Pair, Pki};
use crate::lab::{
    ClusterOptions, Etcd, EtcdOptions, Fault, Proxy, Version, apiserver, eventually, fill, with_cluster,
    with_etcd,
};

#[tokio::test]
async fn three_members_with_tls_and_users() -> Result<()> {
    let auth = Some(("backup".to_owned(), "opensesame".to_owned()));
    with_etcd(EtcdOptions { members: 3, tls: true, auth, ..Default::default() }, async |etcd| {
        etcd.put("greeting", "hello").await?;
        etcd.member(0).kill();
        etcd.healthy().await?;
        ensure!(etcd.get("greeting").await?.as_deref() == Some("hello"));
        etcd.member(0).start()?;
        etcd.healthy().await?;
        ensure!(etcd.etcdctl(&["get", "greeting", "--print-value-only"]).await?.trim() == "hello");
        let mut stranger = etcd.access().clone();
        stranger.auth = Some(("backup".to_owned(), "wrong".to_owned()));
        ensure!(stranger.client().await.is_err(), "a wrong password was taken");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn certificates_are_looked_at() -> Result<()> {
    with_etcd(EtcdOptions { tls: true, ..Default::default() }, async |etcd| {
        let (pki, stranger) = (etcd.pki()?, Pki::open(&etcd.dir().join("another-pki"))?);
        ensure!(is_let_in(etcd, pki.client("good", "someone", None)?).await);
        ensure!(!is_let_in(etcd, pki.expired_client("expired", "someone", None)?).await, "expired");
        ensure!(!is_let_in(etcd, stranger.client("foreign", "someone", None)?).await, "of another authority");
        Ok(())
    })
    .await
}

async fn is_let_in(etcd: &Etcd, client: Pair) -> bool {
    let mut access = etcd.access().clone();
    access.tls.as_mut().unwrap().client = client;
    let answer = async { access.client().await?.get("x", None).await.map_err(anyhow::Error::from) };
    answer.await.is_ok()
}

#[tokio::test]
async fn a_paused_member_does_not_answer() -> Result<()> {
    with_etcd(EtcdOptions::default(), async |etcd| {
        let mut client = etcd.client().await?;
        client.put("greeting", "hello", None).await?;
        etcd.member(0).pause()?;
        let answer = timeout(Duration::from_millis(300), client.get("greeting", None)).await;
        ensure!(answer.is_err(), "{answer:?}");
        etcd.member(0).resume()?;
        ensure!(client.get("greeting", None).await?.kvs().len() == 1);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn the_line_before() -> Result<()> {
    with_etcd(EtcdOptions { version: Version::V35, ..Default::default() }, async |etcd| {
        etcd.put("greeting", "hello").await?;
        ensure!(etcd.client().await?.status().await?.version().starts_with("3.5."));
        Ok(())
    })
    .await
}

#[tokio::test]
async fn an_alarm_is_raised_and_cleared() -> Result<()> {
    with_etcd(EtcdOptions::default(), async |etcd| {
        etcd.raise_alarm(0, AlarmType::Corrupt).await?;
        ensure!(etcd.etcdctl(&["alarm", "list"]).await?.contains("CORRUPT"));
        etcd.clear_alarm(0, AlarmType::Corrupt).await?;
        ensure!(etcd.etcdctl(&["alarm", "list"]).await?.is_empty());
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_diverged_member_has_another_hash() -> Result<()> {
    with_etcd(EtcdOptions { members: 3, ..Default::default() }, async |etcd| {
        let filled = fill::etcd(&etcd.client().await?, 4, 1).await?;
        ensure!(filled.updates > 0 && filled.deletes > 0, "{filled:?}");
        ensure!(hashes(etcd).await?.windows(2).all(|pair| pair[0] == pair[1]), "different from the start");
        etcd.diverge(1).await?;
        let [a, b, c] = hashes(etcd).await?[..] else { panic!("not three members") };
        ensure!(a == c && a != b, "{a} {b} {c}");
        Ok(())
    })
    .await
}

/// The hash of every member's data, at one revision.
async fn hashes(etcd: &Etcd) -> Result<Vec<u32>> {
    let revision = etcd.revision().await?;
    let mut hashes = Vec::new();
    for i in 0..etcd.members().len() {
        let mut client = etcd.client_of(i).await?;
        hashes.push(
            eventually("the revision on every member", Duration::from_secs(5), async || {
                Ok(client.hash_kv(revision).await.ok())
            })
            .await?
            .hash(),
        );
    }
    Ok(hashes)
}

#[tokio::test]
async fn a_proxy_stalls_and_cuts() -> Result<()> {
    with_etcd(EtcdOptions::default(), async |etcd| {
        fill::etcd(&etcd.client().await?, 4, 1).await?;
        let proxy = Proxy::to(&etcd.endpoints()[0]).await?;
        let mut client = etcd_client::Client::connect([proxy.address()], None).await?;
        client.status().await?;

        proxy.set(Fault::Stall { after: 1 << 20 });
        let mut stream = client.snapshot().await?;
        let stalled =
            timeout(Duration::from_secs(2), async { while let Ok(Some(_)) = stream.message().await {} });
        ensure!(stalled.await.is_err(), "the snapshot went through");
        proxy.set(Fault::None);
        while stream.message().await?.is_some() {}
        ensure!(proxy.to_clients() > 4 << 20);

        let (start, before) = (Instant::now(), proxy.to_clients());
        proxy.set(Fault::Throttle { per_second: 4 << 20 });
        let mut stream = client.snapshot().await?;
        while stream.message().await?.is_some() {}
        let rate = (proxy.to_clients() - before) as f64 / start.elapsed().as_secs_f64();
        ensure!(rate < f64::from(5 << 20), "{rate} bytes a second");

        proxy.set(Fault::Cut { after: 1 << 20 });
        let mut stream = client.snapshot().await?;
        let cut = async {
            loop {
                if stream.message().await?.is_none() {
                    return Ok::<_, etcd_client::Error>(());
                }
            }
        };
        ensure!(timeout(Duration::from_secs(5), cut).await?.is_err(), "the snapshot went through");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_deployment_becomes_ready_on_a_node_that_does_not_exist() -> Result<()> {
    with_cluster(ClusterOptions::full(), async |cluster| {
        cluster.add_node("node-0").await?;
        fill::shop(&cluster.client().await?).await?;
        let ready = ["-n", "shop", "rollout", "status", "deployment/storefront", "--timeout=60s"];
        cluster.kubectl(&ready).await?;
        let orders = cluster.kubectl(&["get", "orders.v1beta1.shop.example.com", "-A", "-o", "name"]).await?;
        ensure!(orders.lines().count() >= 3, "{orders}");
        let proxy = Proxy::to(&cluster.url()).await?;
        apiserver::client(&cluster.kubeconfig_via(&proxy)?).await?.apiserver_version().await?;
        ensure!(proxy.to_clients() > 0, "the API server was not asked through the proxy");
        let viewer = cluster.kubeconfig_for("jane", None)?;
        let viewer = viewer.to_str().context("path")?;
        let can = cluster.kubectl(&["auth", "can-i", "list", "secrets", "--kubeconfig", viewer]).await;
        ensure!(can.is_err(), "someone without a role may list secrets");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn an_api_server_starts_on_restored_data() -> Result<()> {
    with_cluster(ClusterOptions { encrypt_secrets: true, ..Default::default() }, async |cluster| {
        fill::api(&cluster.client().await?, 80, 1).await?;
        let etcd = cluster.etcd();
        let snapshot = etcd.dir().join("snapshot.db");
        let file = snapshot.to_str().context("path")?;
        etcd.etcdctl(&["snapshot", "save", file]).await?;
        cluster.stop().await?;

        let restored = Etcd::prepare(&etcd.dir().join("restored"), EtcdOptions::default())?;
        let (name, peer) = (restored.member(0).name.clone(), restored.member(0).peer_url());
        let data = restored.member(0).data_dir.display().to_string();
        let cluster_flag = restored.initial_cluster();
        let args = ["snapshot", "restore", file, "--data-dir", &data, "--name", &name];
        let more = ["--initial-cluster", &cluster_flag, "--initial-advertise-peer-urls", &peer];
        crate::lab::process::run(&crate::lab::tools::tool("etcdutl")?, args.iter().chain(&more), &[]).await?;
        restored.boot().await?;

        let apiserver = cluster.apiserver_on(&restored).await?;
        let secrets = apiserver.kubectl(&[
            "get",
            "secrets",
            "-A",
            "-l",
            "app.kubernetes.io/part-of=fill",
            "-o",
            "name",
        ]);
        ensure!(secrets.await?.lines().count() == 32);
        Ok(())
    })
    .await
}
