//! Values that are written as text and have rules of their own.

use super::decode::FromText;
use super::error::{ConfigError, looks_secret, shown};
use schemars::JsonSchema;
use serde::Serialize;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use url::Url;

macro_rules! text_value {
    ($($name:ident)*) => {$(
        impl $name {
            /// The text as it is written in the file.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl FromStr for $name {
            type Err = ConfigError;
            fn from_str(text: &str) -> Result<Self, ConfigError> {
                Self::from_text(text).map_err(ConfigError::Value)
            }
        }
    )*};
}
text_value!(ClusterName Endpoint StoreUrl Recipient PublicKey ServerName);

/// The cluster's name: a folder in every store has it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[schemars(inline, extend("pattern" = "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", "maxLength" = 63))]
pub struct ClusterName(String);

impl FromText for ClusterName {
    fn from_text(text: &str) -> Result<Self, String> {
        let ends = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let inner = |c: char| ends(c) || c == '-' || c == '.';
        if text.len() > 63 {
            return Err(format!("{} is too long: at most 63 characters", shown(text)));
        }
        if text.starts_with(ends) && text.ends_with(ends) && text.chars().all(inner) {
            return Ok(Self(text.to_owned()));
        }
        let rule = "use lower-case letters, digits, `-` and `.`, with a letter or digit first and last";
        Err(format!("{} cannot be a name here: {rule}", shown(text)))
    }
}

/// The URL of one etcd member: `https://host:port`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[schemars(inline, extend("pattern" = "^https?://[^/@?#]+:[0-9]+/?$"))]
pub struct Endpoint(String);

impl Endpoint {
    /// Whether the connection is encrypted.
    pub fn is_https(&self) -> bool {
        self.0.starts_with("https:")
    }
}

impl FromText for Endpoint {
    fn from_text(text: &str) -> Result<Self, String> {
        let example = "such as https://10.0.0.11:2379";
        if !text.contains("://") {
            let guess = format!("https://{text}");
            let better = Self::from_text(&guess).map(|_| format!("; did you mean {}?", shown(&guess)));
            return Err(format!("an endpoint is a URL, {example}{}", better.unwrap_or_default()));
        }
        let url = Url::parse(text).map_err(|error| format!("{} is not a URL: {error}", shown(text)))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err("an endpoint has no user and password in it: use `etcd.auth`".to_owned());
        }
        if !matches!(url.scheme(), "http" | "https") {
            return Err(format!("{} does not begin with https:// or http://", shown(text)));
        }
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(format!(
                "{} has something after the port: write host and port only, {example}",
                shown(text)
            ));
        }
        // The parser drops a port that is the scheme's default, so presence is looked up in the text.
        let port = text.trim_end_matches('/').rsplit_once(':').map(|(_, port)| port).unwrap_or_default();
        if port.is_empty() || !port.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(format!("{} has no port: etcd's is 2379, {example}", shown(text)));
        }
        let host = url.host_str().unwrap_or_default();
        Ok(Self(format!("{}://{host}:{}", url.scheme(), url.port_or_known_default().unwrap_or_default())))
    }
}

/// Where a store is: `s3://bucket/prefix`, `file:///absolute/directory`, or `file:./directory` beside the configuration file.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[schemars(inline, extend("pattern" = "^(file:|s3://)", "examples" = ["s3://backups/lifeboat", "file:///srv/lifeboat", "file:./store"]))]
pub struct StoreUrl(String);

/// What a store's URL points to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Location {
    /// A directory; absolute if the base is.
    Directory(PathBuf),
    /// A bucket, and a prefix in it, which may be empty.
    Bucket {
        /// Its name.
        bucket: String,
        /// Segments joined by `/`, without one at either end.
        prefix: String,
    },
}

impl StoreUrl {
    /// The place, with a relative path taken from `base`, the configuration file's directory.
    pub fn locate(&self, base: &Path) -> Location {
        if let Some(rest) = self.0.strip_prefix("s3://") {
            let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
            return Location::Bucket {
                bucket: bucket.to_owned(),
                prefix: prefix.trim_end_matches('/').to_owned(),
            };
        }
        let Some(relative) = relative_part(&self.0) else {
            let path = Url::parse(&self.0).ok().and_then(|url| url.to_file_path().ok());
            return Location::Directory(path.unwrap_or_else(|| base.to_path_buf()));
        };
        let parts = Path::new(relative).components().filter(|part| *part != std::path::Component::CurDir);
        Location::Directory(base.join(parts.collect::<PathBuf>()))
    }
}

fn relative_part(url: &str) -> Option<&str> {
    url.strip_prefix("file:").filter(|rest| !rest.starts_with('/'))
}

fn bucket(text: &str) -> Result<StoreUrl, String> {
    let example = "such as s3://backups/lifeboat";
    let rest = text.strip_prefix("s3://").ok_or_else(|| format!("begins with s3://, {example}"))?;
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let usual = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-._".contains(c);
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let ends_well = bucket.starts_with(edge) && bucket.ends_with(edge);
    if !((3..=63).contains(&bucket.len()) && bucket.chars().all(usual) && ends_well) {
        let rule = "3 to 63 lower-case letters, digits, `-` and `.`";
        return Err(format!("{} names no bucket: {rule}, {example}", shown(text)));
    }
    let segment = |s: &str| {
        !s.is_empty()
            && !s.starts_with('.')
            && s.chars().all(|c| c.is_ascii_alphanumeric() || "-_.:@".contains(c))
    };
    let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
    if !prefix.is_empty() && !prefix.split('/').all(segment) {
        let rule = "use letters, digits and - _ . : @ between single slashes";
        return Err(format!("{} has a prefix that cannot be used: {rule}, {example}", shown(text)));
    }
    Ok(StoreUrl(text.trim_end_matches('/').to_owned()))
}

impl FromText for StoreUrl {
    fn from_text(text: &str) -> Result<Self, String> {
        let example = "such as file:///srv/lifeboat";
        if let Some(relative) = relative_part(text) {
            return match relative {
                "" => Err(format!("names no directory: write the whole path, {example}")),
                path if path.contains(['%', '?', '#', '\\']) => Err(format!(
                    "{} has one of % ? # \\ in it: write the whole path as a URL, {example}",
                    shown(text)
                )),
                _ => Ok(Self(text.to_owned())),
            };
        }
        let scheme = text.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase()).unwrap_or_default();
        match scheme.as_str() {
            "file" => {}
            "s3" => return bucket(text),
            "" if text.starts_with('/') => {
                return Err(format!("a store is a URL; did you mean {}?", shown(&format!("file://{text}"))));
            }
            _ => {
                return Err(format!(
                    "{} is not a store's URL: write a directory or a bucket, {example} or \
                                       s3://backups/lifeboat",
                    shown(text)
                ));
            }
        }
        let url = Url::parse(text).map_err(|error| format!("{} is not a URL: {error}", shown(text)))?;
        if url.query().is_some() || url.fragment().is_some() {
            return Err(format!("{} has ? or # in it: write %3F or %23 if the path has them", shown(text)));
        }
        match url.to_file_path() {
            Ok(path) if path == Path::new("/") => {
                Err(format!("the root directory cannot be a store: name one, {example}"))
            }
            Ok(path) if path.is_absolute() && !text.starts_with("file://localhost") => {
                Ok(Self(text.to_owned()))
            }
            _ => {
                Err(format!("{} names a host: a local directory takes three slashes, {example}", shown(text)))
            }
        }
    }
}

/// Who can open what is sealed: an age public key, `age1…`, of X25519 or of a plugin.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[schemars(inline, extend("pattern" = "^age1[a-z0-9+._-]+$"))]
pub struct Recipient(String);

impl FromText for Recipient {
    fn from_text(text: &str) -> Result<Self, String> {
        let upper = text.to_ascii_uppercase();
        if upper.contains("AGE-SECRET-KEY-") || upper.contains("AGE-PLUGIN-") {
            let do_this = "keep it away from this machine, and write its recipient (`age1…`) here";
            return Err(format!(
                "this is an identity, the secret half of a key (the value is withheld): {do_this}"
            ));
        }
        let usual = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "+._-".contains(c);
        match text.strip_prefix("age1") {
            Some(rest) if rest.len() >= 8 && rest.chars().all(usual) => Ok(Self(text.to_owned())),
            _ if text.starts_with("ssh-") => {
                Err("SSH keys are not supported: make an age key with `lifeboat init`".into())
            }
            _ => {
                Err(format!("{} is not an age recipient: it begins with `age1`, in lower case", shown(text)))
            }
        }
    }
}

/// The minisign public key that manifests are verified with.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[schemars(inline, extend("pattern" = "^RW[A-Za-z0-9+/]{54}$"))]
pub struct PublicKey(String);

impl FromText for PublicKey {
    fn from_text(text: &str) -> Result<Self, String> {
        let base64 = |c: char| c.is_ascii_alphanumeric() || c == '+' || c == '/';
        if text.starts_with("RW") && text.len() == 56 && text.chars().all(base64) {
            return Ok(Self(text.to_owned()));
        }
        if looks_secret(text) || text.len() > 100 {
            return Err(
                "this is not a public key (the value is withheld): write the line that begins with `RW`, \
                        of 56 characters, from the .pub file"
                    .to_owned(),
            );
        }
        let what =
            "a minisign public key: 56 characters that begin with `RW`, the last line of the .pub file";
        Err(format!("{} is not {what}", shown(text)))
    }
}

/// The name that etcd's server certificate must bear.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(inline, extend("pattern" = "^[A-Za-z0-9.:-]+$"))]
pub struct ServerName(String);

impl FromText for ServerName {
    fn from_text(text: &str) -> Result<Self, String> {
        if text.len() <= 253 && text.chars().all(|c| c.is_ascii_alphanumeric() || ".:-".contains(c)) {
            return Ok(Self(text.to_owned()));
        }
        Err(format!("{} is not a host name or an IP address", shown(text)))
    }
}

impl FromText for PathBuf {
    fn from_text(text: &str) -> Result<Self, String> {
        if looks_secret(text) {
            return Err(
                "expected the path of a file, found what looks like the secret itself (withheld)".to_owned()
            );
        }
        if text == "~" || text.starts_with("~/") {
            return Err("`~` is not expanded: write the whole path".to_owned());
        }
        if text.contains("${") || text.starts_with('$') {
            return Err(format!(
                "{} has a variable in it, which is not expanded: write the path out",
                shown(text)
            ));
        }
        Ok(Self::from(text))
    }
}
