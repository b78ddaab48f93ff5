//! A plain HTTP server in front of an API server, which answers some requests in its own way.

use crate::lab::apiserver;
use anyhow::{Context, Result};
use http_body_util::BodyExt;
use kube::{Client, client::Body};
use serde_json::json;
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// What becomes of a request.
#[derive(Clone, Copy, Debug)]
pub enum Answer {
    /// What the server says.
    Real,
    /// What the server says to a client that knows only the discovery of old.
    Plain,
    /// The first half of what the server says; then the connection ends.
    Half,
    /// The connection is reset.
    Reset,
    /// The server does what it is asked for; then the connection is reset.
    Lost,
    /// This status, perhaps with seconds to wait (`Retry-After`), and a message.
    Status(u16, Option<u64>, &'static str),
    /// Somebody else's page.
    Page(&'static str),
}

/// The server. Gone when dropped.
pub struct Front {
    address: SocketAddr,
    lost: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Front {
    /// Starts one. `rule` decides by the path and query of each request, before which stands the method if it is not `GET`.
    pub async fn start(
        client: Client,
        rule: impl Fn(&str) -> Answer + Send + Sync + 'static,
    ) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let (address, rule, lost) = (listener.local_addr()?, Arc::new(rule), Arc::<AtomicUsize>::default());
        let count = lost.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (client, rule, lost) = (client.clone(), rule.clone(), count.clone());
                // A client that goes away is no failure of ours.
                tokio::spawn(async move { serve(stream, &client, &*rule, &lost).await.ok() });
            }
        });
        Ok(Self { address, lost, task })
    }

    /// How many requests the server has carried out so far whose answers were [`Answer::Lost`].
    pub fn lost(&self) -> usize {
        self.lost.load(Ordering::SeqCst)
    }

    /// Writes a kubeconfig that leads here, without credentials.
    pub fn kubeconfig(&self, dir: &Path) -> Result<PathBuf> {
        let cluster = json!({"server": format!("http://{}", self.address)});
        let config = apiserver::config("nobody", cluster, json!({}));
        let path = dir.join(format!("front-{}.kubeconfig", self.address.port()));
        std::fs::write(&path, config.to_string())?;
        Ok(path)
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One request.
struct Asked {
    method: String,
    path: String,
    accept: String,
    body: Vec<u8>,
}

/// Answers the requests of one connection, one after another.
async fn serve(
    mut stream: TcpStream,
    client: &Client,
    rule: &(dyn Fn(&str) -> Answer + Sync),
    lost: &AtomicUsize,
) -> Result<()> {
    let (read, mut write) = stream.split();
    let mut read = BufReader::new(read);
    let mut line = String::new();
    while read.read_line(&mut line).await? > 0 {
        let mut words = line.split(' ').map(str::to_owned);
        let method = words.next().context("not a request")?;
        let path = words.next().context("not a request")?;
        let (mut accept, mut length) = ("application/json".to_owned(), 0);
        loop {
            line.clear();
            read.read_line(&mut line).await?;
            match line.trim_end().to_lowercase().split_once(": ") {
                Some(("accept", value)) => accept = value.to_owned(),
                Some(("content-length", value)) => length = value.parse()?,
                Some(_) => {}
                None => break,
            }
        }
        line.clear();
        let mut asked = Asked { method, path, accept, body: vec![0; length] };
        read.read_exact(&mut asked.body).await?;
        let told = match asked.method.as_str() {
            "GET" => asked.path.clone(),
            method => format!("{method} {}", asked.path),
        };
        let (code, more, body) = match rule(&told) {
            fate @ (Answer::Reset | Answer::Lost) => {
                if matches!(fate, Answer::Lost) {
                    real(client, &asked).await?;
                    lost.fetch_add(1, Ordering::SeqCst);
                }
                drop(read);
                stream.set_zero_linger()?;
                return Ok(());
            }
            Answer::Status(code, wait, message) => {
                let wait = wait.map_or(String::new(), |seconds| format!("Retry-After: {seconds}\r\n"));
                let reason = if code == 409 { "Conflict" } else { "" };
                let body =
                    serde_json::json!({"kind": "Status", "message": message, "reason": reason, "code": code});
                (code, wait, body.to_string().into_bytes())
            }
            Answer::Page(text) => (200, String::new(), text.as_bytes().to_vec()),
            Answer::Plain => real(client, &Asked { accept: "application/json".to_owned(), ..asked }).await?,
            Answer::Real => real(client, &asked).await?,
            Answer::Half => {
                let (_, _, body) = real(client, &asked).await?;
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
                write.write_all(&[head.as_bytes(), &body[..body.len() / 2]].concat()).await?;
                return Ok(());
            }
        };
        let head = format!("HTTP/1.1 {code} Said\r\n{more}Content-Length: {}\r\n\r\n", body.len());
        write.write_all(&[head.as_bytes(), &body].concat()).await?;
    }
    Ok(())
}

/// Status, further headers and body of the API server's own answer.
async fn real(client: &Client, asked: &Asked) -> Result<(u16, String, Vec<u8>)> {
    let request = http::Request::builder()
        .method(asked.method.as_str())
        .uri(&asked.path)
        .header("Accept", &asked.accept)
        .header("Content-Type", "application/json")
        .body(Body::from(asked.body.clone()))?;
    let (head, body) = client.send(request).await?.into_parts();
    let kind =
        head.headers.get("Content-Type").map_or("text/plain", |kind| kind.to_str().unwrap_or_default());
    Ok((head.status.as_u16(), format!("Content-Type: {kind}\r\n"), body.collect().await?.to_bytes().to_vec()))
}
