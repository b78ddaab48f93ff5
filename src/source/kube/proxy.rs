//! Proxies that the environment names, and for whom they are not meant: what `NO_PROXY` lists, and this host itself, as Go's
//! programs read it (`golang.org/x/net/http/httpproxy`).

use std::net::IpAddr;

/// The list of the environment.
pub(super) fn no_proxy() -> String {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    variable("NO_PROXY").or_else(|| variable("no_proxy")).unwrap_or_default()
}

/// Is this host reached without the proxy of the environment?
pub(super) fn spared(host: &str, no_proxy: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    let address: Option<IpAddr> = host.parse().ok();
    if host == "localhost" || address.is_some_and(|address| address.is_loopback()) {
        return true;
    }
    no_proxy.split(',').map(|entry| entry.trim().to_ascii_lowercase()).filter(|entry| !entry.is_empty()).any(
        |entry| {
            if entry == "*" || entry == host {
                return true;
            }
            match (address, entry.split_once('/')) {
                (Some(address), Some((network, bits))) => within(address, network, bits),
                (Some(_), None) => false,
                (None, _) => {
                    let domain = entry.trim_start_matches('*').trim_start_matches('.');
                    host.strip_suffix(domain).is_some_and(|before| before.ends_with('.'))
                }
            }
        },
    )
}

fn within(address: IpAddr, network: &str, bits: &str) -> bool {
    let (Ok(network), Ok(bits)) = (network.parse::<IpAddr>(), bits.parse::<u32>()) else { return false };
    let first = |address: u128, length: u32| {
        (bits <= length).then(|| address.checked_shr(length - bits).unwrap_or(0))
    };
    match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(n)) => {
            let [a, n] = [a, n].map(|it| first(u128::from(u32::from(it)), 32));
            a.is_some() && a == n
        }
        (IpAddr::V6(a), IpAddr::V6(n)) => {
            let [a, n] = [a, n].map(|it| first(u128::from(it), 128));
            a.is_some() && a == n
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_host_and_what_is_listed_are_reached_without_a_proxy() {
        for host in ["127.0.0.1", "localhost", "[::1]", "127.8.9.1"] {
            assert!(spared(host, ""), "{host}");
        }
        for (host, list) in [
            ("10.1.2.3", "a, 10.0.0.0/8"),
            ("10.1.2.3", "10.1.2.3"),
            ("10.1.2.3", "0.0.0.0/0"),
            ("fd00::7", "fd00::/8"),
            ("API.lan.example", ".example"),
            ("api.lan.example", "*.lan.example"),
            ("api.lan.example", "lan.example"),
            ("anything", "*"),
        ] {
            assert!(spared(host, list), "{host} {list}");
        }
        for (host, list) in [
            ("10.1.2.3", ""),
            ("10.1.2.3", "11.0.0.0/8,10.1.2.3/33,fd00::/8,2.3"),
            ("fd00::7", "fd01::/16"),
            ("api.example", "pi.example"),
        ] {
            assert!(!spared(host, list), "{host} {list}");
        }
    }
}
