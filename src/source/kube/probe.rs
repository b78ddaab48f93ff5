//! What a pod answers through the API server: over HTTP as `kubectl port-forward` reaches it, or to a command as of `kubectl exec`.

use super::Cluster;
use bytes::Bytes;
use k8s_openapi::{api::core::v1::Pod, apimachinery::pkg::apis::meta::v1::Status};
use kube::api::AttachParams;
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

/// No more of an answer is read.
const LARGEST: u64 = 1 << 20;
/// So much of what a command printed is told.
const TOLD: usize = 2_000;

impl Cluster {
    /// Status and body of a `GET` to a port of a pod. HTTP/1.0, so that the answer ends with the connection.
    ///
    /// # Errors
    /// Why there is no answer, in words.
    pub async fn get_from_pod(
        &self,
        (namespace, pod): (&str, &str),
        port: u16,
        path: &str,
        within: Duration,
    ) -> Result<(u16, String), String> {
        let asked = async {
            let pods: kube::Api<Pod> = kube::Api::namespaced(self.api.client(), namespace);
            let mut forwarder = pods.portforward(pod, &[port]).await.map_err(|e| e.to_string())?;
            let mut stream = forwarder.take_stream(port).ok_or("the port was not forwarded")?;
            let request = format!(
                "GET {path} HTTP/1.0\r\nHost: {pod}\r\nUser-Agent: lifeboat\r\nConnection: close\r\n\r\n"
            );
            stream.write_all(request.as_bytes()).await.map_err(|e| e.to_string())?;
            let mut answer = Vec::new();
            stream.take(LARGEST).read_to_end(&mut answer).await.map_err(|e| e.to_string())?;
            forwarder.abort();
            parse(&answer).ok_or_else(|| match answer.is_empty() {
                true => {
                    "nobody listens on the port, or the connection was closed without an answer".to_owned()
                }
                false => "the answer is not HTTP".to_owned(),
            })
        };
        timeout(within, asked).await.unwrap_or_else(|_| Err("there was no answer in time".to_owned()))
    }
}

impl Cluster {
    /// Runs a command in a container of a pod (the first, unless one is named) until it ends with 0.
    ///
    /// # Errors
    /// Why it did not, in words, and what it printed last.
    pub async fn run_in_pod(
        &self,
        place: (&str, &str),
        container: Option<&str>,
        argv: &[String],
        within: Duration,
    ) -> Result<(), (String, String)> {
        let ran = self.output_in_pod(place, container, argv, within, TOLD).await;
        let (printed, why) = ran.map_err(|e| (e, String::new()))?;
        why.map_or(Ok(()), |why| Err((why, String::from_utf8_lossy(&printed).into_owned())))
    }

    /// Runs a command in a container of a pod; gives the end of what it printed, no more than `most` bytes of either kind, and why it
    /// did not end with 0, if it did not.
    ///
    /// # Errors
    /// When it could not be asked for, or did not end in time.
    pub async fn output_in_pod(
        &self,
        (namespace, pod): (&str, &str),
        container: Option<&str>,
        argv: &[String],
        within: Duration,
        most: usize,
    ) -> Result<(Vec<u8>, Option<String>), String> {
        let ran = async {
            let pods: kube::Api<Pod> = kube::Api::namespaced(self.api.client(), namespace);
            let mut how = AttachParams::default().stdin(false).stdout(true).stderr(true);
            if let Some(container) = container {
                how = how.container(container);
            }
            let mut process = pods.exec(pod, argv, &how).await.map_err(|e| e.to_string())?;
            let (out, err) = (process.stdout(), process.stderr());
            let status = process.take_status();
            let (out, err) = tokio::join!(last_of(out, most), last_of(err, most));
            let status = match status {
                Some(status) => status.await,
                None => None,
            };
            let _ = process.join().await;
            Ok(([out, err].concat(), ended(status.as_ref())))
        };
        timeout(within, ran).await.unwrap_or_else(|_| Err("it took too long".to_owned()))
    }
}

impl Cluster {
    /// What a command in a container writes to its standard output: all of it, or the first `most` bytes and a word about that.
    ///
    /// # Errors
    /// Why there is nothing to keep, in words, with what it said last.
    pub async fn stream_from_pod(
        &self,
        (namespace, pod): (&str, &str),
        container: &str,
        argv: &[String],
        within: Duration,
        most: u64,
    ) -> Result<(Vec<u8>, Option<String>), String> {
        let ran = async {
            let pods: kube::Api<Pod> = kube::Api::namespaced(self.api.client(), namespace);
            let how = AttachParams::default().stdin(false).stdout(true).stderr(true).container(container);
            let mut process = pods.exec(pod, argv, &how).await.map_err(|e| e.to_string())?;
            let out = process.stdout().ok_or("there is no output")?;
            let err = process.stderr();
            let status = process.take_status();
            let mut written = Vec::new();
            // One byte more tells whether it was all.
            let mut limited = out.take(most.saturating_add(1));
            let (went, said) = tokio::join!(limited.read_to_end(&mut written), last_of(err, TOLD));
            went.map_err(|e| e.to_string())?;
            if written.len() as u64 > most {
                process.abort();
                written.truncate(usize::try_from(most).unwrap_or(usize::MAX));
                return Ok((written, Some(format!("it was cut off after {most} bytes"))));
            }
            let status = match status {
                Some(status) => status.await,
                None => None,
            };
            let _ = process.join().await;
            let said = String::from_utf8_lossy(&said).trim().to_owned();
            match (ended(status.as_ref()), written.is_empty()) {
                (None, _) => Ok((written, None)),
                (Some(why), true) => Err(format!("{why}: {said}")),
                // What was written is worth keeping.
                (Some(why), false) => Ok((written, Some(format!("{why}: {said}")))),
            }
        };
        timeout(within, ran).await.unwrap_or_else(|_| Err("it took too long".to_owned()))
    }

    /// Has the kubelet of a node write a checkpoint of a container; gives its answer, which names the file.
    ///
    /// # Errors
    /// Why it did not, in words.
    pub async fn checkpoint(
        &self,
        node: &str,
        (namespace, pod): (&str, &str),
        container: &str,
        within: Duration,
    ) -> Result<Bytes, String> {
        let path = format!(
            "/api/v1/nodes/{node}/proxy/checkpoint/{namespace}/{pod}/{container}?timeout={}",
            within.as_secs().max(1)
        );
        let nothing = Bytes::new();
        let asked = self.api.post(&path, &nothing);
        match timeout(within + Duration::from_secs(5), asked).await {
            Ok(answer) => answer.map_err(|failure| failure.text()),
            Err(_) => Err("the kubelet did not answer in time".to_owned()),
        }
    }
}

/// The end of what a stream brings.
async fn last_of(stream: Option<impl AsyncReadExt + Unpin>, most: usize) -> Vec<u8> {
    let Some(mut stream) = stream else { return Vec::new() };
    let (mut kept, mut piece) = (Vec::new(), [0; 4096]);
    while let Ok(n @ 1..) = stream.read(&mut piece).await {
        kept.extend_from_slice(&piece[..n]);
        let over = kept.len().saturating_sub(most);
        kept.drain(..over);
    }
    kept
}

/// How a command ended, if not with 0.
fn ended(status: Option<&Status>) -> Option<String> {
    let Some(status) = status else { return Some("the connection was lost before it ended".to_owned()) };
    if status.status.as_deref() == Some("Success") {
        return None;
    }
    let causes = status.details.iter().flat_map(|details| details.causes.iter().flatten());
    let code =
        causes.filter(|cause| cause.reason.as_deref() == Some("ExitCode")).find_map(|it| it.message.clone());
    Some(match code {
        Some(code) => format!("it ended with {code}"),
        None => "it could not be started".to_owned(),
    })
}

/// Status and body of an answer.
fn parse(answer: &[u8]) -> Option<(u16, String)> {
    let text = String::from_utf8_lossy(answer);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let mut words = head.lines().next()?.split(' ');
    words.next().filter(|word| word.starts_with("HTTP/1."))?;
    Some((words.next()?.parse().ok()?, body.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_told() {
        let status = |json: serde_json::Value| serde_json::from_value::<Status>(json).unwrap();
        assert_eq!(ended(Some(&status(serde_json::json!({"status": "Success"})))), None);
        let three = serde_json::json!({"status": "Failure", "reason": "NonZeroExitCode",
            "details": {"causes": [{"reason": "ExitCode", "message": "3"}]}});
        assert_eq!(ended(Some(&status(three))).as_deref(), Some("it ended with 3"));
        let absent = serde_json::json!({"status": "Failure", "message": "no such file"});
        assert_eq!(ended(Some(&status(absent))).as_deref(), Some("it could not be started"));
        assert!(ended(None).is_some());
    }

    #[test]
    fn answers_are_read() {
        assert_eq!(parse(b"HTTP/1.0 200 OK\r\nA: b\r\n\r\nhello\n"), Some((200, "hello\n".to_owned())));
        assert_eq!(parse(b"HTTP/1.1 503 No\r\n\r\n"), Some((503, String::new())));
        for wrong in [&b""[..], b"SSH-2.0", b"HTTP/1.1", b"HTTP/1.1 x y\r\n\r\n"] {
            assert_eq!(parse(wrong), None);
        }
    }
}
