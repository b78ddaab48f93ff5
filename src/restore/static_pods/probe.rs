//! Whether servers are there: ports, health, the lock on etcd's database.

use super::{ApiServer, EtcdServer, Swap, SwapError, control_plane::ETCD, pinned};
use rustls::pki_types::ServerName;
use std::{
    fs::{File, TryLockError},
    io,
    net::{IpAddr, Ipv4Addr},
    path::Path,
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep, timeout},
};

/// No server takes longer for a probe.
const ANSWER: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(250);
/// A kubelet may be about to start a server again that has just ended by itself: gone is what stays gone for so many
/// looks.
const LOOKS: u32 = 4;
/// No answer to a probe is longer.
const LONGEST: u64 = 64 << 10;

/// Stops everything: first who uses etcd, so that it can end in order, then etcd. Returns when nobody is there any more
/// and nobody holds etcd's database.
pub(super) async fn stop(swap: &Swap, within: Duration) -> Result<(), SwapError> {
    let manifests = swap.manifests.display();
    let hint = format!("see whether the kubelet runs, and whether another file in {manifests} starts it");
    for pod in swap.pods.iter().rev().filter(|pod| *pod != ETCD) {
        swap.stop(pod)?;
    }
    if let Some(server) = &swap.apiserver {
        let waiting = Waiting::new("the API server did not stop", within);
        while listens(&server.address).await {
            waiting.again(format!("it still listens on {} ({hint})", server.address)).await?;
        }
    }
    swap.stop(ETCD)?;
    let (waiting, mut looks) = (Waiting::new("etcd and the API server did not stop", within), 0);
    loop {
        let running = running(swap).await;
        looks = if running.is_some() { 0 } else { looks + 1 };
        match running {
            Some(who) => waiting.again(format!("{who} ({hint})")).await?,
            None if looks < LOOKS => waiting.again("they have just ended".to_owned()).await?,
            None => return Ok(()),
        }
    }
}

/// Who is still there, if anybody is.
async fn running(swap: &Swap) -> Option<String> {
    if let Some(server) = &swap.apiserver
        && listens(&server.address).await
    {
        return Some(format!("the API server still listens on {}", server.address));
    }
    for address in &swap.etcd.clients {
        if listens(address).await {
            return Some(format!("etcd still listens on {address}"));
        }
    }
    let database = swap.in_use().join("snap").join("db");
    is_locked(&database).then(|| format!("etcd still holds {}", database.display()))
}

pub(super) async fn listens(address: &str) -> bool {
    // Who does not answer at all may be there.
    timeout(ANSWER, TcpStream::connect(address)).await.map_or(true, |connected| connected.is_ok())
}

/// Does an etcd hold this database? It locks the file for as long as it uses it.
pub(super) fn is_locked(database: &Path) -> bool {
    File::open(database).is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
}

/// Waits until etcd says that it is healthy.
pub(super) async fn etcd_healthy(etcd: &EtcdServer, within: Duration) -> Result<(), SwapError> {
    let waiting = Waiting::new("etcd did not become healthy", within);
    while let Err(last) = is_healthy(etcd).await {
        waiting.again(last).await?;
    }
    Ok(())
}

/// Is etcd healthy? Where it tells only those with a certificate, that it listens has to do.
pub(super) async fn is_healthy(etcd: &EtcdServer) -> Result<(), String> {
    let Some(address) = &etcd.health else {
        for address in &etcd.clients {
            if !listens(address).await {
                return Err(format!("nothing listens on {address}"));
            }
        }
        return Ok(());
    };
    // That it is full was so when it was saved, and is mended when it runs.
    let path = "/health?exclude=NOSPACE";
    let asked = timeout(ANSWER, async { get(TcpStream::connect(address).await?, address, path).await });
    match asked.await {
        Ok(Ok(200)) => Ok(()),
        Ok(Ok(status)) => Err(format!("http://{address}/health answers {status}")),
        Ok(Err(e)) => Err(format!("http://{address}/health: {e}")),
        Err(_) => Err(format!("http://{address}/health does not answer")),
    }
}

/// Waits until the API server says that it is ready.
pub(super) async fn apiserver_ready(server: &ApiServer, within: Duration) -> Result<(), SwapError> {
    let waiting = Waiting::new("the API server did not become ready", within);
    while let Err(last) = is_ready(server).await {
        waiting.again(last).await?;
    }
    Ok(())
}

async fn is_ready(server: &ApiServer) -> Result<(), String> {
    let address = &server.address;
    let asked = timeout(ANSWER, async {
        let config = pinned::client(server.certificate.as_deref())?;
        let tcp = TcpStream::connect(address).await?;
        // The name is neither sent, for an address, nor compared.
        let name = ServerName::from(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let tls = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, tcp).await?;
        get(tls, address, "/readyz").await
    });
    match asked.await {
        // It is there, and tells nothing to those who show no certificate.
        Ok(Ok(200 | 401)) => Ok(()),
        Ok(Ok(status)) => Err(format!("https://{address}/readyz answers {status}")),
        Ok(Err(e)) => Err(format!("https://{address}/readyz: {e}")),
        Err(_) => Err(format!("https://{address}/readyz does not answer")),
    }
}

/// Something that is looked at again and again, as long as there is time.
pub(super) struct Waiting {
    what: String,
    within: Duration,
    deadline: Instant,
}

impl Waiting {
    /// `what` did not come about, if it does not.
    pub(super) fn new(what: impl Into<String>, within: Duration) -> Self {
        Waiting { what: what.into(), within, deadline: Instant::now() + within }
    }

    /// Waits until it is time to look again; `last` is what was seen.
    pub(super) async fn again(&self, last: String) -> Result<(), SwapError> {
        if Instant::now() >= self.deadline {
            return Err(SwapError::NotWithin { what: self.what.clone(), within: self.within, last });
        }
        sleep(PAUSE).await;
        Ok(())
    }
}

/// The status with which a GET is answered.
async fn get(mut stream: impl AsyncRead + AsyncWrite + Unpin, host: &str, path: &str) -> io::Result<u16> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    stream.flush().await?;
    let mut answer = Vec::new();
    let read = stream.take(LONGEST).read_to_end(&mut answer).await;
    match status(&answer) {
        // A connection may end without a proper farewell behind a whole answer.
        Some(status) => Ok(status),
        None => Err(read.err().unwrap_or_else(|| io::Error::other("the answer is no HTTP"))),
    }
}

fn status(answer: &[u8]) -> Option<u16> {
    let rest = answer.strip_prefix(b"HTTP/1.")?.get(1..)?;
    std::str::from_utf8(rest.get(..4)?).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read() {
        assert_eq!(status(b"HTTP/1.1 200 OK\r\n\r\nok"), Some(200));
        assert_eq!(status(b"HTTP/1.0 503 Service Unavailable\r\n"), Some(503));
        for bad in [&b""[..], b"HTTP/1.1", b"HTTP/1.1 2", b"HTTP/2 200 OK", b"\x15\x03\x01", b"HTTP/1.1 two"]
        {
            assert_eq!(status(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_database_in_use_is_noticed() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(!is_locked(file.path()) && !is_locked(Path::new("/nowhere/db")));
        file.as_file().lock().unwrap();
        assert!(is_locked(file.path()));
    }

    /// An API server that answers every request with `status`.
    async fn apiserver(name: &str, status: u16, dir: &Path) -> ApiServer {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        let certificate = dir.join(format!("{name}.crt"));
        std::fs::write(&certificate, made.cert.pem()).unwrap();
        let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider);
        let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let config = config.with_single_cert(vec![made.cert.der().clone()], key).unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let Ok(mut tls) = acceptor.accept(tcp).await else { continue };
                let _ = tls.read(&mut [0; 512]).await;
                let _ = tls.write_all(format!("HTTP/1.1 {status} \r\n\r\n").as_bytes()).await;
                let _ = tls.shutdown().await;
            }
        });
        ApiServer { address, certificate: Some(certificate) }
    }

    #[tokio::test]
    async fn an_api_server_must_show_its_own_certificate() {
        let dir = tempfile::tempdir().unwrap();
        let ready = apiserver("ready", 200, dir.path()).await;
        is_ready(&ready).await.unwrap();
        is_ready(&ApiServer { certificate: None, ..ready.clone() }).await.unwrap();
        let silent = apiserver("silent", 401, dir.path()).await;
        is_ready(&silent).await.unwrap();
        let error = is_ready(&ApiServer { certificate: silent.certificate, ..ready }).await.unwrap_err();
        assert!(error.contains("another certificate than that of its --tls-cert-file"), "{error}");
        let error = is_ready(&apiserver("unready", 500, dir.path()).await).await.unwrap_err();
        assert!(error.contains("/readyz answers 500"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_ends_with_what_was_seen_last() {
        let mut asked = 0;
        let waiting = Waiting::new("it did not come", Duration::from_secs(1));
        let error = loop {
            asked += 1;
            if let Err(e) = waiting.again(format!("{asked}")).await {
                break e.to_string();
            }
        };
        assert_eq!(error, "it did not come within 1 s: 5");
    }
}
