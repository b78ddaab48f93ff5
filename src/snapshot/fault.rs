//! The ways in which a page can break the rules of the file format.

use std::fmt;

use serde::Serialize;

/// A broken rule of the bbolt file format. The rules are those of bbolt's own check (`tx_check.go`), plus the
/// bounds that bbolt takes for granted because it trusts its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "rule", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum Fault {
    /// A meta page that is not valid (bbolt can work with one of two).
    Meta,
    /// A reference to a page that was never allocated.
    OutOfRange {
        /// The high-water mark: the first page number that was never allocated.
        high_water: u64,
    },
    /// The page and its overflow pages reach past the high-water mark.
    RunTooLong {
        /// Pages in the run.
        pages: u64,
    },
    /// The page's header names another page.
    WrongId {
        /// The page that it claims to be.
        found: u64,
    },
    /// Neither a branch nor a leaf, or not what is expected at this place.
    WrongType {
        /// The type flags in its header.
        flags: u16,
    },
    /// A second reference to the page.
    ReferencedTwice,
    /// The tree is deeper than a sound one can be.
    TooDeep,
    /// An element that lies outside its page.
    Element {
        /// Its place in the page.
        index: usize,
    },
    /// An element with an empty key.
    EmptyKey {
        /// Its place in the page.
        index: usize,
    },
    /// A key that is not above the one before it.
    KeyOrder {
        /// Its place in the page.
        index: usize,
    },
    /// A key that lies outside the range that the parent page gives.
    OutsideParent {
        /// Its place in the page.
        index: usize,
    },
    /// A branch page without children.
    EmptyBranch,
    /// A bucket entry whose value is no bucket.
    Bucket {
        /// Its place in the page.
        index: usize,
    },
    /// The list of free pages is longer than its page run.
    FreelistCount {
        /// Entries that it claims to have.
        count: u64,
    },
    /// Listed as free more than once.
    FreeTwice,
    /// Listed as free and in use.
    FreeInUse,
    /// Neither in use nor listed as free.
    Lost,
}

/// How bad a fault is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Level {
    /// Nothing is lost by it: space is wasted, or the second of two meta pages has to do.
    Warning,
    /// Data may be lost, wrong, or lost at the next write.
    Error,
}

impl Fault {
    /// How bad it is.
    pub fn level(self) -> Level {
        match self {
            Self::Meta | Self::Lost => Level::Warning,
            _ => Level::Error,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Meta => write!(f, "the meta page is not valid"),
            Self::OutOfRange { high_water } => {
                write!(f, "it is referenced but was never allocated (the file has {high_water} pages)")
            }
            Self::RunTooLong { pages } => write!(f, "its run of {pages} pages reaches past the last page"),
            Self::WrongId { found } => write!(f, "its header says that it is page {found}"),
            Self::WrongType { flags } => write!(f, "its type {flags:#06x} is not the one expected here"),
            Self::ReferencedTwice => write!(f, "it is referenced more than once"),
            Self::TooDeep => write!(f, "the tree above it is deeper than a sound one can be"),
            Self::Element { index } => write!(f, "element {index} lies outside the page"),
            Self::EmptyKey { index } => write!(f, "element {index} has an empty key"),
            Self::KeyOrder { index } => write!(f, "key {index} is not above the key before it"),
            Self::OutsideParent { index } => {
                write!(f, "key {index} lies outside the range that the parent page gives")
            }
            Self::EmptyBranch => write!(f, "it is a branch page without children"),
            Self::Bucket { index } => write!(f, "element {index} is marked as a bucket but is none"),
            Self::FreelistCount { count } => {
                write!(f, "it claims to list {count} free pages, which do not fit into it")
            }
            Self::FreeTwice => write!(f, "it is listed as free more than once"),
            Self::FreeInUse => write!(f, "it is in use and listed as free"),
            Self::Lost => write!(f, "it is neither in use nor listed as free"),
        }
    }
}
