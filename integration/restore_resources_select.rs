//! Which objects are restored.

use crate::{
    boat::Lifeboat,
    export::Export,
    lab::{ClusterOptions, fill, with_cluster},
    live,
    restore_resources::RESTORE,
};
use anyhow::{Context, Result};
use serde_json::Value;
use std::collections::BTreeSet;

/// Tells of an object, by its name in the export, whether it is meant.
type Rule<'a> = &'a dyn Fn(&str, &Value) -> bool;

/// `deployments.apps shop/storefront`, from `apps/deployments/shop/storefront`.
fn said(name: &str) -> String {
    let parts: Vec<&str> = name.splitn(4, '/').collect();
    let kind = match parts[0] {
        "core" => parts[1].to_owned(),
        group => format!("{}.{group}", parts[1]),
    };
    match parts[2] {
        "_cluster" => format!("{kind} {}", parts[3]),
        namespace => format!("{kind} {namespace}/{}", parts[3]),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restore_resources_select_takes_what_was_asked_for() -> Result<()> {
    with_cluster(ClusterOptions::default(), async |cluster| {
        let client = cluster.client().await?;
        fill::shop(&client).await?;
        let boat = Lifeboat::init(cluster.etcd().dir(), Some(cluster.etcd()), Some(cluster)).await?;
        let kubectl = async |line: &str| cluster.kubectl(&line.split(' ').collect::<Vec<_>>()).await;
        let first = boat.backup(&["--resources-only"]).await;
        // Points are told apart by the second.
        tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
        kubectl("create configmap later -n shop --from-literal=a=b").await?;
        let manifest = boat.backup(&["--resources-only"]).await;
        let export = Export::read(&boat, &manifest).await?;
        let run =
            async |args: &str| boat.run(&[&RESTORE[..], &args.split(' ').collect::<Vec<_>>()].concat()).await;
        // All is there, so that what was asked for is what is not said to have come along.
        let chosen = async |args: &str| {
            let plan = run(&format!("{args} --dry-run -o json")).await.expect(0).json();
            let objects = plan["objects"].as_array().cloned().unwrap_or_default();
            let asked = |it: &&Value| it["reason"] != "it is there, and was not asked for";
            let names =
                objects.iter().filter(asked).map(|it| it["object"].as_str().unwrap_or_default().to_owned());
            names.collect::<BTreeSet<String>>()
        };
        let expected = |wanted: Rule| {
            let objects = export.objects.iter().filter(|(name, object)| wanted(name, object));
            objects.map(|(name, _)| said(name)).collect::<BTreeSet<String>>()
        };
        let of = |name: &str, kinds: &[&str]| kinds.iter().any(|kind| name.starts_with(&format!("{kind}/")));
        let inside = |name: &str, namespace: &str| {
            name.contains(&format!("/{namespace}/"))
                || name == format!("core/namespaces/_cluster/{namespace}")
        };
        let wanted: &[(&str, Rule)] = &[
            ("--kinds cm,Deployment,svc", &|name, _| {
                of(name, &["core/configmaps", "apps/deployments", "core/services"])
            }),
            ("--kinds *.shop.example.com,crd", &|name, _| {
                of(name, &["shop.example.com/orders", "apiextensions.k8s.io/customresourcedefinitions"])
            }),
            ("--kinds ord*.*", &|name, _| of(name, &["shop.example.com/orders"])),
            ("-n shop", &|name, _| inside(name, "shop")),
            ("-n shop --exclude-kinds secret,*.apps,orders", &|name, _| {
                inside(name, "shop")
                    && !of(name, &["core/secrets", "apps/deployments", "shop.example.com/orders"])
            }),
            ("-n pay*,moni* --cluster-scoped=false", &|name, _| {
                name.contains("/payments/") || name.contains("/monitoring/")
            }),
            ("--exclude-namespaces kube-*,default,shop --cluster-scoped=false", &|name, _| {
                name.contains("/payments/") || name.contains("/monitoring/")
            }),
            ("-n monitoring --cluster-scoped --kinds clusterroles,sa --names shop-*,watch*", &|name, _| {
                name.ends_with("clusterroles/_cluster/shop-auditor")
                    || name.ends_with("/monitoring/watchman") && of(name, &["core/serviceaccounts"])
            }),
            ("-l app=storefront", &|_, object| object["metadata"]["labels"]["app"] == "storefront"),
            ("-l app,app!=ledger", &|_, object| {
                let app = &object["metadata"]["labels"]["app"];
                app.is_string() && app != "ledger"
            }),
            ("--names order-100?", &|name, _| name.contains("/order-100")),
        ];
        for (args, wanted) in wanted {
            let expected = expected(wanted);
            assert!(!expected.is_empty(), "{args}");
            assert_eq!(chosen(args).await, expected, "{args}");
        }

        // A slip of the pen is no wish.
        for (args, code, words) in [
            ("--kinds deploymnts", 2, "did you mean `deployments.apps`?"),
            ("--exclude-kinds secerts", 2, "did you mean `secrets`?"),
            ("--on-conflict oders=update", 2, "did you mean `orders.shop.example.com`?"),
            ("--kinds *.shop.exmaple.com", 2, "did you mean `orders.shop.example.com`?"),
            ("--kinds volcanoes", 2, "is called `volcanoes`"),
            ("--on-conflict overwrite", 2, "none of skip, update, recreate, fail"),
            ("-n Shop", 2, "lower case"),
            ("-l a==b==c", 2, "label selector"),
            ("-n nowhere", 1, "nothing of"),
            ("--kinds secrets --names lost", 1, "nothing of"),
            ("--deleted-since 2001-01-01", 2, "no recovery point with resources is from before 2001"),
            ("--deleted-since yesterday", 2, "does not tell since when"),
        ] {
            run(args).await.expect(code).says(words);
        }

        // What went, and what is not there.
        kubectl("delete configmap later storefront -n shop").await?;
        kubectl("delete order order-1002 -n shop").await?;
        kubectl("patch configmap ledger -n payments -p {\"data\":{\"mode\":\"test\"}}").await?;
        let id = first["id"].as_str().context("no id")?;
        let made = |plan: &Value| {
            let objects = plan["objects"].as_array().cloned().unwrap_or_default();
            let made = objects.iter().filter(|it| it["action"] == "create" || it["action"] == "update");
            made.map(|it| it["object"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
        };
        let both = ["configmaps shop/storefront", "orders.shop.example.com shop/order-1002"];
        for since in [id, first["createdAt"].as_str().context("no time")?] {
            let args = format!("--deleted-since {since} --on-conflict update --dry-run -o json");
            assert_eq!(made(&run(&args).await.expect(0).json()), both, "{since}");
        }
        run(&format!("--deleted-since {id}")).await.expect(0);
        let there = live::everything(&client).await?;
        assert!(there.contains_key("shop.example.com/orders/shop/order-1002"));
        assert!(!there.contains_key("core/configmaps/shop/later"));
        let missing = run("--only-missing --on-conflict update --dry-run -o json").await.expect(0).json();
        assert_eq!(made(&missing), ["configmaps shop/later"]);
        Ok(())
    })
    .await
}
