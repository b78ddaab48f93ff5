//! Who agreed: signed statements, bound to the run, the step and the plan's digest.

use super::plan::Gate;
use crate::{
    pipeline::{Signer, Verifier},
    point::{Digest, FormatVersion, PointId, ToolFacts},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Somebody who can agree.
#[derive(Debug, Clone)]
pub struct Approver {
    /// Who.
    pub name: String,
    /// Checks the signatures of their key.
    pub key: Verifier,
    /// The groups that they belong to.
    pub groups: Vec<String>,
}

/// What somebody says about a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Approval {
    /// The format's version.
    pub format: FormatVersion,
    /// Its own id.
    pub id: PointId,
    /// The run.
    pub run: PointId,
    /// The step.
    pub step: String,
    /// SHA-256 of the plan that was looked at.
    pub plan: Digest,
    /// What is said.
    pub decision: Decision,
    /// Who says it.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Until when it counts.
    pub expires: Timestamp,
    /// With which program.
    pub tool: ToolFacts,
    /// What was told along with it, such as the number of a ticket.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub told: BTreeMap<String, String>,
}

/// What is said about a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// It may be done. Of a manual step: it was done.
    Approve,
    /// It may not.
    Deny,
}

/// A statement as it was found: its bytes and the signature's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The document.
    pub bytes: Vec<u8>,
    /// The signature over it.
    pub signature: Vec<u8>,
}

impl Approval {
    /// The comment that is signed along: it ties the statement to its run.
    pub fn comment(run: &PointId) -> String {
        format!("lifeboat playbooks {run} approval")
    }

    /// Signs it.
    ///
    /// # Errors
    /// When the key does not sign.
    pub fn sign(&self, signer: &Signer) -> Result<Statement, String> {
        let bytes = serde_json::to_vec_pretty(self).map_err(|e| e.to_string())?;
        let signature = signer.sign_record(&bytes, &Self::comment(&self.run)).map_err(|e| e.to_string())?;
        Ok(Statement { bytes, signature: signature.into_bytes() })
    }
}

/// What a gate has heard.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Heard {
    /// Those who agree and count.
    pub approved: BTreeSet<String>,
    /// Those who count and say no.
    pub denied: BTreeSet<String>,
    /// What was told along with it.
    pub told: BTreeMap<String, String>,
    /// Statements that do not count, and why.
    pub dismissed: Vec<String>,
}

/// What is being decided.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The run.
    pub run: &'a PointId,
    /// The step.
    pub step: &'a str,
    /// SHA-256 of its plan.
    pub plan: Digest,
    /// Who started it.
    pub initiator: &'a str,
    /// Who has to agree.
    pub gate: &'a Gate,
    /// The time.
    pub now: Timestamp,
    /// Until when somebody had to answer.
    pub until: Option<Timestamp>,
}

impl Question<'_> {
    /// Which of these statements count. A no counts for good: whoever changes their mind starts a new run.
    pub fn hear(&self, statements: &[Statement], approvers: &[Approver]) -> Heard {
        let mut heard = Heard::default();
        for statement in statements {
            match self.counts(statement, approvers) {
                Ok(None) => {}
                Ok(Some(approval)) => {
                    heard.told.extend(approval.told);
                    match approval.decision {
                        Decision::Approve => heard.approved.insert(approval.by),
                        Decision::Deny => heard.denied.insert(approval.by),
                    };
                }
                Err(why) => heard.dismissed.push(why),
            }
        }
        for name in &heard.denied {
            heard.approved.remove(name);
        }
        heard
    }

    fn counts(&self, statement: &Statement, approvers: &[Approver]) -> Result<Option<Approval>, String> {
        let approval: Approval = serde_json::from_slice(&statement.bytes)
            .map_err(|e| format!("a statement cannot be read: {e}"))?;
        let who = approval.by.clone();
        if approval.step != self.step {
            return Ok(None);
        }
        let approver = approvers.iter().find(|it| it.name == who);
        let approver = approver.ok_or_else(|| format!("{who} is no approver of the configuration"))?;
        let comment = Approval::comment(self.run);
        let holds = approver.key.verify_record(&statement.bytes, &statement.signature, &comment);
        holds.map_err(|e| format!("the statement of {who}: {e}"))?;
        if approval.run != *self.run {
            return Err(format!("the statement of {who} is about another run"));
        }
        if approval.plan != self.plan {
            return Err(format!(
                "the statement of {who} is about another plan: what they looked at is not what would be done"
            ));
        }
        if approval.expires <= self.now {
            return Err(format!("the statement of {who} expired at {}", approval.expires));
        }
        // The clock of another machine may be ahead, but not by hours.
        if approval.at > self.now + jiff::SignedDuration::from_mins(10) {
            return Err(format!("the statement of {who} is of the future ({})", approval.at));
        }
        if let Some(until) = self.until.filter(|until| approval.at > *until) {
            return Err(format!(
                "the statement of {who} is of {}, and the time for it was over at {until}",
                approval.at
            ));
        }
        if self.gate.not_initiator && same(&who, self.initiator) {
            return Err(format!("{who} started the run, and cannot approve it"));
        }
        if !self.gate.groups.is_empty() && !self.gate.groups.iter().any(|it| approver.groups.contains(it)) {
            return Err(format!("{who} is in none of the groups {}", self.gate.groups.join(", ")));
        }
        Ok(Some(approval))
    }
}

/// Is it the same person? Who starts a run is `user@host` unless they say otherwise.
fn same(name: &str, initiator: &str) -> bool {
    let user = |text: &str| text.split('@').next().unwrap_or_default().to_lowercase();
    name == initiator || user(name) == user(initiator)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{pipeline::generate_signing_key, playbook::model::ApprovalTimeout};

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn only_those_count_who_may_and_who_looked_at_this_plan() {
        let run = PointId::new(at("2026-11-28T10:00:00Z"), 7);
        let other = PointId::new(at("2026-11-28T10:00:01Z"), 8);
        let plan = Digest::from([1; 32]);
        let keys: Vec<Signer> =
            (0..3).map(|_| Signer::new(&generate_signing_key().unwrap().0, None).unwrap()).collect();
        let approver = |name: &str, key: usize, groups: &[&str]| Approver {
            name: name.into(),
            key: keys[key].verifier().unwrap(),
            groups: groups.iter().map(|it| (*it).to_owned()).collect(),
        };
        let approvers =
            [approver("alice", 0, &["leads"]), approver("bob", 1, &["leads"]), approver("eve", 2, &["dev"])];
        let gate = Gate {
            prompt: "?".into(),
            min_approvals: 1,
            groups: vec!["leads".into()],
            not_initiator: true,
            timeout_ms: 1,
            on_timeout: ApprovalTimeout::Abort,
        };
        let good = Approval {
            format: FormatVersion::CURRENT,
            id: PointId::new(at("2026-11-28T10:01:00Z"), 9),
            run: run.clone(),
            step: "gate".into(),
            plan,
            decision: Decision::Approve,
            by: "alice".into(),
            at: at("2026-11-28T10:01:00Z"),
            expires: at("2026-11-28T12:00:00Z"),
            tool: ToolFacts::current(),
            told: BTreeMap::new(),
        };
        let question = Question {
            run: &run,
            step: "gate",
            plan,
            initiator: "bob@ops",
            gate: &gate,
            now: at("2026-11-28T11:00:00Z"),
            until: Some(at("2026-11-28T10:02:00Z")),
        };
        let hear = |approval: &Approval, key: usize| {
            question.hear(&[approval.sign(&keys[key]).unwrap()], &approvers)
        };
        assert_eq!(hear(&good, 0).approved, BTreeSet::from(["alice".to_owned()]));
        let dismissed = |approval: Approval, key: usize, why: &str| {
            let heard = hear(&approval, key);
            assert!(heard.approved.is_empty() && heard.dismissed.len() == 1, "{heard:?}");
            assert!(heard.dismissed[0].contains(why), "{heard:?}");
        };
        dismissed(good.clone(), 1, "another key");
        dismissed(Approval { by: "eve".into(), ..good.clone() }, 2, "none of the groups");
        dismissed(Approval { by: "bob".into(), ..good.clone() }, 1, "cannot approve it");
        dismissed(Approval { by: "carol".into(), ..good.clone() }, 1, "no approver");
        dismissed(Approval { plan: Digest::from([2; 32]), ..good.clone() }, 0, "another plan");
        dismissed(Approval { expires: at("2026-11-28T10:59:00Z"), ..good.clone() }, 0, "expired");
        dismissed(
            Approval { at: at("2026-11-28T15:00:00Z"), expires: at("2026-11-29T00:00:00Z"), ..good.clone() },
            0,
            "of the future",
        );
        // It has the time that the gate gives, however late somebody looks.
        dismissed(Approval { at: at("2026-11-28T10:02:01Z"), ..good.clone() }, 0, "the time for it was over");
        dismissed(Approval { run: other, ..good.clone() }, 0, "");
        // One of another step is not for this gate.
        assert_eq!(hear(&Approval { step: "x".into(), ..good.clone() }, 0), Heard::default());
        // A no takes back a yes.
        let no = Approval { decision: Decision::Deny, ..good.clone() };
        let heard = question.hear(&[good.sign(&keys[0]).unwrap(), no.sign(&keys[0]).unwrap()], &approvers);
        assert!(heard.approved.is_empty() && heard.denied.contains("alice"));
        // One byte more is another statement.
        let mut changed = good.sign(&keys[0]).unwrap();
        changed.bytes.push(b' ');
        assert!(question.hear(&[changed], &approvers).approved.is_empty());
    }
}
