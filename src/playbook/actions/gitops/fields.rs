//! How each of them marks what it manages, and how each is held.

use super::Reconciler;
use crate::playbook::{
    actions::{ActionError, Live},
    op::FieldSet,
};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Who manages an object, as its labels and annotations say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Names {
    /// The application of Argo CD: its name; its namespace, if it says so.
    argocd: Option<(Option<String>, String)>,
    /// The kind, namespace and name of what manages it for Flux.
    flux: Vec<(&'static str, String, String)>,
}

impl Names {
    pub(super) fn of(live: &Live) -> Self {
        let metadata = &live.json["metadata"];
        let label = |name: &str| metadata["labels"][name].as_str();
        let tracked = metadata["annotations"]["argocd.argoproj.io/tracking-id"].as_str();
        let tracked = tracked.and_then(|it| it.split(':').next()).or(label("argocd.argoproj.io/instance"));
        // Applications of other namespaces have theirs before an underscore, which no name holds.
        let argocd = tracked.map(|it| match it.split_once('_') {
            Some((namespace, name)) => (Some(namespace.to_owned()), name.to_owned()),
            None => (None, it.to_owned()),
        });
        let mut flux = Vec::new();
        for (kind, prefix) in
            [("Kustomization", "kustomize.toolkit.fluxcd.io"), ("HelmRelease", "helm.toolkit.fluxcd.io")]
        {
            let part = |part: &str| label(&format!("{prefix}/{part}")).map(str::to_owned);
            if let (Some(namespace), Some(name)) = (part("namespace"), part("name")) {
                flux.push((kind, namespace, name));
            }
        }
        Names { argocd, flux }
    }

    fn name(&self, live: &Live) -> bool {
        let object = &live.object;
        let namespace = object.namespace.as_deref().unwrap_or_default();
        match object.kind.as_str() {
            "Application" => self.argocd.as_ref().is_some_and(|(place, name)| {
                *name == object.name && place.as_ref().is_none_or(|place| place == namespace)
            }),
            kind => self.flux.iter().any(|(k, n, name)| *k == kind && n == namespace && *name == object.name),
        }
    }

    /// Those that are named, and are not among the ones that were found.
    pub(super) fn missing(&self, found: &BTreeSet<String>) -> Vec<String> {
        let flux = self.flux.iter().map(|(kind, namespace, name)| format!("{kind} {namespace}/{name}"));
        let argocd = self.argocd.iter().map(|(place, name)| match place {
            Some(place) => format!("Application {place}/{name}"),
            None => format!("Application {name}"),
        });
        let is_there = |it: &String| match it.contains('/') {
            true => found.contains(it),
            // Its namespace is not known.
            false => it.strip_prefix("Application ").is_some_and(|name| {
                found.iter().any(|it| it.starts_with("Application ") && it.ends_with(&format!("/{name}")))
            }),
        };
        flux.chain(argocd).filter(|it| !is_there(it)).collect()
    }
}

/// Does it bring one of these objects, or things into this namespace?
pub(super) fn manages(live: &Live, chain: &[Live], namespace: Option<&str>) -> bool {
    let spec = &live.json["spec"];
    let into = match live.object.kind.as_str() {
        "Application" => spec["destination"]["namespace"].as_str(),
        _ => spec["targetNamespace"].as_str().or(live.object.namespace.as_deref()),
    };
    let whole = namespace.is_some_and(|it| into == Some(it) || live.object.namespace.as_deref() == Some(it));
    whole || chain.iter().any(|it| it.object == live.object || Names::of(it).name(live))
}

/// Does it scale one of these objects, or something in this namespace?
pub(super) fn scales(live: &Live, chain: &[Live], namespace: Option<&str>) -> bool {
    let scaled = &live.json["spec"]["scaleTargetRef"];
    let place = live.object.namespace.as_deref();
    // KEDA leaves the kind out where it is a Deployment.
    let kind = scaled["kind"].as_str().unwrap_or("Deployment");
    let is = |it: &Live| {
        let same = it.object.namespace.as_deref() == place;
        it.object == live.object
            || (same && it.object.kind == kind && scaled["name"] == it.object.name.as_str())
    };
    namespace.is_some_and(|it| place == Some(it)) || chain.iter().any(is)
}

/// The fields by which one is held.
pub(super) fn paused(reconciler: Reconciler, live: &Live) -> Result<Vec<FieldSet>, ActionError> {
    let set = |path: &[&str], value: Value| FieldSet::of(&live.json, path, Some(value));
    let spec = &live.json["spec"];
    Ok(match reconciler {
        Reconciler::Argocd => {
            let automated = FieldSet::of(&live.json, &["spec", "syncPolicy", "automated"], None);
            let skip = set(&["metadata", "annotations", "argocd.argoproj.io/skip-reconcile"], "true".into());
            automated.into_iter().chain(skip).collect()
        }
        Reconciler::Flux => set(&["spec", "suspend"], true.into()).into_iter().collect(),
        Reconciler::Keda => set(&["metadata", "annotations", "autoscaling.keda.sh/paused"], "true".into())
            .into_iter()
            .collect(),
        Reconciler::Hpa if live.object.version == "v1" => {
            let text = "cannot be held: the server knows HorizontalPodAutoscalers in version v1 only";
            return Err(ActionError::Refused(format!("{} {text}", live.object)));
        }
        Reconciler::Hpa => set(&["spec", "behavior"], still(&spec["behavior"])).into_iter().collect(),
    })
}

/// The behaviour of an autoscaler that scales neither up nor down; what the server would fill in is there already, so that
/// nothing of it is left when it is taken back.
fn still(behavior: &Value) -> Value {
    let policy = |kind: &str, value: i64| json!({"type": kind, "value": value, "periodSeconds": 15});
    let up =
        json!({"stabilizationWindowSeconds": 0, "policies": [policy("Pods", 4), policy("Percent", 100)]});
    let down = json!({"policies": [policy("Percent", 100)]});
    let of = |name: &str, usual: Value| {
        let mut rules = if behavior[name].is_object() { behavior[name].clone() } else { usual };
        rules["selectPolicy"] = "Disabled".into();
        rules
    };
    json!({"scaleUp": of("scaleUp", up), "scaleDown": of("scaleDown", down)})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::playbook::op::ObjectRef;

    fn live(kind: &str, place: (&str, &str), json: Value) -> Live {
        let object = ObjectRef {
            group: "g".into(),
            version: "v2".into(),
            resource: kind.to_lowercase(),
            kind: kind.into(),
            namespace: Some(place.0.into()),
            name: place.1.into(),
            uid: Some(format!("{kind}-{}", place.1)),
        };
        Live { object, json: json.into() }
    }

    #[test]
    fn each_is_known_by_what_it_writes() {
        let web = live(
            "Deployment",
            ("shop", "web"),
            json!({"metadata": {
            "labels": {"kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"},
            "annotations": {"argocd.argoproj.io/tracking-id": "team_shop:apps/Deployment:shop/web"}}}),
        );
        let chain = [web];
        let is = |it: Live| manages(&it, &chain, None);
        assert!(is(live("Kustomization", ("flux-system", "apps"), json!({}))));
        assert!(!is(live("Kustomization", ("other", "apps"), json!({}))));
        assert!(!is(live("HelmRelease", ("flux-system", "apps"), json!({}))));
        assert!(is(live("Application", ("team", "shop"), json!({}))));
        assert!(!is(live("Application", ("argocd", "shop"), json!({}))));
        let into =
            live("Application", ("argocd", "x"), json!({"spec": {"destination": {"namespace": "shop"}}}));
        assert!(manages(&into, &[], Some("shop")) && !manages(&into, &[], Some("other")));
        let found = BTreeSet::from(["Kustomization flux-system/apps".to_owned()]);
        assert_eq!(Names::of(&chain[0]).missing(&found), ["Application team/shop"]);
    }

    #[test]
    fn autoscalers_are_found_by_what_they_scale() {
        let chain = [live("Deployment", ("shop", "web"), json!({}))];
        let of = |namespace: &str, target: Value| {
            live("ScaledObject", (namespace, "s"), json!({"spec": {"scaleTargetRef": target}}))
        };
        assert!(scales(&of("shop", json!({"name": "web"})), &chain, None));
        assert!(!scales(&of("other", json!({"name": "web"})), &chain, None));
        assert!(!scales(&of("shop", json!({"kind": "StatefulSet", "name": "web"})), &chain, None));
        assert!(scales(&of("other", json!({"name": "x"})), &chain, Some("other")));
    }

    #[test]
    fn an_autoscaler_keeps_its_rules_while_it_is_held() {
        let held = still(
            &json!({"scaleDown": {"stabilizationWindowSeconds": 60, "selectPolicy": "Max", "policies": []}}),
        );
        assert_eq!(
            held["scaleDown"],
            json!({"stabilizationWindowSeconds": 60, "selectPolicy": "Disabled", "policies": []})
        );
        assert_eq!(held["scaleUp"]["selectPolicy"], "Disabled");
        let told = |reconciler, json: Value| -> Vec<String> {
            paused(reconciler, &live("X", ("a", "b"), json))
                .unwrap()
                .iter()
                .map(ToString::to_string)
                .collect()
        };
        assert_eq!(told(Reconciler::Flux, json!({"spec": {}})), ["spec.suspend: (absent) -> true"]);
        assert!(told(Reconciler::Flux, json!({"spec": {"suspend": true}})).is_empty());
        let application =
            told(Reconciler::Argocd, json!({"spec": {"syncPolicy": {"automated": {"prune": true}}}}));
        assert_eq!(application[0], "spec.syncPolicy.automated: {\"prune\":true} -> (absent)");
        assert_eq!(application.len(), 2);
    }
}
