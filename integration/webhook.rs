//! Somebody who takes messages, over HTTP on loopback, plain or with TLS.

use crate::lab::pki::Pair;
use anyhow::{Context, Result};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, split},
    net::TcpListener,
    task::JoinHandle,
};

/// What came.
#[derive(Clone, Debug)]
pub struct Came {
    /// `POST /path`.
    pub line: String,
    /// By names in lower case.
    pub headers: BTreeMap<String, String>,
    /// As it came.
    pub body: Vec<u8>,
}

/// What is answered.
#[derive(Clone, Copy, Debug)]
pub enum Answer {
    /// This status, with more header lines.
    Status(u16, &'static str),
    /// This status, and this text.
    Says(u16, &'static str),
    /// Nothing: the connection is closed.
    Closed,
    /// Nothing, for so long.
    Silent(Duration),
}

/// The server. Gone when dropped.
pub struct Receiver {
    scheme: &'static str,
    address: SocketAddr,
    came: Arc<Mutex<Vec<Came>>>,
    task: JoinHandle<()>,
}

impl Receiver {
    /// Starts one; `answer` decides by how many came before.
    pub async fn start(answer: impl Fn(usize) -> Answer + Send + Sync + 'static) -> Result<Self> {
        Self::listen(None, answer).await
    }

    /// One that takes everything, with this certificate.
    pub async fn with_tls(pair: &Pair) -> Result<Self> {
        Self::listen(Some(pair), |_| Answer::Status(200, "")).await
    }

    async fn listen(
        pair: Option<&Pair>,
        answer: impl Fn(usize) -> Answer + Send + Sync + 'static,
    ) -> Result<Self> {
        let tls = pair.map(Pair::acceptor).transpose()?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let (came, answer) = (Arc::new(Mutex::new(Vec::new())), Arc::new(answer));
        let kept = came.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (kept, answer, tls) = (kept.clone(), answer.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        Some(tls) => one(tls.accept(stream).await?, &kept, &*answer).await,
                        None => one(stream, &kept, &*answer).await,
                    }
                });
            }
        });
        Ok(Receiver { scheme, address, came, task })
    }

    /// The address of a path.
    pub fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.address)
    }

    /// What came until now.
    pub fn came(&self) -> Vec<Came> {
        self.came.lock().unwrap().clone()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn one(
    stream: impl AsyncRead + AsyncWrite,
    kept: &Mutex<Vec<Came>>,
    answer: &(dyn Fn(usize) -> Answer + Sync),
) -> Result<()> {
    let (read, mut write) = split(stream);
    let mut read = BufReader::new(read);
    let mut line = String::new();
    while read.read_line(&mut line).await? > 0 {
        let first = line.trim_end().rsplit_once(' ').context("not a request")?.0.to_owned();
        let mut headers = BTreeMap::new();
        loop {
            line.clear();
            read.read_line(&mut line).await?;
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            headers.insert(name.to_lowercase(), value.to_owned());
        }
        line.clear();
        let length = headers.get("content-length").map_or(Ok(0), |it| it.parse())?;
        let mut body = vec![0; length];
        read.read_exact(&mut body).await?;
        let before = {
            let mut kept = kept.lock().unwrap();
            kept.push(Came { line: first, headers, body });
            kept.len() - 1
        };
        let (code, more, said) = match answer(before) {
            Answer::Status(code, more) => (code, more, ""),
            Answer::Says(code, said) => (code, "", said),
            Answer::Closed => return Ok(()),
            Answer::Silent(length) => {
                tokio::time::sleep(length).await;
                return Ok(());
            }
        };
        let text = format!("HTTP/1.1 {code} Told\r\n{more}Content-Length: {}\r\n\r\n{said}", said.len());
        write.write_all(text.as_bytes()).await?;
        write.flush().await?;
    }
    Ok(())
}
