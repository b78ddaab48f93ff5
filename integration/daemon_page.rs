//! The daemon's status page, in a real browser, over a store of three clusters and five hundred recovery points.

use crate::{
    browser::{Browser, Medium, Scheme},
    daemon::{Daemon, ask, overdue, request, schedules, within},
    drill_case::{drill, write},
    lab::{LabDir, ports::Port, s3},
    playbook_case::book,
    playbook_run::approver,
    playbook_runbooks::file,
    saved::saved,
    store_copy,
};
use anyhow::{Context, Result};
use jiff::{SignedDuration, Timestamp};
use lifeboat::report::bytes;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// What somebody wrote who wants to be more than read.
const HOSTILE: &str = "<img src=x onerror=\"document.title='got'\"><script>document.title='got'</script>";
/// A value of this line is refused with its text.
const WRONG: &str = "daemon: {listen: \"hunter2\"";
/// A store at which nobody listens.
const GONE: &str = "{name: gone, url: \"s3://gone/x\", s3: {endpoint: \"http://127.0.0.1:1\", timeout: 1s, \
                    credentials: {accessKeyId: {file: gone-id}, secretAccessKey: {file: gone-secret}}}}";
const SCHEDULES: &str = "  - {name: sample, cron: \"0 * * * *\", run: {verify: {sample: 2}}}\n  \
    - {name: yearly, cron: \"0 5 2 1 *\", timeZone: Europe/Berlin, run: {prune: {}}}\n";

fn body(answer: &str) -> Value {
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap_or_else(|e| panic!("{e}: {answer}"))
}

/// Without what grows by itself.
fn facts(told: &Value) -> Value {
    let mut clusters = told["clusters"].clone();
    for objective in
        clusters.as_array_mut().unwrap().iter_mut().flat_map(|it| it["objectives"].as_object_mut())
    {
        objective.values_mut().for_each(|it| drop(it.as_object_mut().unwrap().remove("measuredMs")));
    }
    clusters
}

/// What is to be read of a cluster.
fn wanted(of: &Value) -> Vec<String> {
    let points = &of["points"];
    let stored = bytes(points["storedBytes"].as_u64().unwrap());
    let mut all = vec![format!("{}, {stored} stored", points["count"])];
    let ids = [&points["newest"]["id"], &points["newestCompleted"]["id"], &of["drills"]["last"]["id"]];
    all.extend(ids.into_iter().filter_map(Value::as_str).map(str::to_owned));
    all.extend(of["verified"]["last"]["point"].as_str().map(str::to_owned));
    all.extend(of["held"].as_array().unwrap().iter().map(|it| it["reason"].as_str().unwrap().to_owned()));
    all.extend(of["runs"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap().to_owned()));
    all.extend(of["findings"].as_array().unwrap().iter().map(|it| {
        // What stands between backticks is shown as code.
        it["message"].as_str().unwrap().replace('`', "")
    }));
    for copies in of["copies"].as_array().unwrap() {
        let owed = copies["owed"].as_array().unwrap().len();
        all.push(format!("{}: {owed}", copies["store"].as_str().unwrap()));
    }
    all
}

/// When what counts happened, in the order in which it stands in a row of the page.
fn times(of: &Value) -> Vec<&str> {
    let it = [
        &of["points"]["newestCompleted"]["createdAt"],
        &of["verified"]["lastPassed"]["at"],
        &of["drills"]["lastPassed"]["ended"],
    ];
    it.into_iter().filter_map(Value::as_str).collect()
}

/// Looks at the page in every way; pictures are kept among the build's own files, for people.
async fn look(browser: &Browser, url: &str, texts: &[String]) -> Result<()> {
    let pictures: PathBuf = Path::new(env!("CARGO_TARGET_TMPDIR")).join("daemon-page");
    fs::create_dir_all(&pictures)?;
    let mut faults = Vec::new();
    for width in [1280, 400] {
        for scheme in [Scheme::Light, Scheme::Dark] {
            browser.size(width, 900).await?;
            browser.emulate(Medium::Screen, scheme).await?;
            browser.open(url).await?;
            let place = format!("{width}-{scheme:?}").to_lowercase();
            browser.screenshot(&pictures.join(format!("{place}.png"))).await?;
            let mut found = browser.faults().await?;
            found.extend(browser.unseen(texts).await?.iter().map(|text| format!("not to be seen: {text}")));
            found.extend(browser.console().await?);
            found.extend(browser.requests().await?.into_iter().filter(|asked| asked != url));
            faults.extend(found.into_iter().map(|fault| format!("{place}: {fault}")));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    Ok(())
}

/// Everything that can be used is reached with the keyboard alone, and it is to be seen which it is.
async fn keys(browser: &Browser) -> Result<()> {
    let usable = "return [...document.querySelectorAll('a[href], button, input, summary')].map(it => it.getAttribute('href'))";
    let usable = browser.script(usable, json!([])).await?;
    assert_eq!(usable, json!(["/api/v1/status", "#c0", "#c1", "#c2"]));
    for href in usable.as_array().unwrap() {
        browser.tab().await?;
        let at = "const it = document.activeElement, style = getComputedStyle(it);\
                  return [it.getAttribute('href'), style.outlineStyle, parseFloat(style.outlineWidth) >= 2]";
        assert_eq!(browser.script(at, json!([])).await?, json!([href, "solid", true]));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn daemon_page_tells_of_three_clusters_and_five_hundred_points() -> Result<()> {
    let saved = saved().await?;
    let boat = &saved.boat;
    let maker = boat.maker("store")?;
    let now = Timestamp::now();
    for (cluster, count, newest) in [("lab", 249, 1), ("prod-eu1", 180, 2), ("retired", 70, 24 * 40)] {
        for at in 0..count {
            maker.point(cluster, now - SignedDuration::from_hours(newest + 6 * at), |_| {})?;
        }
    }
    // Two drills, of which the second passes, a hold, and a run that waits.
    write(boat, "", "objectives: {rto: 1ms, rpo: 900d}")?;
    drill(boat, &["--point", saved.id.as_str()]).await.expect(5);
    write(boat, "", "objectives: {rto: 10m, rpo: 900d}")?;
    drill(boat, &["--point", saved.id.as_str()]).await.expect(0);
    boat.run(&["hold", "latest", "--reason", HOSTILE]).await.expect(0);
    boat.run(&["verify", "latest", "--cluster", "prod-eu1"]).await.expect(0);
    store_copy::add(boat, "url: \"file:./second\"")?;
    let alice = approver(boat, "alice", "leads").await?;
    boat.edit(|text| {
        format!("{text}\nobjectives: {{rpo: 3h, verified: 8d}}\nplaybooks:\n  approvers:\n{alice}")
    })?;
    let run = format!("run {} -p incident=OPS-7 --yes --no-wait", file("expired-certificates"));
    assert_ne!(book(boat, &run).await.code, 0);

    let port = Port::claim()?;
    let address = port.to_string();
    let settings = |page: bool| format!("{SCHEDULES}daemon: {{listen: \"{address}\", page: {page}}}\n");
    schedules(boat, &settings(true))?;
    overdue(boat, "sample")?;
    let daemon = Daemon::start(boat, "cp1")?;
    // The same as `lifeboat status` tells, after what was due has run.
    let status = async || boat.run(&["status", "-o", "json"]).await.expect(5).json();
    let api = async || ask(&address, "/api/v1/status").await.ok().map(|answer| body(&answer));
    within(90, &daemon.log, async || {
        let Some(told) = api().await else { return false };
        let ran = &told["schedules"][0]["last"]["outcome"] == "completed";
        ran && facts(&told) == facts(&status().await)
    })
    .await;
    let (expected, told) = (status().await, api().await.context("an answer")?);
    assert_eq!((&told["store"], &told["judged"]), (&expected["store"], &json!(true)));
    let clusters = expected["clusters"].as_array().context("clusters")?;
    let counts: Vec<&Value> = clusters.iter().map(|it| &it["points"]["count"]).collect();
    assert_eq!(counts, [250, 180, 70]);
    assert_eq!(clusters[0]["drills"]["trend"].as_array().map(Vec::len), Some(2));
    assert_eq!((&told["daemon"]["name"], &told["daemon"]["unread"]), (&json!("cp1"), &json!([])));
    assert_eq!(
        (&told["schedules"][0]["name"], &told["schedules"][1]["runs"]),
        (&json!("sample"), &json!("prune"))
    );

    // Only to be read, for nobody else's page, and without what is nobody's business.
    let answer = ask(&address, "/").await?;
    for header in
        ["content-security-policy: default-src 'none'; style-src 'sha256-", "cache-control: no-store"]
    {
        assert!(answer.to_lowercase().contains(header), "{answer}");
    }
    // Nor by a name that somebody else has given the address of loopback.
    for (method, path, host, status) in [
        ("HEAD", "/", "localhost", 200),
        ("HEAD", "/api/v1/status", &address, 200),
        ("POST", "/", "localhost", 405),
        ("DELETE", "/api/v1/status", "localhost:1", 405),
        ("GET", "/lifeboat.yaml", "[::1]:80", 404),
        ("GET", "/", "page.example", 421),
        ("GET", "/api/v1/status", "page.example:9797", 421),
        ("GET", "/metrics", "localhost.example", 421),
    ] {
        let answer = request(&address, &format!("{method} {path}"), host, "\r\n").await?;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{method} {path} of {host}: {answer}");
        assert!(status != 421 || answer.ends_with("has to send `Host: localhost`\n"), "{answer}");
    }

    let lab = LabDir::new()?;
    let browser = Browser::start(lab.path()).await?;
    let url = format!("http://{address}/");
    let mut texts: Vec<String> = clusters.iter().flat_map(wanted).collect();
    texts.extend(["Objectives are missed in", "sample", "completed", "yearly", "RTO: "].map(str::to_owned));
    look(&browser, &url, &texts).await?;
    assert_ne!(browser.script("return document.title", json!([])).await?, "got");
    let rows = "return [...document.querySelectorAll('.clusters th[scope=row]')].map(it => [it.textContent,\
                ...[...it.parentElement.querySelectorAll('time')].map(time => time.dateTime)])";
    let told = browser.script(rows, json!([])).await?;
    // What is wrong comes first.
    let rows = [2, 0, 1].map(|at: usize| &clusters[at]).into_iter().map(|it| {
        let name = it["cluster"].as_str().unwrap();
        [&[name][..], &times(it)].concat()
    });
    assert_eq!(told, json!(rows.collect::<Vec<_>>()));
    keys(&browser).await?;

    // A configuration that is wrong is told without its text, until it is right again.
    let good = fs::read_to_string(boat.path("lifeboat.yaml"))?;
    let begins = format!("daemon: {{listen: \"{address}\"");
    fs::write(boat.path("lifeboat.yaml"), good.replace(&begins, WRONG))?;
    daemon.tell(Signal::HUP);
    let rejected = async || api().await.unwrap()["daemon"]["configurationRejectedSince"].is_string();
    within(20, &daemon.log, async || rejected().await).await;
    let both = ask(&address, "/").await? + &ask(&address, "/api/v1/status").await?;
    assert!(
        both.contains("the configuration cannot be used as it is") && !both.contains("hunter2"),
        "{both}"
    );
    fs::write(boat.path("lifeboat.yaml"), &good)?;
    daemon.tell(Signal::HUP);
    within(20, &daemon.log, async || !rejected().await).await;
    browser.close().await?;
    daemon.end().await.expect(0).says("hunter2");

    // Without being asked for, there is none.
    schedules(boat, &settings(false))?;
    let daemon = Daemon::start(boat, "cp1")?;
    within(30, &daemon.log, async || ask(&address, "/healthz").await.is_ok()).await;
    for path in ["/", "/api/v1/status"] {
        assert!(ask(&address, path).await?.starts_with("HTTP/1.1 404"), "{path}");
    }
    daemon.end().await.expect(0);

    // A store that does not answer: nothing is known, and that is told.
    for (name, text) in [("gone-id", s3::ACCESS_KEY), ("gone-secret", s3::SECRET_KEY)] {
        fs::write(boat.path(name), text)?;
    }
    boat.edit(|text| text.replacen("\nstores:\n", &format!("\nstores:\n  - {GONE}\n"), 1))?;
    schedules(boat, &settings(true))?;
    let daemon = Daemon::start(boat, "cp1")?;
    within(60, &daemon.log, async || {
        api().await.is_some_and(|told| told["daemon"]["unseen"]["since"].is_string())
    })
    .await;
    let told = api().await.context("an answer")?;
    assert_eq!((&told["clusters"], &told["daemon"]["lookedAt"]), (&json!([]), &Value::Null), "{told:#}");
    let page = ask(&address, "/").await?;
    assert!(page.contains("<h1>The store cannot be looked at, and nothing is known</h1>"), "{page}");
    daemon.end().await.expect(0);
    lab.close(Ok(()))
}
