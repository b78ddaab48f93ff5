//! Finding the file, reading it, and parsing it.

use super::MAX_BYTES;
use super::decode::{Cursor, Decode, Log};
use super::error::{ConfigError, Problem};
use super::model::Config;
use super::node;
use std::ffi::OsString;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

/// The variable that names the configuration file.
pub const VARIABLE: &str = "LIFEBOAT_CONFIG";
/// Where the file is looked for when nothing names it.
pub const PLACES: [&str; 2] = ["./lifeboat.yaml", "/etc/lifeboat/lifeboat.yaml"];

/// A configuration, and where it came from.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Loaded {
    /// What the file says.
    pub config: Config,
    /// The file.
    pub path: PathBuf,
    /// The file's directory, absolute: relative paths in the file are taken from here.
    pub base: PathBuf,
}

impl Loaded {
    /// A path from the file, as the rest of the program can use it.
    pub fn resolve(&self, path: &Path) -> PathBuf {
        self.base.join(path)
    }
}

impl Config {
    /// Reads the file that `given` names; else the one that `$LIFEBOAT_CONFIG` names; else the first of [`PLACES`]
    /// that exists. The environment comes as an argument: pass `&|name| std::env::var_os(name)`.
    pub fn load(given: Option<&Path>, env: &dyn Fn(&str) -> Option<OsString>) -> Result<Loaded, ConfigError> {
        Self::load_from(given, env, &PLACES.map(PathBuf::from))
    }

    /// [`Config::load`] with the usual places as an argument.
    pub fn load_from(
        given: Option<&Path>,
        env: &dyn Fn(&str) -> Option<OsString>,
        places: &[PathBuf],
    ) -> Result<Loaded, ConfigError> {
        let named = env(VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from);
        let from_env = given.is_none() && named.is_some();
        let chosen = given.map(Path::to_path_buf).or(named);
        // A place that cannot be looked into is chosen too: opening it then says why.
        let path = chosen.or_else(|| places.iter().find(|path| path.try_exists().unwrap_or(true)).cloned());
        let path = path.ok_or_else(|| ConfigError::NotFound { looked: places.to_vec() })?;
        Self::loaded(&read(&CONFIG, &path, from_env)?, &path)
    }

    /// The text of a configuration file.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn text(path: &Path) -> Result<String, ConfigError> {
        read(&CONFIG, path, false)
    }

    /// What a text says, as if it were read from this file.
    ///
    /// # Errors
    /// As for [`Config::parse`].
    pub fn loaded(text: &str, path: &Path) -> Result<Loaded, ConfigError> {
        let config = Self::parse(text, path)?;
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
        let base = absolute.parent().map_or_else(|| PathBuf::from("/"), Path::to_path_buf);
        Ok(Loaded { config, path: path.to_path_buf(), base })
    }

    /// Reads a configuration from text; `file` is what errors call it.
    ///
    /// Text that is not YAML gives one [`Problem`]; text that is, all that could be found at once.
    pub fn parse(text: &str, file: &Path) -> Result<Self, ConfigError> {
        parse(&CONFIG, text, file)
    }
}

/// A kind of file that is read so: what errors call it, what to do where there is none, and how it is called in a directory.
pub(super) struct Kind {
    pub(super) name: &'static str,
    pub(super) absent: &'static str,
    pub(super) usual: &'static str,
}

const CONFIG: Kind =
    Kind { name: "configuration file", absent: "`lifeboat init` writes one", usual: "lifeboat.yaml" };

/// Reads a text; the errors are those of [`Config::parse`].
pub(super) fn parse<T: Decode>(kind: &Kind, text: &str, file: &Path) -> Result<T, ConfigError> {
    parse_by(kind, text, file, T::decode)
}

/// The same, where reading takes more than the text.
pub(super) fn parse_by<T>(
    kind: &Kind,
    text: &str,
    file: &Path,
    decode: impl FnOnce(&Cursor<'_>) -> Option<T>,
) -> Result<T, ConfigError> {
    let invalid = |problems| ConfigError::Invalid { file: file.to_path_buf(), problems };
    if text.len() > MAX_BYTES {
        return Err(ConfigError::TooLarge { what: kind.name, path: file.to_path_buf() });
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let tree = node::parse(text).map_err(|problem| invalid(vec![problem]))?;
    let log = Log::new(text);
    let value = decode(&Cursor::root(&tree, &log));
    let problems = log.into_problems();
    match value {
        Some(value) if problems.is_empty() => Ok(value),
        _ => Err(invalid(problems)),
    }
}

/// The text of a file.
pub(super) fn read(kind: &Kind, path: &Path, from_env: bool) -> Result<String, ConfigError> {
    let unreadable = |reason: String| {
        let path = path.to_path_buf();
        ConfigError::Unreadable { what: kind.name, path, from_env, reason }
    };
    let failed = |error: std::io::Error| {
        unreadable(match error.kind() {
            ErrorKind::NotFound => format!("there is no such file; {}", kind.absent),
            ErrorKind::PermissionDenied => {
                format!("{error}; the user that runs lifeboat must be able to read it")
            }
            _ => error.to_string(),
        })
    };
    let file = std::fs::File::open(path).map_err(failed)?;
    if file.metadata().map_err(failed)?.is_dir() {
        return Err(unreadable(format!(
            "it is a directory; did you mean {}?",
            path.join(kind.usual).display()
        )));
    }
    let mut bytes = Vec::new();
    file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > MAX_BYTES {
        return Err(ConfigError::TooLarge { what: kind.name, path: path.to_path_buf() });
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let before = String::from_utf8_lossy(error.as_bytes().get(..good).unwrap_or_default());
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let message = "not UTF-8 text; save the file as UTF-8".to_owned();
        let problem = Problem { line, column, path: String::new(), message };
        ConfigError::Invalid { file: path.to_path_buf(), problems: vec![problem] }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str =
        "apiVersion: lifeboat.dev/v1\nkind: Config\ncluster: c\nstores: [{name: m, url: \"file:./s\"}]\n";

    fn none(_: &str) -> Option<OsString> {
        None
    }

    #[test]
    fn looks_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, cluster: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, GOOD.replace("cluster: c", &format!("cluster: {cluster}"))).unwrap();
            path
        };
        let (given, named, place) = (file("given", "given"), file("named", "named"), file("place", "place"));
        let places = [dir.path().join("absent"), place.clone()];
        let env = |name: &str| (name == VARIABLE).then(|| named.clone().into_os_string());
        let cluster = |loaded: Loaded| loaded.config.cluster.to_string();
        assert_eq!(cluster(Config::load_from(Some(&given), &env, &places).unwrap()), "given");
        assert_eq!(cluster(Config::load_from(None, &env, &places).unwrap()), "named");
        let loaded = Config::load_from(None, &|_| Some(OsString::new()), &places).unwrap();
        assert_eq!(loaded.base, dir.path());
        assert_eq!(loaded.resolve(Path::new("x/y")), dir.path().join("x/y"));
        assert_eq!(loaded.resolve(Path::new("/x")), Path::new("/x"));
        assert_eq!(loaded.path, place);
        assert_eq!(cluster(loaded), "place");
    }

    #[test]
    fn says_where_it_looked() {
        let error = Config::load_from(None, &none, &["/a/x.yaml".into(), "/b/x.yaml".into()]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "no configuration file: looked for $LIFEBOAT_CONFIG (not set), /a/x.yaml, /b/x.yaml; name one with \
             --config, or write one with `lifeboat init`"
        );
        let error = Config::load_from(None, &|_| Some("/a/none.yaml".into()), &[]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot read the configuration file /a/none.yaml (named by $LIFEBOAT_CONFIG): there is no such file; \
             `lifeboat init` writes one"
        );
    }

    #[test]
    fn unusable_files() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f.yaml");
        let said = |path: &Path| Config::load_from(Some(path), &none, &[]).unwrap_err().to_string();
        assert!(said(dir.path()).contains("it is a directory; did you mean"));
        std::fs::write(&path, vec![b'#'; MAX_BYTES + 1]).unwrap();
        assert!(said(&path).ends_with("is larger than 1024 KiB: this is not a configuration file"));
        std::fs::write(&path, b"# \xc3\xa4\n# \xc3\xa4\xff").unwrap();
        assert!(said(&path).ends_with("f.yaml:2:4: not UTF-8 text; save the file as UTF-8"));
        std::fs::write(&path, format!("\u{feff}{GOOD}")).unwrap();
        assert!(Config::load_from(Some(&path), &none, &[]).is_ok());
    }
}
