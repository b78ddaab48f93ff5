//! A TCP proxy that can misbehave.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What goes wrong, on connections that exist and on new ones. `after` counts the bytes from the server to clients
/// since the fault was set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// After so many bytes nothing moves any more, and connections stay open.
    Stall {
        /// In bytes.
        after: u64,
    },
    /// After so many bytes connections are cut; with 0, at once and every new one too.
    Cut {
        /// In bytes.
        after: u64,
    },
    /// No more than this goes from the server to clients.
    Throttle {
        /// In bytes, on each connection.
        per_second: u64,
    },
}

/// A proxy in front of one server. Gone when dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    fault: watch::Sender<Fault>,
    bytes: Arc<Bytes>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Bytes {
    to_server: AtomicU64,
    to_clients: AtomicU64,
    since_fault: AtomicU64,
}

impl Proxy {
    /// A proxy to `target`, which may be a `host:port` or a URL.
    pub async fn to(target: &str) -> Result<Self> {
        Self::at("127.0.0.1", target).await
    }

    /// The same that listens at this address of this host.
    pub async fn at(address: &str, target: &str) -> Result<Self> {
        let target = target.rsplit("://").next().unwrap_or(target).trim_end_matches('/').to_owned();
        let listener = TcpListener::bind((address, 0)).await.context("cannot listen")?;
        let address = listener.local_addr()?;
        let (fault, faults) = watch::channel(Fault::None);
        let bytes = Arc::new(Bytes::default());
        let task = tokio::spawn(accept(listener, target, faults, bytes.clone()));
        Ok(Self { address, fault, bytes, task })
    }

    /// Where it listens, as `127.0.0.1:port`.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Sets what goes wrong from now on.
    pub fn set(&self, fault: Fault) {
        self.bytes.since_fault.store(0, Ordering::Relaxed);
        self.fault.send_replace(fault);
    }

    /// Bytes that went from clients to the server.
    pub fn to_server(&self) -> u64 {
        self.bytes.to_server.load(Ordering::Relaxed)
    }

    /// Bytes that went from the server to clients.
    pub fn to_clients(&self) -> u64 {
        self.bytes.to_clients.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.fault.send_replace(Fault::Cut { after: 0 });
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, target: String, faults: watch::Receiver<Fault>, bytes: Arc<Bytes>) {
    while let Ok((client, _)) = listener.accept().await {
        let (target, faults, bytes) = (target.clone(), faults.clone(), bytes.clone());
        tokio::spawn(async move {
            let Ok(server) = TcpStream::connect(&target).await else { return };
            let (client_in, client_out) = client.into_split();
            let (server_in, server_out) = server.into_split();
            // When one direction ends, so does the other.
            tokio::select! {
                () = pump(client_in, server_out, faults.clone(), &bytes, false) => {}
                () = pump(server_in, client_out, faults, &bytes, true) => {}
            }
        });
    }
}

async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut faults: watch::Receiver<Fault>,
    bytes: &Bytes,
    to_client: bool,
) {
    let mut buffer = vec![0; 16 << 10];
    loop {
        let fault = *faults.borrow_and_update();
        let room = match fault {
            Fault::None | Fault::Throttle { .. } => u64::MAX,
            Fault::Stall { after } | Fault::Cut { after } => {
                after.saturating_sub(bytes.since_fault.load(Ordering::Relaxed))
            }
        };
        if room == 0 {
            if matches!(fault, Fault::Cut { .. }) || faults.changed().await.is_err() {
                return;
            }
            continue;
        }
        let limit = if to_client {
            buffer.len().min(usize::try_from(room).unwrap_or(usize::MAX))
        } else {
            buffer.len()
        };
        let read = tokio::select! {
            read = from.read(&mut buffer[..limit]) => read.unwrap_or(0),
            changed = faults.changed() => if changed.is_ok() { continue } else { 0 },
        };
        if read == 0 || to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
        if !to_client {
            bytes.to_server.fetch_add(read as u64, Ordering::Relaxed);
            continue;
        }
        bytes.to_clients.fetch_add(read as u64, Ordering::Relaxed);
        bytes.since_fault.fetch_add(read as u64, Ordering::Relaxed);
        if let Fault::Throttle { per_second } = fault {
            tokio::time::sleep(Duration::from_secs_f64(read as f64 / per_second.max(1) as f64)).await;
        }
    }
}
