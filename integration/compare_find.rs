//! `lifeboat find` over several recovery points, and `lifeboat extract --object`.

use crate::{
    boat::Lifeboat,
    lab::{Cluster, ClusterOptions, fill, with_cluster},
};
use anyhow::Result;
use serde_json::{Value, json};
use std::fs;

const KEY: [&str; 2] = ["-i", "identity.txt"];

async fn kubectl(cluster: &Cluster, line: &str) -> Result<()> {
    cluster.kubectl(&line.split(' ').collect::<Vec<_>>()).await.map(drop)
}

/// The runs of the only object: what it is, and in how many points.
fn runs(found: &Value) -> Vec<(String, usize)> {
    let [only] = found["objects"].as_array().unwrap().as_slice() else { panic!("{found:#}") };
    let run =
        |run: &Value| (run["state"].as_str().unwrap().to_owned(), run["points"].as_array().unwrap().len());
    only["runs"].as_array().unwrap().iter().map(run).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compare_find_follows_an_object_through_the_points() -> Result<()> {
    with_cluster(ClusterOptions::default(), async |cluster| {
        fill::shop(&cluster.client().await?).await?;
        let boat = Lifeboat::init(cluster.etcd().dir(), Some(cluster.etcd()), Some(cluster)).await?;
        let find = async |args: &[&str]| boat.run(&[&["find"], &KEY[..], args].concat()).await;
        find(&["cm/lost"]).await.expect(1).says("holds no recovery point");
        let mut ids = Vec::new();
        for line in [
            "version",
            "create configmap lost -n shop --from-literal=a=1",
            "version",
            "patch configmap lost -n shop -p {\"data\":{\"a\":\"2\"}}",
            "delete configmap lost -n shop",
            "create configmap lost -n shop --from-literal=a=3",
        ] {
            kubectl(cluster, line).await?;
            ids.push(boat.backup(&["--resources-only"]).await["id"].as_str().unwrap().to_owned());
        }
        let etcd = boat.backup(&["--etcd-only"]).await["id"].as_str().unwrap().to_owned();

        let found = find(&["configmap/lost", "-o", "json"]).await.expect(0).json();
        let wanted = [("absent", 1), ("present", 2), ("changed", 1), ("removed", 1), ("recreated", 1)];
        assert_eq!(runs(&found), wanted.map(|(state, points)| (state.to_owned(), points)));
        assert_eq!(found["type"], "configmaps");
        assert_eq!(found["searched"], json!(ids));
        assert_eq!(found["notSearched"], json!([{"id": etcd, "reason": "it holds no resource export"}]));
        let of_run = |n: usize| &found["objects"][0]["runs"][n];
        assert_eq!(of_run(1)["points"], json!(ids[1..3]));
        assert_eq!(of_run(1)["uid"], of_run(2)["uid"]);
        assert_ne!(of_run(1)["uid"], of_run(4)["uid"]);
        let path = "core/v1/configmaps/shop/lost.json";
        assert_eq!(of_run(4)["path"], path);

        let table = find(&["cm/lost", "-n", "shop"]).await.expect(0).stdout;
        assert!(
            table.contains(&format!("lifeboat extract {} resources --object '{path}'", ids[5])),
            "{table}"
        );
        assert!(table.contains("recreated") && table.contains(&format!("Not searched: {etcd}")), "{table}");
        let object = async |id: &str, path: &str| {
            boat.run(&[&["extract", id, "resources", "--object", path], &KEY[..]].concat()).await
        };
        for (id, value) in [(&ids[1], "1"), (&ids[3], "2"), (&ids[5], "3")] {
            assert_eq!(object(id, path).await.expect(0).json()["data"], json!({"a": value}));
        }
        object(&ids[4], path).await.expect(1).says("holds no core/v1/configmaps/shop/lost.json");
        object(&ids[4], "../lost").await.expect(2).says("is not the path of an object");
        let to_file =
            [&["extract", &ids[3], "resources", "--object", path, "--to", "lost.json"], &KEY[..]].concat();
        boat.run(&to_file).await.expect(0);
        boat.run(&to_file).await.expect(6);
        let written: Value = serde_json::from_slice(&fs::read(boat.path("lost.json"))?)?;
        assert_eq!(written["data"], json!({"a": "2"}));

        let several = find(&["orders/order-100?", "-o", "json"]).await.expect(0).json();
        assert_eq!(several["objects"].as_array().unwrap().len(), 3);
        assert_eq!(several["objects"][0]["runs"][0]["points"], json!(ids));
        let none = find(&["cm/lost", "-n", "payments"]).await.expect(0).stdout;
        assert!(none.contains("no such object in 6 recovery points"), "{none}");
        find(&["boats/lost"]).await.expect(2).says("no type is called `boats`");
        find(&["lost"]).await.expect(2).says("KIND/NAME");
        find(&["cm/lost", "--since", "yesterday"]).await.expect(2).says("since when");
        assert_eq!(runs(&find(&["cm/lost", "--since", "1d", "-o", "json"]).await.expect(0).json()).len(), 5);
        find(&["cm/lost", "--since", "2999-01-01"]).await.expect(1).says("none of the 0 recovery points");
        boat.run(&["find", "cm/lost"]).await.expect(2);
        boat.run(&["init", "other"]).await.expect(0);
        boat.run(&["find", "cm/lost", "-i", "other/identity.txt"]).await.expect(2);

        // The index alone is enough; one that is damaged hides no other point.
        let in_store = |id: &str, name: &str| boat.path("store/lab/points").join(id).join(name);
        for id in &ids {
            fs::remove_file(in_store(id, "resources.tar.zst.age"))?;
        }
        assert_eq!(runs(&find(&["cm/lost", "-o", "json"]).await.expect(0).json()).len(), 5);
        fs::write(in_store(&ids[2], "resources.index.zst.age"), "damaged")?;
        let found = find(&["cm/lost", "-o", "json"]).await.expect(4).json();
        assert_eq!(runs(&found)[1], ("present".to_owned(), 1));
        assert_eq!(found["notSearched"][0]["id"], ids[2]);
        Ok(())
    })
    .await
}
