//! Secrets that somebody may have read get other values.

use super::{
    ActionError, Class, Live, Plain, Planned, Planning, SecretRef, Target,
    call::{key, no_secret},
    span::Span,
};
use crate::playbook::op::{
    Call, Change, Collect, Condition, FieldSet, Given, Http, Op, Rotate as RotateOp, Wait,
};
use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// Its controller fetches a secret anew when this annotation changes.
const FORCE_SYNC: &str = "force-sync";
const EXTERNAL: &str = "external-secrets.io";

/// Gives a secret another value.
pub(super) struct Rotate;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RotateArgs {
    /// A Secret whose value is made here, or an ExternalSecret that is fetched anew.
    target: Target,
    /// Which value of the Secret.
    #[serde(default)]
    key: Option<String>,
    /// Who makes the new value and writes it, where it is not made here.
    #[serde(default)]
    webhook: Option<Webhook>,
    /// So many characters.
    #[serde(default = "forty")]
    #[schemars(range(min = 16, max = 4096))]
    length: u16,
    /// Of which characters.
    #[serde(default)]
    alphabet: Alphabet,
}

/// A service that is told, by POST, which value of which Secret is to be another one: `run`, `step`, `namespace`, `name`, `uid`, `key`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Webhook {
    /// The address, http or https; or where it is, if it is a secret.
    url: Given,
    /// More headers, by name; secret ones by where they are.
    #[serde(default)]
    headers: BTreeMap<String, Given>,
    /// Where the key is by which it is signed: HMAC-SHA256 in the header `Lifeboat-Signature`, as of messages.
    #[serde(default)]
    sign: Option<SecretRef>,
    /// Can it be asked twice, should nobody know whether it was asked? The header `Idempotency-Key` is the same then.
    #[serde(default)]
    idempotent: bool,
    /// How long it may take until the Secret has been written.
    #[serde(default = "two_minutes")]
    within: Span,
}

fn two_minutes() -> Span {
    Span(120_000)
}

impl Webhook {
    /// It is asked, and then the Secret has to be written by somebody.
    fn ops(self, live: &Live, name: &str, with: &Planning<'_>) -> Result<[Op; 2], ActionError> {
        no_secret(&self.headers)?;
        let version = live.json["metadata"]["resourceVersion"].as_str();
        let since = version.ok_or_else(|| ActionError::Refused(format!("{} has no version", live.object)))?;
        let body = json!({
            "run": with.run, "step": with.step, "namespace": live.object.namespace, "name": live.object.name,
            "uid": live.object.uid, "key": name,
        });
        let ask = Http {
            method: "POST".to_owned(),
            url: self.url,
            headers: self.headers,
            body: Some(body),
            expect: Vec::new(),
            sign: self.sign,
            key: key(with),
            idempotent: self.idempotent,
            within_ms: self.within.0,
        };
        let until = Condition::Written { object: live.object.clone(), since: since.to_owned() };
        Ok([Op::Call(Call::Http(ask)), Op::Wait(Wait { until, within_ms: self.within.0 })])
    }
}

fn forty() -> u16 {
    40
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
enum Alphabet {
    /// Letters and digits.
    #[default]
    Alphanumeric,
    /// Digits and the letters a to f.
    Hex,
    /// Letters, digits, `-` and `_`.
    UrlSafe,
    /// Letters, digits, and signs that shells and URLs leave alone in quotes.
    Signs,
}

impl Alphabet {
    fn letters(self) -> String {
        let range = |from: char, to: char| from..=to;
        let plain = || range('a', 'z').chain(range('A', 'Z')).chain(range('0', '9'));
        match self {
            Alphabet::Alphanumeric => plain().collect(),
            Alphabet::Hex => range('0', '9').chain(range('a', 'f')).collect(),
            Alphabet::UrlSafe => plain().chain("-_".chars()).collect(),
            Alphabet::Signs => plain().chain("-_.,:;+=*#!?()[]{}".chars()).collect(),
        }
    }
}

#[async_trait]
impl Plain for Rotate {
    type Args = RotateArgs;
    const NAME: &'static str = "secret.rotate";
    const CLASS: Class = Class::Irreversible;
    const ABOUT: &'static str = "Puts a new random value into a Secret, or has a webhook do it, and keeps the old one sealed; or has an ExternalSecret fetched anew.";

    async fn plan(with: &Planning<'_>, args: RotateArgs) -> Result<Planned, ActionError> {
        let live = with.find(&args.target).await?;
        let mut planned = Planned::default();
        if live.object.is(EXTERNAL, "externalsecrets") {
            if args.key.is_some() || args.webhook.is_some() {
                return Err(ActionError::Arguments(
                    "key and webhook: what an ExternalSecret fetches is made elsewhere; name the Secret"
                        .into(),
                ));
            }
            let field = FieldSet::of(
                &live.json,
                &["metadata", "annotations", FORCE_SYNC],
                Some(with.now.as_second().to_string().into()),
            );
            let stays = format!("{} was fetched anew, and what it held is not put back", live.object);
            let change =
                Change { stays: Some(stays), ..Change::new(live.object, field.into_iter().collect()) };
            planned.ops.push(Op::Change(change));
            planned
                .remarks
                .push("the new value has to be there already, where it is fetched from".to_owned());
            return Ok(planned);
        }
        if !live.object.is("", "secrets") {
            return Err(ActionError::Refused(format!(
                "{} is neither a Secret nor an ExternalSecret",
                live.object
            )));
        }
        let keys: BTreeSet<&String> =
            live.json["data"].as_object().into_iter().flat_map(|data| data.keys()).collect();
        let Some(key) = args.key.filter(|key| keys.contains(key)) else {
            let all: Vec<&str> = keys.into_iter().map(String::as_str).collect();
            let text = format!("key: which value of {} is meant? There are {}", live.object, all.join(", "));
            return Err(ActionError::Arguments(text));
        };
        if live.json["immutable"] == true {
            return Err(ActionError::Refused(format!("{} is immutable: make another one", live.object)));
        }
        if !(16..=4096).contains(&args.length) {
            return Err(ActionError::Arguments("length: between 16 and 4096 characters".into()));
        }
        if let Some((kind, name, _)) = live.controller() {
            planned.remarks.push(format!(
                "{kind} {name} makes this Secret, and may put the old value back: rotate that"
            ));
        }
        planned.remarks.push("what uses it reads the new value when it starts anew: restart it".to_owned());
        // The old one first: it may be needed to see who still comes with it.
        planned.ops.push(Op::Collect(Collect::Manifest { object: live.object.clone(), redact: false }));
        if let Some(webhook) = args.webhook {
            planned.ops.extend(webhook.ops(&live, &key, with)?);
            planned.remarks.push("that the value is another one is the webhook's word".to_owned());
            return Ok(planned);
        }
        planned.ops.push(Op::Rotate(RotateOp {
            object: live.object,
            key,
            length: args.length,
            alphabet: args.alphabet.letters(),
            mark: format!("{}/{}", with.run, with.step),
        }));
        Ok(planned)
    }
}
