//! The OpenTelemetry Collector's receiver of OTLP, which writes down what it is told.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::Value;
use tokio::net::TcpStream;

use super::{eventually, ports::Port, process::Process, tools};

const NAME: &str = "otlp-receiver";

/// A receiver of traces over HTTP.
pub struct Collector {
    port: Port,
    log: PathBuf,
    process: Process,
}

impl Collector {
    /// Starts one. What it is told is kept in `dir`.
    pub async fn start(dir: &Path) -> Result<Self> {
        let port = Port::claim()?;
        let address = port.to_string();
        let process = Process::start(dir, NAME, &tools::tool(NAME)?, [&address])?;
        eventually("the collector", Duration::from_secs(20), async || {
            process.alive()?;
            Ok(TcpStream::connect(&address).await.is_ok().then_some(()))
        })
        .await?;
        Ok(Collector { port, log: dir.join(format!("{NAME}.log")), process })
    }

    /// Freezes it: connections stay open, nothing answers.
    pub fn pause(&self) -> Result<()> {
        self.process.pause()
    }

    /// Its URL.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.port)
    }

    /// What came, request by request, as OTLP writes it in JSON.
    pub fn came(&self) -> Result<Vec<Value>> {
        let text = std::fs::read_to_string(&self.log)?;
        let mut came = Vec::new();
        for line in text.lines() {
            ensure!(line.starts_with("{\"resourceSpans\""), "the collector says: {line}");
            came.push(serde_json::from_str(line)?);
        }
        Ok(came)
    }
}
