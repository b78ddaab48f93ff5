//! Volumes that claims were bound to, and that will not be theirs again: a volume names its claim by UID, and a claim that is
//! restored has another one.

use super::{Action, Finding, Options, Plan, Planned, ResourcesError, Target, live::Reading, target::Served};
use crate::{
    object::{Identity, TypeName},
    source::kube::{LiveObject, Refusal},
};
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use std::collections::HashSet;

/// A claim that is to be made, and the volume that it names.
pub(super) struct Claim {
    claim: Identity,
    volume: Identity,
}

/// Takes note of a claim, as it will be written.
pub(super) fn claim(planned: &Planned, object: &Value) -> Option<Claim> {
    let is_new = planned.action == Action::Create && planned.object.kind.is("", "persistentvolumeclaims");
    let volume = object["spec"]["volumeName"].as_str().filter(|it| is_new && !it.is_empty())?;
    let volume = Identity::new(TypeName::new("", "persistentvolumes"), None, volume);
    Some(Claim { claim: planned.to.clone(), volume })
}

/// The volumes that are there and that their claims will not get.
pub(super) async fn find(
    claims: Vec<Claim>,
    plan: &Plan,
    target: &Target,
    options: &Options,
) -> Result<Vec<Finding>, ResourcesError> {
    let again = |it: &&Planned| matches!(it.action, Action::Create | Action::Recreate);
    let made: HashSet<&Identity> = plan.objects.iter().filter(again).map(|it| &it.to).collect();
    let Served::Same(kind) = target.serves(&TypeName::new("", "persistentvolumes"), "v1") else {
        return Ok(Vec::new());
    };
    let mut reads: Vec<Reading<'_, Claim>> = Vec::new();
    for claim in claims.into_iter().filter(|it| !made.contains(&it.volume)) {
        let (cluster, kind) = (&target.cluster, &kind);
        reads.push(Box::pin(async move {
            let live = cluster.read(kind, None, &claim.volume.name).await;
            (claim, live)
        }));
    }
    let mut reads = stream::iter(reads).buffer_unordered(options.concurrency.max(1));
    let mut found = Vec::new();
    while let Some((claim, live)) = reads.next().await {
        match live {
            Ok(Some(live)) => found.extend(lost(&claim, &live)),
            // Claims may well be restored by somebody who may not look at volumes.
            Ok(None) | Err(Refusal { code: Some(403), .. }) => {}
            Err(e) => {
                return Err(ResourcesError::Live { what: claim.volume.to_string(), reason: e.message });
            }
        }
    }
    found.sort_by(|a, b| a.object.cmp(&b.object));
    Ok(found)
}

/// Why a claim that is not there yet will not get this volume.
fn lost(Claim { claim, volume }: &Claim, live: &LiveObject) -> Option<Finding> {
    let live: Value = serde_json::from_slice(&live.json).unwrap_or_default();
    let bound = &live["spec"]["claimRef"];
    let (Some(namespace), Some(name)) = (bound["namespace"].as_str(), bound["name"].as_str()) else {
        return None;
    };
    let is_ours = claim.namespace.as_deref() == Some(namespace) && *claim.name == *name;
    if is_ours && bound["uid"].as_str().is_none_or(str::is_empty) {
        return None;
    }
    let phase = live["status"]["phase"].as_str().unwrap_or("Pending");
    if phase == "Bound" && !is_ours {
        let text =
            format!("the claim {namespace}/{name} has it: {claim}, which is to be made, will not get it");
        return Some(Finding { object: volume.to_string(), text });
    }
    let reference = json!({
        "namespace": claim.namespace.as_deref(), "name": &*claim.name, "uid": null, "resourceVersion": null,
    });
    let patch = json!({"spec": {"claimRef": reference}});
    let text = format!(
        "it is {phase}, and belongs to the claim {namespace}/{name} that is gone: {claim}, which is to be made, will not get \
         it, unless it is given to it: kubectl patch pv {} --type=merge -p '{patch}'",
        volume.name
    );
    Some(Finding { object: volume.to_string(), text })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(phase: &str, claim_ref: Value) -> Option<String> {
        let identity =
            |resource, namespace, name| Identity::new(TypeName::new("", resource), namespace, name);
        let claim = Claim {
            claim: identity("persistentvolumeclaims", Some("harbour"), "hold"),
            volume: identity("persistentvolumes", None, "barge"),
        };
        let json = json!({"spec": {"claimRef": claim_ref}, "status": {"phase": phase}}).to_string().into();
        let (uid, resource_version) = (String::new(), String::new());
        let live = LiveObject { namespace: None, name: "barge".into(), uid, resource_version, json };
        lost(&claim, &live).map(|it| it.text)
    }

    #[test]
    fn a_volume_is_only_for_the_claim_that_it_names() {
        let of = |name: &str, uid: Value| json!({"namespace": "harbour", "name": name, "uid": uid});
        assert_eq!(told("Available", Value::Null), None);
        assert_eq!(told("Available", of("hold", Value::Null)), None);
        let patch = r#"kubectl patch pv barge --type=merge -p '{"spec":{"claimRef":{"namespace":"harbour","name":"hold","uid":null,"resourceVersion":null}}}'"#;
        for (phase, name) in [("Released", "hold"), ("Bound", "hold"), ("Released", "other")] {
            let text = told(phase, of(name, "u".into())).unwrap();
            assert!(
                text.starts_with(&format!(
                    "it is {phase}, and belongs to the claim harbour/{name} that is gone: "
                )),
                "{text}"
            );
            assert!(text.ends_with(patch), "{text}");
        }
        // What somebody has is not to be taken away.
        let text = told("Bound", of("other", "u".into())).unwrap();
        assert!(text.starts_with("the claim harbour/other has it: ") && !text.contains("patch"), "{text}");
    }
}
