//! With what somebody proves who they are: service accounts, tokens, certificates, identities of a cloud.

use super::{Effect, Statement, text, texts};
use crate::object::Identity;
use serde_json::Value;

const SERVICE_ACCOUNT_TOKEN: &str = "kubernetes.io/service-account-token";
const BOOTSTRAP_TOKEN: &str = "bootstrap.kubernetes.io/token";

/// Annotations by which the service accounts of EKS, GKE and AKS get rights in the cloud.
const CLOUD: &[&str] =
    &["eks.amazonaws.com/role-arn", "iam.gke.io/gcp-service-account", "azure.workload.identity/client-id"];

pub(super) fn is_token(secret: &Value) -> bool {
    matches!(text(Some(secret), &["type"]), SERVICE_ACCOUNT_TOKEN | BOOTSTRAP_TOKEN)
}

pub(super) fn service_account(
    object: &Identity,
    before: Option<&Value>,
    after: Option<&Value>,
) -> Vec<Statement> {
    let name = format!("ServiceAccount {}/{}", object.namespace.as_deref().unwrap_or_default(), object.name);
    let mut said = Vec::new();
    match (before, after) {
        (None, Some(_)) => said.push(Statement::note(format!("{name} is new"))),
        (Some(_), None) => {
            said.push(Statement::note(format!("{name} is gone, and its tokens are no longer valid")))
        }
        _ => {}
    }
    for key in CLOUD {
        let way = ["metadata", "annotations", key];
        let (was, is) = (text(before, &way), text(after, &way));
        if was != is && !is.is_empty() {
            let text = format!("{name} acts in the cloud as {is}");
            said.push(Statement::new(Effect::Grants, text).because("rights outside of the cluster"));
        } else if was != is && after.is_some() {
            said.push(Statement::new(
                Effect::Revokes,
                format!("{name} no longer acts in the cloud as {was}"),
            ));
        }
    }
    said
}

pub(super) fn token(object: &Identity, before: Option<&Value>, after: Option<&Value>) -> Vec<Statement> {
    let read = after.filter(|it| is_token(it)).or(before);
    let whose = match text(read, &["type"]) {
        BOOTSTRAP_TOKEN => "with which nodes join".to_owned(),
        _ => {
            let account = text(read, &["metadata", "annotations", "kubernetes.io/service-account.name"]);
            format!(
                "of ServiceAccount {}/{account} that does not expire",
                object.namespace.as_deref().unwrap_or_default()
            )
        }
    };
    let held = |secret: Option<&Value>| secret.is_some_and(is_token);
    let data = |secret: Option<&Value>| secret.and_then(|it| it.get("data")).cloned();
    match (held(before), held(after)) {
        (false, true) => {
            let text = format!("a token {whose}");
            vec![Statement::new(Effect::Grants, text).because("a credential that can be carried away")]
        }
        (true, false) => vec![Statement::new(Effect::Revokes, format!("the token {whose} is gone"))],
        (true, true) if data(before) != data(after) => {
            vec![Statement::note(format!("the token {whose} has another content"))]
        }
        _ => Vec::new(),
    }
}

pub(super) fn certificate_request(before: Option<&Value>, after: Option<&Value>) -> Vec<Statement> {
    const CLIENT: &str = "kubernetes.io/kube-apiserver-client";
    let Some(now) = after else {
        return vec![Statement::note(
            "the request for a certificate is gone; a certificate that was issued stays valid",
        )];
    };
    let spec = |name: &str| text(Some(now), &["spec", name]);
    let signer = spec("signerName");
    let by = format!("a certificate that User {} asked {signer} for", spec("username"));
    let conditions = |object: Option<&Value>| -> Vec<(String, String)> {
        let list = object.and_then(|it| it.get("status")?.get("conditions")?.as_array());
        let of = |name: &str, condition: &Value| text(Some(condition), &[name]).to_owned();
        list.into_iter().flatten().map(|c| (of("type", c), of("message", c))).collect()
    };
    let issued = |object: Option<&Value>| !text(object, &["status", "certificate"]).is_empty();
    let had = conditions(before);
    let mut said = Vec::new();
    if before.is_none() {
        let usages = now.get("spec").map(|spec| texts(spec, "usages").join(", ")).unwrap_or_default();
        said.push(Statement::note(format!("{by} (for: {usages})")));
    }
    for (kind, message) in conditions(after).into_iter().filter(|condition| !had.contains(condition)) {
        let why = if message.is_empty() { String::new() } else { format!(" ({message})") };
        said.push(match kind.as_str() {
            "Approved" if signer == CLIENT => {
                Statement::new(Effect::Grants, format!("{by} is approved{why}"))
                    .because("whoever has it speaks to the API server under the name in it")
            }
            "Approved" => Statement::new(Effect::Grants, format!("{by} is approved{why}")),
            other => Statement::note(format!("{by} is {}{why}", other.to_lowercase())),
        });
    }
    if issued(after) && !issued(before) {
        said.push(Statement::note(format!("{by} is issued")));
    }
    said
}

pub(super) fn aws_auth(before: Option<&Value>, after: Option<&Value>) -> Vec<Statement> {
    let mut said = Vec::new();
    for (field, what) in
        [("mapRoles", "IAM roles"), ("mapUsers", "IAM users"), ("mapAccounts", "AWS accounts")]
    {
        let (was, is) = (text(before, &["data", field]), text(after, &["data", field]));
        if was == is {
            continue;
        }
        let masters = |text: &str| text.matches("system:masters").count();
        let statement = Statement::note(format!("other {what} are users of the cluster, or in other groups"));
        said.push(match masters(is) > masters(was) {
            true => statement.because("one more in system:masters, which may do everything"),
            false => statement,
        });
    }
    said
}

#[cfg(test)]
mod tests {
    use super::super::{describe, says_who_may};
    use super::*;
    use crate::object::TypeName;
    use serde_json::json;

    fn told(path: &str, before: Option<Value>, after: Option<Value>) -> Vec<String> {
        let (object, _) = Identity::of_path(path).unwrap();
        let said = describe(&object, before.as_ref(), after.as_ref());
        said.iter().map(|s| format!("{}{}", s.text, if s.danger.is_empty() { "" } else { " !" })).collect()
    }

    #[test]
    fn accounts_and_tokens() {
        let path = "core/v1/serviceaccounts/shop/ci.json";
        assert_eq!(told(path, None, Some(json!({}))), ["ServiceAccount shop/ci is new"]);
        let role = |arn: &str| Some(json!({"metadata": {"annotations": {CLOUD[0]: arn}}}));
        assert_eq!(told(path, role("a"), role("b")), ["ServiceAccount shop/ci acts in the cloud as b !"]);
        assert_eq!(
            told(path, role("a"), Some(json!({}))),
            ["ServiceAccount shop/ci no longer acts in the cloud as a"]
        );
        let path = "core/v1/secrets/shop/ci-token.json";
        let secret = |kind: &str, data: &str| {
            Some(
                json!({"type": kind, "data": {"token": data}, "metadata": {"annotations": {"kubernetes.io/service-account.name": "ci"}}}),
            )
        };
        let token = secret(SERVICE_ACCOUNT_TOKEN, "secret:1");
        assert_eq!(
            told(path, None, token.clone()),
            ["a token of ServiceAccount shop/ci that does not expire !"]
        );
        assert_eq!(
            told(path, token.clone(), None),
            ["the token of ServiceAccount shop/ci that does not expire is gone"]
        );
        let other = told(path, token, secret(SERVICE_ACCOUNT_TOKEN, "secret:2"));
        assert_eq!(other, ["the token of ServiceAccount shop/ci that does not expire has another content"]);
        assert_eq!(told(path, None, secret(BOOTSTRAP_TOKEN, "x")), ["a token with which nodes join !"]);
        assert!(!says_who_may(&TypeName::new("", "secrets"), &secret("Opaque", "x").unwrap()));
    }

    #[test]
    fn certificates_and_clouds() {
        let path = "certificates.k8s.io/v1/certificatesigningrequests/_cluster/jane.json";
        let spec = json!({"username": "jane", "signerName": "kubernetes.io/kube-apiserver-client", "usages": ["client auth"]});
        let asked = json!({"spec": spec});
        let approved = json!({"spec": spec, "status": {"certificate": "x", "conditions": [{"type": "Approved", "message": "by admin"}]}});
        let by = "a certificate that User jane asked kubernetes.io/kube-apiserver-client for";
        assert_eq!(told(path, None, Some(asked.clone())), [format!("{by} (for: client auth)")]);
        let wanted = [format!("{by} is approved (by admin) !"), format!("{by} is issued")];
        assert_eq!(told(path, Some(asked), Some(approved)), wanted);
        let path = "core/v1/configmaps/kube-system/aws-auth.json";
        let map = |groups: &str| Some(json!({"data": {"mapUsers": groups}}));
        let said = told(path, map("- groups: [viewers]"), map("- groups: [system:masters]"));
        assert_eq!(said, ["other IAM users are users of the cluster, or in other groups !"]);
    }
}
