//! The minisign signature over a manifest or a record. The only place that knows minisign.

use super::PipelineError;
use aws_lc_rs::signature::{ED25519, ParsedPublicKey};
use blake2::{Blake2b512, Digest as _};
use ct_codecs::{Base64, Decoder};
use minisign::{KeyPair, PublicKey, SecretKey, SecretKeyBox, SignatureBox};
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use std::io::Cursor;

const MANIFEST: &str = "signature of a lifeboat manifest";
const RECORD: &str = "signature of a lifeboat record";

/// Signs manifests and records.
#[derive(Clone)]
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
        let key = PublicKey::from_secret_key(&self.0).map_err(|e| e.to_string());
        key.and_then(|key| Verifier::of(&key)).map_err(PipelineError::SigningKey)
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

/// In a public key, where its point is; before it stand the algorithm and the key's number.
const POINT: std::ops::Range<usize> = 10..42;
/// In the first of the two signatures; before it stand the same.
const SIGNATURE: std::ops::Range<usize> = 10..74;

/// Checks the signatures of manifests and records. A listing checks thousands, and so the arithmetic is not minisign's own
/// but that of the library which TLS uses, several times faster.
#[derive(Clone)]
pub struct Verifier {
    number: [u8; 8],
    key: ParsedPublicKey,
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Verifier({:016X})", u64::from_le_bytes(self.number))
    }
}

impl Verifier {
    /// Reads a public key: its line `RWQ…`, or the text of a minisign public key file.
    pub fn new(key: &str) -> Result<Self, PipelineError> {
        let line = key.lines().map(str::trim).rfind(|l| !l.is_empty()).unwrap_or_default();
        let key = PublicKey::from_base64(line).map_err(|e| e.to_string());
        key.and_then(|key| Verifier::of(&key)).map_err(PipelineError::PublicKey)
    }

    fn of(key: &PublicKey) -> Result<Self, String> {
        let bytes = key.to_bytes();
        let point = bytes.get(POINT).unwrap_or_default();
        if anything_holds_under(point) {
            return Err("it is no key that anybody can have made".to_owned());
        }
        let number = key.keynum().try_into().map_err(|_| "its number has the wrong length".to_owned())?;
        let key = ParsedPublicKey::new(&ED25519, point).map_err(|e| e.to_string())?;
        Ok(Verifier { number, key })
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
        if parsed.keynum() != self.number {
            return Err(bad("it was made with another key than the expected one"));
        }
        // Minisign once signed the bytes themselves. Lifeboat never did.
        if !parsed.is_prehashed() {
            return Err(bad("it is in minisign's old form, which lifeboat does not write"));
        }
        let decoded = |line| Base64::decode_to_vec(text.lines().nth(line)?.trim(), None).ok();
        let (Some(outer), Some(over_comment)) = (decoded(1), decoded(3)) else {
            return Err(bad("the signature file is damaged: it is not in minisign's form"));
        };
        let over_bytes = outer.get(SIGNATURE).unwrap_or_default();
        let holds = |message: &[u8], signature| self.key.verify_sig(message, signature).is_ok();
        if !holds(&Blake2b512::digest(bytes), over_bytes) {
            return Err(bad("the bytes are not those that were signed"));
        }
        let said = parsed.trusted_comment().unwrap_or_default();
        if !holds(&[over_bytes, said.as_bytes()].concat(), &over_comment) {
            return Err(bad("its comment is not the one that was signed"));
        }
        if said != comment {
            return Err(bad("it belongs to another recovery point or record"));
        }
        if !parsed.untrusted_comment().is_ok_and(|c| c == untrusted) || parsed.into_string() != text {
            return Err(bad("the signature file has been altered outside of what is signed"));
        }
        Ok(())
    }
}

/// The curve's neutral point, and no point at all: minisign refuses them, the library does not.
fn anything_holds_under(point: &[u8]) -> bool {
    match point {
        [0 | 1, middle @ .., last] => middle.iter().all(|byte| *byte == 0) && last & 0x7f == 0,
        _ => false,
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
mod tests;
