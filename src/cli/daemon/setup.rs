//! What a configuration says to a daemon, now and when it changes.

use crate::{
    catalogue::{Catalogue, overview::Overview},
    cli::{
        certificates,
        context::{Context, Global, LogFormat, Trust},
        failure::Failure,
        news::Herald,
        notify,
        schedule::{EXAMPLE, job},
        status,
    },
    config::{Config, Daemon, Loaded, Objectives},
    daemon::{Around, Ground, Job, Processes, Setup, Sign, Teller, Validity},
    notify::{Delivery, Message},
    point::{Key, News, Turn},
    store::{Memory, Remembering, Store},
};
use async_trait::async_trait;
use jiff::Timestamp;
use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    path::PathBuf,
    sync::Arc,
};

/// The configuration's file, and what was last read from it.
pub(super) struct Source {
    global: Global,
    path: PathBuf,
    text: String,
    settings: Daemon,
    memory: Arc<Memory>,
    herald: Arc<Herald>,
}

/// Opens the store, and reaches people, as the configuration says. What is secret is read anew each time.
struct Places {
    context: Context,
    /// What was read of the store when it was looked around in it.
    memory: Arc<Memory>,
    /// Whether other clusters in the store are of interest.
    all: bool,
    herald: Arc<Herald>,
}

impl Places {
    async fn overview(
        &self,
        store: &Arc<dyn Store>,
        cluster: &str,
        now: Timestamp,
    ) -> Result<Overview, Failure> {
        let seen = Remembering::below(store.clone(), self.memory.clone(), Key::new(cluster)?).await?;
        let catalogue = self.context.catalogue_of(Arc::new(seen), cluster, &Trust::default())?;
        let mut overview = catalogue.overview(now).await?;
        overview.copies = status::copies(&self.context, &catalogue, &Trust::default()).await?;
        Ok(overview)
    }

    /// Says which channels could not be told anything: else that would be noticed when it matters.
    fn try_channels(&self, jobs: &BTreeMap<String, Job>) {
        let names: BTreeSet<&str> =
            jobs.values().flat_map(|job| &job.tells).map(|it| it.channel.as_str()).collect();
        for name in names {
            if let Err(failure) = notify::channel(&self.context, name) {
                tracing::warn!("the channel `{name}` could be told nothing: {}", failure.error);
            }
        }
    }

    async fn look_around(&self, now: Timestamp) -> Result<Around, Failure> {
        let store = self.context.store().await?;
        let own = self.context.cluster(store.as_ref()).await?;
        let overview = self.overview(&store, &own, now).await?;
        let mut unread = Vec::new();
        let mut others = BTreeSet::new();
        if self.all {
            match status::in_store(store.as_ref()).await {
                Ok(found) => others.extend(found.into_iter().filter(|cluster| *cluster != own)),
                Err(e) => {
                    unread.push(format!("which other clusters are in the store is not known: {}", e.error))
                }
            }
        }
        let mut clusters = BTreeMap::from([(own, overview)]);
        for cluster in others {
            match self.overview(&store, &cluster, now).await {
                Ok(overview) => drop(clusters.insert(cluster, overview)),
                // The credentials may be good for the own cluster only.
                Err(e) => unread.push(format!("how {cluster} stands is not known: {}", e.error)),
            }
        }
        Ok(Around { store: store.url().to_owned(), clusters, unread })
    }
}

#[async_trait]
impl Ground for Places {
    async fn catalogue(&self) -> Result<Catalogue, String> {
        self.context.catalogue(&Trust::default()).await.map_err(|failure| failure.error.to_string())
    }

    async fn around(&self, now: Timestamp) -> Result<Around, String> {
        self.look_around(now).await.map_err(|failure| failure.error.to_string())
    }

    async fn certificates(&self) -> Vec<Validity> {
        certificates::first_to_expire(&self.context).await
    }
}

#[async_trait]
impl Teller for Places {
    async fn tell(&self, channels: &[String], message: &Message) -> Vec<Delivery> {
        let mut told = Vec::new();
        let mut ready = Vec::new();
        for name in channels {
            match notify::channel(&self.context, name) {
                Ok(found) => ready.push(found),
                Err(failure) => told.push(notify::lost(name, failure.error.to_string())),
            }
        }
        told.extend(notify::tell(&ready.iter().collect::<Vec<_>>(), message).await);
        told
    }

    async fn announce(&self, news: &News) {
        self.herald.tell(news).await;
    }

    async fn sign(&self, sign: Sign, turn: &Turn) -> Option<Delivery> {
        let config = &self.context.config().ok()?.config;
        let ping = config.schedules.iter().find(|it| it.name.as_str() == turn.schedule)?.ping.as_ref()?;
        let url = match sign {
            Sign::Begun => &ping.begun,
            Sign::Succeeded => &ping.succeeded,
            Sign::Failed => &ping.failed,
        };
        let name = format!("{} (ping)", turn.schedule);
        Some(notify::sign(&self.context, &name, url.as_ref()?, &format!("{turn}-{sign:?}")).await)
    }
}

impl Source {
    pub(super) fn new(global: Global, path: PathBuf) -> Self {
        Source {
            global,
            path,
            text: String::new(),
            settings: Daemon::default(),
            memory: Arc::default(),
            herald: Arc::new(Herald::from_environment()),
        }
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
        let jobs: BTreeMap<_, _> = schedules.map(|it| (it.name.to_string(), job(&loaded, it))).collect();
        let runner = Processes { flags: self.flags(), text: text.into() };
        let objectives = status::objectives(Objectives::default(), loaded.config.objectives.clone());
        let own = loaded.config.cluster.to_string();
        let places = Arc::new(Places {
            all: loaded.config.daemon.page,
            context: Context::of(self.global.clone(), loaded),
            memory: self.memory.clone(),
            herald: self.herald.clone(),
        });
        places.try_channels(&jobs);
        Setup {
            cluster: self.global.cluster.clone().unwrap_or(own),
            objectives,
            jobs,
            ground: places.clone(),
            runner: Arc::new(runner),
            teller: places,
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
