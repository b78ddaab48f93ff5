//! Which objects there are.

use super::{ActionError, Class, Plain, Planned, Planning};
use crate::{object::Expression, playbook::brought::Brought};
use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// Finds objects.
pub(super) struct Find;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct FindArgs {
    /// Their types: kinds, or types as kubectl takes them.
    kinds: Vec<String>,
    /// Only in these namespaces.
    #[serde(default)]
    namespaces: Vec<String>,
    /// Only with fitting labels.
    #[serde(default)]
    label_selector: Option<String>,
    /// Only with fitting fields, such as `spec.nodeName=n1`.
    #[serde(default)]
    field_selector: Option<String>,
    /// Only pods that run, and workloads whose pods would run, an image of this digest.
    #[serde(default)]
    image_digest: Option<String>,
    /// Only those of which this is true: CEL over `object`.
    #[serde(default)]
    expr: Option<String>,
}

#[async_trait]
impl Plain for Find {
    type Args = FindArgs;
    const NAME: &'static str = "resource.find";
    const CLASS: Class = Class::Read;
    const ABOUT: &'static str = "Finds objects by type, namespace, labels, fields, image and an expression.";

    async fn plan(with: &Planning<'_>, args: FindArgs) -> Result<Planned, ActionError> {
        let expr = args.expr.as_deref().map(Expression::parse).transpose();
        let expr = expr.map_err(|e| ActionError::Arguments(format!("expr: {e}")))?;
        let mut found = Vec::new();
        for called in &args.kinds {
            let kind = with.kind(called, None)?;
            let mut places: Vec<Option<&str>> = args.namespaces.iter().map(|it| Some(it.as_str())).collect();
            if places.is_empty() || !kind.namespaced {
                places = vec![None];
            }
            for place in places {
                let (labels, fields) = (args.label_selector.as_deref(), args.field_selector.as_deref());
                for live in with.list(kind, place, labels, fields).await? {
                    if args.image_digest.as_ref().is_some_and(|digest| !runs(&live.json, digest)) {
                        continue;
                    }
                    // What has no answer is not true of it.
                    if expr.as_ref().is_some_and(|it| !it.holds("object", &live.json).unwrap_or(false)) {
                        continue;
                    }
                    found.push(live);
                }
            }
        }
        found.sort_by(|a, b| a.object.cmp(&b.object));
        Ok(Planned { result: Some(Brought::Objects(found.into())), ..Planned::default() })
    }
}

/// Does it run an image of this digest? A pod tells what it runs; of anything else the template tells what it would.
fn runs(object: &Value, digest: &str) -> bool {
    let named = |list: &Value, field: &str| {
        list.as_array()
            .into_iter()
            .flatten()
            .any(|it| it[field].as_str().is_some_and(|it| it.contains(digest)))
    };
    let status = &object["status"];
    let lists = ["containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"];
    let running = lists.iter().any(|list| named(&status[*list], "imageID"));
    let of = |spec: &Value| {
        ["containers", "initContainers", "ephemeralContainers"]
            .iter()
            .any(|list| named(&spec[*list], "image"))
    };
    running
        || of(&object["spec"])
        || of(&object["spec"]["template"]["spec"])
        || of(&object["spec"]["jobTemplate"]["spec"]["template"]["spec"])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_image_is_found_wherever_it_runs_or_would() {
        let digest = "sha256:abc";
        let image = json!([{"image": "r/x@sha256:abc"}]);
        assert!(runs(&json!({"status": {"initContainerStatuses": [{"imageID": "r/x@sha256:abc"}]}}), digest));
        assert!(runs(
            &json!({"spec": {"jobTemplate": {"spec": {"template": {"spec": {"containers": image}}}}}}),
            digest
        ));
        assert!(!runs(&json!({"spec": {"containers": [{"image": "r/x:1"}]}}), digest));
    }
}
