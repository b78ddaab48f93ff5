//! Until when certificates hold: those with which etcd, an API server and a store are spoken to.

use jiff::{SignedDuration, Timestamp};
use rustls::pki_types::{CertificateDer, pem, pem::PemObject};
use std::path::Path;
use thiserror::Error;
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

/// A certificate that backups need, and that has to be renewed in time.
#[derive(Debug)]
pub struct Renewable {
    /// What it is for, such as `etcd-client`.
    pub of: &'static str,
    /// Where it is: a file.
    pub place: String,
    /// What it says; of several that one which ceases to hold first.
    pub read: Result<Certificate, BadCertificate>,
}

/// Why a certificate cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("no certificate can be read from {place}: {reason}")]
pub struct BadCertificate {
    place: String,
    reason: String,
}

impl Renewable {
    /// Reads a file.
    pub fn in_file(of: &'static str, path: &Path) -> Self {
        let place = path.display().to_string();
        let read = std::fs::read(path).map_err(|e| e.to_string());
        Self::of(of, place, read.and_then(|bytes| in_pem(&bytes)))
    }

    /// Reads what was in a place.
    pub(super) fn in_pem(of: &'static str, place: String, bytes: &[u8]) -> Self {
        Self::of(of, place, in_pem(bytes))
    }

    /// Takes the certificates that were in a place, as they are signed.
    pub(super) fn in_der(of: &'static str, place: String, all: &[Vec<u8>]) -> Self {
        Self::of(of, place, earliest(all.iter().map(|der| Ok(der.as_slice()))))
    }

    /// What was in a place cannot even be looked at.
    pub(super) fn unreadable(of: &'static str, place: String, reason: &str) -> Self {
        Self::of(of, place, Err(reason.to_owned()))
    }

    fn of(of: &'static str, place: String, read: Result<Certificate, String>) -> Self {
        let read = read.map_err(|reason| BadCertificate { place: place.clone(), reason });
        Renewable { of, place, read }
    }
}

impl Certificate {
    /// From when on somebody should have renewed it: in the last tenth of its life, and at most so long before its end.
    /// What is issued for a day is not renewed weeks ahead.
    pub fn overdue_from(&self, at_most: SignedDuration) -> Timestamp {
        let tenth = self.not_after.duration_since(self.not_before) / 10;
        self.not_after.saturating_sub(tenth.min(at_most)).unwrap_or(self.not_after)
    }

    /// Has it ceased to hold?
    pub fn has_expired(&self, now: Timestamp) -> bool {
        self.not_after < now
    }

    pub(super) fn from_der(der: &[u8]) -> Option<Self> {
        let (_, parsed) = X509Certificate::from_der(der).ok()?;
        let validity = parsed.validity();
        Some(Certificate {
            subject: parsed.subject().to_string(),
            not_before: Timestamp::from_second(validity.not_before.timestamp()).ok()?,
            not_after: Timestamp::from_second(validity.not_after.timestamp()).ok()?,
        })
    }
}

fn in_pem(bytes: &[u8]) -> Result<Certificate, String> {
    let all = CertificateDer::pem_slice_iter(bytes);
    // What stands there is not repeated: there may be a key beside it.
    earliest(all.map(|it| {
        it.map_err(|e| match e {
            pem::Error::MissingSectionEnd { .. } => "it ends in the middle of one",
            _ => "it is not the PEM of one",
        })
    }))
}

/// That one which ceases to hold first.
fn earliest(
    all: impl Iterator<Item = Result<impl AsRef<[u8]>, &'static str>>,
) -> Result<Certificate, String> {
    let mut first: Option<Certificate> = None;
    for der in all {
        let it = Certificate::from_der(der?.as_ref()).ok_or("what it holds is not an X.509 certificate")?;
        if first.as_ref().is_none_or(|first| it.not_after < first.not_after) {
            first = Some(it);
        }
    }
    first.ok_or_else(|| "it holds none in PEM form".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    fn until(year: i32) -> String {
        let mut params = CertificateParams::default();
        params.not_after = date_time_ymd(year, 1, 1);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().pem()
    }

    fn read(text: &str) -> Result<String, String> {
        let it = Renewable::in_pem("etcd-ca", "ca.crt".to_owned(), text.as_bytes());
        it.read.map(|it| it.not_after.to_string()).map_err(|e| e.to_string())
    }

    #[test]
    fn of_several_the_first_to_expire_counts() {
        let key = KeyPair::generate().unwrap().serialize_pem();
        let all = format!("# a comment\n{}{key}{}{}", until(2040), until(2031), until(2050));
        assert_eq!(read(&all), Ok("2031-01-01T00:00:00Z".to_owned()));
        assert_eq!(read(&until(2019)), Ok("2019-01-01T00:00:00Z".to_owned()));
    }

    #[test]
    fn what_is_none_is_told_without_what_stands_there() {
        let good = until(2040);
        let cut = &good[..good.len() / 2];
        let hush = "-----BEGIN CERTIFICATE-----\naHVzaA==\n-----END CERTIFICATE-----\n";
        for (text, why) in [
            ("", "it holds none in PEM form"),
            ("hush", "it holds none in PEM form"),
            ("-----BEGIN hush\nhush\n", "it is not the PEM of one"),
            (cut, "it ends in the middle of one"),
            (hush, "what it holds is not an X.509 certificate"),
            (&format!("{good}{hush}"), "what it holds is not an X.509 certificate"),
            ("-----BEGIN CERTIFICATE-----\nhu!sh\n-----END CERTIFICATE-----\n", "it is not the PEM of one"),
        ] {
            assert_eq!(read(text), Err(format!("no certificate can be read from ca.crt: {why}")), "{text}");
        }
        let none = Renewable::in_file("etcd-ca", Path::new("/nowhere/ca.crt"));
        assert!(none.read.unwrap_err().to_string().contains("/nowhere/ca.crt: No such file"));
    }
}
