//! The directory of playbooks: files in it, or one level below, beside whatever else is kept there.

use super::super::error::{ConfigError, Problem};
use super::super::fields::nearest;
use super::super::load;
use super::super::node::{self, Node};
use super::{FILE, PlaybookFile, check_calls};
use std::io;
use std::path::{Path, PathBuf};

/// More files than anyone keeps.
const MOST_FILES: usize = 1000;
/// What a file is called that is a playbook whatever is in it.
const USUAL: &str = "playbook.yaml";

/// All playbooks of a directory.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct PlaybookDirectory {
    /// Those without mistakes, by name.
    pub files: Vec<PlaybookFile>,
    /// What is wrong with the others, or with what they ask of each other.
    pub errors: Vec<ConfigError>,
}

impl PlaybookDirectory {
    /// Reads the playbooks of a directory: `*.yaml` in it and one level below, but for files of another kind.
    ///
    /// # Errors
    /// When the directory itself cannot be read. What is wrong with a file is among [`PlaybookDirectory::errors`].
    pub fn load(directory: &Path) -> Result<Self, ConfigError> {
        let mut found = Self::default();
        for path in files(directory)? {
            match open(&path) {
                Ok(Some(file)) => found.files.push(file),
                Ok(None) => {}
                Err(e) => found.errors.push(e),
            }
        }
        found.files.sort_by(|a, b| (&a.playbook.name, &a.path).cmp(&(&b.playbook.name, &b.path)));
        // A playbook with mistakes is missing for others only because of them.
        if found.errors.is_empty() {
            found.errors = check_calls(&found.files).err().unwrap_or_default();
        }
        Ok(found)
    }
}

fn open(path: &Path) -> Result<Option<PlaybookFile>, ConfigError> {
    let text = load::read(&FILE, path, false)?;
    let usual = path.file_name().is_some_and(|name| name == USUAL);
    match usual || is_playbook(&text, path)? {
        true => PlaybookFile::parse(&text, path).map(Some),
        false => Ok(None),
    }
}

/// Whether a file says that it is a playbook, or means to.
fn is_playbook(text: &str, path: &Path) -> Result<bool, ConfigError> {
    let plain = text.strip_prefix('\u{feff}').unwrap_or(text);
    let tree = match node::parse(plain) {
        Ok(tree) => tree,
        // Several documents are what many tools write, and no playbook.
        Err(Problem { message, .. }) if message.contains("a second YAML document") => return Ok(false),
        Err(problem) => return Err(ConfigError::Invalid { file: path.to_owned(), problems: vec![problem] }),
    };
    let Node::Map(fields) = &tree else { return Ok(false) };
    let text = |wanted: &str| {
        let found = fields.iter().find(|(name, _)| matches!(name, Node::Text(name) if name == wanted));
        match found {
            Some((_, Node::Text(value))) => Some(value.as_str()),
            _ => None,
        }
    };
    Ok(match text("kind") {
        Some(kind) => nearest(kind, &["Playbook"]).is_some(),
        None => text("apiVersion").is_some_and(|version| version.starts_with("lifeboat.dev/")),
    })
}

/// The files that may be playbooks, in the order of their names.
fn files(directory: &Path) -> Result<Vec<PathBuf>, ConfigError> {
    let mut found = Vec::new();
    for path in entries(directory)? {
        match path.is_dir() {
            true => found.extend(entries(&path)?.into_iter().filter(|path| is_yaml(path))),
            false if is_yaml(&path) => found.push(path),
            false => {}
        }
        if found.len() > MOST_FILES {
            let reason = format!(
                "it has more than {MOST_FILES} YAML files in it: name the directory of the playbooks alone"
            );
            return Err(unreadable(directory, reason));
        }
    }
    Ok(found)
}

fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml") && path.is_file()
}

/// What is in a directory, without what begins with a dot: volumes of Kubernetes keep their versions so.
fn entries(directory: &Path) -> Result<Vec<PathBuf>, ConfigError> {
    let failed = |e: io::Error| {
        unreadable(
            directory,
            match e.kind() {
                io::ErrorKind::NotFound => {
                    "there is no such directory; `playbooks.directory` of the configuration names it"
                        .to_owned()
                }
                _ => e.to_string(),
            },
        )
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if !entry.file_name().to_string_lossy().starts_with('.') {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

fn unreadable(path: &Path, reason: String) -> ConfigError {
    ConfigError::Unreadable { what: "playbooks in", path: path.to_owned(), from_env: false, reason }
}
