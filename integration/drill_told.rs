//! Whom a drill tells how it ended: what is sent, how its writer is known, and that nobody's silence changes a verdict.

use crate::{
    drill_case::{RUN, drill, nothing_left, write},
    lab::pki::Pki,
    saved::{Saved, saved},
    webhook::{Answer, Came, Receiver},
};
use anyhow::Result;
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    fs,
    io::Write,
    process::{Command, Stdio},
    time::Duration,
};

/// The key of the channels.
pub const KEY: &str = "hush-hush-key";
const PATH: &str = "/services/hush-hush-path";

/// Names the channels in the configuration; each has its address and its key in files.
fn channels(saved: &Saved, channels: &[(&str, String)]) -> Result<()> {
    fs::write(saved.boat.path("hook-key"), KEY)?;
    fs::write(saved.boat.path("hook-token"), "Bearer hush-hush-token")?;
    let mut list = Vec::new();
    for (name, url) in channels {
        fs::write(saved.boat.path(&format!("{name}-url")), url)?;
        list.push(format!(
            "{{name: {name}, webhook: {{url: {{file: {name}-url}}, secret: {{file: hook-key}}, \
             headers: {{Authorization: {{file: hook-token}}}}, timeout: 2s}}}}"
        ));
    }
    saved.boat.edit(|text| format!("{text}\nnotifications: [{}]\n", list.join(", ")))
}

/// The HMAC-SHA256 as another program computes it.
fn hmac(text: &[u8]) -> Result<String> {
    let mut openssl = Command::new("openssl")
        .args(["dgst", "-sha256", "-hmac", KEY])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    openssl.stdin.take().unwrap().write_all(text)?;
    let said = String::from_utf8(openssl.wait_with_output()?.stdout)?;
    Ok(said.trim().rsplit_once(' ').unwrap().1.to_owned())
}

/// Sees that a message is signed with the key, over its time and body.
pub fn is_signed(came: &Came) -> Result<()> {
    let signature = &came.headers["lifeboat-signature"];
    let (at, sum) = signature.strip_prefix("t=").unwrap().split_once(",v1=").unwrap();
    let signed = [at.as_bytes(), b".", &came.body].concat();
    assert_eq!(sum, hmac(&signed)?, "{signature}");
    assert!(jiff::Timestamp::now().as_second() - at.parse::<i64>()? < 120);
    Ok(())
}

fn body(came: &Came) -> Value {
    serde_json::from_slice(&came.body).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drill_tells_those_whom_its_file_names() -> Result<()> {
    let saved = saved().await?;
    // Two that come right: one after it was busy, one after a connection was lost.
    let ops = Receiver::start(|before| match before {
        0 => Answer::Status(503, ""),
        1 => Answer::Closed,
        _ => Answer::Status(204, ""),
    })
    .await?;
    let chief = Receiver::start(|_| Answer::Status(200, "")).await?;
    channels(&saved, &[("ops", ops.url(PATH)), ("chief", chief.url(PATH))])?;
    let notify = "notify: [{channel: ops}, {channel: chief, on: failed}]\n";
    write(&saved.boat, "", notify)?;
    let ran = drill(&saved.boat, &[]).await.expect(0);
    let evidence = ran.json();
    assert_eq!(evidence["notifications"], json!([{"channel": "ops", "delivered": true, "tries": 3}]));
    assert!(!format!("{}{}", ran.stdout, ran.stderr).contains("hush"), "{}", ran.stderr);
    assert!(chief.came().is_empty(), "it passed");
    let came = ops.came();
    assert_eq!(came.len(), 3);
    let id = evidence["id"].as_str().unwrap();
    for came in &came {
        assert_eq!(came.line, format!("POST {PATH}"));
        assert_eq!(came.headers["content-type"], "application/json");
        assert_eq!(came.headers["authorization"], "Bearer hush-hush-token");
        assert_eq!(came.headers["idempotency-key"], format!("drill-{id}"));
        assert_eq!(came.headers["lifeboat-event"], "drill.ended");
        is_signed(came)?;
    }
    assert_eq!(
        came.iter().map(|it| it.body.clone()).collect::<BTreeSet<_>>().len(),
        1,
        "one message, tried again"
    );
    let told = body(&came[2]);
    assert_eq!(
        (&told["ok"], &told["details"]["verdict"], &told["details"]["drill"]),
        (&true.into(), &"passed".into(), &id.into())
    );
    assert_eq!((&told["cluster"], &told["details"]["name"]), (&"lab".into(), &"rehearsal".into()));
    assert_eq!(told["details"]["checks"]["failed"], 0);
    let place = told["details"]["evidence"].as_str().unwrap();
    assert!(place.ends_with(&format!("/lab/drills/{id}/evidence.json")), "{place}");

    // One that fails is told to both, and why it failed.
    write(
        &saved.boat,
        "",
        &format!("{notify}checks:\n- {{name: none, count: {{kind: secrets, exactly: 0}}}}\n"),
    )?;
    drill(&saved.boat, &[]).await.expect(4);
    let told = body(&chief.came()[0]);
    assert_eq!((&told["ok"], &told["details"]["verdict"]), (&false.into(), &"checks-failed".into()));
    assert!(told["summary"].as_str().unwrap().contains("the check `none`"), "{told:#}");
    assert_eq!(ops.came().len(), 4);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_cannot_be_told_changes_no_verdict_and_gives_no_secret_away() -> Result<()> {
    let saved = saved().await?;
    let elsewhere = Receiver::start(|_| Answer::Status(200, "")).await?;
    let to: &'static str = Box::leak(format!("Location: {}\r\n", elsewhere.url("/")).into_boxed_str());
    let moved = Receiver::start(move |_| Answer::Status(307, to)).await?;
    let gone = Receiver::start(|_| Answer::Status(404, "")).await?;
    let slow = Receiver::start(|before| match before {
        0 => Answer::Silent(Duration::from_secs(5)),
        _ => Answer::Status(429, "Retry-After: 1\r\n"),
    })
    .await?;
    let all = [
        ("moved", moved.url(PATH)),
        ("gone", gone.url(PATH)),
        ("slow", slow.url(PATH)),
        ("nobody", format!("http://127.0.0.1:1{PATH}")),
        ("nowhere", format!("https://hush-hush.invalid{PATH}")),
    ];
    channels(&saved, &all)?;
    let names: Vec<String> = all.iter().map(|(name, _)| format!("{{channel: {name}}}")).collect();
    write(&saved.boat, "", &format!("notify: [{}]\n", names.join(", ")))?;
    let ran = drill(&saved.boat, &["-vvv"]).await.expect(0);
    let evidence = ran.json();
    assert_eq!(evidence["verdict"], "passed");
    let told = |name: &str| {
        let all = evidence["notifications"].as_array().unwrap();
        let it = all.iter().find(|it| it["channel"] == name).unwrap();
        assert_eq!(it["delivered"], false);
        (it["tries"].as_u64().unwrap(), it["error"].as_str().unwrap().to_owned())
    };
    assert!(told("moved").1.contains("307") && elsewhere.came().is_empty(), "a redirect was followed");
    assert_eq!((told("moved").0, told("gone")), (1, (1, "the answer was 404".to_owned())));
    assert_eq!(told("slow"), (4, "the answer was 429".to_owned()));
    assert_eq!(told("nobody"), (4, "no connection: connection refused".to_owned()));
    assert_eq!(told("nowhere").0, 4);
    for (name, _) in &all {
        assert!(ran.stderr.contains(&format!("the channel `{name}` was not told")), "{}", ran.stderr);
    }
    let printed = format!("{}{}", ran.stdout, ran.stderr);
    let secret = printed.lines().find(|line| line.contains("hush"));
    assert_eq!(secret, None);
    saved.run(&["drill", "verify", "latest"]).await.expect(0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_is_told_over_tls_and_nobody_who_only_says_to_be_it() -> Result<()> {
    let saved = saved().await?;
    let (ours, theirs) = (Pki::open(&saved.boat.path("ours"))?, Pki::open(&saved.boat.path("theirs"))?);
    let ops = Receiver::with_tls(&ours.server("ops")?).await?;
    let late = Receiver::with_tls(&ours.expired_server("late")?).await?;
    let false_one = Receiver::with_tls(&theirs.server("ops")?).await?;
    channels(&saved, &[("ops", ops.url(PATH)), ("late", late.url(PATH)), ("impostor", false_one.url(PATH))])?;
    write(&saved.boat, "", "notify: [{channel: ops}, {channel: late}, {channel: impostor}]\n")?;
    let ran = saved.boat.command(&RUN).env("SSL_CERT_FILE", ours.ca()).output().await?;
    nothing_left(&saved.boat);
    let evidence = crate::boat::Ran::from(ran).expect(0).json();
    let told = |name: &str| {
        let all = evidence["notifications"].as_array().unwrap();
        let it = all.iter().find(|it| it["channel"] == name).unwrap().clone();
        (it["delivered"].as_bool().unwrap(), it["error"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(told("ops"), (true, String::new()));
    is_signed(&ops.came()[0])?;
    for (name, receiver, why) in [("late", &late, "expired"), ("impostor", &false_one, "is not trusted")] {
        let (delivered, error) = told(name);
        assert!(!delivered && error.contains(why) && receiver.came().is_empty(), "{name}: {error}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_that_is_not_there_is_told_before_anything_begins() -> Result<()> {
    let saved = saved().await?;
    write(&saved.boat, "", "notify: [{channel: ops}]\n")?;
    drill(&saved.boat, &[])
        .await
        .expect(2)
        .says("no channel of the configuration's `notifications` is called `ops`: there is none");
    channels(&saved, &[("ops", "hush-hush is no address".to_owned())])?;
    let ran = drill(&saved.boat, &[])
        .await
        .expect(2)
        .says("the channel `ops` cannot be used: its address is no URL");
    assert!(!ran.stderr.contains("hush"), "{}", ran.stderr);
    assert!(!saved.boat.path("store/lab/drills").exists(), "a drill was run");
    Ok(())
}
