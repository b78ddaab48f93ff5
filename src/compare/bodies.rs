//! The objects that differ, each once: veiled and without noise, in memory as long as they are few, else in an unlinked
//! file with mode 0600.

use crate::{
    object::{TypeName, Veil, Writer, newest_writer, without_noise},
    point::Digest,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    collections::HashMap,
    io::{self, Read, Seek, SeekFrom, Write},
};
use tempfile::SpooledTempFile;

/// As long as there is no more than this, nothing touches a disk.
const IN_MEMORY: usize = 8 << 20;

/// An object as it is compared.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Body {
    pub(super) value: Value,
    pub(super) by: Option<Writer>,
}

/// Objects by the digest of their JSON: one that stays the same over many recovery points is read and kept once.
pub(super) struct Bodies {
    file: SpooledTempFile,
    end: u64,
    places: HashMap<Digest, (u64, usize)>,
    veil: Veil,
}

impl Bodies {
    pub(super) fn new(veil: Veil) -> Self {
        Bodies { file: SpooledTempFile::new(IN_MEMORY), end: 0, places: HashMap::new(), veil }
    }

    pub(super) fn has(&self, digest: &Digest) -> bool {
        self.places.contains_key(digest)
    }

    /// Keeps an object. Nothing of a Secret's values gets this far.
    pub(super) fn keep(
        &mut self,
        kind: &TypeName,
        status: bool,
        digest: Digest,
        json: &[u8],
    ) -> io::Result<()> {
        if self.has(&digest) {
            return Ok(());
        }
        let mut value: Value = serde_json::from_slice(json)?;
        let by = newest_writer(&value, status);
        self.veil.cover(kind, &mut value);
        without_noise(&mut value, status);
        let text = serde_json::to_vec(&Body { value, by })?;
        self.file.seek(SeekFrom::Start(self.end))?;
        self.file.write_all(&text)?;
        self.places.insert(digest, (self.end, text.len()));
        self.end += text.len() as u64;
        Ok(())
    }

    pub(super) fn get(&mut self, digest: &Digest) -> io::Result<Body> {
        let missing = || io::Error::other("an object that differs was not read");
        let (at, length) = *self.places.get(digest).ok_or_else(missing)?;
        let mut text = vec![0; length];
        self.file.seek(SeekFrom::Start(at))?;
        self.file.read_exact(&mut text)?;
        Ok(serde_json::from_slice(&text)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest as _, Sha256};

    #[test]
    fn what_is_kept_comes_back_without_what_is_secret() {
        let mut bodies = Bodies::new(Veil::new([1; 32]));
        let secrets = TypeName::new("", "secrets");
        let digest = |i: usize| crate::point::Digest::from(Sha256::digest(i.to_string()));
        for i in 0..3 {
            let json = format!(
                r#"{{"kind":"Secret","metadata":{{"name":"s{i}","uid":"u"}},"data":{{"k":"hush"}}}}"#
            );
            bodies.keep(&secrets, false, digest(i), json.as_bytes()).unwrap();
        }
        assert!(bodies.has(&digest(2)) && !bodies.has(&digest(3)));
        let value = bodies.get(&digest(1)).unwrap().value;
        assert_eq!(value["metadata"], serde_json::json!({"name": "s1"}));
        assert!(value["data"]["k"].as_str().unwrap().starts_with("secret:"));
        assert!(bodies.get(&digest(3)).is_err());
        assert!(bodies.keep(&secrets, false, digest(4), b"no JSON").is_err());
    }
}
