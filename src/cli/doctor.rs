use super::{
    Exit,
    context::{Api, Context},
    failure::Failure,
    output,
};
use crate::{
    pipeline::Signer,
    point::Key,
    report,
    restore::etcd::{Etcdutl, Version},
    source::{
        etcd::{Agreement, Alarm, EtcdOptions, Member, Survey, client_certificate, server_certificate},
        kube::{Access, Cluster},
    },
    store::{self, Store, StoreError},
};
use jiff::{Timestamp, ToSpan};
use serde::Serialize;
use serde_json::json;

/// Tries each thing that a backup and a restore need, and says how to mend what is wrong
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Nothing is changed, but for a small object that is written to the store, read back and removed.

Examples:
  lifeboat doctor
  lifeboat doctor -o json | jq '.checks[] | select(.level != \"ok\")'")]
pub(super) struct Args {
    #[command(flatten)]
    api: Api,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Ok,
    Info,
    Warning,
    Error,
}

#[derive(Debug, Serialize)]
struct Check {
    level: Level,
    about: String,
    message: String,
}

/// The checks so far.
struct Checks(Vec<Check>);

impl Checks {
    fn add(&mut self, level: Level, about: impl Into<String>, message: impl Into<String>) {
        self.0.push(Check { level, about: about.into(), message: message.into() });
    }

    fn result<T, E: std::fmt::Display>(
        &mut self,
        about: &str,
        result: Result<T, E>,
        ok: impl FnOnce(&T) -> String,
    ) -> Option<T> {
        match result {
            Ok(value) => {
                self.add(Level::Ok, about, ok(&value));
                Some(value)
            }
            Err(e) => {
                self.add(Level::Error, about, e.to_string());
                None
            }
        }
    }
}

pub(super) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let loaded = context.config()?;
    let mut checks = Checks(Vec::new());
    checks.add(Level::Ok, "configuration", format!("{} is well-formed", loaded.path.display()));
    keys(context, &mut checks);
    match context.store() {
        Ok(store) => check_store(store.as_ref(), loaded.config.cluster.as_str(), &mut checks).await,
        Err(e) => checks.add(Level::Error, "store", e.error.to_string()),
    }
    let mut newest = None;
    match context.etcd() {
        Ok(Some(options)) => newest = etcd(&options, &mut checks).await,
        Ok(None) => {
            checks.add(Level::Warning, "etcd", "not configured: only the API server's objects will be saved")
        }
        Err(e) => checks.add(Level::Error, "etcd", e.error.to_string()),
    }
    kubernetes(context, &args.api, &mut checks).await;
    etcdutl(context, newest, &mut checks).await;

    let worst = checks.0.iter().map(|c| c.level).max().unwrap_or(Level::Ok);
    let value = json!({"worst": worst, "checks": checks.0});
    output::result(context.global.output, &value, || {
        let name = |level| match level {
            Level::Ok => "ok",
            Level::Info => "note",
            Level::Warning => "WARNING",
            Level::Error => "ERROR",
        };
        let rows =
            checks.0.iter().map(|c| vec![name(c.level).to_owned(), c.about.clone(), c.message.clone()]);
        report::table(&["", "what", "finding"], rows)
    })?;
    Ok(if worst == Level::Error { Exit::Failed } else { Exit::Done })
}

fn keys(context: &Context, checks: &mut Checks) {
    let said = |f: Failure| f.error;
    checks.result("recipients", context.recipients().map_err(said), |r| {
        format!("{} that age accepts; their identities are not needed here", r.names().len())
    });
    checks.result("signing key", context.signer().map_err(said), |_: &Signer| {
        "it is readable and belongs to signing.publicKey".to_owned()
    });
}

async fn check_store(store: &dyn Store, cluster: &str, checks: &mut Checks) {
    let about = format!("store {}", store.url());
    let key = match Key::new(format!("{cluster}/doctor/{:08x}", rand::random::<u32>())) {
        Ok(key) => key,
        Err(e) => return checks.add(Level::Error, about, e.to_string()),
    };
    let probe = b"written by lifeboat doctor".to_vec();
    if checks
        .result(&about, store.put(&key, store::body(probe.clone())).await, |_| {
            "an object can be written".into()
        })
        .is_none()
    {
        return;
    }
    match store::read_all(store, &key, 1024).await {
        Ok(read) if read == probe => checks.add(Level::Ok, &about, "it reads back as it was written"),
        Ok(_) => checks.add(Level::Error, &about, "it reads back changed: do not trust this store"),
        Err(e) => checks.add(Level::Error, &about, e.to_string()),
    }
    match store.put(&key, store::body(b"again".to_vec())).await {
        Err(StoreError::Exists { .. }) => {
            checks.add(Level::Ok, &about, "an object that exists is not overwritten")
        }
        Ok(_) => checks.add(
            Level::Error,
            &about,
            "an object that exists can be overwritten: a backup is not safe there",
        ),
        Err(e) => checks.add(Level::Error, &about, e.to_string()),
    }
    checks.result(&about, store.delete(&key).await, |()| "it can be removed".into());
    if let Ok(promises) = store.promises().await {
        match promises.free_bytes {
            Some(free) if free < 1 << 30 => {
                checks.add(Level::Warning, &about, format!("only {} are free", report::bytes(free)));
            }
            Some(free) => checks.add(Level::Ok, &about, format!("{} are free", report::bytes(free))),
            None => {}
        }
        for remark in promises.remarks {
            checks.add(Level::Info, &about, remark);
        }
    }
}

/// Returns the newest etcd version among the members.
async fn etcd(options: &EtcdOptions, checks: &mut Checks) -> Option<Version> {
    if let Some(cert) = options.tls.as_ref().and_then(|t| t.cert.as_ref()) {
        let about = format!("certificate {}", cert.display());
        match client_certificate(cert) {
            Ok(found) => expiry(&about, found.not_after, checks),
            Err(e) => checks.add(Level::Error, about, e.to_string()),
        }
    }
    let survey = checks.result("etcd", Survey::take(options).await, |s| {
        let up = s.members.iter().filter(|m| m.status.is_some()).count();
        format!("cluster {:x}, {up} of {} members answer", s.cluster_id, s.members.len())
    })?;
    for member in &survey.members {
        check_member(member, options, checks).await;
    }
    if let Err(e) = survey.candidates() {
        checks.add(Level::Error, "etcd", e.to_string());
    }
    let revision = survey.comparable_revision().await.unwrap_or(0);
    match survey.compare(revision).await {
        Ok(Agreement::Agree { hash, silent }) => {
            let message = format!("the members agree at revision {revision}: {:08x}", hash.hash);
            checks.add(if silent.is_empty() { Level::Ok } else { Level::Warning }, "etcd KV hash", message);
            for (name, reason) in silent {
                checks.add(Level::Warning, format!("etcd {name}"), format!("no KV hash: {reason}"));
            }
        }
        Ok(other) => {
            checks.add(Level::Warning, "etcd KV hash", format!("it could not be compared: {other:?}"))
        }
        Err(e) => checks.add(Level::Error, "etcd KV hash", e.to_string()),
    }
    survey.members.iter().filter_map(|m| Version::parse(&m.status.as_ref()?.version)).max()
}

async fn check_member(member: &Member, options: &EtcdOptions, checks: &mut Checks) {
    let about = format!("etcd {}", member.label());
    let Some(status) = &member.status else {
        let reason = member.failure.as_deref().unwrap_or("it does not answer");
        return checks.add(
            Level::Warning,
            about,
            format!("{reason}; a backup does without it, its disk may need you"),
        );
    };
    let role = if member.learner {
        "learner"
    } else if status.leader {
        "leader"
    } else {
        "follower"
    };
    let quota = match status.quota_bytes {
        0 => String::new(),
        quota => format!(" of {} allowed", report::bytes(quota)),
    };
    let message = format!(
        "{} {role}, database {}{quota}, {} in use, revision {}",
        status.version,
        report::bytes(status.db_bytes),
        report::bytes(status.db_in_use_bytes),
        status.revision
    );
    checks.add(Level::Ok, &about, message);
    if !status.has_leader {
        checks.add(
            Level::Warning,
            &about,
            "it knows of no leader: the cluster has no quorum, or it is cut off",
        );
    }
    if status.quota_bytes > 0 && status.db_bytes / 10 * 10 > status.quota_bytes / 10 * 9 {
        checks.add(Level::Warning, &about, "more than 90 % of its quota is used: compact and defragment it");
    }
    for alarm in &member.alarms {
        match alarm {
            Alarm::Corrupt => {
                checks.add(Level::Error, &about, "alarm CORRUPT: its data differs; replace this member")
            }
            Alarm::NoSpace => {
                let mend =
                    "alarm NOSPACE: compact, defragment, then `etcdctl alarm disarm`; backups work meanwhile";
                checks.add(Level::Warning, &about, mend);
            }
        }
    }
    if member.endpoint.starts_with("https://") {
        match server_certificate(&member.endpoint, options.tls.as_ref(), options.connect_timeout).await {
            Ok(found) => expiry(&format!("certificate of {}", member.label()), found.not_after, checks),
            Err(e) => checks.add(Level::Warning, &about, format!("its certificate could not be read: {e}")),
        }
    }
}

fn expiry(about: &str, not_after: Timestamp, checks: &mut Checks) {
    let now = Timestamp::now();
    let soon = now.checked_add((30 * 24).hours()).unwrap_or(now);
    if not_after < now {
        checks.add(Level::Error, about, format!("it expired at {not_after}: renew it"));
    } else if not_after < soon {
        checks.add(Level::Warning, about, format!("it expires at {not_after}: renew it"));
    } else {
        checks.add(Level::Ok, about, format!("it holds until {not_after}"));
    }
}

async fn kubernetes(context: &Context, api: &Api, checks: &mut Checks) {
    let about = "API server";
    let (connection, filter) = match context.resources(api) {
        Ok(found) => found,
        Err(e) => return checks.add(Level::Error, about, e.error.to_string()),
    };
    let cluster = match Cluster::connect(&connection).await {
        Ok(cluster) => cluster,
        Err(e) => return checks.add(Level::Error, about, e.to_string()),
    };
    checks.add(Level::Ok, about, format!("{} at {}", cluster.version(), cluster.server()));
    match cluster.ready().await {
        Ok(ready) if ready.ready => {
            checks.add(Level::Ok, about, format!("ready, by {} checks of its own", ready.checks))
        }
        Ok(ready) => checks.add(Level::Warning, about, format!("not ready: {}", ready.failing.join(", "))),
        Err(e) => checks.add(Level::Warning, about, e.to_string()),
    }
    let discovery = match cluster.discover(&filter).await {
        Ok(discovery) => discovery,
        Err(e) => return checks.add(Level::Error, about, e.to_string()),
    };
    for failed in &discovery.failed {
        checks.add(
            Level::Warning,
            &failed.resource,
            format!("its types cannot be learned: {}", failed.reason),
        );
    }
    for pattern in &discovery.unmatched {
        checks.add(Level::Warning, "resources", pattern.to_string());
    }
    let mut allowed = 0;
    for permission in cluster.permissions(&discovery, &filter).await {
        let name = permission.resource.label();
        match permission.list {
            Access::Allowed => allowed += 1,
            Access::Denied(reason) => {
                let why = if reason.is_empty() { String::new() } else { format!(" ({reason})") };
                checks.add(Level::Error, name, format!("listing it is forbidden{why}: allow get and list"));
            }
            Access::Unknown(reason) => {
                checks.add(Level::Warning, name, format!("may it be listed? {reason}"))
            }
        }
    }
    checks.add(Level::Ok, about, format!("{allowed} of {} types may be listed", discovery.types.len()));
}

async fn etcdutl(context: &Context, wanted: Option<Version>, checks: &mut Checks) {
    let Ok(program) = context.etcdutl(None) else { return };
    match Etcdutl::find(&program, wanted.unwrap_or(Version(3, 5))).await {
        Ok(found) if found.can_bump() => {
            checks.add(
                Level::Ok,
                "etcdutl",
                format!("{} ({}), for restores", found.version, found.program.display()),
            );
        }
        Ok(found) => {
            let message = format!("{} cannot raise revisions on a restore: use one of 3.6", found.version);
            checks.add(Level::Warning, "etcdutl", message);
        }
        Err(e) => checks.add(
            Level::Warning,
            "etcdutl",
            format!("{e}; a backup does without it, a restore does not"),
        ),
    }
}
