use super::{Allow, Policy, are_there};
use crate::playbook::actions::{ActionError, Class, Plain, Planned, Planning};
use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

/// Lets nobody change anything in namespaces.
pub(in crate::playbook::actions) struct Freeze;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::playbook::actions) struct FreezeArgs {
    /// The namespace.
    #[serde(default)]
    namespace: Option<String>,
    /// Or several.
    #[serde(default)]
    namespaces: Vec<String>,
    /// Who may go on, beside the one who carries this out.
    #[serde(default)]
    allow: Allow,
    /// False holds back the controllers of the cluster as well: no pod is started in the place of one that ends.
    #[serde(default = "yes")]
    controllers: bool,
}

fn yes() -> bool {
    true
}

#[async_trait]
impl Plain for Freeze {
    type Args = FreezeArgs;
    const NAME: &'static str = "namespace.freeze";
    const CLASS: Class = Class::Undoable;
    const ABOUT: &'static str = "Has the API server refuse every change in namespaces, but those of the cluster's own controllers and of whom is allowed.";

    async fn plan(with: &Planning<'_>, args: FreezeArgs) -> Result<Planned, ActionError> {
        let mut namespaces = args.namespaces;
        namespaces.extend(args.namespace);
        namespaces.sort();
        namespaces.dedup();
        if namespaces.is_empty() {
            return Err(ActionError::Arguments("`namespace` says which namespace is frozen".to_owned()));
        }
        if let Some(own) = namespaces.iter().find(|it| it.starts_with("kube-")) {
            return Err(ActionError::Refused(format!("{own} is not frozen: the cluster itself works in it")));
        }
        are_there(with, &namespaces).await?;
        let allow = args.allow.and_oneself(with).await?;
        let mut remarks =
            vec!["what runs goes on; who may use the nodes or etcd directly is not held back".to_owned()];
        if !args.controllers {
            remarks.push("no controller starts a pod in the place of one that ends".to_owned());
        }
        Ok(Planned { ops: policy(namespaces, allow, args.controllers).ops(with)?, remarks, result: None })
    }
}

fn policy(namespaces: Vec<String>, mut allow: Allow, controllers: bool) -> Policy {
    // A node tells how its pods are, and what has been deleted is cleared away.
    allow.groups.push("system:nodes".to_owned());
    allow.users.extend(
        ["system:apiserver", "system:serviceaccount:kube-system:namespace-controller"].map(str::to_owned),
    );
    if controllers {
        allow.groups.push("system:serviceaccounts:kube-system".to_owned());
        allow.users.extend(["system:kube-controller-manager", "system:kube-scheduler"].map(str::to_owned));
    }
    let rule = |groups: Value, resources: Value| json!({"apiGroups": groups, "apiVersions": ["*"], "operations": ["CREATE", "UPDATE", "DELETE"], "resources": resources, "scope": "Namespaced"});
    let itself = json!({"apiGroups": [""], "apiVersions": ["*"], "operations": ["UPDATE", "DELETE"],
        "resources": ["namespaces"], "resourceNames": namespaces, "scope": "Cluster"});
    let parts = json!(["*", "*/scale", "pods/ephemeralcontainers", "pods/eviction"]);
    Policy {
        message: format!("frozen by an incident playbook: {}", namespaces.join(", ")),
        rules: vec![rule(json!(["*"]), parts), itself],
        except: vec![
            rule(json!(["", "events.k8s.io"]), json!(["events"])),
            rule(json!(["coordination.k8s.io"]), json!(["leases"])),
            rule(json!([""]), json!(["endpoints"])),
            rule(json!(["discovery.k8s.io"]), json!(["endpointslices"])),
        ],
        namespaces,
        variables: Vec::new(),
        expression: allow.expression(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::Expression;

    #[test]
    fn controllers_go_on_unless_they_are_held_back() {
        let may = |controllers: bool, user: &str, groups: Value| {
            let policy = policy(vec!["shop".into()], Allow::default(), controllers);
            let request = json!({"userInfo": {"username": user, "groups": groups}});
            Expression::parse(&policy.expression).unwrap().holds("request", &request).unwrap()
        };
        let replicas = "system:serviceaccount:kube-system:replicaset-controller";
        let groups = json!(["system:serviceaccounts:kube-system"]);
        assert!(may(true, replicas, groups.clone()) && !may(false, replicas, groups));
        assert!(may(false, "system:node:n1", json!(["system:nodes"])));
        assert!(!may(true, "jane", json!(["system:masters"])));
    }

    #[test]
    fn objects_of_other_places_are_left_alone() {
        let spec = policy(vec!["shop".into()], Allow::default(), true).spec("p");
        let rules = spec["matchConstraints"]["resourceRules"].as_array().unwrap();
        // A selector of namespaces does not hold back what is in none.
        assert!(
            rules
                .iter()
                .all(|rule| rule["scope"] == "Namespaced" || rule["resourceNames"] == json!(["shop"])),
            "{spec}"
        );
    }
}
