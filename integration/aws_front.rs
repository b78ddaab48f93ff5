//! What stands around S3 at AWS, on loopback: the metadata of an instance, the credentials of a container, and STS.

use anyhow::{Context, Result};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use crate::{lab::s3, s3_session::TOKEN};

/// A request: its first line, headers and body as they came.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Method, path and query.
    pub line: String,
    /// All headers, in small letters.
    pub headers: String,
    /// The body.
    pub body: String,
}

impl Asked {
    /// Whether a form holds this field with just this value.
    pub fn says(&self, name: &str, value: &str) -> bool {
        url::form_urlencoded::parse(self.body.as_bytes()).any(|(n, v)| n == name && v == value)
    }
}

type Rule = dyn Fn(&Asked, usize) -> (u16, String) + Send + Sync;

/// The server. Gone when dropped.
pub struct AwsFront {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    task: JoinHandle<()>,
}

impl AwsFront {
    /// Starts one. `rule` answers by the request and by how many came before.
    pub async fn start(
        rule: impl Fn(&Asked, usize) -> (u16, String) + Send + Sync + 'static,
    ) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let (asked, rule): (Arc<Mutex<Vec<Asked>>>, Arc<Rule>) = (Arc::default(), Arc::new(rule));
        let seen = asked.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (seen, rule) = (seen.clone(), rule.clone());
                // A client that goes away is no failure of ours.
                tokio::spawn(async move { serve(stream, &seen, &*rule).await.ok() });
            }
        });
        Ok(AwsFront { address, asked, task })
    }

    /// Where it listens, as a URL.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What has been asked.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for AwsFront {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(stream: TcpStream, seen: &Mutex<Vec<Asked>>, rule: &Rule) -> Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let (mut headers, mut length) = (String::new(), 0);
        loop {
            let mut header = String::new();
            stream.read_line(&mut header).await?;
            let header = header.to_lowercase();
            if let Some(value) = header.strip_prefix("content-length:") {
                length = value.trim().parse()?;
            }
            if header.trim().is_empty() {
                break;
            }
            headers.push_str(&header);
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;
        let line = line.rsplit_once(' ').context("not a request")?.0.to_owned();
        let asked = Asked { line, headers, body: String::from_utf8(body)? };
        let (status, said) = {
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            let answer = rule(&asked, seen.len());
            seen.push(asked);
            answer
        };
        // The token of an instance's metadata is good for so many seconds.
        let head = format!(
            "HTTP/1.1 {status} Said\r\nx-aws-ec2-metadata-token-ttl-seconds: 21600\r\nContent-Length: {}\r\n\r\n",
            said.len()
        );
        stream.write_all(&[head.as_bytes(), said.as_bytes()].concat()).await?;
        stream.flush().await?;
    }
}

/// When credentials end that are good for so many seconds.
fn ends(seconds: i64) -> String {
    format!("{:.0}", Timestamp::now() + SignedDuration::from_secs(seconds))
}

/// Credentials as an instance, a container or a process hands them out, good for so many seconds.
pub fn handed_out(seconds: i64) -> String {
    json!({
        "Version": 1, "Code": "Success", "Type": "AWS-HMAC", "LastUpdated": ends(0),
        "AccessKeyId": s3::ACCESS_KEY, "SecretAccessKey": s3::SECRET_KEY,
        "Token": TOKEN, "SessionToken": TOKEN, "Expiration": ends(seconds),
    })
    .to_string()
}

/// The same as STS answers to an action.
pub fn assumed(action: &str) -> String {
    format!(
        "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{action}Result>\
         <AssumedRoleUser><Arn>arn:aws:sts::111122223333:assumed-role/backup/lab</Arn>\
         <AssumedRoleId>AROALAB:lab</AssumedRoleId></AssumedRoleUser>\
         <Credentials><AccessKeyId>{}</AccessKeyId><SecretAccessKey>{}</SecretAccessKey>\
         <SessionToken>{TOKEN}</SessionToken><Expiration>{}</Expiration></Credentials>\
         </{action}Result><ResponseMetadata><RequestId>lab-1</RequestId></ResponseMetadata></{action}Response>",
        s3::ACCESS_KEY,
        s3::SECRET_KEY,
        ends(3600)
    )
}

/// STS says no.
pub fn denied() -> String {
    "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
     <Code>AccessDenied</Code><Message>User lab is not authorized to perform: sts:AssumeRole</Message></Error>\
     <RequestId>lab-2</RequestId></ErrorResponse>"
        .to_owned()
}
