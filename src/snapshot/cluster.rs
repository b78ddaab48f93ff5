//! What etcd notes about its cluster: members, versions, alarms, users, leases.

use serde::{Deserialize, Serialize};

use super::database::{Database, hex};
use super::error::{Result, SnapshotError};
use super::wire::Fields;

/// A member, as noted in the database (etcd `api/membership/member.go`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// Its id, in hex as etcdctl shows it.
    pub id: String,
    /// Its name; empty if it never started.
    pub name: String,
    /// Where the other members reach it.
    pub peer_urls: Vec<String>,
    /// Where clients reach it.
    pub client_urls: Vec<String>,
    /// Whether it does not vote.
    pub is_learner: bool,
}

/// A raised alarm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Alarm {
    /// The member that raised it, in hex.
    pub member: String,
    /// `NOSPACE`, `CORRUPT`, or a number that is not known here.
    pub alarm: String,
}

/// What the database says of its cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Cluster {
    /// The version that all members had agreed on.
    pub version: Option<String>,
    /// The members.
    pub members: Vec<Member>,
    /// Ids of members that were removed.
    pub removed: Vec<String>,
    /// Raised alarms.
    pub alarms: Vec<Alarm>,
}

/// Whether etcd's own users are in force, and how many there are. Their names and password hashes are not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Auth {
    /// Whether clients must log in.
    pub enabled: bool,
    /// Users.
    pub users: u64,
    /// Roles.
    pub roles: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MemberRecord {
    id: u64,
    #[serde(default)]
    name: String,
    #[serde(default, rename = "peerURLs")]
    peer_urls: Option<Vec<String>>,
    #[serde(default, rename = "clientURLs")]
    client_urls: Option<Vec<String>>,
    #[serde(default)]
    is_learner: bool,
}

impl Database {
    /// What the database says of its cluster.
    pub fn cluster(&self) -> Result<Cluster> {
        let version = self.value(b"cluster", b"clusterVersion")?;
        let mut members = Vec::new();
        self.each("members", |_, value| {
            let member: MemberRecord = serde_json::from_slice(value)
                .map_err(|error| SnapshotError::record("members", format!("a member is no JSON: {error}")))?;
            members.push(Member {
                id: format!("{:x}", member.id),
                name: member.name,
                peer_urls: member.peer_urls.unwrap_or_default(),
                client_urls: member.client_urls.unwrap_or_default(),
                is_learner: member.is_learner,
            });
            Ok(())
        })?;
        let mut removed = Vec::new();
        self.each("members_removed", |id, _| {
            removed.push(String::from_utf8_lossy(id).into_owned());
            Ok(())
        })?;
        let mut alarms = Vec::new();
        self.each("alarm", |alarm, _| {
            alarms.push(read_alarm(alarm)?);
            Ok(())
        })?;
        let version = version.map(|version| String::from_utf8_lossy(&version).into_owned());
        Ok(Cluster { version, members, removed, alarms })
    }

    /// Whether etcd's own users are in force (etcd `server/storage/schema/auth.go`).
    pub fn auth(&self) -> Result<Auth> {
        let enabled = self.value(b"auth", b"authEnabled")?.is_some_and(|value| value == [1]);
        Ok(Auth { enabled, users: self.count("authUsers")?, roles: self.count("authRoles")? })
    }

    /// The leases, in order of their ids.
    pub fn leases(&self) -> Result<Vec<i64>> {
        let mut leases = Vec::new();
        self.each("lease", |id, _| {
            let id = id.first_chunk().ok_or_else(|| {
                SnapshotError::record("lease", format!("the key {} is no lease id", hex(id)))
            })?;
            leases.push(i64::from_be_bytes(*id));
            Ok(())
        })?;
        Ok(leases)
    }

    fn count(&self, bucket: &'static str) -> Result<u64> {
        let mut count = 0;
        self.each(bucket, |_, _| {
            count += 1;
            Ok(())
        })?;
        Ok(count)
    }

    /// Calls `visit` for every entry of a bucket, if there is such a bucket.
    fn each(&self, bucket: &str, mut visit: impl FnMut(&[u8], &[u8]) -> Result<()>) -> Result<()> {
        let Some(bucket) = self.bucket(bucket.as_bytes())? else { return Ok(()) };
        let mut cursor = self.cursor(&bucket);
        while let Some(entry) = cursor.next()? {
            visit(entry.key(), entry.value())?;
        }
        Ok(())
    }
}

/// An alarm is its own key (etcd `server/storage/schema/alarm.go`; `AlarmMember` in `api/etcdserverpb/rpc.proto`).
fn read_alarm(message: &[u8]) -> Result<Alarm> {
    let (mut member, mut alarm) = (0, 0);
    for field in Fields(message) {
        let (number, value) = field
            .map_err(|_| SnapshotError::record("alarm", format!("the key {} is no alarm", hex(message))))?;
        match (number, value.int()) {
            (1, Some(id)) => member = id.cast_unsigned(),
            (2, Some(kind)) => alarm = kind,
            _ => {}
        }
    }
    let alarm = match alarm {
        1 => "NOSPACE".to_owned(),
        2 => "CORRUPT".to_owned(),
        other => other.to_string(),
    };
    Ok(Alarm { member: format!("{member:x}"), alarm })
}
