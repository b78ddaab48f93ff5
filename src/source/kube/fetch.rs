//! One request, and one request with patience.

use super::{backoff, rate::RateLimit, trouble::Failure};
use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Method, Request, StatusCode, header, response};
use http_body_util::BodyExt;
use kube::{Client, client::Body};
use std::{sync::Arc, time::Duration};
use tokio::time::timeout;

/// No document other than a page of a list is ever as large as this.
pub(super) const DOCUMENT: usize = 64 << 20;

/// Speaks to one API server.
pub(super) struct Api {
    client: Client,
    limit: Arc<RateLimit>,
    timeout: Duration,
    /// The audit id of every request.
    audit: Option<HeaderValue>,
    pub(super) server: String,
}

impl Api {
    pub(super) fn new(client: Client, server: String, per_second: u32, timeout: Duration) -> Self {
        Api { client, limit: Arc::new(RateLimit::new(per_second)), timeout, audit: None, server }
    }

    /// The same with an audit id on every request; the limit is common to both.
    pub(super) fn audited(api: &Api, id: &str) -> Self {
        let (client, limit, server) = (api.client.clone(), api.limit.clone(), api.server.clone());
        Api { client, limit, timeout: api.timeout, audit: HeaderValue::from_str(id).ok(), server }
    }

    /// What speaks to the server, for what is no plain request.
    pub(super) fn client(&self) -> Client {
        self.client.clone()
    }

    /// The body of a `GET`, tried again as long as that makes sense.
    pub(super) async fn get(&self, uri: &str) -> Result<Bytes, Failure> {
        self.get_as(uri, "application/json", DOCUMENT, 0).await
    }

    /// The same with the media type that is wanted, the largest body that is read, and the size that it will likely have.
    pub(super) async fn get_as(
        &self,
        uri: &str,
        accept: &str,
        largest: usize,
        likely: usize,
    ) -> Result<Bytes, Failure> {
        self.patiently(|| {
            let request = Request::get(uri).header(header::ACCEPT, accept).body(Body::empty());
            self.once(request, largest, likely)
        })
        .await
    }

    /// What a kubelet answers, by way of the API server. An error of its own (500) is its answer, and stays.
    pub(super) async fn get_from_kubelet(&self, uri: &str, largest: usize) -> Result<Bytes, Failure> {
        let tries = |failure: &Failure| if failure.code() == Some(500) { 1 } else { failure.tries() };
        self.tried(tries, || {
            let request = Request::get(uri).header(header::ACCEPT, "*/*").body(Body::empty());
            self.once(request, largest, 0)
        })
        .await
    }

    /// The body of the answer to a `POST` of JSON.
    pub(super) async fn post(&self, uri: &str, json: &Bytes) -> Result<Bytes, Failure> {
        self.send(Method::POST, uri, "application/json", json).await
    }

    /// The body of the answer to a request with a JSON body, tried again as long as that makes sense. The body of a `PATCH` is a merge
    /// patch.
    pub(super) async fn send(
        &self,
        method: Method,
        uri: &str,
        accept: &str,
        json: &Bytes,
    ) -> Result<Bytes, Failure> {
        let kind = match method {
            Method::PATCH => "application/merge-patch+json",
            _ => "application/json",
        };
        self.patiently(|| {
            let request = Request::builder()
                .method(method.clone())
                .uri(uri)
                .header(header::ACCEPT, accept)
                .header(header::CONTENT_TYPE, kind)
                .body(Body::from(json.clone()));
            self.once(request, DOCUMENT, 0)
        })
        .await
    }

    async fn patiently<F>(&self, attempt: impl Fn() -> F) -> Result<Bytes, Failure>
    where
        F: Future<Output = Result<Bytes, Failure>>,
    {
        self.tried(Failure::tries, attempt).await
    }

    async fn tried<F>(
        &self,
        most: impl Fn(&Failure) -> u32,
        attempt: impl Fn() -> F,
    ) -> Result<Bytes, Failure>
    where
        F: Future<Output = Result<Bytes, Failure>>,
    {
        let mut tries = 0;
        loop {
            self.limit.turn().await;
            tries += 1;
            match attempt().await {
                Ok(body) => return Ok(body),
                Err(failure) if tries >= most(&failure) => return Err(failure),
                Err(failure) => {
                    let pause = backoff::pause(tries, failure.retry_after(), rand::random());
                    tracing::debug!(tries, ?pause, reason = failure.text(), "trying again");
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }

    /// Status and body of one `GET`, whatever the status says.
    pub(super) async fn look(&self, uri: &str) -> Result<(StatusCode, Bytes), Failure> {
        self.limit.turn().await;
        let (head, body) = self.exchange(Request::get(uri).body(Body::empty()), DOCUMENT, 0).await?;
        Ok((head.status, body))
    }

    async fn once(
        &self,
        request: Result<Request<Body>, http::Error>,
        largest: usize,
        likely: usize,
    ) -> Result<Bytes, Failure> {
        let (head, body) = self.exchange(request, largest, likely).await?;
        if head.status.is_success() {
            Ok(body)
        } else {
            Err(Failure::from_answer(head.status, &head.headers, &body))
        }
    }

    async fn exchange(
        &self,
        request: Result<Request<Body>, http::Error>,
        largest: usize,
        likely: usize,
    ) -> Result<(response::Parts, Bytes), Failure> {
        let stalled = |_| Failure::Stalled { after: self.timeout };
        let mut request = request.map_err(|error| Failure::Malformed(error.to_string()))?;
        if let Some(id) = &self.audit {
            request.headers_mut().insert("audit-id", id.clone());
        }
        let answer = timeout(self.timeout, self.client.send(request))
            .await
            .map_err(stalled)?
            .map_err(|error| Failure::from_client(&error))?;
        let (head, mut stream) = answer.into_parts();
        let mut body = BytesMut::with_capacity(likely.min(largest));
        while let Some(frame) = timeout(self.timeout, stream.frame()).await.map_err(stalled)? {
            let frame = frame.map_err(|error| Failure::from_client(&error))?;
            if let Ok(data) = frame.into_data() {
                if body.len() + data.len() > largest {
                    return Err(Failure::TooLarge { limit: largest });
                }
                body.extend_from_slice(&data);
            }
        }
        Ok((head, body.freeze()))
    }
}
