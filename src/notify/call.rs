//! A request to somebody else's address, made once: whether it may be made again is for the caller to know.

use super::{
    Channel,
    send::{cause, client},
    sign::signature,
};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, header};
use http_body_util::{BodyExt, Full, Limited};
use jiff::Timestamp;
use thiserror::Error;
use tokio::time::timeout;

/// So much of an answer is read.
const LONGEST: usize = 1 << 20;

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The method, in upper case.
    pub method: String,
    /// The same whenever this is asked for, and of no other request.
    pub key: String,
    /// What is sent, and what it is.
    pub body: Option<(Bytes, &'static str)>,
    /// What happened, where it is a message that tells it.
    pub event: Option<&'static str>,
}

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// What it says; nothing of one that is too long.
    pub body: Bytes,
}

/// Why there is no answer. Nothing of it tells the address.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NoReply {
    /// It was never sent.
    #[error("it was not sent: {0}")]
    NotSent(String),
    /// It was sent, and nobody knows what became of it.
    #[error("it was sent, and there was no answer: {0}")]
    Lost(String),
}

/// Makes a request, once. An answer that leads elsewhere is an answer, and is not followed: what is sent is for this receiver alone.
///
/// # Errors
/// When there is no answer.
pub async fn call(channel: &Channel, call: &Call) -> Result<Reply, NoReply> {
    let client = client().map_err(NoReply::NotSent)?;
    let request = request(channel, call, Timestamp::now()).map_err(NoReply::NotSent)?;
    let asked = async {
        let answer = client.request(request).await.map_err(|e| match e.is_connect() {
            true => NoReply::NotSent(format!("no connection: {}", cause(&e))),
            false => NoReply::Lost(format!("the connection was lost: {}", cause(&e))),
        })?;
        let status = answer.status().as_u16();
        // The status has told how it went, whatever becomes of the rest.
        let body = Limited::new(answer.into_body(), LONGEST).collect().await;
        Ok(Reply { status, body: body.map(|body| body.to_bytes()).unwrap_or_default() })
    };
    match timeout(channel.timeout, asked).await {
        Ok(went) => went,
        Err(_) => Err(NoReply::Lost(format!("none came within {} s", channel.timeout.as_secs_f32()))),
    }
}

/// The request, signed where the channel has a secret.
pub(super) fn request(channel: &Channel, call: &Call, at: Timestamp) -> Result<Request<Full<Bytes>>, String> {
    let method: Method = call.method.parse().map_err(|_| format!("`{}` is no method", call.method))?;
    let (body, kind) = call.body.clone().unwrap_or_default();
    let mut request = Request::builder()
        .method(method)
        .uri(channel.uri.clone())
        .header(header::USER_AGENT, concat!("lifeboat/", env!("CARGO_PKG_VERSION")))
        .header("idempotency-key", &call.key)
        .body(Full::new(body.clone()))
        // It would tell the address.
        .map_err(|_| "no request can be made of it".to_owned())?;
    let headers = request.headers_mut();
    if !kind.is_empty() {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    if let Some(event) = call.event {
        headers.insert("lifeboat-event", HeaderValue::from_static(event));
    }
    for (name, value) in &channel.headers {
        headers.insert(name, value.clone());
    }
    if let Some(secret) = &channel.secret {
        let signature = HeaderValue::try_from(signature(secret, at, &body));
        headers.insert("lifeboat-signature", signature.map_err(|_| "it cannot be signed".to_owned())?);
    }
    Ok(request)
}
