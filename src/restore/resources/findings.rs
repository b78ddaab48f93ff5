//! What is wrong or doubtful with a plan as a whole: nothing that would be refused, but what would not work afterwards.

use super::{Action, Options, Plan, ResourcesError, Target, quotas::Quotas, target::Served, volumes};
use crate::{
    object::{Identity, TypeName},
    source::kube::Refusal,
};
use serde::Serialize;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// Something that should be known before a plan is carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The object that it is about.
    pub object: String,
    /// What is the matter, and what to do.
    pub text: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.object, self.text)
    }
}

/// Finalizers that Kubernetes itself removes.
const OWN_FINALIZERS: &[&str] = &["kubernetes", "orphan", "foregroundDeletion"];

pub(super) async fn find(plan: &mut Plan, target: &Target, options: &Options) -> Result<(), ResourcesError> {
    let mut found = Vec::new();
    let mut services: BTreeMap<Identity, Vec<String>> = BTreeMap::new();
    let mut finalizers: BTreeMap<String, usize> = BTreeMap::new();
    let mut quotas = Quotas::default();
    let mut claims = Vec::new();
    for planned in plan.objects.iter().filter(|it| it.writes()) {
        let Some(kind) = &planned.kind else { continue };
        let object = plan.gathered.prepare(&plan.gathered.objects[planned.saved], kind, options)?;
        for service in services_of(&object) {
            services.entry(service).or_default().push(planned.to.to_string());
        }
        quotas.take_in(planned, &object);
        claims.extend(volumes::claim(planned, &object));
        let names =
            object["metadata"]["finalizers"].as_array().into_iter().flatten().filter_map(Value::as_str);
        for name in names.filter(|name| !is_own(name)) {
            *finalizers.entry(name.to_owned()).or_default() += 1;
        }
    }
    for (name, count) in finalizers {
        let text = format!(
            "{count} objects keep this finalizer: whoever removes it has to run, or their deletion will hang"
        );
        found.push(Finding { object: name, text });
    }
    let coming: BTreeSet<&Identity> =
        plan.objects.iter().filter(|it| it.action != Action::Conflict).map(|it| &it.to).collect();
    for (service, callers) in services {
        if !coming.contains(&service) && !is_live(target, &service).await? {
            for caller in callers {
                let text = format!("it calls the Service {service}, which is not there and not restored");
                found.push(Finding { object: caller, text });
            }
        }
    }
    found.extend(quotas.find(target).await?);
    found.extend(volumes::find(claims, plan, target, options).await?);
    plan.findings = found;
    Ok(())
}

fn is_own(finalizer: &str) -> bool {
    OWN_FINALIZERS.contains(&finalizer)
        || finalizer.starts_with("kubernetes.io/")
        || finalizer.contains(".k8s.io/")
}

/// The Services that the API server will call for an object: of webhooks, of aggregated APIs, of conversions.
fn services_of(object: &Value) -> Vec<Identity> {
    let webhooks =
        object["webhooks"].as_array().into_iter().flatten().map(|it| &it["clientConfig"]["service"]);
    let others = [
        &object["spec"]["conversion"]["webhook"]["clientConfig"]["service"],
        match object["kind"].as_str() {
            Some("APIService") => &object["spec"]["service"],
            _ => &Value::Null,
        },
    ];
    let service = |it: &Value| {
        let kind = TypeName::new("", "services");
        Some(Identity::new(kind, Some(it["namespace"].as_str()?), it["name"].as_str()?))
    };
    webhooks.chain(others).filter_map(service).collect()
}

async fn is_live(target: &Target, object: &Identity) -> Result<bool, ResourcesError> {
    let (Served::Same(kind) | Served::Other(kind)) = target.serves(&object.kind, "v1") else {
        return Ok(false);
    };
    let failed = |e: Refusal| ResourcesError::Live { what: object.to_string(), reason: e.message };
    let live = target.cluster.read(&kind, object.namespace.as_deref(), &object.name).await;
    Ok(live.map_err(failed)?.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_the_server_will_call_is_found() {
        let service = |name: &str| json!({"namespace": "a", "name": name});
        let hook = json!({"webhooks": [{"clientConfig": {"service": service("h")}}, {"clientConfig": {"url": "https://x"}}]});
        let api = json!({"kind": "APIService", "spec": {"service": service("s")}});
        let ingress = json!({"kind": "Other", "spec": {"service": service("no")}});
        let names =
            |object: &Value| services_of(object).iter().map(|it| it.name.to_string()).collect::<Vec<_>>();
        assert_eq!(names(&hook), ["h"]);
        assert_eq!(names(&api), ["s"]);
        assert!(names(&ingress).is_empty());
    }
}
