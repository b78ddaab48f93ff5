//! What people do in a playbook: they agree, and they do by hand what no program can.

use super::super::decode::{Cursor, Decode};
use super::super::node::Node;
use super::envelope::distinct;
use super::scope::{Lint, Place, Scope};
use super::values::{Name, Variable};
use crate::playbook::model::{ApprovalTimeout, Approve, Backoff, Retry, What};
use std::time::Duration;

/// How long is waited for approval if nothing is said.
pub(super) const WAIT: Duration = Duration::from_secs(3600);
/// How long is waited before a step is tried again if nothing is said.
pub(super) const PAUSE: Duration = Duration::from_secs(5);
/// A longer instruction belongs on a page.
const LONGEST: usize = 8192;

pub(super) fn approve(lint: &Lint<'_>, at: &Cursor<'_>, scope: &Scope) -> Option<Approve> {
    let mut fields = at.fields()?;
    let prompt = fields.required_at("prompt", "write what is asked");
    let min_approvals = fields.number("minApprovals", 1, 20, 1);
    let groups = fields.get("groups");
    let not_initiator = fields.or("notInitiator", false);
    let timeout = fields.or("timeout", WAIT);
    let on_timeout = fields.or("onTimeout", ApprovalTimeout::Abort);
    fields.finish();
    let prompt = prompt.and_then(|at| lint.text(&at, at.text()?, scope, Place::Step));
    let groups = groups.map_or(Some(Vec::new()), |at| distinct::<Name>(&at, |it| &it.0));
    Some(Approve {
        prompt: prompt?,
        min_approvals: min_approvals?,
        groups: groups?.into_iter().map(|it| it.0).collect(),
        not_initiator: not_initiator?,
        timeout: timeout?,
        on_timeout: on_timeout?,
    })
}

pub(super) fn manual(lint: &Lint<'_>, at: &Cursor<'_>, scope: &Scope) -> Option<What> {
    let mut fields = at.fields()?;
    let instructions = fields.required_at("instructions", "write what is to be done by hand");
    let evidence = fields.get("evidence");
    fields.finish();
    let instructions = instructions.and_then(|at| lint.text(&at, lines(&at)?, scope, Place::Step));
    let evidence = evidence.map_or(Some(Vec::new()), |at| distinct::<Variable>(&at, |it| &it.0));
    Some(What::Manual {
        instructions: instructions?,
        evidence: evidence?.into_iter().map(|it| it.0).collect(),
    })
}

/// Text of one line or several.
fn lines<'a>(at: &Cursor<'a>) -> Option<&'a str> {
    match at.node {
        Node::Text(text) if text.len() > LONGEST => at.fail(format!("is longer than {LONGEST} bytes")),
        Node::Text(text) if text.trim().is_empty() => at.fail("must not be empty"),
        Node::Text(text) if text.chars().any(|c| c.is_control() && c != '\n') => {
            at.fail("must not have control characters in it")
        }
        Node::Text(text) => Some(text.trim_end()),
        _ => at.wrong_type("text"),
    }
}

impl Decode for Retry {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        let usual = Backoff { duration: PAUSE, factor: 1 };
        let mut fields = at.fields()?;
        let limit = match fields.required_at("limit", "write how often it is tried again, such as `limit: 3`")
        {
            Some(at) => at.number(1, 1000),
            None => None,
        };
        let backoff = fields.or("backoff", usual);
        fields.finish();
        Some(Retry { limit: limit?, backoff: backoff? })
    }
}

impl Decode for Backoff {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        let mut fields = at.fields()?;
        let duration = fields.or("duration", PAUSE);
        let factor = fields.number("factor", 1, 10, 1);
        fields.finish();
        Some(Backoff { duration: duration?, factor: factor? })
    }
}
