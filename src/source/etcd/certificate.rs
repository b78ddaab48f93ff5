use super::{EtcdError, TlsFiles, error::chain};
use jiff::Timestamp;
use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};
use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};
use x509_parser::prelude::{FromDer, X509Certificate};

/// What matters of a certificate to who has to renew it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Its subject.
    pub subject: String,
    /// When it begins to hold.
    pub not_before: Timestamp,
    /// When it ceases to hold.
    pub not_after: Timestamp,
}

impl Certificate {
    /// Has it ceased to hold?
    pub fn has_expired(&self, now: Timestamp) -> bool {
        self.not_after < now
    }

    fn from_der(der: &[u8]) -> Option<Self> {
        let (_, parsed) = X509Certificate::from_der(der).ok()?;
        let validity = parsed.validity();
        Some(Certificate {
            subject: parsed.subject().to_string(),
            not_before: Timestamp::from_second(validity.not_before.timestamp()).ok()?,
            not_after: Timestamp::from_second(validity.not_after.timestamp()).ok()?,
        })
    }
}

/// Reads the certificate that etcd is shown.
pub fn client_certificate(path: &Path) -> Result<Certificate, EtcdError> {
    first_in(path, "client certificate")
}

/// Reads the certificate of the authority that signed etcd's.
pub fn authority(path: &Path) -> Result<Certificate, EtcdError> {
    first_in(path, "certificate authority")
}

/// Reads the first certificate of a PEM file.
fn first_in(path: &Path, role: &'static str) -> Result<Certificate, EtcdError> {
    let bad = |reason: &str| EtcdError::TlsFile { role, path: path.to_owned(), reason: reason.to_owned() };
    let der = CertificateDer::from_pem_file(path).map_err(|e| bad(&e.to_string()))?;
    Certificate::from_der(&der).ok_or_else(|| bad("it is not an X.509 certificate"))
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
