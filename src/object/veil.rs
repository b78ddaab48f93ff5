//! What is in Secrets never leaves: a short digest stands in its place.
//!
//! A digest is keyed with bytes that are drawn anew for every run. So equal values are seen as equal within a run, and
//! nothing that was shown can be looked up afterwards, in a dictionary of passwords say.

use super::TypeName;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// Fields of a Secret that hold nothing secret.
const OPEN: &[&str] = &["apiVersion", "kind", "metadata", "type", "immutable"];

/// Annotations of a Secret that are shown. Any other may hold the whole Secret once more: `kubectl apply`, kapp, Helm, Argo CD
/// and Rancher each keep the configuration that was applied in an annotation of their own.
const SHOWN: &[&str] = &[
    "kubernetes.io/service-account.name",
    "kubernetes.io/service-account.uid",
    "meta.helm.sh/release-name",
    "meta.helm.sh/release-namespace",
];

/// Veils the values of Secrets, equal ones alike.
#[derive(Clone)]
pub struct Veil {
    key: [u8; 32],
}

impl Veil {
    /// A veil with this key, which should be random.
    pub fn new(key: [u8; 32]) -> Self {
        Veil { key }
    }

    /// Replaces what is secret in an object of this type. Objects that call themselves Secrets are treated as such.
    pub fn cover(&self, kind: &TypeName, object: &mut Value) {
        let Some(fields) = object.as_object_mut() else { return };
        if !kind.is("", "secrets") && fields.get("kind").and_then(Value::as_str) != Some("Secret") {
            return;
        }
        for (name, value) in fields.iter_mut().filter(|(name, _)| !OPEN.contains(&name.as_str())) {
            match value {
                Value::Object(values) if name == "data" || name == "stringData" => self.each(values, &[]),
                other => *other = self.digest(other),
            }
        }
        let annotations = fields.get_mut("metadata").and_then(|m| m.get_mut("annotations"));
        if let Some(Value::Object(annotations)) = annotations {
            self.each(annotations, SHOWN);
        }
        // It names fields only, but values of sets among them.
        if let Some(Value::Object(metadata)) = fields.get_mut("metadata")
            && let Some(managed) = metadata.get_mut("managedFields")
        {
            for entry in managed.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
                entry.shift_remove("fieldsV1");
            }
        }
    }

    fn each(&self, values: &mut Map<String, Value>, shown: &[&str]) {
        for (_, value) in values.iter_mut().filter(|(name, _)| !shown.contains(&name.as_str())) {
            *value = self.digest(value);
        }
    }

    fn digest(&self, value: &Value) -> Value {
        if value.is_null() {
            return Value::Null;
        }
        // The key on both sides and half of the digest alone: what is shown is no state to go on from.
        let digest = Sha256::new()
            .chain_update(self.key)
            .chain_update(value.to_string())
            .chain_update(self.key)
            .finalize();
        let short: String = digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        Value::from(format!("secret:{short}"))
    }
}

impl std::fmt::Debug for Veil {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Veil").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn secrets() -> TypeName {
        TypeName::new("", "secrets")
    }

    #[test]
    fn equal_values_are_seen_as_equal_in_one_run_and_in_no_other() {
        let veiled = |key: u8, value: &str| {
            let mut object = json!({"kind": "Secret", "type": "Opaque", "data": {"k": value, "empty": null}});
            Veil::new([key; 32]).cover(&secrets(), &mut object);
            assert_eq!(object["type"], "Opaque");
            assert_eq!(object["data"]["empty"], Value::Null);
            object["data"]["k"].as_str().unwrap().to_owned()
        };
        assert_eq!(veiled(1, "YQ=="), veiled(1, "YQ=="));
        assert_ne!(veiled(1, "YQ=="), veiled(1, "Yg=="));
        assert_ne!(veiled(1, "YQ=="), veiled(2, "YQ=="));
        let mut other = json!({"kind": "ConfigMap", "data": {"k": "v"}});
        let before = other.clone();
        Veil::new([0; 32]).cover(&TypeName::new("", "configmaps"), &mut other);
        assert_eq!(other, before);
    }

    proptest! {
        #[test]
        fn nothing_of_a_secret_is_left(value in "[G-Z]{4,40}", field in "(data|stringData|later|nested)", key: [u8; 32]) {
            let mut object = json!({
                "kind": "Secret",
                "metadata": {
                    "name": "a",
                    "annotations": {
                        "kubectl.kubernetes.io/last-applied-configuration": format!("{{\"data\":{{\"k\":\"{value}\"}}}}"),
                        "kapp.k14s.io/original": value.as_str(),
                        "meta.helm.sh/release-name": "shown",
                    },
                    "managedFields": [{"manager": "m", "fieldsV1": {"f:data": {format!("v:{value}"): {}}}}],
                },
            });
            object[field.as_str()] = if field == "nested" { json!([{"deep": [value.as_str()]}]) } else { json!({"k": value.as_str()}) };
            Veil::new(key).cover(&secrets(), &mut object);
            let text = object.to_string();
            prop_assert!(!text.contains(&value), "{}", text);
            prop_assert!(text.contains("shown"));
        }

        #[test]
        fn nothing_of_a_secret_is_in_a_diff(old in "[G-Z]{4,40}", new in "[G-Z]{4,40}", status: bool, key: [u8; 32]) {
            let object = |value: &str| {
                let mut object = json!({
                    "apiVersion": "v1", "kind": "Secret",
                    "metadata": {"name": "a", "annotations": {"example.com/copy": value}, "labels": {"l": "x"}},
                    "data": {"k": value, "same": "U0FNRQ=="}, "stringData": {"k": value}, "status": value,
                });
                Veil::new(key).cover(&secrets(), &mut object);
                super::super::without_noise(&mut object, status);
                object
            };
            let changes = super::super::diff(&object(&old), &object(&new));
            let text = serde_json::to_string(&changes).unwrap();
            prop_assert!(!text.contains(&old) && !text.contains(&new), "{}", text);
            prop_assert_eq!(changes.len(), if old == new { 0 } else { 3 + usize::from(status) });
        }
    }
}
