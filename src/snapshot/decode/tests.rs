use prost::Message;

use k8s_pb::api::core::v1::{ConfigMap, Pod, PodSpec, Secret};
use k8s_pb::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_pb::apimachinery::pkg::runtime::{TypeMeta, Unknown};

use super::*;

fn stored(api_version: &str, kind: &str, object: &impl Message) -> Vec<u8> {
    let types = TypeMeta { api_version: Some(api_version.to_owned()), kind: Some(kind.to_owned()) };
    let unknown = Unknown { type_meta: Some(types), raw: Some(object.encode_to_vec()), ..Unknown::default() };
    [PROTOBUF, &unknown.encode_to_vec()].concat()
}

fn meta() -> ObjectMeta {
    let applied = "kubectl.kubernetes.io/last-applied-configuration";
    ObjectMeta {
        name: Some("db".to_owned()),
        namespace: Some("team-a".to_owned()),
        uid: Some("7d1d2f0e-0000-4000-8000-000000000001".to_owned()),
        labels: [("app".to_owned(), "db".to_owned())].into(),
        annotations: [(applied.to_owned(), r#"{"data":{"password":"aHVudGVyMg=="}}"#.to_owned())].into(),
        ..ObjectMeta::default()
    }
}

fn object(decoded: Decoded) -> Object {
    match decoded {
        Decoded::Json { object } | Decoded::Protobuf { object } => object,
        other => panic!("no object: {other:?}"),
    }
}

#[test]
fn a_secret_is_shown_only_when_asked() {
    let secret = Secret {
        metadata: Some(meta()),
        data: [("password".to_owned(), b"hunter2".to_vec())].into(),
        r#type: Some("Opaque".to_owned()),
        ..Secret::default()
    };
    let json = serde_json::json!({
        "apiVersion": "v1", "kind": "Secret", "data": {"password": "aHVudGVyMg=="},
        "metadata": {"name": "db", "namespace": "team-a", "annotations": {"copy": "aHVudGVyMg=="}},
    });
    for value in [stored("v1", "Secret", &secret), json.to_string().into_bytes()] {
        let hidden = object(decode(&value, Secrets::Redact));
        assert_eq!((hidden.kind.as_str(), hidden.name.as_str()), ("Secret", "db"));
        assert_eq!(hidden.namespace.as_deref(), Some("team-a"));
        assert_eq!(hidden.value["data"]["password"], "<7 bytes>");
        assert!(!hidden.value.to_string().contains("aHVudGVyMg"), "{}", hidden.value);
        let shown = object(decode(&value, Secrets::Show));
        assert_eq!(shown.value["data"]["password"], "aHVudGVyMg==");
    }
}

#[test]
fn a_kind_known_by_name_is_readable() {
    let map = ConfigMap {
        metadata: Some(meta()),
        data: [("app.yaml".to_owned(), "a: 1\n".to_owned())].into(),
        ..ConfigMap::default()
    };
    let decoded = object(decode(&stored("v1", "ConfigMap", &map), Secrets::Redact));
    assert_eq!(decoded.value["data"]["app.yaml"], "a: 1\n");
    assert_eq!(decoded.value["metadata"]["labels"]["app"], "db");
}

#[test]
fn any_other_kind_has_metadata_and_numbered_fields() {
    let spec = PodSpec { node_name: Some("node-1".to_owned()), ..PodSpec::default() };
    let pod = Pod { metadata: Some(meta()), spec: Some(spec), ..Pod::default() };
    let decoded = object(decode(&stored("v1", "Pod", &pod), Secrets::Redact));
    assert_eq!((decoded.api_version.as_str(), decoded.kind.as_str()), ("v1", "Pod"));
    assert_eq!(decoded.uid, "7d1d2f0e-0000-4000-8000-000000000001");
    assert_eq!(decoded.value["fields"]["2"]["10"], "node-1");
}

#[test]
fn encryption_is_recognised() {
    let decoded = decode(b"k8s:enc:aescbc:v1:key1:\x00\xff:\x80", Secrets::Redact);
    let expected = Decoded::Encrypted {
        provider: "aescbc".to_owned(),
        version: "v1".to_owned(),
        key_name: "key1".to_owned(),
    };
    assert_eq!(decoded, expected);
    assert_eq!(decode(b"k8s:enc:aescbc", Secrets::Redact), Decoded::Opaque { size: 14 });
}

#[test]
fn what_is_no_object_is_opaque() {
    for value in [&b""[..], b"12345", b"{}", b"[1]", b"k8s\0", b"k8s\0\xff\xff", b"\xff\xfe"] {
        let decoded = decode(value, Secrets::Redact);
        assert_eq!(decoded, Decoded::Opaque { size: value.len() as u64 }, "{value:?}");
    }
}

proptest::proptest! {
    #[test]
    fn never_panics(value in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
        decode(&value, Secrets::Show);
        decode(&[PROTOBUF, &value].concat(), Secrets::Redact);
        decode(&[ENCRYPTED, &value].concat(), Secrets::Redact);
        tree::message(&value);
    }
}
