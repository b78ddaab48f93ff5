//! Real Alertmanagers as receivers: what fails is one alert there for as long as it does, whoever forgets what meanwhile, people hear of it
//! once, and when it is well again.

use crate::{
    boat::with_boat,
    daemon::{Daemon, ask, overdue, request, schedules, within},
    lab::{EtcdOptions, ports::Port, process::Server, tools},
    webhook::{Answer, Receiver},
};
use anyhow::{Context, Result, ensure};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::{fs, path::Path};

/// An Alertmanager, and those whom it tells.
struct Alertmanager {
    port: Port,
    server: Server,
    people: Receiver,
}

impl Alertmanager {
    async fn start(dir: &Path, name: &str) -> Result<Self> {
        let (port, people) = (Port::claim()?, Receiver::start(|_| Answer::Status(200, "")).await?);
        let config = json!({
            // Sooner than anything is told again: an alert that had no end of its own would be over at once.
            "global": {"resolve_timeout": "1s"},
            "route": {"receiver": "nobody", "routes": [{
                "receiver": "people",
                "matchers": ["alertname = Lifeboat", "severity = critical"],
                "group_by": ["cluster", "kind", "name"],
                "group_wait": "0s", "group_interval": "1s", "repeat_interval": "1h",
            }]},
            "receivers": [
                {"name": "nobody"},
                {"name": "people", "webhook_configs": [{"url": people.url("/"), "send_resolved": true}]},
            ],
        });
        let file = dir.join(format!("{name}.yaml"));
        fs::write(&file, config.to_string())?;
        let args = vec![
            format!("--config.file={}", file.display()),
            format!("--storage.path={}", dir.join(format!("{name}-data")).display()),
            format!("--web.listen-address={port}"),
            "--cluster.listen-address=".to_owned(),
        ];
        let server = Server::new(dir, name, tools::tool("alertmanager")?, args);
        let made = Alertmanager { port, server, people };
        made.up(&dir.join(format!("{name}.log"))).await?;
        Ok(made)
    }

    async fn up(&self, log: &Path) -> Result<()> {
        self.server.start()?;
        let ready = async || ask(&self.port.to_string(), "/-/ready").await;
        within(30, log, async || ready().await.is_ok_and(|it| it.starts_with("HTTP/1.1 200"))).await;
        Ok(())
    }

    /// The alerts that it has.
    async fn alerts(&self) -> Result<Vec<Value>> {
        let answer = ask(&self.port.to_string(), "/api/v2/alerts").await?;
        let (_, body) = answer.split_once("\r\n\r\n").context("no answer")?;
        serde_json::from_str(body).with_context(|| answer.clone())
    }

    /// Has it told these.
    async fn post(&self, alerts: &Value) -> Result<()> {
        let body = alerts.to_string();
        let rest = format!("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let answer = request(&self.port.to_string(), "POST /api/v2/alerts", "lab", &rest).await?;
        ensure!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        Ok(())
    }

    /// What people heard of a cluster, in order.
    fn heard(&self, cluster: &str) -> Vec<Value> {
        let all = bodies(&self.people).into_iter();
        all.filter(|it| it["groupLabels"]["cluster"] == cluster).collect()
    }

    /// The same, in a word each.
    fn words(&self, cluster: &str) -> Vec<String> {
        self.heard(cluster).iter().map(|it| it["status"].as_str().unwrap().to_owned()).collect()
    }
}

fn bodies(receiver: &Receiver) -> Vec<Value> {
    receiver.came().iter().map(|it| serde_json::from_slice(&it.body).unwrap()).collect()
}

fn time(it: &Value) -> Timestamp {
    it.as_str().unwrap().parse().unwrap()
}

/// Is it the same time, as Alertmanager tells it?
#[track_caller]
fn same(told: &Value, sent: &Value) {
    assert_eq!(time(told).as_millisecond(), time(sent).as_millisecond());
}

/// What a daemon would say of another cluster whose clock is so far ahead.
fn ahead(sent: &Value, cluster: &str, by: SignedDuration) -> Value {
    let mut all = sent.clone();
    all[0]["labels"]["cluster"] = cluster.into();
    for field in ["startsAt", "endsAt"] {
        all[0][field] = (time(&sent[0][field]) + by).to_string().into();
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alert_lasts_in_alertmanager_as_long_as_the_trouble_and_people_hear_of_it_once() -> Result<()> {
    with_boat(EtcdOptions::default(), 1, async |etcd, boat| {
        let (steady, forgetful) =
            (Alertmanager::start(etcd.dir(), "steady").await?, Alertmanager::start(etcd.dir(), "forgetful").await?);
        // What is sent, as it is.
        let wire = Receiver::start(|_| Answer::Status(200, "")).await?;
        schedules(
            boat,
            &format!(
                r#"  - name: objectives
    cron: "* * * * *"
    run: {{status: {{}}}}
    notify: [{{channel: steady, on: [failed], again: 7d}}, {{channel: forgetful}}, {{channel: wire}}]
objectives: {{rpo: 1h}}
notifications:
  - {{name: steady, alertmanager: {{url: "http://{}"}}}}
  - {{name: forgetful, alertmanager: {{url: "http://{}/"}}}}
  - {{name: wire, alertmanager: {{url: "{}"}}}}
"#,
                steady.port,
                forgetful.port,
                wire.url("")
            ),
        )?;
        overdue(boat, "objectives")?;
        let daemon = Daemon::start(boat, "one")?;
        let both = |times: usize| [&steady, &forgetful].iter().all(|it| it.heard("lab").len() >= times);
        within(60, &daemon.log, async || both(1) && !wire.came().is_empty()).await;

        let alerts = steady.alerts().await?;
        let [alert] = alerts.as_slice() else { panic!("{alerts:#?}") };
        let labels = json!({
            "alertname": "Lifeboat", "cluster": "lab", "kind": "schedule", "name": "objectives", "severity": "critical",
        });
        let summary = "The run of `objectives` (status) ended: objective missed: there is no recovery point, and nothing could be \
                       brought back: `lifeboat backup` takes one";
        assert_eq!(alert["labels"], labels);
        assert_eq!(alert["annotations"], json!({"event": "run.failed", "summary": summary}));
        assert_eq!((&alert["status"]["state"], &alert["receivers"]), (&json!("active"), &json!([{"name": "people"}])));
        let first = &bodies(&wire)[0];
        same(&alert["startsAt"], &first[0]["startsAt"]);
        same(&alert["endsAt"], &first[0]["endsAt"]);
        assert!(time(&alert["endsAt"]) > Timestamp::now() + SignedDuration::from_hours(366 * 24));
        let heard = &steady.heard("lab")[0];
        assert_eq!((&heard["receiver"], &heard["alerts"][0]["labels"]), (&json!("people"), &labels));
        assert_eq!(heard["alerts"][0]["annotations"], alert["annotations"]);

        // One of them is started again, and has forgotten everything but whom it told.
        forgetful.server.stop().await?;
        forgetful.up(&etcd.dir().join("forgetful.log")).await?;
        let last = async |of: &Alertmanager| time(&of.alerts().await.unwrap()[0]["endsAt"]).as_millisecond();
        within(100, &daemon.log, async || {
            let Some(second) = bodies(&wire).get(1).map(|it| time(&it[0]["endsAt"]).as_millisecond()) else {
                return false;
            };
            !forgetful.alerts().await.unwrap().is_empty() && last(&steady).await >= second
        })
        .await;
        let sent = bodies(&wire);
        let (known, anew) = (steady.alerts().await?, forgetful.alerts().await?);
        assert_eq!((known.len(), anew.len()), (1, 1), "{known:#?} {anew:#?}");
        assert_eq!((&known[0]["fingerprint"], &anew[0]["labels"]), (&alert["fingerprint"], &labels));
        same(&known[0]["startsAt"], &sent[0][0]["startsAt"]);
        same(&anew[0]["startsAt"], &sent[1][0]["startsAt"]);

        boat.backup(&["--etcd-only"]).await;
        within(120, &daemon.log, async || both(2)).await;
        for it in [&steady, &forgetful] {
            assert_eq!(it.words("lab"), ["firing", "resolved"]);
            assert_eq!(it.heard("lab")[1]["alerts"][0]["labels"], labels);
            assert_eq!(it.alerts().await?, Vec::<Value>::new());
        }
        daemon.end().await.expect(0);

        // The daemon's clock is ahead, and Alertmanager takes what has not come to be by its own for what has yet to end.
        let sent = bodies(&wire);
        let well = sent.iter().find(|it| it[0]["annotations"]["event"] == "run.recovered").context("a recovery")?;
        let late = SignedDuration::from_mins(2);
        steady.post(&ahead(first, "ahead", late)).await?;
        within(30, &boat.path("lifeboat.yaml"), async || steady.words("ahead") == ["firing"]).await;
        steady.post(&ahead(well, "ahead", late)).await?;
        within(30, &boat.path("lifeboat.yaml"), async || steady.words("ahead") == ["firing", "resolved"]).await;
        // Of what was well and is well nobody hears.
        steady.post(&ahead(well, "calm", SignedDuration::ZERO)).await?;
        steady.post(&ahead(first, "later", SignedDuration::ZERO)).await?;
        within(30, &boat.path("lifeboat.yaml"), async || steady.words("later") == ["firing"]).await;
        assert_eq!(steady.words("calm"), Vec::<String>::new());
        Ok(())
    })
    .await
}
