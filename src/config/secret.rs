//! Secrets by reference: the configuration says where a secret is, and never holds one.

use super::decode::{Cursor, Decode};
use super::error::ConfigError;
use super::node::Node;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use secrecy::SecretString;
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::borrow::Cow;
use std::ffi::OsString;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

const MOST_BYTES: u64 = 64 * 1024;

/// Where a secret is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// A file that holds the secret and nothing else.
    File(PathBuf),
    /// An environment variable.
    Env(String),
}

/// A reference to a secret, and the field in which it stands (for errors).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretRef {
    field: String,
    source: SecretSource,
}

/// A secret that was looked up.
#[derive(Debug)]
pub struct Secret {
    /// The value; its debug output is redacted.
    pub value: SecretString,
    /// What the operator should know, such as a file that others can read.
    pub warning: Option<String>,
}

impl SecretRef {
    /// A reference that stands in `field`.
    pub fn new(field: impl Into<String>, source: SecretSource) -> Self {
        Self { field: field.into(), source }
    }

    /// Where the secret is.
    pub fn source(&self) -> &SecretSource {
        &self.source
    }

    /// Looks the secret up; a relative path is taken from `base`. One newline at the end is not part of it.
    pub fn resolve(&self, base: &Path) -> Result<Secret, ConfigError> {
        self.resolve_with(base, &|name| std::env::var_os(name))
    }

    /// [`SecretRef::resolve`] with the environment as an argument.
    pub fn resolve_with(
        &self,
        base: &Path,
        env: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<Secret, ConfigError> {
        let looked_up = match &self.source {
            SecretSource::File(path) => from_file(&base.join(path)),
            SecretSource::Env(name) => from_env(name, env),
        };
        looked_up.map_err(|reason| ConfigError::Secret { field: self.field.clone(), reason })
    }
}

// By hand, since YAML would get a derived enum as a tag.
impl Serialize for SecretRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        match &self.source {
            SecretSource::File(path) => map.serialize_entry("file", path)?,
            SecretSource::Env(name) => map.serialize_entry("env", name)?,
        }
        map.end()
    }
}

fn from_env(name: &str, env: &dyn Fn(&str) -> Option<OsString>) -> Result<Secret, String> {
    let value = env(name).ok_or_else(|| format!("the environment variable {name} is not set"))?;
    let value =
        value.into_string().map_err(|_| format!("the environment variable {name} is not UTF-8 text"))?;
    let value = Zeroizing::new(value);
    match trimmed(&value) {
        "" => Err(format!("the environment variable {name} is empty")),
        text => Ok(Secret { value: text.into(), warning: None }),
    }
}

fn from_file(path: &Path) -> Result<Secret, String> {
    let name = path.display();
    let failed = |error: std::io::Error| {
        let kind = error.kind();
        let help = match kind {
            std::io::ErrorKind::PermissionDenied => "; give the user that runs lifeboat the right to read it",
            std::io::ErrorKind::NotFound => {
                "; a relative path is taken from the configuration file's directory"
            }
            _ => "",
        };
        format!("cannot read the secret's file {name}: {error}{help}")
    };
    let file = std::fs::File::open(path).map_err(failed)?;
    let meta = file.metadata().map_err(failed)?;
    if meta.is_dir() {
        return Err(format!("{name} is a directory; name the file that holds the secret"));
    }
    // The buffer never grows, so that no copy of the secret is left behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MOST_BYTES as usize + 64));
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(format!("{name} is larger than {} KiB: this is not a secret's file", MOST_BYTES / 1024));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| format!("{name} is not UTF-8 text"))?;
    let text = trimmed(text);
    if text.is_empty() {
        return Err(format!("the secret's file {name} is empty"));
    }
    let mode = meta.permissions().mode() & 0o777;
    let reader = std::fs::metadata("/proc/self").map(|process| process.uid()).ok();
    let warning = exposed(mode, meta.uid(), reader)
        .then(|| format!("{name} can be read by others (mode {mode:04o}): `chmod 600` makes it private"));
    Ok(Secret { value: text.into(), warning })
}

/// Can more than the reader read it? Where the owner is somebody else the reader needs the group for it: so it is with the Secrets
/// that a kubelet mounts.
fn exposed(mode: u32, owner: u32, reader: Option<u32>) -> bool {
    let needed = if reader.is_some_and(|reader| reader != owner) { 0o040 } else { 0 };
    mode & 0o044 & !needed != 0
}

fn trimmed(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}

impl Decode for SecretRef {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        let name = at.path().rsplit('.').next().unwrap_or_default();
        let ways = format!("write `{name}: {{file: PATH}}` or `{name}: {{env: NAME}}`");
        let Node::Map(_) = at.node else {
            return at
                .fail(format!("a secret is never written in this file (the value is withheld): {ways}"));
        };
        let mut fields = at.fields()?;
        let file = fields.optional::<PathBuf>("file");
        let variable = fields.get("env");
        fields.finish();
        match (file?, variable) {
            (Some(path), None) => Some(Self::new(at.path(), SecretSource::File(path))),
            (None, Some(variable)) => {
                let text = variable.text()?;
                let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
                if !text.chars().all(fits) || text.starts_with(|c: char| c.is_ascii_digit()) {
                    let rule = "expected the name of an environment variable (letters, digits and `_`), not its value";
                    return variable.fail(format!("{rule}; what is written here is withheld"));
                }
                Some(Self::new(at.path(), SecretSource::Env(text.to_owned())))
            }
            (Some(_), Some(_)) => at.fail(format!("has both `file` and `env`; {ways}")),
            (None, None) => at.fail(format!("does not say where the secret is; {ways}")),
        }
    }
}

impl JsonSchema for SecretRef {
    fn schema_name() -> Cow<'static, str> {
        "SecretRef".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let way = |name: &str, what: &str, pattern: &str| {
            serde_json::json!({
                "type": "object",
                "properties": { name: {"type": "string", "description": what, "minLength": 1, "pattern": pattern} },
                "required": [name],
                "additionalProperties": false,
            })
        };
        json_schema!({
            "description": "A reference to a secret; the secret itself is never written in the file.",
            "oneOf": [
                way("file", "A file that holds the secret and nothing else, relative to the configuration file.", "^[^~]"),
                way("env", "The name of an environment variable.", "^[A-Za-z_][A-Za-z0-9_]*$"),
            ],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    fn file_ref(path: &str) -> SecretRef {
        SecretRef::new("etcd.auth.password", SecretSource::File(path.into()))
    }

    fn write(dir: &Path, content: &[u8], mode: u32) {
        let path = dir.join("pw");
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn reads_a_file_beside_the_configuration() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), b"hunter2\n", 0o600);
        let secret = file_ref("pw").resolve(dir.path()).unwrap();
        assert_eq!(secret.value.expose_secret(), "hunter2");
        assert_eq!(secret.warning, None);
        assert!(!format!("{secret:?}").contains("hunter2"));
        write(dir.path(), b"two\nlines \r\n", 0o644);
        let secret = file_ref("pw").resolve(dir.path()).unwrap();
        assert_eq!(secret.value.expose_secret(), "two\nlines ");
        assert!(
            secret
                .warning
                .unwrap()
                .ends_with("pw can be read by others (mode 0644): `chmod 600` makes it private")
        );
    }

    #[test]
    fn a_group_by_which_it_is_read_is_no_other() {
        for (mode, owner, reader, others) in [
            (0o600, 1, Some(1), false),
            (0o640, 1, Some(1), true),
            (0o440, 0, Some(65532), false),
            (0o444, 0, Some(65532), true),
            (0o440, 0, Some(0), true),
            (0o440, 0, None, true),
        ] {
            assert_eq!(exposed(mode, owner, reader), others, "{mode:o} {owner} {reader:?}");
        }
    }

    #[test]
    fn says_which_field_and_why() {
        let dir = tempfile::tempdir().unwrap();
        let said =
            |reference: &SecretRef| reference.resolve_with(dir.path(), &|_| None).unwrap_err().to_string();
        let missing = said(&file_ref("none"));
        assert!(missing.starts_with("etcd.auth.password: cannot read the secret's file "), "{missing}");
        assert!(missing.contains("relative path is taken from"), "{missing}");
        for (content, reason) in
            [(&b"\n"[..], "is empty"), (b"\xff\xfe", "not UTF-8"), (&[b'a'; 70_000], "larger than")]
        {
            write(dir.path(), content, 0o600);
            assert!(said(&file_ref("pw")).contains(reason), "{reason}");
        }
        assert!(said(&file_ref(".")).contains("is a directory"));
        let variable = SecretRef::new("signing.password", SecretSource::Env("PW".into()));
        assert_eq!(said(&variable), "signing.password: the environment variable PW is not set");
        let set = variable.resolve_with(dir.path(), &|_| Some("x\n".into())).unwrap();
        assert_eq!(set.value.expose_secret(), "x");
        assert!(variable.resolve_with(dir.path(), &|_| Some("".into())).is_err());
    }
}
