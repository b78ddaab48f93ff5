//! Standard output gets the result and nothing else; everything else goes to standard error.

use super::{
    Exit, Format,
    context::{Global, LogFormat},
    failure::Failure,
};
use crate::object::plain;
use serde::Serialize;
use std::{
    io::{self, IsTerminal, Write},
    path::Path,
};
use tempfile::NamedTempFile;
use tracing_subscriber::{EnvFilter, fmt};

/// Writes text to standard output. A reader that went away is no error.
pub(super) fn text(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes());
    if !text.ends_with('\n') {
        let _ = out.write_all(b"\n");
    }
    let _ = out.flush();
}

/// Writes lines for people to standard output. Whatever others have put into a text, it does nothing to the terminal.
pub(super) fn lines(text: &str) {
    self::text(&text.lines().map(plain).collect::<Vec<_>>().join("\n"));
}

/// Writes a result in the format asked for; `table` renders it for people.
pub(super) fn result<T: Serialize>(
    format: Format,
    value: &T,
    table: impl FnOnce() -> String,
) -> Result<(), Failure> {
    match format {
        Format::Table => lines(&table()),
        Format::Json => text(&serde_json::to_string_pretty(value)?),
        Format::Yaml => text(&serde_yaml::to_string(value)?),
    }
    Ok(())
}

/// Writes bytes to standard output as they are; a terminal gets the end of the line that they lack.
pub(super) fn bytes(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let end: &[u8] = if out.is_terminal() && !bytes.ends_with(b"\n") { b"\n" } else { b"" };
    match out.write_all(bytes).and_then(|()| out.write_all(end)).and_then(|()| out.flush()) {
        // A reader that went away is no error.
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => Err(e.into()),
        _ => Ok(()),
    }
}

/// A file in the directory of `to`, which only its owner can read. It goes away unless [`put`] moves it there.
pub(super) fn beside(to: &Path) -> Result<NamedTempFile, Failure> {
    let dir = to.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let made = tempfile::Builder::new().prefix(".lifeboat-").tempfile_in(dir);
    made.map_err(|e| Failure::new(Exit::Failed, format!("{}: {e}", dir.display())))
}

/// Moves a file that is whole to its place, where there must be none.
pub(super) fn put(file: NamedTempFile, to: &Path) -> Result<(), Failure> {
    let at = |e: io::Error| format!("{}: {e}", to.display());
    file.as_file().sync_all().map_err(|e| Failure::new(Exit::Failed, at(e)))?;
    file.persist_noclobber(to).map_err(|e| match e.error.kind() {
        io::ErrorKind::AlreadyExists => {
            Failure::new(Exit::Conflict, format!("{} exists: nothing is overwritten", to.display()))
                .help("give another name, or move it away first")
        }
        _ => Failure::new(Exit::Failed, at(e.error)),
    })?;
    Ok(())
}

/// The text without age identities, which somebody may have given in the place of something else.
pub(super) fn without_identities(text: &str) -> String {
    let upper = text.to_ascii_uppercase();
    let mut out = String::new();
    let mut at = 0;
    while let Some(found) = upper[at..].find("AGE-SECRET-KEY-1").map(|found| at + found) {
        out.push_str(&text[at..found]);
        out.push_str("(withheld)");
        let key = |c: char| c.is_ascii_alphanumeric() || c == '-';
        at = text[found..].find(|c| !key(c)).map_or(text.len(), |length| found + length);
    }
    out + &text[at..]
}

/// The end of a line on several things: how many did not come about, and why the first of them did not; nothing where all did.
pub(super) fn not_all(errors: &[&str]) -> String {
    match errors {
        [] => String::new(),
        [first, ..] => format!("; {} could not be, the first of them: {first}", errors.len()),
    }
}

/// Says why a command failed: last in the log, and, where a result in JSON or YAML was asked for, in its place.
pub(super) fn failure(format: Format, log: LogFormat, failure: &Failure) {
    // The rooms' errors name their causes themselves.
    let message = without_identities(&failure.error.to_string());
    match format {
        Format::Json | Format::Yaml => {
            let error = serde_json::json!({"error": {
                "code": failure.code(), "message": message, "help": failure.help,
            }});
            let _ = result(format, &error, String::new);
        }
        Format::Table => {}
    }
    if log == LogFormat::Json {
        tracing::error!(code = failure.code(), help = failure.help.as_deref(), "{message}");
        return;
    }
    let mut err = std::io::stderr().lock();
    let _ = writeln!(err, "lifeboat: {message}");
    if let Some(help) = &failure.help {
        let _ = writeln!(err, "  help: {help}");
    }
}

/// Starts the log, which tells so many steps more than is asked for.
pub(super) fn start_log(global: &Global, more: u8) {
    let level = match (global.quiet, global.verbose.saturating_add(more)) {
        (true, _) => "lifeboat=error",
        (false, 0) => "lifeboat=warn",
        (false, 1) => "lifeboat=info",
        (false, 2) => "lifeboat=debug",
        // What carries requests would tell the addresses of webhooks, which are secrets.
        _ => "debug,hyper=info,hyper_util=info,rustls=info",
    };
    let terminal = global.terminal.clone();
    let log = fmt().with_env_filter(EnvFilter::new(level)).with_writer(move || terminal.log());
    // Only a second start in one process fails, and then the first one serves.
    let _ = match global.log_format {
        LogFormat::Text => log.with_ansi(std::io::stderr().is_terminal()).with_target(false).try_init(),
        LogFormat::Json => log.json().try_init(),
    };
}
