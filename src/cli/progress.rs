//! What a terminal shows while something is under way. In pipes, and where it was switched off, there is nothing of it.

use super::context::Global;
use crate::{
    backup::Progress,
    catalogue::Catalogue,
    point::PointId,
    report,
    restore::resources,
    store::{Body, Store, Through},
};
use futures_util::TryStreamExt;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::{
    io::{IsTerminal, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

const SPIN: &str = "{spinner} {elapsed} {msg}";
const BYTES: &str = "{prefix:9} [{wide_bar}] {percent:>3} %  {binary_bytes} of {binary_total_bytes}  \
                     {binary_bytes_per_sec}  {eta} left";
const OBJECTS: &str = "{prefix:9} [{wide_bar}] {percent:>3} %  {pos} of {len} objects  {per_sec}  {eta} left";
const TYPES: &str = "{prefix:9} [{wide_bar}] {percent:>3} %  {pos} of {len} types  {msg}";

/// What everything that writes to the terminal has to know of.
#[derive(Debug, Clone, Default)]
pub(super) struct Terminal {
    bars: MultiProgress,
    /// Bytes that came from the store.
    read: Arc<AtomicU64>,
}

impl Terminal {
    /// Standard error; what is written to it does not mingle with the bars.
    pub(super) fn log(&self) -> impl Write + use<> {
        Log(self.bars.clone())
    }

    /// The same store; what is read of it counts as progress.
    pub(super) fn counting(&self, store: Arc<dyn Store>) -> Arc<dyn Store> {
        let read = self.read.clone();
        let count = move |body: Body| -> Body {
            let read = read.clone();
            Box::pin(body.inspect_ok(move |chunk| {
                read.fetch_add(chunk.len() as u64, Relaxed);
            }))
        };
        Arc::new(Through::new(store, |body| body, count))
    }
}

struct Log(MultiProgress);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.suspend(|| std::io::stderr().write(bytes))
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().flush()
    }
}

/// A line on the terminal that tells how far something is; it goes away with this value.
pub(super) struct Spinner(ProgressBar);

impl Spinner {
    /// Shows what is under way, and how much of the store was read for it.
    pub(super) fn start(global: &Global, what: &'static str) -> Self {
        let read = global.terminal.read.clone();
        Spinner::new(global).follow(move |bar| {
            bar.set_message(match read.load(Relaxed) {
                0 => what.to_owned(),
                n => format!("{what}, {} read", report::bytes(n)),
            });
        })
    }

    /// The same, when so many bytes of the store will be read in all.
    pub(super) fn reading(global: &Global, what: &str, bytes: u64) -> Self {
        let spinner = Spinner::new(global);
        spinner.0.set_prefix(what.to_owned());
        measure(&spinner.0, BYTES, bytes);
        let (read, before) = (global.terminal.read.clone(), global.terminal.read.load(Relaxed));
        spinner.follow(move |bar| bar.set_position((read.load(Relaxed) - before).min(bytes)))
    }

    /// The same for a recovery point that will be read whole.
    pub(super) async fn point(global: &Global, catalogue: &Catalogue, id: &PointId, what: &str) -> Self {
        let bytes = match Spinner::shows(global) {
            true => catalogue.load(id).await.map_or(0, |point| point.manifest.stored_bytes()),
            false => 0,
        };
        Spinner::reading(global, what, bytes)
    }

    /// The bytes of the etcd snapshot, as soon as it is known how many there will be.
    pub(super) fn etcd(global: &Global, progress: Arc<Progress>) -> Self {
        let spinner = Spinner::new(global);
        spinner.0.set_prefix("etcd");
        spinner.0.set_message("looking at the members");
        spinner.follow(move |bar| {
            let (bytes, expected) = progress.etcd();
            if expected > 0 {
                measure(bar, BYTES, expected.max(bytes));
                bar.set_position(bytes);
            }
        })
    }

    /// The objects of the export, as soon as it is known of how many types.
    pub(super) fn resources(global: &Global, progress: Arc<Progress>) -> Self {
        let spinner = Spinner::new(global);
        spinner.0.set_prefix("resources");
        spinner.follow(move |bar| {
            let (read, types) = progress.types();
            if types > 0 {
                measure(bar, TYPES, types);
                bar.set_position(read);
                bar.set_message(format!("{} objects", progress.objects()));
            } else if progress.has_begun_export() {
                bar.set_message("looking for types");
            } else {
                bar.set_message("waiting for the snapshot");
            }
        })
    }

    /// The objects of a restore.
    pub(super) fn objects(global: &Global, progress: Arc<resources::Progress>) -> Self {
        let spinner = Spinner::new(global);
        spinner.0.set_prefix("objects");
        spinner.follow(move |bar| {
            let (written, total) = progress.objects();
            measure(bar, OBJECTS, total as u64);
            bar.set_position(written as u64);
        })
    }

    /// A line whose words change with every phase.
    pub(super) fn phase(global: &Global) -> Self {
        Spinner::new(global).follow(|_| {})
    }

    /// Says what is under way now.
    pub(super) fn tell(&self, what: String) {
        self.0.set_message(what);
    }

    /// Is anything shown? On a terminal, unless it was switched off.
    fn shows(global: &Global) -> bool {
        !global.no_progress && !global.quiet && std::io::stderr().is_terminal()
    }

    fn new(global: &Global) -> Self {
        if !Spinner::shows(global) {
            return Spinner(ProgressBar::hidden());
        }
        let bar = ProgressBar::no_length();
        style(&bar, SPIN);
        Spinner(global.terminal.bars.add(bar))
    }

    /// Has `update` change the line, again and again.
    fn follow(self, update: impl Fn(&ProgressBar) + Send + 'static) -> Self {
        let bar = self.0.clone();
        if !bar.is_hidden() {
            tokio::spawn(async move {
                while !bar.is_finished() {
                    update(&bar);
                    bar.tick();
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            });
        }
        self
    }

    pub(super) fn end(&self) {
        self.0.finish_and_clear();
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        self.end();
    }
}

/// Makes the line a bar of this length.
fn measure(bar: &ProgressBar, template: &str, length: u64) {
    if bar.length().is_none() {
        style(bar, template);
        bar.reset_eta();
    }
    bar.set_length(length);
}

fn style(bar: &ProgressBar, template: &str) {
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
}
