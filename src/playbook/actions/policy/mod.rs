//! What the API server itself refuses from now on, by policies in CEL (`ValidatingAdmissionPolicy`). A policy counts a moment
//! after it was made: a step that makes one ends when a request that is only tried was refused by it.

mod exec;
mod freeze;
mod image;

pub(super) use exec::DenyExec;
pub(super) use freeze::Freeze;
pub(super) use image::BlockImage;

use super::{ActionError, Planning, unique};
use crate::playbook::op::{Condition, Create, ObjectRef, Op, Wait};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

const GROUP: &str = "admissionregistration.k8s.io";
/// How long a policy may take until it counts.
const COUNTS_WITHIN_MS: u64 = 60_000;

/// Whom a policy lets through all the same.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Allow {
    /// These users; a service account is `system:serviceaccount:NAMESPACE:NAME`.
    #[serde(default)]
    users: Vec<String>,
    /// Whoever is in one of these groups.
    #[serde(default)]
    groups: Vec<String>,
}

impl Allow {
    /// These, and the one who carries the playbook out: later steps have to get through.
    async fn and_oneself(mut self, with: &Planning<'_>) -> Result<Self, ActionError> {
        let own = with.cluster()?.whoami().await;
        let own = own.map_err(|refusal| super::look::refused("ask who carries this out", refusal))?;
        self.users.extend(own["username"].as_str().filter(|name| !name.is_empty()).map(str::to_owned));
        Ok(self)
    }

    /// In CEL.
    fn expression(&self) -> String {
        let (users, groups) = (list(&self.users), list(&self.groups));
        format!(
            "request.userInfo.username in {users} || \
             (has(request.userInfo.groups) && request.userInfo.groups.exists(g, g in {groups}))"
        )
    }
}

/// A policy, before it has a name.
struct Policy {
    /// What it holds for.
    rules: Vec<Value>,
    /// What it does not hold for after all.
    except: Vec<Value>,
    /// Only in these namespaces; everywhere when there are none.
    namespaces: Vec<String>,
    /// Names for parts of the expression.
    variables: Vec<Value>,
    /// What must be true, in CEL.
    expression: String,
    /// What it says when it is not.
    message: String,
}

impl Policy {
    /// The policy, its binding, and the proof that it counts: a config map that is only tried, and that it refuses.
    fn ops(self, with: &Planning<'_>) -> Result<Vec<Op>, ActionError> {
        let (policies, bindings) = (
            with.built_in(GROUP, "validatingadmissionpolicies")?,
            with.built_in(GROUP, "validatingadmissionpolicybindings")?,
        );
        let name = unique(with, &[]);
        let create = |kind, spec: Value| {
            let object = ObjectRef::new(kind, None, &name, None);
            let metadata = json!({"name": name, "labels": {}});
            let version = object.resource_type().api_version();
            let json =
                json!({"apiVersion": version, "kind": &object.kind, "metadata": metadata, "spec": spec});
            Op::Create(Create::new(object, json, with.run))
        };
        let place = self.namespaces.first().cloned().unwrap_or_else(|| "default".to_owned());
        let binding = json!({"policyName": name, "validationActions": ["Deny"]});
        let tried = ObjectRef::new(with.built_in("", "configmaps")?, Some(&place), &name, None);
        let json =
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": place}});
        let until = Condition::Refused { object: tried, json, says: name.clone() };
        Ok(vec![
            create(policies, self.spec(&name)),
            create(bindings, binding),
            Op::Wait(Wait { until, within_ms: COUNTS_WITHIN_MS }),
        ])
    }

    fn spec(self, name: &str) -> Value {
        let tried = json!({"apiGroups": [""], "apiVersions": ["*"], "operations": ["CREATE"],
            "resources": ["configmaps"], "resourceNames": [name], "scope": "Namespaced"});
        let rules = [self.rules, vec![tried]].concat();
        let mut constraints = json!({"resourceRules": rules});
        if !self.namespaces.is_empty() {
            let named =
                json!({"key": "kubernetes.io/metadata.name", "operator": "In", "values": self.namespaces});
            constraints["namespaceSelector"] = json!({"matchExpressions": [named]});
        }
        if !self.except.is_empty() {
            constraints["excludeResourceRules"] = self.except.into();
        }
        let expression = format!("request.name != {} && ({})", text(name), self.expression);
        let validation = json!({"expression": expression, "message": self.message, "reason": "Forbidden"});
        let mut spec =
            json!({"failurePolicy": "Fail", "matchConstraints": constraints, "validations": [validation]});
        if !self.variables.is_empty() {
            spec["variables"] = self.variables.into();
        }
        spec
    }
}

/// The namespaces are there.
async fn are_there(with: &Planning<'_>, namespaces: &[String]) -> Result<(), ActionError> {
    let kind = with.built_in("", "namespaces")?;
    for namespace in namespaces {
        if with.get(kind, None, namespace).await?.is_none() {
            return Err(ActionError::Missing(format!("Namespace {namespace}")));
        }
    }
    Ok(())
}

/// A text in CEL.
fn text(text: &str) -> String {
    let escaped: String = text
        .chars()
        .map(|c| match c {
            '\\' | '\'' => format!("\\{c}"),
            c if c.is_control() => format!("\\u{:04x}", u32::from(c)),
            c => c.to_string(),
        })
        .collect();
    format!("'{escaped}'")
}

/// A list of texts in CEL.
fn list(texts: &[String]) -> String {
    format!("[{}]", texts.iter().map(|it| text(it)).collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::Expression;

    #[test]
    fn texts_stay_texts() {
        for odd in ["plain", "it's", "a\\b", "'] || true || ['", "two\nlines", "ä"] {
            let value = Expression::parse(&text(odd)).unwrap().evaluate(&[]).unwrap();
            assert_eq!(value, odd);
        }
    }

    #[test]
    fn who_is_allowed_gets_through() {
        let allow = Allow { users: vec!["jane".into()], groups: vec!["ops".into()] };
        let expression = Expression::parse(&allow.expression()).unwrap();
        let may = |user: &str, groups: Value| {
            expression.holds("request", &json!({"userInfo": {"username": user, "groups": groups}})).unwrap()
        };
        assert!(may("jane", json!([])) && may("joe", json!(["ops"])));
        assert!(!may("joe", json!(["dev"])));
        let nobody = json!({"userInfo": {"username": "joe"}});
        assert_eq!(expression.holds("request", &nobody), Ok(false));
    }
}
