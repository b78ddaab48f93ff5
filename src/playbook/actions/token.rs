//! Tokens of service accounts, what somebody may do, and requests for certificates.

use super::{
    ActionError, Class, Live, Plain, Planned, Planning, Target,
    look::review,
    rbac::Subject,
    secret_ref::{SecretRef, without},
};
use crate::{
    object::{Keep, TypeName, access::Bound, clean},
    playbook::op::{Change, Create, Delete, FieldSet, ObjectRef, Op},
};
use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt, stream};
use schemars::JsonSchema;
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::{Value, json};

/// Makes the tokens of a service account invalid.
pub(super) struct Invalidate;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct InvalidateArgs {
    /// The service account.
    subject: Target,
    /// How.
    strategy: Strategy,
}

/// How tokens are made invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
enum Strategy {
    /// The Secrets that hold tokens which do not expire are deleted.
    DeleteSecrets,
    /// The pods that use it are deleted, and with them the tokens that are bound to them.
    RestartPods,
    /// It is deleted and made again: with its new UID no token of it is valid any more.
    RecreateServiceAccount,
}

#[async_trait]
impl Plain for Invalidate {
    type Args = InvalidateArgs;
    const NAME: &'static str = "token.invalidate";
    const CLASS: Class = Class::Irreversible;
    const ABOUT: &'static str =
        "Makes the tokens of a service account invalid: its Secrets, its pods or itself are deleted.";

    async fn plan(with: &Planning<'_>, args: InvalidateArgs) -> Result<Planned, ActionError> {
        let account = with.find(&args.subject).await?;
        if !account.object.is("", "serviceaccounts") {
            return Err(ActionError::Arguments(format!("{} is no service account", account.object)));
        }
        let namespace = account.object.namespace.clone().unwrap_or_default();
        let mut planned = Planned::default();
        let gone =
            |object: ObjectRef, grace| Op::Delete(Delete { object, propagation: None, grace, kept: None });
        match args.strategy {
            Strategy::DeleteSecrets => {
                let fields = "type=kubernetes.io/service-account-token";
                let secrets =
                    with.list(with.built_in("", "secrets")?, Some(&namespace), None, Some(fields)).await?;
                let ours = secrets.into_iter().filter(|it| is_token_of(&it.json, &account));
                planned.ops = ours.map(|it| gone(it.object, None)).collect();
                planned.remarks.push(
                    "tokens that are bound to pods stay valid until they expire, or their pods go".to_owned(),
                );
            }
            Strategy::RestartPods => {
                let pods = with.list(with.built_in("", "pods")?, Some(&namespace), None, None).await?;
                for pod in pods.into_iter().filter(|pod| uses(&pod.json, &account.object.name)) {
                    if pod.controller().is_none() {
                        planned
                            .remarks
                            .push(format!("nothing owns {}: nothing starts another one", pod.object));
                    }
                    planned.ops.push(gone(pod.object, None));
                }
                let text = "a token that is bound to a pod dies about a minute after the pod was deleted; tokens in Secrets, and those that are bound to nothing, live on";
                planned.remarks.push(text.to_owned());
            }
            Strategy::RecreateServiceAccount => {
                let again = again(&account);
                let object = ObjectRef { uid: None, ..account.object.clone() };
                planned.ops.push(gone(account.object.clone(), None));
                let create = Create::new(object, again, with.run).replacing(account.object.uid.clone());
                planned.ops.push(Op::Create(create));
                let text = format!(
                    "pods that use {} have no valid token until they are started again",
                    account.object
                );
                planned.remarks.push(text);
                if account.object.name == "default" {
                    planned.remarks.push(
                        "a controller makes `default` again by itself, without what it held beside its name"
                            .to_owned(),
                    );
                }
            }
        }
        if planned.ops.is_empty() {
            planned.remarks.push(format!("there is nothing of {} to invalidate in this way", account.object));
        }
        Ok(planned)
    }
}

fn is_token_of(secret: &Value, account: &Live) -> bool {
    let noted = |name: &str| secret["metadata"]["annotations"][name].as_str();
    let uid = noted("kubernetes.io/service-account.uid");
    secret["type"] == "kubernetes.io/service-account-token"
        && noted("kubernetes.io/service-account.name") == Some(&account.object.name)
        && uid.is_none_or(|uid| account.object.uid.as_deref() == Some(uid))
}

fn uses(pod: &Value, account: &str) -> bool {
    pod["spec"]["serviceAccountName"].as_str().filter(|it| !it.is_empty()).unwrap_or("default") == account
}

/// The service account as it is made again: without its tokens, which are gone.
fn again(account: &Live) -> Value {
    let mut json = Value::clone(&account.json);
    clean(&TypeName::new("", "serviceaccounts"), &mut json, &Keep::default());
    if let Some(fields) = json.as_object_mut() {
        fields.shift_remove("secrets");
    }
    if !json["metadata"]["labels"].is_object() {
        json["metadata"]["labels"] = json!({});
    }
    json
}

/// Asks the API server whose a token is.
pub(super) struct TokenReview;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct TokenArgs {
    /// Where the token is.
    token: SecretRef,
    /// For whom it should be good; none for the API server itself.
    #[serde(default)]
    audiences: Vec<String>,
}

#[async_trait]
impl Plain for TokenReview {
    type Args = TokenArgs;
    const NAME: &'static str = "token.review";
    const CLASS: Class = Class::Read;
    const ABOUT: &'static str = "Asks the API server whether a token is still valid, and whose it is.";

    async fn plan(with: &Planning<'_>, args: TokenArgs) -> Result<Planned, ActionError> {
        let token = args.token.read()?;
        let mut spec = json!({"token": token.expose_secret()});
        if !args.audiences.is_empty() {
            spec["audiences"] = args.audiences.into();
        }
        let asked = review(with, ("authentication.k8s.io/v1", "tokenreviews", "TokenReview"), spec).await;
        let status = asked.map_err(|e| match e {
            ActionError::Server { what, why } => ActionError::Server { what, why: without(&why, &token) },
            e => e,
        })?;
        let text = |value: &Value| value.as_str().map(|it| without(it, &token)).unwrap_or_default();
        let result = json!({
            "authenticated": status["authenticated"] == true,
            "username": text(&status["user"]["username"]),
            "uid": text(&status["user"]["uid"]),
            "groups": status["user"]["groups"].as_array().cloned().unwrap_or_default(),
            "error": text(&status["error"]),
        });
        Ok(Planned { result: Some(result.into()), ..Planned::default() })
    }
}

/// Asks the API server what somebody may do.
pub(super) struct AccessReview;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct AccessArgs {
    /// Who.
    subject: Subject,
    /// What: such as what `identity.blastRadius` brings as `topVerbs`.
    verbs: Vec<Right>,
}

/// Something that somebody wants to do.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Right {
    /// `get`, `create`, …
    verb: String,
    /// The API group; empty for the core.
    #[serde(default)]
    group: String,
    /// The type.
    resource: String,
    /// A part of the object, such as `exec`.
    #[serde(default)]
    subresource: String,
    /// The namespace; none for all.
    #[serde(default)]
    namespace: String,
    /// The object; none for any.
    #[serde(default)]
    name: String,
}

#[async_trait]
impl Plain for AccessReview {
    type Args = AccessArgs;
    const NAME: &'static str = "access.review";
    const CLASS: Class = Class::Read;
    const ABOUT: &'static str = "Asks the API server which of these things somebody may do, groups included.";

    async fn plan(with: &Planning<'_>, args: AccessArgs) -> Result<Planned, ActionError> {
        let who = args.subject.bound()?;
        let mut asked = Vec::new();
        for right in &args.verbs {
            asked.push(allowed(with, &who, right));
        }
        let all: Vec<Value> = stream::iter(asked).buffered(8).try_collect().await?;
        Ok(Planned { result: Some(Value::Array(all).into()), ..Planned::default() })
    }
}

async fn allowed(with: &Planning<'_>, who: &Bound, right: &Right) -> Result<Value, ActionError> {
    let attributes = json!({
        "verb": right.verb, "group": right.group, "resource": right.resource,
        "subresource": right.subresource, "namespace": right.namespace, "name": right.name,
    });
    let mut spec = json!({"resourceAttributes": attributes, "groups": who.groups()});
    if let Some(user) = who.user() {
        spec["user"] = user.into();
    }
    let asked = ("authorization.k8s.io/v1", "subjectaccessreviews", "SubjectAccessReview");
    let status = review(with, asked, spec).await?;
    let mut told = attributes;
    told["allowed"] = (status["allowed"] == true).into();
    told["reason"] = status["reason"].as_str().unwrap_or_default().into();
    Ok(told)
}

/// Denies a request for a certificate.
pub(super) struct DenyCsr;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct DenyArgs {
    /// The name of the request.
    name: String,
    /// Why, for whoever asked.
    #[serde(default)]
    message: Option<String>,
}

#[async_trait]
impl Plain for DenyCsr {
    type Args = DenyArgs;
    const NAME: &'static str = "csr.deny";
    const CLASS: Class = Class::Irreversible;
    const ABOUT: &'static str = "Denies a request for a certificate.";

    async fn plan(with: &Planning<'_>, args: DenyArgs) -> Result<Planned, ActionError> {
        let kind = with.built_in("certificates.k8s.io", "certificatesigningrequests")?;
        let live = with.get(kind, None, &args.name).await?;
        let live =
            live.ok_or_else(|| ActionError::Missing(format!("CertificateSigningRequest {}", args.name)))?;
        let held = live.json["status"]["conditions"].as_array().cloned().unwrap_or_default();
        if held.iter().any(|it| it["type"] == "Denied") {
            let remarks = vec![format!("{} is denied already", live.object)];
            return Ok(Planned { remarks, ..Planned::default() });
        }
        if held.iter().any(|it| it["type"] == "Approved") {
            let text = "is approved already, and a certificate that was issued stays valid: take away what its user may do (rbac.detach)";
            return Err(ActionError::Refused(format!("{} {text}", live.object)));
        }
        let now = with.now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let denied = json!({
            "type": "Denied", "status": "True", "reason": "DeniedByPlaybook",
            "message": args.message.unwrap_or_else(|| format!("denied by playbook run {}", with.run)),
            "lastUpdateTime": now, "lastTransitionTime": now,
        });
        let after = [held, vec![denied]].concat();
        let field = FieldSet::of(&live.json, &["status", "conditions"], Some(Value::Array(after)));
        let stays = Some(format!("a denial stays: whoever asked with {} has to ask again", live.object));
        let change = Change {
            part: Some("approval".to_owned()),
            stays,
            ..Change::new(live.object, field.into_iter().collect())
        };
        Ok(Planned { ops: vec![Op::Change(change)], ..Planned::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(json: Value) -> Live {
        let object = ObjectRef {
            group: String::new(),
            version: "v1".into(),
            resource: "serviceaccounts".into(),
            kind: "ServiceAccount".into(),
            namespace: Some("shop".into()),
            name: "ci".into(),
            uid: Some("u1".into()),
        };
        Live { object, json: json.into() }
    }

    #[test]
    fn the_tokens_of_an_account_are_those_of_its_uid() {
        let secret = |name: &str, uid: Option<&str>| {
            let mut json = json!({"type": "kubernetes.io/service-account-token",
                "metadata": {"annotations": {"kubernetes.io/service-account.name": name}}});
            if let Some(uid) = uid {
                json["metadata"]["annotations"]["kubernetes.io/service-account.uid"] = uid.into();
            }
            is_token_of(&json, &account(json!({})))
        };
        assert!(secret("ci", None) && secret("ci", Some("u1")));
        assert!(!secret("ci", Some("u0")) && !secret("other", None));
        assert!(!is_token_of(&json!({"type": "Opaque"}), &account(json!({}))));
    }

    #[test]
    fn an_account_is_made_again_without_its_tokens() {
        let live = account(json!({"apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": {"name": "ci", "namespace": "shop", "uid": "u1", "resourceVersion": "5", "annotations": {"role": "x"}},
            "secrets": [{"name": "ci-token"}], "imagePullSecrets": [{"name": "pull"}], "automountServiceAccountToken": false}));
        let again = again(&live);
        assert_eq!(again["metadata"]["uid"], Value::Null);
        assert_eq!(again["secrets"], Value::Null);
        assert_eq!(again["imagePullSecrets"], json!([{"name": "pull"}]));
        assert_eq!(again["automountServiceAccountToken"], false);
        assert_eq!(again["metadata"]["annotations"]["role"], "x");
    }

    #[test]
    fn a_pod_without_an_account_uses_the_default_one() {
        assert!(uses(&json!({"spec": {}}), "default"));
        assert!(uses(&json!({"spec": {"serviceAccountName": "ci"}}), "ci"));
        assert!(!uses(&json!({"spec": {"serviceAccountName": "ci"}}), "default"));
    }
}
