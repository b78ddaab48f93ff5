use super::{Action, Finding, Planned, ResourcesError, Target, target::Served};
use crate::{
    object::{Amounts, Demand, Quantity, TypeName, demand},
    source::kube::Refusal,
};
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc};

/// Quotas that what is to be made may not fit into.
#[derive(Default)]
pub(super) struct Quotas {
    /// What each namespace will take.
    demands: BTreeMap<Arc<str>, Demand>,
    /// What quotas will allow that are restored themselves, by namespace and name.
    coming: BTreeMap<(String, String), Value>,
}

fn quotas() -> TypeName {
    TypeName::new("", "resourcequotas")
}

impl Quotas {
    /// Counts an object that is to be written, as it will be.
    pub(super) fn take_in(&mut self, planned: &Planned, object: &Value) {
        let Some(namespace) = &planned.to.namespace else { return };
        if planned.action == Action::Create {
            let demand = demand(&planned.object.kind, object);
            self.demands.entry(namespace.clone()).or_default().add(&demand);
        }
        if planned.object.kind == quotas() {
            let place = (namespace.to_string(), planned.to.name.to_string());
            self.coming.insert(place, object["spec"].clone());
        }
    }

    /// Compares it with what the target allows.
    pub(super) async fn find(self, target: &Target) -> Result<Vec<Finding>, ResourcesError> {
        let mut all: BTreeMap<(String, String), Value> = BTreeMap::new();
        if let Served::Same(kind) = target.serves(&quotas(), "v1")
            && !self.demands.is_empty()
        {
            let only = self.demands.keys().next().filter(|_| self.demands.len() == 1).map(|it| &**it);
            let mut list = target.cluster.live(&kind, only);
            let failed = |e: Refusal| ResourcesError::Live { what: quotas().to_string(), reason: e.message };
            while let Some(page) = list.next().await.map_err(failed)? {
                for live in page {
                    let quota = serde_json::from_slice(&live.json).unwrap_or_default();
                    all.insert((live.namespace.unwrap_or_default(), live.name), quota);
                }
            }
        }
        for (place, spec) in self.coming {
            all.entry(place).or_default()["spec"] = spec;
        }
        let mut found = Vec::new();
        for ((namespace, name), quota) in &all {
            let Some(demand) = self.demands.get(&**namespace) else { continue };
            let object = format!("resourcequotas {namespace}/{name}");
            found.extend(
                exceeded(quota, demand).into_iter().map(|text| Finding { object: object.clone(), text }),
            );
        }
        Ok(found)
    }
}

/// What of a quota is exceeded, in words. Which objects a quota with scopes is for is not looked into.
fn exceeded(quota: &Value, demand: &Demand) -> Vec<String> {
    let spec = &quota["spec"];
    let scopes = spec["scopes"].as_array().is_some_and(|it| !it.is_empty());
    if scopes || spec["scopeSelector"].is_object() {
        return Vec::new();
    }
    let of = |amounts: &Amounts, name: &str| amounts.get(name).copied().unwrap_or_default();
    let mut texts = Vec::new();
    for (name, hard) in spec["hard"].as_object().into_iter().flatten() {
        let Some(most) = Quantity::read(hard) else { continue };
        let used = Quantity::read(&quota["status"]["used"][name]).unwrap_or_default();
        let (own, of_pods) = (of(&demand.own, name), of(&demand.of_pods, name));
        let nothing = Quantity::default();
        if own > nothing && used + own > most {
            texts.push(format!("it allows {most} {name}, {used} are there, and {own} more are to be made"));
        } else if of_pods > nothing && used + own + of_pods > most {
            let more = own + of_pods;
            texts.push(format!(
                "it allows {most} {name}, {used} are there, and {more} more are needed when the workloads that are to be \
                 made have all their pods: some of these may not come"
            ));
        }
    }
    texts
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn amounts(list: &[(&str, &str)]) -> Amounts {
        list.iter().map(|(name, amount)| ((*name).to_owned(), Quantity::parse(amount).unwrap())).collect()
    }

    #[test]
    fn what_does_not_fit_is_told() {
        let demand = Demand {
            own: amounts(&[("secrets", "3"), ("requests.storage", "2Gi"), ("pods", "1")]),
            of_pods: amounts(&[("pods", "4"), ("requests.cpu", "1500m")]),
        };
        let told = |hard: Value, used: Value| {
            exceeded(&json!({"spec": {"hard": hard}, "status": {"used": used}}), &demand)
        };
        assert_eq!(
            told(
                json!({"secrets": "2k", "requests.storage": "2Gi", "pods": "5", "services": "0"}),
                json!({})
            ),
            [""; 0]
        );
        assert_eq!(
            told(json!({"secrets": "5"}), json!({"secrets": "3"})),
            ["it allows 5 secrets, 3 are there, and 3 more are to be made"]
        );
        assert_eq!(
            told(json!({"requests.storage": "3Gi"}), json!({"requests.storage": "1536Mi"})),
            ["it allows 3Gi requests.storage, 1536Mi are there, and 2Gi more are to be made"]
        );
        let [pods, cpu] = &told(json!({"pods": "4", "requests.cpu": 1}), json!({}))[..] else { panic!() };
        assert!(
            pods.starts_with("it allows 4 pods, 0 are there, and 5 more are needed when the workloads"),
            "{pods}"
        );
        assert!(cpu.starts_with("it allows 1 requests.cpu, 0 are there, and 1500m more are needed"), "{cpu}");
        // Nothing of it is made now: what is used up already is no matter of the restore.
        assert_eq!(told(json!({"configmaps": "1"}), json!({"configmaps": "2"})), [""; 0]);
    }

    #[test]
    fn a_quota_for_some_objects_only_is_left_alone() {
        let demand = Demand { own: amounts(&[("pods", "3")]), ..Demand::default() };
        let mut quota = json!({"spec": {"hard": {"pods": "1"}}});
        assert_eq!(exceeded(&quota, &demand).len(), 1);
        quota["spec"]["scopes"] = json!(["BestEffort"]);
        assert_eq!(exceeded(&quota, &demand), [""; 0]);
        quota["spec"]["scopes"] = json!([]);
        quota["spec"]["scopeSelector"] = json!({"matchExpressions": []});
        assert_eq!(exceeded(&quota, &demand), [""; 0]);
    }
}
