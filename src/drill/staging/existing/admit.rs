//! Whether a drill may use a cluster: it has to be named by whoever is responsible, and must not be the one that was saved. Pure.

use super::super::StagingError;
use url::{Host, Url};

/// A cluster that drills may use, as the configuration names it. At least one of `uid` and `server` is there: a context is called so by
/// whoever writes a kubeconfig.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowed {
    /// The context by which drills name it.
    pub context: String,
    /// The UID of its namespace `kube-system`.
    pub uid: Option<String>,
    /// The address of its API server.
    pub server: Option<String>,
}

/// A cluster, as it tells of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// The address of its API server.
    pub(super) server: String,
    /// The UID of its namespace `kube-system`, if that may be read.
    pub(super) uid: Option<String>,
}

/// Those that are allowed for this context.
///
/// # Errors
/// When there are none.
pub(super) fn named<'a>(allowed: &'a [Allowed], context: &str) -> Result<Vec<&'a Allowed>, StagingError> {
    let named: Vec<&Allowed> = allowed.iter().filter(|it| it.context == context).collect();
    if named.is_empty() {
        return Err(StagingError::Refused(format!(
            "the context `{context}` is not among the clusters that drills may use: whoever is responsible for that cluster names it in \
             `drills.existing` of the configuration, with its UID or its address"
        )));
    }
    Ok(named)
}

/// Refuses every cluster but one that is allowed. `point` is the UID of the cluster that was saved, `source` what is known of the one
/// that the configuration names. Gives the UID.
///
/// # Errors
/// Why the cluster must not be used.
pub(super) fn admit(
    found: &Found,
    named: &[&Allowed],
    point: Option<&str>,
    source: Option<&Found>,
) -> Result<String, StagingError> {
    let refused = |why: String| Err(StagingError::Refused(format!("{why}; nothing was changed")));
    let server = &found.server;
    let Some(uid) = &found.uid else {
        return refused(format!(
            "the namespace kube-system of the cluster at {server} may not be read, so that it cannot be told from the source: \
             allow its user to get it"
        ));
    };
    let Some(point) = point else {
        return refused(
            "the recovery point does not tell the UID of its cluster, so that no cluster can be told from the source: allow the user \
             of the backup to get the namespace kube-system, and take another one"
                .to_owned(),
        );
    };
    if uid == point {
        return refused(format!(
            "the cluster at {server} is the one that was saved: its namespace kube-system has the UID {uid} of the recovery point's"
        ));
    }
    if source.is_some_and(|source| source.uid.as_ref() == Some(uid)) {
        return refused(format!(
            "the cluster at {server} is the one that the configuration saves (`kubernetes`): its namespace kube-system has the same UID, {uid}"
        ));
    }
    if source.is_some_and(|source| same_server(&source.server, server)) {
        return refused(format!(
            "{server} is the address of the API server that the configuration saves (`kubernetes`): a drill never writes to the source"
        ));
    }
    let fits = |it: &&&Allowed| {
        it.uid.as_ref().is_none_or(|pinned| pinned == uid)
            && it.server.as_ref().is_none_or(|pinned| same_server(pinned, server))
            && (it.uid.is_some() || it.server.is_some())
    };
    if named.iter().any(|it| fits(&it)) {
        return Ok(uid.clone());
    }
    let pins: Vec<String> = named
        .iter()
        .map(|it| {
            let uid = it.uid.as_ref().map(|uid| format!("UID {uid}"));
            let server = it.server.as_ref().map(|server| format!("address {server}"));
            uid.into_iter().chain(server).collect::<Vec<_>>().join(" and ")
        })
        .collect();
    refused(format!(
        "the cluster at {server} has the UID {uid}, and `drills.existing` of the configuration allows this context only for the cluster with {}",
        pins.join(", or ")
    ))
}

/// Do both mean the same server? How it is written does not count, and neither does which name of this host it is.
pub(super) fn same_server(a: &str, b: &str) -> bool {
    match (place(a), place(b)) {
        (Some(a), Some(b)) => a == b,
        _ => a.trim_end_matches('/').eq_ignore_ascii_case(b.trim_end_matches('/')),
    }
}

fn place(text: &str) -> Option<(String, u16)> {
    let text = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    let url = Url::parse(&text).ok()?;
    let host = match url.host()? {
        Host::Ipv4(ip) if ip.is_loopback() => "localhost".to_owned(),
        Host::Ipv6(ip) if ip.is_loopback() => "localhost".to_owned(),
        host => host.to_string().trim_end_matches('.').to_lowercase(),
    };
    Some((host, url.port_or_known_default()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster(server: &str, uid: &str) -> Found {
        Found { server: server.into(), uid: Some(uid.into()) }
    }

    fn allowed(uid: Option<&str>, server: Option<&str>) -> Allowed {
        Allowed { context: "staging".into(), uid: uid.map(Into::into), server: server.map(Into::into) }
    }

    fn said(
        found: &Found,
        allowed: &[Allowed],
        point: Option<&str>,
        source: Option<&Found>,
    ) -> Result<String, String> {
        let named: Vec<&Allowed> = allowed.iter().collect();
        admit(found, &named, point, source).map_err(|e| e.to_string())
    }

    #[test]
    fn only_what_is_named_and_is_not_the_source_is_admitted() {
        let (found, source) = (cluster("https://b:6443", "B"), cluster("https://a:6443", "A"));
        let pinned = [allowed(Some("B"), None)];
        assert_eq!(said(&found, &pinned, Some("A"), Some(&source)), Ok("B".into()));
        assert_eq!(said(&found, &pinned, Some("A"), None), Ok("B".into()));
        assert_eq!(
            said(&found, &[allowed(Some("B"), Some("https://B:6443/"))], Some("A"), None),
            Ok("B".into())
        );
        fn refused(
            found: &Found,
            allowed: &[Allowed],
            point: Option<&str>,
            source: Option<&Found>,
            why: &str,
        ) {
            let said = said(found, allowed, point, source).unwrap_err();
            assert!(said.contains(why) && said.ends_with("nothing was changed"), "{said}");
        }
        refused(&found, &pinned, Some("B"), None, "is the one that was saved");
        refused(&found, &pinned, Some("A"), Some(&cluster("https://x", "B")), "has the same UID");
        refused(
            &found,
            &pinned,
            Some("A"),
            Some(&cluster("https://b:6443", "C")),
            "never writes to the source",
        );
        refused(&found, &pinned, None, None, "does not tell the UID");
        refused(&Found { uid: None, ..found.clone() }, &pinned, Some("A"), None, "may not be read");
        refused(&found, &[allowed(Some("X"), None)], Some("A"), None, "only for the cluster with UID X");
        refused(&found, &[allowed(Some("B"), Some("https://c"))], Some("A"), None, "and address https://c");
        refused(&found, &[allowed(None, None)], Some("A"), None, "only for");
        assert!(named(&pinned, "prod").unwrap_err().to_string().contains("`prod` is not among"));
        assert_eq!(named(&pinned, "staging").unwrap().len(), 1);
    }

    #[test]
    fn one_server_has_several_ways_to_be_written() {
        for (a, b) in [
            ("https://A.example.com", "https://a.example.com:443/"),
            ("https://127.0.0.1:6443", "https://localhost:6443"),
            ("https://[::1]:6443", "http://127.0.0.2:6443/x"),
            ("a.example.com.:6443", "https://a.example.com:6443"),
        ] {
            assert!(same_server(a, b), "{a} {b}");
        }
        assert!(!same_server("https://a:6443", "https://a:6444") && !same_server("https://a", "https://b"));
    }
}
