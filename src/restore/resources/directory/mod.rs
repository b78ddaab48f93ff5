//! Objects from files: a directory of YAML and JSON, such as an export that was unpacked, what another tool left, or what is
//! kept in a repository.
//!
//! ```text
//!   files (sorted, inside) ─▶ parse (documents) ─▶ object (lists unfolded; apiVersion, kind, name; no two alike)
//! ```

mod error;
mod object;
mod parse;

#[cfg(test)]
mod tests;

pub use error::{DirectoryError, Place};

use object::{Header, Key, unfold};
use parse::Fault;
use serde_json::Value;
use std::{
    collections::{BTreeSet, HashMap},
    fmt, fs,
    io::Read,
    path::{Path, PathBuf},
};

/// An object that was found.
#[derive(Clone, PartialEq, Eq)]
pub struct Found {
    /// The file.
    pub file: PathBuf,
    /// Which one of its documents, from 1.
    pub document: usize,
    /// Its JSON: the file's bytes, where the file is JSON and holds nothing else.
    pub json: Vec<u8>,
    /// Group and version, as it is written: `apps/v1`.
    pub api_version: String,
    /// Its kind: `Deployment`.
    pub kind: String,
    /// Its namespace, where it names one.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

/// Without the JSON: it may be a Secret.
impl fmt::Debug for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Found")
            .field("file", &self.file)
            .field("document", &self.document)
            .field("kind", &self.kind)
            .field("namespace", &self.namespace)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// How much is read.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// Bytes of a file.
    file: u64,
    /// What the documents of a file may take in memory, about: aliases can make much of little.
    unfolded: u64,
}

const LIMITS: Limits = Limits { file: 64 << 20, unfolded: 512 << 20 };

/// Calls `visit` for every object in the files of a directory, or of one file, sorted by path; gives how many files were passed
/// over because they are neither `.json` nor `.yaml` nor `.yml`.
///
/// What is hidden is passed over too, and not counted. Links to files inside of the directory are followed, each file being read
/// once; links that lead out of it are refused. Lists are unfolded, and empty documents are none.
///
/// # Errors
/// When something cannot be read, is no object, or is there twice; or what `visit` returns.
pub fn read_directory(
    root: &Path,
    visit: &mut dyn FnMut(Found) -> Result<(), DirectoryError>,
) -> Result<u64, DirectoryError> {
    read(root, LIMITS, visit)
}

fn read(
    root: &Path,
    limits: Limits,
    visit: &mut dyn FnMut(Found) -> Result<(), DirectoryError>,
) -> Result<u64, DirectoryError> {
    let inside = fs::canonicalize(root).map_err(DirectoryError::io(root))?;
    let mut reader = Reader { inside, limits, read: BTreeSet::new(), known: HashMap::new(), visit };
    match root.is_dir() {
        true => reader.directory(root),
        false => reader.file(root, is_json(root)).map(|()| 0),
    }
}

struct Reader<'a> {
    inside: PathBuf,
    limits: Limits,
    /// Files that were read, by their real paths.
    read: BTreeSet<PathBuf>,
    known: HashMap<Key, Place>,
    visit: &'a mut dyn FnMut(Found) -> Result<(), DirectoryError>,
}

impl Reader<'_> {
    fn directory(&mut self, dir: &Path) -> Result<u64, DirectoryError> {
        let entries = fs::read_dir(dir).and_then(|entries| entries.collect::<Result<Vec<_>, _>>());
        let mut entries = entries.map_err(DirectoryError::io(dir))?;
        entries.sort_by_key(fs::DirEntry::file_name);
        let mut passed = 0;
        for entry in entries {
            let path = entry.path();
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let kind = entry.file_type().map_err(DirectoryError::io(&path))?;
            if kind.is_symlink() {
                let target = fs::canonicalize(&path).ok().filter(|target| target.starts_with(&self.inside));
                let target = target.ok_or_else(|| DirectoryError::Link { path: path.clone() })?;
                if target.is_dir() {
                    continue;
                }
            }
            if kind.is_dir() {
                passed += self.directory(&path)?;
            } else if path.is_file() && (is_json(&path) || is_yaml(&path)) {
                self.file(&path, is_json(&path))?;
            } else {
                passed += 1;
            }
        }
        Ok(passed)
    }

    fn file(&mut self, path: &Path, json: bool) -> Result<(), DirectoryError> {
        let real = fs::canonicalize(path).map_err(DirectoryError::io(path))?;
        if !self.read.insert(real) {
            return Ok(());
        }
        let text = self.text(path)?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let limits = self.limits;
        let fault = |fault: Fault| DirectoryError::Wrong {
            place: Place { file: path.to_owned(), document: fault.document, line: fault.line },
            reason: fault.reason,
        };
        if json {
            let value = parse::json(text, &limits).map_err(fault)?;
            return self.document(path, text, None, value);
        }
        parse::yaml(text, &limits, |number, value| self.document(path, text, Some(number), value), fault)
    }

    fn text(&self, path: &Path) -> Result<String, DirectoryError> {
        let file = fs::File::open(path).map_err(DirectoryError::io(path))?;
        let (mut bytes, limit) = (Vec::new(), self.limits.file);
        file.take(limit + 1).read_to_end(&mut bytes).map_err(DirectoryError::io(path))?;
        if bytes.len() as u64 > limit {
            return Err(DirectoryError::TooLarge { path: path.to_owned(), limit });
        }
        String::from_utf8(bytes).map_err(|e| {
            let good = e.as_bytes().get(..e.utf8_error().valid_up_to()).unwrap_or_default();
            let line = good.iter().filter(|byte| **byte == b'\n').count() + 1;
            let place = Place { file: path.to_owned(), document: 1, line: Some(line) };
            DirectoryError::Wrong { place, reason: "not UTF-8 text: save the file as UTF-8".to_owned() }
        })
    }

    /// Hands over the objects of a document, which has a number if it is YAML.
    fn document(
        &mut self,
        file: &Path,
        text: &str,
        yaml: Option<usize>,
        value: Value,
    ) -> Result<(), DirectoryError> {
        let document = yaml.unwrap_or(1);
        let place = |line| Place { file: file.to_owned(), document, line };
        // To look for the line takes another reading.
        let here = || place(yaml.and_then(|document| parse::line_of(text, document)));
        for (at, object) in unfold(value) {
            let wrong = |reason| {
                let reason = if at.is_empty() { reason } else { format!("{at}: {reason}") };
                DirectoryError::Wrong { place: here(), reason }
            };
            let header = Header::of(&object).map_err(wrong)?;
            let key = header.key();
            if let Some(first) = self.known.get(&key) {
                let (object, first) = (key.to_string(), first.clone());
                return Err(DirectoryError::Twice { object, first, second: here() });
            }
            self.known.insert(key, place(None));
            let json = match yaml {
                None if at.is_empty() => text.trim().as_bytes().to_vec(),
                _ => object.to_string().into_bytes(),
            };
            let Header { api_version, kind, namespace, name } = header;
            (self.visit)(Found {
                file: file.to_owned(),
                document,
                json,
                api_version,
                kind,
                namespace,
                name,
            })?;
        }
        Ok(())
    }
}

fn is_json(path: &Path) -> bool {
    ends(path, &["json"])
}

fn is_yaml(path: &Path) -> bool {
    ends(path, &["yaml", "yml"])
}

fn ends(path: &Path, endings: &[&str]) -> bool {
    path.extension().is_some_and(|it| endings.iter().any(|ending| it.eq_ignore_ascii_case(ending)))
}
