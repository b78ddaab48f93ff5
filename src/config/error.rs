//! What can be wrong with a configuration file, said so that it can be mended.

use std::fmt;
use std::path::{Path, PathBuf};

/// One thing that is wrong in a configuration file, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// Line in the file, from 1.
    pub line: usize,
    /// Column in that line, in characters, from 1.
    pub column: usize,
    /// The field, such as `stores[0].url`; empty for the file as a whole.
    pub path: String,
    /// What is wrong, and what to write in its place. Never contains a secret.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.line, self.column)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

/// Everything that can go wrong with the configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// No file was named, and none of the usual places has one.
    #[error(
        "no configuration file: looked for {}; name one with --config, or write one with `lifeboat init`",
        places(.looked)
    )]
    NotFound {
        /// Where it was looked for, in order.
        looked: Vec<PathBuf>,
    },
    /// The file cannot be read.
    #[error("cannot read the {what} {}{}: {reason}", path.display(), origin(*.from_env))]
    Unreadable {
        /// What the file was taken for.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Whether `$LIFEBOAT_CONFIG` named it.
        from_env: bool,
        /// What the system said, with what to do.
        reason: String,
    },
    /// The file is larger than any such file can be.
    #[error("{} is larger than {} KiB: this is not a {what}", path.display(), super::MAX_BYTES / 1024)]
    TooLarge {
        /// What the file was taken for.
        what: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// The file was read and has mistakes; all that could be found at once are listed, one a line.
    #[error("{}", listed(.file, .problems))]
    Invalid {
        /// The file.
        file: PathBuf,
        /// The mistakes, in the order of the file; never empty.
        problems: Vec<Problem>,
    },
    /// A single value, from a flag or a prompt, is not what it should be.
    #[error("{0}")]
    Value(String),
    /// A command needs a section that the configuration does not have.
    #[error("the configuration has no `{section}` section: {help}")]
    Section {
        /// The section.
        section: &'static str,
        /// What to add.
        help: &'static str,
    },
    /// The configuration has no store of this name.
    #[error("the configuration has no store named `{name}`; it has {known}")]
    NoStore {
        /// The name asked for.
        name: String,
        /// The names that there are.
        known: String,
    },
    /// A secret's file or variable cannot be used.
    #[error("{field}: {reason}")]
    Secret {
        /// The field that refers to the secret, such as `etcd.auth.password`.
        field: String,
        /// What is wrong, with what to do.
        reason: String,
    },
}

impl ConfigError {
    /// The file that this error is about.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::Invalid { file: path, .. }
            | Self::Unreadable { path, .. }
            | Self::TooLarge { path, .. } => Some(path),
            _ => None,
        }
    }

    /// The mistakes in the file, if that is what this error is about.
    pub fn problems(&self) -> &[Problem] {
        match self {
            Self::Invalid { problems, .. } => problems,
            _ => &[],
        }
    }
}

fn places(looked: &[PathBuf]) -> String {
    let mut all = vec!["$LIFEBOAT_CONFIG (not set)".to_owned()];
    all.extend(looked.iter().map(|path| path.display().to_string()));
    all.join(", ")
}

fn origin(from_env: bool) -> &'static str {
    if from_env { " (named by $LIFEBOAT_CONFIG)" } else { "" }
}

fn listed(file: &Path, problems: &[Problem]) -> String {
    let lines: Vec<_> = problems.iter().map(|problem| format!("{}:{problem}", file.display())).collect();
    lines.join("\n")
}

/// Whether this text must not be repeated in an error: it was meant to stay out of this file.
pub(super) fn looks_secret(text: &str) -> bool {
    let upper = text.to_ascii_uppercase();
    let marked =
        ["AGE-SECRET-KEY-", "AGE-PLUGIN-", "PRIVATE KEY", "RWRTY0IY"].iter().any(|m| upper.contains(m));
    let userinfo = text.split_once("://").is_some_and(|(_, rest)| rest.contains('@'));
    marked || userinfo
}

/// A value as an error shows it: in one line, short, and withheld when it looks like a secret.
pub(super) fn shown(text: &str) -> String {
    format!("`{}`", plain(text))
}

/// A key as a path shows it, with the same care.
pub(super) fn plain(text: &str) -> String {
    const MOST: usize = 60;
    if looks_secret(text) {
        return "(withheld)".to_owned();
    }
    let mut out: String = text.chars().take(MOST).flat_map(char::escape_debug).collect();
    out = out.replace("\\\"", "\"").replace("\\'", "'");
    if text.chars().count() > MOST {
        out.push('…');
    }
    out
}
