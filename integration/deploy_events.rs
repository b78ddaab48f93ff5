//! What happened stands as Events with the objects of deploy/kustomize: told to a real API server by real runs that have the rights of
//! their pods and no others, and read by kubectl. Where nobody takes them, runs end as well without.

use crate::{
    boat::Lifeboat,
    daemon::{Daemon, overdue, schedules, within},
    deploy_case::{OVERLAYS, place, rendered, template, with_events},
    kube_in_cluster::Pod,
    lab::{Cluster, ClusterOptions, fill, with_cluster},
};
use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::fs;
use tokio::process::Command;

/// An account of what was applied, its pod, and the object that the pod comes from.
pub struct Home<'a> {
    cluster: &'a Cluster,
    /// Where its token is, and the program.
    pub pod: Pod<'a>,
    /// `cronjob/lifeboat-backup`, as the container's environment has it.
    subject: String,
}

impl<'a> Home<'a> {
    /// Applies the objects, and gives the pod of one of them.
    pub async fn of(cluster: &'a Cluster, objects: &[Value], workload: &str) -> Result<Self> {
        fill::apply_all(&cluster.client().await?, objects).await?;
        let mut named = objects.iter().filter(|it| it["metadata"]["name"] == workload);
        let spec = &named.find_map(template).context("no such workload")?["spec"];
        let env = spec["containers"][0]["env"].as_array().into_iter().flatten();
        let value = |name: &str| env.clone().find(|it| it["name"] == name).context(name.to_owned());
        assert_eq!(value("POD_NAME")?["valueFrom"], json!({"fieldRef": {"fieldPath": "metadata.name"}}));
        let subject = value("LIFEBOAT_EVENTS")?["value"].as_str().context("no subject")?.to_owned();
        let boat = Lifeboat::init(cluster.etcd().dir(), Some(cluster.etcd()), None).await?;
        let pod = Pod::mounted(cluster, boat, "lifeboat", "")?;
        let account = spec["serviceAccountName"].as_str().context("no account")?;
        let token = cluster.kubectl(&["create", "token", account, "-n", "lifeboat"]).await?;
        pod.give(token.trim())?;
        Ok(Home { cluster, pod, subject })
    }

    async fn command(&self, name: &str, args: &[&str]) -> Result<Command> {
        let mut command = self.pod.command(args).await?;
        command.env("LIFEBOAT_EVENTS", &self.subject).env("POD_NAME", name);
        Ok(command)
    }

    /// Runs the program there.
    pub async fn run(&self, args: &[&str]) -> Result<crate::boat::Ran> {
        Ok(self.command("lifeboat-pod-1", args).await?.output().await?.into())
    }

    /// What kubectl shows below the object, and all events of the namespace.
    async fn told(&self) -> Result<(String, Vec<Value>)> {
        let described = self.cluster.kubectl(&["describe", &self.subject, "-n", "lifeboat"]).await?;
        let shown = described.rsplit_once("\nEvents:").context("no events")?.1.to_owned();
        let all =
            self.cluster.kubectl(&["get", "events.events.k8s.io", "-n", "lifeboat", "-o", "json"]).await?;
        let all: Value = serde_json::from_str(&all)?;
        Ok((shown, all["items"].as_array().cloned().unwrap_or_default()))
    }

    /// The only event of this reason.
    async fn only(&self, reason: &str) -> Result<(String, Value)> {
        let (shown, all) = self.told().await?;
        let these: Vec<_> = all.iter().filter(|it| it["reason"] == reason).collect();
        ensure!(these.len() == 1 && shown.contains(reason), "{reason}: {shown} {all:#?}");
        Ok((shown, these[0].clone()))
    }
}

fn overlay(name: &str) -> Result<Vec<Value>> {
    rendered(&place().join("kustomize/overlays").join(name))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_tells_of_its_cron_job_and_waits_for_nobody_who_does_not_take_it() -> Result<()> {
    with_cluster(ClusterOptions::default(), async |cluster| {
        let home = Home::of(cluster, &overlay("resources")?, "lifeboat-backup").await?;
        let boat = &home.pod.boat;
        let ran = home.run(&["backup", "--resources-only", "-o", "json"]).await?.expect(0);
        assert!(!ran.stderr.contains("WARN"), "{}", ran.stderr);
        let id = ran.json()["id"].as_str().context("no id")?.to_owned();
        let (shown, event) = home.only("BackupSucceeded").await?;
        assert!(shown.contains("Normal") && shown.contains(&format!("recovery point {id}, ")), "{shown}");
        assert!(shown.contains("lifeboat.dev/lifeboat"), "{shown}");
        assert_eq!(
            (&event["reportingInstance"], &event["action"], &event["series"]),
            (&json!("lifeboat-pod-1"), &json!("Backup"), &Value::Null)
        );

        // What fails in the same way again is the same event, once more; what is no run tells nothing.
        let good = fs::read_to_string(boat.path("lifeboat.yaml"))?;
        let dead: Vec<String> = (1..60).map(|last| format!("http://127.0.0.{last}:1")).collect();
        boat.edit(|text| text.replace(&cluster.etcd().endpoints()[0], &dead.join("\"\n    - \"")))?;
        for _ in 0..3 {
            home.run(&["backup", "--etcd-only"]).await?.expect(1);
        }
        home.run(&["doctor"]).await?.expect(1);
        let (shown, event) = home.only("BackupFailed").await?;
        assert_eq!(event["series"]["count"], 3, "{event:#?}");
        assert!(shown.contains("Warning") && shown.contains("(x3 over "), "{shown}");
        // The server takes just so much of what there is to say.
        let note = event["note"].as_str().context("no note")?;
        assert!(note.len() > 1000 && note.len() <= 1024 && note.ends_with('…'), "{note}");
        let found = cluster.kubectl(&["events", "-n", "lifeboat", "--for", &home.subject]).await?;
        assert!(found.contains("BackupFailed") && found.contains("BackupSucceeded"), "{found}");
        // Why a configuration is wrong may quote it.
        fs::write(boat.path("lifeboat.yaml"), good.replace("signing:", "signign: {password: hunter2}\nx:"))?;
        home.run(&["backup"]).await?.expect(2);
        let (_, all) = home.told().await?;
        assert_eq!(all.len(), 3, "{all:#?}");
        let all = json!(all).to_string();
        assert!(all.contains("wrong usage or configuration") && !all.contains("hunter2"), "{all}");
        fs::write(boat.path("lifeboat.yaml"), good)?;

        // No more than that is allowed.
        let may = async |what: &[&str]| {
            let account = "--as=system:serviceaccount:lifeboat:lifeboat-backup";
            let asked = [&["auth", "can-i"], what, &[account]].concat();
            cluster.kubectl(&asked).await.is_ok()
        };
        assert!(may(&["create", "events.events.k8s.io", "-n", "lifeboat"]).await);
        for what in [
            &["create", "events.events.k8s.io", "-n", "default"][..],
            &["get", "events.events.k8s.io", "-n", "lifeboat"],
            &["delete", "events.events.k8s.io", "-n", "lifeboat"],
            &["create", "events", "-n", "lifeboat"],
            &["get", "cronjob/lifeboat-verify", "-n", "lifeboat"],
            &["patch", "cronjob/lifeboat-backup", "-n", "lifeboat"],
        ] {
            assert!(!may(what).await, "{what:?}");
        }

        let untold = async |why: &str| {
            let ran = home.run(&["backup", "--etcd-only"]).await?.expect(0).says(why);
            assert_eq!(ran.stderr.matches("could not be written").count(), 1, "{}", ran.stderr);
            Ok::<_, anyhow::Error>(())
        };
        let apiserver = cluster.apiserver();
        apiserver.pause()?;
        untold("BackupSucceeded of cronjob/lifeboat-backup could not be written: the API server did not take it within 5 s").await?;
        apiserver.resume()?;
        apiserver.kill();
        untold("could not be written").await?;
        apiserver.start().await?;
        home.pod.give("no token at all")?;
        untold("401").await?;
        let wrong = async |subject: &str, mut command: Command| -> Result<crate::boat::Ran> {
            Ok(crate::boat::Ran::from(command.env("LIFEBOAT_EVENTS", subject).output().await?).expect(0))
        };
        let etcd_only = ["backup", "--etcd-only"];
        let said = wrong("pod/x", home.pod.command(&etcd_only).await?).await?;
        said.says("no events are written: LIFEBOAT_EVENTS: \"pod/x\" is neither cronjob/NAME nor deployment/NAME");
        // In no pod there is nobody to tell.
        wrong(&home.subject, boat.command(&etcd_only)).await?.says("could not be written");
        // Where nothing is to be told, nobody is asked.
        let quiet = home.pod.run(&["backup", "--etcd-only"]).await?.expect(0);
        assert!(!quiet.stderr.contains("event"), "{}", quiet.stderr);
        boat.verify_all().await;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_runs_tells_of_its_cron_job_where_that_is_asked_for() -> Result<()> {
    with_cluster(ClusterOptions::default(), async |cluster| {
        let home = Home::of(cluster, &with_events("resources")?, "lifeboat-prune").await?;
        home.pod.boat.maker("store")?.ago(jiff::SignedDuration::from_hours(3))?;
        home.run(&["prune", "--keep-last", "1"]).await?.expect(0);
        let (shown, event) = home.only("PruneSucceeded").await?;
        assert!(shown.contains("deleted 0 recovery points"), "{shown}");
        assert_eq!(event["regarding"]["name"], "lifeboat-prune");
        // Its token is good for nothing else.
        let able = home.run(&["backup", "--resources-only"]).await?;
        assert!(able.code != 0, "{able:?}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_tells_of_its_deployment() -> Result<()> {
    with_cluster(ClusterOptions::default(), async |cluster| {
        fill::shop(&cluster.client().await?).await?;
        let home = Home::of(cluster, &overlay("daemon-resources")?, "lifeboat-daemon").await?;
        let boat = &home.pod.boat;
        schedules(boat, "  - {name: hourly, cron: \"0 * * * *\", run: {backup: {}}}\n")?;
        overdue(boat, "hourly")?;
        let daemon =
            Daemon::of(boat, "a", home.command("lifeboat-daemon-a", &["daemon", "--name", "a"]).await?)?;
        let told = async |reason: &str| {
            within(60, &daemon.log, async || {
                home.told().await.is_ok_and(|(shown, _)| shown.contains(reason))
            })
            .await;
            home.only(reason).await
        };
        // Of its run the daemon tells, and not the run itself as well.
        let (shown, event) = told("BackupSucceeded").await?;
        assert!(shown.contains("hourly: recovery point 20"), "{shown}");
        assert_eq!(event["reportingInstance"], "lifeboat-daemon-a");
        assert_eq!(event["regarding"]["kind"], "Deployment");

        let good = fs::read_to_string(boat.path("lifeboat.yaml"))?;
        fs::write(boat.path("lifeboat.yaml"), good.replace("schedules:", "schedulse:"))?;
        daemon.tell(Signal::HUP);
        let (shown, _) = told("ConfigurationRejected").await?;
        assert!(!shown.contains("schedulse"), "{shown}");
        overdue(boat, "broken")?;
        let broken =
            "\nschedules:\n  - {name: broken, cron: \"0 * * * *\", run: {verify: {deepWith: gone.txt}}}";
        fs::write(boat.path("lifeboat.yaml"), good.replace("\nschedules:", broken))?;
        daemon.tell(Signal::HUP);
        told("ConfigurationAccepted").await?;
        let (shown, _) = told("VerifyFailed").await?;
        assert!(shown.contains("broken: "), "{shown}");

        // Nobody takes what is told any more: that is said once, and the daemon does what it did.
        cluster.apiserver().kill();
        for schedules in ["\nschedules:", "\nschedules:  # changed"] {
            let before = daemon.log().matches("is in force").count();
            fs::write(boat.path("lifeboat.yaml"), good.replace("\nschedules:", schedules))?;
            daemon.tell(Signal::HUP);
            within(60, &daemon.log, async || daemon.log().matches("is in force").count() > before).await;
        }
        let ended = daemon.end().await.expect(0);
        assert_eq!(ended.stderr.matches("could not be written").count(), 1, "{}", ended.stderr);
        assert!(!ended.stderr.contains("could not be delivered in time"), "{}", ended.stderr);
        Ok(())
    })
    .await
}

/// Every variant names an object that is there.
#[test]
fn what_is_told_of_is_deployed() -> Result<()> {
    for overlay in OVERLAYS {
        let objects = with_events(overlay)?;
        let names: Vec<String> = objects
            .iter()
            .filter_map(|it| {
                let kind = it["kind"].as_str()?.to_ascii_lowercase();
                Some(format!("{kind}/{}", it["metadata"]["name"].as_str()?))
            })
            .collect();
        let text = json!(objects).to_string();
        let told = text.split("\"LIFEBOAT_EVENTS\",\"value\":\"").skip(1);
        let told: Vec<&str> = told.filter_map(|rest| Some(rest.split_once('"')?.0)).collect();
        ensure!(
            told.len() > 1 && told.iter().all(|it| names.iter().any(|name| name == it)),
            "{overlay}: {told:?}"
        );
    }
    Ok(())
}
