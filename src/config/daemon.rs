//! How `lifeboat daemon` runs.

use super::decode::{Cursor, Decode, FromText};
use super::duration;
use super::error::shown;
use schemars::JsonSchema;
use serde::Serialize;
use std::net::SocketAddr;
use std::time::Duration;

/// How `lifeboat daemon` runs.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(default)]
#[non_exhaustive]
pub struct Daemon {
    /// Where it answers to `/metrics`, `/healthz` and `/readyz`: an address and a port. Nowhere if nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<Listen>,
    /// Whether it answers there to `/` with a page on how every cluster in the store stands, and to `/api/v1/status` with the same
    /// as JSON. Whoever reaches the address can read them.
    pub page: bool,
    /// When it is told to end, what runs has so long to come to its end; then it is stopped, which takes half a minute at most.
    #[serde(serialize_with = "duration::serialize")]
    #[schemars(with = "duration::Text")]
    pub grace: Duration,
}

impl Default for Daemon {
    fn default() -> Self {
        Daemon { listen: None, page: false, grace: Duration::from_secs(60) }
    }
}

/// An address and a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(inline, extend("examples" = ["127.0.0.1:9797", "[::1]:9797", "0.0.0.0:9797"]))]
pub struct Listen(#[schemars(with = "String")] SocketAddr);

impl Listen {
    /// What is listened on.
    pub fn address(&self) -> SocketAddr {
        self.0
    }
}

impl FromText for Listen {
    fn from_text(text: &str) -> Result<Self, String> {
        let hint =
            "write an IP address and a port, such as 127.0.0.1:9797, or 0.0.0.0:9797 for all addresses";
        text.parse().map(Listen).map_err(|_| format!("{} is no place to listen: {hint}", shown(text)))
    }
}

impl Decode for Daemon {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        let default = Self::default();
        let mut fields = at.fields()?;
        let listen = fields.optional("listen");
        let page = fields.get("page");
        let shown = page.as_ref().map_or(Some(default.page), bool::decode);
        let grace = fields.or("grace", default.grace);
        fields.finish();
        if let (Some(at), Some(true), Some(None)) = (page, shown, &listen) {
            return at.fail("there is no page where nothing is listened on: say with `listen` where, such as 127.0.0.1:9797");
        }
        Some(Daemon { listen: listen?, page: shown?, grace: grace? })
    }
}

/// The section in the configuration that `lifeboat init` writes.
pub(super) const TEMPLATE: &str = r##"
# How `lifeboat daemon` runs: where it answers to /metrics, /healthz and /readyz (nowhere if nothing is said), whether
# there is a status page, too, for whoever reaches that address, and how long what runs may go on when it is told to
# end.
#: daemon:
#:   listen: "127.0.0.1:9797"
#:   page: true
#:   grace: 1m
"##;
