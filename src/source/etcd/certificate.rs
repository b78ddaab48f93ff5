//! The certificates with which etcd is spoken to, and that a member shows.

use super::{EtcdError, TlsFiles, error::chain};
use crate::source::{Certificate, Renewable};
use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

impl TlsFiles {
    /// The certificate that etcd is shown, and that of the authority which etcd's are signed by.
    pub fn certificates(&self) -> Vec<Renewable> {
        let files = [("etcd-client", &self.cert), ("etcd-ca", &self.ca)];
        files.into_iter().filter_map(|(of, file)| Some(Renewable::in_file(of, file.as_ref()?))).collect()
    }
}

/// Asks a server for its certificate, without judging it: to tell when it expires is the point, and an expired one must
/// be told too.
pub async fn server_certificate(
    endpoint: &str,
    tls: Option<&TlsFiles>,
    timeout: Duration,
) -> Result<Certificate, EtcdError> {
    let bad = |reason: String| EtcdError::Unreachable { endpoint: endpoint.to_owned(), reason };
    let url = url::Url::parse(endpoint).map_err(|e| bad(e.to_string()))?;
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let name = tls.and_then(|t| t.server_name.clone()).unwrap_or_else(|| host.clone());
    let seen = Arc::new(Seen::default());
    let config = ClientConfig::builder()
        .dangerous()
        .with_custom_certificate_verifier(seen.clone())
        .with_no_client_auth();
    let name = ServerName::try_from(name).map_err(|e| bad(e.to_string()))?;
    let handshake = async {
        let tcp = tokio::net::TcpStream::connect((host.as_str(), url.port_or_known_default().unwrap_or(443)))
            .await?;
        tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, tcp).await
    };
    let result = tokio::time::timeout(timeout, handshake).await;
    // A server that wants a client certificate ends the handshake, but has shown its own by then.
    if let Some(found) = seen.0.lock().ok().and_then(|s| s.clone()) {
        return Ok(found);
    }
    Err(bad(match result {
        Ok(Ok(_)) => "it showed no certificate".into(),
        Ok(Err(e)) => chain(&e),
        Err(_) => format!("no TLS handshake within {} s", timeout.as_secs_f32()),
    }))
}

#[derive(Debug, Default)]
struct Seen(Mutex<Option<Certificate>>);

impl ServerCertVerifier for Seen {
    fn verify_server_cert(
        &self,
        der: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if let Ok(mut seen) = self.0.lock() {
            *seen = Certificate::from_der(der);
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}
