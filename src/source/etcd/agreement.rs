use super::{Connection, EtcdError, Member, Survey};
use crate::point::KvHash;
use etcd_client::GetOptions;
use futures_util::future::join_all;
use std::{collections::BTreeMap, time::Duration};

/// How often, and after how long, members that cannot be compared are asked again: a compaction reaches each of them at
/// another moment.
const ROUNDS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(700);

/// What one member answered when it was asked for its KV hash.
pub type Answer = Result<KvHash, String>;

/// What the members' answers say together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Agreement {
    /// All that answered hold the same data.
    Agree {
        /// The hash.
        hash: KvHash,
        /// Who did not answer, and why.
        silent: Vec<(String, String)>,
    },
    /// Some hold different data.
    Differ(Vec<String>),
    /// The answers start from different compact revisions and cannot be compared.
    NotComparable(Vec<String>),
    /// Nobody answered.
    Silent(Vec<(String, String)>),
}

/// Compares the answers. Hashes are comparable only at one revision and with one compact revision (etcd,
/// `server/etcdserver/corrupt.go`).
pub fn judge(answers: &[(String, Answer)]) -> Agreement {
    let mut groups: BTreeMap<(i64, u32), Vec<&str>> = BTreeMap::new();
    let mut silent = Vec::new();
    let mut hash = None;
    for (member, answer) in answers {
        match answer {
            Ok(found) => {
                groups.entry((found.compact_revision, found.hash)).or_default().push(member);
                hash = Some(*found);
            }
            Err(reason) => silent.push((member.clone(), reason.clone())),
        }
    }
    let compacts: Vec<i64> = groups.keys().map(|(compact, _)| *compact).collect();
    let same_compact = compacts.windows(2).any(|w| w[0] == w[1]);
    let line = |((compact, hash), members): (&(i64, u32), &Vec<&str>)| {
        format!("hash {hash:08x} (compacted at {compact}) on {}", members.join(" and "))
    };
    match (hash, groups.len()) {
        (None, _) => Agreement::Silent(silent),
        (Some(hash), 1) => Agreement::Agree { hash, silent },
        _ if same_compact => Agreement::Differ(groups.iter().map(line).collect()),
        _ => Agreement::NotComparable(groups.iter().map(line).collect()),
    }
}

impl Survey {
    /// The newest revision that every voting member has and can still give a hash for, asked anew: time may have gone by
    /// since the survey. A member that lags so far behind that the others have compacted where it is, or just before, gets a
    /// few moments to follow; after that the comparison has to do without it.
    pub async fn comparable_revision(&self) -> Option<i64> {
        let mut round = 1;
        loop {
            let voters = self.members.iter().filter(|m| m.votes());
            let asked = voters
                .map(|m| async move { Some((m.newest_revision().await.ok()?, m.connection.as_ref()?)) });
            let answers: Vec<_> = join_all(asked).await.into_iter().flatten().collect();
            let oldest = answers.iter().map(|(revision, _)| *revision).min()?;
            // Who has gone on since a compaction cannot give the hash at just its revision either: see `ask`.
            let gone = answers.iter().map(|(newest, connection)| {
                is_compacted(connection, if *newest > oldest { oldest - 1 } else { oldest })
            });
            if !join_all(gone).await.contains(&true) {
                return Some(oldest);
            }
            if round == ROUNDS {
                return answers.into_iter().map(|(revision, _)| revision).max();
            }
            round += 1;
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Asks every voting member for its KV hash at `revision` and compares the answers. Members that cannot be compared
    /// yet are asked again a few times.
    ///
    /// # Errors
    /// [`EtcdError::Differ`] when they hold different data.
    pub async fn compare(&self, revision: i64) -> Result<Agreement, EtcdError> {
        let mut round = 1;
        loop {
            let voters = self.members.iter().filter(|m| m.votes());
            let answers = join_all(voters.map(|m| async move { (m.label(), ask(m, revision).await) })).await;
            match judge(&answers) {
                Agreement::Differ(groups) => return Err(EtcdError::Differ { revision, groups }),
                Agreement::NotComparable(_) if round < ROUNDS => {
                    round += 1;
                    tokio::time::sleep(PAUSE).await;
                }
                other => return Ok(other),
            }
        }
    }
}

async fn ask(member: &Member, revision: i64) -> Answer {
    let Some(connection) = &member.connection else { return Err("it does not answer".into()) };
    let mut maintenance = connection.client.maintenance_client();
    let mut said = connection.ask(maintenance.hash_kv(revision)).await.map_err(|e| e.to_string())?;
    // For the revision of a compaction etcd answers from memory, with the hash at the compact revision before: no
    // snapshot taken since can give that, and a member that was started since cannot either. For its newest revision
    // (asked for as 0) it always computes the hash.
    if said.compact_version() < revision && is_compacted(connection, revision - 1).await {
        let newest = connection.ask(maintenance.hash_kv(0)).await.map_err(|e| e.to_string())?;
        if newest.header().is_some_and(|h| h.revision() == revision) {
            said = newest;
        }
    }
    Ok(KvHash { hash: said.hash(), revision, compact_revision: said.compact_version() })
}

/// Has the member forgotten what was at `revision`?
async fn is_compacted(connection: &Connection, revision: i64) -> bool {
    let options = GetOptions::new().with_revision(revision).with_serializable().with_count_only();
    let mut kv = connection.client.kv_client();
    let answer = connection.ask(kv.get("lifeboat", Some(options))).await;
    revision > 0 && answer.is_err_and(|e| e.to_string().contains("has been compacted"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(name: &str, compact_revision: i64, hash: u32) -> (String, Answer) {
        (name.into(), Ok(KvHash { hash, revision: 9, compact_revision }))
    }

    #[test]
    fn only_what_is_comparable_is_compared() {
        let down = ("c".to_owned(), Err("down".to_owned()));
        let hash = KvHash { hash: 1, revision: 9, compact_revision: 5 };
        let agree = judge(&[answer("a", 5, 1), answer("b", 5, 1), down.clone()]);
        assert_eq!(agree, Agreement::Agree { hash, silent: vec![("c".into(), "down".into())] });
        assert!(matches!(judge(&[answer("a", 5, 1), answer("b", 6, 2)]), Agreement::NotComparable(_)));
        let Agreement::Differ(groups) = judge(&[answer("a", 5, 1), answer("b", 5, 2), answer("c", 5, 1)])
        else {
            panic!("they differ")
        };
        assert_eq!(groups[0], "hash 00000001 (compacted at 5) on a and c");
        assert!(matches!(judge(&[down]), Agreement::Silent(_)));
    }
}
