//! Steps that work with recovery points: what the store shows afterwards, and once they are taken back.

use crate::{
    boat::Lifeboat,
    lab::{ClusterOptions, with_cluster},
    playbook_case::{book, forget, journal, playbook, run_id, ship},
};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

const KEEP: &str = "    - {id: hold, phase: containment, action: backup.hold, args: {since: 1h, reason: '${params.incident}'}}
    - {id: save, phase: evidence, action: backup.create, args: {tags: ['incident=${params.incident}'], job: incident}, register: saved}
    - {id: check, phase: verification, action: backup.verify, args: {point: '${vars.saved.id}'}, register: checked}
    - {id: sure, phase: verification, when: 'vars.checked.depth == \"deep\" && vars.saved.status == \"Completed\"', action: wait, args: {for: 1ms}}
";
const INCIDENT: &str = "  params: [{name: incident, type: string, required: true}]\n";

/// A recovery point, as the list shows it.
async fn listed(boat: &Lifeboat, id: &str) -> Result<Value> {
    let all = boat.run(&["list", "-o", "json"]).await.expect(0).json();
    let points = all["points"].as_array().context("points")?;
    points.iter().find(|it| it["id"] == id).cloned().with_context(|| format!("{id} is not in {all:#}"))
}

fn ended(entries: &[Value], step: &str) -> Result<Value> {
    let of = |it: &&Value| it["what"] == "step-ended" && it["step"] == step;
    entries.iter().rfind(of).cloned().with_context(|| format!("{step} did not end"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn playbook_takes_holds_and_verifies_recovery_points() -> Result<()> {
    with_cluster(ClusterOptions::full(), async |cluster| {
        let boat = ship(cluster).await?;
        let first = boat.backup(&[]).await["id"].as_str().context("id")?.to_owned();
        playbook(&boat, "keep", INCIDENT, KEEP)?;
        let line = "keep.yaml -p incident=INC-7 -i identity.txt";

        // A plan takes nothing and holds nothing.
        let plan = book(&boat, &format!("plan {line} -o json")).await.expect(0).json();
        assert_eq!(plan["steps"][0]["what"]["ops"].as_array().context("ops")?.len(), 1, "{plan:#}");
        assert_eq!(listed(&boat, &first).await?["held"], Value::Null);

        book(&boat, &format!("run {line} --yes")).await.expect(0).says("COMPLETED");
        let held = listed(&boat, &first).await?["held"].clone();
        ensure!(held["reason"].as_str().is_some_and(|it| it.starts_with("INC-7 (")), "{held:#}");
        let entries = journal(&boat)?;
        let run = run_id(&boat)?;
        let saved = ended(&entries, "save")?["result"]["id"].as_str().context("id")?.to_owned();
        let point = listed(&boat, &saved).await?;
        assert_eq!(point["tags"], json!(["incident=INC-7", format!("run={run}")]));
        assert_eq!((&point["job"], &point["held"]), (&json!("incident"), &Value::Null));
        assert_eq!(
            (&point["verified"]["depth"], &point["verified"]["passed"]),
            (&json!("deep"), &json!(true))
        );
        let latest = boat.run(&["verify", "latest", "-o", "json"]).await.expect(0).json();
        assert_eq!(
            latest["points"][0]["id"], saved,
            "the run's point is the latest, also where both are of one second"
        );
        assert_eq!(
            ended(&entries, "sure")?["end"]["how"],
            "done",
            "what they brought is known to later steps"
        );

        // Somebody else holds it as well: that is not this run's to release.
        boat.run(&["hold", &first, "--reason", "audit"]).await.expect(0);
        book(&boat, "undo latest").await.expect(0);
        let held = listed(&boat, &first).await?["held"].clone();
        assert_eq!(held["reason"], "audit");
        assert_eq!(held["records"].as_array().map(Vec::len), Some(1), "{held:#}");
        boat.run(&["release", &first, "--reason", "closed"]).await.expect(0);
        assert_eq!(listed(&boat, &first).await?["held"], Value::Null);
        listed(&boat, &saved).await?;

        // What is not whole fails the step; and without an identity only the outside is looked at.
        forget(&boat)?;
        let payload = boat.path("store/lab/points").join(&first).join("resources.tar.zst.age");
        let mut bytes = std::fs::read(&payload)?;
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&payload, bytes)?;
        playbook(
            &boat,
            "doubt",
            "",
            &format!("    - {{id: check, action: backup.verify, args: {{point: {first}}}}}\n"),
        )?;
        let plan = book(&boat, "plan doubt.yaml -o json").await.expect(0).json();
        ensure!(plan["steps"][0]["remarks"].to_string().contains("no identity"), "{plan:#}");
        book(&boat, "run doubt.yaml --yes").await.expect(1).says("is not whole");
        Ok(())
    })
    .await
}

const MUTINY: &str = "\
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: mutiny}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects: [{kind: ServiceAccount, name: crew, namespace: ship}]
";

const LOOK: &str = "    - {id: since, action: backup.bisect, args: {kind: clusterrolebinding, name: mutiny}, register: since}
    - {id: crewed, action: backup.bisect, args: {kind: deployment, namespace: ship, name: deck, expr: 'object.spec.replicas == 3'}, register: crewed}
    - {id: what, action: backup.diff, args: {from: '${vars.since.before}', access: true}, register: what}
    - id: seen
      when: vars.since.holds && vars.what.changes.exists(it, it.kind.startsWith('clusterrolebindings') && it.name == 'mutiny')
      action: resource.annotate
      args: {target: {kind: ClusterRoleBinding, name: mutiny}, set: {since: '${vars.since.since}'}}
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn playbook_tells_since_which_recovery_point_something_is_there() -> Result<()> {
    with_cluster(ClusterOptions::full(), async |cluster| {
        let boat = ship(cluster).await?;
        let save = async || {
            anyhow::Ok(boat.backup(&["--resources-only"]).await["id"].as_str().context("id")?.to_owned())
        };
        let clean = save().await?;
        crate::lab::fill::apply(&cluster.client().await?, MUTINY).await?;
        let mutinous = save().await?;
        cluster.kubectl(&["scale", "deployment", "deck", "-n", "ship", "--replicas=3"]).await?;
        let crewed = save().await?;
        cluster.kubectl(&["annotate", "deployment", "deck", "-n", "ship", "storm=yes"]).await?;
        let newest = save().await?;

        playbook(&boat, "look", "", LOOK)?;
        let without = book(&boat, "plan look.yaml").await.expect(6);
        ensure!(without.stdout.contains("cannot be opened without an identity"), "{without:?}");
        let plan = book(&boat, "plan look.yaml -i identity.txt -o json").await.expect(0).json();
        let result = |at: usize| plan["steps"][at]["result"].clone();
        let since = result(0);
        assert_eq!((&since["since"], &since["before"], &since["holds"]), (&json!(mutinous), &json!(clean), &json!(true)));
        let uid = cluster.kubectl(&["get", "clusterrolebinding", "mutiny", "-o", "jsonpath={.metadata.uid}"]).await?;
        assert_eq!((&since["uid"], &since["sure"]), (&json!(uid), &json!(true)));
        let three = result(1);
        assert_eq!((&three["since"], &three["before"]), (&json!(crewed), &json!(mutinous)));
        ensure!(three["versions"].as_u64() >= Some(2) && newest != crewed, "it changed, and the expression held on: {three:#}");
        let what = result(2);
        assert_eq!((&what["added"], &what["removed"]), (&json!(1), &json!(0)));
        ensure!(what["dangers"].to_string().contains("everywhere to ServiceAccount ship/crew"), "{what:#}");

        book(&boat, "run look.yaml -i identity.txt --yes").await.expect(0).says("COMPLETED");
        let noted = cluster
            .kubectl(&["get", "clusterrolebinding", "mutiny", "-o", "jsonpath={.metadata.annotations.since}"])
            .await?;
        assert_eq!(noted, mutinous);
        let page = book(&boat, "timeline latest --format markdown").await.expect(0).stdout;
        ensure!(page.contains(&mutinous), "the timeline tells since when: {page}");

        // What is not there, and what was never so.
        let never = "    - {id: a, action: backup.bisect, args: {kind: clusterrolebinding, name: loyalty}}
    - {id: b, action: backup.bisect, args: {kind: deployment, namespace: ship, name: deck, expr: 'object.spec.replicas == 9'}}\n";
        playbook(&boat, "never", "", never)?;
        let plan = book(&boat, "plan never.yaml -i identity.txt -o json").await.expect(0).json();
        for at in [0, 1] {
            assert_eq!(plan["steps"][at]["result"]["holds"], false, "{plan:#}");
        }
        Ok(())
    })
    .await
}
