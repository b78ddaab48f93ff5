//! Where a secret is: what stands in a playbook, a plan and a journal. It is read when it is used, and at no other time.

use super::ActionError;
use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use std::{env, fmt, fs};

/// A longer one is none.
const LONGEST: usize = 64 << 10;

/// Where a secret is: `{secretRef: "file:PATH"}` or `{secretRef: "env:NAME"}`, such as a parameter of type secretRef has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretRef {
    /// `file:PATH` or `env:NAME`.
    secret_ref: String,
}

/// The place, if it is one: what stands there may be the secret itself.
impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.secret_ref.split_once(':') {
            Some(("file" | "env", _)) => f.write_str(&self.secret_ref),
            _ => f.write_str("a place that is none"),
        }
    }
}

impl SecretRef {
    /// Reads it.
    ///
    /// # Errors
    /// When there is none. No text tells of what was read.
    pub(in crate::playbook) fn read(&self) -> Result<SecretString, ActionError> {
        let bad = |text: String| Err(ActionError::Arguments(text));
        let read = match self.secret_ref.split_once(':') {
            Some(("file", path)) if !path.is_empty() => {
                fs::read_to_string(path).map_err(|e| format!("the file {path} cannot be read: {e}"))
            }
            Some(("env", name)) if !name.is_empty() => {
                env::var(name).map_err(|_| format!("the environment has no text {name}"))
            }
            // What stands here may be the secret itself.
            _ => return bad("secretRef says where a secret is: `file:PATH` or `env:NAME`".to_owned()),
        };
        match read {
            Err(why) => bad(why),
            Ok(text) if text.trim().is_empty() => bad(format!("{} is empty", self.secret_ref)),
            Ok(text) if text.len() > LONGEST => {
                bad(format!("{} is longer than {LONGEST} bytes", self.secret_ref))
            }
            Ok(text) => Ok(SecretString::from(text.trim().to_owned())),
        }
    }
}

/// A text without the secret, should somebody have put it in.
pub(super) fn without(text: &str, secret: &SecretString) -> String {
    text.replace(secret.expose_secret(), "(the secret)")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> SecretRef {
        serde_json::from_value(serde_json::json!({"secretRef": text})).unwrap()
    }

    #[test]
    fn a_secret_is_read_from_where_it_is_and_told_nowhere() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        std::fs::write(&path, "hunter2\n").unwrap();
        let secret = of(&format!("file:{}", path.display())).read().unwrap();
        assert_eq!(secret.expose_secret(), "hunter2");
        assert_eq!(without("no hunter2 here", &secret), "no (the secret) here");
        std::fs::write(&path, "\n").unwrap();
        assert!(of(&format!("file:{}", path.display())).read().unwrap_err().to_string().contains("is empty"));
        for wrong in ["hunter2", "file:", "env:", "env:NO_SUCH_NAME_HERE", "file:/no/such/file"] {
            let said = of(wrong).read().unwrap_err().to_string();
            assert!(!said.contains("hunter2"), "{said}");
        }
    }
}
