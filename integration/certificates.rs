//! The certificates with which backups are made: until when they hold is told while there is time, and a renewed one is noticed.

use crate::{
    boat::{Lifeboat, with_boat},
    daemon::{Daemon, ask, overdue, schedules, within},
    etcd_doctor::{examine, finds},
    lab::{
        EtcdOptions, apiserver,
        pki::{Pair, Pki},
        ports::Port,
    },
};
use anyhow::Result;
use ct_codecs::{Base64, Encoder};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::{collections::BTreeMap, fs};

/// When that is of each kind of certificate, as a daemon tells it.
async fn told(address: &str, what: &str) -> BTreeMap<String, Timestamp> {
    let answer = ask(address, "/metrics").await.unwrap_or_default();
    let metric = format!("lifeboat_certificate_{what}_timestamp_seconds{{cluster=\"lab\",certificate=\"");
    let of = |line: &str| {
        let (of, when) = line.strip_prefix(&metric)?.split_once("\"} ")?;
        let when: f64 = when.parse().expect("a number");
        Some((of.to_owned(), Timestamp::from_second(when as i64).unwrap()))
    };
    answer.lines().filter_map(of).collect()
}

fn years<const N: usize>(all: [(&str, i16); N]) -> BTreeMap<String, Timestamp> {
    let year = |year| format!("{year}-01-01T00:00:00Z").parse().unwrap();
    all.into_iter().map(|(of, it)| (of.to_owned(), year(it))).collect()
}

fn until(pki: &Pki, year: i32) -> Result<Pair> {
    pki.client_until(&format!("until-{year}"), "root", None, year)
}

/// A certificate's text.
fn text(pki: &Pki, year: i32) -> Result<String> {
    Ok(fs::read_to_string(until(pki, year)?.cert)?)
}

/// A kubeconfig whose user has these fields, for a server that nobody is.
fn kubeconfig(boat: &Lifeboat, authority: &str, user: Value) -> Result<()> {
    let authority = Base64::encode_to_string(authority)?;
    let cluster = json!({"server": "https://127.0.0.1:1", "certificate-authority-data": authority});
    let text = apiserver::config("admin", cluster, user);
    Ok(fs::write(boat.path("kubeconfig"), text.to_string())?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_that_expire_are_told_before_backups_end_with_them() -> Result<()> {
    with_boat(EtcdOptions { tls: true, ..EtcdOptions::default() }, 0, async |etcd, boat| {
        let pki = etcd.pki()?;
        let tls = etcd.access().tls.as_ref().unwrap();
        let own = until(&pki, 2041)?;
        fs::copy(&own.cert, boat.path("etcd.crt"))?;
        fs::copy(&own.key, boat.path("etcd.key"))?;
        let ca = fs::read_to_string(pki.ca())?;
        fs::write(boat.path("etcd-ca.crt"), format!("{ca}{}", text(&pki, 2045)?))?;
        fs::write(boat.path("store-ca.pem"), format!("{}{}{ca}", text(&pki, 2047)?, text(&pki, 2044)?))?;
        let kube = |year| -> Result<()> {
            let pair = until(&pki, year)?;
            fs::copy(&pair.cert, boat.path("kube.crt"))?;
            fs::copy(&pair.key, boat.path("kube.key"))?;
            Ok(())
        };
        kube(2042)?;
        let user = json!({"client-certificate": "kube.crt", "client-key": "kube.key"});
        let authority = format!("{ca}{}", text(&pki, 2043)?);
        kubeconfig(boat, &authority, user.clone())?;
        boat.edit(|text| {
            let end = text.find("\n#:   - name: second").unwrap();
            let far = "\n  - {name: far, url: \"s3://far\", s3: {endpoint: \"https://127.0.0.1:1\", ca: store-ca.pem}}\n";
            let text = format!("{}{far}{}", &text[..end], &text[end..]);
            let text = text.replace("\n#:   kubeconfig: /etc/kubernetes/admin.conf\n", "\n  kubeconfig: kubeconfig\n");
            [(&tls.ca, "etcd-ca.crt"), (&tls.client.cert, "etcd.crt"), (&tls.client.key, "etcd.key")]
                .into_iter()
                .fold(text, |text, (from, to)| text.replace(from.to_str().unwrap(), to))
        })?;
        let address = Port::claim()?.to_string();
        schedules(
            boat,
            &format!(
                "  - {{name: often, cron: \"* * * * *\", run: {{prune: {{}}}}}}\ndaemon: {{listen: \"{address}\"}}\n"
            ),
        )?;
        overdue(boat, "often")?;
        let daemon = Daemon::start(boat, "one")?;
        let rest = [("etcd-client", 2041), ("kubernetes-ca", 2043), ("store-ca", 2044)];
        let mut all = years(rest);
        all.extend(years([("etcd-ca", 2045), ("kubernetes-client", 2042)]));
        within(60, &daemon.log, async || told(&address, "expiry").await == all).await;
        let begun = ["etcd-ca", "etcd-client", "kubernetes-ca", "kubernetes-client", "store-ca"];
        assert_eq!(told(&address, "not_before").await, years(begun.map(|of| (of, 1975))));

        // One is renewed, and of one nobody knows any more: it is looked at again after the next run.
        kube(2050)?;
        fs::write(boat.path("etcd-ca.crt"), "nothing of the kind\n")?;
        let mut all = years(rest);
        all.extend(years([("kubernetes-client", 2050)]));
        within(100, &daemon.log, async || told(&address, "expiry").await == all).await;
        let ended = daemon.end().await.expect(0);
        let why = "etcd-ca.crt: it holds none in PEM form";
        let said = "until when a certificate holds is not known: no certificate can be read from ";
        assert!(ended.stderr.contains(said) && ended.stderr.contains(why), "{}", ended.stderr);

        let checks = examine(boat, 1, "error").await;
        finds(&checks, "ok", "certificate etcd-client", &["it holds until 2041-01-01"]);
        finds(&checks, "error", "certificate etcd-ca", &[why]);
        finds(&checks, "ok", "certificate kubernetes-client", &["it holds until 2050-01-01"]);
        finds(&checks, "ok", "certificate kubernetes-ca", &["it holds until 2043-01-01"]);
        finds(&checks, "ok", "certificate store-ca", &["it holds until 2044-01-01"]);

        kube(2020)?;
        fs::remove_file(boat.path("store-ca.pem"))?;
        let checks = examine(boat, 1, "error").await;
        finds(&checks, "error", "certificate kubernetes-client", &["it expired at 2020-01-01", "renew it (", "kube.crt)"]);
        finds(&checks, "error", "certificate store-ca", &["store-ca.pem: No such file"]);
        kubeconfig(boat, &authority, json!({"client-certificate-data": "%", "client-key": "kube.key"}))?;
        let checks = examine(boat, 1, "error").await;
        finds(&checks, "error", "certificate kubernetes-client", &["client-certificate-data of ", "/kubeconfig: it is not base64"]);
        Ok(())
    })
    .await
}
