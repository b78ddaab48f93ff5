//! Temporary credentials before a server that knows lasting ones only: the signature is compared, and made anew.

use crate::lab::s3;
use aws_lc_rs::hmac;
use sha2::{Digest, Sha256};

/// The token that belongs to the lab's temporary credentials, which for the rest are its lasting ones.
pub const TOKEN: &str = "lab-token";

const HEADER: &str = "x-amz-security-token";

/// The head of a request as the server takes it. `None` for one that is not signed with the temporary credentials, token and
/// all.
pub fn signed_anew(head: &str) -> Option<String> {
    let (first, rest) = head.split_once("\r\n")?;
    let headers: Vec<(String, &str)> = rest
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_lowercase(), value.trim()))
        .collect();
    let value = |name: &str| headers.iter().find(|(n, _)| n == name).map(|(_, value)| *value);
    let signed = value("authorization")?.strip_prefix("AWS4-HMAC-SHA256 ")?;
    let field = |name: &str| signed.split(", ").find_map(|field| field.strip_prefix(name)?.strip_prefix('='));
    let scope = field("Credential")?.strip_prefix(s3::ACCESS_KEY)?.strip_prefix('/')?;
    let names: Vec<&str> = field("SignedHeaders")?.split(';').collect();
    if value(HEADER)? != TOKEN || !names.contains(&HEADER) {
        return None;
    }
    let sign = |names: &[&str]| -> Option<String> {
        let mut canonical = String::new();
        for name in names {
            canonical.push_str(&format!("{name}:{}\n", value(name)?));
        }
        let mut words = first.split(' ');
        let (method, target) = (words.next()?, words.next()?);
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let named = |field: &str| if field.contains('=') { field.to_owned() } else { format!("{field}=") };
        let mut query: Vec<String> = query.split('&').filter(|field| !field.is_empty()).map(named).collect();
        query.sort();
        let (query, names, payload) = (query.join("&"), names.join(";"), value("x-amz-content-sha256")?);
        let request = format!("{method}\n{path}\n{query}\n{canonical}\n{names}\n{payload}");
        let digest = hex(&Sha256::digest(request));
        let text = format!("AWS4-HMAC-SHA256\n{}\n{scope}\n{digest}", value("x-amz-date")?);
        let mut key = format!("AWS4{}", s3::SECRET_KEY).into_bytes();
        for part in scope.split('/').chain([text.as_str()]) {
            key = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), part.as_bytes()).as_ref().to_vec();
        }
        Some(hex(&key))
    };
    let own = field("Signature")?;
    if sign(&names)? != own {
        return None;
    }
    let left: Vec<&str> = names.iter().copied().filter(|name| *name != HEADER).collect();
    let lines = head.split_inclusive("\r\n").filter(|line| !line.to_lowercase().starts_with(HEADER));
    let without: String = lines.collect();
    Some(without.replace(own, &sign(&left)?).replace(&names.join(";"), &left.join(";")))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
