use std::io;
use thiserror::Error;

/// What a store can answer with.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The object is there already. Nothing is ever overwritten.
    #[error("{key} exists already in {store}: nothing is ever overwritten")]
    Exists {
        /// The object.
        key: String,
        /// The store's URL.
        store: String,
    },
    /// There is no such object.
    #[error("{key} is not in {store}")]
    NotFound {
        /// The object.
        key: String,
        /// The store's URL.
        store: String,
    },
    /// Larger than such an object can be.
    #[error("{key} is larger than {limit} bytes, which such an object never is: it is not read")]
    TooLarge {
        /// The object.
        key: String,
        /// The limit in bytes.
        limit: u64,
    },
    /// What was to be stored failed before its end.
    #[error("{0}")]
    Body(io::Error),
    /// No space is left.
    #[error(
        "{store} is full: {key} was not written and nothing was left behind; free some space or use another store"
    )]
    Full {
        /// The object.
        key: String,
        /// The store's URL.
        store: String,
    },
    /// The store may not be written or read.
    #[error(
        "cannot {action} {key} in {store}: permission denied; check the owner, the mode and whether it is mounted read-only"
    )]
    Denied {
        /// What was tried.
        action: &'static str,
        /// The object.
        key: String,
        /// The store's URL.
        store: String,
    },
    /// What the store has is not what was sent.
    #[error("{key} did not arrive in {store} as it was sent: {reason}")]
    Changed {
        /// The object.
        key: String,
        /// The store's URL.
        store: String,
        /// In what it differs.
        reason: String,
    },
    /// Objects are to be locked, and cannot be.
    #[error(
        "{store} cannot lock objects, and s3.objectLock asks for it: Object Lock is switched on for a bucket when it is \
         created (or by the service's support); without s3.objectLock it works, unlocked"
    )]
    NoLock {
        /// The store's URL.
        store: String,
    },
    /// The store's settings cannot be used.
    #[error("{store}: {reason}")]
    Settings {
        /// The store's URL.
        store: String,
        /// What is wrong with them.
        reason: String,
    },
    /// A service refused, or could not be reached.
    #[error("cannot {action} {key} in {store}: {reason}{help}")]
    Remote {
        /// What was tried.
        action: &'static str,
        /// The object.
        key: String,
        /// The store's URL.
        store: String,
        /// What the service said.
        reason: String,
        /// What to do about it; empty, or beginning with a semicolon.
        help: String,
    },
    /// Anything else that the system said.
    #[error("cannot {action} {key} in {store}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The object.
        key: String,
        /// The store's URL.
        store: String,
        /// What the system said.
        source: io::Error,
    },
}

impl StoreError {
    /// The error for an I/O error of the system.
    pub fn io(action: &'static str, store: &str, key: &str, source: io::Error) -> Self {
        let (key, store) = (key.to_owned(), store.to_owned());
        match source.kind() {
            // A write that finds nothing misses its directory, not the object.
            io::ErrorKind::NotFound if action != "write" => StoreError::NotFound { key, store },
            io::ErrorKind::AlreadyExists => StoreError::Exists { key, store },
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::Full { key, store },
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                StoreError::Denied { action, key, store }
            }
            _ => StoreError::Io { action, key, store, source },
        }
    }
}
