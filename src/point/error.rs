use thiserror::Error;

/// Why a noun could not be made from the text at hand.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum PointError {
    /// Not the form of a recovery point's id.
    #[error("`{0}` is not a recovery point's id: expected the form 20261123T084500Z-k3f9")]
    Id(String),
    /// Not 64 lower-case hexadecimal digits.
    #[error("`{0}` is not a SHA-256 digest: expected 64 hexadecimal digits")]
    Digest(String),
    /// A key that a store must not be asked for.
    #[error("the key {key:?} is refused: {reason}")]
    Key {
        /// The key as it was given.
        key: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The manifest is not what this program can read.
    #[error("the manifest cannot be read: {0}")]
    Manifest(String),
    /// The record is not what this program can read.
    #[error("the record cannot be read: {0}")]
    Record(String),
    /// Not the form of a scheduled run's name.
    #[error("`{0}` is no run of a schedule: those look like hourly/20261129T150000Z-1")]
    Turn(String),
    /// Not the form of a tag.
    #[error(
        "`{0}` is not a tag: write `key` or `key=value`; a key has lower-case letters, digits and `-`, a value also upper-case \
         letters, `.` and `_`; each begins and ends with a letter or digit and has 63 characters at most"
    )]
    Tag(String),
    /// Written by a program whose format this one does not know.
    #[error(
        "the manifest has format {found}, and this program reads {}.x: use a newer lifeboat",
        super::FORMAT_MAJOR
    )]
    NewerFormat {
        /// The version in the manifest.
        found: String,
    },
}
