use super::{Exit, Format, failure::Failure, progress::Terminal};
use crate::{
    catalogue::Catalogue,
    config::{ClusterName, ConfigError, Loaded, NamespaceGlob, ResourcePattern},
    object,
    pipeline::{Identities, PipelineError, Recipients, SealOptions, Signer, Verifier},
    source::{
        etcd::{EtcdOptions, TlsFiles},
        kube,
    },
    store::Store,
    trace::Trace,
};
use clap::ValueEnum;
use std::{
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

/// The flags of every command.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Global options")]
pub(super) struct Global {
    /// Configuration file [default: $LIFEBOAT_CONFIG, ./lifeboat.yaml, /etc/lifeboat/lifeboat.yaml]
    #[arg(short, long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// How the result is written
    #[arg(short, long, global = true, value_enum, default_value = "table", value_name = "FORMAT")]
    pub output: Format,
    /// A store of the configuration by name, or a store's URL, which needs no configuration [default: the first one]
    #[arg(long, global = true, value_name = "NAME|URL")]
    pub store: Option<String>,
    /// The cluster, where it is not the configuration's
    #[arg(long, global = true, value_name = "NAME")]
    pub cluster: Option<String>,
    /// Say nothing but errors
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Say more; twice, much more
    #[arg(short, long, global = true, action = clap::ArgAction::Count, conflicts_with = "quiet")]
    pub verbose: u8,
    /// How the log is written (to standard error)
    #[arg(long, global = true, value_enum, default_value = "text", value_name = "FORMAT")]
    pub log_format: LogFormat,
    /// Show no progress bar
    #[arg(long, global = true)]
    pub no_progress: bool,
    /// Not a flag: what is shown meanwhile.
    #[arg(skip)]
    pub terminal: Terminal,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    Text,
    Json,
}

/// Flags of the commands that read recovery points.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct Trust {
    /// The minisign public key (RWQ…, or its file) to check signatures with [default: signing.publicKey]
    #[arg(long, value_name = "KEY|FILE")]
    pub public_key: Option<String>,
}

/// Flags of the commands that open artifacts.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Keys {
    /// A file with age identities; may be given several times [env: LIFEBOAT_IDENTITY=]
    #[arg(short, long = "identity", value_name = "FILE")]
    pub identities: Vec<PathBuf>,
}

impl Keys {
    /// The files given, or the one in the environment.
    pub(super) fn given(&self) -> Vec<PathBuf> {
        if self.identities.is_empty() {
            std::env::var_os("LIFEBOAT_IDENTITY")
                .filter(|v| !v.is_empty())
                .map(PathBuf::from)
                .into_iter()
                .collect()
        } else {
            self.identities.clone()
        }
    }

    pub(super) fn load(&self) -> Result<Arc<Identities>, Failure> {
        let files = self.given();
        if files.is_empty() {
            return Err(PipelineError::NoIdentity.into());
        }
        Ok(Arc::new(Identities::from_files(&files)?))
    }
}

/// Flags of the commands that speak to the API server.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct Api {
    /// Use this kubeconfig, not the configuration's
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Use this context of the kubeconfig
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
}

/// What the flags and the configuration say together.
pub(super) struct Context {
    pub global: Global,
    loaded: Result<Loaded, ConfigError>,
    /// What came of the command, in one line.
    said: OnceLock<String>,
    /// Hears of what the command consists of.
    pub trace: Trace,
}

impl Context {
    pub(super) fn new(global: Global, trace: Trace) -> Self {
        let loaded = super::handed::configuration(&global);
        let configured = loaded.as_ref().ok().map(|loaded| loaded.config.cluster.to_string());
        if let Some(cluster) = global.cluster.clone().or(configured) {
            trace.note("lifeboat.cluster", cluster);
        }
        Context { global, loaded, said: OnceLock::new(), trace }
    }

    /// Flags, with a configuration that is there already.
    pub(super) fn of(global: Global, loaded: Loaded) -> Self {
        Context { global, loaded: Ok(loaded), said: OnceLock::new(), trace: Trace::none() }
    }

    /// Notes in one line what came of the command.
    pub(super) fn say(&self, what: String) {
        let _ = self.said.set(what);
    }

    /// What came of it, if that was noted.
    pub(super) fn said(&self) -> Option<&str> {
        self.said.get().map(String::as_str)
    }

    /// The configuration. Commands that can do without it do not ask.
    pub(super) fn config(&self) -> Result<&Loaded, Failure> {
        self.loaded.as_ref().map_err(|e| {
            let help = "`lifeboat init` writes a configuration; reading commands can do without one: \
                        `--store file:///path --cluster NAME`";
            Failure::new(Exit::Usage, e.to_string()).help(help)
        })
    }

    pub(super) fn optional(&self) -> Result<Option<&Loaded>, Failure> {
        match &self.loaded {
            Err(ConfigError::NotFound { .. }) if self.global.config.is_none() => Ok(None),
            _ => self.config().map(Some),
        }
    }

    /// The cluster that was asked for, else the configuration's, else the only one in the store.
    pub(super) async fn cluster(&self, store: &dyn Store) -> Result<String, Failure> {
        if let Some(cluster) = &self.global.cluster {
            return Ok(cluster.parse::<ClusterName>()?.to_string());
        }
        if let Some(loaded) = self.optional()? {
            return Ok(loaded.config.cluster.to_string());
        }
        match Catalogue::clusters(store).await?.as_slice() {
            [only] => Ok(only.clone()),
            [] => Err(Failure::new(Exit::Failed, format!("{} holds nothing", store.url()))),
            several => {
                let text = format!("{} holds several clusters: {}", store.url(), several.join(", "));
                Err(Failure::usage(text).help("name one with --cluster"))
            }
        }
    }

    pub(super) async fn catalogue(&self, trust: &Trust) -> Result<Catalogue, Failure> {
        let store = self.store().await?;
        self.catalogue_in(store, trust).await
    }

    /// The catalogue of the same cluster in another store.
    pub(super) async fn catalogue_in(
        &self,
        store: Arc<dyn Store>,
        trust: &Trust,
    ) -> Result<Catalogue, Failure> {
        let cluster = self.cluster(store.as_ref()).await?;
        self.catalogue_of(store, &cluster, trust)
    }

    /// The catalogue of any cluster in a store.
    pub(super) fn catalogue_of(
        &self,
        store: Arc<dyn Store>,
        cluster: &str,
        trust: &Trust,
    ) -> Result<Catalogue, Failure> {
        let verifier = match &trust.public_key {
            Some(key) => Some(Verifier::new(&std::fs::read_to_string(key).unwrap_or_else(|_| key.clone()))?),
            None => match self.optional()?.and_then(|l| l.config.signing.as_ref()) {
                Some(signing) => Some(Verifier::new(signing.public_key.as_str())?),
                None => None,
            },
        };
        Ok(Catalogue::new(self.global.terminal.counting(store), cluster, verifier))
    }

    pub(super) fn etcd(&self) -> Result<Option<EtcdOptions>, Failure> {
        let loaded = self.config()?;
        let Some(etcd) = &loaded.config.etcd else { return Ok(None) };
        let auth = match &etcd.auth {
            None => None,
            Some(auth) => Some((auth.username.clone(), self.secret(&auth.password)?)),
        };
        Ok(Some(EtcdOptions {
            endpoints: etcd.endpoints.iter().map(|e| e.as_str().to_owned()).collect(),
            tls: self.etcd_tls()?,
            auth,
            connect_timeout: etcd.connect_timeout,
            request_timeout: etcd.request_timeout,
            idle_timeout: etcd.idle_timeout,
        }))
    }

    /// The files with which etcd is spoken to.
    pub(super) fn etcd_tls(&self) -> Result<Option<TlsFiles>, Failure> {
        let loaded = self.config()?;
        let path = |p: &Option<PathBuf>| p.as_ref().map(|p| loaded.resolve(p));
        Ok(loaded.config.etcd.as_ref().and_then(|etcd| etcd.tls.as_ref()).map(|tls| TlsFiles {
            ca: path(&tls.ca),
            cert: path(&tls.cert),
            key: path(&tls.key),
            server_name: tls.server_name.as_ref().map(|n| n.as_str().to_owned()),
        }))
    }

    /// How to reach the API server of a cluster that is restored into; it needs no configuration.
    pub(super) fn target(&self, api: &Api, qps: u32) -> Result<kube::Connection, Failure> {
        let connection = match self.optional()? {
            Some(loaded) => connection(loaded, api),
            None => kube::Connection {
                kubeconfig: api.kubeconfig.clone(),
                context: api.context.clone(),
                ..kube::Connection::default()
            },
        };
        Ok(kube::Connection { qps, ..connection })
    }

    /// How to reach the API server, and what to export of it.
    pub(super) fn resources(&self, api: &Api) -> Result<(kube::Connection, kube::Filter), Failure> {
        let loaded = self.config()?;
        let r = &loaded.config.resources;
        let connection = connection(loaded, api);
        let pattern = |p: &ResourcePattern| p.as_str().parse::<object::ResourcePattern>();
        let glob = |g: &NamespaceGlob| g.as_str().parse::<object::Glob>();
        let filter = kube::Filter {
            include: r.include.iter().map(pattern).collect::<Result<_, _>>()?,
            exclude: r.exclude.iter().map(pattern).collect::<Result<_, _>>()?,
            include_namespaces: r.include_namespaces.iter().map(glob).collect::<Result<_, _>>()?,
            exclude_namespaces: r.exclude_namespaces.iter().map(glob).collect::<Result<_, _>>()?,
            cluster_scoped: None,
            labels: r.label_selector.as_ref().map(|l| l.as_str().to_owned()),
            drop_managed_fields: r.drop_managed_fields,
        };
        Ok((connection, filter))
    }

    /// The recipients of the configuration, and of the file that it names.
    pub(super) fn recipients(&self) -> Result<Recipients, Failure> {
        let loaded = self.config()?;
        let encryption = loaded.config.require_encryption()?;
        let mut names: Vec<String> = encryption.recipients.iter().map(|r| r.as_str().to_owned()).collect();
        if let Some(file) = &encryption.recipients_file {
            let path = loaded.resolve(file);
            let text = std::fs::read_to_string(&path)
                .map_err(|e| Failure::usage(format!("encryption.recipientsFile {}: {e}", path.display())))?;
            names.extend(
                text.lines()
                    .map(str::trim)
                    .filter(|l| !l.is_empty() && !l.starts_with('#'))
                    .map(str::to_owned),
            );
        }
        Ok(Recipients::new(&names)?)
    }

    pub(super) fn seal_options(&self) -> Result<SealOptions, Failure> {
        let encryption = self.config()?.config.require_encryption()?;
        let level = i32::try_from(encryption.compression_level).unwrap_or(1);
        Ok(SealOptions { level, workers: encryption.compression_workers })
    }

    /// The signing key, which must belong to the public key of the configuration.
    pub(super) fn signer(&self) -> Result<Signer, Failure> {
        let loaded = self.config()?;
        let missing = |what: &str| {
            Failure::usage(format!(
                "{}: {what} is missing: manifests are always signed",
                loaded.path.display()
            ))
            .help("`lifeboat init` makes a key; so does `minisign -G`, with a password (signing.password) or without (-W)")
        };
        let signing = loaded.config.signing.as_ref().ok_or_else(|| missing("signing"))?;
        let key = signing.secret_key.as_ref().ok_or_else(|| missing("signing.secretKey"))?;
        let password = signing.password.as_ref().map(|p| self.secret(p)).transpose()?;
        let signer = Signer::new(&self.secret(key)?, password.as_ref())?;
        let probe = b"lifeboat";
        let signature = signer.sign(probe, "probe")?;
        Verifier::new(signing.public_key.as_str())?.verify(probe, signature.as_bytes(), "probe").map_err(|_| {
            Failure::usage("signing.secretKey does not belong to signing.publicKey: nobody could check what it signs")
        })?;
        Ok(signer)
    }

    pub(super) fn secret(
        &self,
        reference: &crate::config::SecretRef,
    ) -> Result<secrecy::SecretString, Failure> {
        let secret = reference.resolve(&self.config()?.base)?;
        if let Some(warning) = &secret.warning {
            tracing::warn!("{warning}");
        }
        Ok(secret.value)
    }

    /// The `etcdutl` to use.
    pub(super) fn etcdutl(&self, given: Option<&Path>) -> Result<PathBuf, Failure> {
        if let Some(given) = given {
            return Ok(given.to_owned());
        }
        let configured = self.optional()?.map(|loaded| loaded.config.restore.program(&loaded.base));
        Ok(configured.unwrap_or_else(|| PathBuf::from("etcdutl")))
    }
}

fn connection(loaded: &Loaded, api: &Api) -> kube::Connection {
    let k = &loaded.config.kubernetes;
    let configured = k.kubeconfig.as_ref().map(|p| loaded.resolve(p));
    kube::Connection {
        in_cluster: k.in_cluster && api.kubeconfig.is_none(),
        kubeconfig: api.kubeconfig.clone().or(configured),
        context: api.context.clone().or_else(|| k.context.clone()),
        qps: k.qps,
        concurrency: k.concurrency as usize,
        page_size: k.page_size,
        timeout: k.timeout,
        compression: false,
    }
}
