use std::io;
use thiserror::Error;

/// What can go wrong between plaintext and the store.
#[derive(Debug, Error)]
pub enum PipelineError {
    /// Nothing to encrypt to.
    #[error(
        "there is no recipient to encrypt to: put at least one age recipient (age1…) under encryption.recipients"
    )]
    NoRecipient,
    /// A recipient that age does not accept.
    #[error("recipient {position} is not one that age knows ({reason}): expected age1… or age1<plugin>1…")]
    Recipient {
        /// Counted from 1.
        position: usize,
        /// What age says.
        reason: String,
    },
    /// The program of an age plugin is missing or failed.
    #[error("the age plugin `{name}` cannot be used: {reason}; install age-plugin-{name} into PATH")]
    Plugin {
        /// The plugin's name.
        name: String,
        /// What age says.
        reason: String,
    },
    /// An identity file that cannot be used.
    #[error("the identity file {path} cannot be used: {reason}")]
    Identity {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
    /// No identity was given.
    #[error("this needs the age identity: give its file with -i/--identity or in $LIFEBOAT_IDENTITY")]
    NoIdentity,
    /// None of the identities at hand is among the recipients.
    #[error("none of the identities given opens this artifact: it was encrypted to other recipients")]
    WrongIdentity,
    /// The ciphertext is damaged, cut short or not age's.
    #[error("the artifact does not decrypt: {0}")]
    Decrypt(String),
    /// The compressed stream is damaged.
    #[error("the artifact does not decompress: {0}")]
    Decompress(String),
    /// More plaintext than the manifest announces.
    #[error("the artifact holds more than the {0} bytes that its manifest announces: it is refused")]
    TooLong(u64),
    /// Encrypting failed.
    #[error("the artifact cannot be encrypted: {0}")]
    Encrypt(String),
    /// Reading, writing or compressing failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The source gave up before its end.
    #[error("the source ended before its time")]
    Aborted,
    /// A signing key that cannot be used.
    #[error("the signing key cannot be used: {0}")]
    SigningKey(String),
    /// A public key that cannot be used.
    #[error("the public key cannot be used: {0}; expected the line RWQ… of a minisign public key")]
    PublicKey(String),
    /// The signature does not hold.
    #[error("the signature does not hold: {0}")]
    Signature(String),
}
