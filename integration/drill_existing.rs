//! Drills in a cluster of others: the export comes back there, harmless, and afterwards that cluster is as it was.

use crate::{
    drill_case::{check, failed},
    drill_existing_case::{LABEL, site},
};
use anyhow::Result;
use serde_json::{Value, json};
use std::fs;

/// The object that kubectl saw.
#[track_caller]
fn seen<'a>(served: &'a Value, kind: &str, name: &str) -> &'a Value {
    let items = served["items"].as_array().unwrap();
    let found = items.iter().find(|it| it["kind"] == kind && it["metadata"]["name"] == name);
    found.unwrap_or_else(|| panic!("no {kind} {name}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_export_comes_back_harmless_beside_what_others_have_and_goes_without_a_trace() -> Result<()> {
    let site = site().await?;
    let types = "ns,cm,secret,sa,role,rolebinding,deploy,rs,sts,ds,cronjob,job,pod,svc,ingress,netpol,pvc,hpa,berths.quay.example.com";
    let script = format!(
        "set -e\nkubectl config get-contexts -o name > contexts\nkubectl get {types} -A -o json > served.json\n\
         kubectl get clusterrole,clusterrolebinding,priorityclass,storageclass,pv,crd,validatingwebhookconfiguration -o json > wide.json\n\
         cp \"$KUBECONFIG\" used.kubeconfig\n"
    );
    fs::write(site.boat.path("look.sh"), script)?;
    site.write(
        "",
        "objectives: {rto: 10m}\nchecks:\n\
         - {name: crane-is-up, workload: {kind: deployment, namespace: quay, name: crane, readyWithin: 2m}}\n\
         - {name: lookout-is-up, workload: {namespace: quay, labels: app=lookout}}\n\
         - {name: berths, count: {kind: berths, namespace: quay, exactly: 1}}\n\
         - {name: only-ours, count: {kind: deployments, exactly: 2}}\n\
         - {name: look, command: {argv: [sh, look.sh], timeout: 60s}}\n",
    )?;
    let before = site.all().await?;
    let ran = site.drill().await;
    let evidence = ran.expect(0).json();
    site.same(&before, &site.all().await?);
    assert_eq!((evidence["verdict"].as_str(), failed(&evidence)), (Some("passed"), vec![]), "{evidence:#}");
    assert_eq!(evidence["staging"]["provider"], "existing");
    assert_eq!(evidence["staging"]["server"], site.cluster.url());
    assert_eq!(check(&evidence, "crane-is-up")["actual"], "1 of 1 workload ready");
    assert_eq!(check(&evidence, "references")["outcome"], "skipped");
    let objects = check(&evidence, "objects")["actual"].as_str().unwrap();
    assert!(
        objects.contains("came back equal") && objects.ends_with(" 0 differ and should not"),
        "{objects}"
    );
    let isolation = evidence["isolation"].to_string();
    for told in [
        "is not the recovery point's",
        "4 workloads were made without replicas",
        "2 jobs and cron jobs suspended",
        "1 claims wait",
        "drills.existing",
    ] {
        assert!(isolation.contains(told), "{told}: {isolation}");
    }
    let cleanup = evidence["cleanup"].to_string();
    assert!(cleanup.contains("1 namespaces, and ") && cleanup.contains("none of the "), "{cleanup}");
    // No name of anybody's is in what everybody can read.
    for name in ["quay-owners", "foghorn", "theirs", "crane.example.com"] {
        assert!(!evidence.to_string().contains(name), "{name}");
    }

    // What was there meanwhile.
    let served: Value = serde_json::from_str(&fs::read_to_string(site.boat.path("served.json"))?)?;
    let drill = &evidence["id"];
    let labelled = |it: &&Value| it["metadata"]["labels"][LABEL] == *drill;
    assert!(served["items"].as_array().unwrap().iter().filter(labelled).count() >= 18);
    let replicas = |kind: &str, name: &str| seen(&served, kind, name)["spec"]["replicas"].clone();
    assert_eq!(replicas("Deployment", "crane"), 2);
    assert_eq!((replicas("Deployment", "tug"), replicas("StatefulSet", "ledger")), (json!(0), json!(0)));
    assert_eq!(seen(&served, "DaemonSet", "lookout")["status"]["numberReady"], 1);
    assert_eq!(seen(&served, "CronJob", "foghorn")["spec"]["suspend"], true);
    assert_eq!(seen(&served, "Job", "dredge")["spec"]["suspend"], true);
    for name in ["crane", "tug"] {
        let service = seen(&served, "Service", name);
        assert_eq!(
            (&service["spec"]["type"], &service["spec"]["externalIPs"]),
            (&json!("ClusterIP"), &Value::Null)
        );
        assert_eq!(service["metadata"]["annotations"], Value::Null);
    }
    assert_eq!(seen(&served, "Ingress", "gate")["spec"]["ingressClassName"], "lifeboat-drill-nowhere");
    assert_eq!(seen(&served, "NetworkPolicy", "open-sea")["spec"]["egress"], Value::Null);
    let claim = seen(&served, "PersistentVolumeClaim", "hold");
    assert_eq!((&claim["status"]["phase"], &claim["spec"]["volumeName"]), (&json!("Pending"), &Value::Null));
    let accounts = json!([{"kind": "ServiceAccount", "name": "crane", "namespace": "quay"}]);
    assert_eq!(seen(&served, "RoleBinding", "readers")["subjects"], accounts);
    assert_eq!(seen(&served, "Berth", "north")["metadata"]["finalizers"], Value::Null);
    let pods: Vec<&str> = served["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|it| it["kind"] == "Pod" && it["metadata"]["namespace"] == "quay")
        .map(|it| it["metadata"]["labels"]["app"].as_str().unwrap_or("none"))
        .collect();
    assert!(pods.len() == 3 && pods.iter().all(|app| ["crane", "lookout"].contains(app)), "{pods:?}");
    let wide: Value = serde_json::from_str(&fs::read_to_string(site.boat.path("wide.json"))?)?;
    assert_eq!(seen(&wide, "ClusterRoleBinding", "quay-owners")["subjects"], Value::Null);
    assert_eq!(
        seen(&wide, "CustomResourceDefinition", "berths.quay.example.com")["spec"]["conversion"]["strategy"],
        "None"
    );
    let class = seen(&wide, "PriorityClass", "quay-first");
    assert_eq!((&class["globalDefault"], &class["preemptionPolicy"]), (&Value::Null, &json!("Never")));
    let text = wide.to_string();
    assert!(!["quay-disks", "quay-hold", "quay-gatekeeper"].iter().any(|name| text.contains(name)));
    // A command reaches that cluster and no other.
    assert_eq!(fs::read_to_string(site.boat.path("contexts"))?.trim(), "lab");
    let verified = site.boat.run(&["drill", "verify", "latest", "-i", "identity.txt"]).await.expect(0).stdout;
    assert!(verified.contains("the signature holds"), "{verified}");
    Ok(())
}
