use super::{Alarm, Connection, EtcdError, EtcdOptions, Member, connect, member::MemberStatus};
use etcd_client::{MemberListResponse, StatusResponse};
use futures_util::future::join_all;
use std::collections::BTreeSet;

/// Every member of a cluster, looked at once.
#[derive(Debug, Clone)]
pub struct Survey {
    /// The cluster's id.
    pub cluster_id: u64,
    /// The members, in the order of the member list.
    pub members: Vec<Member>,
}

/// What one endpoint said.
struct Visit {
    connection: Connection,
    cluster_id: u64,
    member_id: u64,
    status: StatusResponse,
    /// A learner does not tell it.
    members: Option<MemberListResponse>,
}

impl Survey {
    /// Looks at every member: at the endpoints of the configuration, and where the member list names others, at those.
    ///
    /// # Errors
    /// When no member answers, or the endpoints belong to different clusters. A member that does not answer is no
    /// error; it is in the survey with its failure.
    pub async fn take(options: &EtcdOptions) -> Result<Self, EtcdError> {
        if options.endpoints.is_empty() {
            return Err(EtcdError::NoEndpoint);
        }
        for endpoint in &options.endpoints {
            connect::prepare(options, endpoint)?;
        }
        let (mut visits, mut failures) = visit_all(options, &options.endpoints).await;
        if visits.is_empty() {
            return Err(EtcdError::AllDown(failures.into_iter().map(|(_, e)| e).collect()));
        }
        let told = visits.iter().find_map(|v| Some((v.cluster_id, v.members.as_ref()?.members().to_vec())));
        let Some((cluster_id, list)) = told else {
            let learners = visits.iter().map(|v| format!("{}: it is a learner", v.connection.endpoint));
            return Err(EtcdError::NoCandidate(
                learners.chain(failures.into_iter().map(|(_, e)| e)).collect(),
            ));
        };
        let seen: BTreeSet<u64> = visits.iter().map(|v| v.member_id).collect();
        let tried = |url: &String| failures.iter().any(|(endpoint, _)| endpoint.trim_end_matches('/') == url);
        let others: Vec<String> = list
            .iter()
            .filter(|m| !seen.contains(&m.id()))
            .filter_map(|m| m.client_urls().iter().find(|url| !tried(url)).cloned())
            .collect();
        let (more, more_failures) = visit_all(options, &others).await;
        visits.extend(more);
        failures.extend(more_failures);
        let clusters: BTreeSet<u64> = visits.iter().map(|v| v.cluster_id).collect();
        if clusters.len() > 1 {
            let line = |v: &Visit| format!("{} is of cluster {:x}", v.connection.endpoint, v.cluster_id);
            return Err(EtcdError::SeveralClusters(visits.iter().map(line).collect()));
        }
        let alarms: BTreeSet<(u64, bool)> = visits
            .iter()
            .flat_map(|v| alarms(v.status.errors(), v.member_id))
            .map(|(id, alarm)| (id, alarm == Alarm::Corrupt))
            .collect();
        let members = list.iter().map(|m| {
            let visit = visits.iter().find(|v| v.member_id == m.id());
            let failure = m.client_urls().iter().find_map(|url| {
                failures
                    .iter()
                    .find(|(endpoint, _)| endpoint.trim_end_matches('/') == url)
                    .map(|(_, e)| e.clone())
            });
            let raised = |corrupt| alarms.contains(&(m.id(), corrupt));
            Member {
                id: m.id(),
                name: m.name().to_owned(),
                endpoint: visit
                    .map(|v| v.connection.endpoint.clone())
                    .or_else(|| m.client_urls().first().cloned())
                    .unwrap_or_default(),
                learner: m.is_learner(),
                alarms: [(Alarm::NoSpace, false), (Alarm::Corrupt, true)]
                    .into_iter()
                    .filter_map(|(alarm, corrupt)| raised(corrupt).then_some(alarm))
                    .collect(),
                status: visit.map(|v| status(&v.status, v.member_id)),
                failure: match (visit, failure) {
                    (Some(_), _) => None,
                    (None, Some(e)) => Some(e),
                    (None, None) if m.client_urls().is_empty() => Some("it has not started yet".into()),
                    (None, None) => Some("none of the endpoints tried is this member's".into()),
                },
                connection: visit.map(|v| v.connection.clone()),
            }
        });
        Ok(Survey { cluster_id, members: members.collect() })
    }

    /// The members to stream from, best first: followers before the leader, those with the newest revision first.
    ///
    /// # Errors
    /// When a member has raised CORRUPT, or none is left.
    pub fn candidates(&self) -> Result<Vec<&Member>, EtcdError> {
        let corrupt: Vec<String> =
            self.members.iter().filter(|m| m.alarms.contains(&Alarm::Corrupt)).map(Member::label).collect();
        if !corrupt.is_empty() {
            return Err(EtcdError::Corrupt { members: corrupt.join(", ") });
        }
        let mut candidates: Vec<(&Member, &MemberStatus)> =
            self.members.iter().filter(|m| m.votes()).filter_map(|m| Some((m, m.status.as_ref()?))).collect();
        candidates.sort_by_key(|(_, s)| (!s.has_leader, s.leader, -s.revision));
        if candidates.is_empty() {
            let why = |m: &Member| {
                let reason =
                    if m.learner { "it is a learner" } else { m.failure.as_deref().unwrap_or("no answer") };
                format!("{}: {reason}", m.label())
            };
            return Err(EtcdError::NoCandidate(self.members.iter().map(why).collect()));
        }
        Ok(candidates.into_iter().map(|(m, _)| m).collect())
    }

    /// Some member knows of a leader, as all do while more than half of the voting members are up.
    pub fn has_leader(&self) -> bool {
        self.members.iter().filter_map(|m| m.status.as_ref()).any(|s| s.has_leader)
    }
}

async fn visit_all(options: &EtcdOptions, endpoints: &[String]) -> (Vec<Visit>, Vec<(String, String)>) {
    let visits = join_all(endpoints.iter().map(|e| visit(options, e))).await;
    let mut went_well = Vec::new();
    let mut failures = Vec::new();
    for (endpoint, result) in endpoints.iter().zip(visits) {
        match result {
            Ok(visit) => went_well.push(visit),
            Err(e) => failures.push((endpoint.clone(), e.to_string())),
        }
    }
    (went_well, failures)
}

/// Asks only what a member answers by itself, so that a cluster without quorum can be looked at too. (A list of the
/// alarms it would not: that goes through all members. Its status names them as well.)
async fn visit(options: &EtcdOptions, endpoint: &str) -> Result<Visit, EtcdError> {
    let connection = Connection::open(options, endpoint).await?;
    let mut maintenance = connection.client.maintenance_client();
    let mut cluster = connection.client.cluster_client();
    let status = connection.ask(maintenance.status()).await?;
    let members = match status.is_learner() {
        true => None,
        false => Some(connection.ask(cluster.member_list()).await?),
    };
    let (cluster_id, member_id) = status.header().map_or((0, 0), |h| (h.cluster_id(), h.member_id()));
    Ok(Visit { connection, cluster_id, member_id, status, members })
}

/// The alarms among what a member's status complains of, in the form `memberID:123 alarm:CORRUPT`, and whose they are.
fn alarms(complaints: &[String], speaker: u64) -> Vec<(u64, Alarm)> {
    let alarm = |text: &String| {
        let id = text.split(|c: char| !c.is_ascii_digit()).find_map(|digits| digits.parse().ok());
        let known = [("CORRUPT", Alarm::Corrupt), ("NOSPACE", Alarm::NoSpace)];
        let (_, alarm) = known.into_iter().find(|(name, _)| text.contains(name))?;
        Some((id.unwrap_or(speaker), alarm))
    };
    complaints.iter().filter_map(alarm).collect()
}

fn status(said: &StatusResponse, member_id: u64) -> MemberStatus {
    let bytes = |n: i64| u64::try_from(n).unwrap_or(0);
    MemberStatus {
        version: said.version().to_owned(),
        storage_version: said.storage_version().to_owned(),
        leader: said.leader() == member_id,
        has_leader: said.leader() != 0,
        revision: said.header().map_or(0, |h| h.revision()),
        db_bytes: bytes(said.db_size()),
        db_in_use_bytes: bytes(said.raft_used_db_size()),
        quota_bytes: bytes(said.db_size_quota()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str, learner: bool, leader: bool, revision: i64) -> Member {
        let status = MemberStatus {
            version: "3.6.8".into(),
            storage_version: "3.6".into(),
            leader,
            has_leader: true,
            revision,
            db_bytes: 0,
            db_in_use_bytes: 0,
            quota_bytes: 0,
        };
        let (status, failure) = if revision > 0 { (Some(status), None) } else { (None, Some("down".into())) };
        Member {
            id: 1,
            name: name.into(),
            endpoint: String::new(),
            learner,
            alarms: vec![],
            status,
            failure,
            connection: None,
        }
    }

    #[test]
    fn alarms_are_read_from_a_status() {
        let said = [
            "etcdserver: no leader",
            "memberID:12 alarm:NOSPACE ",
            "memberID: 13  alarm: CORRUPT",
            "CORRUPT",
        ];
        let found = alarms(&said.map(String::from), 7);
        assert_eq!(found, [(12, Alarm::NoSpace), (13, Alarm::Corrupt), (7, Alarm::Corrupt)]);
    }

    #[test]
    fn followers_come_first_and_learners_never() {
        let members = vec![
            member("leader", false, true, 9),
            member("behind", false, false, 7),
            member("learner", true, false, 9),
            member("ahead", false, false, 9),
            member("down", false, false, 0),
        ];
        let mut survey = Survey { cluster_id: 1, members };
        let names: Vec<_> = survey.candidates().unwrap().iter().map(|m| m.name.clone()).collect();
        assert_eq!(names, ["ahead", "behind", "leader"]);
        survey.members[3].alarms.push(Alarm::NoSpace);
        assert!(survey.candidates().is_ok());
        survey.members[2].alarms.push(Alarm::Corrupt);
        assert!(survey.candidates().unwrap_err().to_string().contains("learner"));
    }
}
