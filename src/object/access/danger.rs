//! Rights with which somebody can get more rights, or at what others meant to keep.
//!
//! The list is that of "Role Based Access Control Good Practices", section "Kubernetes RBAC - privilege escalation risks"
//! (<https://kubernetes.io/docs/concepts/security/rbac-good-practices/>), and its advice on wildcards and on
//! `system:unauthenticated`. Beyond that page: commands in running pods (`pods/exec` and its like), which reach whatever the
//! pod reaches, and changing a workload, which starts pods as creating one does.

use super::{ADMISSION, ADMISSION_TYPES, RBAC};

struct Risk {
    verbs: &'static [&'static str],
    group: &'static str,
    resources: &'static [&'static str],
    why: &'static str,
}

const ANY: &[&str] = &[];
const WRITE: &[&str] = &["create", "update", "patch"];
const START: &str = "starts pods, and with them uses any Secret and service account of the namespace";
const CONTROL: &str = "decides what may be written, and sees it";

const RISKS: &[Risk] = &[
    Risk { verbs: &["get", "list", "watch"], group: "", resources: &["secrets"], why: "reads Secrets" },
    Risk { verbs: &["create"], group: "", resources: &["pods"], why: START },
    Risk { verbs: WRITE, group: "", resources: &["replicationcontrollers", "podtemplates"], why: START },
    Risk {
        verbs: WRITE,
        group: "apps",
        resources: &["daemonsets", "deployments", "replicasets", "statefulsets"],
        why: START,
    },
    Risk { verbs: WRITE, group: "batch", resources: &["cronjobs", "jobs"], why: START },
    Risk {
        verbs: &["create", "get"],
        group: "",
        resources: &["pods/exec", "pods/attach"],
        why: "runs commands in pods",
    },
    Risk {
        verbs: &["update", "patch"],
        group: "",
        resources: &["pods/ephemeralcontainers"],
        why: "runs commands in pods",
    },
    Risk {
        verbs: WRITE,
        group: "",
        resources: &["persistentvolumes"],
        why: "reaches the file systems of the nodes",
    },
    Risk {
        verbs: ANY,
        group: "",
        resources: &["nodes/proxy"],
        why: "runs commands in every pod of the nodes, past audit log and admission",
    },
    Risk {
        verbs: &["escalate"],
        group: RBAC,
        resources: &["roles", "clusterroles"],
        why: "writes roles with rights that it does not have",
    },
    Risk {
        verbs: &["bind"],
        group: RBAC,
        resources: &["roles", "clusterroles"],
        why: "gives out roles that it does not have",
    },
    Risk {
        verbs: &["impersonate"],
        group: "",
        resources: &["users", "groups", "serviceaccounts"],
        why: "acts as somebody else",
    },
    Risk {
        verbs: &["impersonate"],
        group: "authentication.k8s.io",
        resources: &["users", "groups", "uids", "userextras"],
        why: "acts as somebody else",
    },
    Risk {
        verbs: &["update", "patch"],
        group: "certificates.k8s.io",
        resources: &["certificatesigningrequests/approval"],
        why: "approves certificates, for any name",
    },
    Risk {
        verbs: &["approve", "sign"],
        group: "certificates.k8s.io",
        resources: &["signers"],
        why: "approves certificates, for any name",
    },
    Risk {
        verbs: &["create"],
        group: "",
        resources: &["serviceaccounts/token"],
        why: "makes tokens of service accounts",
    },
    Risk {
        verbs: &["create", "update", "patch", "delete", "deletecollection"],
        group: ADMISSION,
        resources: ADMISSION_TYPES,
        why: CONTROL,
    },
    Risk {
        verbs: &["update", "patch"],
        group: "",
        resources: &["namespaces"],
        why: "changes labels of namespaces, on which pod security and network policies rest",
    },
];

const ALL: &str = "every right there is";
const WILD: &str = "a wildcard: it covers also what comes later";

/// Why this right deserves a look. `resource` has its subresource behind a slash.
pub(super) fn of_right(verb: &str, group: &str, resource: &str) -> Vec<&'static str> {
    if [verb, group, resource] == ["*"; 3] {
        return vec![ALL];
    }
    let mut found = Vec::new();
    if verb == "*" || resource == "*" {
        found.push(WILD);
    }
    let hit = |risk: &&Risk| {
        let fits =
            |pattern: &str, names: &[&str]| pattern == "*" || names.is_empty() || names.contains(&pattern);
        // `*/exec` stands for that subresource of every resource.
        let sub = |name: &&str| matches!((resource.split_once('/'), name.split_once('/')), (Some(("*", a)), Some((_, b))) if a == b);
        fits(verb, risk.verbs)
            && fits(group, &[risk.group])
            && (fits(resource, risk.resources) || risk.resources.iter().any(sub))
    };
    for risk in RISKS.iter().filter(hit) {
        if !found.contains(&risk.why) {
            found.push(risk.why);
        }
    }
    found
}

/// Why it deserves a look that this user or group is given anything.
pub(super) fn of_subject(kind: &str, name: &str) -> Option<&'static str> {
    match (kind, name) {
        ("Group", "system:unauthenticated") | ("User", "system:anonymous") => {
            Some("for everybody who can reach the API server")
        }
        ("Group", "system:authenticated") => Some("for everybody who can log in"),
        ("Group", "system:serviceaccounts") => Some("for every pod of the cluster"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_stand_for_what_they_cover() {
        assert_eq!(of_right("*", "*", "*"), [ALL]);
        assert_eq!(of_right("get", "", "secrets"), ["reads Secrets"]);
        assert_eq!(of_right("get", "*", "*"), [WILD, "reads Secrets", "runs commands in pods", RISKS[8].why]);
        assert_eq!(of_right("get", "apps", "*"), [WILD]);
        assert_eq!(of_right("create", "", "*/exec"), ["runs commands in pods"]);
        assert_eq!(of_right("watch", "", "nodes/proxy"), [RISKS[8].why]);
        assert!(of_right("get", "", "configmaps").is_empty());
        assert!(of_right("delete", "", "secrets").is_empty());
        assert!(of_right("bind", RBAC, "clusterroles").len() == 1);
    }
}
