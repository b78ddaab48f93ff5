//! A conversion webhook, as whoever brings a type in several versions runs it.

use crate::lab::pki::Pki;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::{
    fs,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

/// The server, which calls `spec.size` of `v1` `spec.length` in `v2`. Gone when dropped; its address can be used again.
pub struct Converter {
    address: SocketAddr,
    converted: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Converter {
    /// Starts one with a certificate of this authority, at this address.
    pub async fn start(pki: &Pki, at: SocketAddr) -> Result<Self> {
        let (acceptor, converted) = (pki.server("converter")?.acceptor()?, Arc::new(AtomicUsize::new(0)));
        let listener = TcpListener::bind(at).await?;
        let (address, count) = (listener.local_addr()?, converted.clone());
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, count) = (acceptor.clone(), count.clone());
                // A client that goes away is no failure of ours.
                connections.spawn(async move { serve(stream, &acceptor, &count).await.ok() });
            }
        });
        Ok(Self { address, converted, task })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many objects it has converted.
    pub fn converted(&self) -> usize {
        self.converted.load(Relaxed)
    }

    /// The `conversion` of a definition that is converted here.
    pub fn conversion(&self, pki: &Pki) -> Result<Value> {
        use ct_codecs::{Base64, Encoder};
        let ca = Base64::encode_to_string(fs::read(pki.ca())?)?;
        Ok(json!({"strategy": "Webhook", "webhook": {"conversionReviewVersions": ["v1"],
            "clientConfig": {"url": format!("https://{}/convert", self.address), "caBundle": ca}}}))
    }
}

impl Drop for Converter {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(stream: TcpStream, acceptor: &TlsAcceptor, count: &AtomicUsize) -> Result<()> {
    let mut stream = BufReader::new(acceptor.accept(stream).await?);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            match line.trim_end().to_lowercase().split_once(": ") {
                Some(("content-length", value)) => length = value.parse()?,
                None if line.trim_end().is_empty() => break,
                _ => {}
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;
        let answer = convert(&serde_json::from_slice(&body)?, count)?.to_string();
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            answer.len()
        );
        stream.write_all(&[head.as_bytes(), answer.as_bytes()].concat()).await?;
        stream.flush().await?;
    }
}

fn convert(review: &Value, count: &AtomicUsize) -> Result<Value> {
    let request = &review["request"];
    let wanted = &request["desiredAPIVersion"];
    let mut objects = request["objects"].as_array().context("no objects")?.clone();
    for object in &mut objects {
        if object["apiVersion"] == *wanted {
            continue;
        }
        object["apiVersion"] = wanted.clone();
        let (old, new) = if wanted.as_str().is_some_and(|it| it.ends_with("/v2")) {
            ("size", "length")
        } else {
            ("length", "size")
        };
        let spec = object["spec"].as_object_mut().context("no spec")?;
        let value = spec.remove(old).context("no size")?;
        spec.insert(new.to_owned(), value);
        count.fetch_add(1, Relaxed);
    }
    Ok(json!({"apiVersion": review["apiVersion"], "kind": "ConversionReview", "response": {
        "uid": request["uid"], "result": {"status": "Success"}, "convertedObjects": objects}}))
}
