//! Certificates of a staging: an authority of its own, that nobody else trusts and that goes with it.

use super::super::{StagingError, home::Home};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use std::path::PathBuf;

/// A certificate and its key, as files.
#[derive(Debug, Clone)]
pub(super) struct Pair {
    pub(super) cert: PathBuf,
    pub(super) key: PathBuf,
}

/// All that the servers need.
#[derive(Debug, Clone)]
pub(super) struct Pki {
    pub(super) ca: PathBuf,
    /// What every server shows.
    pub(super) server: Pair,
    /// What the API server shows to etcd.
    pub(super) etcd_client: Pair,
    /// Who may do everything.
    pub(super) admin: Pair,
    /// What service account tokens are signed with; its `cert` is the bare public key.
    pub(super) accounts: Pair,
}

impl Pki {
    /// Makes everything anew.
    pub(super) fn make(home: &Home) -> Result<Self, StagingError> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "lifeboat-drill");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate().map_err(refused)?;
        let ca = home.write("ca.crt", &params.self_signed(&key).map_err(refused)?.pem())?;
        let issuer = Issuer::new(params, key);

        let names = ["127.0.0.1", "localhost", "kubernetes.default.svc"].map(String::from);
        let mut server = CertificateParams::new(names).map_err(refused)?;
        server.distinguished_name.push(DnType::CommonName, "lifeboat-drill-server");
        // Members of etcd are each other's clients.
        server.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let client = |name: &str, group: Option<&str>| {
            let mut params = CertificateParams::default();
            params.distinguished_name.push(DnType::CommonName, name);
            if let Some(group) = group {
                params.distinguished_name.push(DnType::OrganizationName, group);
            }
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
            params
        };
        let issue = |file: &str, mut params: CertificateParams| {
            params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
            let key = KeyPair::generate().map_err(refused)?;
            let cert = params.signed_by(&key, &issuer).map_err(refused)?;
            Ok::<_, StagingError>(Pair {
                cert: home.write(&format!("{file}.crt"), &cert.pem())?,
                key: home.write(&format!("{file}.key"), &key.serialize_pem())?,
            })
        };
        let accounts = KeyPair::generate().map_err(refused)?;
        Ok(Pki {
            server: issue("server", server)?,
            etcd_client: issue("etcd-client", client("kube-apiserver", None))?,
            admin: issue("admin", client("lifeboat-drill", Some("system:masters")))?,
            accounts: Pair {
                cert: home.write("accounts.pub", &accounts.public_key_pem())?,
                key: home.write("accounts.key", &accounts.serialize_pem())?,
            },
            ca,
        })
    }
}

fn refused(error: rcgen::Error) -> StagingError {
    StagingError::Refused(format!("the certificates of staging could not be made: {error}"))
}
