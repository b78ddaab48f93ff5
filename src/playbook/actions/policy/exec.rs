use super::{Allow, Policy, are_there};
use crate::playbook::actions::{ActionError, Class, Plain, Planned, Planning};
use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

/// Lets nobody into running pods.
pub(in crate::playbook::actions) struct DenyExec;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::playbook::actions) struct ExecArgs {
    /// Only in these namespaces; everywhere when there are none.
    #[serde(default)]
    namespaces: Vec<String>,
    /// Who may go on, beside the one who carries this out.
    #[serde(default)]
    allow: Allow,
}

#[async_trait]
impl Plain for DenyExec {
    type Args = ExecArgs;
    const NAME: &'static str = "access.denyExec";
    const CLASS: Class = Class::Undoable;
    const ABOUT: &'static str =
        "Has the API server refuse commands, debug containers, attaching and forwarding of ports in pods.";

    async fn plan(with: &Planning<'_>, args: ExecArgs) -> Result<Planned, ActionError> {
        are_there(with, &args.namespaces).await?;
        let allow = args.allow.and_oneself(with).await?;
        let remarks = vec![
            "who is in a pod already stays there, and who may use nodes/proxy gets past the API server's policies".to_owned(),
        ];
        Ok(Planned { ops: policy(args.namespaces, &allow).ops(with)?, remarks, result: None })
    }
}

fn policy(namespaces: Vec<String>, allow: &Allow) -> Policy {
    let rule = |operation: &str, resources: &[&str]| json!({"apiGroups": [""], "apiVersions": ["*"], "operations": [operation], "resources": resources, "scope": "Namespaced"});
    let ways = ["pods/exec", "pods/attach", "pods/portforward", "pods/proxy"];
    Policy {
        rules: vec![rule("CONNECT", &ways), rule("UPDATE", &["pods/ephemeralcontainers"])],
        except: Vec::new(),
        namespaces,
        variables: Vec::new(),
        expression: allow.expression(),
        message: "an incident playbook lets nobody into running pods".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_way_into_a_pod_is_left_out() {
        let spec = policy(Vec::new(), &Allow::default()).spec("p");
        let all = spec["matchConstraints"]["resourceRules"].to_string();
        for way in ["pods/exec", "pods/attach", "pods/portforward", "pods/proxy", "pods/ephemeralcontainers"]
        {
            assert!(all.contains(way), "{all}");
        }
        assert!(spec["matchConstraints"]["namespaceSelector"].is_null());
        let expression = spec["validations"][0]["expression"].as_str().unwrap();
        assert!(expression.starts_with("request.name != 'p' && ("), "{expression}");
    }
}
