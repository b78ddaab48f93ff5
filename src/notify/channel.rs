//! Where a message goes.

use super::Form;
use http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use secrecy::{ExposeSecret, SecretString};
use std::{fmt, time::Duration};
use thiserror::Error;

/// Headers that are the message's own.
const OWN: [HeaderName; 5] = [
    header::HOST,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::USER_AGENT,
    header::TRANSFER_ENCODING,
];

/// Why a channel cannot be used. What is wrong is told, and nothing of what is secret.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("the channel `{name}` cannot be used: {reason}")]
pub struct BadChannel {
    /// Its name.
    pub name: String,
    /// What is wrong with it.
    pub reason: String,
}

/// A webhook.
#[derive(Clone)]
pub struct Channel {
    pub(super) name: String,
    pub(super) uri: Uri,
    pub(super) secret: Option<SecretString>,
    pub(super) headers: HeaderMap,
    pub(super) timeout: Duration,
    pub(super) form: Form,
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel")
            .field("name", &self.name)
            .field("signs", &self.secret.is_some())
            .field("headers", &self.headers.len())
            .finish_non_exhaustive()
    }
}

impl Channel {
    /// A webhook at this address. With a secret messages are signed; each try takes no longer than the timeout.
    ///
    /// # Errors
    /// When the address is none, or a header is none.
    pub fn new(
        name: &str,
        url: &SecretString,
        secret: Option<SecretString>,
        more: &[(String, SecretString)],
        timeout: Duration,
    ) -> Result<Self, BadChannel> {
        let bad = |reason: &str| BadChannel { name: name.to_owned(), reason: reason.to_owned() };
        let uri: Uri =
            url.expose_secret().parse().map_err(|_| bad("its address is no URL: write https://HOST/PATH"))?;
        if !matches!(uri.scheme_str(), Some("https" | "http")) || uri.host().is_none_or(str::is_empty) {
            return Err(bad("its address does not begin with https:// or http:// and a host"));
        }
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err(bad("its address has a user in it: give a header `Authorization` instead"));
        }
        let mut headers = HeaderMap::new();
        for (header, value) in more {
            let wrong = |what: &str| bad(&format!("its header `{header}` {what}"));
            let header_name: HeaderName =
                header.parse().map_err(|_| wrong("has a name that no header can have"))?;
            if OWN.contains(&header_name) || header_name.as_str().starts_with("lifeboat-") {
                return Err(wrong("is set by lifeboat itself"));
            }
            let mut value: HeaderValue =
                value.expose_secret().parse().map_err(|_| wrong("has a value that no header can have"))?;
            value.set_sensitive(true);
            headers.insert(header_name, value);
        }
        Ok(Channel { name: name.to_owned(), uri, secret, headers, timeout, form: Form::Own })
    }

    /// The same, where messages are sent in this form.
    #[must_use]
    pub fn in_form(mut self, form: Form) -> Self {
        self.form = form;
        self
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Does it keep what it was told last until it is told otherwise, and decide itself whom it tells?
    pub fn keeps(&self) -> bool {
        matches!(self.form, Form::Alertmanager)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channel(url: &str, header: &str, value: &str) -> Result<Channel, BadChannel> {
        let more = [(header.to_owned(), SecretString::from(value))];
        Channel::new("ops", &url.into(), Some("hush-key".into()), &more, Duration::from_secs(1))
    }

    #[test]
    fn nothing_secret_is_in_what_is_printed() {
        let made =
            channel("https://hooks.example.com/hush-url", "Authorization", "Bearer hush-token").unwrap();
        let shown = format!("{made:?} {:?}", made.headers);
        assert!(
            shown.contains("ops") && !shown.contains("hush") && !shown.contains("example.com"),
            "{shown}"
        );
        for (url, header, value, why) in [
            ("hush url", "a", "b", "no URL"),
            ("ftp://hush", "a", "b", "https://"),
            ("/hush", "a", "b", "https://"),
            ("https://me:hush@host/", "a", "b", "has a user in it"),
            ("https://host/", "a b", "hush", "no header can have"),
            ("https://host/", "a", "hush\n", "no header can have"),
            ("https://host/", "Content-Type", "hush", "set by lifeboat itself"),
            ("https://host/", "Lifeboat-Signature", "hush", "set by lifeboat itself"),
        ] {
            let said = channel(url, header, value).unwrap_err().to_string();
            assert!(said.contains(why) && !said.contains("hush"), "{said}");
        }
    }
}
