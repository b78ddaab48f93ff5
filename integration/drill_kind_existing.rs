//! A drill in a cluster that is there already and has a kubelet: what the export made of workloads there serves and obeys.

use crate::{
    boat::Lifeboat,
    drill_case::{check, failed},
    drill_kind::harbour,
    kind_cluster::KindCluster,
    lab::{at_rest, eventually},
};
use anyhow::Result;
use std::{fs, time::Duration};

const TYPES: &str = "ns,deploy,rs,sts,ds,cronjob,job,pod,svc,cm,secret,sa,netpol,clusterrole,clusterrolebinding,validatingwebhookconfiguration";

/// Names and UIDs of what is in a cluster.
fn all(cluster: &KindCluster) -> Result<String> {
    let columns = "custom-columns=:.kind,:.metadata.namespace,:.metadata.name,:.metadata.uid";
    cluster.kubectl(&["get", TYPES, "-A", "--no-headers", "-o", columns])
}

/// The same, once controllers have made what they make of every new cluster.
async fn settled(cluster: &KindCluster) -> Result<String> {
    let made = ["coredns-", "kube-root-ca.crt", "certificate-controller"];
    eventually("a whole cluster", Duration::from_secs(120), async || {
        let now = all(cluster)?;
        Ok(made.iter().all(|it| now.contains(it)).then_some(()))
    })
    .await?;
    at_rest(Duration::from_secs(4), async || all(cluster)).await
}

fn allow(boat: &Lifeboat, cluster: &KindCluster) -> Result<()> {
    let uid = cluster.kubectl(&["get", "namespace", "kube-system", "-o", "jsonpath={.metadata.uid}"])?;
    let allowed = format!("{{context: {}, uid: {uid}}}", cluster.context());
    boat.edit(|text| format!("{text}\ndrills: {{existing: [{allowed}]}}\n"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kind_that_exists_serves_what_came_back_and_is_then_as_it_was() -> Result<()> {
    let harbour = harbour().await?;
    let dir = tempfile::tempdir()?;
    let cluster = KindCluster::create("existing", dir.path(), "4m")?;
    allow(&harbour.boat, &cluster)?;
    let text = format!(
        "apiVersion: lifeboat.dev/v1\nkind: Drill\nname: rehearsal\nrestore: [resources]\n\
         staging: {{existing: {{kubeconfig: '{}', context: {}, directory: staging, goneWithin: 2m}}}}\nchecks:\n\
         - {{name: ledger-is-up, workload: {{namespace: harbour, labels: app=ledger, readyWithin: 2m}}}}\n\
         - {{name: it-tells, http: {{namespace: harbour, labels: app=ledger, port: 9000, contains: entries}}}}\n\
         - {{name: it-tells-no-more, severity: warning, http: {{namespace: harbour, labels: app=ledger, port: 9000, contains: bread}}}}\n\
         - {{name: it-obeys, exec: {{namespace: harbour, labels: app=ledger, argv: [workload, env, PATH, /usr/local/bin]}}}}\n\
         - {{name: it-knows-no-other, severity: warning, exec: {{namespace: harbour, labels: app=ledger, argv: [workload, env, PATH, /nowhere]}}}}\n",
        cluster.kubeconfig().display(),
        cluster.context()
    );
    fs::write(harbour.boat.path("drill.yaml"), text)?;
    let before = settled(&cluster).await?;
    let evidence = harbour.drill().await?.expect(0).json();
    assert_eq!(
        (evidence["verdict"].as_str(), failed(&evidence)),
        (Some("passed"), vec!["it-tells-no-more".to_owned(), "it-knows-no-other".to_owned()]),
        "{evidence:#}"
    );
    assert_eq!(check(&evidence, "ledger-is-up")["actual"], "1 of 1 workload ready");
    assert_eq!(check(&evidence, "it-tells")["actual"], "it answered with status 200");
    assert_eq!(check(&evidence, "it-obeys")["actual"], "it ended with 0");
    assert_eq!(check(&evidence, "it-knows-no-other")["actual"], "it ended with 3");
    assert_eq!(all(&cluster)?, before);
    Ok(())
}
