//! Objects as an API server keeps them: valid, as repetitive as real ones, and with as much entropy.

use std::fmt::Write;

use rand::rngs::StdRng;
use rand::{Rng, RngExt};
use serde_json::{Value, json};

const WORDS: &[&str] = &[
    "node",
    "pod",
    "ready",
    "scheduled",
    "image",
    "pulled",
    "created",
    "started",
    "container",
    "backoff",
    "probe",
    "failed",
    "liveness",
    "readiness",
    "volume",
    "mount",
    "attached",
    "namespace",
    "default",
    "service",
    "account",
    "token",
    "config",
    "map",
    "secret",
    "endpoint",
    "slice",
    "ingress",
    "route",
    "policy",
    "network",
    "quota",
    "limit",
    "range",
    "replica",
    "set",
    "deployment",
    "stateful",
    "daemon",
    "job",
    "cron",
    "autoscaler",
    "lease",
];

/// What is written for one object.
pub struct Object {
    /// Its key in etcd.
    pub key: String,
    /// Its JSON.
    pub value: Vec<u8>,
    /// Whether it goes away by itself, as events do.
    pub leased: bool,
}

/// The object number `i`: pods, config maps, secrets and events in turn, in 200 namespaces, 2.4 KB on average.
pub fn object(rng: &mut StdRng, i: u64) -> Object {
    let namespace = format!("team-{:03}", rng.random_range(0..200));
    let (resource, name, value) = match i % 4 {
        0 => pod(rng, &namespace, i),
        1 => config_map(rng, &namespace, i),
        2 => secret(rng, &namespace, i),
        _ => event(rng, &namespace, i),
    };
    let key = format!("/registry/{resource}/{namespace}/{name}");
    Object { key, value: value.to_string().into_bytes(), leased: resource == "events" }
}

/// The data of a config map: a settings file of about `length` bytes.
pub fn settings(rng: &mut StdRng, length: usize) -> String {
    let mut text = String::with_capacity(length + 64);
    while text.len() < length {
        let _ = writeln!(text, "{}.{}: {} {}", word(rng), word(rng), word(rng), rng.random_range(0..1000));
    }
    text
}

/// `length` bytes as nobody can compress them, in base64.
pub fn entropy(rng: &mut StdRng, length: usize) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = vec![0; length.div_ceil(3) * 4];
    rng.fill_bytes(&mut bytes);
    bytes.iter().map(|byte| char::from(DIGITS[usize::from(byte & 63)])).collect()
}

fn pod(rng: &mut StdRng, namespace: &str, i: u64) -> (&'static str, String, Value) {
    let name = format!("web-{:08x}-{i}", rng.random::<u32>());
    let env: Vec<_> = WORDS[..12]
        .iter()
        .map(|word| json!({"name": format!("{}_URL", word.to_uppercase()), "value": text(rng, 48)}))
        .collect();
    let conditions = ["Initialized", "Ready", "ContainersReady", "PodScheduled"].map(
        |condition| json!({"type": condition, "status": "True", "lastTransitionTime": "2026-11-23T08:45:00Z"}),
    );
    let [a, b] = [rng.random::<u8>(), rng.random::<u8>()];
    let value = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": metadata(rng, namespace, &name),
        "spec": {
            "nodeName": format!("ip-10-0-{}-{}", a % 4, b % 32), "restartPolicy": "Always", "dnsPolicy": "ClusterFirst",
            "serviceAccountName": "default", "terminationGracePeriodSeconds": 30, "containers": [{
                "name": "app", "image": format!("registry.example.com/team/app@sha256:{}", hex(rng, 64)), "env": env,
                "resources": {"limits": {"cpu": "500m", "memory": "512Mi"}}, "imagePullPolicy": "IfNotPresent",
                "terminationMessagePath": "/dev/termination-log",
            }],
        },
        "status": {
            "phase": "Running", "podIP": format!("10.{a}.{b}.{}", rng.random::<u8>()), "qosClass": "Burstable",
            "conditions": conditions,
        },
    });
    ("pods", name, value)
}

fn config_map(rng: &mut StdRng, namespace: &str, i: u64) -> (&'static str, String, Value) {
    let (name, length) = (format!("config-{i}"), rng.random_range(500..5500));
    let value = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata(rng, namespace, &name),
        "data": {"application.properties": settings(rng, length)},
    });
    ("configmaps", name, value)
}

fn secret(rng: &mut StdRng, namespace: &str, i: u64) -> (&'static str, String, Value) {
    let (name, length) = (format!("secret-{i}"), rng.random_range(200..1800));
    let value = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": metadata(rng, namespace, &name),
        "data": {"tls.key": entropy(rng, length)},
    });
    ("secrets", name, value)
}

fn event(rng: &mut StdRng, namespace: &str, i: u64) -> (&'static str, String, Value) {
    let name = format!("web-{i}.{}", hex(rng, 16));
    let value = json!({
        "apiVersion": "v1", "kind": "Event", "metadata": metadata(rng, namespace, &name),
        "involvedObject": {"kind": "Pod", "namespace": namespace, "name": format!("web-{i}"), "uid": uid(rng)},
        "reason": "BackOff", "message": text(rng, 120), "type": "Warning", "count": rng.random_range(1..1000),
        "source": {"component": "kubelet", "host": "ip-10-0-0-1"},
    });
    ("events", name, value)
}

fn metadata(rng: &mut StdRng, namespace: &str, name: &str) -> Value {
    json!({
        "name": name, "namespace": namespace, "uid": uid(rng),
        "creationTimestamp": format!("2026-{:02}-{:02}T{:02}:{:02}:00Z", rng.random_range(1..11), rng.random_range(1..28), rng.random_range(0..24), rng.random_range(0..60)),
        "labels": {
            "app.kubernetes.io/name": word(rng), "app.kubernetes.io/instance": namespace,
            "pod-template-hash": hex(rng, 10),
        },
        "managedFields": [{
            "manager": "kube-controller-manager", "operation": "Update", "apiVersion": "v1",
            "fieldsType": "FieldsV1", "fieldsV1": {
                "f:metadata": {"f:labels": {".": {}, "f:app.kubernetes.io/name": {}, "f:pod-template-hash": {}}},
                "f:data": {".": {}, "f:application.properties": {}},
            },
        }],
    })
}

fn word(rng: &mut StdRng) -> &'static str {
    WORDS[rng.random_range(0..WORDS.len())]
}

fn text(rng: &mut StdRng, length: usize) -> String {
    let mut text = String::with_capacity(length + 16);
    while text.len() < length {
        text.push_str(word(rng));
        text.push(' ');
    }
    text
}

fn hex(rng: &mut StdRng, length: usize) -> String {
    let mut text = String::with_capacity(length + 16);
    while text.len() < length {
        let _ = write!(text, "{:016x}", rng.random::<u64>());
    }
    text.truncate(length);
    text
}

fn uid(rng: &mut StdRng) -> String {
    let digits = hex(rng, 32);
    format!("{}-{}-{}-{}-{}", &digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..])
}
