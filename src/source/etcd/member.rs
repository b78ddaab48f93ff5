use super::{Connection, EtcdError};
use std::fmt;

/// An alarm that a member has raised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alarm {
    /// The database has reached its quota; etcd refuses to write.
    NoSpace,
    /// The member's data differs from the others'.
    Corrupt,
}

impl fmt::Display for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Alarm::NoSpace => "NOSPACE",
            Alarm::Corrupt => "CORRUPT",
        })
    }
}

/// One member of the cluster, as it was found.
#[derive(Clone)]
pub struct Member {
    /// Its id.
    pub id: u64,
    /// Its name; empty while it has not started.
    pub name: String,
    /// The client URL that it was, or would have been, asked at.
    pub endpoint: String,
    /// It takes no part in votes yet.
    pub learner: bool,
    /// The alarms that it has raised.
    pub alarms: Vec<Alarm>,
    /// What it says of itself; `None` when it did not answer.
    pub status: Option<MemberStatus>,
    /// Why it did not answer.
    pub failure: Option<String>,
    pub(super) connection: Option<Connection>,
}

/// What a member says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberStatus {
    /// etcd's version.
    pub version: String,
    /// The version of its database; empty before 3.6.
    pub storage_version: String,
    /// It leads the cluster.
    pub leader: bool,
    /// It knows of a leader.
    pub has_leader: bool,
    /// Its newest revision.
    pub revision: i64,
    /// The size of its database, in bytes.
    pub db_bytes: u64,
    /// What of that is in use.
    pub db_in_use_bytes: u64,
    /// The size at which it raises NOSPACE; 0 where it does not say (before 3.6).
    pub quota_bytes: u64,
}

impl Member {
    /// The member's name and URL, for people.
    pub fn label(&self) -> String {
        let name = if self.name.is_empty() { format!("{:x}", self.id) } else { self.name.clone() };
        if self.endpoint.is_empty() { name } else { format!("{name} ({})", self.endpoint) }
    }

    /// Its newest revision, asked anew.
    pub async fn newest_revision(&self) -> Result<i64, EtcdError> {
        let silent = || EtcdError::NoCandidate(vec![format!("{}: it does not answer", self.label())]);
        let connection = self.connection.as_ref().ok_or_else(silent)?;
        let mut maintenance = connection.client.maintenance_client();
        let status = connection.ask(maintenance.status()).await?;
        Ok(status.header().map_or(0, |h| h.revision()))
    }

    /// It answered, and votes.
    pub fn votes(&self) -> bool {
        self.status.is_some() && !self.learner
    }
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Member")
            .field("label", &self.label())
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}
