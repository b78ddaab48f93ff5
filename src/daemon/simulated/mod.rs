//! Daemons over many weeks, in seconds: the clock stands still but when everybody waits. What they run takes its time and fails as
//! told; the store is a real one.

mod runs;
mod told;

use super::*;
use crate::{
    catalogue::{Catalogue, overview::Objectives},
    notify::{Delivery, Message},
    point::{End, FormatVersion, News, Turn, TurnOutcome},
    schedule::{Overlap, Rule},
    store::FileStore,
};
use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, sleep},
};

/// What happened to a run.
#[derive(Debug, Clone, PartialEq)]
struct Happened {
    turn: Turn,
    holder: String,
    began: Timestamp,
    /// When it came to its end; none where it was stopped or killed.
    ended: Option<Timestamp>,
    why: Option<Why>,
}

/// When, what had happened, and the message's key.
type Told = (Timestamp, &'static str, String);

#[derive(Clone)]
struct World {
    origin: Instant,
    begin: Timestamp,
    /// By how much this host's clock is wrong.
    set: Arc<Mutex<SignedDuration>>,
    store: PathBuf,
    log: Arc<Mutex<Vec<Happened>>>,
    /// How long a run takes, and its exit code.
    takes: Arc<Mutex<(Duration, u8)>>,
    /// What people were told.
    told: Arc<Mutex<Vec<Told>>>,
    signs: Arc<Mutex<Vec<Sign>>>,
    news: Arc<Mutex<Vec<News>>>,
}

struct Fake(World, String);

#[async_trait]
impl Ground for World {
    async fn catalogue(&self) -> Result<Catalogue, String> {
        Ok(Catalogue::new(Arc::new(FileStore::new(self.store.clone(), "file:///store")), "c", None))
    }

    async fn around(&self, _: Timestamp) -> Result<Around, String> {
        Ok(Around::default())
    }
}

#[async_trait]
impl Runner for Fake {
    async fn run(&self, _: &Job, turn: &Turn, mut stop: Stop) -> Ended {
        let (takes, exit) = *self.0.takes.lock().unwrap();
        let began = self.0.now();
        let at = {
            let mut log = self.0.log.lock().unwrap();
            log.push(Happened { turn: turn.clone(), holder: self.1.clone(), began, ended: None, why: None });
            log.len() - 1
        };
        tokio::select! {
            () = sleep(takes) => {
                self.0.log.lock().unwrap()[at].ended = Some(self.0.now());
                Ended { exit: Some(exit), made: None, message: None }
            }
            why = stop.wait_for(Option::is_some) => {
                self.0.log.lock().unwrap()[at].why = *why.unwrap();
                Ended { exit: None, made: None, message: None }
            }
        }
    }
}

#[async_trait]
impl Teller for World {
    async fn tell(&self, channels: &[String], message: &Message) -> Vec<Delivery> {
        self.told.lock().unwrap().push((self.now(), message.event, message.key.clone()));
        let delivered =
            |channel: &String| Delivery { channel: channel.clone(), delivered: true, tries: 1, error: None };
        channels.iter().map(delivered).collect()
    }

    async fn announce(&self, news: &News) {
        self.news.lock().unwrap().push(news.clone());
    }

    async fn sign(&self, sign: Sign, _: &Turn) -> Option<Delivery> {
        self.signs.lock().unwrap().push(sign);
        None
    }
}

/// Reads a configuration again; what is handed over makes the first one anew.
type Again = Box<dyn FnMut(&dyn Fn() -> Setup) -> Result<Option<Setup>, String> + Send>;

/// A daemon that runs.
struct Live {
    task: JoinHandle<Result<(), DaemonError>>,
    signals: mpsc::Sender<Signal>,
    board: Arc<Board>,
}

impl World {
    fn new(dir: &tempfile::TempDir, begin: &str) -> Self {
        World {
            origin: Instant::now(),
            begin: begin.parse().unwrap(),
            set: Arc::default(),
            store: dir.path().to_owned(),
            log: Arc::default(),
            takes: Arc::new(Mutex::new((Duration::from_secs(60), 0))),
            told: Arc::default(),
            signs: Arc::default(),
            news: Arc::default(),
        }
    }

    fn now(&self) -> Timestamp {
        let passed = SignedDuration::try_from(self.origin.elapsed()).unwrap();
        self.begin + passed + *self.set.lock().unwrap()
    }

    fn start(&self, holder: &str, rules: &[Rule], retries: u32) -> Live {
        self.start_with(holder, rules, retries, Box::new(|_| Ok(None)))
    }

    /// One whose configuration is read again like this.
    fn start_with(&self, holder: &str, rules: &[Rule], retries: u32, mut again: Again) -> Live {
        let job = |rule: &Rule| Job {
            rule: rule.clone(),
            retries,
            timeout: Duration::from_secs(6 * 3600),
            work: Work::Backup,
            tells: vec![Tell {
                channel: "ops".into(),
                on: vec![Occasion::Failed, Occasion::Recovered],
                again: SignedDuration::from_hours(6),
            }],
            command: Vec::new(),
        };
        let jobs: BTreeMap<String, Job> = rules.iter().map(|rule| (rule.name.clone(), job(rule))).collect();
        let (world, name) = (self.clone(), holder.to_owned());
        let setup = move || Setup {
            cluster: "c".to_owned(),
            jobs: jobs.clone(),
            objectives: Objectives::default(),
            ground: Arc::new(world.clone()),
            runner: Arc::new(Fake(world.clone(), name.clone())),
            teller: Arc::new(world.clone()),
        };
        let world = self.clone();
        let clock: Clock = Arc::new(move || world.now());
        let options = Options {
            holder: holder.to_owned(),
            grace: Duration::from_secs(300),
            clock,
            listener: None,
            page: None,
        };
        let (signals, told) = mpsc::channel(4);
        let board = Arc::new(Board::default());
        let first = setup();
        let reload = Box::new(move || again(&setup));
        let daemon = run(options, first, reload, board.clone(), told);
        Live { task: tokio::spawn(daemon), signals, board }
    }

    fn log(&self) -> Vec<Happened> {
        self.log.lock().unwrap().clone()
    }

    async fn end_of(&self, turn: &Turn) -> Option<End> {
        self.catalogue().await.unwrap().said::<End>(turn).await.unwrap()
    }

    /// Waits until this time on the wall.
    async fn until(&self, at: &str) {
        let at: Timestamp = at.parse().unwrap();
        sleep(Duration::try_from(at.duration_since(self.now())).unwrap()).await;
    }
}

fn rule(name: &str, cron: &str, zone: &str, overlap: Overlap) -> Rule {
    Rule {
        name: name.into(),
        cron: cron.parse().unwrap(),
        zone: TimeZone::get(zone).unwrap(),
        jitter: SignedDuration::ZERO,
        deadline: None,
        overlap,
        suspended: false,
    }
}

/// In memory where there is such a place: what is written is not to survive.
fn directory() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn hourly() -> Rule {
    rule("hourly", "0 * * * *", "UTC", Overlap::Forbid)
}
