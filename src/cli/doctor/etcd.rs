use super::{
    Checks, Context, Level,
    certificates::{expiry, renewable},
};
use crate::{
    report,
    restore::etcd::{Etcdutl, Version},
    source::etcd::{Agreement, Alarm, EtcdOptions, Member, Survey, TlsFiles, server_certificate},
};

/// Looks at every member, compares them, and returns the newest version among them.
pub(super) async fn check(options: &EtcdOptions, checks: &mut Checks) -> Option<Version> {
    renewable(options.tls.iter().flat_map(TlsFiles::certificates), checks);
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
            Ok(found) => {
                let (level, said) = expiry(&found, jiff::Timestamp::now());
                checks.add(level, format!("certificate of {}", member.label()), said);
            }
            Err(e) => checks.add(Level::Warning, &about, format!("its certificate could not be read: {e}")),
        }
    }
}

/// The program that a restore starts, which has to be as new as the newest member.
pub(super) async fn etcdutl(context: &Context, wanted: Option<Version>, checks: &mut Checks) {
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
