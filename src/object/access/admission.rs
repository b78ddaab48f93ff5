//! Who is asked before anything is written: admission webhooks and policies.

use super::{Statement, text, texts};
use crate::object::Identity;
use serde_json::Value;
use std::collections::BTreeMap;

const OPEN: &str = "fails open: when it does not answer, everything is let through";
const SEES: &str = "it sees Secrets";
const CHANGES: &str = "it changes what others write";

pub(super) fn describe(object: &Identity, before: Option<&Value>, after: Option<&Value>) -> Vec<Statement> {
    match &*object.kind.resource {
        "mutatingwebhookconfigurations" => webhooks(true, before, after),
        "validatingwebhookconfigurations" => webhooks(false, before, after),
        resource if resource.ends_with("bindings") => binding(before, after),
        _ => policy(before, after),
    }
}

fn webhooks(mutating: bool, before: Option<&Value>, after: Option<&Value>) -> Vec<Statement> {
    let list = |object: Option<&Value>| -> BTreeMap<String, Value> {
        let hooks = object.and_then(|it| it.get("webhooks")?.as_array());
        hooks
            .into_iter()
            .flatten()
            .map(|hook| (text(Some(hook), &["name"]).to_owned(), hook.clone()))
            .collect()
    };
    let (was, is) = (list(before), list(after));
    let gone = was.keys().filter(|name| !is.contains_key(*name));
    let mut said: Vec<Statement> =
        gone.map(|name| Statement::note(format!("the webhook {name} is asked no more"))).collect();
    for (name, hook) in &is {
        if was.get(name) == Some(hook) {
            continue;
        }
        let rules = hook.get("rules").and_then(Value::as_array).into_iter().flatten();
        let asked: Vec<String> = rules.clone().map(rule).collect();
        let word = if was.contains_key(name) { "is now asked" } else { "is asked" };
        let kind = if mutating { "mutating" } else { "validating" };
        let mut statement = Statement::note(format!(
            "the {kind} webhook {name} at {} {word} about {}",
            address(hook),
            if asked.is_empty() { "nothing".to_owned() } else { asked.join("; ") },
        ));
        if text(Some(hook), &["failurePolicy"]) == "Ignore" {
            statement = statement.because(OPEN);
        }
        if rules.clone().any(sees_secrets) {
            statement = statement.because(SEES);
        }
        if mutating {
            statement = statement.because(CHANGES);
        }
        said.push(statement);
    }
    said
}

fn address(hook: &Value) -> String {
    let at = |name: &str| text(hook.get("clientConfig"), &["service", name]);
    match text(hook.get("clientConfig"), &["url"]) {
        "" => format!("service {}/{}{}", at("namespace"), at("name"), at("path")),
        url => url.to_owned(),
    }
}

fn rule(rule: &Value) -> String {
    format!("{} of {}", texts(rule, "operations").join(","), texts(rule, "resources").join(", "))
}

fn sees_secrets(rule: &Value) -> bool {
    let has = |field: &str, names: &[&str]| texts(rule, field).iter().any(|it| names.contains(it));
    has("apiGroups", &["", "*"]) && has("resources", &["secrets", "*", "*/*"])
}

fn policy(before: Option<&Value>, after: Option<&Value>) -> Vec<Statement> {
    let fails = |object: Option<&Value>| text(object, &["spec", "failurePolicy"]).to_owned();
    match (before, after) {
        (None, Some(_)) if fails(after) == "Ignore" => {
            vec![
                Statement::note("the policy is new")
                    .because("fails open: where it cannot be evaluated, everything is let through"),
            ]
        }
        (None, Some(_)) => vec![Statement::note("the policy is new")],
        (Some(_), None) => {
            vec![Statement::note("the policy is gone").because("nothing is refused by it any more")]
        }
        (Some(was), Some(is)) if was.get("spec") != is.get("spec") => {
            let statement = Statement::note("the policy is another one");
            vec![match fails(after) == "Ignore" && fails(before) != "Ignore" {
                true => {
                    statement.because("fails open: where it cannot be evaluated, everything is let through")
                }
                false => statement,
            }]
        }
        _ => Vec::new(),
    }
}

fn binding(before: Option<&Value>, after: Option<&Value>) -> Vec<Statement> {
    let actions = |object: Option<&Value>| {
        object
            .and_then(|it| it.get("spec"))
            .map(|spec| texts(spec, "validationActions").join(","))
            .unwrap_or_default()
    };
    let name = text(after.or(before), &["spec", "policyName"]);
    let weaker = actions(before).contains("Deny") && !actions(after).contains("Deny");
    let statement = match (before, after) {
        (None, Some(_)) => Statement::note(format!("the policy {name} is in force ({})", actions(after))),
        (Some(_), None) => {
            Statement::note(format!("the policy {name} is no longer in force through this binding"))
        }
        (Some(was), Some(is)) if was.get("spec") != is.get("spec") => Statement::note(format!(
            "the policy {name} is in force otherwise ({} -> {})",
            actions(before),
            actions(after)
        )),
        _ => return Vec::new(),
    };
    vec![if weaker { statement.because("it refuses nothing any more") } else { statement }]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(path: &str, before: Option<Value>, after: Option<Value>) -> Vec<(String, Vec<&'static str>)> {
        let (object, _) = Identity::of_path(path).unwrap();
        describe(&object, before.as_ref(), after.as_ref()).into_iter().map(|s| (s.text, s.danger)).collect()
    }

    #[test]
    fn webhooks_are_told_with_what_they_see() {
        let path = "admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/_cluster/x.json";
        let hook = |policy: &str| {
            Some(json!({"webhooks": [{
                "name": "a.example.com", "failurePolicy": policy, "clientConfig": {"url": "https://evil.example.com/"},
                "rules": [{"operations": ["CREATE", "UPDATE"], "apiGroups": [""], "resources": ["secrets"]}],
            }]}))
        };
        let text = "the mutating webhook a.example.com at https://evil.example.com/ is asked about CREATE,UPDATE of secrets";
        assert_eq!(told(path, None, hook("Ignore")), [(text.to_owned(), vec![OPEN, SEES, CHANGES])]);
        assert!(told(path, hook("Fail"), hook("Fail")).is_empty());
        assert_eq!(
            told(path, hook("Fail"), None),
            [("the webhook a.example.com is asked no more".to_owned(), vec![])]
        );
    }

    #[test]
    fn policies_that_refuse_no_more_are_told() {
        let path = "admissionregistration.k8s.io/v1/validatingadmissionpolicybindings/_cluster/x.json";
        let bound = |action: &str| Some(json!({"spec": {"policyName": "p", "validationActions": [action]}}));
        let wanted = (
            "the policy p is in force otherwise (Deny -> Audit)".to_owned(),
            vec!["it refuses nothing any more"],
        );
        assert_eq!(told(path, bound("Deny"), bound("Audit")), [wanted]);
        let path = "admissionregistration.k8s.io/v1/validatingadmissionpolicies/_cluster/p.json";
        assert_eq!(told(path, None, Some(json!({"spec": {}}))), [("the policy is new".to_owned(), vec![])]);
    }
}
