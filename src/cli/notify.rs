//! The channels of the configuration.

use super::{Exit, context::Context, failure::Failure};
use crate::{
    config::{Notification, SecretRef},
    notify::{Channel, Delivery, Form, Message, Pauses, Template, deliver, ping},
};
use futures_util::future::join_all;
use secrecy::SecretString;
use std::{collections::BTreeMap, time::Duration};

/// A sign of life may take so long.
const PING: Duration = Duration::from_secs(10);

/// The channels of these names, ready before anything begins: one that is not there would be missed only at the end.
///
/// # Errors
/// When there is no such channel, or what it is made of cannot be read.
pub(super) fn channels<'a>(
    context: &Context,
    names: impl Iterator<Item = &'a str>,
) -> Result<Vec<Channel>, Failure> {
    names.map(|name| channel(context, name)).collect()
}

/// The channel of this name.
///
/// # Errors
/// As for [`channels`].
pub(super) fn channel(context: &Context, name: &str) -> Result<Channel, Failure> {
    let known = context.optional()?.map(|loaded| loaded.config.notifications.as_slice()).unwrap_or_default();
    if let Some(it) = known.iter().find(|it| it.name.as_str() == name) {
        return made(context, it);
    }
    let all: Vec<&str> = known.iter().map(|it| it.name.as_str()).collect();
    let all =
        if all.is_empty() { "there is none".to_owned() } else { format!("there are {}", all.join(", ")) };
    Err(Failure::usage(format!(
        "no channel of the configuration's `notifications` is called `{name}`: {all}"
    )))
}

/// A channel, with what it is made of read anew.
fn made(context: &Context, it: &Notification) -> Result<Channel, Failure> {
    let secret = |it: &SecretRef| context.secret(it);
    let headers = |of: &BTreeMap<String, SecretRef>| -> Result<Vec<_>, Failure> {
        of.iter().map(|(name, value)| Ok((name.clone(), secret(value)?))).collect()
    };
    let to = |url: &SecretString, signed: Option<SecretString>, headers: &[_], timeout: Duration| {
        let made = Channel::new(it.name.as_str(), url, signed, headers, timeout);
        made.map_err(|e| Failure::new(Exit::Usage, e.to_string()))
    };
    if let Some(it) = &it.webhook {
        let signed = it.secret.as_ref().map(secret).transpose()?;
        let form = match &it.template {
            Some(shape) => Form::Template(Template::new(shape.clone()).map_err(Failure::usage)?),
            None => Form::Own,
        };
        return Ok(to(&secret(&it.url)?, signed, &headers(&it.headers)?, it.timeout)?.in_form(form));
    }
    if let Some(it) = &it.slack {
        return Ok(to(&secret(&it.url)?, None, &[], it.timeout)?.in_form(Form::Slack));
    }
    if let Some(it) = &it.pager_duty {
        let form = Form::PagerDuty(secret(&it.routing_key)?);
        return Ok(to(&it.url.as_str().into(), None, &[], it.timeout)?.in_form(form));
    }
    if let Some(it) = &it.alertmanager {
        let url = format!("{}/api/v2/alerts", it.url.as_str());
        return Ok(to(&url.into(), None, &headers(&it.headers)?, it.timeout)?.in_form(Form::Alertmanager));
    }
    Err(Failure::usage(format!("the channel `{}` leads nowhere", it.name)))
}

/// Gives a sign of life to the address that a secret holds.
pub(super) async fn sign(context: &Context, name: &str, url: &SecretRef, key: &str) -> Delivery {
    let url = match context.secret(url) {
        Ok(url) => url,
        Err(failure) => return lost(name, failure.error.to_string()),
    };
    match Channel::new(name, &url, None, &[], PING) {
        Ok(channel) => {
            let told = ping(&channel, key, &Pauses::default()).await;
            complain(&told);
            told
        }
        Err(e) => lost(name, e.to_string()),
    }
}

/// What becomes of a message whose channel cannot be used.
pub(super) fn lost(channel: &str, why: String) -> Delivery {
    let told = Delivery { channel: channel.to_owned(), delivered: false, tries: 0, error: Some(why) };
    complain(&told);
    told
}

/// Tells all of them at once. What cannot be delivered is told, and is no failure.
pub(super) async fn tell(channels: &[&Channel], message: &Message) -> Vec<Delivery> {
    let pauses = Pauses::default();
    let told = join_all(channels.iter().map(|channel| deliver(channel, message, &pauses))).await;
    told.iter().for_each(complain);
    told
}

fn complain(it: &Delivery) {
    if !it.delivered {
        let why = it.error.as_deref().unwrap_or("it is not known why");
        tracing::error!("the channel `{}` was not told, after {} tries: {why}", it.channel, it.tries);
    }
}
