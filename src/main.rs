//! The `lifeboat` program: see `lifeboat --help`.

use std::{process::ExitCode, time::Duration};
use tokio::runtime::Builder;

/// What nobody waits for any more when everything was done, as a name that is still looked up, holds the program up so long.
const LEFT_OVER: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    // Only a second provider in one process is an error, and there is none.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    // One thread moves the bytes: most of them come by one connection, and each hand-over between threads costs a wake-up.
    // What needs a processor for long (to compress, to decrypt, the disk) has threads of its own.
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => {
            eprintln!("lifeboat: it cannot be started here: {e}");
            return ExitCode::FAILURE;
        }
    };
    let exit = runtime.block_on(lifeboat::cli::main());
    runtime.shutdown_timeout(LEFT_OVER);
    exit
}
