//! An HTTP proxy in front of an S3 server, which lets things go wrong for requests of the test's choice.

use crate::s3_session;
use anyhow::{Context, Result, bail};
use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// What becomes of a request.
#[derive(Clone, Debug)]
pub enum Fate {
    /// It passes.
    Pass,
    /// It passes if it is signed with the temporary credentials of [`s3_session`].
    OfSession,
    /// The connection is cut after so many bytes of the request's body have been read.
    CutRequest(usize),
    /// It is carried out, and the connection is cut before the answer.
    LoseAnswer,
    /// The answer is cut after so many bytes of its body.
    CutAnswer(usize),
    /// Nothing comes back, and the connection stays open.
    Stall,
    /// It is answered with this status and error code, and never reaches the server.
    Refuse(u16, &'static str),
}

/// A request as the rule sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Its headers, in small letters, a line each.
    pub headers: String,
}

impl Request {
    /// Is it this operation of S3?
    pub fn is(&self, operation: &str) -> bool {
        self.operation() == operation
    }

    fn operation(&self) -> &'static str {
        let has = |name: &str| self.target.contains(name);
        let path = self.target.split('?').next().unwrap_or_default();
        let object = path.trim_matches('/').contains('/');
        match (self.method.as_str(), object) {
            ("POST", true) if has("uploadId=") => "CompleteMultipartUpload",
            ("POST", true) if has("uploads") => "CreateMultipartUpload",
            ("PUT", true) if has("uploadId=") => "UploadPart",
            ("PUT", true) => "PutObject",
            ("DELETE", true) if has("uploadId=") => "AbortMultipartUpload",
            ("DELETE", true) => "DeleteObject",
            ("GET", _) if has("list-type=2") => "ListObjectsV2",
            ("GET", true) => "GetObject",
            ("HEAD", true) => "HeadObject",
            ("POST", false) if has("delete") => "DeleteObjects",
            _ => "other",
        }
    }

    /// What it tries: requests that try the same are equal in this.
    fn attempt(&self) -> (&'static str, String, Option<String>) {
        let path = self.target.split('?').next().unwrap_or_default().to_owned();
        let part = self.target.split(['?', '&']).find(|w| w.starts_with("partNumber=")).map(str::to_owned);
        (self.operation(), path, part)
    }
}

/// How often what was tried.
#[derive(Default)]
struct Seen(HashMap<(&'static str, String, Option<String>), usize>);

impl Seen {
    /// Counts a request, and says how many tried the same before.
    fn count(&mut self, request: &Request) -> usize {
        let count = self.0.entry(request.attempt()).or_default();
        *count += 1;
        *count - 1
    }
}

type Rule = dyn Fn(&Request, usize) -> Fate + Send + Sync;

/// The proxy. Gone when dropped.
pub struct S3Front {
    address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
}

impl S3Front {
    /// Starts one before `endpoint`. `rule` decides by the request, and by how many of its operation, on its object, came
    /// before.
    pub async fn start(
        endpoint: &str,
        rule: impl Fn(&Request, usize) -> Fate + Send + Sync + 'static,
    ) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let server = endpoint.trim_start_matches("http://").to_owned();
        let (seen, rule): (Arc<Mutex<Seen>>, Arc<Rule>) = (Arc::default(), Arc::new(rule));
        let requests = seen.clone();
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (server, seen, rule) = (server.clone(), requests.clone(), rule.clone());
                // A client that goes away is no failure of ours.
                tokio::spawn(async move { serve(client, &server, &seen, &*rule).await.ok() });
            }
        });
        Ok(S3Front { address, seen, task })
    }

    /// Where it listens, as a URL.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many requests of this operation came.
    pub fn count(&self, operation: &str) -> usize {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.0.iter().filter(|((tried, ..), _)| *tried == operation).map(|(_, count)| count).sum()
    }
}

impl Drop for S3Front {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Message {
    head: String,
    length: usize,
    chunked: bool,
}

async fn head(from: &mut (impl AsyncBufReadExt + Unpin)) -> Result<Option<Message>> {
    let (mut head, mut length, mut chunked) = (String::new(), 0, false);
    loop {
        let mut line = String::new();
        if from.read_line(&mut line).await? == 0 {
            return Ok(None);
        }
        let lower = line.to_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse()?;
        }
        chunked |= lower.starts_with("transfer-encoding:") && lower.contains("chunked");
        head.push_str(&line);
        if line == "\r\n" {
            return Ok(Some(Message { head, length, chunked }));
        }
    }
}

/// Sends a message on the connection that is kept, or on a new one, and reads the head of the answer.
async fn ask(
    kept: Option<BufReader<TcpStream>>,
    server: &str,
    message: &[u8],
) -> Result<(BufReader<TcpStream>, Message)> {
    if let Some(mut upstream) = kept
        && upstream.write_all(message).await.is_ok()
        && let Ok(Some(said)) = head(&mut upstream).await
    {
        return Ok((upstream, said));
    }
    let upstream = TcpStream::connect(server).await?;
    upstream.set_nodelay(true)?;
    let mut upstream = BufReader::new(upstream);
    upstream.write_all(message).await?;
    let said = head(&mut upstream).await?.context("no answer")?;
    Ok((upstream, said))
}

async fn serve(client: TcpStream, server: &str, seen: &Mutex<Seen>, rule: &Rule) -> Result<()> {
    client.set_nodelay(true)?;
    let mut client = BufReader::new(client);
    // One connection to the server for each of the client's, as long as the server keeps it.
    let mut kept = None;
    while let Some(mut asked) = head(&mut client).await? {
        let mut words = asked.head.split(' ');
        let request = Request {
            method: words.next().context("no method")?.to_owned(),
            target: words.next().context("no target")?.to_owned(),
            headers: asked.head.to_lowercase(),
        };
        let mut fate = {
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            let before = seen.count(&request);
            rule(&request, before)
        };
        if let Fate::OfSession = fate {
            match s3_session::signed_anew(&asked.head) {
                Some(head) => asked.head = head,
                None => fate = Fate::Refuse(403, "InvalidToken"),
            }
        }
        if asked.chunked {
            bail!("a body of unknown length");
        }
        if let Fate::CutRequest(after) = fate {
            let mut part = vec![0; after.min(asked.length)];
            client.read_exact(&mut part).await?;
            client.get_ref().set_zero_linger()?;
            return Ok(());
        }
        // The client waits for the server's word before it sends a body.
        if asked.head.to_lowercase().contains("expect: 100-continue") {
            client.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        let mut body = vec![0; asked.length];
        client.read_exact(&mut body).await?;
        match fate {
            Fate::Stall => {
                tokio::time::sleep(Duration::from_secs(3600)).await;
            }
            Fate::Refuse(status, code) => {
                let text = format!("<Error><Code>{code}</Code><Message>by the test</Message></Error>");
                let text = if request.method == "HEAD" { String::new() } else { text };
                let head = format!(
                    "HTTP/1.1 {status} Said\r\nContent-Type: application/xml\r\nContent-Length: {}\r\n\r\n",
                    text.len()
                );
                client.write_all(&[head.as_bytes(), text.as_bytes()].concat()).await?;
            }
            fate => {
                let without = asked.head.replace("expect: 100-continue\r\n", "");
                let message = [without.as_bytes(), &body].concat();
                let (mut upstream, said) = ask(kept.take(), server, &message).await?;
                let mut answer = Vec::new();
                if request.method == "HEAD" {
                } else if said.chunked {
                    // Passed on as it is; the connection ends with it.
                    client.write_all(said.head.as_bytes()).await?;
                    tokio::io::copy(&mut upstream, &mut client).await?;
                    return Ok(());
                } else {
                    answer = vec![0; said.length];
                    upstream.read_exact(&mut answer).await?;
                }
                match fate {
                    Fate::LoseAnswer => {
                        client.get_ref().set_zero_linger()?;
                        return Ok(());
                    }
                    Fate::CutAnswer(after) if after < answer.len() => {
                        client.write_all(&[said.head.as_bytes(), &answer[..after]].concat()).await?;
                        client.flush().await?;
                        return Ok(());
                    }
                    _ => client.write_all(&[said.head.as_bytes(), &answer].concat()).await?,
                }
                kept = Some(upstream);
            }
        }
        client.flush().await?;
    }
    Ok(())
}
