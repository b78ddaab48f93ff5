//! What a value in the database is: an object as JSON or protobuf, or something encrypted.

mod base64;
mod json;
mod protobuf;
mod tree;

use serde::Serialize;
use serde_json::Value;

/// How Kubernetes marks protobuf (`runtime/serializer/protobuf`): this, and a `runtime.Unknown`.
const PROTOBUF: &[u8] = b"k8s\0";
/// How Kubernetes marks what it has encrypted (`options/encryptionconfig/config.go`):
/// `k8s:enc:<provider>:<version>:<key name>:`.
const ENCRYPTED: &[u8] = b"k8s:enc:";

/// What a value is.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "format", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum Decoded {
    /// A Kubernetes object stored as JSON (custom resources are).
    Json {
        /// The object.
        object: Object,
    },
    /// A Kubernetes object stored as protobuf (built-in kinds are).
    Protobuf {
        /// The object.
        object: Object,
    },
    /// Encrypted by the API server: it can be read with the key of its `EncryptionConfiguration` only.
    Encrypted {
        /// `aescbc`, `aesgcm`, `secretbox`, `kms`.
        provider: String,
        /// Version of the provider's format.
        version: String,
        /// Name of the key, or of the KMS plugin.
        key_name: String,
    },
    /// Something else.
    Opaque {
        /// Bytes of it.
        size: u64,
    },
}

/// A Kubernetes object.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Object {
    /// Its API version.
    pub api_version: String,
    /// Its kind.
    pub kind: String,
    /// Its namespace, if it has one.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// All of it. In protobuf, fields have numbers and no names: kinds that are not known by name here have a
    /// readable `metadata`, and `fields` by number.
    pub value: Value,
}

/// What to do with the data of Secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Secrets {
    /// Show their sizes instead. Annotations go the same way: tools put copies of the whole object into them.
    #[default]
    Redact,
    /// Show them.
    Show,
}

/// Finds out what a value is.
pub fn decode(value: &[u8], secrets: Secrets) -> Decoded {
    let opaque = Decoded::Opaque { size: value.len() as u64 };
    if let Some(rest) = value.strip_prefix(ENCRYPTED) {
        return encrypted(rest).unwrap_or(opaque);
    }
    if let Some(message) = value.strip_prefix(PROTOBUF) {
        return protobuf::decode(message, secrets).map_or(opaque, |object| Decoded::Protobuf { object });
    }
    json::decode(value, secrets).map_or(opaque, |object| Decoded::Json { object })
}

fn encrypted(rest: &[u8]) -> Option<Decoded> {
    let mut parts =
        rest.splitn(4, |byte| *byte == b':').map(|part| std::str::from_utf8(part).map(str::to_owned));
    let mut next = || parts.next()?.ok().filter(|part| part.len() <= 253);
    let decoded = Decoded::Encrypted { provider: next()?, version: next()?, key_name: next()? };
    // What follows the last colon is the ciphertext.
    parts.next().map(|_| decoded)
}

/// What is shown in place of something of this size.
fn redacted(size: usize) -> Value {
    Value::String(format!("<{size} bytes>"))
}

#[cfg(test)]
mod tests;
