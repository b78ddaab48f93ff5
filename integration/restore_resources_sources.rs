//! Where objects are restored from: files, a store in S3; and what cannot be restored from.

use crate::{
    boat::{Lifeboat, Ran},
    export::Export,
    lab::{ClusterOptions, S3, S3Options, fill, process::run, s3, with_cluster},
    live,
    restore_resources::RESTORE,
    restored::{assert_restored, versions},
};
use anyhow::{Context, Result};
use std::{fs, path::Path};

const BY_HAND: &str = "\
# Kept by hand.
apiVersion: v1
kind: List
items:
  - {apiVersion: v1, kind: ConfigMap, metadata: {name: one, namespace: by-hand}, data: {a: '1'}}
  - {apiVersion: v1, kind: ConfigMap, metadata: {name: two, namespace: by-hand}, data: {a: '2'}}
---
apiVersion: sea.example.com/v1
kind: Buoy
metadata: {name: north, namespace: by-hand}
---
";
const DEFINITION: &str = "\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: buoys.sea.example.com}
spec:
  group: sea.example.com
  scope: Namespaced
  names: {plural: buoys, singular: buoy, kind: Buoy}
  versions:
    - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restore_resources_sources_are_read_or_refused() -> Result<()> {
    with_cluster(ClusterOptions::default(), async |cluster| {
        let client = cluster.client().await?;
        fill::shop(&client).await?;
        let boat = Lifeboat::init(cluster.etcd().dir(), Some(cluster.etcd()), Some(cluster)).await?;
        let manifest = boat.backup(&["--resources-only"]).await;
        let export = Export::read(&boat, &manifest).await?;
        let from = async |line: &str| {
            boat.run(&[&["restore", "resources"], &line.split(' ').collect::<Vec<_>>()[..]].concat()).await
        };
        let kubectl = async |line: &str| cluster.kubectl(&line.split(' ').collect::<Vec<_>>()).await;
        let compare = async || -> Result<()> {
            let alone = live::each(&client, export.objects.iter()).await?;
            assert_restored(&export, &alone, |_| true);
            Ok(())
        };
        let lose = async || -> Result<()> {
            kubectl("delete configmap,secret,order,rolebinding --all -n shop").await?;
            Ok(())
        };

        // An export that was unpacked, and what people write.
        boat.run(&["extract", "latest", "resources", "--to", "x.tar", "-i", "identity.txt"]).await.expect(0);
        fs::create_dir(boat.path("unpacked"))?;
        let (tar, unpacked) = (boat.path("x.tar"), boat.path("unpacked"));
        run(Path::new("tar"), [Path::new("-xf"), &tar, Path::new("-C"), &unpacked], &[]).await?;
        lose().await?;
        from("--from unpacked -n shop").await.expect(0);
        compare().await?;
        fs::create_dir_all(boat.path("hand/definitions"))?;
        fs::write(boat.path("hand/objects.yaml"), BY_HAND)?;
        from("--from hand --dry-run").await.expect(1).says("the cluster serves no sea.example.com/v1 Buoy");
        fs::write(boat.path("hand/definitions/buoys.yml"), DEFINITION)?;
        from("--from hand --kinds boys").await.expect(2).says("did you mean `buoys.sea.example.com`?");
        let done = from("--from hand --kinds buoys -o json").await.expect(0).json();
        assert_eq!(done["tally"]["created"], 3, "{done:#}");
        let done = from("--from hand -o json").await.expect(0).json();
        assert_eq!(done["tally"]["created"], 2, "{done:#}");

        // What stands in files is checked before anything is changed.
        let before = versions(&live::everything(&client).await?);
        for (text, code, words) in [
            (
                "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: shop\ndata: {}\n",
                2,
                "bad.yaml:",
            ),
            ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n", 1, "write metadata.namespace"),
            (
                "apiVersion: v1\nkind: Namespace\nmetadata: {name: a, namespace: b}\n",
                1,
                "remove metadata.namespace",
            ),
            ("kind: ConfigMap\nmetadata: {name: a, namespace: shop}\n", 2, "apiVersion"),
            ("", 1, "nothing of"),
        ] {
            fs::create_dir_all(boat.path("bad"))?;
            fs::write(boat.path("bad/bad.yaml"), text)?;
            from("--from bad").await.expect(code).says(words);
        }
        from("--from nowhere").await.expect(2).says("nowhere");
        from("--from hand --deleted-since 2h").await.expect(2).says("name one to restore from");

        // Keys that do not fit, and damage, which is found before anything is changed.
        boat.run(&["init", "other", "--cluster", "other"]).await.expect(0);
        lose().await?;
        let lost = versions(&live::everything(&client).await?);
        from("latest -i other/identity.txt").await.expect(2);
        from("latest -i identity.txt --public-key other/signing.pub").await.expect(4);
        let sealed = boat.path(&format!("store/lab/points/{}", manifest["id"].as_str().context("no id")?));
        let sealed = fs::read_dir(sealed)?
            .flatten()
            .find(|it| it.file_name().to_string_lossy().starts_with("resources.tar"));
        let sealed = sealed.context("no archive")?.path();
        let whole = fs::read(&sealed)?;
        let mut damaged = whole.clone();
        let last = damaged.len() - 20;
        damaged[last] ^= 1;
        fs::write(&sealed, &damaged)?;
        from("latest -i identity.txt").await.expect(4);
        fs::write(&sealed, &whole[..whole.len() - 100])?;
        from("latest -i identity.txt").await.expect(4);
        fs::write(&sealed, &whole)?;
        assert_eq!(versions(&live::everything(&client).await?), lost);
        assert!(lost.len() < before.len());

        // From S3, without a configuration; and a point that holds no objects.
        let bucket = boat.path("served");
        fs::create_dir_all(&bucket)?;
        let server = S3::start(&bucket, &bucket, S3Options::default()).await?;
        server.bucket("store", false).await?;
        run(Path::new("cp"), [Path::new("-r"), &boat.path("store/lab"), &bucket.join("store")], &[]).await?;
        let (identity, key) = (boat.path("identity.txt"), boat.path("signing.pub"));
        let kubeconfig = cluster.kubeconfig();
        let args = [
            "restore",
            "resources",
            "latest",
            "--store",
            "s3://store",
            "-i",
            identity.to_str().context("a name")?,
            "--public-key",
            key.to_str().context("a name")?,
            "--kubeconfig",
            kubeconfig.to_str().context("a name")?,
        ];
        let mut command = boat.command(&args);
        command
            .current_dir(&bucket)
            .env("AWS_ENDPOINT_URL", server.endpoint())
            .env("AWS_REGION", "us-east-1");
        command.env("AWS_ACCESS_KEY_ID", s3::ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", s3::SECRET_KEY);
        Ran::from(command.output().await?).expect(0);
        compare().await?;
        boat.backup(&["--etcd-only"]).await;
        boat.run(&RESTORE).await.expect(2).says("holds no resource export");
        Ok(())
    })
    .await
}
