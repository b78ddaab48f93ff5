//! The signature by which a receiver knows who wrote a message: HMAC-SHA256 (RFC 2104) over the time, a dot and the body.

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use std::fmt::Write;

/// The header's value: `t=<seconds since 1970>,v1=<hexadecimal digits>`. The time is signed along, so that a receiver can refuse what
/// somebody caught and sends again.
pub(super) fn signature(secret: &SecretString, at: Timestamp, body: &[u8]) -> String {
    let at = at.as_second();
    let mut text = format!("t={at},v1=");
    // Any key has a length that fits.
    if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()) {
        mac.update(at.to_string().as_bytes());
        mac.update(b".");
        mac.update(body);
        for byte in mac.finalize().into_bytes() {
            let _ = write!(text, "{byte:02x}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_that_of_other_programs() {
        // printf '1790000000.{"a":1}' | openssl dgst -sha256 -hmac key
        let at = Timestamp::from_second(1_790_000_000).unwrap();
        let made = signature(&"key".into(), at, b"{\"a\":1}");
        assert_eq!(made, "t=1790000000,v1=7a4d26944722100249410c8c7f2e76c3cc6e9735fcc98b39e44a122da5490ffc");
        let (other_key, other_body) =
            (signature(&"kez".into(), at, b"{\"a\":1}"), signature(&"key".into(), at, b"{\"a\":2}"));
        assert!(made != other_key && made != other_body);
    }
}
