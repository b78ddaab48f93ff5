//! The only place that knows age.

use super::PipelineError;
use age::{
    Callbacks, DecryptError, Decryptor, EncryptError, Encryptor, IdentityFile, plugin,
    secrecy::{ExposeSecret, SecretString},
    x25519,
};
use std::{
    collections::BTreeSet,
    io::{Read, Write},
    path::Path,
};

/// What plugins may ask of a person. Lifeboat runs unattended: messages go to the log, questions have no answer.
#[derive(Clone)]
struct Unattended;

impl Callbacks for Unattended {
    fn display_message(&self, message: &str) {
        tracing::warn!("age plugin: {message}");
    }
    fn confirm(&self, _: &str, _: &str, _: Option<&str>) -> Option<bool> {
        None
    }
    fn request_public_string(&self, _: &str) -> Option<String> {
        None
    }
    fn request_passphrase(&self, _: &str) -> Option<SecretString> {
        None
    }
}

/// To whom an artifact is encrypted: age recipients, native (X25519) or of plugins.
#[derive(Debug, Clone)]
pub struct Recipients {
    names: Vec<String>,
}

impl Recipients {
    /// Checks each recipient, and that each plugin's program is there.
    pub fn new<S: AsRef<str>>(recipients: &[S]) -> Result<Self, PipelineError> {
        let mut names: Vec<String> = recipients.iter().map(|r| r.as_ref().trim().to_owned()).collect();
        names.dedup();
        let recipients = Recipients { names };
        recipients.parsed()?;
        Ok(recipients)
    }

    /// The recipients as text, in the order given.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    fn parsed(&self) -> Result<Vec<Box<dyn age::Recipient + Send>>, PipelineError> {
        if self.names.is_empty() {
            return Err(PipelineError::NoRecipient);
        }
        let mut parsed: Vec<Box<dyn age::Recipient + Send>> = Vec::new();
        let mut of_plugins = Vec::new();
        for (i, name) in self.names.iter().enumerate() {
            if let Ok(native) = name.parse::<x25519::Recipient>() {
                parsed.push(Box::new(native));
            } else {
                let reason = |why: &str| PipelineError::Recipient { position: i + 1, reason: why.to_owned() };
                of_plugins.push(name.parse::<plugin::Recipient>().map_err(reason)?);
            }
        }
        let names: BTreeSet<&str> = of_plugins.iter().map(|r| r.plugin()).collect();
        for name in names {
            let plugin = plugin::RecipientPluginV1::new(name, &of_plugins, &[], Unattended)
                .map_err(|e| PipelineError::Plugin { name: name.to_owned(), reason: e.to_string() })?;
            parsed.push(Box::new(plugin));
        }
        Ok(parsed)
    }

    /// Wraps `output` so that what is written comes out encrypted. `finish` on the result is mandatory.
    pub(super) fn encrypt<W: Write>(&self, output: W) -> Result<age::stream::StreamWriter<W>, PipelineError> {
        let parsed = self.parsed()?;
        let encryptor = Encryptor::with_recipients(parsed.iter().map(|r| &**r as &dyn age::Recipient));
        let failed = |e: EncryptError| PipelineError::Encrypt(e.to_string());
        encryptor.map_err(failed)?.wrap_output(output).map_err(PipelineError::Io)
    }
}

/// The keys that open artifacts. They never leave memory and are not shown.
pub struct Identities(Vec<Box<dyn age::Identity + Send + Sync>>);

impl std::fmt::Debug for Identities {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Identities({})", self.0.len())
    }
}

impl Identities {
    /// Reads identity files as `age -i` does: one identity a line, `#` for comments.
    pub fn from_files<P: AsRef<Path>>(paths: &[P]) -> Result<Self, PipelineError> {
        let mut all = Vec::new();
        for path in paths {
            let path = path.as_ref();
            let bad = |reason: String| PipelineError::Identity { path: path.display().to_string(), reason };
            let text = std::fs::read(path).map_err(|e| bad(e.to_string()))?;
            if text.starts_with(b"age-encryption.org/") || text.starts_with(b"-----BEGIN AGE ENCRYPTED FILE")
            {
                return Err(bad(
                    "it is protected by a passphrase: decrypt it with `age -d` to a private file first"
                        .into(),
                ));
            }
            // age's own message would quote the line, and the line may be a key with a typing error in it.
            let file = IdentityFile::from_buffer(text.as_slice())
                .map_err(|_| bad("it has a line that is neither a comment nor an age identity".into()))?;
            let identities =
                file.with_callbacks(Unattended).into_identities().map_err(|e| bad(e.to_string()))?;
            if identities.is_empty() {
                return Err(bad(
                    "it holds no identity (a line that begins with AGE-SECRET-KEY-1 or AGE-PLUGIN-)".into(),
                ));
            }
            all.extend(identities);
        }
        if all.is_empty() { Err(PipelineError::NoIdentity) } else { Ok(Identities(all)) }
    }

    /// Wraps `input` so that what is read comes out decrypted.
    pub(super) fn decrypt<R: Read>(&self, input: R) -> Result<age::stream::StreamReader<R>, PipelineError> {
        let failed = |e: DecryptError| match e {
            DecryptError::NoMatchingKeys => PipelineError::WrongIdentity,
            DecryptError::Io(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => {
                PipelineError::Decrypt("it ends in the middle of its header".into())
            }
            DecryptError::Io(e) => PipelineError::Io(e),
            other => PipelineError::Decrypt(other.to_string()),
        };
        let decryptor = Decryptor::new(input).map_err(failed)?;
        decryptor.decrypt(self.0.iter().map(|i| &**i as &dyn age::Identity)).map_err(failed)
    }
}

/// A new X25519 identity: the text of its file and its recipient.
pub fn generate_identity() -> (SecretString, String) {
    let identity = x25519::Identity::generate();
    let recipient = identity.to_public().to_string();
    (identity.to_string().expose_secret().to_owned().into(), recipient)
}
