//! Legal holds in a second store.

use crate::{
    boat::with_boat,
    lab::{EtcdOptions, LabDir, S3, S3Options, s3},
    store_copy::add,
};
use anyhow::Result;
use aws_sdk_s3::types::{ObjectLockLegalHold, ObjectLockLegalHoldStatus};
use serde_json::Value;
use std::fs;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn legal_holds_follow_to_a_bucket_that_can_lock() -> Result<()> {
    with_boat(EtcdOptions::default(), 1, async |_, boat| {
        let lab = LabDir::new()?;
        let versions = Some(lab.path().join("versions"));
        let server =
            S3::start(lab.path(), &lab.path().join("root"), S3Options { versions, tls: None }).await?;
        server.bucket("away", true).await?;
        fs::write(boat.path("away-id"), s3::ACCESS_KEY)?;
        fs::write(boat.path("away-secret"), s3::SECRET_KEY)?;
        let keys = "credentials: {accessKeyId: {file: away-id}, secretAccessKey: {file: away-secret}}";
        add(boat, &format!("url: \"s3://away\", s3: {{endpoint: \"{}\", {keys}}}", server.endpoint()))?;
        let ids = [
            boat.backup(&["--etcd-only"]).await["id"].clone(),
            boat.backup(&["--etcd-only"]).await["id"].clone(),
        ];
        let client = server.client();
        let on = async |id: &Value| -> Result<usize> {
            let prefix = format!("lab/points/{}/", id.as_str().unwrap());
            let objects = client.list_objects_v2().bucket("away").prefix(prefix).send().await?;
            assert_eq!(objects.contents().len(), 3);
            let mut held = 0;
            for object in objects.contents() {
                let asked =
                    client.get_object_legal_hold().bucket("away").key(object.key().unwrap()).send().await;
                let status = asked.ok().and_then(|found| found.legal_hold()?.status().cloned());
                held += usize::from(status == Some(ObjectLockLegalHoldStatus::On));
            }
            Ok(held)
        };
        // Of one that is there already, and of one that comes with its hold.
        boat.run(&["hold", ids[0].as_str().unwrap(), "--reason", "audit"]).await.expect(0);
        assert_eq!((on(&ids[0]).await?, on(&ids[1]).await?), (0, 0));
        boat.run(&["copy"]).await.expect(0);
        assert_eq!((on(&ids[0]).await?, on(&ids[1]).await?), (3, 0));
        boat.edit(|text| text.replace("copyTo: [second]", "copyTo: []"))?;
        let third = boat.backup(&["--etcd-only"]).await["id"].clone();
        boat.run(&["hold", "latest", "--reason", "audit"]).await.expect(0);
        boat.run(&["copy", "latest", "--to", "second"]).await.expect(0);
        assert_eq!(on(&third).await?, 3);
        // What failed once is made good by the next copy.
        let key = format!("lab/points/{}/manifest.json", third.as_str().unwrap());
        let off = ObjectLockLegalHold::builder().status(ObjectLockLegalHoldStatus::Off).build();
        client.put_object_legal_hold().bucket("away").key(key).legal_hold(off).send().await?;
        assert_eq!(on(&third).await?, 2);
        boat.run(&["copy", "--to", "second"]).await.expect(0);
        assert_eq!(on(&third).await?, 3);
        boat.run(&["release", "latest", "--reason", "closed"]).await.expect(0);
        boat.run(&["copy", "--to", "second"]).await.expect(0);
        assert_eq!((on(&third).await?, on(&ids[0]).await?), (0, 3));
        lab.close(Ok(()))
    })
    .await
}
