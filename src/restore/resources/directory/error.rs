use std::{
    fmt, io,
    path::{Path, PathBuf},
};

/// A document of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: PathBuf,
    /// Which one of its documents, from 1.
    pub document: usize,
    /// The line, from 1, where it is known.
    pub line: Option<usize>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        match self.document {
            1 => Ok(()),
            n => write!(f, " (document {n})"),
        }
    }
}

/// Why a directory of objects cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DirectoryError {
    /// The system does not let it be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A link leads to another place, or to none.
    #[error(
        "{} is a link that leads out of the directory, or to nothing: put what it stands for in its place, or remove it",
        path.display()
    )]
    Link {
        /// The link.
        path: PathBuf,
    },
    /// The file is larger than any that holds objects.
    #[error("{} is larger than {limit} bytes: divide it", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The most bytes that a file may have.
        limit: u64,
    },
    /// A file is not what its name says, or holds something that is no object.
    #[error("{place}: {reason}")]
    Wrong {
        /// Where.
        place: Place,
        /// What is wrong and what to do. Values are not repeated.
        reason: String,
    },
    /// An object is there twice.
    #[error("{object} is in {first} and again in {second}: keep one of them")]
    Twice {
        /// The object.
        object: String,
        /// Where it was first.
        first: Place,
        /// Where it is again.
        second: Place,
    },
    /// Whoever was given an object refused it.
    #[error("{0}")]
    Refused(String),
}

impl DirectoryError {
    pub(super) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        |source| DirectoryError::Io { path: path.to_owned(), source }
    }
}
