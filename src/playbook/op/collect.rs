use super::{
    Doing, ObjectRef, OpError,
    change::{attempt, read},
};
use crate::{point::Digest, source::kube::Attempt};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::{fmt, time::Duration};

/// File systems take names of 255 bytes; so much of it is an artifact's own.
const LONGEST: usize = 200;
/// What stands where a secret value stood.
const REDACTED: &str = "(redacted)";

/// Keeps evidence: something is read, and sealed into the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum Collect {
    /// An object, all of it.
    Manifest {
        /// Which.
        object: ObjectRef,
        /// Are the values of a Secret left out?
        redact: bool,
    },
    /// What a container has logged.
    Logs {
        /// The pod.
        pod: ObjectRef,
        /// The container.
        container: String,
        /// What the container logged that ran before this one?
        previous: bool,
        /// Only what was logged since.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        since: Option<Timestamp>,
        /// No more bytes than that, the newest.
        limit_bytes: u64,
    },
    /// The events about an object.
    Events {
        /// Which.
        object: ObjectRef,
    },
    /// Files out of a container, as `tar` in it packs them.
    Files {
        /// The pod.
        pod: ObjectRef,
        /// The container.
        container: String,
        /// The file or directory.
        path: String,
        /// No more bytes than that.
        most_bytes: u64,
        /// How long it may take, in milliseconds.
        within_ms: u64,
    },
}

/// Something that was collected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collected {
    /// What it is called: segments that are fit for a key of the store.
    pub name: String,
    /// What it is.
    pub bytes: Vec<u8>,
    /// What there is to tell, such as that it was cut off.
    pub said: Option<String>,
}

impl Collect {
    fn object(&self) -> &ObjectRef {
        match self {
            Collect::Manifest { object, .. } | Collect::Events { object } => object,
            Collect::Logs { pod, .. } | Collect::Files { pod, .. } => pod,
        }
    }

    pub(super) fn rights(&self) -> Vec<Attempt> {
        let object = self.object();
        match self {
            Collect::Manifest { .. } => vec![attempt(object, "get", None)],
            Collect::Logs { .. } => {
                vec![attempt(object, "get", None), attempt(object, "get", Some("log".to_owned()))]
            }
            Collect::Files { .. } => vec![attempt(object, "create", Some("exec".to_owned()))],
            Collect::Events { .. } => vec![Attempt {
                verb: "list".to_owned(),
                group: String::new(),
                resource: "events".to_owned(),
                subresource: None,
                namespace: object.namespace.clone(),
                name: None,
            }],
        }
    }

    /// What it is called in the store, below the run: made of names that the API server has checked, with what a key cannot hold
    /// written as digits. What is too long for a file's name is told from what begins like it by its digest.
    fn name(&self) -> String {
        let object = self.object();
        let safe = |text: &str| -> String {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
            let each =
                text.bytes().enumerate().map(|(at, byte)| match plain(byte) && !(at == 0 && byte == b'.') {
                    true => char::from(byte).to_string(),
                    false => format!(":{byte:02x}"),
                });
            each.collect()
        };
        let place = [object.namespace.as_deref().unwrap_or("_cluster"), &object.resource, &object.name];
        let place = place.map(safe).join(".");
        let (name, ending) = match self {
            Collect::Manifest { .. } => (place, "json"),
            Collect::Events { .. } => (place, "events.json"),
            Collect::Logs { container, previous, .. } => {
                (format!("{place}.{}", safe(container)), if *previous { "previous.log" } else { "log" })
            }
            Collect::Files { container, path, .. } => {
                (format!("{place}.{}.{}", safe(container), safe(path)), "tar")
            }
        };
        match name.get(..LONGEST) {
            Some(beginning) if name.len() > LONGEST => {
                let digest = Digest::from(Sha256::digest(&name)).to_string();
                format!("{beginning}-{}.{ending}", &digest[..16])
            }
            _ => format!("{name}.{ending}"),
        }
    }

    /// Reads it.
    ///
    /// # Errors
    /// When the object is another one than was meant, or the server refuses.
    pub async fn carry_out(&self, with: &Doing<'_>) -> Result<Collected, OpError> {
        let (name, said) = (self.name(), None);
        match self {
            Collect::Manifest { object, redact } => {
                let (live, mut json) = read(object, with).await?;
                let bytes = match object.is("", "secrets") && *redact {
                    true => {
                        cover(&mut json);
                        serde_json::to_vec(&json).unwrap_or_default()
                    }
                    false => live.json,
                };
                Ok(Collected { name, bytes, said })
            }
            Collect::Logs { pod, container, previous, since, limit_bytes } => {
                read(pod, with).await?;
                let since = since.map(|since| since.to_string());
                let limit = limit_bytes.to_string();
                let mut asked =
                    vec![("container", container.as_str()), ("timestamps", "true"), ("limitBytes", &limit)];
                if *previous {
                    asked.push(("previous", "true"));
                }
                asked.extend(since.as_deref().map(|since| ("sinceTime", since)));
                let place = (pod.namespace.as_deref().unwrap_or_default(), pod.name.as_str());
                let largest = usize::try_from(*limit_bytes).unwrap_or(usize::MAX).saturating_add(64 << 10);
                let logged = with.cluster()?.logs(place, &asked, largest).await;
                let bytes = logged.map_err(|refusal| OpError::server(pod, refusal))?.to_vec();
                let cut = bytes.len() as u64 >= *limit_bytes;
                let said = cut.then(|| format!("it was cut off after {limit_bytes} bytes"));
                Ok(Collected { name, bytes, said })
            }
            Collect::Files { pod, container, path, most_bytes, within_ms } => {
                read(pod, with).await?;
                let place = (pod.namespace.as_deref().unwrap_or_default(), pod.name.as_str());
                let argv = ["tar", "cf", "-", "--", path.as_str()].map(str::to_owned);
                let within = Duration::from_millis(*within_ms);
                let packed =
                    with.cluster()?.stream_from_pod(place, container, &argv, within, *most_bytes).await;
                let (bytes, said) =
                    packed.map_err(|why| OpError::Failed(format!("{path} of {pod}: {why}")))?;
                // An archive of nothing is zeroes.
                if bytes.iter().take(512).all(|byte| *byte == 0) {
                    let why = said.unwrap_or_else(|| "nothing is there".to_owned());
                    return Err(OpError::Failed(format!("{path} of {pod}: {why}")));
                }
                Ok(Collected { name, bytes, said })
            }
            Collect::Events { object } => {
                let mut fields = format!("involvedObject.name={}", object.name);
                if let Some(uid) = &object.uid {
                    fields.push_str(&format!(",involvedObject.uid={uid}"));
                }
                let events = ObjectRef {
                    group: String::new(),
                    version: "v1".into(),
                    resource: "events".into(),
                    kind: "Event".into(),
                    ..object.clone()
                };
                let kind = crate::source::kube::ResourceType { namespaced: true, ..events.resource_type() };
                let mut list =
                    with.cluster()?.selected(&kind, object.namespace.as_deref(), None, Some(&fields));
                let mut found = Vec::new();
                while let Some(page) =
                    list.next().await.map_err(|refusal| OpError::server(object, refusal))?
                {
                    found.extend(page.iter().filter_map(|it| serde_json::from_slice::<Value>(&it.json).ok()));
                }
                let bytes =
                    json!({"kind": "List", "apiVersion": "v1", "items": found}).to_string().into_bytes();
                Ok(Collected { name, bytes, said: Some(format!("{} events", found.len())) })
            }
        }
    }
}

/// Takes the values out of a Secret, and out of what kubectl noted of it.
fn cover(secret: &mut Value) {
    for name in ["data", "stringData"] {
        for value in
            secret.get_mut(name).and_then(Value::as_object_mut).into_iter().flat_map(|map| map.values_mut())
        {
            *value = REDACTED.into();
        }
    }
    let applied = "kubectl.kubernetes.io/last-applied-configuration";
    if let Some(note) = secret.pointer_mut("/metadata/annotations").and_then(|it| it.get_mut(applied)) {
        *note = REDACTED.into();
    }
}

impl fmt::Display for Collect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Collect::Manifest { object, redact } => {
                let how = if *redact && object.is("", "secrets") { ", without its values" } else { "" };
                write!(f, "keep {object}{how}")
            }
            Collect::Logs { pod, container, previous, .. } => {
                let which = if *previous { "the previous container" } else { "container" };
                write!(f, "keep the log of {which} {container} of {pod}")
            }
            Collect::Events { object } => write!(f, "keep the events about {object}"),
            Collect::Files { pod, container, path, .. } => {
                write!(f, "keep {path} of container {container} of {pod}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_evidence_lead_nowhere() {
        let object = |name: &str| ObjectRef {
            group: "rbac.authorization.k8s.io".into(),
            version: "v1".into(),
            resource: "clusterroles".into(),
            kind: "ClusterRole".into(),
            namespace: None,
            name: name.into(),
            uid: None,
        };
        let name = |name: &str| Collect::Manifest { object: object(name), redact: true }.name();
        assert_eq!(name("system:node"), "_cluster.clusterroles.system:3anode.json");
        assert_eq!(name("../../etc"), "_cluster.clusterroles.:2e.:2f..:2fetc.json");
        let (one, other) = (name(&"%".repeat(250)), name(&format!("{}1", "%".repeat(249))));
        assert!(one != other && one.len() < 240 && one.ends_with(".json"), "{one} {other}");
        for odd in ["../x", "a/b", "%2e", "a b", "ä", ".", "..", ""] {
            assert!(crate::point::Key::new(format!("c/{}", name(odd))).is_ok(), "{odd:?}");
        }
    }

    #[test]
    fn a_secret_keeps_its_keys_and_nothing_else() {
        let mut secret = json!({"data": {"a": "eA=="}, "metadata": {"annotations": {
            "kubectl.kubernetes.io/last-applied-configuration": "{\"data\":{\"a\":\"eA==\"}}", "team": "x"}}});
        cover(&mut secret);
        assert!(!secret.to_string().contains("eA=="), "{secret}");
        assert_eq!(secret["data"]["a"], REDACTED);
        assert_eq!(secret["metadata"]["annotations"]["team"], "x");
    }
}
