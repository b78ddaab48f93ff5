//! How much of a workload runs.

use super::{ActionError, Class, Plain, Planned, Planning, resource::Targets};
use crate::playbook::op::FieldSet;
use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

/// Sets how many replicas there are.
pub(super) struct Scale;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ScaleArgs {
    /// The workload, or several.
    target: Targets,
    /// So many.
    replicas: u32,
}

#[async_trait]
impl Plain for Scale {
    type Args = ScaleArgs;
    const NAME: &'static str = "resource.scale";
    const CLASS: Class = Class::Undoable;
    const ABOUT: &'static str = "Sets how many replicas a workload has.";

    async fn plan(with: &Planning<'_>, args: ScaleArgs) -> Result<Planned, ActionError> {
        let mut planned = Planned::default();
        let scalers = match with.built_in("autoscaling", "horizontalpodautoscalers") {
            Ok(kind) => with.list(kind, None, None, None).await?,
            Err(_) => Vec::new(),
        };
        for live in args.target.find(with).await? {
            if live.object.is("apps", "daemonsets") || live.json["spec"]["template"].is_null() {
                return Err(ActionError::Refused(format!("{} has no replicas to set", live.object)));
            }
            let scaled = scalers.iter().find(|it| {
                let target = &it.json["spec"]["scaleTargetRef"];
                it.object.namespace == live.object.namespace
                    && target["kind"] == live.object.kind.as_str()
                    && target["name"] == live.object.name.as_str()
            });
            if let Some(scaler) = scaled {
                planned.remarks.push(format!(
                    "{} sets the replicas of {} by itself: suspend it first",
                    scaler.object, live.object
                ));
            }
            let field = FieldSet::of(&live.json, &["spec", "replicas"], Some(args.replicas.into()));
            planned.change(live.object, field.into_iter().collect());
        }
        Ok(planned)
    }
}

/// Suspends what runs by itself.
pub(super) struct Suspend;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SuspendArgs {
    /// The CronJob or Job, or several.
    target: Targets,
    /// False lets it go on.
    #[serde(default = "yes")]
    suspend: bool,
}

fn yes() -> bool {
    true
}

#[async_trait]
impl Plain for Suspend {
    type Args = SuspendArgs;
    const NAME: &'static str = "resource.suspend";
    const CLASS: Class = Class::Undoable;
    const ABOUT: &'static str = "Suspends jobs and cron jobs.";

    async fn plan(with: &Planning<'_>, args: SuspendArgs) -> Result<Planned, ActionError> {
        let mut planned = Planned::default();
        for live in args.target.find(with).await? {
            if !live.object.is("batch", "cronjobs") && !live.object.is("batch", "jobs") {
                return Err(ActionError::Refused(format!(
                    "{} cannot be suspended: only jobs and cron jobs can",
                    live.object
                )));
            }
            if live.object.is("batch", "jobs") && args.suspend {
                planned.remarks.push(format!("the running pods of {} are deleted", live.object));
            }
            let field = FieldSet::of(&live.json, &["spec", "suspend"], Some(args.suspend.into()));
            planned.change(live.object, field.into_iter().collect());
        }
        Ok(planned)
    }
}
