//! The alerts of deploy/monitoring on what real daemons tell: where everything is well none fires, and of a store whose newest recovery
//! point is too old just that is said.

use crate::{
    boat::{Lifeboat, with_boat},
    daemon::{Daemon, ask, schedules, within},
    deploy_alerts::{listed, shown, tried, wordless},
    lab::{EtcdOptions, LabDir, S3, S3Options, ports::Port, s3},
    store_copy,
};
use anyhow::{Context, Result};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::{collections::BTreeSet, fs};

/// The samples of an answer, in Prometheus' text.
fn samples(answer: &str) -> impl Iterator<Item = &str> {
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    body.lines().filter(|line| line.starts_with("lifeboat_"))
}

fn names(answer: &str) -> BTreeSet<String> {
    samples(answer).filter_map(|line| Some(line.split_once('{')?.0.to_owned())).collect()
}

/// A test of what was scraped, as if it had stayed so for twenty minutes. What it expects wrongly is what promtool speaks of.
fn held(scraped: &[(&str, String)], expects: (&str, Vec<Value>)) -> Result<(bool, String)> {
    let mut series = Vec::new();
    for (instance, answer) in scraped {
        series.push(
            json!({"series": format!("up{{job=\"lifeboat\", instance=\"{instance}\"}}"), "values": "1x20"}),
        );
        for line in samples(answer) {
            let (series_of, value) = line.rsplit_once(' ').context("no value")?;
            let labels = series_of.strip_suffix('}').context("no labels")?;
            let labelled = format!("{labels},job=\"lifeboat\",instance=\"{instance}\"}}");
            series.push(json!({"series": labelled, "values": format!("{value}x20")}));
        }
    }
    let mut test =
        json!({"interval": "1m", "start_timestamp": Timestamp::now().to_string(), "input_series": series});
    test[expects.0] = expects.1.into();
    let tests = json!({"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": [test]});
    tried(&wordless(|_| {})?, &tests.to_string())
}

/// The alerts that fire then.
fn fired(scraped: &[(&str, String)]) -> Result<BTreeSet<String>> {
    let rules = wordless(|_| {})?;
    let alerts =
        rules["groups"].as_array().into_iter().flatten().flat_map(|it| it["rules"].as_array()).flatten();
    let quiet: Vec<_> =
        alerts.map(|it| json!({"alertname": it["alert"], "eval_time": "20m", "exp_alerts": []})).collect();
    let (content, said) = held(scraped, ("alert_rule_test", quiet))?;
    let found: BTreeSet<String> = said
        .split("alertname: ")
        .skip(1)
        .filter_map(|rest| Some(rest.split_once(',')?.0.to_owned()))
        .collect();
    assert_eq!(content, found.is_empty(), "{said}");
    Ok(found)
}

/// The dashboard's panels in which nothing is to be seen then.
fn empty(scraped: &[(&str, String)]) -> Result<BTreeSet<String>> {
    let shown = shown()?;
    let nothing = |(_, expr): &(String, String)| json!({"expr": expr, "eval_time": "20m", "exp_samples": []});
    let (_, said) = held(scraped, ("promql_expr_test", shown.iter().map(nothing).collect()))?;
    assert!(!said.contains(", err: "), "{said}");
    let seen = |expr: &str| said.contains(&format!("expr: {expr:?}, time: "));
    Ok(shown.into_iter().filter(|(_, expr)| !seen(expr)).map(|(title, _)| title).collect())
}

fn said(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|it| (*it).to_owned()).collect()
}

async fn scrape(daemon: &Daemon, address: &str, until: impl Fn(&str) -> bool) -> String {
    let mut answer = String::new();
    within(100, &daemon.log, async || {
        answer = ask(address, "/metrics").await.unwrap_or_default();
        until(&answer)
    })
    .await;
    answer
}

fn objectives(boat: &Lifeboat, text: &str) -> Result<()> {
    boat.edit(|before| format!("{before}\nobjectives: {{{text}}}\n"))
}

fn listen(boat: &Lifeboat, schedule: &str, address: &str) -> Result<()> {
    schedules(boat, &format!("{schedule}daemon: {{listen: \"{address}\", grace: 20s}}\n"))
}

/// What only shows where there is something of the kind; that it is told then a unit test holds.
const RARE: [&str; 9] = [
    "lifeboat_last_drill_passed_timestamp_seconds",
    "lifeboat_last_drill_rpo_seconds",
    "lifeboat_last_drill_rto_seconds",
    "lifeboat_last_drill_timestamp_seconds",
    "lifeboat_newest_point_lock_end_timestamp_seconds",
    "lifeboat_notifications_total",
    "lifeboat_oldest_open_playbook_run_timestamp_seconds",
    "lifeboat_schedule_last_missed_timestamp_seconds",
    "lifeboat_schedule_running_since_timestamp_seconds",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_alert_fires_where_all_is_well_and_one_of_two_daemons_stands_by() -> Result<()> {
    with_boat(EtcdOptions { tls: true, ..EtcdOptions::default() }, 1, async |_, boat| {
        store_copy::add(boat, "url: \"file:./second\"")?;
        objectives(boat, "rpo: 2h, verified: 8d")?;
        for _ in 0..2 {
            boat.backup(&["--etcd-only"]).await;
        }
        // The newest of them.
        boat.run(&["verify"]).await.expect(0);
        let often = "  - {name: often, cron: \"* * * * *\", run: {backup: {etcdOnly: true}}}\n";
        let (first, second) = (Port::claim()?.to_string(), Port::claim()?.to_string());
        listen(boat, often, &first)?;
        let a = Daemon::start(boat, "a")?;
        scrape(&a, &first, |it| it.contains("\nlifeboat_points")).await;
        // Where it listens it has read by now.
        listen(boat, often, &second)?;
        let b = Daemon::start(boat, "b")?;
        // One of them is at it, and the other one sees it.
        let ended = |it: &str| it.contains("\nlifeboat_schedule_last_success_timestamp_seconds");
        let looked = |it: &str| ended(it) && it.contains("\nlifeboat_points");
        let both = [("a", scrape(&a, &first, looked).await), ("b", scrape(&b, &second, looked).await)];
        for daemon in [a, b] {
            daemon.end().await.expect(0);
        }
        assert_eq!(fired(&both)?, BTreeSet::new());
        // There was no drill, and it has no objective; nothing is told to lock.
        assert_eq!(
            empty(&both)?,
            said(&["Alerts that fire", "Drill", "Last drill that passed", "Locked for", "RPO", "RTO"])
        );
        let told: BTreeSet<String> = both.iter().flat_map(|(_, answer)| names(answer)).collect();
        let untold: Vec<String> = listed()?.difference(&told).cloned().collect();
        assert_eq!(untold, RARE);
        assert_eq!(told.difference(&listed()?).count(), 0, "{told:?}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn just_what_is_wrong_fires_on_what_a_daemon_tells() -> Result<()> {
    let lab = LabDir::new()?;
    let boat = Lifeboat::init(lab.path(), None, None).await?;
    objectives(&boat, "rpo: 2h")?;
    let maker = boat.maker("store")?;
    let scraped = async |name: &'static str| -> Result<Vec<(&'static str, String)>> {
        let address = Port::claim()?.to_string();
        listen(&boat, "  - {name: prune, cron: \"@yearly\", run: {prune: {}}}\n", &address)?;
        let daemon = Daemon::start(&boat, name)?;
        let answer = scrape(&daemon, &address, |it| it.contains("\nlifeboat_points")).await;
        daemon.end().await.expect(0);
        Ok(vec![(name, answer)])
    };
    maker.ago(SignedDuration::from_hours(3))?;
    assert_eq!(fired(&scraped("a").await?)?, said(&["LifeboatPointTooOld"]));
    let newest = maker.ago(SignedDuration::from_mins(1))?;
    assert_eq!(fired(&scraped("b").await?)?, said(&[]));
    // Signed by nobody that is known.
    fs::write(maker.dir(&newest).join("manifest.json.minisig"), "forged")?;
    assert_eq!(fired(&scraped("c").await?)?, said(&["LifeboatPointTooOld", "LifeboatNotTrusted"]));
    // What looks empty, and takes nothing.
    fs::remove_dir_all(boat.path("store"))?;
    fs::write(boat.path("store"), "")?;
    assert_eq!(fired(&scraped("d").await?)?, said(&["LifeboatStoreUnreachable"]));
    Ok(())
}

/// The value of a metric without labels of its own.
fn value(answer: &str, name: &str) -> Option<f64> {
    let start = format!("lifeboat_{name}{{cluster=\"lab\"}} ");
    samples(answer).find_map(|line| line.strip_prefix(&start)).map(|value| value.parse().expect("a number"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lock_of_the_newest_point_is_told_and_who_takes_it_away_is_noticed() -> Result<()> {
    with_boat(EtcdOptions::default(), 1, async |etcd, boat| {
        let dir = etcd.dir().join("locking");
        let options = S3Options { versions: Some(dir.join("versions")), tls: None };
        fs::create_dir_all(&dir)?;
        let server = S3::start(&dir, &dir.join("root"), options).await?;
        server.bucket("locked", true).await?;
        for (file, text) in [("lock-id", s3::ACCESS_KEY), ("lock-secret", s3::SECRET_KEY)] {
            fs::write(boat.path(file), text)?;
        }
        boat.edit(|text| {
            let from = text.find("    url: \"").unwrap();
            let to = from + text[from..].find("\n#").unwrap();
            let keys = "credentials: {accessKeyId: {file: lock-id}, secretAccessKey: {file: lock-secret}}";
            let lock = "objectLock: {mode: governance, days: 3}";
            let set = format!("endpoint: \"{}\", {keys}, {lock}", server.endpoint());
            format!("{}    url: \"s3://locked\"\n    s3: {{{set}}}\n{}", &text[..from], &text[to..])
        })?;
        objectives(boat, "rpo: 2h")?;
        let manifest = boat.backup(&["--etcd-only"]).await;
        let scraped = async |name: &'static str| -> Result<Vec<(&'static str, String)>> {
            let address = Port::claim()?.to_string();
            listen(boat, "  - {name: prune, cron: \"@yearly\", run: {prune: {}}}\n", &address)?;
            let daemon = Daemon::start(boat, name)?;
            let answer = scrape(&daemon, &address, |it| it.contains("\nlifeboat_points")).await;
            daemon.end().await.expect(0);
            Ok(vec![(name, answer)])
        };
        let well = scraped("a").await?;
        let client = server.client();
        let place = format!("lab/points/{}", manifest["id"].as_str().context("no id")?);
        let mut ends = Vec::new();
        for name in ["etcd.db.zst.age", "manifest.json.minisig", "manifest.json"] {
            let head = client.head_object().bucket("locked").key(format!("{place}/{name}")).send().await?;
            ends.push(head.object_lock_retain_until_date().context("no lock")?.as_secs_f64());
        }
        let first = ends.into_iter().reduce(f64::min);
        assert_eq!(value(&well[0].1, "newest_point_lock_end_timestamp_seconds"), first);
        assert_eq!(fired(&well)?, said(&[]));
        assert!(!empty(&well)?.contains("Locked for"));
        // The phases of the manifest are those of the metrics.
        let phases: Vec<&str> = manifest["phases"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|it| it["phase"].as_str())
            .collect();
        assert_eq!(phases, ["etcd-survey", "etcd-snapshot", "etcd-store"]);
        for it in manifest["phases"].as_array().into_iter().flatten() {
            let took = it["tookMs"].as_f64().context("no time")? / 1000.0;
            let line = format!(
                "lifeboat_newest_point_phase_duration_seconds{{cluster=\"lab\",phase={}}} {took:?}",
                it["phase"]
            );
            assert!(samples(&well[0].1).any(|it| it == line), "{line}");
        }
        assert_eq!(value(&well[0].1, "unverified_points"), Some(1.0));

        // The same bytes without a lock, in the place of one that is locked.
        let key = format!("{place}/manifest.json.minisig");
        let bytes = client.get_object().bucket("locked").key(&key).send().await?.body.collect().await?;
        let body = bytes.into_bytes().into();
        client.put_object().bucket("locked").key(&key).body(body).send().await?;
        let bare = scraped("b").await?;
        assert_eq!(value(&bare[0].1, "newest_point_lock_end_timestamp_seconds"), Some(0.0));
        assert_eq!(fired(&bare)?, said(&["LifeboatPointUnlocked"]));
        Ok(())
    })
    .await
}
