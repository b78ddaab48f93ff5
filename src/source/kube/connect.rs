use super::{
    KubeError,
    fetch::Api,
    proxy::{no_proxy, spared},
    trouble::Failure,
};
use kube::{Client, Config, config::KubeConfigOptions, config::Kubeconfig, config::KubeconfigError};
use serde::Deserialize;
use std::{fmt, path::Path, path::PathBuf, sync::Arc, time::Duration};

/// How to reach a cluster, and how hard to press on it.
#[derive(Debug, Clone)]
pub struct Connection {
    /// The kubeconfig; without one `KUBECONFIG`, `~/.kube/config` and the pod's service account are tried, in this order.
    pub kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig; without one its current context.
    pub context: Option<String>,
    /// Use the pod's service account and nothing else.
    pub in_cluster: bool,
    /// Requests per second, with a second's worth at once after a rest; 0 for no limit.
    pub qps: u32,
    /// Pages in flight at the same time.
    pub concurrency: usize,
    /// Objects per page at most; pages of large objects hold fewer.
    pub page_size: u32,
    /// How long the server may be silent, before its answer begins and between any two pieces of it.
    pub timeout: Duration,
    /// Accept compressed answers. The server compresses whatever exceeds 128 KiB, which costs it more time than a
    /// local network saves: worth it over slow links only.
    pub compression: bool,
}

impl Default for Connection {
    fn default() -> Self {
        Connection {
            kubeconfig: None,
            context: None,
            in_cluster: false,
            qps: 100,
            concurrency: 6,
            page_size: 500,
            timeout: Duration::from_secs(60),
            compression: false,
        }
    }
}

impl Connection {
    /// The address of the API server that would be asked. Nobody is.
    ///
    /// # Errors
    /// When the kubeconfig cannot be read, or names none.
    pub async fn address(&self) -> Result<String, KubeError> {
        Ok(address(&configuration(self).await?))
    }
}

/// A cluster that answers.
#[derive(Clone)]
pub struct Cluster {
    pub(super) api: Arc<Api>,
    pub(super) concurrency: usize,
    pub(super) page_size: u32,
    version: String,
}

/// What a cluster is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The API server's version.
    pub version: String,
    /// The UID of the namespace `kube-system`, which stands for the cluster; none if it may not be read.
    pub uid: Option<String>,
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster")
            .field("server", &self.api.server)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

impl Cluster {
    /// Reads the configuration and asks the server for its version, so that whatever is wrong is said here.
    pub async fn connect(connection: &Connection) -> Result<Cluster, KubeError> {
        let mut config = configuration(connection).await?;
        config.disable_compression = !connection.compression;
        config.default_retry = false;
        config.connect_timeout = Some(connection.timeout.min(Duration::from_secs(30)));
        // The requests have their own, finer limit; this one ends what nobody waits for any more.
        config.read_timeout = Some(connection.timeout.saturating_mul(2));
        config.reset_reader_on_write = true;
        let server = address(&config);
        let made = tokio::task::spawn_blocking(move || Client::try_from(config));
        let client = match tokio::time::timeout(connection.timeout, made).await {
            Ok(Ok(Ok(client))) => client,
            Ok(Ok(Err(error))) => return Err(unusable(error, server)),
            Ok(Err(error)) => return Err(KubeError::Interrupted { reason: error.to_string() }),
            Err(_) => {
                let reason =
                    format!("the credential plugin did not end within {} s", connection.timeout.as_secs());
                return Err(KubeError::Credentials { server, reason });
            }
        };
        let api = Api::new(client, server, connection.qps, connection.timeout);
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Version {
            git_version: String,
        }
        let what = "tell its version";
        let said = api.get("/version").await.and_then(|body| {
            serde_json::from_slice::<Version>(&body).map_err(|error| Failure::from_json(&error))
        });
        let version = said.map_err(|failure| failure.into_error(&api.server, what))?.git_version;
        Ok(Cluster {
            api: Arc::new(api),
            concurrency: connection.concurrency.max(1),
            page_size: connection.page_size.max(1),
            version,
        })
    }

    /// The API server's address.
    pub fn server(&self) -> &str {
        &self.api.server
    }

    /// The API server's version, as it was when the connection was made.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The server's version and the cluster's UID.
    pub async fn facts(&self) -> Result<Facts, KubeError> {
        #[derive(Deserialize)]
        struct Object {
            metadata: Metadata,
        }
        #[derive(Deserialize)]
        struct Metadata {
            uid: String,
        }
        let uid = match self.api.get("/api/v1/namespaces/kube-system").await {
            Ok(body) => serde_json::from_slice::<Object>(&body).ok().map(|object| object.metadata.uid),
            Err(failure) if matches!(failure.code(), Some(403 | 404)) => {
                let reason = failure.text();
                tracing::warn!(
                    reason,
                    "which cluster this is cannot be told later: its UID cannot be learned"
                );
                None
            }
            Err(failure) => {
                return Err(failure.into_error(&self.api.server, "read the namespace kube-system"));
            }
        };
        Ok(Facts { version: self.version.clone(), uid })
    }
}

pub(super) async fn configuration(connection: &Connection) -> Result<Config, KubeError> {
    if connection.in_cluster {
        return Config::incluster().map_err(|error| KubeError::InCluster { reason: error.to_string() });
    }
    let (file, read) = match &connection.kubeconfig {
        Some(path) => (path.display().to_string(), Kubeconfig::read_from(path)),
        None => {
            let file = std::env::var("KUBECONFIG").unwrap_or_else(|_| "~/.kube/config".to_owned());
            (file, Kubeconfig::read())
        }
    };
    let kubeconfig = match read {
        Ok(kubeconfig) => kubeconfig,
        Err(error) if connection.kubeconfig.is_none() && connection.context.is_none() && absent(&error) => {
            return Config::incluster().map_err(|pod| KubeError::NoConfiguration {
                reason: format!("{file} is not there, and this is not a pod ({pod})"),
            });
        }
        Err(error) => return Err(unreadable(error, &file)),
    };
    let known: Vec<&str> = kubeconfig.contexts.iter().map(|context| &*context.name).collect();
    if let Some(context) = connection.context.as_deref().or(kubeconfig.current_context.as_deref())
        && !known.contains(&context)
    {
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        return Err(KubeError::UnknownContext { context: context.to_owned(), file, known });
    }
    let options = KubeConfigOptions { context: connection.context.clone(), ..KubeConfigOptions::default() };
    let proxies = kubeconfig.clusters.iter().filter_map(|it| it.cluster.as_ref()?.proxy_url.as_ref());
    let named: Vec<http::Uri> = proxies.filter_map(|it| it.parse().ok()).collect();
    let read = Config::from_custom_kubeconfig(kubeconfig, &options).await;
    let mut config = read.map_err(|error| unreadable(error, &file))?;
    let from_environment = config.proxy_url.as_ref().is_some_and(|proxy| !named.contains(proxy));
    if from_environment && spared(config.cluster_url.host().unwrap_or_default(), &no_proxy()) {
        config.proxy_url = None;
    }
    Ok(config)
}

fn absent(error: &KubeconfigError) -> bool {
    match error {
        KubeconfigError::FindPath => true,
        KubeconfigError::ReadConfig(error, _) => error.kind() == std::io::ErrorKind::NotFound,
        _ => false,
    }
}

fn unreadable(error: KubeconfigError, file: &str) -> KubeError {
    let file = file.to_owned();
    match error {
        KubeconfigError::ReadConfig(error, path) => KubeError::Kubeconfig { path, reason: error.to_string() },
        // The parser shows the lines around a mistake, and they hold keys and tokens.
        KubeconfigError::Parse(error) => {
            let line = error.location().map_or(String::new(), |place| format!(" (line {})", place.line()));
            let reason = format!("it is not the YAML of a kubeconfig{line}");
            KubeError::Kubeconfig { path: Path::new(&file).to_owned(), reason }
        }
        KubeconfigError::CurrentContextNotSet => {
            let reason = "it has no current context; give --context NAME".to_owned();
            KubeError::Unusable { file, reason }
        }
        KubeconfigError::FindPath => {
            KubeError::NoConfiguration { reason: "there is no home directory".to_owned() }
        }
        other => KubeError::Unusable { file, reason: other.to_string() },
    }
}

fn unusable(error: kube::Error, server: String) -> KubeError {
    match error {
        kube::Error::Auth(error) => {
            KubeError::Credentials { server, reason: super::trouble::credentials(&error) }
        }
        kube::Error::InferKubeconfig(error) => unreadable(error, &format!("for {server}")),
        kube::Error::ProxyProtocolDisabled { .. } | kube::Error::ProxyProtocolUnsupported { .. } => {
            let reason =
                "a proxy is asked for, by the kubeconfig's proxy-url or by HTTPS_PROXY, and this program speaks to none; NO_PROXY \
                 names those that are reached without one"
                    .to_owned();
            KubeError::Unreachable { server, reason }
        }
        other => KubeError::Certificate { server, reason: other.to_string() },
    }
}

/// The server's address without a user and a password.
fn address(config: &Config) -> String {
    let url = &config.cluster_url;
    let host = url.authority().map_or("", |authority| {
        let text = authority.as_str();
        text.rsplit_once('@').map_or(text, |(_, host)| host)
    });
    format!("{}://{host}{}", url.scheme_str().unwrap_or("https"), url.path().trim_end_matches('/'))
}
