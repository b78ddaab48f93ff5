//! Plans of `lifeboat restore resources`: they change nothing, and are carried out only where all is as it was.

use crate::{
    boat::Lifeboat,
    export::Export,
    lab::{ClusterOptions, fill, with_cluster},
    live,
    restore_resources::RESTORE,
    restored::{as_given, versions},
};
use anyhow::{Result, ensure};
use serde_json::{Value, json};
use std::fs;

/// What is in Secrets, then and now, as text and as an API server shows it.
const PLANTED: &[&str] = &[
    "not-a-secret-password",
    "bm90LWEtc2VjcmV0LXBhc3N3b3Jk",
    "not-a-secret-processor-token",
    "bm90LWEtc2VjcmV0LXByb2Nlc3Nvci10b2tlbg==",
    "another-secret-now",
    "YW5vdGhlci1zZWNyZXQtbm93",
];

/// Changes a plan as it lies in a file, and writes it to another.
fn edited(boat: &Lifeboat, name: &str, edit: impl FnOnce(&mut Value)) -> Result<()> {
    let mut plan: Value = serde_json::from_slice(&fs::read(boat.path("plan.json"))?)?;
    edit(&mut plan);
    Ok(fs::write(boat.path(name), plan.to_string())?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restore_resources_plan_is_carried_out_where_all_is_as_it_was() -> Result<()> {
    with_cluster(ClusterOptions::default(), async |cluster| {
        let client = cluster.client().await?;
        let boat = Lifeboat::init(cluster.etcd().dir(), Some(cluster.etcd()), Some(cluster)).await?;
        fill::shop(&client).await?;
        let earlier = boat.backup(&["--resources-only"]).await;
        fill::api(&client, 1, 1).await?;
        let manifest = boat.backup(&["--resources-only"]).await;
        let export = Export::read(&boat, &manifest).await?;
        let run = async |args: &str| {
            let args: Vec<&str> = args.split(' ').collect();
            let args = if args[0] == "--apply-plan" { [&RESTORE[..2], &RESTORE[3..], &args].concat() } else { [&RESTORE[..], &args].concat() };
            boat.run(&args).await
        };
        let kubectl = async |line: &str| cluster.kubectl(&line.split(' ').collect::<Vec<_>>()).await;
        let now = async || anyhow::Ok(versions(&live::everything(&client).await?));

        kubectl("delete configmap storefront -n shop").await?;
        kubectl("patch secret ledger-database -n payments -p {\"stringData\":{\"password\":\"another-secret-now\"}}").await?;
        kubectl("patch configmap ledger -n payments -p {\"data\":{\"mode\":\"test\",\"more\":\"1\"}}").await?;
        kubectl("scale deployment ledger -n payments --replicas=7").await?;
        kubectl("delete secret card-processor -n payments").await?;
        let before = now().await?;

        // Nothing stands against it; and then something does.
        let plan = run("-n shop,payments --on-conflict update --dry-run -o json").await.expect(0).json();
        let text = run("-n shop,payments --on-conflict update --dry-run").await.expect(0).stdout;
        assert!(text.contains("2 to create, 3 to update, 0 to recreate"), "{text}");
        run("-n shop,payments --on-conflict fail --dry-run").await.expect(6);
        run("-n shop,payments --on-conflict update --plan plan.json").await.expect(0);
        run("-n shop,payments --plan plan.json").await.expect(6).says("plan.json is there already");
        assert_eq!(now().await?, before, "a plan has changed something");
        let file = fs::read_to_string(boat.path("plan.json"))?;
        for planted in PLANTED {
            ensure!(!file.contains(planted) && !text.contains(planted), "{planted} is in a plan");
            ensure!(!plan.to_string().contains(planted), "{planted} is in a plan");
        }

        for field in [
            "/kind",
            "/version",
            "/source",
            "/sha256",
            "/server",
            "/clusterUid",
            "/madeAt",
            "/request/spec/select/namespaces/0",
            "/objects/0/object",
            "/objects/0/action",
            "/findings",
        ] {
            assert!(plan.pointer(field).is_some(), "{field} is not in {plan:#}");
        }

        // Files that are no plans of this program, or were meddled with.
        fs::write(boat.path("half.json"), &file[..file.len() / 2])?;
        edited(&boat, "old.json", |plan| plan["version"] = json!(2))?;
        edited(&boat, "other.json", |plan| plan["kind"] = json!("lifeboat.swap-plan"))?;
        edited(&boat, "lost.json", |plan| plan["request"]["spec"]["selct"] = json!({}))?;
        for (name, words) in [
            ("half.json", "cannot be used: "),
            ("old.json", "its version is 2, and this program knows 1"),
            ("other.json", "not a \"lifeboat.resources-plan\""),
            ("lost.json", "selct: unknown field"),
            ("absent.json", "cannot be used: "),
        ] {
            run(&format!("--apply-plan {name}")).await.expect(2).says(name).says(words);
        }
        run("--apply-plan plan.json -n shop").await.expect(2).says("cannot be used with");
        // Another cluster, and another point.
        edited(&boat, "point.json", |plan| plan["request"]["id"] = earlier["id"].clone())?;
        run("--apply-plan point.json").await.expect(6).says("the source: it does not hold what it held");
        edited(&boat, "cluster.json", |plan| plan["clusterUid"] = json!("5c0e6a9e-0000-4000-8000-000000000000"))?;
        run("--apply-plan cluster.json").await.expect(6).says("it is another cluster");
        assert_eq!(now().await?, before, "a plan that was refused has changed something");

        // One that says less does less.
        edited(&boat, "less.json", |plan| {
            for entry in plan["objects"].as_array_mut().unwrap() {
                if entry["action"] == "update" || entry["object"] == "secrets payments/card-processor" {
                    entry["action"] = json!("skip");
                }
            }
        })?;
        let done = run("--apply-plan less.json -o json").await.expect(0).json();
        for field in ["/source", "/server", "/clusterUid", "/tally/created", "/findings", "/objects/0/outcome"] {
            assert!(done.pointer(field).is_some(), "{field} is not in {done:#}");
        }
        let after = now().await?;
        assert_eq!(after.len(), before.len() + 1);
        assert!(before.iter().all(|(name, version)| after.get(name) == Some(version)));
        assert!(after.contains_key("core/configmaps/shop/storefront"));

        // The cluster goes its own way: made, changed, deleted, deleted and made again.
        kubectl("create secret generic card-processor -n payments --from-literal=token=another-secret-now").await?;
        kubectl("label configmap ledger -n payments meanwhile=yes").await?;
        kubectl("delete secret ledger-database -n payments").await?;
        let ledger = serde_json::to_string(&as_given(&export.objects["apps/deployments/payments/ledger"]))?;
        kubectl("delete deployment ledger -n payments").await?;
        fs::write(boat.path("ledger.json"), ledger.replace("\"replicas\":2", "\"replicas\":9"))?;
        kubectl(&format!("create -f {}", boat.path("ledger.json").display())).await?;
        // What was to be left counts too, since others may need it.
        kubectl("delete serviceaccount ledger -n payments").await?;
        let drifted = now().await?;
        let ran = run("--apply-plan plan.json").await.expect(6);
        for words in [
            "secrets payments/card-processor: it was not there, and is there now",
            "configmaps payments/ledger: it was changed since",
            "secrets payments/ledger-database: it was there, and is gone",
            "deployments.apps payments/ledger: it was deleted and made again since",
            "serviceaccounts payments/ledger: it was there, and is gone",
        ] {
            assert!(ran.stderr.contains(words), "{words:?} is not in {}", ran.stderr);
        }
        // What the other plan did is no difference.
        assert!(!ran.stderr.contains("shop/storefront"), "{}", ran.stderr);
        assert_eq!(now().await?, drifted, "a plan that was refused has changed something");

        // A new plan holds.
        run("-n shop,payments --on-conflict update,secrets=recreate --plan new.json").await.expect(0);
        run("--apply-plan new.json").await.expect(0);
        for name in ["apps/deployments/payments/ledger", "core/secrets/payments/card-processor"] {
            let there = live::each(&client, export.objects.get_key_value(name).into_iter()).await?;
            assert_eq!(as_given(&there[name]), as_given(&export.objects[name]), "{name}");
        }
        let done = now().await?;
        run("--apply-plan new.json").await.expect(0);
        assert_eq!(now().await?, done);
        Ok(())
    })
    .await
}
