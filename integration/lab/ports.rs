//! Free ports that stay ours until we are done, among tests and programs that run at once.

use std::fmt;
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::sync::atomic::{AtomicU16, Ordering};

use anyhow::{Result, bail};

// Below the range from which Linux takes the ports of outgoing connections.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// A TCP port on loopback. A server can be restarted on it for as long as this value lives.
///
/// The claim is a socket in the abstract namespace: like the port it belongs to the network namespace, any number of
/// labs respect it, and the kernel drops it with its holder.
#[derive(Debug)]
pub struct Port {
    number: u16,
    _claim: UnixListener,
}

impl Port {
    /// Claims a port on which nothing listens.
    pub fn claim() -> Result<Self> {
        static TRIED: AtomicU16 = AtomicU16::new(0);
        let start = (std::process::id() % u32::from(COUNT / 64)) as u16 * 64;
        for _ in 0..COUNT {
            let offset = start.wrapping_add(TRIED.fetch_add(1, Ordering::Relaxed)) % COUNT;
            let number = FIRST + offset;
            let name = SocketAddr::from_abstract_name(format!("lifeboat-lab-port-{number}"))?;
            let Ok(claim) = UnixListener::bind_addr(&name) else { continue };
            if TcpListener::bind(("127.0.0.1", number)).is_ok() {
                return Ok(Self { number, _claim: claim });
            }
        }
        bail!("no port between {FIRST} and {} is free", FIRST + COUNT)
    }

    /// Its number.
    pub fn number(&self) -> u16 {
        self.number
    }
}

/// As it stands in a URL: `127.0.0.1:20000`.
impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "127.0.0.1:{}", self.number)
    }
}
