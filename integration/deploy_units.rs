//! The units of deploy/systemd on the node of a cluster of kind, whose systemd starts them: hardened as they are, they save its etcd.

use crate::{
    deploy_case::{Deployed, block, place},
    kind_cluster::said,
    lab::eventually,
};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::{fs, time::Duration};

/// What a unit does takes so long at most.
const LIMIT: Duration = Duration::from_secs(90);
/// systemd calls a service OK below 5, and exposed above 7; it counts from 0 to 10.
const EXPOSURE: &str = "2.5";

/// The daemon saves what is due, takes a new configuration, and ends cleanly; the timer has a backup taken.
pub async fn units_save_as_well(deployed: &Deployed) -> Result<()> {
    let node = deployed.cluster.node();
    let copy = |from: &str, to: &str| said("docker", &["cp", from, &format!("{node}:/root/host/{to}")]);
    deployed.on_the_host("mkdir -p /root/host/checkout/deploy")?;
    copy(&place().join("systemd").display().to_string(), "checkout/deploy/")?;
    copy(env!("CARGO_BIN_EXE_lifeboat"), "lifeboat")?;
    copy(&deployed.desk.join("signing.key").display().to_string(), "signing.key")?;
    let config = configuration(deployed)?;
    fs::write(deployed.desk.join("host.yaml"), &config)?;
    copy(&deployed.desk.join("host.yaml").display().to_string(), "lifeboat.yaml")?;
    deployed.on_the_host(&format!("cd /root/host\n{}", block("sh host", "systemd-sysusers")?))?;
    let (make, install) = (block("sh certificate", "openssl")?, block("sh host-certificate", "install")?);
    deployed.on_the_host(&(make + &install))?;
    let units = "lifeboat.service lifeboat-backup.service lifeboat-backup.timer";
    let complaints = deployed.on_the_host(&format!("systemd-analyze verify {units} 2>&1"))?;
    ensure!(!complaints.contains("lifeboat"), "{complaints}");
    for unit in ["lifeboat.service", "lifeboat-backup.service"] {
        let threshold = EXPOSURE.replace('.', "");
        deployed.on_the_host(&format!("systemd-analyze security --threshold={threshold} {unit} >&2"))?;
    }

    // It may look nowhere, and writes to its store alone.
    deployed.on_the_host(&block("sh host-start", "enable")?)?;
    saved(deployed, 1).await?;
    let job = deployed.on_the_host(NEWEST)?;
    let point: Value = serde_json::from_str(&job)?;
    assert_eq!((&point["status"], &point["job"]), (&"Completed".into(), &"node".into()), "{point}");
    let facts = deployed.on_the_host(
        "pid=$(systemctl show -P MainPID lifeboat); id -un $(awk '/^Uid:/ {print $2}' /proc/$pid/status)
         grep -E '^(CapBnd|NoNewPrivs|Seccomp):' /proc/$pid/status | tr -s '\\t' ' '
         systemctl show -P NRestarts lifeboat",
    )?;
    assert_eq!(facts, "lifeboat\nCapBnd: 0000000000000000\nNoNewPrivs: 1\nSeccomp: 2\n0");
    println!("memory of the units: {}", deployed.on_the_host(MEMORY)?);

    // What is changed is in force when it is told to look.
    deployed.on_the_host(
        "sed -i 's/name: node,/name: renamed,/' /etc/lifeboat/lifeboat.yaml; systemctl reload lifeboat
         for try in $(seq 50); do test -d /var/lib/lifeboat/store/lab/schedules/renamed && exit; sleep 0.2; done
         journalctl -u lifeboat >&2; exit 1",
    )?;
    let state =
        "for it in ActiveState Result ExecMainStatus; do systemctl show -P $it lifeboat; done | tr '\\n' ' '";
    let ended = deployed.on_the_host(&format!("systemctl stop lifeboat; {state}"))?;
    assert_eq!(ended.split_whitespace().collect::<Vec<_>>(), ["inactive", "success", "0"]);

    // The hour is not waited for.
    deployed.on_the_host(
        "at=/run/systemd/system/lifeboat-backup.timer.d; mkdir -p $at
         printf '[Timer]\\nOnCalendar=\\nOnActiveSec=1s\\nAccuracySec=1s\\nRandomizedDelaySec=0\\n' >$at/now.conf
         at=/run/systemd/system/lifeboat-backup.service.d; mkdir -p $at
         printf '[Service]\\nExecStart=\\nExecStart=/usr/local/bin/lifeboat backup --etcd-only -c /etc/lifeboat/lifeboat.yaml\\n' >$at/etcd.conf
         systemctl daemon-reload; systemctl start lifeboat-backup.timer",
    )?;
    saved(deployed, 2).await?;
    // A configuration that is wrong is not tried again.
    deployed
        .on_the_host("echo nonsense: yes >>/etc/lifeboat/lifeboat.yaml; ! systemctl start lifeboat-backup")?;
    let failed = deployed.on_the_host(
        "for it in ActiveState ExecMainStatus; do systemctl show -P $it lifeboat-backup; done | tr '\\n' ' '",
    )?;
    assert_eq!(failed.split_whitespace().collect::<Vec<_>>(), ["failed", "2"]);
    Ok(())
}

const NEWEST: &str = "lifeboat show latest -o json -c /etc/lifeboat/lifeboat.yaml";
const MEMORY: &str = "path=$(systemctl show -P ControlGroup lifeboat)
cat /sys/fs/cgroup$path/memory.peak /sys/fs/cgroup/memory$path/memory.max_usage_in_bytes 2>/dev/null || true";

/// Waits for so many recovery points on the node.
async fn saved(deployed: &Deployed, wanted: usize) -> Result<()> {
    let list = "lifeboat list -o json -c /etc/lifeboat/lifeboat.yaml 2>/dev/null || echo '{}'";
    let found = eventually("a recovery point", LIMIT, async || {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let list: Value = serde_json::from_str(&deployed.on_the_host(list)?)?;
        Ok((list["points"].as_array().map_or(0, Vec::len) >= wanted).then_some(()))
    })
    .await;
    let journal = || {
        deployed
            .on_the_host("journalctl --no-pager -n 60 -u 'lifeboat*'; systemctl status 'lifeboat*' || true")
    };
    found.or_else(|why| Err(why.context(journal()?)))
}

/// The configuration for the node: the cluster's keys, its own etcd, and a store on its own disk.
fn configuration(deployed: &Deployed) -> Result<String> {
    let own: Value = serde_yaml::from_str(&fs::read_to_string(deployed.boat.path("lifeboat.yaml"))?)?;
    let text = |value: &Value| value.as_str().map(str::to_owned).context("no key");
    let (recipient, key) = (text(&own["encryption"]["recipients"][0])?, text(&own["signing"]["publicKey"])?);
    Ok(format!(
        "apiVersion: lifeboat.dev/v1\nkind: Config\ncluster: lab\n\
         etcd: {{endpoints: [\"https://127.0.0.1:2379\"], tls: {{ca: etcd/ca.crt, cert: etcd/tls.crt, key: etcd/tls.key}}}}\n\
         stores: [{{name: main, url: \"file:///var/lib/lifeboat/store\"}}]\n\
         encryption: {{recipients: [\"{recipient}\"]}}\n\
         signing: {{publicKey: \"{key}\", secretKey: {{file: signing.key}}}}\n\
         schedules:\n  - {{name: node, cron: \"* * * * *\", run: {{backup: {{etcdOnly: true}}}}}}\n"
    ))
}
