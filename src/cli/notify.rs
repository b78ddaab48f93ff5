//! The channels of the configuration.

use super::{Exit, context::Context, failure::Failure};
use crate::notify::{Channel, Delivery, Message, Pauses, deliver};
use futures_util::future::join_all;

/// The channels of these names, ready before anything begins: one that is not there would be missed only at the end.
///
/// # Errors
/// When there is no such channel, or what it is made of cannot be read.
pub(super) fn channels<'a>(
    context: &Context,
    names: impl Iterator<Item = &'a str>,
) -> Result<Vec<Channel>, Failure> {
    let known = context.optional()?.map(|loaded| loaded.config.notifications.as_slice()).unwrap_or_default();
    let mut found = Vec::new();
    for name in names {
        let Some(it) = known.iter().find(|it| it.name.as_str() == name) else {
            let all: Vec<&str> = known.iter().map(|it| it.name.as_str()).collect();
            let all = if all.is_empty() {
                "there is none".to_owned()
            } else {
                format!("there are {}", all.join(", "))
            };
            let text = format!("no channel of the configuration's `notifications` is called `{name}`: {all}");
            return Err(Failure::usage(text));
        };
        let secret = it.webhook.secret.as_ref().map(|secret| context.secret(secret)).transpose()?;
        let mut headers = Vec::new();
        for (header, value) in &it.webhook.headers {
            headers.push((header.clone(), context.secret(value)?));
        }
        let url = context.secret(&it.webhook.url)?;
        let made = Channel::new(name, &url, secret, &headers, it.webhook.timeout);
        found.push(made.map_err(|e| Failure::new(Exit::Usage, e.to_string()))?);
    }
    Ok(found)
}

/// Tells all of them at once. What cannot be delivered is told, and is no failure.
pub(super) async fn tell(channels: &[&Channel], message: &Message) -> Vec<Delivery> {
    let pauses = Pauses::default();
    let told = join_all(channels.iter().map(|channel| deliver(channel, message, &pauses))).await;
    for lost in told.iter().filter(|it| !it.delivered) {
        tracing::error!(
            "the channel `{}` was not told, after {} tries: {}",
            lost.channel,
            lost.tries,
            lost.error.as_deref().unwrap_or("it is not known why")
        );
    }
    told
}
