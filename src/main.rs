//! The `lifeboat` program: see `lifeboat --help`.

use std::process::ExitCode;

// One thread moves the bytes: most of them come by one connection, and each hand-over between threads costs a wake-up.
// What needs a processor for long (to compress, to decrypt, the disk) has threads of its own.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    // Only a second provider in one process is an error, and there is none.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    lifeboat::cli::main().await
}
