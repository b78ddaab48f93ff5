//! A drill of a saved cluster, in a directory of its own, and what must not be left of it.

use crate::{
    boat::{Lifeboat, Ran},
    saved::tree,
};
use anyhow::Result;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::{
    fs,
    net::TcpListener,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};
use tokio::process::Child;

/// How a drill is started in every test.
pub const RUN: [&str; 7] = ["drill", "run", "drill.yaml", "-i", "identity.txt", "-o", "json"];

/// Writes the drill's file; `more` are further fields, and `staging` further ones of the control plane.
pub fn write(boat: &Lifeboat, staging: &str, more: &str) -> Result<()> {
    let text = format!(
        "apiVersion: lifeboat.dev/v1\nkind: Drill\nname: rehearsal\nscenario: All control planes are lost.\n\
         staging: {{controlplane: {{directory: staging, {staging}}}}}\n{more}\n"
    );
    Ok(fs::write(boat.path("drill.yaml"), text)?)
}

/// Runs the drill, and sees that nothing is left of it.
pub async fn drill(boat: &Lifeboat, args: &[&str]) -> Ran {
    let ran = boat.run(&[&RUN[..], args].concat()).await;
    nothing_left(boat);
    ran
}

/// No process carries the mark of a staging of this boat, and its directory is empty.
#[track_caller]
pub fn nothing_left(boat: &Lifeboat) {
    let base = boat.path("staging");
    assert_eq!(processes(&base), Vec::<String>::new());
    let files = tree(&base);
    assert!(files.is_empty(), "{:?}", files.iter().map(|(path, _)| path).collect::<Vec<_>>());
}

/// Sends a signal to a drill.
pub fn signal(child: &Child, signal: Signal) -> Result<()> {
    Ok(kill_process(Pid::from_raw(child.id().unwrap_or_default() as i32).unwrap(), signal)?)
}

/// The processes that were started for stagings below `base`.
pub fn processes(base: &Path) -> Vec<String> {
    let mark = format!("LIFEBOAT_DRILL={}", base.display()).into_bytes();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
        if environment.split(|byte| *byte == 0).any(|word| word.starts_with(&mark)) {
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            found.push(String::from_utf8_lossy(&line).chars().take(60).collect());
        }
    }
    found
}

/// The result of a check of the evidence.
#[track_caller]
pub fn check<'a>(evidence: &'a Value, name: &str) -> &'a Value {
    let checks = evidence["checks"].as_array().unwrap();
    checks.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("no {name} in {evidence:#}"))
}

/// The names of the checks that did not pass, but for that of references: what the tests fill clusters with leads nowhere in
/// places.
pub fn failed(evidence: &Value) -> Vec<String> {
    let checks = evidence["checks"].as_array().into_iter().flatten();
    let failed = checks.filter(|check| check["outcome"] == "failed" && check["name"] != "references");
    failed.map(|check| check["name"].as_str().unwrap_or_default().to_owned()).collect()
}

/// Counts who comes.
pub struct Door {
    /// Where it is.
    pub port: u16,
    knocks: Arc<AtomicUsize>,
}

impl Door {
    /// Opens one at a free port of this address.
    pub fn open(address: &str) -> Result<Self> {
        let listener = TcpListener::bind((address, 0))?;
        let (port, knocks) = (listener.local_addr()?.port(), Arc::new(AtomicUsize::new(0)));
        let counter = knocks.clone();
        std::thread::spawn(move || {
            for _ in listener.incoming() {
                counter.fetch_add(1, Relaxed);
            }
        });
        Ok(Door { port, knocks })
    }

    /// How many have come.
    pub fn knocks(&self) -> usize {
        self.knocks.load(Relaxed)
    }
}
