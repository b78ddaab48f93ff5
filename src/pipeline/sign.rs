//! The minisign signature over a manifest or a record. The only place that knows minisign.

use super::PipelineError;
use ct_codecs::{Base64, Decoder};
use minisign::{KeyPair, PublicKey, SecretKey, SecretKeyBox, SignatureBox};
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use std::io::Cursor;

const MANIFEST: &str = "signature of a lifeboat manifest";
const RECORD: &str = "signature of a lifeboat record";

/// Signs manifests and records.
pub struct Signer(SecretKey);

impl Signer {
    /// Reads the text of a minisign secret key file; `password` for one that is protected.
    pub fn new(key: &SecretString, password: Option<&SecretString>) -> Result<Self, PipelineError> {
        // minisign's messages are not passed on where they might quote the key.
        let bad = |why: &str| PipelineError::SigningKey(why.to_owned());
        let text = key.expose_secret().trim();
        let boxed = || {
            SecretKeyBox::from_string(text)
                .map_err(|_| bad("it is not a minisign secret key file (two lines, a comment and the key)"))
        };
        let key = match password {
            Some(password) => boxed()?
                .into_secret_key(Some(password.expose_secret().to_owned()))
                .map_err(|_| bad("the password does not open it"))?,
            None => boxed()?
                .into_unencrypted_secret_key()
                .ok()
                .or_else(|| without_checksum(text))
                .ok_or_else(|| bad("it is damaged, or protected by a password: give signing.password"))?,
        };
        let signer = Signer(key);
        signer.try_out().map_err(|_| bad("it is damaged: what it signs does not hold"))?;
        Ok(signer)
    }

    /// Not every key has a checksum of its own, but each has its public key beside it.
    fn try_out(&self) -> Result<(), PipelineError> {
        let signature = self.sign(b"lifeboat", "probe")?;
        self.verifier()?.verify(b"lifeboat", signature.as_bytes(), "probe")
    }

    /// The text of a manifest's signature file. `comment` is signed along with the bytes.
    pub fn sign(&self, bytes: &[u8], comment: &str) -> Result<String, PipelineError> {
        self.signed(bytes, comment, MANIFEST)
    }

    /// The same for a record.
    pub fn sign_record(&self, bytes: &[u8], comment: &str) -> Result<String, PipelineError> {
        self.signed(bytes, comment, RECORD)
    }

    fn signed(&self, bytes: &[u8], comment: &str, untrusted: &str) -> Result<String, PipelineError> {
        let signed = minisign::sign(None, &self.0, Cursor::new(bytes), Some(comment), Some(untrusted));
        Ok(signed.map_err(|e| PipelineError::SigningKey(e.to_string()))?.into_string())
    }

    /// Checks signatures made by this key.
    pub fn verifier(&self) -> Result<Verifier, PipelineError> {
        let key = PublicKey::from_secret_key(&self.0);
        Ok(Verifier(key.map_err(|e| PipelineError::SigningKey(e.to_string()))?))
    }
}

/// Where a secret key says how it is protected, and where its checksum is.
const KDF: std::ops::Range<usize> = 2..4;
const CHECKSUM: std::ops::Range<usize> = 126..158;

/// A key that minisign before 0.12 made without a password (`minisign -G -W`): it left the checksum empty.
fn without_checksum(text: &str) -> Option<SecretKey> {
    let bytes = SecretSlice::from(Base64::decode_to_vec(text.lines().nth(1)?.trim(), None).ok()?);
    let bytes = bytes.expose_secret();
    let empty = |field| bytes.get(field).is_some_and(|field: &[u8]| field.iter().all(|byte| *byte == 0));
    (bytes.len() == CHECKSUM.end && empty(KDF) && empty(CHECKSUM))
        .then(|| SecretKey::from_bytes(bytes).ok())?
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer")
    }
}

/// Checks the signatures of manifests and records.
#[derive(Debug, Clone)]
pub struct Verifier(PublicKey);

impl Verifier {
    /// Reads a public key: its line `RWQ…`, or the text of a minisign public key file.
    pub fn new(key: &str) -> Result<Self, PipelineError> {
        let line = key.lines().map(str::trim).rfind(|l| !l.is_empty()).unwrap_or_default();
        PublicKey::from_base64(line).map(Verifier).map_err(|e| PipelineError::PublicKey(e.to_string()))
    }

    /// Holds when `signature` is this key's over a manifest's `bytes`, with exactly `comment`, and not one byte of the
    /// signature file differs from what lifeboat writes (minisign itself does not cover its first line).
    pub fn verify(&self, bytes: &[u8], signature: &[u8], comment: &str) -> Result<(), PipelineError> {
        self.verified(bytes, signature, comment, MANIFEST)
    }

    /// The same for a record.
    pub fn verify_record(&self, bytes: &[u8], signature: &[u8], comment: &str) -> Result<(), PipelineError> {
        self.verified(bytes, signature, comment, RECORD)
    }

    fn verified(
        &self,
        bytes: &[u8],
        signature: &[u8],
        comment: &str,
        untrusted: &str,
    ) -> Result<(), PipelineError> {
        let bad = |why: &str| PipelineError::Signature(why.to_owned());
        let text = std::str::from_utf8(signature).map_err(|_| bad("the signature file is not text"))?;
        // 74 and 64 bytes in base64; the library would panic over shorter ones.
        if !text.lines().map(str::len).skip(1).step_by(2).eq([100, 88]) {
            return Err(bad("the signature file is damaged: its lines have the wrong length"));
        }
        let parsed = SignatureBox::from_string(text)
            .map_err(|_| bad("the signature file is damaged: it is not in minisign's form"))?;
        minisign::verify(&self.0, &parsed, Cursor::new(bytes), true, false, false)
            .map_err(|e| PipelineError::Signature(e.to_string()))?;
        if parsed.trusted_comment().ok().as_deref() != Some(comment) {
            return Err(bad("it belongs to another recovery point or record"));
        }
        if !parsed.untrusted_comment().is_ok_and(|c| c == untrusted) || parsed.into_string() != text {
            return Err(bad("the signature file has been altered outside of what is signed"));
        }
        Ok(())
    }
}

/// A new signing key without a password: the text of the secret key file, and the public key's line.
pub fn generate_signing_key() -> Result<(SecretString, String), PipelineError> {
    let bad = |e: minisign::PError| PipelineError::SigningKey(e.to_string());
    let pair = KeyPair::generate_unencrypted_keypair().map_err(bad)?;
    let secret = pair.sk.to_box(Some("lifeboat signing key")).map_err(bad)?.into_string();
    Ok((secret.into(), pair.pk.to_base64()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ct_codecs::Encoder;

    #[test]
    fn every_changed_byte_of_message_and_signature_is_noticed() {
        let (secret, public) = generate_signing_key().unwrap();
        let message = b"{\"format\": \"1.0\"}\n".to_vec();
        let signature = Signer::new(&secret, None).unwrap().sign(&message, "prod x").unwrap().into_bytes();
        let verifier = Verifier::new(&public).unwrap();
        verifier.verify(&message, &signature, "prod x").unwrap();
        assert!(verifier.verify(&message, &signature, "prod y").is_err());
        for at in 0..message.len() {
            let mut changed = message.clone();
            changed[at] ^= 1;
            assert!(verifier.verify(&changed, &signature, "prod x").is_err(), "message byte {at}");
        }
        for at in 0..signature.len() {
            for bit in 0..8 {
                let mut changed = signature.clone();
                changed[at] ^= 1 << bit;
                assert!(
                    verifier.verify(&message, &changed, "prod x").is_err(),
                    "signature byte {at} bit {bit}"
                );
            }
            assert!(verifier.verify(&message, &signature[..at], "prod x").is_err(), "cut at {at}");
        }
    }

    /// What `minisign -G -W` of minisign 0.11 wrote.
    const NO_CHECKSUM: &str = "untrusted comment: minisign encrypted secret key\n\
        RWQAAEIyAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAALSm5EkdJt6dJCPAOtE+72OeMI6q0Vv8s1iYD/8H/kQmh2qLvCjLp1Yue01p90sCEtkz1vwJ44YH0AP0ddpPEJsM1RR4DD1rwAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n";

    #[test]
    fn a_key_without_a_checksum_is_taken_unless_it_is_damaged() {
        let signature = Signer::new(&NO_CHECKSUM.to_owned().into(), None).unwrap().sign(b"x", "c").unwrap();
        let verifier = Verifier::new("RWQtKbkSR0m3p4ue01p90sCEtkz1vwJ44YH0AP0ddpPEJsM1RR4DD1rw").unwrap();
        verifier.verify(b"x", signature.as_bytes(), "c").unwrap();
        // The protection, the key itself, its public half, the checksum; the key's number may be anything.
        for at in [2, 62, 93, 94, 125, 126, 157] {
            let (comment, line) = NO_CHECKSUM.trim().split_once('\n').unwrap();
            let mut bytes = Base64::decode_to_vec(line, None).unwrap();
            bytes[at] ^= 0x40;
            let text = format!("{comment}\n{}\n", Base64::encode_to_string(&bytes).unwrap());
            assert!(Signer::new(&text.into(), None).is_err(), "byte {at}");
        }
    }

    #[test]
    fn another_key_is_refused() {
        let (secret, _) = generate_signing_key().unwrap();
        let (_, other) = generate_signing_key().unwrap();
        let signature = Signer::new(&secret, None).unwrap().sign(b"x", "c").unwrap();
        assert!(Verifier::new(&other).unwrap().verify(b"x", signature.as_bytes(), "c").is_err());
        assert!(Signer::new(&"nonsense".to_owned().into(), None).is_err());
        assert!(Verifier::new("RWQnonsense").is_err());
    }
}
