use super::super::*;
use super::{KEY, OTHER_KEY, parse, with};
use std::path::{Path, PathBuf};
use std::time::Duration;

fn full() -> String {
    let public = format!("RWQ{}", "b".repeat(53));
    format!(
        r#"
apiVersion: lifeboat.dev/v1
kind: Config
cluster: prod-eu1
etcd:
  endpoints: [https://10.0.0.11:2379, https://10.0.0.12:2379/]
  tls: {{ca: etcd-ca.crt, cert: client.crt, key: client.key, serverName: etcd}}
  auth: {{username: backup, password: {{file: etcd-password}}}}
  idleTimeout: 1m30s
kubernetes: {{kubeconfig: admin.conf, context: prod, qps: 50, timeout: 5m}}
resources: {{exclude: [events, "*.apps"], includeNamespaces: [team-*], labelSelector: a=b, dropManagedFields: true}}
stores:
  - {{name: main, url: "file:///srv/life%20boat"}}
  - {{name: second, url: "file:./store", retention: {{yearly: 7}}}}
encryption: {{recipients: [{KEY}, {OTHER_KEY}], recipientsFile: more.txt, compressionLevel: 19}}
signing: {{secretKey: {{file: lifeboat.key}}, publicKey: {public}, password: {{env: KEY_PASSWORD}}}}
restore: {{etcdutl: bin/etcdutl}}
retention: {{last: 3, hourly: 24, within: 30d, tags: [keep, team=a], timeZone: europe/berlin, maxDelete: 75%, orphanGrace: 2d}}
objectives: {{rpo: 2h, verified: 8d}}
playbooks:
  directory: plans
  approvers: [{{name: alice, publicKey: {public}, groups: [ir-leads]}}]
  lease: {{namespace: incident}}
schedules:
  - name: hourly
    cron: "17 * * * *"
    timeZone: europe/berlin
    run: {{backup: {{readBack: true}}}}
    jitter: 5m
    startingDeadline: 2d
    concurrency: Queue
    timeout: 1h
    retries: 2
    suspend: true
  - {{name: sample, cron: "@daily", run: {{verify: {{sample: 5, budget: 20GiB, deepWith: id.txt}}}}}}
  - {{name: prune, cron: "0 4 * * MON-FRI", run: {{prune: {{}}}}}}
  - {{name: copy, cron: "0 4 * * *", run: {{copy: {{}}}}}}
  - {{name: drill, cron: "0 4 1 */3 *", run: {{drill: {{file: d.yaml, identity: id.txt}}}}}}
  - {{name: book, cron: "0 4 1 1 *", run: {{playbook: {{name: check, params: {{a: "1"}}, identity: id.txt}}}}}}
"#
    )
}

#[test]
fn every_field_is_read() {
    let config = parse(&full()).unwrap();
    assert_eq!(config.cluster.as_str(), "prod-eu1");
    let etcd = config.require_etcd().unwrap();
    let endpoints: Vec<_> = etcd.endpoints.iter().map(Endpoint::as_str).collect();
    assert_eq!(endpoints, ["https://10.0.0.11:2379", "https://10.0.0.12:2379"]);
    assert_eq!(etcd.idle_timeout, Duration::from_secs(90));
    assert_eq!(etcd.connect_timeout, Duration::from_secs(5));
    assert_eq!(etcd.tls.as_ref().unwrap().server_name.as_ref().unwrap().as_str(), "etcd");
    let password = &etcd.auth.as_ref().unwrap().password;
    assert_eq!(password.source(), &SecretSource::File("etcd-password".into()));
    assert_eq!((config.kubernetes.qps, config.kubernetes.timeout), (50, Duration::from_secs(300)));
    assert!(config.resources.drop_managed_fields);
    let base = Path::new("/etc/lifeboat");
    assert_eq!(config.stores[0].url.locate(base), Location::Directory("/srv/life boat".into()));
    assert_eq!(config.stores[1].url.locate(base), Location::Directory("/etc/lifeboat/store".into()));
    assert_eq!(config.encryption.as_ref().unwrap().recipients[1].as_str(), OTHER_KEY);
    assert_eq!(config.restore.program(base), PathBuf::from("/etc/lifeboat/bin/etcdutl"));
    let kept = config.retention(&config.stores[0]).unwrap();
    assert_eq!((kept.last, kept.hourly, kept.daily), (3, 24, 0));
    assert_eq!(kept.within.as_ref().unwrap().length(), Duration::from_secs(30 * 86_400));
    assert_eq!((kept.time_zone.as_str(), kept.max_delete.percent()), ("Europe/Berlin", 75));
    assert_eq!(kept.orphan_grace.length(), Duration::from_secs(2 * 86_400));
    let own = config.retention(&config.stores[1]).unwrap();
    assert_eq!((own.last, own.yearly, own.time_zone.as_str()), (0, 7, "UTC"));
    let objectives = &config.objectives;
    let length = |age: &Option<Age>| age.as_ref().map(|age| age.length().as_secs() / 3600);
    assert_eq!(
        (length(&objectives.rpo), length(&objectives.verified), length(&objectives.drilled)),
        (Some(2), Some(192), None)
    );
    let playbooks = &config.playbooks;
    assert_eq!((playbooks.directory.to_str(), playbooks.journal.to_str()), (Some("plans"), Some("journal")));
    assert_eq!(
        (playbooks.approvers[0].name.as_str(), playbooks.lease.namespace.as_str()),
        ("alice", "incident")
    );
    assert_eq!(playbooks.approvers[0].groups, ["ir-leads"]);
    let [hourly, sample, .., drill, book] = config.schedules.as_slice() else { panic!() };
    assert_eq!(
        (hourly.time_zone.as_str(), hourly.cron.cron().to_string().as_str()),
        ("Europe/Berlin", "17 * * * *")
    );
    assert_eq!((hourly.timeout, sample.timeout), (Duration::from_secs(3600), Duration::from_secs(6 * 3600)));
    assert_eq!(hourly.starting_deadline.as_ref().unwrap().length(), Duration::from_secs(2 * 86_400));
    assert!(hourly.run.backup.as_ref().unwrap().read_back && hourly.suspend && !sample.suspend);
    assert_eq!((hourly.concurrency, sample.concurrency), (Concurrency::Queue, Concurrency::Forbid));
    assert_eq!(sample.run.verify.as_ref().unwrap().sample, 5);
    assert_eq!(drill.run.drill.as_ref().unwrap().file, PathBuf::from("d.yaml"));
    assert_eq!(book.run.playbook.as_ref().unwrap().params["a"], "1");
    assert_eq!(config.store(None).unwrap().name, "main");
    assert_eq!(config.store(Some("second")).unwrap().name, "second");
    let missing = config.store(Some("third")).unwrap_err().to_string();
    assert_eq!(missing, "the configuration has no store named `third`; it has `main`, `second`");
}

/// The example of the design.
#[test]
fn the_design_is_read() {
    let text = format!(
        r#"apiVersion: lifeboat.dev/v1
kind: Config
cluster: prod-eu1
etcd:
  endpoints: [https://10.0.0.11:2379, https://10.0.0.12:2379]
  tls: {{ca: etcd-ca.crt, cert: client.crt, key: client.key}}
  auth: {{username: backup, password: {{file: etcd-password}}}}
kubernetes: {{kubeconfig: admin.conf, context: prod}}
resources: {{exclude: [events], dropManagedFields: false}}
stores:
  - {{name: main, url: "s3://backups/lifeboat", s3: {{endpoint: "https://s3.example"}}, copyTo: [second]}}
  - {{name: second, url: "file:///srv/lifeboat"}}
encryption: {{recipients: [{KEY}]}}
signing: {{secretKey: {{file: lifeboat.key}}, publicKey: RWQ{}}}
retention: {{last: 3, hourly: 24, timeZone: Europe/Berlin}}
schedules: [{{name: hourly, cron: "0 * * * *", run: {{backup: {{}}}}}}]
drills: {{directory: drills}}
playbooks: {{directory: runbooks}}
"#,
        "c".repeat(53)
    );
    let schedule = &parse(&text).unwrap().schedules[0];
    assert_eq!((schedule.name.as_str(), schedule.run.backup.is_some()), ("hourly", true));
}

#[test]
fn what_is_written_is_read_back_the_same() {
    let config = parse(&full()).unwrap();
    assert_eq!(parse(&serde_yaml::to_string(&config).unwrap()).unwrap(), config);
    assert_eq!(parse(&serde_json::to_string(&config).unwrap()).unwrap(), config);
}

#[test]
fn defaults_and_empty_sections() {
    let config = parse(&with("etcd:\nkubernetes:\nresources:\nencryption:\nrestore:\n")).unwrap();
    assert_eq!(config.kubernetes, Kubernetes::default());
    assert_eq!(
        (config.kubernetes.qps, config.kubernetes.concurrency, config.kubernetes.page_size),
        (200, 4, 500)
    );
    assert_eq!(config.restore.program(Path::new("/x")), PathBuf::from("etcdutl"));
    assert!(config.require_etcd().is_err() && config.require_encryption().is_err());
    let only_etcd = parse(&with("etcd: {endpoints: [\"http://localhost:2379\"]}")).unwrap();
    assert_eq!(only_etcd.etcd.unwrap().request_timeout, Duration::from_secs(30));
    let level = parse(&with(&format!("encryption: {{recipients: [{KEY}]}}"))).unwrap().encryption.unwrap();
    assert_eq!((level.compression_level, level.compression_workers), (1, 0));
}

#[test]
fn anchors_may_be_used() {
    let text = with("etcd:\n  endpoints: [\"https://h:1\"]\n  tls: {cert: &c a.pem, key: *c}\n");
    assert_eq!(parse(&text).unwrap().etcd.unwrap().tls.unwrap().key, Some(PathBuf::from("a.pem")));
}
