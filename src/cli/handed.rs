//! A process that a daemon began: its configuration comes on standard input, and it ends when the daemon does.

use super::context::Global;
use crate::{
    config::{Config, ConfigError, Loaded},
    daemon::TURN,
};
use std::{
    io::{self, BufRead, Read},
    path::Path,
};

/// The run of a schedule that this process is, if a daemon began it.
pub(super) fn turn() -> Option<String> {
    std::env::var(TURN).ok().filter(|turn| !turn.is_empty())
}

/// The configuration: the one that a daemon hands over, or what a file says.
pub(super) fn configuration(global: &Global) -> Result<Loaded, ConfigError> {
    let (Some(_), Some(path)) = (turn(), &global.config) else {
        return Config::load(global.config.as_deref(), &|name| std::env::var_os(name));
    };
    let text = text(path)?;
    std::thread::spawn(outlive);
    Config::loaded(&text, path)
}

fn text(path: &Path) -> Result<String, ConfigError> {
    let mut bytes = Vec::new();
    let read = io::stdin().lock().read_until(0, &mut bytes);
    let whole = read.is_ok() && bytes.pop() == Some(0);
    String::from_utf8(bytes).ok().filter(|_| whole).ok_or_else(|| ConfigError::Unreadable {
        what: "configuration",
        path: path.to_owned(),
        from_env: false,
        reason: format!("the daemon has not handed it over; was {TURN} set by hand?"),
    })
}

/// Standard input ends when the daemon does, whatever ends it. A run that nobody looks after any more may be given up by others, and
/// so it stops as if it were told to.
fn outlive() {
    let mut rest = [0; 64];
    while matches!(io::stdin().lock().read(&mut rest), Ok(1..)) {}
    tracing::error!("the daemon is gone: this run stops");
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TERM);
}
