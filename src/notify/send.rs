//! Delivering a message: tries with pauses, as long as another one may help.

use super::{Call, Channel, Message, call::request};
use bytes::Bytes;
use http::{StatusCode, header};
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use jiff::Timestamp;
use serde::Serialize;
use std::{error::Error, io, time::Duration};
use tokio::time::{sleep, timeout};

/// No answer is waited for longer than that before another try, whatever it asks for.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// How long to wait before each further try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pauses(pub Vec<Duration>);

impl Default for Pauses {
    fn default() -> Self {
        Pauses([1, 4, 15].map(Duration::from_secs).to_vec())
    }
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    /// The channel's name.
    pub channel: String,
    /// Was it taken?
    pub delivered: bool,
    /// How often it was tried.
    pub tries: u32,
    /// Why it was not taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What came of one try.
#[derive(Debug, PartialEq, Eq)]
enum Tried {
    Taken,
    /// It may help to try again, after so long if the receiver says so.
    Later(String, Option<Duration>),
    /// It will not help.
    Never(String),
}

/// Delivers a message, and tells what became of it. It never fails: what cannot be delivered is told.
pub async fn deliver(channel: &Channel, message: &Message, pauses: &Pauses) -> Delivery {
    let call = Call {
        method: "POST".to_owned(),
        key: message.key.clone(),
        body: Some((channel.form.body(message), "application/json")),
        event: Some(message.event),
    };
    tried(channel, &call, pauses).await
}

/// Gives a sign of life: a GET of the channel's address, with nothing in it.
pub async fn ping(channel: &Channel, key: &str, pauses: &Pauses) -> Delivery {
    let call = Call { method: "GET".to_owned(), key: key.to_owned(), body: None, event: None };
    tried(channel, &call, pauses).await
}

async fn tried(channel: &Channel, call: &Call, pauses: &Pauses) -> Delivery {
    let mut delivery = Delivery { channel: channel.name.clone(), delivered: false, tries: 0, error: None };
    let client = match client() {
        Ok(client) => client,
        Err(why) => {
            delivery.error = Some(why);
            return delivery;
        }
    };
    let mut pauses = pauses.0.iter();
    loop {
        delivery.tries += 1;
        let (why, asked) = match once(&client, channel, call).await {
            Tried::Taken => {
                delivery.delivered = true;
                return delivery;
            }
            Tried::Never(why) => {
                delivery.error = Some(why);
                return delivery;
            }
            Tried::Later(why, asked) => (why, asked),
        };
        let Some(pause) = pauses.next() else {
            delivery.error = Some(why);
            return delivery;
        };
        let pause = asked.map_or(*pause, |asked| asked.max(*pause)).min(LONGEST_PAUSE);
        tracing::debug!(channel = channel.name, why, "not delivered yet, and tried again");
        sleep(pause).await;
    }
}

type Https = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

pub(super) fn client() -> Result<Https, String> {
    let connector = HttpsConnectorBuilder::new().with_native_roots();
    let connector =
        connector.map_err(|e| format!("the authorities of this host cannot be read: {}", e.kind()))?;
    Ok(Client::builder(TokioExecutor::new()).build(connector.https_or_http().enable_http1().build()))
}

async fn once(client: &Https, channel: &Channel, call: &Call) -> Tried {
    let request = match request(channel, call, Timestamp::now()) {
        Ok(request) => request,
        Err(why) => return Tried::Never(why),
    };
    match timeout(channel.timeout, client.request(request)).await {
        Err(_) => Tried::Later(format!("no answer within {} s", channel.timeout.as_secs_f32()), None),
        Ok(Err(e)) if e.is_connect() => Tried::Later(format!("no connection: {}", cause(&e)), None),
        Ok(Err(e)) => Tried::Later(format!("the connection was lost: {}", cause(&e)), None),
        Ok(Ok(answer)) => {
            let after = answer.headers().get(header::RETRY_AFTER);
            let after = after.and_then(|it| it.to_str().ok()?.parse().ok()).map(Duration::from_secs);
            judge(answer.status(), after)
        }
    }
}

/// What an answer means. One that leads elsewhere is not followed: the message is signed for its receiver, and not for anybody.
fn judge(status: StatusCode, after: Option<Duration>) -> Tried {
    let code = status.as_u16();
    match code {
        200..=299 => Tried::Taken,
        300..=399 => Tried::Never(format!(
            "the answer was {code}, which leads elsewhere, and that is not followed: name the address that takes messages itself"
        )),
        408 | 425 | 429 | 500..=599 => Tried::Later(format!("the answer was {code}"), after),
        _ => Tried::Never(format!("the answer was {code}")),
    }
}

/// The innermost cause, by its kind alone: what says more may name the address.
pub(super) fn cause(error: &(dyn Error + 'static)) -> String {
    let mut next = Some(error);
    let mut kind = None;
    while let Some(error) = next {
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return distrust(tls).to_owned();
        }
        // An I/O error keeps what it wraps from `source()`.
        next = match error.downcast_ref::<io::Error>() {
            Some(io) => {
                kind = Some(io.kind());
                io.get_ref().map(|inner| inner as &(dyn Error + 'static))
            }
            None => error.source(),
        };
    }
    match kind {
        None | Some(io::ErrorKind::Other | io::ErrorKind::InvalidData) => "its name is not found".to_owned(),
        Some(kind) => kind.to_string(),
    }
}

fn distrust(error: &rustls::Error) -> &'static str {
    use rustls::{CertificateError as E, Error::InvalidCertificate};
    match error {
        InvalidCertificate(E::Expired | E::ExpiredContext { .. }) => "its certificate has expired",
        InvalidCertificate(E::NotValidYet | E::NotValidYetContext { .. }) => {
            "its certificate is not valid yet, by the clock of this host"
        }
        InvalidCertificate(E::UnknownIssuer) => {
            "its certificate is of no authority that this host trusts (SSL_CERT_FILE names others)"
        }
        InvalidCertificate(E::NotValidForName | E::NotValidForNameContext { .. }) => {
            "its certificate is for another name"
        }
        InvalidCertificate(E::Revoked) => "its certificate was revoked",
        InvalidCertificate(_) => "its certificate is not trusted",
        _ => "it does not speak TLS as it should",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_come_right_is_tried_again() {
        let status = |code: u16| judge(StatusCode::from_u16(code).unwrap(), Some(Duration::from_secs(3)));
        assert_eq!((status(200), status(204)), (Tried::Taken, Tried::Taken));
        for code in [408, 425, 429, 500, 502, 503, 504] {
            assert!(matches!(status(code), Tried::Later(_, Some(_))), "{code}");
        }
        for code in [301, 302, 307, 308, 400, 401, 403, 404, 410, 422] {
            assert!(matches!(status(code), Tried::Never(_)), "{code}");
        }
    }

    #[test]
    fn a_cause_is_told_by_its_kind() {
        let refused = io::Error::new(io::ErrorKind::ConnectionRefused, "hush.example.com");
        assert_eq!(cause(&refused), "connection refused");
        let other = io::Error::other("hush.example.com");
        assert!(!cause(&other).contains("hush"));
        use rustls::CertificateError as E;
        for (error, words) in [
            (E::Expired, "has expired"),
            (E::UnknownIssuer, "no authority that this host trusts"),
            (E::NotValidForName, "for another name"),
            (E::BadSignature, "is not trusted"),
        ] {
            let tls = io::Error::other(io::Error::other(rustls::Error::InvalidCertificate(error)));
            assert!(cause(&tls).contains(words), "{}", cause(&tls));
        }
    }
}
