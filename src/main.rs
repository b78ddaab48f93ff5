//! The `lifeboat` program: see `lifeboat --help`.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    // Only a second provider in one process is an error, and there is none.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    lifeboat::cli::main().await
}
