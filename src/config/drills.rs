//! What the configuration says about drills: where they are made, and which clusters of others they may use.

use super::decode::{Cursor, Decode, FromText};
use super::error::shown;
use schemars::JsonSchema;
use serde::Serialize;
use std::path::PathBuf;
use url::Url;

/// What holds for every drill, whatever its file says.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(default)]
#[non_exhaustive]
pub struct Drills {
    /// Where staging is made, if the drill's file names no other place. It must belong to the user who runs drills, with mode 0700.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub directory: Option<PathBuf>,
    /// Clusters that drills may use with `staging: {existing: …}`. A drill's file cannot add to them.
    pub existing: Vec<DrillCluster>,
}

/// A cluster that drills may use: known by its UID, its address, or both.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("minProperties" = 2))]
#[non_exhaustive]
pub struct DrillCluster {
    /// The context by which a drill's file names it.
    pub context: String,
    /// The UID of its namespace `kube-system`: `kubectl get namespace kube-system -o jsonpath={.metadata.uid}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// The address of its API server, as its kubeconfig has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<ServerUrl>,
}

/// The address of an API server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(inline, extend("pattern" = "^https?://[^/@?#]+(/.*)?$"))]
pub struct ServerUrl(String);

impl ServerUrl {
    /// The text as it is written in the file.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromText for ServerUrl {
    fn from_text(text: &str) -> Result<Self, String> {
        let example = "write it as the kubeconfig has it, such as https://10.0.0.1:6443";
        let url =
            Url::parse(text).map_err(|error| format!("{} is not a URL ({error}): {example}", shown(text)))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(format!("an address has no user and password in it: {example}"));
        }
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err(format!("{} is no address of a server: {example}", shown(text)));
        }
        Ok(ServerUrl(text.to_owned()))
    }
}

impl Decode for Drills {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        let mut fields = at.fields()?;
        let directory = fields.optional::<String>("directory");
        let existing = fields.or("existing", Vec::new());
        fields.finish();
        Some(Drills { directory: directory?.map(Into::into), existing: existing? })
    }
}

impl Decode for DrillCluster {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        let mut fields = at.fields()?;
        let context = fields.required("context", "write the context by which drills name the cluster");
        let (uid, server) = (fields.optional("uid"), fields.optional("server"));
        fields.finish();
        if at.entry("uid").is_none() && at.entry("server").is_none() {
            return at.fail(
                "says not which cluster that is, for anybody can call a context so: write `uid` (that of the namespace kube-system) or \
                 `server`",
            );
        }
        Some(DrillCluster { context: context?, uid: uid?, server: server? })
    }
}

/// The section in the configuration that `lifeboat init` writes.
pub(super) const TEMPLATE: &str = r##"
# Drills: where their staging is made, and which clusters of others they may restore into (`staging: {existing: …}` in a
# drill's file). Each is known by the UID of its namespace kube-system, its address, or both; the source never is one.
#: drills:
#:   directory: /var/lib/lifeboat-drills
#:   existing:
#:     - context: staging
#:       uid: 5f0b6d0e-3c59-4d5e-9a3c-7d1f4b1c2a90
#:       server: "https://10.0.9.11:6443"
"##;
