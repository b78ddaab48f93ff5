//! Calls to somebody else: messages, and requests over HTTP. They cannot be taken back, and only some of them can be made twice.

use super::{Doing, OpError, Outcome, Probe, Tried};
use crate::{
    notify::{Call as Request, Channel, Message, NoReply, Pauses, call, deliver},
    playbook::actions::SecretRef,
};
use jiff::Timestamp;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{collections::BTreeMap, fmt, time::Duration};

/// A call to somebody else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "call", rename_all = "kebab-case")]
pub enum Call {
    /// Tells somebody something.
    Notify(Notify),
    /// Makes a request.
    Http(Http),
}

/// Tells somebody something, by a channel of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Notify {
    /// The channel.
    pub channel: String,
    /// What, in one sentence.
    pub summary: String,
    /// Is it good news?
    pub ok: bool,
    /// What there is to know beside that.
    pub details: Value,
    /// The run and its step.
    pub about: [String; 2],
    /// By this receivers know a message that they have had.
    pub key: String,
}

/// Makes a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Http {
    /// The method.
    pub method: String,
    /// The address, or where it is.
    pub url: Given,
    /// More headers.
    pub headers: BTreeMap<String, Given>,
    /// What is sent: text as it is, anything else as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
    /// Which answers are right; none for 200 to 299.
    pub expect: Vec<u16>,
    /// Where the key is by which it is signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sign: Option<SecretRef>,
    /// By this receivers know a request that they have had.
    pub key: String,
    /// Can it be made twice?
    pub idempotent: bool,
    /// How long it may take, in milliseconds.
    pub within_ms: u64,
}

/// A text, or where a secret one is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(untagged)]
pub enum Given {
    /// The text.
    Plain(String),
    /// Where it is.
    Secret(SecretRef),
}

impl Given {
    fn read(&self) -> Result<SecretString, String> {
        match self {
            Given::Plain(text) => Ok(SecretString::from(text.clone())),
            Given::Secret(place) => place.read().map_err(|e| e.to_string()),
        }
    }
}

impl fmt::Display for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Given::Plain(text) => f.write_str(text),
            Given::Secret(place) => write!(f, "(the address in {place})"),
        }
    }
}

impl Call {
    /// Does it change nothing that could be taken back?
    pub(super) fn reads(&self) -> bool {
        match self {
            Call::Notify(_) => true,
            Call::Http(it) => matches!(it.method.as_str(), "GET" | "HEAD"),
        }
    }

    pub(super) fn stays(&self) -> Option<String> {
        (!self.reads()).then(|| format!("`{self}` cannot be taken back"))
    }

    pub(super) fn try_out(&self, with: &Doing<'_>) -> Tried {
        let ready = match self {
            Call::Notify(it) => it.channel(with).map(drop),
            Call::Http(it) => it.channel().map(drop),
        };
        match (ready, self.reads()) {
            (Err(why), _) => Tried::Refused { why },
            (Ok(()), true) => Tried::NotNeeded,
            (Ok(()), false) => {
                Tried::Unverifiable { why: "a request cannot be tried without making it".into() }
            }
        }
    }

    pub(super) fn probe(&self) -> Probe {
        match self {
            Call::Http(it) if !it.idempotent => Probe::Unknown,
            // Whoever had it knows it by its key.
            _ => Probe::NotDone,
        }
    }

    /// Does it.
    ///
    /// # Errors
    /// When a request is not answered, or not as is expected. That a message is not delivered is told, and is no failure.
    pub async fn carry_out(&self, with: &Doing<'_>) -> Result<Outcome, OpError> {
        match self {
            Call::Notify(it) => it.send(with).await,
            Call::Http(it) => it.send().await,
        }
    }
}

impl Notify {
    fn channel<'d>(&self, with: &Doing<'d>) -> Result<&'d Channel, String> {
        let known = &with.equipment.channels;
        match known.get(&self.channel) {
            Some(channel) => channel.as_ref().map_err(Clone::clone),
            None => {
                let all: Vec<&str> = known.keys().map(String::as_str).collect();
                let all = if all.is_empty() {
                    "there is none".to_owned()
                } else {
                    format!("there are {}", all.join(", "))
                };
                Err(format!(
                    "no channel of the configuration's `notifications` is called `{}`: {all}",
                    self.channel
                ))
            }
        }
    }

    async fn send(&self, with: &Doing<'_>) -> Result<Outcome, OpError> {
        let cluster = with.equipment.catalogue.cluster();
        let [run, step] = &self.about;
        let details = json!({"run": run, "step": step, "told": self.details});
        let said = (self.summary.as_str(), self.ok);
        let message = Message::of_playbook(cluster, Timestamp::now(), &self.key, said, details);
        let delivery = match self.channel(with) {
            Ok(channel) => deliver(channel, &message, &Pauses::default()).await,
            Err(why) => {
                let said = format!("NOT DELIVERED: {why}");
                let brought = Some(json!({"delivered": false, "tries": 0}));
                return Ok(Outcome { uid: None, said: Some(said), brought });
            }
        };
        let said = match &delivery.error {
            None if delivery.delivered => "delivered".to_owned(),
            why => format!(
                "NOT DELIVERED after {} tries: {}",
                delivery.tries,
                why.as_deref().unwrap_or("it is not known why")
            ),
        };
        let brought = Some(json!({"delivered": delivery.delivered, "tries": delivery.tries}));
        Ok(Outcome { uid: None, said: Some(said), brought })
    }
}

impl Http {
    fn channel(&self) -> Result<Channel, String> {
        let url = self.url.read()?;
        let secret = self.sign.as_ref().map(|it| it.read().map_err(|e| e.to_string())).transpose()?;
        let mut headers = Vec::new();
        for (name, value) in &self.headers {
            headers.push((name.clone(), value.read()?));
        }
        let within = Duration::from_millis(self.within_ms);
        Channel::new("http.request", &url, secret, &headers, within).map_err(|e| e.reason)
    }

    async fn send(&self) -> Result<Outcome, OpError> {
        // What it is made of can be mended, and it was not sent.
        let channel = self.channel().map_err(OpError::NotDone)?;
        let body = self.body.as_ref().map(|body| match body {
            Value::String(text) => (text.clone().into(), "text/plain; charset=utf-8"),
            other => (other.to_string().into(), "application/json"),
        });
        let request = Request { method: self.method.clone(), key: self.key.clone(), body, event: None };
        let reply = call(&channel, &request).await.map_err(|e| match e {
            NoReply::NotSent(_) => OpError::NotDone(e.to_string()),
            NoReply::Lost(_) => OpError::Failed(e.to_string()),
        })?;
        let status = reply.status;
        let right = match self.expect.is_empty() {
            true => (200..300).contains(&status),
            false => self.expect.contains(&status),
        };
        if !right {
            let text = format!("the answer was {status}, which is not what is expected");
            return Err(match status {
                400..=499 => OpError::NotDone(text),
                // Nobody can tell what was done before that was said.
                _ => OpError::Failed(text),
            });
        }
        let brought = Some(json!({"status": status, "bytes": reply.body.len()}));
        Ok(Outcome { uid: None, said: Some(format!("the answer was {status}")), brought })
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Call::Notify(it) => write!(f, "tell {}: {}", it.channel, it.summary),
            Call::Http(it) => write!(f, "{} {}", it.method, it.url),
        }
    }
}
