//! What a configuration says to a daemon, now and when it changes.

use crate::{
    catalogue::{Catalogue, overview::Overview},
    cli::{
        context::{Context, Global, LogFormat, Trust},
        failure::Failure,
        schedule::{EXAMPLE, job},
        status,
    },
    config::{Config, Daemon, Loaded, Objectives},
    daemon::{Ground, Processes, Setup},
    source::etcd::{TlsFiles, authority, client_certificate},
};
use async_trait::async_trait;
use jiff::Timestamp;
use std::{ffi::OsString, path::PathBuf, sync::Arc};

/// The configuration's file, and what was last read from it.
pub(super) struct Source {
    global: Global,
    path: PathBuf,
    text: String,
    settings: Daemon,
}

/// Opens the store as the configuration says.
struct Stores(Context);

#[async_trait]
impl Ground for Stores {
    async fn catalogue(&self) -> Result<Catalogue, String> {
        self.0.catalogue(&Trust::default()).await.map_err(|failure| failure.error.to_string())
    }

    async fn overview(&self, now: Timestamp) -> Result<Overview, String> {
        let looked = async {
            let catalogue = self.0.catalogue(&Trust::default()).await?;
            let mut overview = catalogue.overview(now).await?;
            overview.copies = status::copies(&self.0, &catalogue, &Trust::default()).await?;
            Ok(overview)
        };
        looked.await.map_err(|failure: Failure| failure.error.to_string())
    }

    fn certificates(&self) -> Vec<(&'static str, Timestamp)> {
        let Ok(Some(TlsFiles { ca, cert, .. })) = self.0.etcd().map(|etcd| etcd.and_then(|it| it.tls)) else {
            return Vec::new();
        };
        let own = cert.map(|path| ("etcd-client", client_certificate(&path)));
        let authority = ca.map(|path| ("etcd-ca", authority(&path)));
        let read = own.into_iter().chain(authority).filter_map(|(what, read)| match read {
            Ok(it) => Some((what, it.not_after)),
            Err(e) => {
                tracing::warn!("until when a certificate holds is not known: {e}");
                None
            }
        });
        read.collect()
    }
}

impl Source {
    pub(super) fn new(global: Global, path: PathBuf) -> Self {
        Source { global, path, text: String::new(), settings: Daemon::default() }
    }

    /// What it says at the beginning.
    pub(super) fn first(&mut self) -> Result<(Setup, Daemon), Failure> {
        let text = Config::text(&self.path)?;
        let (setup, settings) = self.setup(&text)?;
        (self.text, self.settings) = (text, settings.clone());
        Ok((setup, settings))
    }

    /// What it says now; none when that is what it said before.
    pub(super) fn again(&mut self) -> Result<Option<Setup>, String> {
        let said = |failure: Failure| failure.error.to_string();
        let text = Config::text(&self.path).map_err(|e| said(e.into()))?;
        if text == self.text {
            return Ok(None);
        }
        let (setup, settings) = self.setup(&text).map_err(said)?;
        if settings != self.settings {
            tracing::warn!(
                "`daemon` of the configuration has changed: that takes effect when the daemon is started again"
            );
        }
        self.text = text;
        Ok(Some(setup))
    }

    fn setup(&self, text: &str) -> Result<(Setup, Daemon), Failure> {
        let loaded = Config::loaded(text, &self.path)?;
        if loaded.config.schedules.is_empty() {
            let text = format!("{} has no `schedules`: there is nothing to run", self.path.display());
            return Err(Failure::usage(text).help(EXAMPLE));
        }
        let settings = loaded.config.daemon.clone();
        Ok((self.built(text, loaded), settings))
    }

    fn built(&self, text: &str, loaded: Loaded) -> Setup {
        let schedules = loaded.config.schedules.iter();
        let jobs = schedules.map(|it| (it.name.to_string(), job(&loaded, it))).collect();
        let runner = Processes { flags: self.flags(), text: text.into() };
        let objectives = status::objectives(Objectives::default(), loaded.config.objectives.clone());
        let own = loaded.config.cluster.to_string();
        Setup {
            cluster: self.global.cluster.clone().unwrap_or(own),
            objectives,
            jobs,
            ground: Arc::new(Stores(Context::of(self.global.clone(), loaded))),
            runner: Arc::new(runner),
        }
    }

    /// The flags with which the daemon was started, for its processes.
    fn flags(&self) -> Vec<OsString> {
        let global = &self.global;
        let mut flags: Vec<OsString> = vec!["--config".into(), self.path.clone().into()];
        for (flag, value) in [("--store", &global.store), ("--cluster", &global.cluster)] {
            if let Some(value) = value {
                flags.extend([flag.into(), value.into()]);
            }
        }
        if global.log_format == LogFormat::Json {
            flags.extend(["--log-format".into(), "json".into()]);
        }
        if global.quiet {
            flags.push("--quiet".into());
        }
        flags.extend((0..global.verbose).map(|_| OsString::from("--verbose")));
        flags
    }
}
