//! Events on an object of the cluster that this process runs in, as `kubectl describe` shows them.
//!
//! What is told again in the same words is the same Event with a higher count, whichever process tells it: its name is made of what it
//! says. So nothing has to be remembered, and no right to read events is needed: the answer to a patch that changes nothing is the Event.

use super::{Cluster, Refusal, trouble::Failure};
use crate::point::News;
use bytes::Bytes;
use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::{fmt, str::FromStr};

/// Who tells it. The API server wants a name with a domain.
const CONTROLLER: &str = "lifeboat.dev/lifeboat";
/// So long may the name be of who tells it.
const INSTANCE: usize = 128;
/// So much of the object's name begins the Event's.
const PREFIX: usize = 200;

/// The object that news are about: `cronjob/NAME` or `deployment/NAME`, in the namespace of this process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    kind: &'static Kind,
    name: String,
}

#[derive(Debug, PartialEq, Eq)]
struct Kind {
    version: &'static str,
    kind: &'static str,
    plural: &'static str,
}

static CRON_JOB: Kind = Kind { version: "batch/v1", kind: "CronJob", plural: "cronjobs" };
static DEPLOYMENT: Kind = Kind { version: "apps/v1", kind: "Deployment", plural: "deployments" };

impl FromStr for Subject {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, name) = text.split_once('/').unwrap_or((text, ""));
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
        let kind = match kind {
            "cronjob" => &CRON_JOB,
            "deployment" => &DEPLOYMENT,
            _ => return Err(format!("{text:?} is neither cronjob/NAME nor deployment/NAME")),
        };
        match !name.is_empty() && name.len() <= 253 && name.chars().all(fits) {
            true => Ok(Subject { kind, name: name.to_owned() }),
            false => Err(format!("{text:?} has no name of an object behind the `/`")),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind.kind.to_ascii_lowercase(), self.name)
    }
}

impl Cluster {
    /// Tells news of an object, by an Event of it. `instance`: the name of who tells it.
    ///
    /// # Errors
    /// When the server does not answer, or refuses.
    pub async fn tell(
        &self,
        subject: &Subject,
        news: &News,
        instance: &str,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let client = self.api.client();
        let namespace = client.default_namespace();
        let Subject { kind, name } = subject;
        let path = format!("/apis/{}/namespaces/{namespace}/{}/{name}", kind.version, kind.plural);
        // kubectl looks for events by the UID.
        let object = parsed(&self.api.get(&path).await?)?;
        let uid = object["metadata"]["uid"].as_str().unwrap_or_default();
        let event = event(subject, (namespace, uid), news, instance, now);
        let events = format!("/apis/events.k8s.io/v1/namespaces/{namespace}/events");
        let created = self.api.post(&events, &Bytes::from(event.to_string())).await.map_err(Refusal::from);
        match created {
            Err(refusal) if refusal.exists() => {}
            created => return created.map(drop),
        }
        let one = format!("{events}/{}", event["metadata"]["name"].as_str().unwrap_or_default());
        let there = parsed(&self.patch(&one, &json!({})).await?)?;
        self.patch(&one, &json!({"series": series(&there, now)})).await.map(drop)
    }

    async fn patch(&self, path: &str, patch: &Value) -> Result<Bytes, Refusal> {
        Ok(self.api.send(Method::PATCH, path, "application/json", &Bytes::from(patch.to_string())).await?)
    }
}

fn parsed(json: &[u8]) -> Result<Value, Refusal> {
    serde_json::from_slice(json).map_err(|error| Failure::from_json(&error).into())
}

/// As `metav1.MicroTime` is read.
fn micro(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

/// How often it was told, once more, and when.
fn series(there: &Value, now: Timestamp) -> Value {
    let before = there["series"]["count"].as_i64().unwrap_or(1);
    json!({"count": before.saturating_add(1).min(i32::MAX.into()), "lastObservedTime": micro(now)})
}

fn event(
    subject: &Subject,
    (namespace, uid): (&str, &str),
    news: &News,
    instance: &str,
    now: Timestamp,
) -> Value {
    let kind = if news.warning { "Warning" } else { "Normal" };
    let mut said = Sha256::new();
    for part in [uid, kind, &news.reason, &news.action, &news.note] {
        said.update(part);
        said.update([0]);
    }
    let mark: String = said.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let prefix = subject.name.get(..PREFIX).unwrap_or(&subject.name).trim_end_matches(['.', '-']);
    // The end is what tells pods apart.
    let instance = instance.get(instance.len().saturating_sub(INSTANCE)..).unwrap_or_default();
    json!({
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": format!("{prefix}.{mark}"), "namespace": namespace},
        "eventTime": micro(now),
        "reportingController": CONTROLLER,
        "reportingInstance": if instance.is_empty() { "lifeboat" } else { instance },
        "action": news.action,
        "reason": news.reason,
        "regarding": {
            "apiVersion": subject.kind.version, "kind": subject.kind.kind,
            "namespace": namespace, "name": subject.name, "uid": uid,
        },
        "note": news.note,
        "type": kind,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::point::TurnOutcome;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn told(subject: &str, note: &str, instance: &str, now: &str) -> Value {
        let news = News::of_command("backup", TurnOutcome::Failed, Some(note));
        event(&subject.parse().unwrap(), ("lifeboat", "u-1"), &news, instance, at(now))
    }

    #[test]
    fn an_event_is_as_the_api_wants_it() {
        let told =
            told("cronjob/lifeboat-backup", "no answer", "lifeboat-backup-1-x", "2026-11-29T15:00:00.25Z");
        let name = told["metadata"]["name"].as_str().unwrap();
        assert_eq!((name.len(), name.starts_with("lifeboat-backup.")), ("lifeboat-backup.".len() + 16, true));
        let rest = json!({
            "apiVersion": "events.k8s.io/v1", "kind": "Event",
            "metadata": {"name": name, "namespace": "lifeboat"},
            "eventTime": "2026-11-29T15:00:00.250000Z",
            "reportingController": "lifeboat.dev/lifeboat", "reportingInstance": "lifeboat-backup-1-x",
            "action": "Backup", "reason": "BackupFailed", "note": "no answer", "type": "Warning",
            "regarding": {
                "apiVersion": "batch/v1", "kind": "CronJob", "namespace": "lifeboat", "name": "lifeboat-backup",
                "uid": "u-1",
            },
        });
        assert_eq!(told, rest);
    }

    #[test]
    fn the_same_words_are_the_same_event_whoever_tells_them_and_others_are_another() {
        let name = |note, instance| {
            let told = told("deployment/lifeboat-daemon", note, instance, "2026-11-29T15:00:00Z");
            told["metadata"]["name"].as_str().unwrap().to_owned()
        };
        assert_eq!(name("no answer", "a"), name("no answer", "b"));
        assert_ne!(name("no answer", "a"), name("no room", "a"));
        let first = told("cronjob/a", "x", "p", "2026-11-29T15:00:00Z");
        let second = series(&first, at("2026-11-29T16:00:00Z"));
        assert_eq!(second, json!({"count": 2, "lastObservedTime": "2026-11-29T16:00:00.000000Z"}));
        assert_eq!(series(&json!({"series": second}), at("2026-11-29T17:00:00Z"))["count"], 3);
    }

    #[test]
    fn names_are_as_short_as_the_api_wants_them() {
        let long = format!("{}-{}", "a".repeat(199), "b".repeat(53));
        let told = told(&format!("deployment/{long}"), "x", &"p".repeat(200), "2026-11-29T15:00:00Z");
        assert_eq!(told["metadata"]["name"].as_str().unwrap().len(), 199 + 17);
        assert_eq!(told["reportingInstance"].as_str().unwrap().len(), INSTANCE);
        assert_eq!(told["regarding"]["name"], long);
    }

    #[test]
    fn what_is_no_object_is_said() {
        for (text, why) in [
            ("lifeboat", "is neither cronjob/NAME nor deployment/NAME"),
            ("pod/x", "is neither"),
            ("cronjob/", "has no name"),
            ("cronjob/a/b", "has no name"),
            ("deployment/A", "has no name"),
        ] {
            assert!(text.parse::<Subject>().unwrap_err().contains(why), "{text}");
        }
        assert_eq!("cronjob/a.b-1".parse::<Subject>().unwrap().to_string(), "cronjob/a.b-1");
    }
}
