//! What the doctor finds of etcd, and that the exit code tells an error from a warning.

use crate::{
    boat::Lifeboat,
    etcd_access::replace,
    etcd_outcome::{refused, run},
    lab::{ClusterOptions, Etcd, EtcdOptions, LabDir, pki::Pki, with_cluster},
};
use anyhow::Result;
use etcd_client::AlarmType;
use serde_json::Value;
use std::fs;

/// What the doctor finds, with this exit code and this as the worst of it.
pub async fn examine(boat: &Lifeboat, code: i32, worst: &str) -> Vec<Value> {
    let found = run(boat, &["doctor", "-o", "json"]).await.expect(code).json();
    assert_eq!(found["worst"], worst, "{found:#}");
    assert_eq!(keys(&found), ["worst", "checks"]);
    let checks = found["checks"].as_array().unwrap().clone();
    assert!(checks.iter().all(|check| keys(check) == ["level", "about", "message"]));
    checks
}

fn keys(object: &Value) -> Vec<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

/// Expects one finding of this level about such a thing, in these words.
#[track_caller]
pub fn finds(checks: &[Value], level: &str, about: &str, words: &[&str]) {
    let text = |check: &Value, field: &str| check[field].as_str().unwrap().to_owned();
    let fits = |check: &&Value| {
        let (what, message) = (text(check, "about"), text(check, "message"));
        check["level"] == level && what.contains(about) && words.iter().all(|word| message.contains(word))
    };
    assert!(
        checks.iter().any(|check| fits(&check)),
        "no {level} about {about} with {words:?} in {checks:#?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_doctor_names_what_is_wrong_and_how_to_mend_it() -> Result<()> {
    let etcd = EtcdOptions { members: 3, tls: true, ..Default::default() };
    with_cluster(ClusterOptions { etcd, ..Default::default() }, async |cluster| {
        let etcd = cluster.etcd();
        let boat = Lifeboat::init(etcd.dir(), Some(etcd), Some(cluster)).await?;
        let checks = examine(&boat, 0, "info").await;
        finds(&checks, "ok", "etcd", &["3 of 3 members answer"]);
        finds(&checks, "ok", "certificate of etcd-1", &["it holds until"]);
        finds(&checks, "ok", "etcd KV hash", &["the members agree at revision"]);

        etcd.member(1).kill();
        etcd.healthy().await?;
        let checks = examine(&boat, 0, "warning").await;
        finds(&checks, "warning", "etcd etcd-1", &[&etcd.endpoints()[1], "nothing listens there"]);
        finds(&checks, "ok", "etcd", &["2 of 3 members answer"]);
        etcd.member(1).start()?;
        etcd.healthy().await?;

        etcd.raise_alarm(1, AlarmType::Nospace).await?;
        let checks = examine(&boat, 0, "warning").await;
        finds(&checks, "warning", "etcd etcd-1", &["NOSPACE", "etcdctl alarm disarm"]);
        etcd.clear_alarm(1, AlarmType::Nospace).await?;
        etcd.raise_alarm(2, AlarmType::Corrupt).await?;
        let checks = examine(&boat, 1, "error").await;
        finds(&checks, "error", "etcd etcd-2", &["CORRUPT", "replace this member"]);
        etcd.clear_alarm(2, AlarmType::Corrupt).await?;

        boat.edit(|text| format!("{text}\nrestore:\n  etcdutl: ./no-such-etcdutl\n"))?;
        let checks = examine(&boat, 0, "warning").await;
        finds(&checks, "warning", "etcdutl", &["no-such-etcdutl", "a restore does not"]);

        let (pki, other) = (etcd.pki()?, Pki::open(&etcd.dir().join("other-pki"))?);
        let tls = etcd.access().tls.as_ref().unwrap();
        fs::copy(other.ca(), boat.path("other-ca.crt"))?;
        boat.edit(|text| text.replace(tls.ca.to_str().unwrap(), "other-ca.crt"))?;
        let checks = examine(&boat, 1, "error").await;
        finds(&checks, "error", "etcd", &[&etcd.endpoints()[0], "not signed by the CA", "other-ca.crt"]);

        fs::copy(pki.ca(), boat.path("other-ca.crt"))?;
        let late = pki.expired_client("late", "root", None)?;
        replace(&tls.client.cert, &late.cert)?;
        replace(&tls.client.key, &late.key)?;
        let checks = examine(&boat, 1, "error").await;
        finds(&checks, "error", "certificate", &["expired at 2020-01-01", "renew it"]);
        finds(&checks, "error", "etcd", &[&etcd.endpoints()[0], "expired at 2020-01-01", "renew it"]);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expired_server_certificate_is_named() -> Result<()> {
    let dir = LabDir::new()?;
    let late = Pki::open(&dir.path().join("pki"))?.expired_server("late")?;
    let args =
        vec![format!("--cert-file={}", late.cert.display()), format!("--key-file={}", late.key.display())];
    let etcd = Etcd::start(dir.path(), EtcdOptions { tls: true, args, ..Default::default() }).await?;
    let boat = Lifeboat::init(dir.path(), Some(&etcd), None).await?;
    let endpoint = etcd.endpoints()[0].as_str();
    refused(&boat, &[endpoint, "its certificate has expired", "renew it"]).await?;
    let checks = examine(&boat, 1, "error").await;
    finds(&checks, "error", "etcd", &[endpoint, "its certificate has expired", "renew it"]);
    drop(etcd);
    dir.close(Ok(()))
}
