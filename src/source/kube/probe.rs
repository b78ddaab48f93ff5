//! A question to a pod over HTTP, through the API server: as `kubectl port-forward` reaches it.

use super::Cluster;
use k8s_openapi::api::core::v1::Pod;
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

/// No more of an answer is read.
const LARGEST: u64 = 1 << 20;

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
    fn answers_are_read() {
        assert_eq!(parse(b"HTTP/1.0 200 OK\r\nA: b\r\n\r\nhello\n"), Some((200, "hello\n".to_owned())));
        assert_eq!(parse(b"HTTP/1.1 503 No\r\n\r\n"), Some((503, String::new())));
        for wrong in [&b""[..], b"SSH-2.0", b"HTTP/1.1", b"HTTP/1.1 x y\r\n\r\n"] {
            assert_eq!(parse(wrong), None);
        }
    }
}
