//! Who makes a record, and with which key.

use super::{context::Context, failure::Failure};
use crate::{catalogue, catalogue::Catalogue, pipeline::Signer};
use std::os::unix::fs::MetadataExt;

/// A name is a word or two.
const LONGEST: usize = 200;

/// Who makes a record.
pub(super) struct Author {
    by: String,
    signer: Option<Signer>,
}

impl Author {
    /// One who has to sign where signatures are checked.
    pub(super) fn signing(
        context: &Context,
        catalogue: &Catalogue,
        by: Option<String>,
    ) -> Result<Self, Failure> {
        let signer = match catalogue.checks_signatures() {
            true => Some(context.signer()?),
            false => None,
        };
        Ok(Author { by: by.map_or_else(|| Ok(whoami()), name)?, signer })
    }

    /// One who signs if that is possible; else why not.
    pub(super) fn if_possible(
        context: &Context,
        by: Option<String>,
    ) -> Result<(Self, Option<String>), Failure> {
        let (signer, why) = match context.signer() {
            Ok(signer) => (Some(signer), None),
            Err(e) => (None, Some(e.error.to_string())),
        };
        Ok((Author { by: by.map_or_else(|| Ok(whoami()), name)?, signer }, why))
    }

    /// The name, and the key.
    pub(super) fn into_parts(self) -> (String, Option<Signer>) {
        (self.by, self.signer)
    }

    pub(super) fn borrowed(&self) -> catalogue::Author<'_> {
        catalogue::Author { by: &self.by, signer: self.signer.as_ref() }
    }
}

fn name(given: String) -> Result<String, Failure> {
    let given = given.trim().to_owned();
    if given.is_empty() || given.chars().count() > LONGEST || given.chars().any(char::is_control) {
        return Err(Failure::usage("--by: a name of one line and 200 characters at most is needed"));
    }
    Ok(given)
}

/// `user@host`, as far as the system tells.
fn whoami() -> String {
    let variable = |name| std::env::var(name).ok().filter(|user| !user.is_empty());
    let user = ["SUDO_USER", "USER", "LOGNAME"].into_iter().find_map(variable).unwrap_or_else(owner);
    let text = format!("{user}@{}", hostname());
    text.chars().filter(|c| !c.is_control()).take(LONGEST).collect()
}

/// This host's name; empty where the system does not tell.
pub(super) fn hostname() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned()
}

/// The name of the user who runs this process; its number where that has no name.
fn owner() -> String {
    let Ok(process) = std::fs::metadata("/proc/self") else { return "somebody".to_owned() };
    let uid = process.uid().to_string();
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let named = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let found = named.into_iter().find(|fields| fields.get(2) == Some(&uid.as_str()));
    found.map_or_else(|| format!("uid-{uid}"), |fields| fields[0].to_owned())
}
