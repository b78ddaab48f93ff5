//! What becomes of objects that are there already, and differ.

use crate::{
    boat::Lifeboat,
    export::Export,
    lab::{ClusterOptions, fill, with_cluster},
    live,
    restore_resources::RESTORE,
    restored::{as_given, assert_restored, versions},
};
use anyhow::{Context, Result};
use serde_json::Value;
use std::fs;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restore_resources_conflicts_are_settled_as_it_was_asked_for() -> Result<()> {
    with_cluster(ClusterOptions::full(), async |cluster| {
        let client = cluster.client().await?;
        fill::shop(&client).await?;
        let boat = Lifeboat::init(cluster.etcd().dir(), Some(cluster.etcd()), Some(cluster)).await?;
        let manifest = boat.backup(&["--resources-only"]).await;
        let export = Export::read(&boat, &manifest).await?;
        let run =
            async |args: &str| boat.run(&[&RESTORE[..], &args.split(' ').collect::<Vec<_>>()].concat()).await;
        let kubectl = async |line: &str| cluster.kubectl(&line.split(' ').collect::<Vec<_>>()).await;
        let everything = async || live::everything(&client).await;
        let versions = |live: &_| {
            let mut all = versions(live);
            // Controllers write the status of these, whenever they like.
            let busy = |name: &str| ["apps/", "batch/", "policy/"].iter().any(|it| name.starts_with(it));
            all.iter_mut().filter(|(name, _)| busy(name)).for_each(|(_, version)| version.1.clear());
            all
        };

        // Fields of all kinds change; two objects come to have other values where none may change.
        kubectl("patch configmap ledger -n payments -p {\"data\":{\"mode\":\"test\",\"more\":\"1\"}}")
            .await?;
        kubectl("label configmap ledger -n payments added=later").await?;
        kubectl("annotate configmap ledger -n payments added=later").await?;
        kubectl(
            "patch secret card-processor -n payments -p {\"stringData\":{\"token\":\"another-secret-now\"}}",
        )
        .await?;
        kubectl("scale deployment watchman -n monitoring --replicas=7").await?;
        kubectl("patch clusterrole shop-auditor --type=merge -p {\"rules\":[]}").await?;
        let made_otherwise = async |name: &str, from: &str, to: &str| {
            let text = as_given(&export.objects[name]).to_string();
            assert!(text.contains(from), "{text}");
            fs::write(boat.path("otherwise.json"), text.replace(from, to))?;
            let file = boat.path("otherwise.json").display().to_string();
            kubectl(&format!("replace --force -f {file}")).await
        };
        made_otherwise("apps/deployments/shop/storefront", "\"app\":\"storefront\"", "\"app\":\"shopfront\"")
            .await?;
        made_otherwise("core/secrets/payments/ledger-database", "kubernetes.io/basic-auth", "Opaque").await?;
        let changed = [
            "core/configmaps/payments/ledger",
            "core/secrets/payments/card-processor",
            "apps/deployments/monitoring/watchman",
            "rbac.authorization.k8s.io/clusterroles/_cluster/shop-auditor",
        ];
        let fixed = ["apps/deployments/shop/storefront", "core/secrets/payments/ledger-database"];
        let before = versions(&everything().await?);

        // Left, or nothing at all.
        run("--on-conflict skip").await.expect(0);
        let ran = run("--on-conflict configmaps=fail").await.expect(6).says("nothing was restored");
        assert!(ran.stdout.contains("! configmaps payments/ledger"), "{}", ran.stdout);
        assert_eq!(versions(&everything().await?), before);

        // What would change is shown, and what Secrets hold is not.
        let ran = run("--on-conflict update --dry-run").await.expect(6);
        for words in ["data.mode", "labels", "! deployments.apps shop/storefront", "immutable"] {
            assert!(ran.stdout.contains(words), "{words:?} is not in {}", ran.stdout);
        }
        for secret in ["another-secret-now", "YW5vdGhlci1zZWNyZXQtbm93", "bm90LWEtc2VjcmV0"] {
            assert!(!ran.stdout.contains(secret) && !ran.stderr.contains(secret), "{secret}");
        }
        assert_eq!(versions(&everything().await?), before);

        // Updated, exactly; what cannot be is told.
        let ran = run("--on-conflict update,secrets=skip -o json").await.expect(3).json();
        let failed: Vec<&Value> = ran["objects"]
            .as_array()
            .context("no objects")?
            .iter()
            .filter(|it| it["outcome"] == "failed")
            .collect();
        assert_eq!(failed.len(), 1, "{failed:?}");
        assert_eq!(failed[0]["object"], "deployments.apps shop/storefront");
        assert!(failed[0]["reason"].as_str().is_some_and(|it| it.contains("immutable")), "{failed:?}");
        run("--on-conflict secrets=update --kinds secrets").await.expect(3);
        let now = everything().await?;
        let uids = versions(&now);
        let alone = live::each(&client, export.objects.iter()).await?;
        for name in changed {
            assert_eq!(as_given(&alone[name]), as_given(&export.objects[name]), "{name}");
            assert_eq!(uids[name].0, before[name].0, "{name} was made again");
        }
        for (name, version) in before.iter().filter(|(name, _)| !changed.contains(&name.as_str())) {
            assert_eq!(uids.get(name), Some(version), "{name}");
        }

        // Made again, where nothing else helps, and only there.
        kubectl("scale deployment watchman -n monitoring --replicas=7").await?;
        let plan = run("--on-conflict recreate --dry-run -o json").await.expect(0).json();
        let recreated = plan["objects"].as_array().context("no objects")?.iter();
        assert_eq!(recreated.filter(|it| it["action"] == "recreate").count(), fixed.len(), "{plan:#}");
        // A controller that writes its status between the plan and what is done keeps nothing from being done.
        let restless = async {
            for count in 1.. {
                let status = format!("{{\"status\":{{\"collisionCount\":{count}}}}}");
                let line = "patch deployment watchman -n monitoring --subresource=status --type=merge -p";
                kubectl(&format!("{line} {status}")).await.expect("it is there");
            }
        };
        let done = tokio::select! {
            done = run("--on-conflict recreate -o json") => done.expect(0).json(),
            () = restless => unreachable!(),
        };
        assert_eq!(
            (&done["tally"]["recreated"], &done["tally"]["updated"]),
            (&2.into(), &1.into()),
            "{done:#}"
        );
        let now = versions(&everything().await?);
        for (name, (uid, _)) in &before {
            assert_eq!(now[name].0 == *uid, !fixed.contains(&name.as_str()), "{name}");
        }
        let alone = live::each(&client, export.objects.iter()).await?;
        assert_restored(&export, &alone, |_| true);

        // What could not be made is not deleted to be made again.
        made_otherwise("apps/deployments/shop/storefront", "\"app\":\"storefront\"", "\"app\":\"shopfront\"")
            .await?;
        let before = versions(&everything().await?);
        fs::write(
            boat.path("bad.yaml"),
            "modifiers: [{kinds: [deployments], mergePatch: {spec: {replicas: -1}}}]",
        )?;
        run("--on-conflict recreate -f bad.yaml --kinds deployments -n shop").await.expect(3);
        assert_eq!(versions(&everything().await?), before);
        Ok(())
    })
    .await
}
