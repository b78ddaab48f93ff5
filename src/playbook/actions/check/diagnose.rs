use super::super::{ActionError, Class, Live, Plain, Planned, Planning};
use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

/// So many lists are under way at a time.
const AT_A_TIME: usize = 8;

/// Tells why a namespace does not go, or what is left of it.
pub(in crate::playbook::actions) struct Diagnose;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::playbook::actions) struct DiagnoseArgs {
    /// The namespace.
    namespace: String,
}

#[async_trait]
impl Plain for Diagnose {
    type Args = DiagnoseArgs;
    const NAME: &'static str = "namespace.diagnose";
    const CLASS: Class = Class::Read;
    const ABOUT: &'static str =
        "Tells what is left in a namespace, what holds it there, and which APIs do not answer.";

    async fn plan(with: &Planning<'_>, args: DiagnoseArgs) -> Result<Planned, ActionError> {
        let namespace = with.get(with.built_in("", "namespaces")?, None, &args.namespace).await?;
        let mut asked = Vec::new();
        for kind in with.kinds.types.iter().filter(|kind| kind.namespaced) {
            let place = args.namespace.as_str();
            asked.push(async move { (kind.label(), with.list(kind, Some(place), None, None).await) });
        }
        let mut answers: Vec<_> = stream::iter(asked).buffer_unordered(AT_A_TIME).collect().await;
        answers.sort_by(|a, b| a.0.cmp(&b.0));
        let (mut left, mut failed) = (Vec::new(), Vec::new());
        for (label, answer) in answers {
            match answer {
                // What ran there is told by itself, and is not held by anything.
                Ok(_) if label.starts_with("events.") || label.starts_with("events/") => {}
                Ok(found) => left.extend(found),
                Err(e) => failed.push(format!("{label}: {e}")),
            }
        }
        failed.extend(with.kinds.failed.iter().map(|it| format!("{}: {}", it.resource, it.reason)));
        left.sort_by(|a, b| a.object.cmp(&b.object));
        let mut result = told(namespace.as_ref(), &left);
        result["unanswered"] = failed.clone().into();
        let remarks =
            failed.into_iter().map(|it| format!("what is left there is not known of {it}")).collect();
        Ok(Planned { result: Some(result.into()), remarks, ops: Vec::new() })
    }
}

fn told(namespace: Option<&Live>, left: &[Live]) -> Value {
    let held = |it: &&Live| it.json["metadata"]["deletionTimestamp"].is_string();
    let holds: Vec<Value> = left
        .iter()
        .filter(held)
        .map(|it| {
            let mut told = it.object.to_value();
            told["finalizers"] =
                it.json["metadata"]["finalizers"].as_array().cloned().unwrap_or_default().into();
            told["deletedAt"] = it.json["metadata"]["deletionTimestamp"].clone();
            told
        })
        .collect();
    let json = namespace.map_or(&Value::Null, |it| &*it.json);
    let wrong =
        json["status"]["conditions"].as_array().into_iter().flatten().filter(|it| it["status"] == "True");
    let conditions: Vec<Value> =
        wrong.map(|it| json!({"type": it["type"], "message": it["message"]})).collect();
    json!({
        "exists": namespace.is_some(),
        "phase": json["status"]["phase"].as_str().unwrap_or("Absent"),
        "conditions": conditions,
        "left": left.iter().map(|it| it.object.to_value()).collect::<Vec<_>>(),
        "held": holds,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::playbook::op::ObjectRef;

    #[test]
    fn what_holds_a_namespace_is_told_with_its_finalizers() {
        let live = |resource: &str, name: &str, json: Value| {
            let (group, version, kind) = (String::new(), "v1".to_owned(), resource.to_owned());
            let object = ObjectRef {
                group,
                version,
                resource: resource.into(),
                kind,
                namespace: Some("shop".into()),
                name: name.into(),
                uid: None,
            };
            Live { object, json: json.into() }
        };
        let stuck = live(
            "widgets",
            "stuck",
            json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["x.io/y"]}}),
        );
        let plain = live("configmaps", "plain", json!({"metadata": {}}));
        let namespace = live(
            "namespaces",
            "shop",
            json!({"status": {"phase": "Terminating", "conditions": [
            {"type": "NamespaceContentRemaining", "status": "True", "message": "widgets has 1"},
            {"type": "NamespaceDeletionDiscoveryFailure", "status": "False", "message": "all"}]}}),
        );
        let found = told(Some(&namespace), &[plain, stuck]);
        assert_eq!(found["phase"], "Terminating");
        assert_eq!(
            found["conditions"],
            json!([{"type": "NamespaceContentRemaining", "message": "widgets has 1"}])
        );
        assert_eq!(found["left"].as_array().unwrap().len(), 2);
        assert_eq!(found["held"][0]["finalizers"], json!(["x.io/y"]));
        assert_eq!(told(None, &[])["phase"], "Absent");
    }
}
