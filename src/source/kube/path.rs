//! An object's place in the archive: `<group|core>/<version>/<resource>/<namespace|_cluster>/<name>.json`.
//!
//! Names of roles may hold almost anything (`system:node`, `%`, a leading `_`), and nothing that a server says is
//! trusted to be a path. So every segment keeps `A-Z a-z 0-9 . _ -` as they are and writes every other byte of its
//! UTF-8 as `%XX` (upper case); a segment's first character is also written so unless it is a letter or a digit. Hence no
//! segment is empty, `.`, `..`, hidden, an option, or a Windows stream (`a:b`), and `_cluster` and `core` are free to have
//! their own meaning (a group that is really called `core` is `%63ore`). Decoding `%XX` gives the name back.

/// Which object a path is the place of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectPlace {
    /// The API group; empty for the core.
    pub group: String,
    /// The API version.
    pub version: String,
    /// The resource's plural name.
    pub resource: String,
    /// The namespace; none for cluster-scoped objects.
    pub namespace: Option<String>,
    /// The object's name.
    pub name: String,
}

const CORE: &str = "core";
const CLUSTER: &str = "_cluster";
const SUFFIX: &str = ".json";

/// The place of an object, or nothing if one of the parts that must not be empty is.
pub fn object_path(
    group: &str,
    version: &str,
    resource: &str,
    namespace: Option<&str>,
    name: &str,
) -> Option<String> {
    if version.is_empty() || resource.is_empty() || name.is_empty() || namespace == Some("") {
        return None;
    }
    let mut path = String::with_capacity(
        group.len() + version.len() + resource.len() + namespace.map_or(8, str::len) + name.len() + 16,
    );
    match group {
        "" => path.push_str(CORE),
        CORE => path.push_str("%63ore"),
        _ => encode(group, &mut path),
    }
    path.push('/');
    encode(version, &mut path);
    path.push('/');
    encode(resource, &mut path);
    path.push('/');
    match namespace {
        None => path.push_str(CLUSTER),
        Some(namespace) => encode(namespace, &mut path),
    }
    path.push('/');
    encode(name, &mut path);
    path.push_str(SUFFIX);
    Some(path)
}

/// The reverse of [`object_path`]; nothing if the path is not one that it makes.
pub fn parse_object_path(path: &str) -> Option<ObjectPlace> {
    let mut segments = path.split('/');
    let mut next = || segments.next();
    let (group, version, resource, namespace, file) = (next()?, next()?, next()?, next()?, next()?);
    if next().is_some() {
        return None;
    }
    let place = ObjectPlace {
        group: if group == CORE { String::new() } else { decode(group)? },
        version: decode(version)?,
        resource: decode(resource)?,
        namespace: if namespace == CLUSTER { None } else { Some(decode(namespace)?) },
        name: decode(file.strip_suffix(SUFFIX)?)?,
    };
    let again =
        object_path(&place.group, &place.version, &place.resource, place.namespace.as_deref(), &place.name)?;
    (again == path).then_some(place)
}

fn encode(segment: &str, path: &mut String) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for (at, byte) in segment.bytes().enumerate() {
        let plain = byte.is_ascii_alphanumeric() || (at > 0 && matches!(byte, b'.' | b'_' | b'-'));
        if plain {
            path.push(char::from(byte));
        } else {
            path.push('%');
            path.push(char::from(HEX[usize::from(byte >> 4)]));
            path.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
}

fn decode(segment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(if byte == b'%' { hex(rest.next()?)? << 4 | hex(rest.next()?)? } else { byte });
    }
    String::from_utf8(bytes).ok().filter(|text| !text.is_empty())
}

fn hex(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn examples() {
        let path = |g, v, r, ns, n| object_path(g, v, r, ns, n).unwrap();
        assert_eq!(path("", "v1", "pods", Some("team-a"), "web-0"), "core/v1/pods/team-a/web-0.json");
        assert_eq!(
            path("rbac.authorization.k8s.io", "v1", "clusterroles", None, "system:node"),
            "rbac.authorization.k8s.io/v1/clusterroles/_cluster/system%3Anode.json"
        );
        assert_eq!(path("core", "v1", "a", None, ".."), "%63ore/v1/a/_cluster/%2E..json");
        assert_eq!(path("", "v1", "a", Some("_cluster"), "a/b"), "core/v1/a/%5Fcluster/a%2Fb.json");
        assert_eq!(object_path("", "v1", "pods", None, ""), None);
    }

    #[test]
    fn foreign_paths_are_not_taken_for_ours() {
        for path in [
            "",
            "core/v1/pods/team-a",
            "core/v1/pods/team-a/../web.json",
            "core/v1/pods/../web.json",
            "/core/v1/pods/team-a/web.json",
            "core/v1/pods/team-a/web.json/",
            "core/v1/pods/team-a/%77eb.json",
            "core/v1/pods/team-a/a%2fb.json",
            "core/v1/pods/team-a/a%F.json",
            "core/v1/pods/team-a/%FF.json",
            "core/v1/pods/team-a/.json",
        ] {
            assert_eq!(parse_object_path(path), None, "{path}");
        }
    }

    proptest! {
        #[test]
        fn safe_and_reversible(
            group in "(|core|[a-z.:_/%]{1,12})", version in "\\PC{1,6}", resource in "\\PC{1,6}",
            namespace in proptest::option::of("(_cluster|\\.\\.|\\PC{1,6})"), name in "(\\.|\\.\\.|[a-z:%./]{1,8}|\\PC{1,40})",
        ) {
            let path = object_path(&group, &version, &resource, namespace.as_deref(), &name).unwrap();
            let segments: Vec<&str> = path.split('/').collect();
            prop_assert_eq!(segments.len(), 5);
            for segment in segments {
                prop_assert!(!segment.is_empty() && !segment.starts_with(['.', '-']));
                prop_assert!(segment.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-%".contains(&b)));
            }
            prop_assert_eq!(parse_object_path(&path), Some(ObjectPlace { group, version, resource, namespace, name }));
        }

        #[test]
        fn any_text_is_parsed_without_a_panic(path in "\\PC*") {
            if let Some(p) = parse_object_path(&path) {
                prop_assert_eq!(object_path(&p.group, &p.version, &p.resource, p.namespace.as_deref(), &p.name), Some(path));
            }
        }
    }
}
