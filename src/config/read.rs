//! How each section is read, and the rules between fields.

use super::daemon::Daemon;
use super::decode::{Cursor, Decode, FromText};
use super::drills::Drills;
use super::error::shown;
use super::model::{ApiVersion, Config, Encryption, Kind, Restore, Signing};
use super::node::Node;
use super::notifications::known;
use super::objectives::Objectives;
use super::playbooks::Playbooks;
use super::source::{self, Etcd, EtcdAuth, EtcdTls, Kubernetes, Resources};
use super::storage::Store;
use super::values::Endpoint;
use std::collections::BTreeSet;

impl FromText for ApiVersion {
    fn from_text(text: &str) -> Result<Self, String> {
        match text {
            "lifeboat.dev/v1" => Ok(Self::V1),
            _ => Err(format!("{} is unknown: this version of Lifeboat reads `lifeboat.dev/v1`", shown(text))),
        }
    }
}

impl FromText for Kind {
    fn from_text(text: &str) -> Result<Self, String> {
        match text {
            "Config" => Ok(Self::Config),
            _ => Err(format!("{} is not `Config`: this is another kind of file", shown(text))),
        }
    }
}

impl Decode for Config {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        if matches!(at.node, Node::Null) {
            return at.fail("the file is empty; `lifeboat init` writes one that explains itself");
        }
        let mut fields = at.fields()?;
        let api_version = fields.required("apiVersion", "write `apiVersion: lifeboat.dev/v1`");
        let kind = fields.required("kind", "write `kind: Config`");
        let cluster = fields.required("cluster", "write the cluster's name, such as `cluster: prod-eu1`");
        let etcd = fields.optional("etcd");
        let kubernetes = fields.or("kubernetes", Kubernetes::default());
        let resources = fields.or("resources", Resources::default());
        let hint = "name at least one, such as `stores: [{name: main, url: \"file:///srv/lifeboat\"}]`";
        let stores: Option<Vec<Store>> = fields.required("stores", hint);
        let encryption = fields.optional("encryption");
        let signing = fields.optional("signing");
        let restore = fields.or("restore", Restore::default());
        let retention = fields.optional("retention");
        let objectives = fields.or("objectives", Objectives::default());
        let playbooks = fields.or("playbooks", Playbooks::default());
        let drills = fields.or("drills", Drills::default());
        let notifications: Option<Vec<_>> = fields.or("notifications", Vec::new());
        let schedules = fields.or("schedules", Vec::new());
        let daemon = fields.or("daemon", Daemon::default());
        fields.finish();
        for (list, message) in [
            ("notifications", "another channel has this name"),
            ("schedules", "another schedule has this name"),
        ] {
            let items = at.entry(list).map(|list| list.items()).unwrap_or_default();
            unique(items.into_iter().filter_map(|item| item.entry("name")), message);
        }
        if let (Some(list), Some(channels)) = (at.entry("schedules"), &notifications) {
            known(&list, channels);
        }
        if let Some(list) = at.entry("stores") {
            if stores.as_ref().is_some_and(Vec::is_empty) {
                list.fail::<()>(format!("must not be empty; {hint}"));
            }
            let names = list.items().into_iter().filter_map(|item| item.entry("name"));
            unique(names, "another store has this name");
            for store in list.items() {
                copies(&store, stores.as_deref().unwrap_or_default());
            }
        }
        Some(Self {
            api_version: api_version?,
            kind: kind?,
            cluster: cluster?,
            etcd: etcd?,
            kubernetes: kubernetes?,
            resources: resources?,
            stores: stores?,
            encryption: encryption?,
            signing: signing?,
            restore: restore?,
            retention: retention?,
            objectives: objectives?,
            playbooks: playbooks?,
            drills: drills?,
            schedules: schedules?,
            daemon: daemon?,
            notifications: notifications?,
        })
    }
}

/// Notes names of stores to copy to that no other store has.
fn copies(store: &Cursor<'_>, stores: &[Store]) {
    let text = |at: &Cursor<'_>| match at.node {
        Node::Text(text) => Some(text.clone()),
        _ => None,
    };
    let own = store.entry("name").and_then(|name| text(&name));
    for to in store.entry("copyTo").map(|list| list.items()).unwrap_or_default() {
        let name = text(&to);
        if name == own {
            to.fail::<()>("is this store itself: name another one");
        } else if !stores.is_empty() && !stores.iter().any(|s| Some(&s.name) == name.as_ref()) {
            to.fail::<()>("no store has this name");
        }
    }
}

/// Notes every text that was there before.
fn unique<'a>(items: impl IntoIterator<Item = Cursor<'a>>, message: &str) {
    let mut seen = BTreeSet::new();
    for item in items {
        if let Node::Text(text) = item.node
            && !seen.insert(text.trim_end_matches('/'))
        {
            item.fail::<()>(message);
        }
    }
}

impl Decode for Etcd {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        let mut fields = at.fields()?;
        let hint = "write the members' URLs, such as `endpoints: [\"https://10.0.0.11:2379\"]`";
        let endpoints: Option<Vec<Endpoint>> = fields.required("endpoints", hint);
        let tls = fields.optional("tls");
        let auth = fields.optional("auth");
        let idle_timeout = fields.or("idleTimeout", source::idle_timeout());
        let connect_timeout = fields.or("connectTimeout", source::connect_timeout());
        let request_timeout = fields.or("requestTimeout", source::request_timeout());
        fields.finish();
        if let (Some(list), Some(endpoints)) = (at.entry("endpoints"), &endpoints) {
            if endpoints.is_empty() {
                list.fail::<()>(format!("must not be empty; {hint}"));
            }
            unique(list.items(), "given twice; keep one");
            let encrypted = at.entry("tls").is_some() || endpoints.iter().any(Endpoint::is_https);
            for (item, endpoint) in list.items().iter().zip(endpoints) {
                if encrypted && !endpoint.is_https() {
                    let why = "is not encrypted, but there is a `tls` section or another endpoint with https";
                    item.fail::<()>(format!("{} {why}: use https:// for all", shown(endpoint.as_str())));
                }
            }
        }
        Some(Self {
            endpoints: endpoints?,
            tls: tls?,
            auth: auth?,
            idle_timeout: idle_timeout?,
            connect_timeout: connect_timeout?,
            request_timeout: request_timeout?,
        })
    }
}

impl Decode for EtcdTls {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        let mut fields = at.fields()?;
        let (ca, cert, key) = (fields.optional("ca"), fields.optional("cert"), fields.optional("key"));
        let server_name = fields.optional("serverName");
        fields.finish();
        match (at.entry("cert"), at.entry("key")) {
            (Some(cert), None) => cert.fail("needs the `key` that belongs to it"),
            (None, Some(key)) => key.fail("needs the `cert` that belongs to it"),
            _ => Some(()),
        }?;
        Some(Self { ca: ca?, cert: cert?, key: key?, server_name: server_name? })
    }
}

impl Decode for EtcdAuth {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        let mut fields = at.fields()?;
        let username = fields.required("username", "write the etcd user's name");
        let password =
            fields.required("password", "write `password: {file: PATH}` or `password: {env: NAME}`");
        fields.finish();
        Some(Self { username: username?, password: password? })
    }
}

impl Decode for Kubernetes {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        let default = Self::default();
        let mut fields = at.fields()?;
        let kubeconfig = fields.optional("kubeconfig");
        let context = fields.optional("context");
        let in_cluster = fields.or("inCluster", default.in_cluster);
        let qps = fields.number("qps", 1, 10_000, default.qps);
        let concurrency = fields.number("concurrency", 1, 64, default.concurrency);
        let page_size = fields.number("pageSize", 1, 10_000, default.page_size);
        let timeout = fields.or("timeout", default.timeout);
        fields.finish();
        if in_cluster == Some(true) {
            for name in ["kubeconfig", "context"] {
                if let Some(other) = at.entry(name) {
                    other.fail::<()>("cannot be used together with `inCluster: true`; remove one of the two");
                }
            }
        }
        Some(Self {
            kubeconfig: kubeconfig?,
            context: context?,
            in_cluster: in_cluster?,
            qps: qps?,
            concurrency: concurrency?,
            page_size: page_size?,
            timeout: timeout?,
        })
    }
}

impl Decode for Resources {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        let mut fields = at.fields()?;
        let (include, exclude) = (fields.or("include", Vec::new()), fields.or("exclude", Vec::new()));
        let include_namespaces = fields.or("includeNamespaces", Vec::new());
        let exclude_namespaces = fields.or("excludeNamespaces", Vec::new());
        let label_selector = fields.optional("labelSelector");
        let drop_managed_fields = fields.or("dropManagedFields", false);
        fields.finish();
        Some(Self {
            include: include?,
            exclude: exclude?,
            include_namespaces: include_namespaces?,
            exclude_namespaces: exclude_namespaces?,
            label_selector: label_selector?,
            drop_managed_fields: drop_managed_fields?,
        })
    }
}

impl Decode for Encryption {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        let default = Self::default();
        let mut fields = at.fields()?;
        let recipients = fields.or("recipients", default.recipients);
        let recipients_file = fields.optional("recipientsFile");
        let compression_level = fields.number("compressionLevel", 1, 19, default.compression_level);
        let compression_workers = fields.number("compressionWorkers", 0, 64, default.compression_workers);
        fields.finish();
        if let Some(list) = at.entry("recipients") {
            unique(list.items(), "given twice; keep one");
        }
        let made = Self {
            recipients: recipients?,
            recipients_file: recipients_file?,
            compression_level: compression_level?,
            compression_workers: compression_workers?,
        };
        if made.recipients.is_empty() && made.recipients_file.is_none() {
            return at
                .fail("names nobody who could open a backup: add `recipients: [age1…]` or `recipientsFile`");
        }
        Some(made)
    }
}

impl Decode for Signing {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        let mut fields = at.fields()?;
        let secret_key = fields.optional("secretKey");
        let public_key =
            fields.required("publicKey", "write the last line of the .pub file, `publicKey: RW…`");
        let password = fields.optional("password");
        fields.finish();
        if let (Some(password), None) = (at.entry("password"), at.entry("secretKey")) {
            password.fail::<()>("is the password of `secretKey`, which is missing");
        }
        Some(Self { secret_key: secret_key?, public_key: public_key?, password: password? })
    }
}

impl Decode for Restore {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        let mut fields = at.fields()?;
        let etcdutl = fields.or("etcdutl", Self::default().etcdutl);
        fields.finish();
        Some(Self { etcdutl: etcdutl? })
    }
}
