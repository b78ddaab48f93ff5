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
    assert_eq!(config.store(None).unwrap().name, "main");
    assert_eq!(config.store(Some("second")).unwrap().name, "second");
    let missing = config.store(Some("third")).unwrap_err().to_string();
    assert_eq!(missing, "the configuration has no store named `third`; it has `main`, `second`");
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
