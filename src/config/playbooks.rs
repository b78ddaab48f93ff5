//! Where playbooks are, who may approve what they do, and where a run keeps its journal.

use super::decode::{Cursor, Decode, FromText};
use super::error::shown;
use super::node::Node;
use super::values::PublicKey;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Playbooks, and what their runs need.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(default)]
#[non_exhaustive]
pub struct Playbooks {
    /// Where the playbooks are: `*.yaml` in it and one level below.
    pub directory: PathBuf,
    /// Who may approve what a playbook does.
    pub approvers: Vec<Approver>,
    /// Where the journals of runs are written. A run that is to be continued after a crash of its host needs a disk that outlives it.
    pub journal: PathBuf,
    /// How runs on several hosts exclude each other.
    pub lease: Lease,
}

impl Default for Playbooks {
    fn default() -> Self {
        Self {
            directory: "runbooks".into(),
            approvers: Vec::new(),
            journal: "journal".into(),
            lease: Lease::default(),
        }
    }
}

/// Who may approve what a playbook does.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct Approver {
    /// The name, as evidence tells it.
    #[schemars(extend("pattern" = "^[A-Za-z0-9][-A-Za-z0-9._@]*$", "maxLength" = 63))]
    pub name: String,
    /// The minisign public key that approvals are signed with.
    pub public_key: PublicKey,
    /// The groups that approvals may ask for.
    #[schemars(default, inner(pattern("^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")))]
    pub groups: Vec<String>,
}

/// How runs on several hosts exclude each other: by a Lease of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(default)]
#[non_exhaustive]
pub struct Lease {
    /// The namespace that it is in.
    pub namespace: String,
}

impl Default for Lease {
    fn default() -> Self {
        Self { namespace: "kube-system".to_owned() }
    }
}

struct Person(String);

impl FromText for Person {
    fn from_text(text: &str) -> Result<Self, String> {
        let fits = |c: char| c.is_ascii_alphanumeric() || "-._@".contains(c);
        let begins = text.starts_with(|c: char| c.is_ascii_alphanumeric());
        match begins && text.len() <= 63 && text.chars().all(fits) {
            true => Ok(Self(text.to_owned())),
            false => Err(format!(
                "{} cannot be a name here: use letters, digits, `-`, `.`, `_` and `@`, at most 63",
                shown(text)
            )),
        }
    }
}

/// A group of approvers, or a namespace.
struct Label(String);

impl FromText for Label {
    fn from_text(text: &str) -> Result<Self, String> {
        let ends = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let fits = |c: char| ends(c) || c == '-';
        match text.len() <= 63 && text.starts_with(ends) && text.ends_with(ends) && text.chars().all(fits) {
            true => Ok(Self(text.to_owned())),
            false => Err(format!(
                "{} cannot be a name here: lower-case letters, digits and `-`, at most 63",
                shown(text)
            )),
        }
    }
}

impl Decode for Playbooks {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        let default = Self::default();
        let mut fields = at.fields()?;
        let directory = fields.or("directory", default.directory);
        let approvers = fields.or("approvers", default.approvers);
        let journal = fields.or("journal", default.journal);
        let lease = fields.or("lease", default.lease);
        fields.finish();
        for name in ["name", "publicKey"] {
            let mut seen = BTreeSet::new();
            for approver in at.entry("approvers").iter().flat_map(Cursor::items) {
                if let Some(at) = approver.entry(name)
                    && let Node::Text(text) = at.node
                    && !seen.insert(text.as_str())
                {
                    at.fail::<()>("another approver has it, too: approvals are counted by person");
                }
            }
        }
        Some(Self { directory: directory?, approvers: approvers?, journal: journal?, lease: lease? })
    }
}

impl Decode for Approver {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        let mut fields = at.fields()?;
        let name = fields.required::<Person>("name", "write the approver's name, such as `name: alice`");
        let hint = "write the last line of the .pub file, `publicKey: RW…`";
        let public_key = fields.required("publicKey", hint);
        let groups = fields.or("groups", Vec::<Label>::new());
        fields.finish();
        let groups = groups?.into_iter().map(|group| group.0).collect();
        Some(Self { name: name?.0, public_key: public_key?, groups })
    }
}

impl Decode for Lease {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        let mut fields = at.fields()?;
        let namespace = fields.required::<Label>("namespace", "write the namespace of the Lease");
        fields.finish();
        Some(Self { namespace: namespace?.0 })
    }
}

/// The section as the first file has it.
pub(super) const TEMPLATE: &str = r##"
# Playbooks, the written plans for incidents: where they are, who may approve what they do (with the key of
# `minisign -G`, or of `lifeboat init` elsewhere), where runs keep their journals, and where the Lease is by which
# two runs exclude each other. A journal is needed to continue a run, or to take it back: put it on a disk that
# outlives this host.
#: playbooks:
#:   directory: runbooks
#:   approvers:
#:     - name: alice
#:       publicKey: "RWQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#:       groups: [ir-leads]
#:   journal: journal
#:   lease: {namespace: kube-system}
"##;
