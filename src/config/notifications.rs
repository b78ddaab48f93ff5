//! Whom to tell: channels, which whatever notifies names.

use super::decode::{Cursor, Decode, FromText};
use super::duration;
use super::error::shown;
use super::node::Node;
use super::restore_spec::AnyValue;
use super::secret::SecretRef;
use super::values::ClusterName;
use crate::notify::Template;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;
use url::Url;

/// A channel by which people are told: its name, and one way.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("minProperties" = 2, "maxProperties" = 2))]
#[non_exhaustive]
pub struct Notification {
    /// Its name, by which drills, schedules and playbooks name it.
    pub name: ClusterName,
    /// JSON by POST, signed if there is a secret: in our own form, or in one of yours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook: Option<Webhook>,
    /// An incoming webhook of Slack, or of what takes the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slack: Option<Slack>,
    /// Incidents of PagerDuty: opened by what failed, resolved when it is well again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pager_duty: Option<PagerDuty>,
    /// Alerts of an Alertmanager, which is told how every run ended: they end when it is well again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alertmanager: Option<Alertmanager>,
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
    /// What is sent instead of our own form: anything, with `${summary}`, `${cluster}`, `${details.outcome}` and the like in its texts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<Value>,
    /// How long one try may take.
    #[serde(serialize_with = "duration::serialize")]
    #[schemars(with = "duration::Text", default = "timeout")]
    pub timeout: Duration,
}

/// An incoming webhook of Slack.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct Slack {
    /// Where its address is: who knows it can write there.
    pub url: SecretRef,
    /// How long one try may take.
    #[serde(serialize_with = "duration::serialize")]
    #[schemars(with = "duration::Text", default = "timeout")]
    pub timeout: Duration,
}

/// An integration of PagerDuty, of the type Events API v2.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct PagerDuty {
    /// Where its key is.
    pub routing_key: SecretRef,
    /// Where events are sent, if not to the service itself.
    #[schemars(default = "Address::pager_duty")]
    pub url: Address,
    /// How long one try may take.
    #[serde(serialize_with = "duration::serialize")]
    #[schemars(with = "duration::Text", default = "timeout")]
    pub timeout: Duration,
}

/// An Alertmanager.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct Alertmanager {
    /// Its address, such as `http://alertmanager:9093`; `/api/v2/alerts` follows on it.
    pub url: Address,
    /// More headers, by name, and where the value of each is.
    #[schemars(default)]
    pub headers: BTreeMap<String, SecretRef>,
    /// How long one try may take.
    #[serde(serialize_with = "duration::serialize")]
    #[schemars(with = "duration::Text", default = "timeout")]
    pub timeout: Duration,
}

/// The address of a service, without anything secret in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Address(String);

impl Address {
    /// The text as it is written in the file.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn pager_duty() -> Self {
        Address("https://events.pagerduty.com/v2/enqueue".to_owned())
    }
}

impl FromText for Address {
    fn from_text(text: &str) -> Result<Self, String> {
        let example = "such as https://alerts.example.org";
        let url = Url::parse(text).map_err(|e| format!("{} is not a URL, {example}: {e}", shown(text)))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(format!("{} does not begin with https:// or http://", shown(text)));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("an address has no user in it: give a header `Authorization` instead".to_owned());
        }
        Ok(Address(text.trim_end_matches('/').to_owned()))
    }
}

fn timeout() -> Duration {
    Duration::from_secs(10)
}

impl Decode for Notification {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        let mut fields = at.fields()?;
        let name = fields.required("name", "write the channel's name, such as `name: ops`");
        let webhook: Option<Option<Webhook>> = fields.optional("webhook");
        let slack: Option<Option<Slack>> = fields.optional("slack");
        let pager_duty: Option<Option<PagerDuty>> = fields.optional("pagerDuty");
        let alertmanager: Option<Option<Alertmanager>> = fields.optional("alertmanager");
        fields.finish();
        let made = Notification {
            name: name?,
            webhook: webhook?,
            slack: slack?,
            pager_duty: pager_duty?,
            alertmanager: alertmanager?,
        };
        let given = [
            made.webhook.is_some(),
            made.slack.is_some(),
            made.pager_duty.is_some(),
            made.alertmanager.is_some(),
        ];
        match given.iter().filter(|given| **given).count() {
            1 => Some(made),
            0 => at.fail(
                "leads nowhere: write one of `webhook`, `slack`, `pagerDuty` and `alertmanager`, such as `webhook: {url: {env: NAME}}`",
            ),
            _ => at.fail("leads to several places: make a channel of each"),
        }
    }
}

const URL: &str = "write `url: {file: PATH}` or `url: {env: NAME}`";

impl Decode for Webhook {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        let mut fields = at.fields()?;
        let url = fields.required("url", URL);
        let secret = fields.optional("secret");
        let headers = fields.get("headers").map_or(Some(BTreeMap::new()), |at| headers(&at));
        let template = fields.get("template").map_or(Some(None), |at| {
            let shape = AnyValue::decode(&at)?.0;
            match Template::new(shape.clone()) {
                Ok(_) => Some(Some(shape)),
                Err(why) => at.fail(format!("cannot be filled: {why}")),
            }
        });
        let timeout = fields.or("timeout", timeout());
        fields.finish();
        Some(Webhook {
            url: url?,
            secret: secret?,
            headers: headers?,
            template: template?,
            timeout: timeout?,
        })
    }
}

impl Decode for Slack {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        let mut fields = at.fields()?;
        let url = fields.required("url", URL);
        let timeout = fields.or("timeout", timeout());
        fields.finish();
        Some(Slack { url: url?, timeout: timeout? })
    }
}

impl Decode for PagerDuty {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        let mut fields = at.fields()?;
        let routing_key =
            fields.required("routingKey", "write `routingKey: {file: PATH}` or `routingKey: {env: NAME}`");
        let url = fields.or("url", Address::pager_duty());
        let timeout = fields.or("timeout", timeout());
        fields.finish();
        Some(PagerDuty { routing_key: routing_key?, url: url?, timeout: timeout? })
    }
}

impl Decode for Alertmanager {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        let mut fields = at.fields()?;
        let url = fields.required("url", "write its address, such as `url: \"http://alertmanager:9093\"`");
        let headers = fields.get("headers").map_or(Some(BTreeMap::new()), |at| headers(&at));
        let timeout = fields.or("timeout", timeout());
        fields.finish();
        Some(Alertmanager { url: url?, headers: headers?, timeout: timeout? })
    }
}

fn headers(at: &Cursor<'_>) -> Option<BTreeMap<String, SecretRef>> {
    at.map("headers and where their values are, such as `Authorization: {env: NAME}`")
}

/// Notes names of channels that there are none of, in `notify` of whatever stands in a list.
pub(super) fn known(list: &Cursor<'_>, channels: &[Notification]) {
    let told = list.items().into_iter().filter_map(|item| item.entry("notify"));
    for name in told.flat_map(|notify| notify.items()).filter_map(|item| item.entry("channel")) {
        let Node::Text(text) = name.node else { continue };
        if !channels.iter().any(|it| it.name.as_str() == text) {
            name.fail::<()>("no channel of `notifications` has this name");
        }
    }
}

/// The section in the configuration that `lifeboat init` writes.
pub(super) const TEMPLATE: &str = r##"
# Whom drills and schedules tell (`notify: [{channel: ops}]`). Addresses and keys are secrets. What a webhook is sent
# is signed with `secret` (HMAC-SHA256), so that a receiver knows who wrote it, and has the shape of `template` if
# there is one.
#: notifications:
#:   - name: ops
#:     webhook:
#:       url: {file: webhook-url}
#:       secret: {env: LIFEBOAT_WEBHOOK_SECRET}
#:       headers: {Authorization: {file: webhook-token}}
#:       template: {title: "${cluster}: ${summary}", bad: "${details.outcome}"}
#:       timeout: 10s
#:   - {name: chat, slack: {url: {file: slack-url}, timeout: 10s}}
#:   - name: pager
#:     pagerDuty: {routingKey: {file: pagerduty-key}, url: "https://events.pagerduty.com/v2/enqueue", timeout: 10s}
#:   - name: alerts
#:     alertmanager:
#:       url: "http://alertmanager.monitoring:9093"
#:       headers: {Authorization: {file: alertmanager-token}}
#:       timeout: 10s
"##;
