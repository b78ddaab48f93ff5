//! Webhooks that decide over everything that is written, and volumes that must not go with their claims.

use super::{ActionError, Class, Plain, Planned, Planning, resource::Targets};
use crate::playbook::op::{Delete, FieldSet, Op};
use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;

/// Takes webhooks out.
pub(super) struct Quarantine;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct QuarantineArgs {
    /// The MutatingWebhookConfiguration or ValidatingWebhookConfiguration, or several.
    target: Targets,
    /// How.
    #[serde(default)]
    mode: Mode,
}

/// How a webhook is taken out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
enum Mode {
    /// Its configuration stays, and calls nobody.
    #[default]
    Disarm,
    /// It is still called, and when it does not answer the request goes on.
    IgnoreFailures,
    /// Its configuration goes.
    Delete,
}

#[async_trait]
impl Plain for Quarantine {
    type Args = QuarantineArgs;
    const NAME: &'static str = "webhook.quarantine";
    const CLASS: Class = Class::Undoable;
    const ABOUT: &'static str =
        "Takes admission webhooks out: they are called no more, or their failures count no more.";

    async fn plan(with: &Planning<'_>, args: QuarantineArgs) -> Result<Planned, ActionError> {
        let mut planned = Planned::default();
        for live in args.target.find(with).await? {
            let object = &live.object;
            if object.group != "admissionregistration.k8s.io"
                || !object.resource.ends_with("webhookconfigurations")
            {
                return Err(ActionError::Arguments(format!("{object} is no configuration of webhooks")));
            }
            planned.remarks.push(format!("who made {object} may make it again: stop that first"));
            let webhooks = &live.json["webhooks"];
            match args.mode {
                Mode::Delete => {
                    let (propagation, grace) = (None, None);
                    planned.ops.push(Op::Delete(Delete {
                        object: live.object,
                        propagation,
                        grace,
                        kept: Some(Arc::unwrap_or_clone(live.json)),
                    }));
                }
                mode => {
                    let after = (mode == Mode::IgnoreFailures).then(|| ignoring(webhooks));
                    let field = FieldSet::of(&live.json, &["webhooks"], after);
                    planned.change(live.object, field.into_iter().collect());
                }
            }
        }
        Ok(planned)
    }
}

fn ignoring(webhooks: &Value) -> Value {
    let mut webhooks = webhooks.clone();
    for webhook in webhooks.as_array_mut().into_iter().flatten() {
        webhook["failurePolicy"] = "Ignore".into();
    }
    webhooks
}

/// Keeps the volumes of a namespace.
pub(super) struct Retain;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RetainArgs {
    /// The namespace whose claims they belong to.
    namespace: String,
}

#[async_trait]
impl Plain for Retain {
    type Args = RetainArgs;
    const NAME: &'static str = "pv.retain";
    const CLASS: Class = Class::Undoable;
    const ABOUT: &'static str = "Keeps the volumes of a namespace when their claims are deleted.";

    async fn plan(with: &Planning<'_>, args: RetainArgs) -> Result<Planned, ActionError> {
        let mut planned = Planned::default();
        let mut volumes = with.list(with.built_in("", "persistentvolumes")?, None, None, None).await?;
        volumes.retain(|it| it.json["spec"]["claimRef"]["namespace"] == args.namespace.as_str());
        volumes.sort_by(|a, b| a.object.cmp(&b.object));
        if volumes.is_empty() {
            planned.remarks.push(format!("no volume belongs to a claim in {}", args.namespace));
        }
        for live in volumes {
            let path = ["spec", "persistentVolumeReclaimPolicy"];
            let field = FieldSet::of(&live.json, &path, Some("Retain".into()));
            planned.change(live.object, field.into_iter().collect());
        }
        Ok(planned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn failures_of_every_webhook_are_ignored() {
        let webhooks = json!([{"name": "a", "failurePolicy": "Fail"}, {"name": "b"}]);
        let wanted =
            json!([{"name": "a", "failurePolicy": "Ignore"}, {"name": "b", "failurePolicy": "Ignore"}]);
        assert_eq!(ignoring(&webhooks), wanted);
    }
}
