//! Certificates: an authority of its own for every lab.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Result;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio_rustls::TlsAcceptor;

/// A certificate and its key, as PEM files.
#[derive(Clone, Debug)]
pub struct Pair {
    /// The certificate.
    pub cert: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

impl Pair {
    /// What lets a server speak TLS with it.
    pub fn acceptor(&self) -> Result<TlsAcceptor> {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let chain = CertificateDer::pem_file_iter(&self.cert)?.collect::<Result<Vec<_>, _>>()?;
        let key = PrivateKeyDer::from_pem_file(&self.key)?;
        let config = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key)?;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

/// A certificate authority in a directory. Opened in another directory it is another authority.
pub struct Pki {
    dir: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

impl Pki {
    /// Opens the authority in `dir`, made if it is not there.
    pub fn open(dir: &Path) -> Result<Self> {
        fs::create_dir_all(dir)?;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "lab-ca");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let pair = pair(dir, "ca");
        let key = if pair.key.exists() {
            KeyPair::from_pem(&fs::read_to_string(&pair.key)?)?
        } else {
            let key = KeyPair::generate()?;
            fs::write(&pair.cert, params.self_signed(&key)?.pem())?;
            fs::write(&pair.key, key.serialize_pem())?;
            key
        };
        // The same name and key sign for the certificate that is there already.
        Ok(Self { dir: dir.to_owned(), issuer: Issuer::new(params, key) })
    }

    /// The authority's certificate.
    pub fn ca(&self) -> PathBuf {
        pair(&self.dir, "ca").cert
    }

    /// A certificate for a server on loopback, which also holds between members of etcd.
    pub fn server(&self, file: &str) -> Result<Pair> {
        self.issue(file, server(file)?)
    }

    /// The same, but its time is over.
    pub fn expired_server(&self, file: &str) -> Result<Pair> {
        let mut params = server(file)?;
        params.not_after = date_time_ymd(2020, 1, 1);
        self.issue(file, params)
    }

    /// A certificate for a client: the user `name`, perhaps member of `group`.
    pub fn client(&self, file: &str, name: &str, group: Option<&str>) -> Result<Pair> {
        self.issue(file, client(name, group))
    }

    /// The same, but its time is over.
    pub fn expired_client(&self, file: &str, name: &str, group: Option<&str>) -> Result<Pair> {
        self.client_until(file, name, group, 2020)
    }

    /// One that holds until this year begins.
    pub fn client_until(&self, file: &str, name: &str, group: Option<&str>, year: i32) -> Result<Pair> {
        let mut params = client(name, group);
        params.not_after = date_time_ymd(year, 1, 1);
        self.issue(file, params)
    }

    /// The pair with which service account tokens are signed; its `cert` is the bare public key.
    pub fn service_account(&self) -> Result<Pair> {
        let pair =
            Pair { cert: self.dir.join("service-account.pub"), key: self.dir.join("service-account.key") };
        if !pair.key.exists() {
            let key = KeyPair::generate()?;
            fs::write(&pair.cert, key.public_key_pem())?;
            fs::write(&pair.key, key.serialize_pem())?;
        }
        Ok(pair)
    }

    fn issue(&self, file: &str, mut params: CertificateParams) -> Result<Pair> {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let (pair, key) = (pair(&self.dir, file), KeyPair::generate()?);
        fs::write(&pair.cert, params.signed_by(&key, &self.issuer)?.pem())?;
        fs::write(&pair.key, key.serialize_pem())?;
        Ok(pair)
    }
}

fn pair(dir: &Path, file: &str) -> Pair {
    Pair { cert: dir.join(format!("{file}.crt")), key: dir.join(format!("{file}.key")) }
}

fn server(name: &str) -> Result<CertificateParams> {
    let names = ["127.0.0.1", "localhost", "10.0.0.1", "kubernetes.default.svc"].map(String::from);
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.push(DnType::CommonName, name);
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    Ok(params)
}

fn client(name: &str, group: Option<&str>) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    if let Some(group) = group {
        params.distinguished_name.push(DnType::OrganizationName, group);
    }
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params
}
