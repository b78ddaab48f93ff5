//! What a playbook must never do, and what excludes a second run.

use super::super::decode::Cursor;
use super::super::error::shown;
use super::super::node::Node;
use super::super::restore_spec::Namespace;
use super::envelope::distinct;
use super::scope::{Lint, Place, Scope};
use super::values::Forbid;
use crate::playbook::model::{Guards, Limit, Requirement, Template};

/// What stands among the limits and is none of a type.
const HEALTHY: &str = "minHealthyReplicas";

pub(super) fn key(lint: &Lint<'_>, at: &Cursor<'_>) -> Option<Template> {
    let mut fields = at.fields()?;
    let key = fields
        .required_at("key", "write what two runs must not share, such as `key: 'pod/${params.pod.uid}'`");
    let policy = fields.or("policy", Forbid);
    fields.finish();
    let key = key.and_then(|at| lint.text(&at, at.text()?, &Scope::default(), Place::Key));
    policy?;
    key
}

pub(super) fn guards(lint: &Lint<'_>, at: &Cursor<'_>) -> Option<Guards> {
    let mut fields = at.fields()?;
    let protected = fields.get("protectedNamespaces");
    let limits_at = fields.get("limits");
    let require = fields.get("require");
    fields.finish();
    let protected = protected.map_or(Some(Vec::new()), |at| distinct::<Namespace>(&at, |it| &it.0));
    let limits = limits_at.map_or(Some((Vec::new(), None)), |at| limits(&at));
    let require = require.map_or(Some(Vec::new()), |at| {
        let Node::List(_) = at.node else {
            return at.wrong_type("a list of conditions, such as `[{expr: …, message: …}]`");
        };
        let read: Vec<Option<_>> = at.items().iter().map(|at| requirement(lint, at)).collect();
        read.into_iter().collect()
    });
    let (limits, min_healthy_replicas) = limits?;
    Some(Guards {
        protected_namespaces: protected?.into_iter().map(|it| it.0).collect(),
        limits,
        min_healthy_replicas,
        require: require?,
    })
}

fn limits(at: &Cursor<'_>) -> Option<(Vec<Limit>, Option<u32>)> {
    let entries = at.named("types and how many of each may be touched, such as `pods: 1`")?;
    let (mut limits, mut healthy, mut good) = (Vec::new(), None, true);
    for entry in &entries {
        let most = entry.value.number(0, 1_000_000);
        let plural = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c);
        if entry.name == HEALTHY {
            healthy = most;
        } else if !entry.name.chars().all(plural) || !entry.name.starts_with(|c: char| c.is_ascii_lowercase())
        {
            let hint = "write the plural name of a type, such as `pods` or `deployments.apps`, or `minHealthyReplicas`";
            entry.key.fail::<()>(format!("{} is no type: {hint}", shown(entry.name)));
            good = false;
        } else if let Some(most) = most {
            limits.push(Limit { resource: entry.name.to_owned(), most });
        }
        good &= most.is_some();
    }
    good.then_some((limits, healthy))
}

fn requirement(lint: &Lint<'_>, at: &Cursor<'_>) -> Option<Requirement> {
    let mut fields = at.fields()?;
    let expr = fields.required_at("expr", "write what must be true, in CEL");
    let message = fields.required::<String>("message", "write what is said when it is not");
    fields.finish();
    let expr = expr.and_then(|at| lint.expression(&at, &Scope::default(), Place::Guard).0);
    Some(Requirement { expr: expr?, message: message? })
}
