//! Whom the daemon tells: what failed and what recovered, once, in the form that each takes.

use crate::{
    boat::{Lifeboat, with_boat},
    daemon::{Daemon, ask, overdue, schedules, within},
    lab::{EtcdOptions, ports::Port},
    webhook::{Answer, Came, Receiver},
};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::fs;

/// What came at a path.
fn at(receiver: &Receiver, path: &str) -> Vec<Came> {
    let wanted = |it: &Came| it.line.split(' ').nth(1) == Some(path);
    receiver.came().into_iter().filter(wanted).collect()
}

fn bodies(receiver: &Receiver, path: &str) -> Vec<Value> {
    let came = at(receiver, path);
    came.iter().map(|it| serde_json::from_slice(&it.body).unwrap()).collect()
}

const PLACES: [&str; 5] = ["/hush-hook", "/hush-shaped", "/hush-slack", "/v2/enqueue", "/am/api/v2/alerts"];

fn configure(boat: &Lifeboat, receiver: &Receiver, listen: &str) -> Result<()> {
    for (file, text) in [
        ("hook", receiver.url("/hush-hook")),
        ("shaped", receiver.url("/hush-shaped")),
        ("slack", receiver.url("/hush-slack")),
        ("key", "hush-key".to_owned()),
        ("token", "Bearer hush-token".to_owned()),
        ("begun", receiver.url("/hush-begun")),
        ("succeeded", receiver.url("/hush-succeeded")),
        ("failed", receiver.url("/hush-failed")),
        ("gone", "http://127.0.0.1:9/hush-gone".to_owned()),
    ] {
        fs::write(boat.path(file), text)?;
    }
    let channels = ["hook", "shaped", "chat", "pager", "alerts", "gone"];
    let notify: Vec<String> = channels.iter().map(|name| format!("{{channel: {name}}}")).collect();
    schedules(
        boat,
        &format!(
            r#"  - name: objectives
    cron: "* * * * *"
    run: {{status: {{}}}}
    notify: [{}]
    ping: {{begun: {{file: begun}}, succeeded: {{file: succeeded}}, failed: {{file: failed}}}}
daemon: {{listen: "{listen}"}}
objectives: {{rpo: 1h}}
notifications:
  - {{name: hook, webhook: {{url: {{file: hook}}, secret: {{file: key}}}}}}
  - {{name: shaped, webhook: {{url: {{file: shaped}}, template: {{"what": "${{cluster}}: ${{event}}", ok: "${{ok}}"}}}}}}
  - {{name: chat, slack: {{url: {{file: slack}}}}}}
  - {{name: pager, pagerDuty: {{routingKey: {{file: key}}, url: "{}"}}}}
  - {{name: alerts, alertmanager: {{url: "{}/", headers: {{Authorization: {{file: token}}}}}}}}
  - {{name: gone, webhook: {{url: {{file: gone}}}}}}
"#,
            notify.join(", "),
            receiver.url("/v2/enqueue"),
            receiver.url("/am"),
        ),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn daemon_tells_people_what_failed_and_what_recovered_in_the_form_that_they_take() -> Result<()> {
    with_boat(EtcdOptions::default(), 1, async |_, boat| {
        let receiver = Receiver::start(|before| match before {
            // The first one has to be told again.
            1 => Answer::Status(503, ""),
            _ => Answer::Status(202, ""),
        })
        .await?;
        let port = Port::claim()?;
        let listen = format!("127.0.0.1:{}", port.number());
        configure(boat, &receiver, &listen)?;
        overdue(boat, "objectives")?;
        let daemon = Daemon::start(boat, "one")?;
        let told = |times: usize| {
            let taken = |path: &&str| bodies(&receiver, path).len() >= times;
            PLACES.iter().all(taken)
        };
        within(60, &daemon.log, async || told(1) && !at(&receiver, "/hush-failed").is_empty()).await;

        boat.backup(&["--etcd-only"]).await;
        within(120, &daemon.log, async || told(2) && !at(&receiver, "/hush-succeeded").is_empty()).await;
        let [hook, shaped, slack, pager, alerts] = PLACES.map(|path| {
            let mut all = bodies(&receiver, path);
            // What was refused came twice, as the same.
            all.dedup();
            assert_eq!(all.len(), 2, "{path}: {all:#?}");
            all
        });
        let message = hook.first().context("a message")?;
        assert_eq!((&message["event"], &message["ok"]), (&json!("run.failed"), &json!(false)));
        assert_eq!(
            message["summary"],
            "The run of `objectives` (status) ended: objective missed: there is no recovery point, and nothing could be \
             brought back: `lifeboat backup` takes one"
        );
        assert_eq!(message["details"]["outcome"], "objective-missed");
        assert_eq!((&hook[1]["event"], &hook[1]["topic"]), (&json!("run.recovered"), &message["topic"]));
        let signed = at(&receiver, "/hush-hook");
        assert!(signed.iter().all(|it| it.headers["lifeboat-signature"].starts_with("t=")));
        assert_eq!(shaped, [json!({"what": "lab: run.failed", "ok": false}), json!({"what": "lab: run.recovered", "ok": true})]);
        assert!(slack[0]["text"].as_str().unwrap().contains("lab: The run of `objectives`"));
        assert_eq!((&pager[0]["event_action"], &pager[1]["event_action"]), (&json!("trigger"), &json!("resolve")));
        assert_eq!((&pager[0]["dedup_key"], &pager[0]["routing_key"]), (&pager[1]["dedup_key"], &json!("hush-key")));
        assert_eq!(alerts[0][0]["labels"], alerts[1][0]["labels"]);
        assert_eq!(alerts[1][0]["endsAt"], alerts[1][0]["startsAt"]);
        assert_eq!(at(&receiver, PLACES[4])[0].headers["authorization"], "Bearer hush-token");
        let begun = at(&receiver, "/hush-begun");
        assert!(begun.len() >= 2 && begun.iter().all(|it| it.line.starts_with("GET ") && it.body.is_empty()));

        // Who could not be reached is counted, and told of in the log; no secret is in either.
        let lost = "lifeboat_notifications_total{cluster=\"lab\",channel=\"gone\",result=\"lost\"} 1";
        within(60, &daemon.log, async || ask(&listen, "/metrics").await.unwrap().contains(lost)).await;
        let metrics = ask(&listen, "/metrics").await?;
        let ended = daemon.end().await;
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        assert!(ended.stderr.contains("the channel `gone` was not told, after 4 tries: no connection: connection refused"));
        assert!(!ended.stderr.contains("hush") && !metrics.contains("hush"), "{}", ended.stderr);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn daemon_says_at_once_which_channels_it_could_not_use() -> Result<()> {
    with_boat(EtcdOptions::default(), 1, async |_, boat| {
        schedules(
            boat,
            "  - {name: daily, cron: \"@daily\", run: {prune: {}}, notify: [{channel: ops}]}\n\
             notifications: [{name: ops, slack: {url: {file: nowhere}}}]\n",
        )?;
        let daemon = Daemon::start(boat, "one")?;
        within(30, &daemon.log, async || daemon.log().contains("keeps daily")).await;
        let ended = daemon.end().await;
        assert_eq!(ended.code, 0);
        let why = "the channel `ops` could be told nothing: notifications[0].slack.url: cannot read the secret's file";
        assert!(ended.stderr.contains(why), "{}", ended.stderr);

        // A name that no channel has is a mistake of the configuration.
        boat.edit(|text| text.replace("{channel: ops}", "{channel: opps}"))?;
        let refused = boat.run(&["daemon"]).await.expect(2);
        assert!(refused.stderr.contains("schedules[0].notify[0].channel: no channel of `notifications` has this name"));
        Ok(())
    })
    .await
}
