//! The daemon against a real etcd: what is due is saved, once, whatever happens to whoever is at it.

use crate::{
    boat::{Lifeboat, Ran, with_boat},
    lab::{EtcdOptions, ports::Port},
    saved::tree,
};
use anyhow::{Context, Result};
use jiff::{SignedDuration, Timestamp};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    process::{Child, Command},
    time::{Instant, sleep},
};

/// A daemon that runs, and where its log goes.
pub struct Daemon {
    child: Child,
    /// Where its log goes.
    pub log: PathBuf,
}

impl Daemon {
    /// Starts one of this name.
    pub fn start(boat: &Lifeboat, name: &str) -> Result<Self> {
        Self::of(boat, name, boat.command(&["daemon", "--name", name]))
    }

    /// Starts one by this command.
    pub fn of(boat: &Lifeboat, name: &str, mut command: Command) -> Result<Self> {
        let log = boat.path(&format!("{name}-{}.log", Timestamp::now().as_microsecond()));
        let child = command.stdout(Stdio::null()).stderr(fs::File::create(&log)?).spawn()?;
        Ok(Daemon { child, log })
    }

    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().expect("it runs") as i32).unwrap()
    }

    pub fn tell(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// The process of its run, once there is one.
    async fn run(&self) -> Pid {
        let own = self.pid().as_raw_nonzero().to_string();
        let mut found = None;
        within(30, &self.log, async || {
            found = fs::read_dir("/proc").unwrap().flatten().find_map(|entry| {
                let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
                let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
                let parent = stat.rsplit(')').next()?.split_whitespace().nth(1)?;
                (parent == own).then(|| Pid::from_raw(pid)).flatten()
            });
            found.is_some()
        })
        .await;
        found.unwrap()
    }

    /// Has it end.
    pub async fn end(mut self) -> Ran {
        self.tell(Signal::TERM);
        let status = tokio::time::timeout(Duration::from_secs(90), self.child.wait()).await;
        let code = status.expect("it ends").unwrap().code().unwrap_or(-1);
        Ran { code, stdout: String::new(), stderr: self.log() }
    }
}

/// Waits until something is so.
pub async fn within(seconds: u64, log: &Path, mut so: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !so().await {
        assert!(begun.elapsed() < Duration::from_secs(seconds), "{}", fs::read_to_string(log).unwrap());
        sleep(Duration::from_millis(100)).await;
    }
}

/// Whether anything of a process goes on: a dead one that nobody has looked after yet does not.
fn lives(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
    stat.is_ok_and(|stat| !stat.rsplit(')').next().unwrap().trim_start().starts_with('Z'))
}

/// Writes schedules into the configuration, in the place of those before.
pub fn schedules(boat: &Lifeboat, text: &str) -> Result<()> {
    boat.edit(|before| {
        let end = before.find("\nschedules:").unwrap_or(before.len());
        format!("{}\nschedules:\n{text}", &before[..end])
    })
}

/// Has a schedule known since long ago, so that what was due since was missed: it is made up for at once.
pub fn overdue(boat: &Lifeboat, schedule: &str) -> Result<()> {
    let place = boat.path("store/lab/schedules").join(schedule);
    fs::create_dir_all(&place)?;
    let at = Timestamp::now() - SignedDuration::from_hours(2);
    let name = format!("{}-1", at.strftime("%Y%m%dT%H%M%SZ"));
    let claim = format!(r#"{{"format": "1.0", "holder": "x", "at": "{at}"}}"#);
    let end = format!(r#"{{"format": "1.0", "outcome": "known", "began": "{at}", "ended": "{at}"}}"#);
    fs::write(place.join(format!("{name}.claim.json")), claim)?;
    Ok(fs::write(place.join(format!("{name}.end.json")), end)?)
}

async fn runs(boat: &Lifeboat) -> Vec<Value> {
    let told = boat.run(&["schedule", "runs", "-o", "json"]).await.expect(0).json();
    told["runs"].as_array().unwrap().clone()
}

async fn points(boat: &Lifeboat) -> Vec<Value> {
    let told = boat.run(&["list", "-o", "json"]).await.expect(0).json();
    told["points"].as_array().unwrap().clone()
}

fn outcomes(runs: &[Value]) -> Vec<(&str, &str)> {
    runs.iter().map(|run| (run["schedule"].as_str().unwrap(), run["outcome"].as_str().unwrap())).collect()
}

/// What is answered to a request for this path.
pub async fn ask(address: &str, path: &str) -> Result<String> {
    request(address, &format!("GET {path}"), address, "\r\n").await
}

/// What is answered to `METHOD PATH`, asked of this host; `rest` is further header lines, an empty one and a body.
pub async fn request(address: &str, what: &str, host: &str, rest: &str) -> Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let text = format!("{what} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{rest}");
    stream.write_all(text.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

const HOURLY: &str = "  - {name: hourly, cron: \"0 * * * *\", run: {backup: {etcdOnly: true}}}\n";
/// What is sealed takes a few seconds on its way into the store.
const SLOWLY: &str = "bandwidth: 300KB/s";

fn slowly(boat: &Lifeboat) -> Result<()> {
    boat.edit(|text| text.replacen("    url: ", &format!("    {SLOWLY}\n    url: "), 1))
}

fn quickly(boat: &Lifeboat) -> Result<()> {
    boat.edit(|text| text.replacen(&format!("    {SLOWLY}\n"), "", 1))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn daemon_saves_what_is_due_and_tells_of_it() -> Result<()> {
    with_boat(EtcdOptions::default(), 2, async |_, boat| {
        let port = Port::claim()?;
        let address = port.to_string();
        schedules(boat, &format!("{HOURLY}daemon: {{listen: \"{address}\", grace: 20s}}\n"))?;
        overdue(boat, "hourly")?;
        let next = boat.run(&["schedule", "next", "-n", "2", "-o", "json"]).await.expect(0).json();
        assert!(next["runs"][0]["why"]["missed"].is_u64() && next["runs"][1]["why"] == "due", "{next}");

        let daemon = Daemon::start(boat, "a")?;
        within(30, &daemon.log, async || {
            !points(boat).await.is_empty() && runs(boat).await[0]["ended"].is_string()
        })
        .await;
        let (run, point) = (runs(boat).await.remove(0), points(boat).await.remove(0));
        assert_eq!(
            (&run["outcome"], &run["made"], &run["holder"]),
            (&"completed".into(), &point["id"], &"a".into())
        );
        assert_eq!(point["job"], "hourly");
        boat.verify_all().await;
        let ready = ask(&address, "/readyz").await?;
        assert!(ready.starts_with("HTTP/1.1 200") && ready.ends_with("ready\n"), "{ready}");
        let metrics = ask(&address, "/metrics").await?;
        let counted =
            r#"lifeboat_runs_total{cluster="lab",schedule="hourly",runs="backup",outcome="completed"} 1"#;
        assert!(metrics.contains(counted) && metrics.trim_end().ends_with("# EOF"), "{metrics}");

        // A configuration that is wrong is told, and the one before stays in force, for what is begun too.
        let good = fs::read_to_string(boat.path("lifeboat.yaml"))?;
        overdue(boat, "verify")?;
        fs::write(boat.path("lifeboat.yaml"), good.replace("schedules:", "schedulse:"))?;
        daemon.tell(Signal::HUP);
        within(20, &daemon.log, async || daemon.log().contains("did you mean `schedules`?")).await;
        let rejected = ask(&address, "/metrics").await?;
        assert!(rejected.contains("lifeboat_configuration_rejected{cluster=\"lab\"} 1"), "{rejected}");
        assert!(ask(&address, "/readyz").await?.starts_with("HTTP/1.1 200"));
        // One that is right is in force at once.
        let more = "\n  - {name: verify, cron: \"0 * * * *\", run: {verify: {sample: 1}}}\ndaemon:";
        fs::write(boat.path("lifeboat.yaml"), good.replace("\ndaemon:", more))?;
        daemon.tell(Signal::HUP);
        within(30, &daemon.log, async || {
            runs(boat).await.iter().any(|it| it["schedule"] == "verify" && it["outcome"] == "completed")
        })
        .await;
        assert!(points(boat).await[0]["verified"].is_object());
        // What `lifeboat status` tells is counted, too.
        within(20, &daemon.log, async || {
            let metrics = ask(&address, "/metrics").await.unwrap();
            metrics.contains("lifeboat_points{cluster=\"lab\"} 1.0")
                && metrics.contains("\nlifeboat_last_verified_timestamp_seconds{")
        })
        .await;
        assert!(
            ask(&address, "/metrics").await?.contains("lifeboat_configuration_rejected{cluster=\"lab\"} 0")
        );
        daemon.end().await.expect(0).says("the configuration has changed, and is in force");
        assert!(ask(&address, "/healthz").await.is_err());
        Ok(())
    })
    .await
}

/// In real time: when the minute comes, of three daemons one begins it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn daemon_is_one_of_three_and_each_minute_is_saved_once() -> Result<()> {
    with_boat(EtcdOptions::default(), 1, async |_, boat| {
        schedules(boat, "  - {name: often, cron: \"* * * * *\", run: {backup: {etcdOnly: true}}}\n")?;
        let mut daemons =
            vec![Daemon::start(boat, "a")?, Daemon::start(boat, "b")?, Daemon::start(boat, "c")?];
        let log = daemons[0].log.clone();
        within(90, &log, async || points(boat).await.len() == 1).await;
        // Who has done it dies.
        let first = runs(boat).await.remove(0);
        let which = ["a", "b", "c"].iter().position(|name| first["holder"] == **name).context("nobody's")?;
        let dead = daemons.remove(which);
        dead.tell(Signal::KILL);
        within(90, &daemons[0].log, async || points(boat).await.len() == 2).await;
        for daemon in daemons {
            daemon.end().await.expect(0);
        }
        let runs = runs(boat).await;
        let dues: Vec<Timestamp> =
            runs.iter().map(|it| it["due"].as_str().unwrap().parse().unwrap()).collect();
        assert_eq!(outcomes(&runs), [("often", "completed"); 2], "{runs:?}");
        assert_eq!(dues[1].duration_since(dues[0]), SignedDuration::from_mins(1));
        for (run, due) in runs.iter().zip(dues) {
            let began: Timestamp = run["began"].as_str().unwrap().parse()?;
            let late = began.duration_since(due);
            assert!(!late.is_negative() && late < SignedDuration::from_secs(15), "{run}");
        }
        Ok(())
    })
    .await
}

/// Stopped with its run in the middle of it, it is given up by another one; when both go on, what they bring is no recovery point.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn daemon_that_slept_too_long_is_fenced() -> Result<()> {
    with_boat(EtcdOptions::default(), 6, async |_, boat| {
        schedules(boat, HOURLY)?;
        overdue(boat, "hourly")?;
        slowly(boat)?;
        let slept = Daemon::start(boat, "a")?;
        let run = slept.run().await;
        within(30, &slept.log, async || tree(&boat.path("store/lab/points")).len() > 1).await;
        for pid in [run, slept.pid()] {
            kill_process(pid, Signal::STOP)?;
        }
        quickly(boat)?;
        let other = Daemon::start(boat, "b")?;
        // Three minutes without a sign of life.
        within(260, &other.log, async || points(boat).await.len() == 1).await;
        for pid in [run, slept.pid()] {
            kill_process(pid, Signal::CONT)?;
        }
        within(60, &slept.log, async || slept.log().contains("was given up by")).await;
        within(60, &slept.log, async || !lives(run)).await;
        let all = runs(boat).await;
        assert_eq!(outcomes(&all), [("hourly", "lost"), ("hourly", "completed")], "{all:?}");
        assert_eq!((&all[0]["holder"], &all[1]["holder"]), (&"a".into(), &"b".into()));
        let point = points(boat).await;
        assert_eq!((point.len(), &point[0]["id"]), (1, &all[1]["made"]));
        // Nothing is left of what came too late.
        let there = fs::read_dir(boat.path("store/lab/points"))?.count();
        assert_eq!(there, 1, "{}", slept.log());
        boat.verify_all().await;
        slept.end().await.expect(0);
        other.end().await.expect(0);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn daemon_that_is_killed_takes_its_run_with_it_and_goes_on_when_it_is_started_again() -> Result<()> {
    with_boat(EtcdOptions::default(), 6, async |_, boat| {
        schedules(boat, &format!("{HOURLY}daemon: {{grace: 1s}}\n"))?;
        overdue(boat, "hourly")?;
        slowly(boat)?;
        let mut killed = Daemon::start(boat, "a")?;
        let run = killed.run().await;
        within(30, &killed.log, async || tree(&boat.path("store/lab/points")).len() > 1).await;
        killed.child.kill().await?;
        within(30, &killed.log, async || !lives(run)).await;
        assert!(killed.log().contains("the daemon is gone: this run stops"), "{}", killed.log());
        assert_eq!(fs::read_dir(boat.path("store/lab/points"))?.count(), 0);

        // Told to end, it gives what runs a second, and stops it.
        let told = Daemon::start(boat, "a")?;
        let run = told.run().await;
        within(30, &told.log, async || tree(&boat.path("store/lab/points")).len() > 1).await;
        told.end().await.expect(0).says("what still runs is stopped").says("nothing was left behind");
        assert!(!lives(run) && fs::read_dir(boat.path("store/lab/points"))?.count() == 0);

        quickly(boat)?;
        let daemon = Daemon::start(boat, "a")?;
        within(60, &daemon.log, async || points(boat).await.len() == 1).await;
        daemon.end().await.expect(0);
        let all = runs(boat).await;
        assert_eq!(outcomes(&all), [("hourly", "lost"), ("hourly", "stopped"), ("hourly", "completed")]);
        let attempts: Vec<&Value> = all.iter().map(|it| &it["attempt"]).collect();
        assert_eq!(attempts, [1, 2, 3]);
        boat.verify_all().await;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn daemon_and_schedules_that_cannot_be() -> Result<()> {
    with_boat(EtcdOptions::default(), 0, async |etcd, boat| {
        boat.run(&["daemon"]).await.expect(2).says("has no `schedules`: there is nothing to run");
        boat.run(&["schedule", "next"]).await.expect(2).says("has no `schedules`");
        schedules(boat, HOURLY)?;
        boat.run(&["schedule", "next", "daily"])
            .await
            .expect(2)
            .says("no schedule is called `daily`: there are hourly");
        boat.run(&["daemon", "--name", "a b"]).await.expect(2).says("give it one with --name");
        let port = etcd.endpoints()[0].rsplit(':').next().unwrap().to_owned();
        schedules(boat, &format!("{HOURLY}daemon: {{listen: \"127.0.0.1:{port}\"}}\n"))?;
        boat.run(&["daemon"]).await.expect(1).says("cannot be listened on");
        // Given by hand, a run needs its daemon.
        let mut command = boat.command(&["-c", "lifeboat.yaml", "backup"]);
        let ran: Ran = command.env("LIFEBOAT_TURN", "hourly/20261129T150000Z-1").output().await?.into();
        ran.expect(2).says("was LIFEBOAT_TURN set by hand?");

        // What cannot be read of a run stops nothing: it is taken for one that failed.
        schedules(boat, HOURLY)?;
        overdue(boat, "hourly")?;
        let place = boat.path("store/lab/schedules/hourly");
        for entry in fs::read_dir(&place)? {
            fs::write(entry?.path(), "damaged")?;
        }
        let daemon = Daemon::start(boat, "a")?;
        within(30, &daemon.log, async || points(boat).await.len() == 1).await;
        daemon.end().await.expect(0).says("what is said of its end cannot be read");
        assert_eq!(outcomes(&runs(boat).await), [("hourly", "failed"), ("hourly", "completed")]);

        // Where the store does not answer the times are told all the same.
        let gone = ["--store", "s3://bucket", "schedule", "next", "-n", "3", "-o", "json"];
        let mut command = boat.command(&gone);
        for (name, value) in [
            ("AWS_ENDPOINT_URL", "http://127.0.0.1:9"),
            ("AWS_ACCESS_KEY_ID", "id"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
            ("AWS_REGION", "us-east-1"),
        ] {
            command.env(name, value);
        }
        let told = Ran::from(command.output().await?).expect(1).says("what was missed is not known");
        assert_eq!(told.stdout.matches("\"due\": \"").count(), 3, "{told:?}");
        Ok(())
    })
    .await
}
