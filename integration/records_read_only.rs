//! A store that is mounted read-only: it is verified all the same, and nothing is said to be recorded that is not.

use crate::{
    boat::Ran,
    lab::process::own_mounts,
    saved::{saved, tree},
};
use anyhow::Result;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_recorded_is_said_and_the_verdict_stands() -> Result<()> {
    let saved = saved().await?;
    saved.run(&["hold", "latest", "--reason", "audit"]).await.expect(0);
    let run = async |line: &str| -> Result<Ran> {
        let program = env!("CARGO_BIN_EXE_lifeboat");
        let script = format!(
            "set -e; mount --bind store store; mount -o remount,bind,ro store; exec '{program}' {line}"
        );
        let mut command = own_mounts().await?;
        Ok(command.args(["sh", "-c", &script]).current_dir(saved.boat.dir()).output().await?.into())
    };
    let before = tree(&saved.boat.path("store"));
    let verified = run("verify --deep -i identity.txt -o json").await?.expect(0);
    assert_eq!(verified.json()["points"][0]["record"], serde_json::Value::Null);
    verified.says("is not recorded").says("mounted read-only");
    for line in ["hold latest --reason x", "release latest --reason x", "tag latest keep"] {
        let ran = run(line).await?.expect(1).says("mounted read-only");
        assert_eq!(ran.stdout, "", "{line}");
    }
    let listed = run("list --held").await?.expect(0).stdout;
    assert!(listed.contains("audit"), "{listed}");
    assert!(tree(&saved.boat.path("store")) == before);
    Ok(())
}
