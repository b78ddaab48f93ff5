//! From a schedule of the configuration to the job that a daemon keeps.

use crate::{
    config::{Loaded, Run, Schedule, ScheduleNotify, ScheduleNotifyOn, Size},
    daemon::{Job, Occasion, Tell, Work},
    schedule::Rule,
};
use jiff::SignedDuration;
use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    time::Duration,
};

pub(in crate::cli) fn job(loaded: &Loaded, it: &Schedule) -> Job {
    let (work, command) = command(loaded, it.name.as_str(), &it.run);
    Job {
        rule: Rule {
            name: it.name.to_string(),
            cron: it.cron.cron().clone(),
            zone: it.time_zone.zone(),
            jitter: it.jitter.map_or(SignedDuration::ZERO, span),
            deadline: it.starting_deadline.as_ref().map(|deadline| span(deadline.length())),
            overlap: it.concurrency.into(),
            suspended: it.suspend,
        },
        retries: it.retries,
        timeout: it.timeout,
        work,
        tells: it.notify.iter().map(|it| tell(loaded, it)).collect(),
        command,
    }
}

fn tell(loaded: &Loaded, it: &ScheduleNotify) -> Tell {
    let channel = it.channel.to_string();
    let known = loaded.config.notifications.iter().find(|known| known.name == it.channel);
    if known.is_some_and(|known| known.alertmanager.is_some()) {
        // It tells people once itself, forgets when it is started again, and may have missed that all is well.
        let on = vec![Occasion::Failed, Occasion::Recovered, Occasion::Succeeded];
        return Tell { channel, on, again: SignedDuration::ZERO };
    }
    let on = |it: &ScheduleNotifyOn| match it {
        ScheduleNotifyOn::Failed => Occasion::Failed,
        ScheduleNotifyOn::Recovered => Occasion::Recovered,
        ScheduleNotifyOn::Succeeded => Occasion::Succeeded,
    };
    Tell { channel, on: it.on.iter().map(on).collect(), again: span(it.again.length()) }
}

fn span(length: Duration) -> SignedDuration {
    SignedDuration::try_from(length).unwrap_or(SignedDuration::MAX)
}

/// The words of a command.
struct Words(Vec<OsString>);

impl Words {
    fn word(mut self, word: impl Into<OsString>) -> Self {
        self.0.push(word.into());
        self
    }

    fn flag(self, flag: &str, given: bool) -> Self {
        if given { self.word(flag) } else { self }
    }

    fn option(self, flag: &str, value: Option<impl Into<OsString>>) -> Self {
        match value {
            Some(value) => self.word(flag).word(value),
            None => self,
        }
    }
}

fn command(loaded: &Loaded, name: &str, run: &Run) -> (Work, Vec<OsString>) {
    let path = |path: &Path| -> PathBuf { loaded.resolve(path) };
    let of = |words: &str| Words(words.split(' ').map(Into::into).collect());
    let (work, words) = if let Some(backup) = &run.backup {
        let words = of("backup --job").word(name).flag("--etcd-only", backup.etcd_only);
        (
            Work::Backup,
            words.flag("--resources-only", backup.resources_only).flag("--read-back", backup.read_back),
        )
    } else if let Some(verify) = &run.verify {
        let words = of("verify --sample").word(verify.sample.to_string());
        let words = words.option("--budget", verify.budget.as_ref().map(Size::as_str));
        let identity = verify.deep_with.as_deref();
        (Work::Verify, words.flag("--deep", identity.is_some()).option("--identity", identity.map(path)))
    } else if let Some(drill) = &run.drill {
        (Work::Drill, of("drill run").word(path(&drill.file)).word("--identity").word(path(&drill.identity)))
    } else if let Some(playbook) = &run.playbook {
        let words =
            of("playbook run --yes").word(&playbook.name).word("--by").word(format!("schedule {name}"));
        let words = playbook
            .params
            .iter()
            .fold(words, |words, (name, value)| words.word("--param").word(format!("{name}={value}")));
        (Work::Playbook, words.option("--identity", playbook.identity.as_deref().map(path)))
    } else if run.status.is_some() {
        (Work::Status, of("status --cluster").word(loaded.config.cluster.as_str()))
    } else if run.copy.is_some() {
        (Work::Copy, of("copy"))
    } else {
        (Work::Prune, of("prune"))
    };
    (work, words.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn commands(runs: &[&str]) -> Vec<String> {
        let schedules: Vec<String> =
            runs.iter().map(|run| format!("- {{name: job, cron: '@daily', run: {run}}}\n")).collect();
        schedules
            .iter()
            .map(|schedule| {
                let text = format!(
                    "apiVersion: lifeboat.dev/v1\nkind: Config\ncluster: c\nstores: [{{name: m, url: 'file:///s'}}]\nschedules:\n{schedule}"
                );
                let loaded = Config::loaded(&text, Path::new("/etc/lifeboat/lifeboat.yaml")).unwrap();
                let job = job(&loaded, &loaded.config.schedules[0]);
                let words: Vec<String> = job.command.iter().map(|it| it.to_string_lossy().into_owned()).collect();
                // What a daemon starts is a command that there is.
                let given = ["lifeboat".to_owned()].into_iter().chain(words.clone());
                crate::cli::command().try_get_matches_from(given).unwrap();
                format!("{}: {}", job.work.as_str(), words.join(" "))
            })
            .collect()
    }

    #[test]
    fn every_kind_of_run_is_a_command() {
        let runs = [
            "{backup: {}}",
            "{backup: {etcdOnly: true, readBack: true}}",
            "{backup: {resourcesOnly: true}}",
            "{prune: {}}",
            "{copy: {}}",
            "{status: {}}",
            "{verify: {}}",
            "{verify: {sample: 7, budget: 20GiB, deepWith: id.txt}}",
            "{drill: {file: d.yaml, identity: /keys/id.txt}}",
            "{playbook: {name: check, params: {a: '1', b: x y}, identity: id.txt}}",
        ];
        let expected = [
            "backup: backup --job job",
            "backup: backup --job job --etcd-only --read-back",
            "backup: backup --job job --resources-only",
            "prune: prune",
            "copy: copy",
            "status: status --cluster c",
            "verify: verify --sample 3",
            "verify: verify --sample 7 --budget 20GiB --deep --identity /etc/lifeboat/id.txt",
            "drill: drill run /etc/lifeboat/d.yaml --identity /keys/id.txt",
            "playbook: playbook run --yes check --by schedule job --param a=1 --param b=x y --identity /etc/lifeboat/id.txt",
        ];
        assert_eq!(commands(&runs), expected);
    }

    #[test]
    fn an_alertmanager_is_told_of_every_run() {
        let text = "apiVersion: lifeboat.dev/v1\nkind: Config\ncluster: c\nstores: [{name: m, url: 'file:///s'}]\n\
            notifications: [{name: chat, slack: {url: {env: A}}}, {name: alerts, alertmanager: {url: 'http://am:9093'}}]\n\
            schedules: [{name: job, cron: '@daily', run: {prune: {}}, notify: [\
            {channel: chat, on: [failed], again: 2d}, {channel: alerts, on: [failed], again: 2d}]}]\n";
        let loaded = Config::loaded(text, Path::new("/etc/lifeboat/lifeboat.yaml")).unwrap();
        let [chat, alerts] = job(&loaded, &loaded.config.schedules[0]).tells.try_into().unwrap();
        assert_eq!((chat.on, chat.again), (vec![Occasion::Failed], SignedDuration::from_hours(48)));
        let all = vec![Occasion::Failed, Occasion::Recovered, Occasion::Succeeded];
        assert_eq!((alerts.on, alerts.again), (all, SignedDuration::ZERO));
    }
}
