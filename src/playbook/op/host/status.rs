use crate::{
    playbook::host::OnHost,
    source::etcd::{EtcdError, EtcdOptions, Member, Survey, TlsFiles},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{fmt, path::PathBuf, time::Duration};

/// No member takes longer for its status.
const ANSWER: Duration = Duration::from_secs(10);

/// Where etcd is asked. No secret is in it: keys are named by their files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "kebab-case")]
pub enum EtcdPlace {
    /// Where the configuration says.
    Configured,
    /// At these client URLs.
    At {
        /// The URLs.
        endpoints: Vec<String>,
        /// The authority of their certificates.
        ca: Option<PathBuf>,
        /// The certificate that they are shown.
        cert: Option<PathBuf>,
        /// Its key.
        key: Option<PathBuf>,
    },
}

impl EtcdPlace {
    /// Looks at every member. That none answers is an answer.
    ///
    /// # Errors
    /// When nobody can be asked: certificates that cannot be read, no endpoint, several clusters.
    pub async fn look(&self, host: &OnHost) -> Result<Value, String> {
        let options = match self {
            EtcdPlace::Configured => {
                host.etcd.clone().ok_or("the configuration does not say where etcd is (etcd.endpoints)")?
            }
            EtcdPlace::At { endpoints, ca, cert, key } => {
                let files = [ca, cert, key].iter().any(|it| it.is_some());
                EtcdOptions {
                    endpoints: endpoints.clone(),
                    tls: files.then(|| TlsFiles {
                        ca: ca.clone(),
                        cert: cert.clone(),
                        key: key.clone(),
                        server_name: None,
                    }),
                    auth: None,
                    connect_timeout: ANSWER,
                    request_timeout: ANSWER,
                    idle_timeout: ANSWER,
                }
            }
        };
        match Survey::take(&options).await {
            Ok(survey) => Ok(value(&survey)),
            Err(EtcdError::AllDown(failures)) => Ok(json!({
                "members": [], "answering": 0, "quorum": false, "leader": null, "failures": failures,
            })),
            Err(e) => Err(e.to_string()),
        }
    }
}

fn value(survey: &Survey) -> Value {
    let leader = survey.members.iter().find(|it| it.status.as_ref().is_some_and(|status| status.leader));
    json!({
        "cluster": format!("{:x}", survey.cluster_id),
        "members": survey.members.iter().map(member).collect::<Vec<_>>(),
        "answering": survey.members.iter().filter(|it| it.status.is_some()).count(),
        "quorum": survey.has_leader(),
        "leader": leader.map(|it| &it.name),
        "failures": survey.members.iter().filter_map(|it| it.failure.clone()).collect::<Vec<_>>(),
    })
}

fn member(it: &Member) -> Value {
    let alarms: Vec<String> = it.alarms.iter().map(ToString::to_string).collect();
    let status = it.status.as_ref();
    json!({
        "name": it.name, "id": format!("{:x}", it.id), "endpoint": it.endpoint, "learner": it.learner,
        "healthy": alarms.is_empty() && status.is_some_and(|status| status.has_leader),
        "alarms": alarms,
        "leader": status.is_some_and(|status| status.leader),
        "revision": status.map(|status| status.revision),
        "version": status.map(|status| &status.version),
        "databaseBytes": status.map(|status| status.db_bytes),
        "failure": it.failure,
    })
}

/// What was seen, in one line.
pub(super) fn in_words(found: &Value) -> String {
    let all = found["members"].as_array().map_or(0, Vec::len);
    let quorum = if found["quorum"] == true { "there is a quorum" } else { "there is NO quorum" };
    match found["answering"].as_u64() {
        Some(0) | None => format!("nobody answers, {quorum}"),
        Some(n) => format!("{n} of {all} members answer, {quorum}"),
    }
}

impl fmt::Display for EtcdPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EtcdPlace::Configured => write!(f, "the endpoints of the configuration"),
            EtcdPlace::At { endpoints, .. } => write!(f, "{}", endpoints.join(", ")),
        }
    }
}
