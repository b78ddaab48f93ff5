//! In which form a message is sent: our own, or what a service of others takes.

use super::{Message, message::clock};
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

/// PagerDuty cuts longer summaries off.
const SUMMARY: usize = 1024;
/// What is wrong is wrong until it is said to be well, and nothing is said before the next run, which may be a year away. Without an end
/// of its own Alertmanager would give the alert `resolve_timeout`, five minutes.
const LASTS: SignedDuration = SignedDuration::from_hours(400 * 24);
/// Of what a playbook said nothing more is heard.
const NEWS: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Clocks may be so far apart. An end that Alertmanager's own clock has yet to reach ends nothing: of two such ends it keeps the later one.
const APART: SignedDuration = SignedDuration::from_mins(5);

/// The form of a message.
#[derive(Debug, Clone, Default)]
pub enum Form {
    /// Everything there is to know, as [`Message`] has it.
    #[default]
    Own,
    /// An incoming webhook of Slack, and of those that take the same.
    Slack,
    /// An event of PagerDuty's Events API v2, for the integration of this key: a trigger, or what resolves it.
    PagerDuty(SecretString),
    /// A list of one alert, as Alertmanager's API v2 takes it.
    Alertmanager,
    /// Any JSON, with values of the message in the place of their names.
    Template(Template),
}

impl Form {
    /// The bytes that are sent and signed.
    pub(super) fn body(&self, message: &Message) -> Bytes {
        let value = match self {
            Form::Own => own(message),
            Form::Slack => slack(message),
            Form::PagerDuty(key) => pager_duty(message, key),
            Form::Alertmanager => json!([alert(message)]),
            Form::Template(template) => template.filled(&own(message)),
        };
        // What it holds can be written.
        serde_json::to_vec(&value).unwrap_or_default().into()
    }
}

fn own(message: &Message) -> Value {
    serde_json::to_value(message).unwrap_or_default()
}

/// <https://api.slack.com/messaging/webhooks>: `text` is what a notification shows.
fn slack(message: &Message) -> Value {
    let (sign, color) =
        if message.ok { (":white_check_mark:", "#2e7d32") } else { (":rotating_light:", "#c62828") };
    let plain = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let (summary, cluster) = (plain(&message.summary), plain(&message.cluster));
    let at = clock(message.at);
    json!({
        "text": format!("{sign} {cluster}: {summary}"),
        "attachments": [{
            "color": color,
            "blocks": [
                {"type": "context", "elements": [{"type": "mrkdwn", "text": format!("{} · {at}", message.event)}]},
            ],
        }],
    })
}

/// <https://developer.pagerduty.com/docs/events-api-v2-overview>: events of one `dedup_key` are one incident.
fn pager_duty(message: &Message, key: &SecretString) -> Value {
    json!({
        "routing_key": key.expose_secret(),
        "event_action": if message.ok { "resolve" } else { "trigger" },
        "dedup_key": format!("lifeboat/{}/{}", message.cluster, message.topic),
        "payload": {
            "summary": message.summary.chars().take(SUMMARY).collect::<String>(),
            "source": message.cluster,
            "severity": if message.ok { "info" } else { "error" },
            "timestamp": message.at,
            "component": message.topic,
            "group": message.cluster,
            "class": message.event,
            "custom_details": message.details,
        },
    })
}

/// <https://prometheus.io/docs/alerting/latest/alerts_api/>: alerts with the same labels are one.
fn alert(message: &Message) -> Value {
    let (kind, name) = message.topic.split_once('/').unwrap_or((&message.topic, ""));
    let (starts, ends) = match message.ok {
        true => {
            let over = message.at.checked_sub(APART).unwrap_or(message.at);
            (over, over)
        }
        false => {
            let lasts = if kind == "playbook" { NEWS } else { LASTS };
            (message.at, message.at.checked_add(lasts).unwrap_or(Timestamp::MAX))
        }
    };
    json!({
        "labels": {
            "alertname": "Lifeboat", "cluster": message.cluster, "kind": kind, "name": name, "severity": "critical",
        },
        "annotations": {"summary": message.summary, "event": message.event},
        "startsAt": starts,
        "endsAt": ends,
    })
}

/// JSON with names of a message's values in its texts: `${summary}`, `${details.outcome}`.
#[derive(Debug, Clone, PartialEq)]
pub struct Template(Value);

/// Of one whole text, what a name in it stands for.
enum Part<'a> {
    Text(&'a str),
    Name(&'a str),
}

/// The fields of a message. Of `details` any may be named; where there is none of that name, nothing stands there.
const NAMES: [&str; 9] = ["version", "event", "key", "at", "cluster", "topic", "ok", "summary", "details"];

impl Template {
    /// What is sent has this shape.
    ///
    /// # Errors
    /// When a text names what no message has.
    pub fn new(shape: Value) -> Result<Self, String> {
        check(&shape)?;
        Ok(Template(shape))
    }

    fn filled(&self, values: &Value) -> Value {
        fill(&self.0, values)
    }
}

fn check(shape: &Value) -> Result<(), String> {
    match shape {
        Value::String(text) => {
            for part in parts(text)? {
                if let Part::Name(name) = part
                    && !NAMES.contains(&name.split('.').next().unwrap_or_default())
                {
                    return Err(format!("no message has `{name}`: there are {}", NAMES.join(", ")));
                }
            }
            Ok(())
        }
        Value::Array(items) => items.iter().try_for_each(check),
        Value::Object(fields) => fields.values().try_for_each(check),
        _ => Ok(()),
    }
}

fn fill(shape: &Value, values: &Value) -> Value {
    match shape {
        Value::String(text) => {
            // It was read when the template was made.
            let parts = parts(text).unwrap_or_default();
            if let [Part::Name(name)] = parts.as_slice() {
                return at(values, name).clone();
            }
            let text = |part: &Part<'_>| match part {
                Part::Text(text) => (*text).to_owned(),
                Part::Name(name) => match at(values, name) {
                    Value::String(text) => text.clone(),
                    Value::Null => String::new(),
                    other => other.to_string(),
                },
            };
            parts.iter().map(text).collect::<String>().into()
        }
        Value::Array(items) => items.iter().map(|item| fill(item, values)).collect(),
        Value::Object(fields) => fields.iter().map(|(name, it)| (name.clone(), fill(it, values))).collect(),
        other => other.clone(),
    }
}

fn at<'a>(values: &'a Value, name: &str) -> &'a Value {
    name.split('.').fold(values, |value, name| &value[name])
}

/// The parts of a text. `$${` is `${` as it stands there.
fn parts(text: &str) -> Result<Vec<Part<'_>>, String> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(begin) = rest.find("${") {
        if rest[..begin].ends_with('$') {
            found.extend([Part::Text(&rest[..begin - 1]), Part::Text("${")]);
            rest = &rest[begin + 2..];
            continue;
        }
        let end = rest[begin..].find('}').ok_or_else(|| format!("`{}` has no `}}`", &rest[begin..]))?;
        if begin > 0 {
            found.push(Part::Text(&rest[..begin]));
        }
        found.push(Part::Name(rest[begin + 2..begin + end].trim()));
        rest = &rest[begin + end + 1..];
    }
    if !rest.is_empty() {
        found.push(Part::Text(rest));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::point::{End, Failing, Turn, TurnOutcome};

    fn message(outcome: TurnOutcome) -> Message {
        let turn: Turn = "hourly/20261129T150000Z-1".parse().unwrap();
        let end =
            End::new(outcome, turn.due, "2026-11-29T15:02:00Z".parse().unwrap()).saying("<no> \"member\"");
        let before = Failing { since: turn.due, last: turn.due, times: 1 };
        Message::of_run("prod", (&turn, "backup"), &end.after(Some(before), true), Some(before), "cp1")
    }

    fn sent(form: Form, outcome: TurnOutcome) -> Value {
        serde_json::from_slice(&form.body(&message(outcome))).unwrap()
    }

    #[test]
    fn what_failed_opens_what_later_success_closes() {
        let key = || Form::PagerDuty("hush".into());
        let (bad, good) = (sent(key(), TurnOutcome::Failed), sent(key(), TurnOutcome::Completed));
        assert_eq!((&bad["event_action"], &good["event_action"]), (&json!("trigger"), &json!("resolve")));
        assert_eq!(bad["dedup_key"], "lifeboat/prod/schedule/hourly");
        assert_eq!(bad["dedup_key"], good["dedup_key"]);
        assert_eq!((&bad["routing_key"], &bad["payload"]["severity"]), (&json!("hush"), &json!("error")));
        assert_eq!(bad["payload"]["custom_details"]["outcome"], "failed");
        assert!(!format!("{:?}", key()).contains("hush"));

        let alert = |outcome| sent(Form::Alertmanager, outcome)[0].clone();
        let (bad, good) = (alert(TurnOutcome::Failed), alert(TurnOutcome::Completed));
        assert_eq!(bad["labels"], good["labels"]);
        assert_eq!((&good["startsAt"], &good["endsAt"]), (&json!("2026-11-29T14:57:00Z"), &good["startsAt"]));
        assert_eq!(
            (&bad["startsAt"], &bad["endsAt"]),
            (&json!("2026-11-29T15:02:00Z"), &json!("2028-01-03T15:02:00Z"))
        );
        assert_eq!(bad["labels"]["name"], "hourly");
    }

    #[test]
    fn slack_is_given_text_that_it_does_not_take_for_markup() {
        let told = sent(Form::Slack, TurnOutcome::Failed);
        let text = told["text"].as_str().unwrap();
        assert!(text.starts_with(":rotating_light: prod: The run of `hourly`"), "{text}");
        assert!(text.contains("&lt;no&gt;") && !text.contains('<'), "{text}");
        assert_ne!(
            told["attachments"][0]["color"],
            sent(Form::Slack, TurnOutcome::Completed)["attachments"][0]["color"]
        );
    }

    #[test]
    fn a_template_is_filled_whatever_the_values_hold() {
        let shape = json!({
            "title": "${cluster}: ${summary}", "bad": "${details.failing.times}", "ok": "${ok}", "all": "${details}",
            "list": ["$${cluster}", 7, "${ details.none }", "x${details.none}y"], "at": "at ${at}, ok ${ok}",
        });
        let template = Form::Template(Template::new(shape).unwrap());
        let told = sent(template, TurnOutcome::Failed);
        assert!(
            told["title"]
                .as_str()
                .unwrap()
                .ends_with("<no> \"member\"; failed 2 times since 2026-11-29 15:00:00Z")
        );
        assert_eq!((&told["bad"], &told["ok"]), (&json!(2), &json!(false)));
        assert_eq!(told["all"]["outcome"], "failed");
        assert_eq!(told["list"], json!(["${cluster}", 7, null, "xy"]));
        assert_eq!(told["at"], "at 2026-11-29T15:02:00Z, ok false");
        for (wrong, why) in
            [("${sumary}", "no message has `sumary`"), ("a ${b", "has no `}`"), ("${}", "no message has ``")]
        {
            let error = Template::new(json!([{"a": wrong}])).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }
}
