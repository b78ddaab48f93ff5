use super::{EtcdError, error::chain};
use crate::source::Renewable;
use etcd_client::{Client, ConnectOptions, Error};
use secrecy::{ExposeSecret, SecretString};
use std::{future::Future, path::PathBuf, time::Duration};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

/// How etcd is reached.
#[derive(Debug, Clone)]
pub struct EtcdOptions {
    /// The members' client URLs.
    pub endpoints: Vec<String>,
    /// TLS files, read anew for each connection.
    pub tls: Option<TlsFiles>,
    /// User and password.
    pub auth: Option<(String, SecretString)>,
    /// How long a connection may take to come about.
    pub connect_timeout: Duration,
    /// How long an answer may take (a KV hash of a large database takes seconds).
    pub request_timeout: Duration,
    /// How long a running snapshot may be silent.
    pub idle_timeout: Duration,
}

/// The files of a TLS client.
#[derive(Debug, Clone, Default)]
pub struct TlsFiles {
    /// The CA that signed the members' certificates.
    pub ca: Option<PathBuf>,
    /// The client certificate, for mutual TLS.
    pub cert: Option<PathBuf>,
    /// Its key.
    pub key: Option<PathBuf>,
    /// The name to expect in the members' certificates instead of the URL's host.
    pub server_name: Option<String>,
}

/// A connection to one member.
#[derive(Clone)]
pub struct Connection {
    /// The client URL.
    pub endpoint: String,
    pub(super) client: Client,
    options: EtcdOptions,
}

impl Connection {
    /// Connects to one member, and logs in where a user is configured.
    pub async fn open(options: &EtcdOptions, endpoint: &str) -> Result<Self, EtcdError> {
        let refused = |reason: String| EtcdError::Unreachable { endpoint: endpoint.to_owned(), reason };
        let to = prepare(options, endpoint)?;
        let channel = tokio::time::timeout(options.connect_timeout, to.connect())
            .await
            .map_err(|_| {
                refused(format!("no connection within {} s", options.connect_timeout.as_secs_f32()))
            })?
            .map_err(|e| refused(explain(&chain(&e), endpoint, options)))?;
        let login = options.auth.as_ref().map(|(user, password)| {
            ConnectOptions::new().with_user(user.clone(), password.expose_secret().to_owned())
        });
        let client = Client::from_channel(etcd_client::Channel::Tonic(channel), login);
        let client = tokio::time::timeout(options.request_timeout, client)
            .await
            .map_err(|_| refused(format!("no answer within {} s", options.request_timeout.as_secs_f32())))?
            .map_err(|e| match said(&e) {
                // To log in is written down by all members.
                said if said.contains("request timed out") || said.contains("no leader") => refused(format!(
                    "nobody can log in while it has no leader ({said}); bring more than half of the voting members \
                     back, or stop it and take the file member/snap/db of its data directory \
                     (`etcdutl snapshot restore --skip-hash-check`)"
                )),
                said => refused(explain(&said, endpoint, options)),
            })?;
        Ok(Connection { endpoint: endpoint.to_owned(), client, options: options.clone() })
    }

    /// Waits for an answer of this member, no longer than configured.
    pub(super) async fn ask<T>(
        &self,
        answer: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, EtcdError> {
        let refused = |reason: String| EtcdError::Unreachable { endpoint: self.endpoint.clone(), reason };
        let timeout = self.options.request_timeout;
        match tokio::time::timeout(timeout, answer).await {
            Ok(answer) => answer.map_err(|e| refused(explain(&said(&e), &self.endpoint, &self.options))),
            Err(_) => Err(refused(format!("no answer within {} s", timeout.as_secs_f32()))),
        }
    }

    pub(super) fn idle_timeout(&self) -> Duration {
        self.options.idle_timeout
    }
}

/// Makes ready what needs no connection: the files of the TLS settings are read, and looked at.
pub(super) fn prepare(options: &EtcdOptions, endpoint: &str) -> Result<Endpoint, EtcdError> {
    let refused = |reason: String| EtcdError::Unreachable { endpoint: endpoint.to_owned(), reason };
    let to = Endpoint::from_shared(endpoint.to_owned())
        .map_err(|e| refused(chain(&e)))?
        .connect_timeout(options.connect_timeout)
        .tcp_keepalive(Some(Duration::from_secs(30)))
        .http2_keep_alive_interval(Duration::from_secs(10))
        .keep_alive_timeout(Duration::from_secs(20))
        .keep_alive_while_idle(false)
        .initial_stream_window_size(4 << 20)
        .initial_connection_window_size(8 << 20);
    if !endpoint.starts_with("https://") {
        return Ok(to);
    }
    to.tls_config(tls(options.tls.as_ref())?).map_err(|e| {
        match options.tls.as_ref().and_then(|t| t.key.as_ref().zip(t.cert.as_ref())) {
            Some((key, cert)) if chain(&e).contains("KeyMismatch") => EtcdError::TlsFile {
                role: "client key",
                path: key.clone(),
                reason: format!("it does not belong to the certificate {}", cert.display()),
            },
            _ => refused(chain(&e)),
        }
    })
}

fn tls(files: Option<&TlsFiles>) -> Result<ClientTlsConfig, EtcdError> {
    let mut config = ClientTlsConfig::new();
    let Some(files) = files else { return Ok(config.with_enabled_roots()) };
    let read = |role: &'static str, path: &PathBuf| {
        let bad = |reason: String| EtcdError::TlsFile { role, path: path.clone(), reason };
        let pem = std::fs::read(path).map_err(|e| bad(e.to_string()))?;
        // Not a word of the content: it may be a key.
        if pem.windows(11).any(|w| w == b"-----BEGIN ") {
            Ok(pem)
        } else {
            Err(bad("it is not in PEM form".into()))
        }
    };
    config = match &files.ca {
        Some(ca) => config.ca_certificate(Certificate::from_pem(read("CA", ca)?)),
        None => config.with_enabled_roots(),
    };
    match (&files.cert, &files.key) {
        (Some(cert), Some(key)) => {
            config = config
                .identity(Identity::from_pem(read("client certificate", cert)?, read("client key", key)?));
        }
        (Some(path), None) | (None, Some(path)) => {
            let reason = "a client certificate and its key belong together: give both".to_owned();
            return Err(EtcdError::TlsFile { role: "client certificate or key", path: path.clone(), reason });
        }
        (None, None) => {}
    }
    if let Some(name) = &files.server_name {
        config = config.domain_name(name);
    }
    Ok(config)
}

fn said(error: &Error) -> String {
    match error {
        Error::GRpcStatus(status) => {
            let cause =
                std::error::Error::source(status).map(|c| format!(": {}", chain(c))).unwrap_or_default();
            format!("{}{cause}", status.message())
        }
        other => chain(other),
    }
}

/// What the far side or the TLS library said, in the words of who has to mend it.
fn explain(said: &str, endpoint: &str, options: &EtcdOptions) -> String {
    let has = |needle: &str| said.contains(needle);
    // TLS 1.3 tells the client after the handshake that its certificate is refused, and the connection's end may be
    // seen before that word is.
    let ends = ["operation was canceled", "broken pipe", "connection closed", "onnection reset"];
    let ended = ends.into_iter().any(has);
    let cut = endpoint.starts_with("https://") && ended;
    let file =
        |path: Option<&PathBuf>| path.map_or_else(|| "(none configured)".into(), |p| p.display().to_string());
    let tls = options.tls.as_ref();
    let ca = || file(tls.and_then(|t| t.ca.as_ref()));
    if has("UnknownIssuer") || has("BadSignature") {
        format!("its certificate was not signed by the CA in etcd.tls.ca, {} ({said})", ca())
    } else if has("invalid peer certificate") && has("expired") {
        format!("its certificate has expired: renew it there ({said})")
    } else if has("invalid peer certificate") {
        format!(
            "its certificate is not accepted ({said}); check its names and dates, or set etcd.tls.serverName"
        )
    } else if has("received fatal alert") || has("CertificateRequired") || cut {
        let cert = tls.and_then(|t| t.cert.as_ref());
        let own = match cert.map(|path| Renewable::in_file("etcd-client", path).read) {
            None => "no client certificate is configured: set etcd.tls.cert and etcd.tls.key".to_owned(),
            Some(Ok(own)) if own.has_expired(jiff::Timestamp::now()) => {
                format!("the client certificate {} expired at {}: renew it", file(cert), own.not_after)
            }
            _ => format!("it does not accept the client certificate {}", file(cert)),
        };
        let end =
            if cut { "ends the TLS connection, perhaps because" } else { "refuses the TLS connection:" };
        format!("it {end} {own} ({said})")
    } else if has("invalid user ID or password") || has("authentication failed") {
        "it refuses the user or the password: check etcd.auth".to_owned()
    } else if has("user name is empty") || has("permission denied") {
        format!("it asks for a user with the role root for this ({said}): set etcd.auth")
    } else if has("Connection refused") {
        format!("nothing listens there ({said})")
    } else if has("error reading server preface")
        || has("frame with invalid size")
        || has("InvalidContentType")
        || has("tls handshake eof")
    {
        let other = if endpoint.starts_with("https://") { "http" } else { "https" };
        format!("it does not speak etcd's protocol there ({said}): perhaps {other} is meant, or another port")
    } else if ended {
        format!(
            "it ended the connection ({said}): either it stops, or what listens there does not speak etcd's \
             protocol; perhaps https is meant, or another port"
        )
    } else {
        said.to_owned()
    }
}
