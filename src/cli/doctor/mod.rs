//! `lifeboat doctor`: one file for each side that it looks at.

mod certificates;
mod etcd;
mod keys;
mod kubernetes;
mod store;

use super::{
    Exit,
    context::{Api, Context},
    failure::Failure,
    output,
};
use crate::report;
use serde::Serialize;
use serde_json::json;

/// Tries each thing that a backup and a restore need, and says how to mend what is wrong
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Nothing is changed, but for a small object that is written to the store, read back and removed.

Examples:
  lifeboat doctor
  lifeboat doctor -o json | jq '.checks[] | select(.level != \"ok\")'")]
pub(super) struct Args {
    #[command(flatten)]
    api: Api,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Ok,
    Info,
    Warning,
    Error,
}

#[derive(Debug, Serialize)]
struct Check {
    level: Level,
    about: String,
    message: String,
}

/// The checks so far.
struct Checks(Vec<Check>);

impl Checks {
    fn add(&mut self, level: Level, about: impl Into<String>, message: impl Into<String>) {
        self.0.push(Check { level, about: about.into(), message: message.into() });
    }

    fn result<T, E: std::fmt::Display>(
        &mut self,
        about: &str,
        result: Result<T, E>,
        ok: impl FnOnce(&T) -> String,
    ) -> Option<T> {
        match result {
            Ok(value) => {
                self.add(Level::Ok, about, ok(&value));
                Some(value)
            }
            Err(e) => {
                self.add(Level::Error, about, e.to_string());
                None
            }
        }
    }
}

pub(super) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let loaded = context.config()?;
    let mut checks = Checks(Vec::new());
    checks.add(Level::Ok, "configuration", format!("{} is well-formed", loaded.path.display()));
    keys::check(context, &mut checks);
    match context.store().await {
        Ok(store) => store::check(store.as_ref(), loaded.config.cluster.as_str(), &mut checks).await,
        Err(e) => checks.add(Level::Error, "store", e.error.to_string()),
    }
    certificates::renewable(super::certificates::stores(context)?, &mut checks);
    store::copies(context, loaded.config.cluster.as_str(), &mut checks).await;
    let mut newest = None;
    match context.etcd() {
        Ok(Some(options)) => newest = etcd::check(&options, &mut checks).await,
        Ok(None) => {
            checks.add(Level::Warning, "etcd", "not configured: only the API server's objects will be saved")
        }
        Err(e) => checks.add(Level::Error, "etcd", e.error.to_string()),
    }
    kubernetes::check(context, &args.api, &mut checks).await;
    etcd::etcdutl(context, newest, &mut checks).await;

    let worst = checks.0.iter().map(|c| c.level).max().unwrap_or(Level::Ok);
    let value = json!({"worst": worst, "checks": checks.0});
    output::result(context.global.output, &value, || {
        let name = |level| match level {
            Level::Ok => "ok",
            Level::Info => "note",
            Level::Warning => "WARNING",
            Level::Error => "ERROR",
        };
        let rows =
            checks.0.iter().map(|c| vec![name(c.level).to_owned(), c.about.clone(), c.message.clone()]);
        report::table(&["", "what", "finding"], rows)
    })?;
    Ok(if worst == Level::Error { Exit::Failed } else { Exit::Done })
}
