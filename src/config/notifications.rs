//! Whom to tell: channels, which whatever notifies names.

use super::decode::{Cursor, Decode};
use super::duration;
use super::secret::SecretRef;
use super::values::ClusterName;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// A channel by which people are told.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct Notification {
    /// Its name, by which drills name it.
    pub name: ClusterName,
    /// Where messages are sent.
    pub webhook: Webhook,
}

/// An address that takes messages: JSON by POST.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct Webhook {
    /// Where its address is: it is a secret, for who knows it can often write there.
    pub url: SecretRef,
    /// Where the key is with which messages are signed (HMAC-SHA256, header `Lifeboat-Signature`); without one they are not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretRef>,
    /// More headers, by name, and where the value of each is.
    #[schemars(default)]
    pub headers: BTreeMap<String, SecretRef>,
    /// How long one try may take.
    #[serde(serialize_with = "duration::serialize")]
    #[schemars(with = "duration::Text", default = "timeout")]
    pub timeout: Duration,
}

fn timeout() -> Duration {
    Duration::from_secs(10)
}

impl Decode for Notification {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        let mut fields = at.fields()?;
        let name = fields.required("name", "write the channel's name, such as `name: ops`");
        let webhook = fields.required("webhook", "write `webhook: {url: {env: NAME}}`");
        fields.finish();
        Some(Notification { name: name?, webhook: webhook? })
    }
}

impl Decode for Webhook {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        let mut fields = at.fields()?;
        let url = fields.required("url", "write `url: {file: PATH}` or `url: {env: NAME}`");
        let secret = fields.optional("secret");
        let headers = fields.get("headers").map_or(Some(BTreeMap::new()), |at| {
            let entries =
                at.named("headers and where their values are, such as `Authorization: {env: NAME}`")?;
            let read =
                entries.iter().map(|entry| Some((entry.name.to_owned(), SecretRef::decode(&entry.value)?)));
            let read: Vec<Option<_>> = read.collect();
            read.into_iter().collect()
        });
        let timeout = fields.or("timeout", timeout());
        fields.finish();
        Some(Webhook { url: url?, secret: secret?, headers: headers?, timeout: timeout? })
    }
}

/// The section in the configuration that `lifeboat init` writes.
pub(super) const TEMPLATE: &str = r##"
# Whom drills tell (`notify: [{channel: ops}]` in a drill's file). The address is a secret; with `secret` messages are
# signed (HMAC-SHA256), so that a receiver knows who wrote them.
#: notifications:
#:   - name: ops
#:     webhook:
#:       url: {file: webhook-url}
#:       secret: {env: LIFEBOAT_WEBHOOK_SECRET}
#:       headers: {Authorization: {file: webhook-token}}
#:       timeout: 10s
"##;
