//! What is said to `chromedriver`: JSON over HTTP.

use anyhow::{Context, Result, bail};
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;
use std::time::Duration;

/// Drawing a long page takes a while beside other tests.
const LIMIT: Duration = Duration::from_secs(90);

/// A driver that listens.
pub(super) struct Driver {
    address: String,
    client: Client<HttpConnector, Full<bytes::Bytes>>,
}

impl Driver {
    /// The one at `address`.
    pub(super) fn at(address: &str) -> Self {
        Driver { address: address.to_owned(), client: Client::builder(TokioExecutor::new()).build_http() }
    }

    pub(super) async fn get(&self, path: &str) -> Result<Value> {
        self.ask(Method::GET, path, String::new()).await
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.ask(Method::POST, path, body.to_string()).await
    }

    pub(super) async fn delete(&self, path: &str) -> Result<Value> {
        self.ask(Method::DELETE, path, String::new()).await
    }

    /// Every answer is `{"value": …}`, also that of a failure.
    async fn ask(&self, method: Method, path: &str, body: String) -> Result<Value> {
        let uri = format!("http://{}{path}", self.address);
        let what = format!("{method} {path}");
        let request = Request::builder().method(method).uri(uri).header("Content-Type", "application/json");
        let request = request.body(Full::from(body))?;
        let asked = async {
            let answer = self.client.request(request).await?;
            let status = answer.status();
            anyhow::Ok((status, answer.into_body().collect().await?.to_bytes()))
        };
        let answer = tokio::time::timeout(LIMIT, asked).await;
        let (status, body) = answer.with_context(|| format!("{what} is stuck"))?.context(what.clone())?;
        let mut told: Value = serde_json::from_slice(&body).with_context(|| format!("{what}: no JSON"))?;
        let value = told["value"].take();
        if !status.is_success() {
            bail!("{what}: {} ({})", super::text(&value["message"]), super::text(&value["error"]));
        }
        Ok(value)
    }
}
