//! A store that has no room, may not be written, or goes away.

use crate::{
    boat::{Lifeboat, Ran},
    lab::{Etcd, EtcdOptions, Fault, Proxy, eventually, fill, process::own_mounts, with_etcd},
    saved::tree,
};
use anyhow::Result;
use std::{fs, time::Duration};

/// Runs `lifeboat backup` where `mount` has been done to `store`, in a mount namespace that ends with it. Standard
/// output tells what was left.
async fn backup_on(boat: &Lifeboat, mount: &str) -> Result<Ran> {
    let script = format!(
        "set -e; mkdir -p store; {mount}; set +e; '{}' backup --etcd-only; code=$?; find store -mindepth 3; exit $code",
        env!("CARGO_BIN_EXE_lifeboat")
    );
    let mut command = own_mounts().await?;
    command.args(["sh", "-c", &script]).current_dir(boat.dir());
    Ok(command.output().await?.into())
}

async fn filled(etcd: &Etcd) -> Result<Lifeboat> {
    fill::etcd(&etcd.client().await?, 4, 5).await?;
    Lifeboat::init(etcd.dir(), Some(etcd), None).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn full_or_read_only_it_says_so_and_keeps_nothing() -> Result<()> {
    with_etcd(EtcdOptions::default(), async |etcd| {
        let boat = filled(etcd).await?;
        // First the payload has no room; then, for want of inodes, each directory, the payload, the signature, the manifest.
        let inodes = (2..=6).map(|n| format!("mount -t tmpfs -o size=64m,nr_inodes={n} none store"));
        for mount in std::iter::once("mount -t tmpfs -o size=512k none store".to_owned()).chain(inodes) {
            let ran = backup_on(&boat, &mount).await?.expect(1).says(" is full: ").says("free some space");
            assert_eq!(ran.stdout, "", "{mount}");
        }
        let ran = backup_on(&boat, "mount -t tmpfs -o size=64m,nr_inodes=7 none store").await?.expect(0);
        assert!(ran.stdout.contains("manifest.json"), "{ran:?}");

        boat.backup(&["--etcd-only"]).await;
        let before = tree(&boat.path("store"));
        let read_only = "mount --bind store store; mount -o remount,bind,ro store";
        backup_on(&boat, read_only).await?.expect(1).says("permission denied").says("mounted read-only");
        assert!(tree(&boat.path("store")) == before);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_goes_away_is_missed() -> Result<()> {
    with_etcd(EtcdOptions::default(), async |etcd| {
        let boat = filled(etcd).await?;
        let proxy = Proxy::to(&etcd.endpoints()[0]).await?;
        boat.edit(|text| text.replace(&etcd.endpoints()[0], &format!("http://{}", proxy.address())))?;
        proxy.set(Fault::Stall { after: 2 << 20 });
        let child = boat.spawn(&["backup", "--etcd-only"])?;
        let store = boat.path("store");
        eventually("a payload on its way", Duration::from_secs(30), async || {
            Ok(tree(&store).iter().any(|(path, _)| path.is_file()).then_some(()))
        })
        .await?;
        fs::remove_dir_all(&store)?;
        proxy.set(Fault::None);
        let ran: Ran = child.wait_with_output().await?.into();
        ran.expect(1).says("cannot write lab/points/").says("No such file or directory");
        assert!(!tree(&store).iter().any(|(path, _)| path.is_file()));

        boat.backup(&["--etcd-only"]).await;
        boat.verify_all().await;
        fs::remove_dir_all(&store)?;
        fs::write(&store, "not a directory")?;
        boat.run(&["backup", "--etcd-only"]).await.expect(1).says("Not a directory");
        Ok(())
    })
    .await
}
