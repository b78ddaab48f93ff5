//! Calls to somebody else.

use super::{ActionError, Class, Plain, Planned, Planning, SecretRef, span::Span};
use crate::playbook::op::{Call, Given, Http, Notify as NotifyOp, Op};
use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// A longer text is no summary.
const LONGEST: usize = 1000;

/// Tells somebody something.
pub(super) struct Notify;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NotifyArgs {
    /// A channel of the configuration's `notifications`.
    channel: String,
    /// What, in one sentence.
    summary: String,
    /// False for what somebody has to look at.
    #[serde(default = "yes")]
    ok: bool,
    /// What there is to know beside that.
    #[serde(default)]
    details: Value,
}

fn yes() -> bool {
    true
}

#[async_trait]
impl Plain for Notify {
    type Args = NotifyArgs;
    const NAME: &'static str = "notify";
    const CLASS: Class = Class::Read;
    const ABOUT: &'static str =
        "Tells somebody, by a channel of the configuration; that it is not delivered is no failure.";

    async fn plan(with: &Planning<'_>, args: NotifyArgs) -> Result<Planned, ActionError> {
        if args.summary.trim().is_empty() || args.summary.len() > LONGEST {
            return Err(ActionError::Arguments(format!(
                "summary: one sentence of at most {LONGEST} bytes is needed"
            )));
        }
        let op = Call::Notify(NotifyOp {
            channel: args.channel,
            summary: args.summary,
            ok: args.ok,
            details: args.details,
            about: [with.run.to_owned(), with.step.to_owned()],
            key: key(with),
        });
        Ok(Planned { ops: vec![Op::Call(op)], ..Planned::default() })
    }
}

/// The same whenever this step of this run is done, and nobody else's.
pub(super) fn key(with: &Planning<'_>) -> String {
    let step: String = with
        .step
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || "-[]/.".contains(c) { c } else { '_' })
        .collect();
    format!("{}-{step}", with.run)
}

/// A secret is named by where it is.
pub(super) fn no_secret(headers: &BTreeMap<String, Given>) -> Result<(), ActionError> {
    let secret =
        |name: &String| ["authorization", "cookie", "x-api-key"].contains(&name.to_lowercase().as_str());
    let plain = headers.iter().find(|(name, value)| secret(name) && matches!(value, Given::Plain(_)));
    match plain {
        None => Ok(()),
        Some((name, _)) => Err(ActionError::Arguments(format!(
            "headers: {name} is a secret, and plans are no place for one: write `{{secretRef: 'file:PATH'}}`"
        ))),
    }
}

/// Makes a request.
pub(super) struct Request;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RequestArgs {
    /// The method.
    #[serde(default)]
    method: Method,
    /// The address, http or https; or where it is, if it is a secret.
    url: Given,
    /// More headers, by name; secret ones by where they are.
    #[serde(default)]
    headers: BTreeMap<String, Given>,
    /// What is sent: text as it is, anything else as JSON.
    #[serde(default)]
    body: Option<Value>,
    /// Which answers are right; without it 200 to 299.
    #[serde(default)]
    expect: Vec<u16>,
    /// Where the key is by which it is signed: HMAC-SHA256 in the header `Lifeboat-Signature`, as of messages.
    #[serde(default)]
    sign: Option<SecretRef>,
    /// Can it be made twice, should nobody know whether it was made? Without it: all but POST and PATCH.
    #[serde(default)]
    idempotent: Option<bool>,
    /// How long it may take.
    #[serde(default = "half_a_minute")]
    within: Span,
}

fn half_a_minute() -> Span {
    Span(30_000)
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
enum Method {
    Get,
    Head,
    #[default]
    Post,
    Put,
    Patch,
    Delete,
}

impl Method {
    fn name(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Patch => "PATCH",
            Method::Delete => "DELETE",
        }
    }
}

#[async_trait]
impl Plain for Request {
    type Args = RequestArgs;
    const NAME: &'static str = "http.request";
    const CLASS: Class = Class::Irreversible;
    const ABOUT: &'static str =
        "Makes a request over HTTP, signed if asked, with a key by which it is known when it is made again.";

    async fn plan(with: &Planning<'_>, args: RequestArgs) -> Result<Planned, ActionError> {
        if args.body.is_some() && matches!(args.method, Method::Get | Method::Head) {
            return Err(ActionError::Arguments("body: a GET has none; name the method".into()));
        }
        no_secret(&args.headers)?;
        let repeats = !matches!(args.method, Method::Post | Method::Patch);
        let op = Call::Http(Http {
            method: args.method.name().to_owned(),
            url: args.url,
            headers: args.headers,
            body: args.body,
            expect: args.expect,
            sign: args.sign,
            key: key(with),
            idempotent: args.idempotent.unwrap_or(repeats),
            within_ms: args.within.0,
        });
        Ok(Planned { ops: vec![Op::Call(op)], ..Planned::default() })
    }
}
